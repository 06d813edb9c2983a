/* POSIX timers and signalfd: what is sent, how often, what is read. */
#include "show.h"
#include <sys/signalfd.h>
#include <sys/epoll.h>

static volatile int caught, code, value, overrun, most, id;
static volatile pid_t by;
static void handler(int number, siginfo_t *info, void *context) { caught++; code = info->si_code; value = info->si_value.sival_int; overrun = info->si_overrun; if (overrun > most) most = overrun; id = info->si_timerid; by = gettid(); }
static void nothing(int number) { (void)number; }

static int create(int clock, int notify, int signo, int val, int tid, timer_t *timer) {
  struct sigevent event = {.sigev_notify = notify, .sigev_signo = signo, .sigev_value.sival_int = val};
  event._sigev_un._tid = tid;
  int number; int result = syscall(SYS_timer_create, clock, &event, &number);
  *timer = (timer_t)(long)number;
  return result;
}

static int set(timer_t timer, int flags, long first_us, long interval_us, struct itimerspec *old) {
  struct itimerspec spec = {{interval_us / 1000000, interval_us % 1000000 * 1000}, {first_us / 1000000, first_us % 1000000 * 1000}};
  return syscall(SYS_timer_settime, (long)timer, flags, &spec, old);
}
#define GET(timer, spec) syscall(SYS_timer_gettime, (long)(timer), spec)
#define OVERRUN(timer) syscall(SYS_timer_getoverrun, (long)(timer))
#define DELETE(timer) syscall(SYS_timer_delete, (long)(timer))

static void wait_for(int count) { while (caught < count) usleep(1000); }
static void *other(void *tid) { *(pid_t *)tid = gettid(); while (!caught) usleep(1000); return NULL; }

static void take(int fd) {
  struct signalfd_siginfo info[4];
  errno = 0;
  long length = read(fd, info, sizeof info);
  printf("read %ld %s:", length, length < 0 ? strerrorname_np(errno) : "");
  for (int i = 0; i < length / 128; i++) printf(" [%d code %d status %d int %d ptr %#lx tid %u overrun %u mine %d]", info[i].ssi_signo, info[i].ssi_code, info[i].ssi_status, info[i].ssi_int, (long)info[i].ssi_ptr, info[i].ssi_tid, info[i].ssi_overrun, info[i].ssi_pid == getpid());
  puts("");
}

int main(void) {
  timer_t t, u; struct itimerspec spec; struct timespec now, since; sigset_t mask, empty, old;
  setvbuf(stdout, NULL, _IOLBF, 0);
  catch_info(SIGUSR1, handler, 0); catch_info(SIGRTMIN, handler, 0);

  puts("-- one shot");
  SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 77, 0, &t)); SHOW((long)t); SHOW(GET(t, &spec)); SHOW(spec.it_value.tv_nsec); SHOW(set(t, 0, 20000, 0, NULL)); SHOW(GET(t, &spec)); TRUTH(spec.it_value.tv_nsec > 0 && spec.it_value.tv_nsec <= 20000000);
  wait_for(1); SHOW(caught); SHOW(code); SHOW(value); SHOW(overrun); SHOW(id); SHOW(GET(t, &spec)); SHOW(spec.it_value.tv_nsec); SHOW(OVERRUN(t));

  puts("-- interval");
  caught = 0; SHOW(set(t, 0, 10000, 10000, NULL)); wait_for(3); SHOW(GET(t, &spec)); SHOW(spec.it_interval.tv_nsec); TRUTH(spec.it_value.tv_nsec > 0 && spec.it_value.tv_nsec <= 10000000); SHOW(set(t, 0, 0, 0, &spec)); SHOW(spec.it_interval.tv_nsec); int so_far = caught; usleep(30000); SHOW(caught - so_far);

  puts("-- overrun");
  sigemptyset(&mask); sigemptyset(&empty); sigaddset(&mask, SIGUSR1); sigprocmask(SIG_BLOCK, &mask, &old); caught = most = 0; SHOW(set(t, 0, 5000, 5000, NULL)); usleep(58000); sigprocmask(SIG_SETMASK, &old, NULL); SHOW(caught >= 1); TRUTH(most >= 9); SHOW(OVERRUN(t) >= 0); SHOW(set(t, 0, 0, 0, NULL));
  sigprocmask(SIG_BLOCK, &mask, &old); caught = 0; overrun = -1; SHOW(set(t, 0, 5000, 0, NULL)); usleep(30000); sigprocmask(SIG_SETMASK, &old, NULL); SHOW(caught); SHOW(overrun); SHOW(OVERRUN(t));

  puts("-- absolute");
  clock_gettime(CLOCK_REALTIME, &now); timer_t wall; SHOW(create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN, 5, 0, &wall)); SHOW((long)wall); caught = 0; now.tv_nsec += 20000000; if (now.tv_nsec >= 1000000000) { now.tv_nsec -= 1000000000; now.tv_sec++; } spec = (struct itimerspec){{0, 0}, now}; SHOW(syscall(SYS_timer_settime, (long)wall, TIMER_ABSTIME, &spec, NULL)); wait_for(1); SHOW(value); SHOW(id); spec.it_value.tv_sec = 1; caught = 0; SHOW(syscall(SYS_timer_settime, (long)wall, TIMER_ABSTIME, &spec, NULL)); wait_for(1); SHOW(caught);

  puts("-- none, ignored, default");
  SHOW(create(CLOCK_BOOTTIME, SIGEV_NONE, 0, 0, 0, &u)); SHOW(set(u, 0, 10000, 10000, NULL)); usleep(25000); SHOW(GET(u, &spec)); TRUTH(spec.it_value.tv_nsec > 0 && spec.it_value.tv_nsec <= 10000000); SHOW(OVERRUN(u)); SHOW(DELETE(u)); SHOW(GET(u, &spec));
  signal(SIGUSR2, SIG_IGN); SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR2, 1, 0, &u)); SHOW(set(u, 0, 2000, 2000, NULL)); usleep(20000); caught = 0; catch_info(SIGUSR2, handler, 0); wait_for(2); SHOW(value); SHOW(DELETE(u)); SHOW(DELETE(u));
  int number; SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &number)); catch_info(SIGALRM, handler, 0); caught = 0; SHOW(set((timer_t)(long)number, 0, 5000, 0, NULL)); wait_for(1); SHOW(value == number); SHOW(id == number);

  puts("-- to a thread");
  pid_t tid = 0; pthread_t thread; caught = 0; by = 0; pthread_create(&thread, NULL, other, &tid); while (!*(volatile pid_t *)&tid) usleep(1000); SHOW(create(CLOCK_MONOTONIC, 4, SIGUSR1, 3, tid, &u)); SHOW(set(u, 0, 5000, 0, NULL)); pthread_join(thread, NULL); SHOW(by == tid); SHOW(DELETE(u)); SHOW(create(CLOCK_MONOTONIC, 4, SIGUSR1, 3, 999999, &u));
  
  puts("-- errors");
  SHOW(create(99, SIGEV_SIGNAL, SIGUSR1, 0, 0, &u)); SHOW(create(CLOCK_MONOTONIC, 9, SIGUSR1, 0, 0, &u)); SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, 0, &u)); SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, 0, &u)); SHOW(create(CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGUSR1, 0, 0, &u)); SHOW(create(CLOCK_MONOTONIC_COARSE, SIGEV_SIGNAL, SIGUSR1, 0, 0, &u)); SHOW(syscall(SYS_timer_settime, (long)t, 0, NULL, NULL)); SHOW(set((timer_t)500, 0, 1, 1, NULL)); spec = (struct itimerspec){{0, 0}, {0, 1000000000}}; SHOW(syscall(SYS_timer_settime, (long)t, 0, &spec, NULL)); SHOW(GET(t, (void *)8)); SHOW(OVERRUN(-1));

  puts("-- children");
  caught = 0; SHOW(set(t, 0, 20000, 0, NULL)); CHILD("a child has none", SHOW(GET(t, &spec))); wait_for(1); SHOW(caught);
  timer_t cpu; SHOW(create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 8, 0, &cpu)); caught = 0; SHOW(set(cpu, 0, 20000, 0, NULL)); usleep(30000); SHOW(caught); while (!caught); SHOW(value);

  puts("-- signalfd");
  sigemptyset(&mask); sigaddset(&mask, SIGUSR1); sigaddset(&mask, SIGRTMIN + 1); sigaddset(&mask, SIGCHLD); sigprocmask(SIG_BLOCK, &mask, NULL); int fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC); SHOW(fcntl(fd, F_GETFD)); take(fd); struct pollfd poller = {fd, POLLIN | POLLOUT, 0}; SHOW(poll(&poller, 1, 0));
  kill(getpid(), SIGUSR1); SHOW(poll(&poller, 1, 0)); SHOW(poller.revents); take(fd); take(fd); sigval_t v = {.sival_ptr = (void *)0x123456789}; sigqueue(getpid(), SIGRTMIN + 1, v); sigqueue(getpid(), SIGRTMIN + 1, v); raise(SIGUSR1); take(fd); SHOW(poll(&poller, 1, 0));
  if (fork() == 0) _exit(7); SHOW(poll(&poller, 1, 5000)); take(fd); int status; wait(&status); if (fork() == 0) { kill(getpid(), SIGKILL); } SHOW(poll(&poller, 1, 5000)); take(fd); wait(&status);
  SHOW(set(t, 0, 1000, 0, NULL)); SHOW(poll(&poller, 1, 5000)); take(fd); int blocking = signalfd(-1, &mask, 0); struct timespec later; SHOW(set(t, 0, 20000, 0, NULL)); take(blocking);
  int set_ = epoll_create1(0); struct epoll_event event = {.events = EPOLLIN}; SHOW(epoll_ctl(set_, EPOLL_CTL_ADD, fd, &event)); SHOW(epoll_wait(set_, &event, 1, 0)); SHOW(set(t, 0, 10000, 0, NULL)); SHOW(epoll_wait(set_, &event, 1, 5000)); take(fd); SHOW(epoll_wait(set_, &event, 1, 0));
  fflush(stdout); if (fork() == 0) { kill(getpid(), SIGUSR1); take(fd); fflush(stdout); _exit(0); } wait(NULL); take(fd);
  sigemptyset(&mask); sigaddset(&mask, SIGUSR2); SHOW(signalfd(fd, &mask, 0) == fd); kill(getpid(), SIGUSR1); take(fd); SHOW(signalfd(set_, &mask, 0)); SHOW(signalfd(99, &mask, 0)); SHOW(signalfd(-1, &mask, 1)); SHOW(syscall(SYS_signalfd4, -1, &mask, 4, 0)); char small[64]; SHOW(read(fd, small, 64)); SHOW(write(fd, small, 64));
  return 0;
}
