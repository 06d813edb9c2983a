/* eventfd and timerfd: counting, blocking, readiness, clocks, errors. */
#include "show.h"
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int ready(int fd) {
  struct pollfd fds = {fd, POLLIN | POLLOUT, 0};
  poll(&fds, 1, 0);
  return fds.revents;
}

static long take(int fd) {
  uint64_t value = 0;
  return read(fd, &value, 8) == 8 ? (long)value : -1;
}

static long add(int fd, uint64_t value) { return write(fd, &value, 8); }

static void *reader(void *fd) {
  usleep(20000);
  take((int)(long)fd);
  return NULL;
}

static void set(int fd, int flags, long first_ms, long interval_ms) {
  struct itimerspec timer = {{interval_ms / 1000, interval_ms % 1000 * 1000000}, {first_ms / 1000, first_ms % 1000 * 1000000}};
  SHOW(timerfd_settime(fd, flags, &timer, NULL));
}

int main(void) {
  char buffer[32] = {0};
  struct timespec since, now;
  struct itimerspec timer;
  pthread_t thread;
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- eventfd");
  int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC); SHOW(fcntl(fd, F_GETFD)); SHOW(!!(fcntl(fd, F_GETFL) & O_NONBLOCK)); SHOW(ready(fd)); SHOW(take(fd)); SHOW(ready(fd)); SHOW(take(fd)); SHOW(add(fd, 5)); SHOW(add(fd, 6)); SHOW(take(fd));
  SHOW(add(fd, UINT64_MAX)); SHOW(add(fd, UINT64_MAX - 1)); SHOW(ready(fd)); SHOW(add(fd, 1)); SHOW(add(fd, 0)); SHOW(read(fd, buffer, 7)); SHOW(write(fd, buffer, 7)); SHOW(read(fd, buffer, 32)); memset(buffer, 1, 16); SHOW(write(fd, buffer, 16)); SHOW(take(fd)); SHOW(eventfd(0, 8)); SHOW(lseek(fd, 0, SEEK_SET) <= 0); SHOW(pread(fd, buffer, 8, 0)); SHOW(ftruncate(fd, 0)); SHOW(ioctl(fd, FIONREAD, buffer));
  int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK); SHOW(take(semaphore)); SHOW(take(semaphore)); SHOW(take(semaphore));
  int blocking = eventfd(0, 0); SHOW(add(blocking, UINT64_MAX - 1)); pthread_create(&thread, NULL, reader, (void *)(long)blocking); SHOW(add(blocking, 9)); pthread_join(thread, NULL); SHOW(take(blocking));
  pid_t child = fork(); if (child == 0) { usleep(20000); add(blocking, 42); _exit(0); } SHOW(take(blocking)); waitpid(child, NULL, 0);
  char path[64], target[64] = {0}; sprintf(path, "/proc/self/fd/%d", fd); SHOW(readlink(path, target, 63)); puts(target); struct stat status; fstat(fd, &status); printf("%o %ld\n", status.st_mode, (long)status.st_size);

  puts("-- timerfd");
  SHOW(timerfd_create(99, 0)); SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0)); SHOW(timerfd_create(CLOCK_MONOTONIC, 1)); int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC); SHOW(fcntl(t, F_GETFD)); SHOW(ready(t)); SHOW(take(t)); SHOW(timerfd_gettime(t, &timer)); SHOW(timer.it_value.tv_nsec);
  set(t, 0, 20, 0); SHOW(timerfd_gettime(t, &timer)); TRUTH(timer.it_value.tv_nsec > 0 && timer.it_value.tv_nsec <= 20000000); SHOW(ready(t)); struct pollfd fds = {t, POLLIN, 0}; SHOW(poll(&fds, 1, 5000)); SHOW(ready(t)); SHOW(take(t)); SHOW(take(t)); SHOW(ready(t));
  set(t, 0, 10, 10); usleep(55000); long count = take(t); TRUTH(count >= 5 && count < 50); SHOW(timerfd_gettime(t, &timer)); SHOW(timer.it_interval.tv_nsec); TRUTH(timer.it_value.tv_nsec > 0 && timer.it_value.tv_nsec <= 10000000); struct itimerspec off = {0}; SHOW(timerfd_settime(t, 0, &off, &timer)); SHOW(timer.it_interval.tv_nsec); SHOW(ready(t)); SHOW(poll(&fds, 1, 15));
  clock_gettime(CLOCK_MONOTONIC, &now); timer = (struct itimerspec){{0, 0}, {now.tv_sec, now.tv_nsec}}; SHOW(timerfd_settime(t, TFD_TIMER_ABSTIME, &timer, NULL)); SHOW(poll(&fds, 1, 1000)); SHOW(take(t));
  timer.it_value = (struct timespec){1, 0}; timer.it_interval = (struct timespec){now.tv_sec, 0}; SHOW(timerfd_settime(t, TFD_TIMER_ABSTIME, &timer, NULL)); SHOW(take(t) >= 1);
  int w = timerfd_create(CLOCK_REALTIME, 0); clock_gettime(CLOCK_REALTIME, &now); now.tv_nsec += 20000000; if (now.tv_nsec >= 1000000000) { now.tv_nsec -= 1000000000; now.tv_sec++; } timer = (struct itimerspec){{0, 0}, now}; clock_gettime(CLOCK_MONOTONIC, &since); SHOW(timerfd_settime(w, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &timer, NULL)); SHOW(take(w)); TRUTH(elapsed_ms(&since) >= 18 && elapsed_ms(&since) < 1000);
  timer.it_value.tv_nsec = 1000000000; SHOW(timerfd_settime(w, 0, &timer, NULL)); timer.it_value.tv_nsec = 0; timer.it_value.tv_sec = -1; SHOW(timerfd_settime(w, 0, &timer, NULL)); SHOW(timerfd_settime(fd, 0, &off, NULL)); SHOW(timerfd_settime(97, 0, &off, NULL)); SHOW(timerfd_settime(w, 8, &off, NULL)); SHOW(timerfd_gettime(fd, &timer)); SHOW(timerfd_settime(w, 0, NULL, NULL)); SHOW(read(w, buffer, 4)); SHOW(write(w, buffer, 8));
  return 0;
}
