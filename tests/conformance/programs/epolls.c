/* epoll: levels, edges, one shot, sets in sets, descriptors that are closed, masks, errors. */
#include "show.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int set;
static void nothing(int number) { (void)number; }

static int ctl(int command, int fd, unsigned events, int data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(set, command, fd, &event);
}

/* What is ready: data and events, in order. */
static void look(const char *title, int epoll, int limit, int timeout) {
  struct epoll_event events[8];
  errno = 0;
  int count = epoll_wait(epoll, events, limit, timeout);
  printf("%s: %d %s", title, count, count < 0 ? strerrorname_np(errno) : "");
  for (int i = 0; i < count; i++) printf(" [%d %#x]", (int)events[i].data.u64, events[i].events);
  puts("");
}

static void *late(void *fd) {
  usleep(20000);
  write((int)(long)fd, "z", 1);
  return NULL;
}

int main(void) {
  int p[2], q[2], r[2], s[2];
  char buffer[64];
  struct timespec since, little = {0, 20000000}, none = {0, 0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  pipe(p); pipe(q); pipe(r); socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  set = epoll_create1(EPOLL_CLOEXEC);
  SHOW(fcntl(set, F_GETFD)); TRUTH(fcntl(set, F_GETFL) == O_RDWR || fcntl(set, F_GETFL) == (O_RDWR | 0100000));

  puts("-- errors");
  SHOW(epoll_create(0)); SHOW(epoll_create1(1)); SHOW(ctl(EPOLL_CTL_ADD, 99, EPOLLIN, 0)); SHOW(ctl(EPOLL_CTL_ADD, set, EPOLLIN, 0)); SHOW(ctl(9, p[0], EPOLLIN, 0));
  SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 0)); SHOW(ctl(EPOLL_CTL_DEL, p[0], EPOLLIN, 0)); SHOW(epoll_ctl(set, EPOLL_CTL_ADD, p[0], NULL)); SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, q[0], &(struct epoll_event){0}));
  SHOW(ctl(EPOLL_CTL_ADD, open("/bin/sh", O_RDONLY), EPOLLIN, 0)); SHOW(ctl(EPOLL_CTL_ADD, open("/", O_RDONLY), EPOLLIN, 0)); SHOW(ctl(EPOLL_CTL_ADD, open("/dev/null", O_RDWR), EPOLLIN, 0)); SHOW(ctl(EPOLL_CTL_ADD, open("/dev/urandom", O_RDONLY), EPOLLIN, 0)); SHOW(ctl(EPOLL_CTL_ADD, open("/tmp", O_PATH), EPOLLIN, 0));
  struct epoll_event events[2]; SHOW(epoll_wait(p[0], events, 2, 0)); SHOW(epoll_wait(set, events, 0, 0)); SHOW(epoll_wait(set, events, -1, 0)); SHOW(epoll_wait(98, events, 1, 0)); SHOW(read(set, buffer, 8)); SHOW(write(set, buffer, 8));
  close(set); set = epoll_create(1);

  puts("-- level");
  SHOW(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1)); SHOW(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1)); SHOW(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT, 2)); look("writable", set, 8, 0); look("still", set, 8, 0);
  write(p[1], "ab", 2); look("both", set, 8, 0); look("one", set, 1, 0); look("other", set, 1, 0); read(p[0], buffer, 1); look("half", set, 8, 0); read(p[0], buffer, 1); look("read", set, 8, 0);
  SHOW(ctl(EPOLL_CTL_MOD, p[1], 0, 2)); look("nothing", set, 8, 0); clock_gettime(CLOCK_MONOTONIC, &since); look("waits", set, 8, 20); TRUTH(elapsed_ms(&since) >= 19 && elapsed_ms(&since) < 1000);
  SHOW(ctl(EPOLL_CTL_DEL, p[1], 0, 0)); SHOW(ctl(EPOLL_CTL_DEL, p[1], 0, 0));

  puts("-- edge");
  SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3)); look("empty", set, 8, 0); write(p[1], "abc", 3); look("edge", set, 8, 0); look("once", set, 8, 0); read(p[0], buffer, 1); look("read one", set, 8, 0); write(p[1], "d", 1); look("again", set, 8, 0); look("once", set, 8, 0); SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3)); look("set again", set, 8, 0); SHOW(read(p[0], buffer, 64)); look("drained", set, 8, 0);

  puts("-- one shot");
  SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4)); write(p[1], "x", 1); look("shot", set, 8, 0); look("disabled", set, 8, 0); write(p[1], "y", 1); look("disabled", set, 8, 0); SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 5)); look("rearmed", set, 8, 0); read(p[0], buffer, 64);

  puts("-- ends");
  SHOW(ctl(EPOLL_CTL_ADD, q[0], EPOLLIN, 6)); SHOW(ctl(EPOLL_CTL_ADD, r[1], EPOLLOUT, 7)); look("before", set, 8, 0); close(q[1]); close(r[0]); look("ended", set, 8, 0); SHOW(ctl(EPOLL_CTL_MOD, q[0], 0, 8)); look("always", set, 8, 0); close(r[1]); look("closed", set, 8, 0);
  int copy = dup(q[0]); close(q[0]); look("a copy holds it", set, 8, 0); SHOW(ctl(EPOLL_CTL_DEL, q[0], 0, 0)); close(copy); look("gone", set, 8, 0);
  SHOW(ctl(EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLRDHUP, 9)); look("socket", set, 8, 0); write(s[1], "hi", 2); look("socket", set, 8, 0); shutdown(s[1], SHUT_WR); look("shut", set, 8, 0); close(s[1]); look("closed", set, 8, 0); SHOW(ctl(EPOLL_CTL_DEL, s[0], 0, 0));

  puts("-- in sets");
  int outer = epoll_create1(0), inner = set; set = outer; SHOW(ctl(EPOLL_CTL_ADD, inner, EPOLLIN, 10)); look("empty", outer, 8, 0); set = inner; SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 11)); write(p[1], "n", 1); look("outer", outer, 8, 0); look("inner", inner, 8, 0);
  struct pollfd fds = {outer, POLLIN, 0}; SHOW(poll(&fds, 1, 0)); SHOW(fds.revents); read(p[0], buffer, 1); SHOW(poll(&fds, 1, 0)); look("outer", outer, 8, 0); SHOW(ctl(EPOLL_CTL_ADD, outer, EPOLLIN, 12));
  int sets[8]; for (int i = 0; i < 8; i++) sets[i] = epoll_create1(0); for (int i = 1; i < 8; i++) { set = sets[i]; SHOW(ctl(EPOLL_CTL_ADD, sets[i - 1], EPOLLIN, i)); }
  for (int i = 0; i < 8; i++) close(sets[i]);
  close(outer); set = inner;

  puts("-- exclusive");
  SHOW(ctl(EPOLL_CTL_DEL, p[0], 0, 0)); SHOW(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 13)); SHOW(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 13)); SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 13)); SHOW(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 13)); write(p[1], "e", 1); look("exclusive", set, 8, 0); read(p[0], buffer, 1);

  puts("-- waiting");
  pthread_t thread; pthread_create(&thread, NULL, late, (void *)(long)p[1]); look("a thread writes", set, 8, 5000); pthread_join(thread, NULL); read(p[0], buffer, 1);
  fflush(stdout); pid_t child = fork(); if (child == 0) { usleep(20000); write(p[1], "c", 1); _exit(0); } look("a child writes", set, 8, -1); waitpid(child, NULL, 0); read(p[0], buffer, 1);
  catch(SIGALRM, nothing, SA_RESTART); alarm_in(20); look("a signal", set, 8, 5000);
  sigset_t blocked, empty; sigemptyset(&empty); sigemptyset(&blocked); sigaddset(&blocked, SIGALRM); sigprocmask(SIG_BLOCK, &blocked, NULL); raise(SIGALRM);
  SHOW(epoll_pwait(set, events, 2, 10, NULL)); SHOW(epoll_pwait(set, events, 2, 0, &empty)); write(p[1], "s", 1); SHOW(epoll_pwait(set, events, 2, 5000, &empty)); sigset_t pending; sigpending(&pending); SHOW(sigismember(&pending, SIGALRM)); read(p[0], buffer, 1); SHOW(epoll_pwait(set, events, 2, 5000, &empty)); sigpending(&pending); SHOW(sigismember(&pending, SIGALRM));
  SHOW(syscall(SYS_epoll_pwait, set, events, 2, 0, &empty, 4)); SHOW(syscall(441, set, events, 2, &little, NULL, 8)); SHOW(syscall(441, set, events, 2, &none, &empty, 8)); write(p[1], "t", 1); SHOW(syscall(441, set, events, 2, NULL, NULL, 8));

  puts("-- poll with a mask");
  struct pollfd ready = {p[0], POLLIN, 0}; raise(SIGALRM); SHOW(ppoll(&ready, 1, &little, &empty)); sigpending(&pending); SHOW(sigismember(&pending, SIGALRM)); read(p[0], buffer, 64); SHOW(ppoll(&ready, 1, &none, &empty)); sigpending(&pending); SHOW(sigismember(&pending, SIGALRM)); SHOW(syscall(SYS_ppoll, &ready, 1, &none, &empty, 4));
  return 0;
}
