/* inotify: which events come, in which order, with which names. */
#include "show.h"
#include <sys/inotify.h>
#include <sys/epoll.h>
#include <sys/xattr.h>

static int fd;
static const char *names[32] = {"ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM", "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", "?", "UNMOUNT", "Q_OVERFLOW", "IGNORED", [30] = "ISDIR"};

static void events(const char *title) {
  static uint32_t first;
  char buffer[8192] __attribute__((aligned(8)));
  int waiting = -1; ioctl(fd, FIONREAD, &waiting);
  ssize_t length = read(fd, buffer, sizeof buffer);
  printf("%s: %s", title, length < 0 ? strerrorname_np(errno) : "");
  if (length >= 0 && length != waiting) printf(" %zd are not %d", length, waiting);
  for (char *at = buffer; at < buffer + length;) {
    struct inotify_event *event = (void *)at;
    if (event->cookie && !first) first = event->cookie;
    printf(" [%d", event->wd);
    for (int bit = 0; bit < 32; bit++) if (event->mask >> bit & 1) printf(" %s", names[bit]);
    if (event->cookie) printf(" c%u", event->cookie - first);
    if (event->len) printf(" %s/%u", event->name, event->len);
    printf("]");
    at += sizeof *event + event->len;
  }
  puts("");
}

int main(void) {
  char c; struct stat status;
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("d", 0755); mkdir("e", 0755); put("d/old", "old text"); put("outside", "x");

  puts("-- errors");
  SHOW(inotify_init1(1)); fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); SHOW(fcntl(fd, F_GETFD)); SHOW(inotify_add_watch(fd, "missing", IN_ALL_EVENTS)); SHOW(inotify_add_watch(fd, "d", 0)); SHOW(inotify_add_watch(fd, "outside", IN_ALL_EVENTS | IN_ONLYDIR)); SHOW(inotify_add_watch(0, "d", IN_ALL_EVENTS)); SHOW(inotify_add_watch(99, "d", IN_ALL_EVENTS)); SHOW(inotify_rm_watch(fd, 5)); SHOW(inotify_rm_watch(99, 1)); events("nothing");

  puts("-- a directory");
  SHOW(inotify_add_watch(fd, "d", IN_ALL_EVENTS)); SHOW(inotify_add_watch(fd, "d", IN_ALL_EVENTS | IN_MASK_CREATE)); put("d/new", "text"); events("put"); put("d/new", "more"); events("put again"); int f = open("d/old", O_RDWR); read(f, &c, 1); write(f, "yy", 2); pread(f, &c, 1, 0); pwrite(f, "z", 1, 3); close(f); events("read, write"); f = open("d/old", O_RDONLY); lseek(f, 0, SEEK_END); read(f, &c, 1); close(f); events("nothing read");
  chmod("d/new", 0600); events("chmod"); struct timespec times[2] = {{5, 0}, {6, 0}}; utimensat(AT_FDCWD, "d/new", times, 0); events("utimensat"); times[0].tv_nsec = UTIME_OMIT; utimensat(AT_FDCWD, "d/new", times, 0); events("mtime"); truncate("d/new", 2); events("truncate"); chown("d/new", getuid(), getgid()); events("chown");
  mkdir("d/sub", 0755); events("mkdir"); rmdir("d/sub"); events("rmdir"); symlink("new", "d/link"); events("symlink"); stat("d/link", &status); events("stat"); link("d/new", "d/hard"); events("link"); unlink("d/hard"); events("unlink hard"); unlink("d/link"); events("unlink link"); mkfifo("d/fifo", 0600); events("mkfifo"); unlink("d/fifo"); events("unlink fifo");
  rename("d/new", "d/renamed"); events("rename inside"); rename("d/renamed", "e/out"); events("rename out"); rename("e/out", "d/in"); events("rename in"); put("d/victim", ""); events("victim"); rename("d/in", "d/victim"); events("rename over"); syscall(SYS_renameat2, AT_FDCWD, "d/old", AT_FDCWD, "d/victim", RENAME_EXCHANGE); events("exchange");
  int dir = open("d", O_RDONLY | O_DIRECTORY); close(dir); events("open directory"); close(open("d/old", O_PATH)); events("O_PATH"); chmod("d", 0700); events("chmod directory"); mkdir("d/sub", 0755); put("d/sub/deep", "x"); events("deep");

  puts("-- a file");
  SHOW(inotify_add_watch(fd, "d/old", IN_ALL_EVENTS)); SHOW(inotify_add_watch(fd, "outside", IN_ALL_EVENTS)); put("d/old", "both"); events("both"); put("outside", "y"); events("file alone"); link("outside", "hard"); events("link"); unlink("hard"); events("unlink hard"); rename("outside", "moved"); events("moved"); unlink("d/old"); events("unlink"); f = open("moved", O_RDONLY); unlink("moved"); events("unlinked while open"); close(f); events("closed");
  SHOW(inotify_rm_watch(fd, 2)); 

  puts("-- masks");
  put("m", "1"); int m = inotify_add_watch(fd, "m", IN_OPEN); SHOW(m); put("m", "2"); events("open only"); SHOW(inotify_add_watch(fd, "m", IN_CLOSE_WRITE | IN_MASK_ADD)); put("m", "3"); events("open and close"); SHOW(inotify_add_watch(fd, "m", IN_MODIFY)); put("m", "4"); events("modify only"); SHOW(inotify_rm_watch(fd, m)); events("removed"); put("m", "5"); events("silence"); SHOW(inotify_add_watch(fd, "m", IN_ALL_EVENTS | IN_ONESHOT)); put("m", "6"); events("one shot");
  symlink("m", "s"); SHOW(inotify_add_watch(fd, "s", IN_ALL_EVENTS | IN_DONT_FOLLOW)); put("m", "7"); events("the link itself"); unlink("s"); events("unlink link");

  puts("-- reading");
  m = inotify_add_watch(fd, "d", IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF); SHOW(m); char small[16]; put("d/a_long_enough_name", ""); errno = 0; SHOW(read(fd, small, 16)); events("it is still there"); f = open("d/same", O_CREAT | O_RDWR, 0600); for (int i = 0; i < 5; i++) { unlink("d/same"); close(f); f = open("d/same", O_CREAT | O_RDWR, 0600); } close(f); events("pairs"); inotify_add_watch(fd, "d", IN_ACCESS | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF); f = open("d/same", O_RDWR); write(f, "abc", 3); lseek(f, 0, 0); for (int i = 0; i < 3; i++) read(f, &c, 1); close(f); events("merged");
  int set = epoll_create1(0); struct epoll_event event = {.events = EPOLLIN}; SHOW(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)); SHOW(epoll_wait(set, &event, 1, 0)); unlink("d/same"); SHOW(epoll_wait(set, &event, 1, 0)); events("epoll"); SHOW(epoll_wait(set, &event, 1, 0)); struct pollfd poller = {fd, POLLIN | POLLOUT, 0}; SHOW(poll(&poller, 1, 0));
  fflush(stdout); if (fork() == 0) { usleep(20000); unlink("d/victim"); _exit(0); } SHOW(poll(&poller, 1, 5000)); SHOW(poller.revents); wait(NULL); events("a child unlinks"); rename("d", "dd"); events("directory moved"); CHILD("rm", execlp("rm", "rm", "-r", "dd", NULL)); events("directory removed"); SHOW(inotify_rm_watch(fd, m)); SHOW(write(fd, small, 4));
  return 0;
}
