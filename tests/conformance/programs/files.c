/* Files: open flags, descriptors, offsets, sizes, modes, times. */
#include "show.h"
#include <sys/uio.h>
#include <sys/file.h>
#include <sys/sendfile.h>

int main(void) {
  char text[64] = "";
  struct stat st;
  umask(022);
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- open");
  SHOW(open("none", O_RDONLY)); SHOW(open("", O_RDONLY)); SHOW(open("none/x", O_RDONLY | O_CREAT, 0600));
  SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0640)); SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
  SHOW(write(3, "hello", 5)); SHOW(open("a", O_RDONLY)); SHOW(read(4, text, 64)); SHOW(read(4, text, 64));
  SHOW(write(4, "x", 1)); SHOW(close(4)); SHOW(close(4)); SHOW(read(4, text, 1));
  SHOW(open("a", O_WRONLY | O_TRUNC)); SHOW(fstat(3, &st)); SHOW(st.st_size); SHOW(st.st_mode); SHOW(read(4, text, 1)); SHOW(close(4));
  SHOW(mkdir("d", 0755)); SHOW(open("d", O_WRONLY)); SHOW(open("d", O_RDONLY | O_CREAT, 0600)); SHOW(open("a", O_DIRECTORY)); SHOW(open("a/", O_RDONLY)); SHOW(open("a/b", O_RDONLY));
  SHOW(open("d", O_RDONLY | O_DIRECTORY)); SHOW(read(4, text, 4)); SHOW(close(4));
  SHOW(symlink("a", "l")); SHOW(open("l", O_RDONLY | O_NOFOLLOW)); SHOW(open("l", O_RDONLY | O_CREAT | O_EXCL, 0600)); SHOW(open("l", O_RDONLY)); SHOW(close(4));
  SHOW(symlink("made", "dangling")); SHOW(open("dangling", O_RDWR | O_CREAT, 0600)); SHOW(stat("made", &st)); SHOW(st.st_mode); SHOW(close(4)); SHOW(unlink("made")); SHOW(unlink("dangling"));
  SHOW(open("a", O_PATH)); SHOW(read(4, text, 1)); SHOW(fstat(4, &st)); SHOW(close(4));
  SHOW(open("/dev/null", O_RDWR)); SHOW(write(4, "x", 1)); SHOW(read(4, text, 1)); SHOW(close(4));

  puts("-- offsets");
  SHOW(pwrite(3, "0123456789", 10, 0)); SHOW(lseek(3, 0, SEEK_CUR)); SHOW(lseek(3, 4, SEEK_SET)); SHOW(read(3, text, 2)); printf("%.2s\n", text);
  SHOW(lseek(3, -1, SEEK_CUR)); SHOW(lseek(3, -100, SEEK_CUR)); SHOW(lseek(3, 0, SEEK_END)); SHOW(lseek(3, 0, 9)); SHOW(lseek(3, -3, SEEK_END)); SHOW(pread(3, text, 64, 8)); SHOW(pread(3, text, 1, -1)); SHOW(pread(3, text, 5, 1000));
  SHOW(lseek(3, 20, SEEK_SET)); SHOW(write(3, "end", 3)); SHOW(pread(3, text, 64, 8)); for (int i = 0; i < 15; i++) putchar(text[i] ? text[i] : '.'); putchar('\n');
  SHOW(ftruncate(3, 5)); SHOW(lseek(3, 0, SEEK_END)); SHOW(ftruncate(3, 8)); SHOW(pread(3, text, 64, 0)); SHOW(text[7]); SHOW(ftruncate(3, -1)); SHOW(truncate("a", 3)); SHOW(truncate("none", 3)); SHOW(truncate("d", 3));
  SHOW(write(3, text, 0)); SHOW(read(3, text, 0));
  int appending = open("a", O_WRONLY | O_APPEND);
  SHOW(write(appending, "AB", 2)); SHOW(lseek(appending, 0, SEEK_SET)); SHOW(write(appending, "CD", 2)); SHOW(lseek(appending, 0, SEEK_CUR)); SHOW(pwrite(appending, "E", 1, 0)); cat("a"); close(appending);

  puts("-- vectors");
  struct iovec parts[3] = {{"abc", 3}, {"", 0}, {"defg", 4}}, into[2] = {{text, 2}, {text + 2, 10}};
  SHOW(lseek(3, 0, SEEK_SET)); SHOW(writev(3, parts, 3)); SHOW(preadv(3, into, 2, 1)); printf("%.6s\n", text); SHOW(pwritev(3, parts, 1, 7)); SHOW(readv(3, into, -1)); SHOW(readv(3, into, 0)); SHOW(writev(3, parts, 2000)); cat("a");
  int copy = open("copy", O_RDWR | O_CREAT, 0600);
  lseek(3, 0, SEEK_SET); SHOW(sendfile(copy, 3, NULL, 4)); SHOW(lseek(3, 0, SEEK_CUR)); cat("copy"); close(copy);

  puts("-- descriptors");
  SHOW(dup(3)); SHOW(dup2(3, 10)); SHOW(dup2(3, 3)); SHOW(dup2(99, 3)); SHOW(dup2(3, -1)); SHOW(dup3(3, 3, 0)); SHOW(dup3(3, 11, O_CLOEXEC)); SHOW(fcntl(11, F_GETFD)); SHOW(fcntl(10, F_GETFD)); SHOW(fcntl(10, F_SETFD, 1)); SHOW(fcntl(10, F_GETFD)); SHOW(fcntl(3, F_DUPFD, 20)); SHOW(fcntl(3, F_DUPFD_CLOEXEC, 20)); SHOW(fcntl(21, F_GETFD)); SHOW(fcntl(3, F_DUPFD, -1));
  lseek(3, 2, SEEK_SET); SHOW(lseek(10, 0, SEEK_CUR)); SHOW(fcntl(3, F_GETFL) & O_ACCMODE); SHOW(fcntl(3, F_SETFL, O_APPEND | O_NONBLOCK)); SHOW(fcntl(10, F_GETFL) & (O_APPEND | O_NONBLOCK)); SHOW(fcntl(99, F_GETFL)); SHOW(fcntl(3, 12345)); SHOW(fcntl(3, F_SETFL, 0));
  int lowest = open("a", O_RDONLY | O_CLOEXEC);
  TRUTH(lowest == 5); SHOW(fcntl(lowest, F_GETFD)); SHOW(syscall(SYS_close_range, 4, 30, 0)); SHOW(fcntl(10, F_GETFD)); SHOW(fcntl(21, F_GETFD));

  puts("-- modes");
  SHOW(chmod("a", 07777)); SHOW(stat("a", &st)); printf("%o\n", st.st_mode); SHOW(fchmod(3, 0600)); SHOW(fstat(3, &st)); printf("%o\n", st.st_mode); SHOW(chmod("none", 0)); SHOW(fchmodat(AT_FDCWD, "a", 0644, 0)); SHOW(chmod("l", 0640)); SHOW(stat("a", &st)); printf("%o\n", st.st_mode); SHOW(lstat("l", &st)); printf("%o %ld\n", st.st_mode, (long)st.st_size);
  SHOW(umask(077)); SHOW(close(open("b", O_CREAT | O_RDWR, 0666))); stat("b", &st); printf("%o\n", st.st_mode); SHOW(mkdir("e", 0777)); stat("e", &st); printf("%o\n", st.st_mode); SHOW(umask(022)); SHOW(mkfifo("f", 0644)); stat("f", &st); printf("%o\n", st.st_mode); SHOW(mkdir("d", 0700)); SHOW(mkdir("none/d", 0700)); SHOW(mkdir("a/d", 0700));
  SHOW(access("a", R_OK | W_OK)); SHOW(access("a", F_OK)); SHOW(access("none", F_OK)); SHOW(access("a", 99)); SHOW(faccessat(AT_FDCWD, "a", R_OK, AT_EACCESS)); SHOW(access("/bin/sh", X_OK)); SHOW(access("a/x", F_OK));
  TRUTH(stat("a", &st) == 0 && st.st_uid == getuid() && st.st_gid == getgid()); SHOW(st.st_nlink); SHOW(st.st_blksize); stat("d", &st); SHOW(S_ISDIR(st.st_mode)); SHOW(chown("a", -1, -1));

  puts("-- times");
  struct timespec times[2] = {{1000, 5}, {2000, 700}}, keep[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  SHOW(utimensat(AT_FDCWD, "a", times, 0)); stat("a", &st); printf("%ld.%ld %ld.%ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  SHOW(futimens(3, keep)); stat("a", &st); printf("%ld %d\n", st.st_atim.tv_sec, st.st_mtim.tv_sec > 2000 && st.st_mtim.tv_sec - time(NULL) < 2); SHOW(utimensat(AT_FDCWD, "none", NULL, 0)); times[0].tv_nsec = 1000000000; SHOW(utimensat(AT_FDCWD, "a", times, 0));
  struct stat before = st; usleep(30000); write(3, "x", 1); fstat(3, &st); TRUTH(st.st_mtim.tv_sec > before.st_mtim.tv_sec || st.st_mtim.tv_nsec > before.st_mtim.tv_nsec);
  utimensat(AT_FDCWD, "d", (struct timespec[2]){{1, 0}, {1, 0}}, 0); close(open("d/new", O_CREAT | O_RDWR, 0600)); stat("d", &st); TRUTH(st.st_mtim.tv_sec > 1);

  puts("-- at");
  int directory = open("d", O_RDONLY);
  SHOW(openat(directory, "new", O_RDONLY) > 0); SHOW(openat(directory, "none", O_RDONLY)); SHOW(openat(3, "new", O_RDONLY)); SHOW(openat(99, "new", O_RDONLY)); TRUTH(openat(99, "/dev/null", O_RDONLY) > 0); SHOW(fstatat(directory, "new", &st, 0)); SHOW(fstatat(directory, "", &st, AT_EMPTY_PATH)); SHOW(S_ISDIR(st.st_mode)); SHOW(fstatat(directory, "", &st, 0)); SHOW(mkdirat(directory, "sub", 0700)); SHOW(unlinkat(directory, "sub", 0)); SHOW(unlinkat(directory, "sub", AT_REMOVEDIR)); SHOW(unlinkat(directory, "new", AT_REMOVEDIR)); SHOW(unlinkat(directory, "new", 0)); SHOW(unlinkat(directory, "new", 0));
  struct statx sx; SHOW(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS, &sx)); TRUTH((sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS); printf("%o %llu\n", sx.stx_mode, (unsigned long long)sx.stx_size);

  puts("-- odds");
  SHOW(fsync(3)); SHOW(fdatasync(3)); SHOW(fsync(99)); SHOW(posix_fadvise(3, 0, 0, POSIX_FADV_SEQUENTIAL)); SHOW(isatty(3)); SHOW(ioctl(3, TCGETS, text)); SHOW(fallocate(3, 0, 0, 100)); fstat(3, &st); SHOW(st.st_size); SHOW(flock(3, LOCK_EX | LOCK_NB)); SHOW(lseek(0, 0, SEEK_CUR) >= 0 || errno == ESPIPE);
  return 0;
}
