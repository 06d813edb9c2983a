/* preadv2 and pwritev2: positions, flags, and what cannot refuse to wait. Signals with data to a thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd;

static void show(const char *what, long value) {
  struct stat st;
  fstat(fd, &st);
  printf("%s: %ld%s%s; offset %ld size %ld\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "",
         (long)lseek(fd, 0, SEEK_CUR), (long)st.st_size);
}

static void flags(const char *what, int file, long at) {
  char bytes[8] = "abcdef";
  struct iovec vector[2] = {{bytes, 2}, {bytes + 2, 3}};
  for (int flag = 1; flag <= 0x10; flag *= 2) {
    printf("%s %x ", what, flag);
    show("read", syscall(SYS_preadv2, file, vector, 2, at, 0, flag));
    printf("%s %x ", what, flag);
    show("write", flag == RWF_NOWAIT ? 0 : syscall(SYS_pwritev2, file, vector, 2, at, 0, flag));
  }
}

int main(void) {
  char bytes[16] = "0123456789";
  struct iovec vector[2] = {{bytes, 4}, {bytes + 4, 3}};
  int ends[2];
  fd = open("file", O_RDWR | O_CREAT, 0600);
  setvbuf(stdout, NULL, _IOLBF, 0);
  show("write here", syscall(SYS_pwritev2, fd, vector, 2, -1L, 0, 0));
  show("write at 2", syscall(SYS_pwritev2, fd, vector, 2, 2L, 0, 0));
  show("read here", syscall(SYS_preadv2, fd, vector, 2, -1L, 0, 0));
  show("read at 0", syscall(SYS_preadv2, fd, vector, 2, 0L, 0, 0));
  show("position -2", syscall(SYS_preadv2, fd, vector, 2, -2L, 0, 0));
  show("append here", syscall(SYS_pwritev2, fd, vector, 2, -1L, 0, RWF_APPEND));
  lseek(fd, 1, SEEK_SET);
  show("append at 3", syscall(SYS_pwritev2, fd, vector, 2, 3L, 0, RWF_APPEND));
  show("unknown flag", syscall(SYS_preadv2, fd, vector, 2, 0L, 0, 0x40000000));
  flags("file at 0", fd, 0);
  flags("file here", fd, -1);
  pipe(ends);
  show("empty pipe", syscall(SYS_preadv2, ends[0], vector, 2, -1L, 0, RWF_NOWAIT));
  show("pipe at 0", syscall(SYS_preadv2, ends[0], vector, 2, 0L, 0, 0));
  show("to the pipe", syscall(SYS_pwritev2, ends[1], vector, 2, -1L, 0, RWF_NOWAIT));
  show("from the pipe", syscall(SYS_preadv2, ends[0], vector, 2, -1L, 0, RWF_NOWAIT));
  char *much = calloc(1, 1 << 20);
  struct iovec large = {much, 1 << 20};
  show("more than fits", syscall(SYS_pwritev2, ends[1], &large, 1, -1L, 0, RWF_NOWAIT));
  show("full", syscall(SYS_pwritev2, ends[1], vector, 1, -1L, 0, RWF_NOWAIT));
  show("still waits", fcntl(ends[1], F_GETFL));
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  show("empty socket", syscall(SYS_preadv2, ends[0], vector, 2, -1L, 0, RWF_NOWAIT));
  int dir = open(".", O_RDONLY);
  show("directory", syscall(SYS_preadv2, dir, vector, 2, -1L, 0, 0));
  show("not to read", syscall(SYS_pwritev2, dir, vector, 2, -1L, 0, 0));

  siginfo_t info;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  memset(&info, 0, sizeof info);
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 42;
  int self = getpid();
  show("thread", syscall(SYS_rt_tgsigqueueinfo, self, self, SIGUSR1, &info));
  memset(&info, 0, sizeof info);
  sigwaitinfo(&set, &info);
  printf("signal %d, code %d, value %d\n", info.si_signo, info.si_code, info.si_value.sival_int);
  show("thread 0", syscall(SYS_rt_tgsigqueueinfo, self, 0, SIGUSR1, &info));
  show("no such thread", syscall(SYS_rt_tgsigqueueinfo, self, 4190000, SIGUSR1, &info));
  show("signal 99", syscall(SYS_rt_tgsigqueueinfo, self, self, 99, &info));
  show("bad pointer", syscall(SYS_rt_tgsigqueueinfo, self, self, SIGUSR1, 8));
  info.si_code = SI_USER;
  if (fork() == 0) {
    show("as if by kill", syscall(SYS_rt_tgsigqueueinfo, self, self, SIGUSR1, &info));
    _exit(0);
  }
  wait(NULL);
  return 0;
}
