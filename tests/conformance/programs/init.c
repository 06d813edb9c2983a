/* Process 1: it is there, and signals that it has no handler for do nothing to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void show(const char *what, long value) {
  printf("%s: %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
}

int main(void) {
  struct sched_param param = {7};
  show("kill 0", kill(1, 0));
  show("signal 65", kill(1, 65));
  errno = 0;
  show("nice", getpriority(PRIO_PROCESS, 1));
  show("scheduler", sched_getscheduler(1));
  show("parameters", sched_getparam(1, &param));
  show("priority", param.sched_priority);
  if (getuid() != 0) {
    show("set", sched_setscheduler(1, SCHED_BATCH, &param));
    show("terminate", kill(1, SIGTERM));
  }
  return 0;
}
