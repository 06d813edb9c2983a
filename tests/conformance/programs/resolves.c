/* openat2: every RESOLVE_ flag on links, "..", magic links and mounts; the sizes and flags it refuses. */
#include "show.h"
#include <linux/openat2.h>

static int root_fd;
static void at(const char *path, unsigned long flags, unsigned long resolve) {
  struct open_how how = {.flags = flags, .resolve = resolve};
  int fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
  printf("%-24s flags %lo resolve %lx: %s\n", path, flags, resolve, fd >= 0 ? "opened" : strerrorname_np(errno));
  if (fd >= 0) close(fd);
}

int main(void) {
  static const char *paths[] = {"file", "dir/inner", "dir/../file", "..", "../root/file", "dir/../../root/file", "link", "dir/up", "dir/out", "absolute", "absdir/inner", "/file", "/", ".", "", "none", "none/..", "dangling", "loop", "dirlink/inner", "dirlink", "dirlink/", "file/", "file/..", "/proc/self/cwd", "proc", "magic", "magic/file", "dir/../..", "/../file"};
  static const unsigned long resolves[] = {0, RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  umask(022); setvbuf(stdout, NULL, _IOLBF, 0); mkdir("root", 0755); chdir("root"); root_fd = open(".", O_PATH | O_DIRECTORY);
  put("file", "x"); mkdir("dir", 0755); put("dir/inner", "x"); mkdir("deep", 0755); symlink("file", "link"); symlink("../file", "dir/up"); symlink("../../outside", "dir/out"); put("../outside", "x"); symlink("/file", "absolute"); symlink("/dir", "absdir"); symlink("missing", "dangling"); symlink("loop", "loop"); symlink("dir", "dirlink"); symlink("/proc", "proc"); symlink("/proc/self/cwd", "magic");
  for (unsigned r = 0; r < sizeof resolves / sizeof *resolves; r++) for (unsigned p = 0; p < sizeof paths / sizeof *paths; p++) at(paths[p], O_RDONLY, resolves[r]);
  for (int r = 0; r < 2; r++) at("deep/../../../../file", O_RDONLY, r ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
  puts("-- creating"); at("new1", O_CREAT | O_RDWR, RESOLVE_BENEATH); at("../new2", O_CREAT | O_RDWR, RESOLVE_BENEATH); at("/new3", O_CREAT | O_RDWR, RESOLVE_IN_ROOT); SHOW(access("new3", F_OK)); at("dangling", O_CREAT | O_RDWR, RESOLVE_NO_SYMLINKS); at("dangling", O_CREAT | O_RDWR, RESOLVE_BENEATH); SHOW(access("missing", F_OK)); at("link", O_RDONLY | O_NOFOLLOW, RESOLVE_NO_SYMLINKS); at("link", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS); at("link", O_PATH | O_NOFOLLOW, 0); at("dirlink/inner", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS); at("dir", O_TMPFILE | O_RDWR, RESOLVE_BENEATH); at("..", O_TMPFILE | O_RDWR, RESOLVE_BENEATH);
  puts("-- refusals"); struct open_how how = {0}; at("file", 1UL << 40, 0); at("file", O_RDONLY, 0x40); at("file", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT); at("file", O_PATH | O_RDWR, 0); at("file", O_PATH | O_TRUNC, 0); at("file", O_RDONLY | 0x80000000, 0); at("x", O_TMPFILE & ~O_DIRECTORY, 0); at("file", O_CREAT | O_RDONLY, RESOLVE_CACHED); at("file", O_RDWR | O_TRUNC, RESOLVE_CACHED);
  how.mode = 0600; SHOW(syscall(SYS_openat2, root_fd, "file", &how, sizeof how)); how.flags = O_CREAT; how.mode = 0200000; SHOW(syscall(SYS_openat2, root_fd, "file", &how, sizeof how)); how.flags = how.mode = 0; SHOW(syscall(SYS_openat2, root_fd, "file", &how, 23)); SHOW(syscall(SYS_openat2, root_fd, "file", &how, 0)); struct { struct open_how how; char more[100]; } larger = {{0}}; SHOW(close(syscall(SYS_openat2, root_fd, "file", &larger, sizeof larger))); larger.more[50] = 1; SHOW(syscall(SYS_openat2, root_fd, "file", &larger, sizeof larger)); SHOW(syscall(SYS_openat2, root_fd, "file", &larger, 5000)); SHOW(syscall(SYS_openat2, root_fd, "file", (void *)8, sizeof how)); SHOW(syscall(SYS_openat2, root_fd, (void *)8, &how, sizeof how)); SHOW(syscall(SYS_openat2, 99, "file", &how, sizeof how)); int f = open("file", O_RDONLY); SHOW(syscall(SYS_openat2, f, "x", &how, sizeof how)); how.resolve = RESOLVE_BENEATH; SHOW(syscall(SYS_openat2, f, "x", &how, sizeof how)); SHOW(syscall(SYS_openat2, 99, "/file", &how, sizeof how)); how.resolve = RESOLVE_IN_ROOT; SHOW(syscall(SYS_openat2, 99, "/file", &how, sizeof how));
  return 0;
}
