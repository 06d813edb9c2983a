/* wait4 and waitid: every kind of status, the options, the errors, SIGCHLD. */
#include "show.h"

static volatile siginfo_t seen;
static volatile int chld;
static void informed(int number, siginfo_t *info, void *context) {
  (void)number; (void)context;
  memcpy((void *)&seen, info, sizeof seen);
  chld++;
}
static pid_t ends(int code) {
  pid_t child = fork();
  if (child == 0) _exit(code);
  return child;
}
static pid_t sleeps(void) {
  pid_t child = fork();
  if (child == 0) for (;;) pause();
  return child;
}

int main(void) {
  int status;
  siginfo_t info;
  struct rusage usage;
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- no children");
  SHOW(wait(&status)); SHOW(waitpid(1, &status, 0)); SHOW(waitpid(-1, &status, WNOHANG)); SHOW(waitpid(0, &status, 0));
  SHOW(waitid(P_ALL, 0, &info, WEXITED)); SHOW(waitid(P_ALL, 0, &info, 0)); SHOW(wait4(-1, &status, 0x100, NULL));

  puts("-- exits");
  for (int code = 0; code < 300; code += 85) {
    pid_t child = ends(code);
    TRUTH(waitpid(child, &status, 0) == child);
    show_status("child", status);
  }
  pid_t child = ends(3);
  TRUTH(wait(NULL) == child);

  puts("-- signals");
  child = sleeps();
  SHOW(waitpid(child, &status, WNOHANG));
  kill(child, SIGKILL);
  TRUTH(waitpid(-1, &status, 0) == child); show_status("child", status);

  puts("-- stop and continue");
  child = sleeps();
  kill(child, SIGSTOP);
  TRUTH(waitpid(child, &status, WUNTRACED) == child); show_status("child", status);
  SHOW(waitpid(child, &status, WUNTRACED | WNOHANG));
  kill(child, SIGCONT);
  TRUTH(waitpid(child, &status, WCONTINUED) == child); show_status("child", status);
  kill(child, SIGTSTP);
  info.si_pid = 0;
  SHOW(waitid(P_PID, child, &info, WSTOPPED));
  TRUTH(info.si_pid == child); SHOW(info.si_code); SHOW(info.si_status); SHOW(info.si_signo);
  kill(child, SIGTERM);
  SHOW(waitpid(child, &status, WNOHANG)); /* stopped: not delivered yet */
  kill(child, SIGCONT);
  TRUTH(waitpid(child, &status, 0) == child); show_status("child", status);

  puts("-- waitid");
  child = ends(42);
  SHOW(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  TRUTH(info.si_pid == child); SHOW(info.si_code); SHOW(info.si_status); TRUTH(info.si_uid == getuid());
  SHOW(waitid(P_PID, child, &info, WEXITED)); SHOW(info.si_status);
  SHOW(waitid(P_PID, child, &info, WEXITED));
  child = sleeps();
  memset(&info, 0x55, sizeof info);
  SHOW(waitid(P_PID, child, &info, WEXITED | WNOHANG)); SHOW(info.si_pid); SHOW(info.si_signo);
  kill(child, SIGTERM);
  SHOW(waitid(P_ALL, 0, &info, WEXITED)); SHOW(info.si_code); SHOW(info.si_status);

  puts("-- process groups");
  child = fork();
  if (child == 0) { setpgid(0, 0); _exit(7); }
  setpgid(child, child);
  TRUTH(waitpid(-child, &status, 0) == child); show_status("child", status);
  SHOW(waitpid(-99999999, &status, 0));
  child = fork();
  if (child == 0) { setpgid(0, 0); pause(); _exit(1); }
  setpgid(child, child);
  SHOW(waitpid(0, &status, WNOHANG));
  SHOW(kill(-child, SIGINT));
  TRUTH(waitid(P_PGID, child, &info, WEXITED) == 0); SHOW(info.si_status);

  puts("-- usage");
  child = fork();
  if (child == 0) { for (volatile long i = 0; i < 30000000; i++) {} _exit(0); }
  TRUTH(wait4(child, &status, 0, &usage) == child);
  TRUTH(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0);
  SHOW(getrusage(RUSAGE_CHILDREN, &usage)); TRUTH(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0);
  SHOW(getrusage(5, &usage));

  puts("-- SIGCHLD");
  catch_info(SIGCHLD, informed, SA_RESTART);
  child = ends(5);
  TRUTH(waitpid(child, &status, 0) == child);
  TRUTH(chld == 1); TRUTH(seen.si_pid == child); SHOW(seen.si_code); SHOW(seen.si_status);
  child = sleeps();
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  SHOW(chld); SHOW(seen.si_code);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  SHOW(seen.si_code);

  puts("-- nobody waits");
  signal(SIGCHLD, SIG_IGN);
  child = ends(0);
  SHOW(waitpid(child, &status, 0));
  signal(SIGCHLD, SIG_DFL);

  puts("-- a zombie and an orphan");
  child = ends(9);
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  SHOW(kill(child, 0)); SHOW(kill(child, SIGKILL));
  waitpid(child, &status, 0); show_status("child", status);
  SHOW(kill(child, 0));
  int ends_[2];
  pipe(ends_);
  child = fork();
  if (child == 0) {
    pid_t middle = getpid();
    if (fork() == 0) {
      while (getppid() == middle) usleep(1000);
      write(ends_[1], "o", 1);
      _exit(0);
    }
    _exit(0);
  }
  waitpid(child, &status, 0);
  char byte = 0;
  SHOW(read(ends_[0], &byte, 1));

  puts("-- many at once");
  int sum = 0;
  for (int i = 1; i <= 20; i++) ends(i);
  for (int i = 1; i <= 20; i++) { wait(&status); sum += WEXITSTATUS(status); }
  SHOW(sum);
  return 0;
}
