/* link, unlink, symlink, mkdir, rmdir, mknod, readlink, chdir: every error; long names, long paths, trailing slashes. */
#include "show.h"
#include <sys/sysmacros.h>

int main(void) {
  struct stat st;
  char text[5000], name[5000];
  umask(022);
  setvbuf(stdout, NULL, _IOLBF, 0);
  put("a", "a"); mkdir("d", 0755); symlink("a", "l"); symlink("none", "x"); symlink("d", "dl"); symlink("loop", "loop"); mkfifo("p", 0644);

  puts("-- link");
  SHOW(link("a", "h")); SHOW(stat("h", &st)); SHOW(st.st_nlink); SHOW(link("a", "h")); SHOW(link("none", "z")); SHOW(link("d", "z")); SHOW(link("a", "d")); SHOW(link("a", "a")); SHOW(link("a", "none/z")); SHOW(link("a", "a/z")); SHOW(link("a/", "z")); SHOW(link("a", "z/")); SHOW(link("a", "x")); SHOW(link("l", "lh")); SHOW(lstat("lh", &st)); SHOW(S_ISLNK(st.st_mode)); SHOW(st.st_nlink); SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW)); SHOW(lstat("followed", &st)); SHOW(S_ISREG(st.st_mode)); SHOW(linkat(AT_FDCWD, "x", AT_FDCWD, "z", AT_SYMLINK_FOLLOW)); SHOW(link("x", "xh")); SHOW(linkat(AT_FDCWD, "a", AT_FDCWD, "z", 0x800)); SHOW(link("p", "ph")); SHOW(link("loop", "loop2")); SHOW(linkat(AT_FDCWD, "loop", AT_FDCWD, "z", AT_SYMLINK_FOLLOW)); SHOW(link("", "z")); SHOW(link("a", "")); SHOW(link("/proc/self/status", "z")); SHOW(linkat(AT_FDCWD, "", AT_FDCWD, "z", AT_EMPTY_PATH)); SHOW(linkat(99, "a", AT_FDCWD, "z", 0));
  int fd = open("gone", O_CREAT | O_RDWR, 0600); unlink("gone"); sprintf(name, "/proc/self/fd/%d", fd); SHOW(linkat(AT_FDCWD, name, AT_FDCWD, "z", AT_SYMLINK_FOLLOW)); SHOW(linkat(fd, "", AT_FDCWD, "z", AT_EMPTY_PATH)); close(fd);

  puts("-- unlink and rmdir");
  SHOW(unlink("none")); SHOW(unlink("d")); SHOW(unlink("a/")); SHOW(unlink("d/")); SHOW(unlink("dl/")); SHOW(unlink("a/b")); SHOW(unlink("")); SHOW(unlink(".")); SHOW(unlink("..")); SHOW(unlink("/")); SHOW(unlink("none/")); SHOW(unlink("l/")); SHOW(unlink("x/"));
  SHOW(rmdir("a")); SHOW(rmdir("none")); SHOW(rmdir("dl")); SHOW(rmdir("dl/")); SHOW(rmdir(".")); SHOW(rmdir("d/.")); SHOW(rmdir("d/..")); SHOW(rmdir("/")); SHOW(rmdir("")); SHOW(rmdir("l")); mkdir("d/e", 0755); SHOW(rmdir("d")); SHOW(rmdir("d/e/..")); SHOW(rmdir("d/e/")); SHOW(rmdir("p")); SHOW(rmdir("/proc")); SHOW(rmdir("/proc/self")); SHOW(unlinkat(AT_FDCWD, "d", 0)); SHOW(unlinkat(AT_FDCWD, "a", AT_REMOVEDIR)); SHOW(unlinkat(AT_FDCWD, "a", 1)); SHOW(unlink("h")); stat("a", &st); SHOW(st.st_nlink); SHOW(unlink("p")); SHOW(unlink("loop"));
  fd = open("a", O_RDWR); unlink("a"); unlink("followed"); fstat(fd, &st); SHOW(st.st_nlink); SHOW(write(fd, "more", 4)); SHOW(pread(fd, text, 9, 0)); close(fd); put("a", "a");

  puts("-- symlink and readlink");
  SHOW(symlink("a", "l")); SHOW(symlink("a", "none/l")); SHOW(symlink("", "e")); SHOW(symlink("a", "")); SHOW(symlink("a", "d")); SHOW(symlink("a", "new/")); SHOW(symlink("a", "x")); SHOW(symlink("a", "a/l")); SHOW(readlink("l", text, 1)); SHOW(readlink("l", text, 0)); SHOW(readlink("l", text, -1)); SHOW(readlink("a", text, 9)); SHOW(readlink("none", text, 9)); SHOW(readlink("", text, 9)); SHOW(readlink("d", text, 9)); SHOW(readlink("dl/", text, 9)); SHOW(readlink("l/", text, 9)); SHOW(readlink("a/b", text, 9)); SHOW(lstat("l", &st)); SHOW(st.st_size); printf("%o\n", st.st_mode);
  memset(name, 'y', 4095); name[4095] = 0; SHOW(symlink(name, "long")); SHOW(readlink("long", text, 5000)); SHOW(open("long", O_RDONLY)); memset(name, 'y', 4096); name[4096] = 0; SHOW(symlink(name, "longer"));

  puts("-- mkdir and mknod");
  SHOW(mkdir("d", 0755)); SHOW(mkdir("a", 0755)); SHOW(mkdir("x", 0755)); SHOW(mkdir("x/", 0755)); SHOW(mkdir("l", 0755)); SHOW(mkdir("none/d", 0755)); SHOW(mkdir("a/d", 0755)); SHOW(mkdir("", 0755)); SHOW(mkdir(".", 0755)); SHOW(mkdir("/", 0755)); SHOW(mkdir("d/..", 0755)); SHOW(mkdir("n1/", 0755)); SHOW(mkdir("n2//", 0755)); SHOW(mkdir("n3/.", 0755)); SHOW(mkdir("n4", 07777)); stat("n4", &st); printf("%o %ld\n", st.st_mode, (long)st.st_nlink); chmod("d", 02755); SHOW(mkdir("d/g", 0700)); stat("d/g", &st); printf("%o\n", st.st_mode); SHOW(close(open("d/f", O_CREAT, 0644))); stat("d", &st); SHOW(st.st_nlink);
  SHOW(mknod("m1", S_IFREG | 0644, 0)); stat("m1", &st); printf("%o\n", st.st_mode); SHOW(mknod("m2", 0600, 0)); SHOW(mknod("m3", S_IFIFO | 0600, 0)); SHOW(mknod("m4", S_IFSOCK | 0600, 0)); stat("m4", &st); printf("%o\n", st.st_mode); SHOW(open("m4", O_RDONLY)); SHOW(mknod("m5", S_IFDIR | 0700, 0)); SHOW(mknod("m6", S_IFLNK | 0700, 0)); SHOW(mknod("m7", 0130000, 0)); SHOW(mknod("m1", S_IFREG, 0)); SHOW(mknod("x", S_IFREG, 0)); SHOW(mknod("m8/", S_IFREG, 0)); SHOW(mknod("none/m", S_IFREG, 0)); SHOW(mkfifo("", 0600));

  puts("-- lengths");
  memset(name, 'n', 255); name[255] = 0; SHOW(mkdir(name, 0755)); SHOW(stat(name, &st)); SHOW(rmdir(name)); SHOW(symlink("a", name)); SHOW(unlink(name)); memset(name, 'n', 256); name[256] = 0; SHOW(mkdir(name, 0755)); SHOW(stat(name, &st)); SHOW(open(name, O_CREAT, 0600)); SHOW(symlink("a", name)); SHOW(link("a", name)); SHOW(unlink(name)); SHOW(rmdir(name)); SHOW(mkfifo(name, 0600)); SHOW(access(name, F_OK)); SHOW(readlink(name, text, 9)); strcat(name, "/x"); SHOW(stat(name, &st)); sprintf(text, "d/%s", name); SHOW(open(text, O_RDONLY));
  name[0] = 0; for (int i = 0; i < 2047; i++) strcat(name, "./"); strcat(name, "d"); SHOW(strlen(name)); SHOW(stat(name, &st)); strcpy(name + 4094, "ab"); SHOW(stat(name, &st)); SHOW(mkdir(name, 0700)); SHOW(chdir(name)); memset(name, '/', 4094); strcpy(name + 4094, "."); SHOW(stat(name, &st));
  char wd[4200]; getcwd(wd, sizeof wd); memset(name, 'q', 200); name[200] = 0; int depth = 0; while (depth < 25 && mkdir(name, 0755) == 0 && chdir(name) == 0) depth++; SHOW(depth); SHOW(syscall(SYS_getcwd, text, 5000)); SHOW(syscall(SYS_getcwd, text, 10)); put("deep", "deep"); cat("deep"); for (int i = 0; i < depth; i++) { unlink("deep"); chdir(".."); rmdir(name); } SHOW(access("d", F_OK)); char here[4200]; TRUTH(getcwd(here, sizeof here) && !strcmp(here, wd));

  puts("-- chdir");
  SHOW(chdir("a")); SHOW(chdir("none")); SHOW(chdir("")); SHOW(chdir("dl")); SHOW(chdir("..")); SHOW(chdir("loop3")); SHOW(fchdir(99)); fd = open("a", O_RDONLY); SHOW(fchdir(fd)); SHOW(chroot("a")); SHOW(chroot("none")); SHOW(access("//dev///null", F_OK)); SHOW(access("d/../a", F_OK)); SHOW(access("a/../a", F_OK)); SHOW(access("none/../a", F_OK)); SHOW(access("a/.", F_OK)); SHOW(access("/../../dev/null", F_OK));
  return 0;
}
