/* Signals from files: owners, O_ASYNC on pipes and sockets, F_NOTIFY on directories, and signals through a descriptor of /proc/PID. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void show(const char *what, long value) {
  printf("%s: %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
}

/* What came of the signals that we block, one at a time. */
static void came(const char *what) {
  sigset_t wanted;
  siginfo_t info;
  sigfillset(&wanted);
  struct timespec at_once = {0, 0};
  while (sigtimedwait(&wanted, &info, &at_once) > 0)
    printf("%s: signal %d code %d band %ld\n", what, info.si_signo, info.si_code, info.si_signo == SIGIO ? 0 : info.si_band);
  printf("%s: no more\n", what);
}

int main(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);

  int ends[2], fd;
  struct f_owner_ex owner;
  pipe(ends);
  show("flags of a pipe", fcntl(ends[0], F_GETFL));
  show("owner", fcntl(ends[0], F_GETOWN));
  show("nobody", fcntl(ends[0], F_SETOWN, 0));
  show("not there", fcntl(ends[0], F_SETOWN, 4190000));
  show("least number", fcntl(ends[0], F_SETOWN, INT_MIN));
  show("signal 65", fcntl(ends[0], F_SETSIG, 65));
  show("signal -1", fcntl(ends[0], F_SETSIG, -1));
  show("set", fcntl(ends[0], F_SETOWN, getpid()));
  show("is it us", fcntl(ends[0], F_GETOWN) == getpid());
  owner = (struct f_owner_ex){F_OWNER_TID, syscall(SYS_gettid)};
  show("thread", fcntl(ends[0], F_SETOWN_EX, &owner));
  memset(&owner, 9, sizeof owner);
  show("asked", fcntl(ends[0], F_GETOWN_EX, &owner));
  printf("type %d, us %d\n", owner.type, owner.pid == syscall(SYS_gettid));
  owner.type = 3;
  show("type 3", fcntl(ends[0], F_SETOWN_EX, &owner));
  show("bad pointer", fcntl(ends[0], F_SETOWN_EX, (void *)8));
  show("asynchronous", fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK));
  show("flags", fcntl(ends[0], F_GETFL));
  write(ends[1], "x", 1);
  came("written");
  show("signal", fcntl(ends[0], F_SETSIG, SIGRTMIN + 1));
  show("which", fcntl(ends[0], F_GETSIG) - SIGRTMIN);
  write(ends[1], "x", 1);
  came("written again");
  int off = 0, on = 1;
  show("FIOASYNC off", ioctl(ends[0], FIOASYNC, &off));
  show("flags", fcntl(ends[0], F_GETFL));
  write(ends[1], "x", 1);
  came("off");
  show("FIOASYNC on", ioctl(ends[0], FIOASYNC, &on));
  close(ends[1]);
  came("closed");
  close(ends[0]);

  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  fcntl(ends[0], F_SETOWN, getpid());
  fcntl(ends[0], F_SETSIG, SIGRTMIN);
  fcntl(ends[0], F_SETFL, O_ASYNC);
  send(ends[1], "x", 1, 0);
  came("sent");

  fd = open("file", O_RDWR | O_CREAT, 0600);
  show("a file", fcntl(fd, F_SETFL, O_ASYNC));
  show("its flags", fcntl(fd, F_GETFL));
  show("FIOASYNC of a file", ioctl(fd, FIOASYNC, &on));
  show("F_NOTIFY of a file", fcntl(fd, F_NOTIFY, DN_CREATE));
  show("of nothing", fcntl(fd, F_NOTIFY, DN_MULTISHOT));

  mkdir("dir", 0700);
  fd = open("dir", O_RDONLY);
  show("once", fcntl(fd, F_NOTIFY, DN_CREATE | DN_RENAME));
  show("owner by itself", fcntl(fd, F_GETOWN) == getpid());
  close(creat("dir/a", 0600));
  came("first");
  close(creat("dir/b", 0600));
  came("second");
  show("many", fcntl(fd, F_NOTIFY, DN_ATTRIB | DN_RENAME | DN_DELETE | DN_MODIFY | DN_MULTISHOT));
  fcntl(fd, F_SETSIG, SIGRTMIN + 2);
  chmod("dir/a", 0644);
  came("attributes");
  rename("dir/a", "dir/c");
  came("renamed");
  rename("dir/c", "away");
  came("gone");
  truncate("dir/b", 7);
  came("truncated");
  mkdir("dir/below", 0700);
  came("created");
  rmdir("dir/below");
  came("removed");
  show("no more", fcntl(fd, F_NOTIFY, 0));
  unlink("dir/b");
  came("quiet");
  fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
  close(fd);
  close(creat("dir/d", 0600));
  came("closed");

  char path[40];
  sprintf(path, "/proc/%d", getpid());
  fd = open(path, O_DIRECTORY);
  show("through /proc", syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
  show("through standard input", syscall(SYS_pidfd_send_signal, 0, SIGUSR1, NULL, 0));
  sigwaitinfo(&all, NULL);
  return 0;
}
