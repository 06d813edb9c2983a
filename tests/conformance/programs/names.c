/* Names: rename, unlink, link, symlink, limits, what stays of an open file. */
#include "show.h"

static void kind(const char *path) {
  struct stat st;
  if (lstat(path, &st)) printf("%s: %s\n", path, strerrorname_np(errno));
  else printf("%s: %s, %lu links, %ld bytes\n", path, S_ISDIR(st.st_mode) ? "directory" : S_ISLNK(st.st_mode) ? "link" : "file", S_ISDIR(st.st_mode) ? 0 : (unsigned long)st.st_nlink, S_ISREG(st.st_mode) ? (long)st.st_size : 0);
}

int main(void) {
  char text[PATH_MAX + 16];
  struct stat st;
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- rename");
  put("a", "A"); put("b", "BB"); mkdir("d", 0755); mkdir("full", 0755); put("full/x", "x"); mkdir("empty", 0755);
  SHOW(rename("a", "b")); kind("a"); cat("b"); SHOW(rename("none", "x")); SHOW(rename("b", "d")); SHOW(rename("d", "b")); SHOW(rename("d", "full")); SHOW(rename("full", "empty")); kind("full"); kind("empty/x"); SHOW(rename("empty", "empty/inside")); SHOW(rename("b", "none/x")); SHOW(rename("b", "b")); SHOW(rename("", "x")); SHOW(rename("b", "")); SHOW(rename("b/", "c")); SHOW(rename("b", "c/")); SHOW(rename("d/", "d2/")); SHOW(rename("d2", "d")); SHOW(rename(".", "x")); SHOW(rename("d", "..")); SHOW(rename("d/.", "x"));
  put("r", "R"); SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "b", RENAME_NOREPLACE)); SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "b", RENAME_EXCHANGE)); cat("r"); cat("b"); SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "none", RENAME_EXCHANGE)); SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "b", 99)); SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "new", RENAME_NOREPLACE)); kind("new");
  mkdir("d/one", 0700); mkdir("two", 0700); SHOW(rename("d/one", "two/one")); SHOW(stat("two/one/../../two", &st)); SHOW(rmdir("two")); SHOW(rmdir("two/one")); SHOW(rmdir("two"));

  puts("-- hard links");
  put("h", "hard"); SHOW(link("h", "h2")); kind("h"); SHOW(link("h", "h2")); SHOW(link("none", "x")); SHOW(link("d", "dl")); SHOW(rename("h", "h2")); kind("h"); kind("h2"); SHOW(unlink("h")); kind("h2"); symlink("h2", "hl"); SHOW(link("hl", "hl2")); kind("hl2"); SHOW(linkat(AT_FDCWD, "hl", AT_FDCWD, "hl3", AT_SYMLINK_FOLLOW)); kind("hl3");

  puts("-- unlink");
  int fd = open("u", O_RDWR | O_CREAT, 0600); write(fd, "still here", 10);
  SHOW(unlink("u")); kind("u"); SHOW(fstat(fd, &st)); SHOW(st.st_nlink); SHOW(pread(fd, text, 20, 0)); SHOW(write(fd, "!", 1)); SHOW(fstat(fd, &st)); SHOW(st.st_size); put("u", "another"); cat("u"); SHOW(pread(fd, text, 20, 0)); SHOW(close(fd)); SHOW(unlink("d")); SHOW(unlink("none")); SHOW(unlink("u/")); SHOW(unlink("")); SHOW(unlink("u"));
  fd = open("over", O_RDWR | O_CREAT, 0600); write(fd, "old", 3); put("newer", "new"); SHOW(rename("newer", "over")); SHOW(pread(fd, text, 20, 0)); printf("%.3s\n", text); cat("over"); close(fd);

  puts("-- rmdir");
  SHOW(rmdir("empty")); SHOW(rmdir("b")); SHOW(rmdir("none")); SHOW(rmdir("d/.")); SHOW(rmdir("d/..")); SHOW(rmdir("/")); mkdir("gone", 0700); fd = open("gone", O_RDONLY); SHOW(chdir("gone")); SHOW(rmdir("../gone")); SHOW(getcwd(text, sizeof text) == NULL); printf("%s\n", strerrorname_np(errno)); SHOW(open("x", O_CREAT | O_RDWR, 0600)); SHOW(open(".", O_RDONLY) > 0); SHOW(fchdir(fd)); SHOW(chdir("..")); close(fd);

  puts("-- symbolic links");
  SHOW(symlink("b", "s")); SHOW(symlink("b", "s")); SHOW(readlink("s", text, sizeof text)); SHOW(readlink("b", text, 9)); SHOW(readlink("none", text, 9)); SHOW(symlink("target/that/is/long", "t")); SHOW(readlink("t", text, 6)); printf("%.6s\n", text); SHOW(readlink("t", text, 0)); SHOW(symlink("", "x")); SHOW(symlink("y", "x")); SHOW(symlink("x", "y")); SHOW(stat("x", &st)); SHOW(open("x", O_RDONLY)); kind("x"); SHOW(symlink("d", "sd")); SHOW(stat("sd/", &st)); SHOW(S_ISDIR(st.st_mode)); SHOW(lstat("sd/", &st)); SHOW(S_ISDIR(st.st_mode)); SHOW(lstat("sd", &st)); SHOW(S_ISLNK(st.st_mode)); SHOW(rmdir("sd")); SHOW(unlink("sd")); SHOW(symlink("../none/./x", "d/up")); SHOW(readlink("d/up", text, sizeof text)); SHOW(unlink("s")); cat("b");
  char link_a[8] = "c0", link_b[8]; symlink("b", "c0"); for (int i = 1; i < 45; i++) { sprintf(link_b, "c%d", i); symlink(link_a, link_b); strcpy(link_a, link_b); } SHOW(stat("c39", &st)); SHOW(stat("c40", &st));

  puts("-- lengths");
  memset(text, 'n', sizeof text); text[255] = 0; SHOW(close(open(text, O_CREAT | O_RDWR, 0600))); SHOW(unlink(text)); memset(text, 'n', sizeof text); text[256] = 0; SHOW(open(text, O_CREAT | O_RDWR, 0600)); SHOW(mkdir(text, 0700)); for (int i = 0; i < PATH_MAX; i += 2) memcpy(text + i, "./", 2); text[PATH_MAX] = 0; SHOW(stat(text, &st)); text[PATH_MAX - 1] = 0; SHOW(stat(text, &st)); SHOW(stat("b//", &st)); SHOW(stat(".//b", &st)); SHOW(stat("d/../b", &st)); SHOW(stat("b/..", &st)); SHOW(stat("/../../dev/null", &st));
  return 0;
}
