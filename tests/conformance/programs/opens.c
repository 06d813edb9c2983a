/* open(2): every flag, and who refuses what. */
#include "show.h"

static long flags_of(int fd) { return fcntl(fd, F_GETFL) & ~0100000; }
static void mode(const char *path) {
  struct stat st;
  if (lstat(path, &st)) printf("%s: %s\n", path, strerrorname_np(errno));
  else printf("%s: %o size %ld links %ld\n", path, st.st_mode, (long)(S_ISDIR(st.st_mode) ? 0 : st.st_size), (long)st.st_nlink);
}

int main(void) {
  char text[64];
  struct stat st;
  umask(022);
  setvbuf(stdout, NULL, _IOLBF, 0);
  put("file", "0123456789");
  mkdir("dir", 0755); mkdir("dir/sub", 0755); mkfifo("fifo", 0600);
  symlink("file", "link"); symlink("none", "dangling"); symlink("dir", "dirlink"); symlink("loop2", "loop1"); symlink("loop1", "loop2"); symlink(".", "dot");

  puts("-- creating");
  SHOW(open("link", O_CREAT | O_EXCL | O_RDWR, 0600)); SHOW(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600)); SHOW(open("dangling", O_CREAT | O_NOFOLLOW | O_RDWR, 0600)); SHOW(open("dangling", O_RDONLY));
  SHOW(open("dir", O_CREAT, 0600)); SHOW(open("dir", O_CREAT | O_DIRECTORY, 0600)); SHOW(open("file", O_CREAT | O_DIRECTORY, 0600)); SHOW(open("new", O_CREAT | O_DIRECTORY, 0600)); mode("new");
  SHOW(open("new/", O_CREAT | O_RDWR, 0600)); SHOW(open("file/", O_CREAT | O_RDWR, 0600)); SHOW(open("dir/", O_CREAT | O_RDWR, 0600)); SHOW(open("dangling/", O_CREAT | O_RDWR, 0600)); SHOW(open("none/x", O_CREAT | O_RDWR, 0600)); SHOW(open("file/x", O_CREAT | O_RDWR, 0600)); SHOW(open("", O_CREAT | O_RDWR, 0600));
  SHOW(close(open("e1", O_CREAT | O_EXCL | O_RDONLY, 0))); mode("e1"); SHOW(close(open("e2", O_CREAT | O_WRONLY, 07777))); mode("e2"); SHOW(close(open("e3", O_CREAT | O_WRONLY, 0200))); mode("e3");
  int kept = open("locked", O_CREAT | O_RDWR, 0000); SHOW(write(kept, "ab", 2)); SHOW(pread(kept, text, 4, 0)); close(kept); mode("locked");
  SHOW(open(".", O_CREAT | O_RDWR, 0600)); SHOW(open("..", O_CREAT, 0600)); SHOW(open("dir/.", O_CREAT | O_EXCL, 0600)); SHOW(open("/", O_CREAT | O_EXCL, 0600)); SHOW(open("/", O_RDWR));

  puts("-- access modes");
  int three = open("file", 3); SHOW(three >= 0); SHOW(read(three, text, 1)); SHOW(write(three, "x", 1)); SHOW(flags_of(three)); close(three);
  int rd = open("file", O_RDONLY), wr = open("file", O_WRONLY);
  SHOW(write(rd, "x", 1)); SHOW(read(wr, text, 1)); SHOW(ftruncate(rd, 3)); SHOW(pread(wr, text, 1, 0)); SHOW(pwrite(rd, "x", 1, 0)); close(rd); close(wr);
  SHOW(close(open("file", O_RDONLY | O_TRUNC))); mode("file"); put("file", "0123456789");
  SHOW(open("dir", O_RDONLY | O_TRUNC)); SHOW(open("dir", O_RDWR)); SHOW(open("dirlink", O_WRONLY)); SHOW(open("file", O_RDONLY | O_DIRECTORY)); SHOW(open("link", O_DIRECTORY)); SHOW(open("dirlink", O_DIRECTORY | O_NOFOLLOW)); SHOW(close(open("dirlink/", O_DIRECTORY | O_NOFOLLOW)));

  puts("-- symbolic links");
  SHOW(open("loop1", O_RDONLY)); SHOW(open("loop1", O_CREAT | O_RDWR, 0600)); SHOW(open("loop1/x", O_RDONLY)); SHOW(open("link", O_NOFOLLOW)); SHOW(open("loop1", O_NOFOLLOW)); SHOW(open("dangling", O_NOFOLLOW)); SHOW(open("link/", O_RDONLY)); SHOW(open("none", O_NOFOLLOW));
  char chain[300] = "";
  for (int i = 0; i < 40; i++) strcat(chain, "dot/");
  strcat(chain, "file"); SHOW(close(open(chain, O_RDONLY))); memmove(chain + 4, chain, strlen(chain) + 1); memcpy(chain, "dot/", 4); SHOW(open(chain, O_RDONLY));

  puts("-- O_PATH");
  int path = open("file", O_PATH);
  SHOW(flags_of(path)); SHOW(read(path, text, 1)); SHOW(write(path, text, 1)); SHOW(fchmod(path, 0600)); SHOW(fchown(path, -1, -1)); SHOW(ioctl(path, FIONREAD, text)); SHOW(mmap(0, 4096, PROT_READ, MAP_SHARED, path, 0) == MAP_FAILED); SHOW(errno); SHOW(lseek(path, 0, SEEK_CUR)); SHOW(fsync(path)); SHOW(ftruncate(path, 0)); SHOW(fstat(path, &st)); SHOW(st.st_size); SHOW(fcntl(path, F_SETFL, O_APPEND)); SHOW(fcntl(path, F_GETFD)); SHOW(fcntl(path, F_GETLK, text)); SHOW(fcntl(path, F_GETOWN)); SHOW(fcntl(path, F_GETPIPE_SZ)); SHOW(fcntl(path, F_SETLEASE, F_RDLCK)); SHOW(fchdir(path)); SHOW(syscall(SYS_getdents64, path, text, 64)); SHOW(posix_fadvise(path, 0, 0, 0)); SHOW(fallocate(path, 0, 0, 10)); SHOW(futimens(path, NULL)); SHOW(syscall(SYS_flock, path, 2)); SHOW(close(dup(path))); SHOW(fstatat(path, "", &st, AT_EMPTY_PATH)); SHOW(openat(path, "x", O_RDONLY)); SHOW(faccessat(path, "", R_OK, AT_EMPTY_PATH)); SHOW(linkat(path, "", AT_FDCWD, "linked", AT_EMPTY_PATH)); unlink("linked"); SHOW(fchownat(path, "", -1, -1, AT_EMPTY_PATH)); close(path);
  char name[64]; path = open("link", O_PATH | O_NOFOLLOW); SHOW(path >= 0); SHOW(fstat(path, &st)); SHOW(S_ISLNK(st.st_mode)); SHOW(readlinkat(path, "", text, 64)); sprintf(name, "/proc/self/fd/%d", path); SHOW(open(name, O_RDONLY)); close(path);
  path = open("file", O_PATH); sprintf(name, "/proc/self/fd/%d", path); int again = open(name, O_RDONLY); SHOW(read(again, text, 64)); close(again); close(path);
  path = open("dir", O_PATH | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600); SHOW(flags_of(path)); close(path); path = open("dir", O_PATH | O_DIRECTORY); SHOW(openat(path, "sub", O_RDONLY | O_DIRECTORY) >= 0); SHOW(mkdirat(path, "made", 0755)); SHOW(fchdir(path)); SHOW(chdir("..")); close(path); SHOW(open("none", O_PATH)); SHOW(open("file", O_PATH | O_DIRECTORY)); SHOW(close(open("none", O_PATH | O_CREAT, 0600))); mode("none"); SHOW(close(open("fifo", O_PATH)));

  puts("-- O_TMPFILE");
  int hidden = open("dir", O_TMPFILE | O_RDWR, 0644); SHOW(hidden >= 0); SHOW(write(hidden, "secret", 6)); fstat(hidden, &st); SHOW(st.st_nlink); printf("%o\n", st.st_mode); SHOW(open("dir", O_TMPFILE | O_RDONLY, 0600)); SHOW(open("file", O_TMPFILE | O_RDWR, 0600)); SHOW(open("none", O_TMPFILE | O_RDWR, 0600)); SHOW(open("dir", O_TMPFILE | O_RDWR | O_CREAT, 0600));
  sprintf(name, "/proc/self/fd/%d", hidden); SHOW(linkat(AT_FDCWD, name, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW)); mode("shown"); cat("shown"); SHOW(unlink("shown")); SHOW(linkat(AT_FDCWD, name, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW)); SHOW(flags_of(hidden) & ~O_TMPFILE); close(hidden); unlink("shown");
  hidden = open("dir", O_TMPFILE | O_RDWR | O_EXCL, 0644); sprintf(name, "/proc/self/fd/%d", hidden); SHOW(linkat(AT_FDCWD, name, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW)); close(hidden);

  puts("-- flags that stay");
  int fd = open("file", O_RDWR | O_SYNC | O_APPEND | O_NOATIME | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_TRUNC); SHOW(flags_of(fd)); SHOW(fcntl(fd, F_SETFL, 0)); SHOW(flags_of(fd)); SHOW(fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK | O_APPEND)); SHOW(flags_of(fd)); SHOW(fcntl(fd, F_SETFL, O_SYNC | O_CREAT)); SHOW(flags_of(fd)); close(fd);
  fd = open("file", O_RDWR | O_DSYNC); SHOW(flags_of(fd)); SHOW(write(fd, "x", 1)); close(fd); fd = open("file", O_RDWR | O_RSYNC); SHOW(flags_of(fd)); close(fd);
  fd = open("file", O_RDWR | 0x80000000 | 0x40000000); SHOW(fd >= 0); close(fd);
  fd = open("dir", O_RDONLY | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC); SHOW(flags_of(fd)); close(fd);

  puts("-- O_DIRECT");
  void *page; posix_memalign(&page, 4096, 8192); memset(page, 'd', 8192);
  fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0600); SHOW(fd >= 0); SHOW(flags_of(fd)); SHOW(write(fd, page, 4096)); SHOW(pread(fd, page, 4096, 0)); SHOW(pread(fd, page, 8192, 0)); SHOW(fcntl(fd, F_SETFL, 0)); SHOW(flags_of(fd)); SHOW(fcntl(fd, F_SETFL, O_DIRECT)); SHOW(flags_of(fd)); close(fd);

  puts("-- fifos");
  SHOW(open("fifo", O_WRONLY | O_NONBLOCK)); fd = open("fifo", O_RDONLY | O_NONBLOCK); SHOW(fd >= 0); SHOW(read(fd, text, 1)); wr = open("fifo", O_WRONLY | O_NONBLOCK); SHOW(wr >= 0); SHOW(read(fd, text, 1)); SHOW(write(wr, "ab", 2)); SHOW(read(fd, text, 9)); SHOW(open("fifo", O_RDWR | O_DIRECTORY)); SHOW(lseek(fd, 0, SEEK_SET)); close(fd); close(wr); SHOW(close(open("fifo", O_RDWR))); SHOW(close(open("fifo", O_RDWR | O_TRUNC))); SHOW(close(open("fifo", O_RDWR | O_CREAT, 0600))); SHOW(open("fifo", O_CREAT | O_EXCL, 0600));

  puts("-- descriptors");
  struct rlimit limit = {10, 20}; setrlimit(RLIMIT_NOFILE, &limit); int last, count = 0; while ((last = open("file", O_RDONLY)) >= 0) count++; printf("%s %d\n", strerrorname_np(errno), fcntl(9, F_GETFD)); SHOW(open("created-without-room", O_CREAT, 0600)); mode("created-without-room"); SHOW(open("none", O_RDONLY));
  return 0;
}
