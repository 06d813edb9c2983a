/* Prints what calls answer in a form that is the same on every run and every Unix: numbers that mean something, names of errors. */
#ifndef SHOW_H
#define SHOW_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The call as written, its result, and the error's name where it is -1. */
#define SHOW(call)                                                                              \
  do {                                                                                          \
    errno = 0;                                                                                  \
    long result_ = (long)(call);                                                                \
    if (result_ == -1)                                                                          \
      printf("%s = -1 %s\n", #call, strerrorname_np(errno) ? strerrorname_np(errno) : "0");     \
    else                                                                                        \
      printf("%s = %ld\n", #call, result_);                                                     \
  } while (0)

/* Only whether it worked: for results that differ between runs, such as addresses and process ids. */
#define WORKS(call)                                                                             \
  do {                                                                                          \
    errno = 0;                                                                                  \
    long result_ = (long)(call);                                                                \
    if (result_ == -1)                                                                          \
      printf("%s = -1 %s\n", #call, strerrorname_np(errno) ? strerrorname_np(errno) : "0");     \
    else                                                                                        \
      printf("%s works\n", #call);                                                              \
  } while (0)

#define TRUTH(expression) printf("%s: %s\n", #expression, (expression) ? "yes" : "no")

/* Runs its body in a child (standard output flushed on both sides of the fork) and prints how the child ended. */
#define CHILD(title, ...)                                                                       \
  do {                                                                                          \
    int status_;                                                                                \
    fflush(stdout);                                                                             \
    pid_t child_ = fork();                                                                      \
    if (child_ == 0) {                                                                          \
      __VA_ARGS__;                                                                                  \
      fflush(stdout);                                                                           \
      _exit(0);                                                                                 \
    }                                                                                           \
    waitpid(child_, &status_, 0);                                                               \
    show_status(title, status_);                                                                \
  } while (0)

static inline void show_status(const char *title, int status) {
  if (WIFEXITED(status)) printf("%s: exit %d\n", title, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) printf("%s: SIG%s%s\n", title, sigabbrev_np(WTERMSIG(status)), "");
  else if (WIFSTOPPED(status)) printf("%s: stopped by SIG%s\n", title, sigabbrev_np(WSTOPSIG(status)));
  else if (WIFCONTINUED(status)) printf("%s: continued\n", title);
  else printf("%s: status %#x\n", title, status);
}

static inline void catch(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

static inline void catch_info(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* SIGALRM to this process in ``milliseconds``. */
static inline void alarm_in(int milliseconds) {
  struct itimerval timer = {.it_value = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

static inline long elapsed_ms(const struct timespec *since) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

static inline void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) printf("put %s: %s\n", path, strerror(errno));
  close(fd);
}

static inline void cat(const char *path) {
  char text[4096];
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    printf("%s: %s\n", path, strerrorname_np(errno));
    return;
  }
  ssize_t length = read(fd, text, sizeof text);
  printf("%s: %zd bytes: %.*s\n", path, length, (int)(length > 0 ? length : 0), text);
  close(fd);
}
#endif
