/* rename(2), renameat2(2): every error, and what is left. */
#include "show.h"

static void tree(void) {
  system("rm -rf t; mkdir t t/full t/empty t/empty2 t/full/deep; echo a > t/a; echo bb > t/b; ln -s a t/link; ln -s none t/dangling; ln t/a t/hard; mkfifo t/fifo; echo x > t/full/x");
}
static void list(void) { fflush(stdout); system("cd t && find . | sort | tr '\\n' ' '; echo"); }
static int r2(const char *a, const char *b, unsigned flags) { return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags); }

int main(void) {
  struct stat st, before;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("-- files"); tree();
  SHOW(rename("t/none", "t/x")); SHOW(rename("t/a", "t/none/x")); SHOW(rename("t/a", "")); SHOW(rename("", "t/x")); SHOW(rename("t/a", "t/b/x")); SHOW(rename("t/a/", "t/x")); SHOW(rename("t/a", "t/x/")); SHOW(rename("t/a", "t/b/")); SHOW(rename("t/b/", "t/a"));
  SHOW(rename("t/a", "t/hard")); SHOW(access("t/a", F_OK)); SHOW(rename("t/a", "t/a")); SHOW(rename("t/a", "t/link")); list(); cat("t/link");
  tree(); SHOW(rename("t/a", "t/empty")); SHOW(rename("t/a", "t/full")); SHOW(rename("t/a", "t/b")); list(); SHOW(stat("t/b", &st)); SHOW(st.st_nlink);
  SHOW(rename("t/link", "t/moved")); SHOW(rename("t/dangling", "t/moved")); list(); SHOW(rename("t/fifo", "t/b")); list();

  puts("-- directories"); tree();
  SHOW(rename("t/empty", "t/a")); SHOW(rename("t/empty", "t/full")); SHOW(rename("t/full", "t/empty")); list(); tree(); SHOW(rename("t/empty", "t/link")); SHOW(rename("t/full", "t/full/deep/in")); SHOW(rename("t/full", "t/full/deep")); SHOW(rename("t/full/deep", "t/full")); SHOW(rename("t/full", "t/full")); SHOW(rename("t", "t/full/x2"));
  SHOW(rename("t/empty/", "t/new/")); SHOW(rename("t/new", "t/newer/")); SHOW(rename("t/newer/", "t/newest")); SHOW(rename("t/newest/.", "t/x")); SHOW(rename("t/newest/..", "t/x")); SHOW(rename("t/newest", "t/full/.")); SHOW(rename("t/newest", "t/full/..")); SHOW(rename(".", "x")); SHOW(rename("t/newest", ".")); SHOW(rename("/", "x")); SHOW(rename("t/a", "/")); list();
  stat("t/full", &before); stat("t", &st); SHOW(before.st_nlink); SHOW(st.st_nlink); SHOW(rename("t/full/deep", "t/deep")); stat("t/full", &before); stat("t", &st); SHOW(before.st_nlink); SHOW(st.st_nlink); SHOW(rename("t/deep", "t/empty2")); stat("t", &st); SHOW(st.st_nlink); list();

  puts("-- renameat2"); tree();
  SHOW(r2("t/a", "t/b", RENAME_NOREPLACE)); SHOW(r2("t/a", "t/c", RENAME_NOREPLACE)); SHOW(r2("t/c", "t/c", RENAME_NOREPLACE)); SHOW(r2("t/none", "t/b", RENAME_NOREPLACE)); SHOW(r2("t/c", "t/link", RENAME_NOREPLACE)); SHOW(r2("t/c", "t/empty/", RENAME_NOREPLACE)); SHOW(r2("t/c", ".", RENAME_NOREPLACE));
  SHOW(r2("t/c", "t/b", RENAME_EXCHANGE)); cat("t/c"); SHOW(r2("t/c", "t/none", RENAME_EXCHANGE)); SHOW(r2("t/none", "t/c", RENAME_EXCHANGE)); SHOW(r2("t/c", "t/full", RENAME_EXCHANGE)); list(); SHOW(r2("t/c", "t/full", RENAME_EXCHANGE)); SHOW(r2("t/full", "t/full/deep", RENAME_EXCHANGE)); SHOW(r2("t/full/deep", "t/full", RENAME_EXCHANGE)); SHOW(r2("t/c", "t/full/x", RENAME_EXCHANGE)); list(); SHOW(r2("t/empty", "t/full/x", RENAME_EXCHANGE)); list(); stat("t", &st); SHOW(st.st_nlink); stat("t/full", &st); SHOW(st.st_nlink);
  SHOW(r2("t/b", "t/c", RENAME_EXCHANGE | RENAME_NOREPLACE)); SHOW(r2("t/b", "t/q", 8)); SHOW(r2("t/b", "t/q", RENAME_EXCHANGE | 4)); SHOW(r2("t/link", "t/b", RENAME_EXCHANGE)); list();

  puts("-- at"); tree();
  int d = open("t", O_RDONLY | O_DIRECTORY), f = open("t/a", O_RDONLY);
  SHOW(renameat(d, "a", d, "aa")); SHOW(renameat(f, "a", d, "b")); SHOW(renameat(d, "b", f, "x")); SHOW(renameat(99, "a", d, "b")); SHOW(renameat(d, "aa", 99, "b")); SHOW(renameat(d, "aa", AT_FDCWD, "outside")); SHOW(renameat(AT_FDCWD, "outside", d, "a")); list();

  puts("-- names"); tree();
  char name[300], path[5000]; memset(name, 'n', 255); name[255] = 0; sprintf(path, "t/%s", name); SHOW(rename("t/a", path)); SHOW(rename(path, "t/a")); memset(name, 'n', 256); name[256] = 0; sprintf(path, "t/%s", name); SHOW(rename("t/a", path)); SHOW(rename(path, "t/a")); memset(path, '/', 4096); path[4096] = 0; SHOW(rename(path, "x")); SHOW(rename("t/a", path)); memset(path, 0, sizeof path); for (int i = 0; i < 2047; i++) strcat(path, "./"); SHOW(rename(path, "x")); SHOW(rename("t/a", (char *)8)); SHOW(rename((char *)8, "t/a"));

  puts("-- open and moved"); tree();
  char text[200]; int fd = open("t/a", O_RDWR); rename("t/b", "t/a"); SHOW(write(fd, "still", 5)); SHOW(fstat(fd, &st)); SHOW(st.st_nlink); unlink("t/hard"); fstat(fd, &st); SHOW(st.st_nlink); cat("t/a");
  chdir("t/full"); rename("../full", "../moved"); SHOW(getcwd(text, 200) != NULL); puts(strrchr(text, '/')); SHOW(access("x", F_OK)); chdir("../.."); mkdir("t/gone", 0755); chdir("t/gone"); rmdir("../gone"); SHOW(getcwd(text, 200) == NULL); SHOW(open("new", O_CREAT, 0600)); SHOW(mkdir("new", 0700)); SHOW(symlink("a", "b")); SHOW(mkfifo("b", 0600)); SHOW(link("../a", "b")); SHOW(rename("../a", "b")); SHOW(access(".", F_OK)); SHOW(access("..", F_OK)); SHOW(chdir("..")); SHOW(rename("/proc/self/status", "x")); SHOW(rename("a", "/proc/x"));
  chdir(".."); system("rm -rf t"); return 0;
}
