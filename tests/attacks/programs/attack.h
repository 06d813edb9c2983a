/* What attack programs share: raw calls, the stub's addresses, and cases that run each in a process of its own. */
#define _GNU_SOURCE
#include "layout.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline long raw6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#define raw(number, a, b, c) raw6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* Run attack() in a child; "name: how it ended" (a child that goes on for a second is killed: "killed"). */
__attribute__((unused)) static void in_child(const char *name, void (*attack)(long), long argument) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    attack(argument);
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  struct timespec step = {0, 5000000};
  int tries = 200;
  while (waitpid(child, &status, WNOHANG) == 0 && tries--)
    nanosleep(&step, NULL);
  if (tries < 0) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    printf("%s %#lx: killed\n", name, argument);
  } else if (WIFSIGNALED(status))
    printf("%s %#lx: signal %d\n", name, argument, WTERMSIG(status));
  else
    printf("%s %#lx: exit %d\n", name, argument, WEXITSTATUS(status));
}
