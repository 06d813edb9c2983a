/* poll, ppoll, select, pselect: readiness, timeouts, signals, errors. */
#include "show.h"

static void nothing(int number) { (void)number; }

int main(void) {
  int p[2], q[2];
  struct timespec since, little = {0, 20000000}, zero = {0, 0};
  struct timeval brief = {0, 20000}, none = {0, 0};
  fd_set in, out, err;
  sigset_t blocked, empty;
  setvbuf(stdout, NULL, _IOLBF, 0);
  pipe(p); pipe(q);
  struct pollfd fds[4] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 0}, {99, POLLIN, 0}};

  puts("-- poll");
  SHOW(poll(fds, 4, 0)); for (int i = 0; i < 4; i++) SHOW(fds[i].revents);
  SHOW(poll(fds, 1, 0)); clock_gettime(CLOCK_MONOTONIC, &since); SHOW(poll(fds, 1, 20)); TRUTH(elapsed_ms(&since) >= 19 && elapsed_ms(&since) < 1000); SHOW(poll(NULL, 0, 5)); write(p[1], "x", 1); SHOW(poll(fds, 1, -1)); SHOW(fds[0].revents); SHOW(poll((void *)8, 1, 0)); SHOW(poll(fds, 1000000, 0));
  int file = open("/bin/sh", O_RDONLY), null = open("/dev/null", O_RDWR); struct pollfd always[2] = {{file, POLLIN | POLLOUT, 0}, {null, POLLIN | POLLOUT, 0}}; SHOW(poll(always, 2, -1)); SHOW(always[0].revents); SHOW(always[1].revents);

  puts("-- a waker");
  char byte; read(p[0], &byte, 1); fflush(stdout); pid_t child = fork(); if (child == 0) { usleep(20000); write(q[1], "y", 1); _exit(0); }
  struct pollfd both[2] = {{p[0], POLLIN, 0}, {q[0], POLLIN, 0}}; SHOW(poll(both, 2, 5000)); SHOW(both[0].revents); SHOW(both[1].revents); waitpid(child, NULL, 0);

  puts("-- signals");
  read(q[0], &byte, 1); catch(SIGALRM, nothing, SA_RESTART); alarm_in(20); SHOW(poll(both, 2, 5000)); alarm_in(20); FD_ZERO(&in); FD_SET(p[0], &in); SHOW(select(p[0] + 1, &in, NULL, NULL, NULL));
  sigemptyset(&empty); sigemptyset(&blocked); sigaddset(&blocked, SIGALRM); sigprocmask(SIG_BLOCK, &blocked, NULL); raise(SIGALRM); SHOW(ppoll(both, 2, &little, NULL)); SHOW(ppoll(both, 2, &little, &empty)); raise(SIGALRM); FD_ZERO(&in); FD_SET(p[0], &in); SHOW(pselect(p[0] + 1, &in, NULL, NULL, &little, &empty)); SHOW(pselect(0, NULL, NULL, NULL, &little, &empty)); sigprocmask(SIG_UNBLOCK, &blocked, NULL); SHOW(ppoll(both, 2, &zero, NULL));

  puts("-- select");
  FD_ZERO(&in); FD_ZERO(&out); FD_ZERO(&err); FD_SET(p[0], &in); FD_SET(p[1], &out); FD_SET(q[0], &in); FD_SET(q[0], &err); SHOW(select(q[1] + 1, &in, &out, &err, &none)); SHOW(FD_ISSET(p[0], &in)); SHOW(FD_ISSET(p[1], &out)); SHOW(FD_ISSET(q[0], &err)); write(q[1], "z", 1); FD_ZERO(&in); FD_SET(p[0], &in); FD_SET(q[0], &in); FD_SET(p[1], &out); brief.tv_sec = 5; SHOW(select(q[1] + 1, &in, &out, NULL, &brief)); SHOW(FD_ISSET(p[0], &in)); SHOW(FD_ISSET(q[0], &in)); TRUTH(brief.tv_sec == 4 || brief.tv_sec == 5);
  brief = (struct timeval){0, 20000}; FD_ZERO(&in); FD_SET(p[0], &in); SHOW(select(p[0] + 1, &in, NULL, NULL, &brief)); SHOW(brief.tv_sec); SHOW(brief.tv_usec); SHOW(FD_ISSET(p[0], &in)); FD_ZERO(&in); FD_SET(40, &in); SHOW(select(41, &in, NULL, NULL, &none)); SHOW(select(-1, NULL, NULL, NULL, &none)); brief.tv_usec = -1; brief.tv_sec = -1; SHOW(select(0, NULL, NULL, NULL, &brief));
  close(q[1]); FD_ZERO(&in); FD_SET(q[0], &in); read(q[0], &byte, 1); SHOW(select(q[0] + 1, &in, NULL, NULL, NULL)); SHOW(read(q[0], &byte, 1));
  return 0;
}
