/* Processor time and who gets it: interval timers, limits, clocks, priorities, policies. */
#include "show.h"
#include <sched.h>

static volatile int virtual_rings, prof_rings;
static void ring(int number) { if (number == SIGVTALRM) virtual_rings++; else prof_rings++; }
static long used(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec * 1000000000l + t.tv_nsec; }
static void burn(long milliseconds) { long end = used() + milliseconds * 1000000; while (used() < end) for (volatile int i = 0; i < 100000; i++) {} }

int main(void) {
  struct itimerval value = {{0, 20000}, {0, 20000}}, left, none = {{0, 0}, {0, 0}};
  puts("-- interval timers");
  signal(SIGVTALRM, ring); signal(SIGPROF, ring);
  SHOW(setitimer(ITIMER_VIRTUAL, &value, NULL)); SHOW(setitimer(ITIMER_PROF, &value, NULL)); burn(200);
  SHOW(getitimer(ITIMER_VIRTUAL, &left)); SHOW(left.it_interval.tv_usec); TRUTH(left.it_value.tv_usec > 0 && left.it_value.tv_usec <= 24000);
  SHOW(setitimer(ITIMER_VIRTUAL, &none, &left)); SHOW(left.it_interval.tv_usec); SHOW(setitimer(ITIMER_PROF, &none, NULL)); TRUTH(virtual_rings >= 2); TRUTH(prof_rings >= 2);
  SHOW(getitimer(ITIMER_VIRTUAL, &left)); SHOW(left.it_value.tv_usec); SHOW(setitimer(3, &value, NULL)); value.it_value.tv_usec = 1000000; SHOW(setitimer(ITIMER_PROF, &value, NULL));

  puts("-- whose time");
  int status; struct rusage usage; fflush(stdout); pid_t child = fork();
  if (child == 0) { if (fork() == 0) { burn(60); _exit(0); } wait(NULL); burn(60); _exit(0); }
  clockid_t clock; struct timespec t; SHOW(clock_getcpuclockid(child, &clock)); SHOW(clock_gettime(clock, &t)); SHOW(waitpid(child, &status, 0) == child);
  SHOW(clock_gettime(clock, &t)); SHOW(getrusage(RUSAGE_CHILDREN, &usage)); TRUTH(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec >= 100000);

  puts("-- limits");
  CHILD("soft", { struct rlimit limit = {1, 3}; setrlimit(RLIMIT_CPU, &limit); setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); for (;;) {} });
  CHILD("inherited", { struct rlimit limit = {1, 1}; setrlimit(RLIMIT_CPU, &limit); pid_t p = fork(); if (p == 0) for (;;) {} waitpid(p, &status, 0); show_status("grandchild", status); fflush(stdout); });

  puts("-- priorities");
  setpgid(0, 0); SHOW(getpriority(PRIO_PROCESS, 0)); SHOW(nice(3)); SHOW(getpriority(PRIO_PROCESS, getpid())); SHOW(setpriority(PRIO_PROCESS, 0, 100)); SHOW(getpriority(PRIO_PGRP, 0)); SHOW(setpriority(9, 0, 0)); SHOW(getpriority(PRIO_PROCESS, 99999999)); SHOW(getpriority(9, 0));
  CHILD("inherits", SHOW(getpriority(PRIO_PROCESS, 0)));
  struct sched_param param = {0};
  SHOW(sched_getscheduler(0)); SHOW(sched_setscheduler(0, SCHED_BATCH, &param)); SHOW(sched_getscheduler(0)); SHOW(sched_setscheduler(0, 99, &param)); SHOW(sched_setscheduler(99999999, SCHED_OTHER, &param)); SHOW(sched_setscheduler(-1, SCHED_OTHER, &param)); param.sched_priority = 5; SHOW(sched_setscheduler(0, SCHED_OTHER, &param)); SHOW(sched_setparam(0, &param)); SHOW(sched_getparam(0, &param)); SHOW(param.sched_priority);
  SHOW(sched_get_priority_max(SCHED_FIFO)); SHOW(sched_get_priority_min(SCHED_RR)); SHOW(sched_get_priority_max(SCHED_OTHER)); SHOW(sched_get_priority_max(99)); SHOW(syscall(SYS_ioprio_set, 1, 0, 3 << 13)); SHOW(syscall(SYS_ioprio_get, 1, 0)); SHOW(syscall(SYS_ioprio_set, 1, 0, 5 << 13)); SHOW(syscall(SYS_ioprio_get, 7, 0));
  return 0;
}
