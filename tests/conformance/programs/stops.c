/* Calls that wait, in a process that is stopped and continued meanwhile: without a handler they go on as if nothing had been. */
#include "show.h"

static int ready[2], answer[2];

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
static void handler(int number) { (void)number; }

static long sleeps(void) {
  struct timespec time = {0, 200000000};
  return nanosleep(&time, NULL);
}
static long polls(void) { return poll(NULL, 0, 200); }
static long selects(void) {
  struct timeval time = {0, 200000};
  return select(0, NULL, NULL, NULL, &time);
}
static long pauses(void) { return pause(); }
static long suspends(void) {
  sigset_t none;
  sigemptyset(&none);
  return sigsuspend(&none);
}
static long reads(void) {
  char byte;
  return read(answer[0], &byte, 1);
}
static long waits(void) {
  pid_t child = fork();
  if (child == 0) { usleep(200000); _exit(0); }
  return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static void try(const char *name, long (*call)(void), int wake, int stop) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0); /* with a parent in another group it is not orphaned, so that SIGTSTP stops it */
    signal(SIGUSR1, handler);
    write(ready[1], "r", 1);
    long start = milliseconds();
    errno = 0;
    long result = call();
    const char *error = result == -1 ? strerrorname_np(errno) : "no error";
    printf("%s: %ld, %s, %s\n", name, result, error, wake || milliseconds() - start >= 190 ? "in time" : "too early");
    fflush(stdout);
    _exit(0);
  }
  char byte;
  read(ready[0], &byte, 1);
  usleep(30000);
  kill(child, stop);
  waitpid(child, &status, WUNTRACED);
  printf("stopped: %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status) == stop);
  fflush(stdout);
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  usleep(30000);
  if (wake == 1) kill(child, SIGUSR1);
  if (wake == 2) write(answer[1], "a", 1);
  waitpid(child, &status, 0);
  printf("ended: %d\n", WIFEXITED(status));
}

int main(void) {
  pipe(ready);
  pipe(answer);
  int stops[] = {SIGSTOP, SIGTSTP};
  for (int i = 0; i < 2; i++) {
    try("nanosleep", sleeps, 0, stops[i]);
    try("poll", polls, 0, stops[i]);
    try("select", selects, 0, stops[i]);
    try("pause", pauses, 1, stops[i]);
    try("sigsuspend", suspends, 1, stops[i]);
    try("read", reads, 2, stops[i]);
    try("waitpid", waits, 0, stops[i]);
  }
  return 0;
}
