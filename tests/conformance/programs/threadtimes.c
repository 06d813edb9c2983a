/* The processor time of single threads: clocks, getrusage, /proc. */
#include "show.h"

static long milliseconds(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t))
    return -1;
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static long rusage(int who) {
  struct rusage used;
  getrusage(who, &used);
  return used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000 + used.ru_stime.tv_sec * 1000 + used.ru_stime.tv_usec / 1000;
}

static pid_t burner;
static volatile int said, go_on = 1;

static void *burn(void *nothing) {
  burner = syscall(SYS_gettid);
  while (milliseconds(CLOCK_THREAD_CPUTIME_ID) < 150)
    for (volatile int i = 0; i < 100000; i++)
      ;
  TRUTH(rusage(RUSAGE_THREAD) >= 120);
  said = 1;
  while (go_on)
    usleep(1000);
  return 0;
}

static long ticks(const char *path) {
  char text[1024] = "";
  int fd = open(path, O_RDONLY);
  read(fd, text, sizeof text - 1);
  close(fd);
  long user = -1, system = -1;
  sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
  return user + system;
}

int main(void) {
  pthread_t thread;
  clockid_t clock;
  char path[100];
  pthread_create(&thread, 0, burn, 0);
  SHOW(pthread_getcpuclockid(thread, &clock));
  while (!said)
    usleep(1000);
  TRUTH(milliseconds(clock) >= 150);
  TRUTH(milliseconds(CLOCK_PROCESS_CPUTIME_ID) >= 150);
  TRUTH(milliseconds(CLOCK_THREAD_CPUTIME_ID) < 100);
  TRUTH(rusage(RUSAGE_SELF) >= 120);
  TRUTH(rusage(RUSAGE_THREAD) < 100);
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", burner);
  TRUTH(ticks(path) >= 10);
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
  TRUTH(ticks(path) < 10);
  TRUTH(ticks("/proc/self/stat") >= 10);
  go_on = 0;
  pthread_join(thread, 0);
  while (!syscall(SYS_tgkill, getpid(), burner, 0)) // joined is not yet gone
    usleep(1000);
  SHOW(milliseconds(~burner << 3 | 6));
  return 0;
}
