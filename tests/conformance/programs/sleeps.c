/* Sleeping and timers: remainders, absolute sleeps, alarms, clocks. */
#include "show.h"
#include <linux/futex.h>

static volatile int count;
static void counted(int number) { (void)number; count++; }

int main(void) {
  struct timespec wanted = {1, 0}, left = {9, 9}, since, now, bad = {0, 1000000000}, little = {0, 20000000}, negative = {-1, 0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  clock_gettime(CLOCK_MONOTONIC, &since); SHOW(nanosleep(&little, &left)); TRUTH(elapsed_ms(&since) >= 20 && elapsed_ms(&since) < 500); SHOW(left.tv_sec);
  catch(SIGALRM, counted, SA_RESTART); alarm_in(30); SHOW(nanosleep(&wanted, &left)); TRUTH(left.tv_sec == 0 && left.tv_nsec > 500000000); SHOW(count);
  alarm_in(30); SHOW(usleep(500000)); alarm_in(30); TRUTH(sleep(1) <= 1);
  SHOW(nanosleep(&bad, NULL)); SHOW(nanosleep(&negative, NULL)); SHOW(nanosleep((void *)8, NULL));
  printf("%s\n", strerrorname_np(clock_nanosleep(77, 0, &little, NULL))); alarm_in(20); printf("%s\n", strerrorname_np(clock_nanosleep(CLOCK_MONOTONIC, 0, &wanted, &left))); TRUTH(left.tv_nsec > 500000000);
  clock_gettime(CLOCK_MONOTONIC, &now); now.tv_nsec += 20000000; if (now.tv_nsec >= 1000000000) { now.tv_sec++; now.tv_nsec -= 1000000000; } SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL)); struct timespec after; clock_gettime(CLOCK_MONOTONIC, &after); TRUTH(after.tv_sec > now.tv_sec || after.tv_nsec >= now.tv_nsec); SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL)); clock_gettime(CLOCK_REALTIME, &now); SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &now, NULL));

  puts("-- alarms");
  struct itimerval timer = {{0, 10000}, {0, 10000}}, was;
  count = 0; SHOW(setitimer(ITIMER_REAL, &timer, NULL)); while (count < 5) pause(); SHOW(getitimer(ITIMER_REAL, &was)); SHOW(was.it_interval.tv_usec); TRUTH(was.it_value.tv_usec <= 10000); timer = (struct itimerval){{0, 0}, {0, 0}}; SHOW(setitimer(ITIMER_REAL, &timer, &was)); TRUTH(count >= 5); SHOW(setitimer(9, &timer, NULL)); timer.it_value.tv_usec = 1000000; SHOW(setitimer(ITIMER_REAL, &timer, NULL));
  SHOW(alarm(10)); TRUTH(alarm(0) == 10 || alarm(0) == 9); SHOW(alarm(0));
  CHILD("an alarm kills", { signal(SIGALRM, SIG_DFL); alarm_in(10); for (;;) pause(); });
  CHILD("an alarm kills a loop", { signal(SIGALRM, SIG_DFL); alarm_in(30); for (;;) {} });
  CHILD("a handler leaves a loop", { count = 0; catch(SIGALRM, counted, 0); alarm_in(30); while (!count) {} puts("left"); });
  CHILD("fork clears alarms", { alarm_in(50); CHILD("inner", { SHOW(getitimer(ITIMER_REAL, &was)); SHOW(was.it_value.tv_usec); }); });
  CHILD("exec keeps alarms", { signal(SIGALRM, SIG_DFL); alarm_in(100); execlp("sleep", "sleep", "5", (char *)NULL); });

  puts("-- clocks");
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};
  for (int i = 0; i < 8; i++) { struct timespec a, b; int one = clock_gettime(clocks[i], &a), two = clock_gettime(clocks[i], &b), three = syscall(SYS_clock_gettime, clocks[i], &now); printf("clock %d: %d %d %d forward %d\n", clocks[i], one, two, three, b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec)); TRUTH(labs(now.tv_sec - a.tv_sec) <= 1); }
  SHOW(clock_gettime(99, &now)); SHOW(clock_getres(CLOCK_MONOTONIC, &now)); SHOW(now.tv_nsec); TRUTH(labs(time(NULL) - ({ struct timeval v; gettimeofday(&v, NULL); v.tv_sec; })) <= 1); TRUTH(time(NULL) > 1700000000);
  clock_t began = clock(); for (volatile long i = 0; i < 20000000; i++) {} TRUTH(clock() > began);

  puts("-- a time long ago");
  pid_t owner = fork(); if (!owner) { pause(); _exit(0); } int word = owner; struct timespec past = {0, 1};
  SHOW(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, &past)); SHOW(kill(owner, SIGKILL)); wait(NULL);
  return 0;
}
