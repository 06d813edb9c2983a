/* Process groups and sessions. */
#include "show.h"

static void leave(int number) { _exit(number); }

int main(void) {
  int status, ready[2];
  char byte;
  setvbuf(stdout, NULL, _IOLBF, 0);
  pipe(ready);
  TRUTH(getpgid(0) == getpgrp()); TRUTH(getsid(0) == getsid(getpid())); SHOW(getpgid(99999999)); SHOW(getsid(99999999)); SHOW(setpgid(0, -1)); SHOW(setpgid(99999999, 0)); SHOW(setpgid(0, 99999999));
  CHILD("setsid", { TRUTH(setsid() == getpid()); TRUTH(getsid(0) == getpid() && getpgrp() == getpid()); SHOW(setsid()); SHOW(setpgid(0, 0)); });
  CHILD("a leader cannot", { setpgid(0, 0); SHOW(setsid()); TRUTH(getpgrp() == getpid()); });
  fflush(stdout); pid_t one = fork(); if (one == 0) { setpgid(0, 0); catch(SIGUSR1, leave, 0); write(ready[1], "1", 1); for (;;) pause(); }
  setpgid(one, one); pid_t two = fork(); if (two == 0) { setpgid(0, one); catch(SIGUSR1, leave, 0); write(ready[1], "2", 1); for (;;) pause(); }
  setpgid(two, one); read(ready[0], &byte, 1); read(ready[0], &byte, 1); TRUTH(getpgid(two) == one); SHOW(kill(-one, SIGUSR1)); for (int i = 0; i < 2; i++) { waitpid(-one, &status, 0); show_status("member", status); } SHOW(kill(-one, 0));
  CHILD("kill(0)", { setpgid(0, 0); catch(SIGUSR1, leave, 0); kill(0, SIGUSR1); }); CHILD("killpg", { setpgid(0, 0); SHOW(killpg(getpgrp(), SIGTERM)); });
  one = fork(); if (one == 0) { setsid(); write(ready[1], "s", 1); pause(); _exit(0); } read(ready[0], &byte, 1); SHOW(setpgid(one, 0)); SHOW(kill(one, SIGTERM)); waitpid(one, &status, 0); show_status("other session", status);
  one = fork(); if (one == 0) { execlp("sleep", "sleep", "9", (char *)NULL); _exit(1); } usleep(200000); SHOW(setpgid(one, one)); kill(one, SIGKILL); waitpid(one, &status, 0);
  int null = open("/dev/null", O_RDWR); SHOW(tcgetpgrp(null)); SHOW(isatty(null));
  return 0;
}
