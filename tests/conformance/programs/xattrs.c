/* Extended attributes: names, sizes, flags, kinds of files, who may. */
#include "show.h"
#include <sys/xattr.h>

static int by_text(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void list(const char *path) {
  char text[4096], *names[64]; int count = 0; ssize_t length = listxattr(path, text, sizeof text);
  if (length < 0) { printf("%s: %s\n", path, strerrorname_np(errno)); return; }
  for (char *at = text; at < text + length; at += strlen(at) + 1) if (strncmp(at, "security.selinux", 16)) names[count++] = at;
  qsort(names, count, sizeof *names, by_text); printf("%s:", path); for (int i = 0; i < count; i++) printf(" %s", names[i]); putchar('\n');
}

int main(void) {
  static char big[70000]; char text[300], name[400]; struct stat st; struct timespec t[2] = {{1, 0}, {1, 0}};
  umask(022); setvbuf(stdout, NULL, _IOLBF, 0); put("f", "x"); mkdir("d", 0755); symlink("f", "l"); symlink("none", "dangling"); mkfifo("p", 0600);
  puts("-- set and get");
  SHOW(setxattr("f", "user.a", "hello", 5, 0)); SHOW(getxattr("f", "user.a", text, 300)); printf("%.5s\n", text); SHOW(getxattr("f", "user.a", NULL, 0)); SHOW(getxattr("f", "user.a", text, 4)); SHOW(getxattr("f", "user.a", text, 5)); SHOW(getxattr("f", "user.none", text, 5)); SHOW(setxattr("f", "user.a", "x", 1, XATTR_CREATE)); SHOW(setxattr("f", "user.b", "x", 1, XATTR_REPLACE)); SHOW(setxattr("f", "user.b", "x", 1, XATTR_CREATE)); SHOW(setxattr("f", "user.b", "yy", 2, XATTR_REPLACE)); SHOW(getxattr("f", "user.b", text, 9)); SHOW(setxattr("f", "user.c", "x", 1, XATTR_CREATE | XATTR_REPLACE)); SHOW(setxattr("f", "user.c", "x", 1, 4)); SHOW(setxattr("f", "user.e", NULL, 0, 0)); SHOW(getxattr("f", "user.e", text, 9)); SHOW(setxattr("f", "user.nul", "a\0b", 3, 0)); SHOW(getxattr("f", "user.nul", text, 9)); list("f");
  SHOW(listxattr("f", NULL, 0)); SHOW(listxattr("f", text, 3)); SHOW(listxattr("d", text, 9)); SHOW(setxattr("f", "user.big", big, 1000, 0)); SHOW(getxattr("f", "user.big", NULL, 0)); SHOW(setxattr("f", "user.toobig", big, 65537, 0)); SHOW(getxattr("f", "user.big", big, 70000));
  puts("-- remove");
  SHOW(removexattr("f", "user.big")); SHOW(removexattr("f", "user.big")); SHOW(removexattr("f", "user.none")); SHOW(removexattr("none", "user.a")); list("f");
  puts("-- names");
  SHOW(setxattr("f", "", "x", 1, 0)); SHOW(setxattr("f", "user.", "x", 1, 0)); SHOW(getxattr("f", "user.", text, 1)); SHOW(setxattr("f", "plain", "x", 1, 0)); SHOW(getxattr("f", "plain", text, 1)); SHOW(removexattr("f", "plain")); SHOW(setxattr("f", "other.a", "x", 1, 0)); SHOW(setxattr("f", "User.a", "x", 1, 0)); SHOW(getxattr("f", "", text, 1)); SHOW(removexattr("f", "")); memset(name, 'n', 255); memcpy(name, "user.", 5); name[255] = 0; SHOW(setxattr("f", name, "x", 1, 0)); SHOW(getxattr("f", name, text, 1)); SHOW(removexattr("f", name)); name[255] = 'n'; name[256] = 0; SHOW(setxattr("f", name, "x", 1, 0)); SHOW(getxattr("f", name, text, 1)); SHOW(setxattr("f", (char *)8, "x", 1, 0)); SHOW(setxattr("f", "user.z", (char *)8, 1, 0)); SHOW(getxattr("f", "user.a", (char *)8, 100)); SHOW(setxattr("", "user.a", "x", 1, 0)); SHOW(setxattr("none", "user.a", "x", 1, 0)); SHOW(setxattr("f/x", "user.a", "x", 1, 0));
  puts("-- kinds");
  SHOW(setxattr("d", "user.d", "1", 1, 0)); list("d"); SHOW(setxattr("l", "user.l", "1", 1, 0)); SHOW(getxattr("f", "user.l", text, 9)); SHOW(lsetxattr("l", "user.l", "1", 1, 0)); SHOW(lgetxattr("l", "user.l", text, 9)); SHOW(lremovexattr("l", "user.l")); SHOW(llistxattr("l", text, 100)); SHOW(setxattr("dangling", "user.l", "1", 1, 0)); SHOW(setxattr("p", "user.p", "1", 1, 0)); SHOW(getxattr("p", "user.p", text, 1)); SHOW(removexattr("p", "user.p")); SHOW(getxattr("/dev/null", "user.p", text, 1)); SHOW(setxattr("/dev/null", "user.p", "1", 1, 0)); SHOW(removexattr("f", "user.l"));
  puts("-- descriptors");
  int r = open("f", O_RDONLY), w = open("f", O_WRONLY), p = open("f", O_PATH), pipes[2]; pipe(pipes); SHOW(fsetxattr(r, "user.r", "1", 1, 0)); SHOW(fgetxattr(w, "user.r", text, 9)); SHOW(fsetxattr(p, "user.r", "1", 1, 0)); SHOW(fgetxattr(p, "user.r", text, 9)); SHOW(flistxattr(p, text, 9)); SHOW(fremovexattr(p, "user.r")); SHOW(fgetxattr(99, "user.r", text, 9)); SHOW(fsetxattr(pipes[0], "user.r", "1", 1, 0)); SHOW(fremovexattr(w, "user.r")); SHOW(fgetxattr(r, "user.r", text, 9));
  puts("-- times and life");
  utimensat(AT_FDCWD, "f", t, 0); stat("f", &st); struct timespec before = st.st_ctim; while (stat("f", &st), st.st_ctim.tv_sec == before.tv_sec && st.st_ctim.tv_nsec == before.tv_nsec) setxattr("f", "user.t", "1", 1, 0); SHOW(st.st_mtim.tv_sec); link("f", "h"); SHOW(getxattr("h", "user.a", text, 9)); rename("h", "h2"); list("h2"); unlink("f"); SHOW(fgetxattr(r, "user.a", text, 9)); put("f", "new"); list("f");
  puts("-- privileged");
  if (geteuid() == 0) {
    SHOW(setxattr("f", "trusted.t", "1", 1, 0)); SHOW(setxattr("f", "security.s", "12", 2, 0)); SHOW(getxattr("f", "security.s", text, 9)); SHOW(getxattr("f", "trusted.t", text, 9)); list("f"); SHOW(lsetxattr("l", "trusted.l", "1", 1, 0)); SHOW(llistxattr("l", text, 100)); SHOW(setxattr("p", "trusted.p", "1", 1, 0)); list("p"); SHOW(getxattr("f", "security.none", text, 1)); SHOW(getxattr("f", "trusted.", text, 1));
    put("u", "x"); chmod("u", 0604); setxattr("u", "user.x", "1", 1, 0); setxattr("u", "trusted.x", "1", 1, 0); put("hidden", "x"); chmod("hidden", 0600); setxattr("hidden", "user.x", "1", 1, 0); mkdir("sticky", 01777); chmod("sticky", 01777); chmod(".", 0755);
    CHILD("somebody else", { setresgid(5000, 5000, 5000); setresuid(5000, 5000, 5000); list("u"); SHOW(getxattr("u", "user.x", text, 9)); SHOW(getxattr("u", "trusted.x", text, 9)); SHOW(setxattr("u", "user.x", "2", 1, 0)); SHOW(removexattr("u", "user.x")); SHOW(setxattr("u", "trusted.x", "2", 1, 0)); SHOW(removexattr("u", "trusted.x")); SHOW(setxattr("u", "security.x", "2", 1, 0)); SHOW(getxattr("hidden", "user.x", text, 9)); SHOW(setxattr("hidden", "user.x", "2", 1, 0)); list("hidden"); SHOW(setxattr("sticky", "user.x", "2", 1, 0)); SHOW(getxattr("sticky", "user.x", text, 9)); });
  } else { SHOW(setxattr("f", "trusted.t", "1", 1, 0)); SHOW(setxattr("f", "security.s", "12", 2, 0)); SHOW(getxattr("f", "trusted.t", text, 1)); SHOW(getxattr("f", "security.s", text, 1)); SHOW(removexattr("f", "trusted.t")); }
  return 0;
}
