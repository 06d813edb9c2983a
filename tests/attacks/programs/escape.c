/* escape PLACE SECRET: from the directory PLACE, looks for a way to SECRET, a file beside PLACE that holds "xyzzy", and to the directory it is in.
 *
 * Prints "NAME: escaped" or "NAME: errno" for each way. test_escape.py has put links, a fifo, a socket and a device into PLACE. Links and files
 * that it makes by the way stay in PLACE.
 */
#include "attack.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char place[512], secret[512];
static char paths[16][1200];

static const char *in_place(const char *name) { /* a path in one of a few buffers */
  static unsigned turn;
  char *path = paths[turn++ % 16];
  snprintf(path, 1200, "%s/%s", place, name);
  return path;
}

static void say(const char *name, int escaped, int error) {
  if (escaped)
    printf("%s: escaped\n", name);
  else
    printf("%s: %d\n", name, error);
}

static void reads(const char *name, int file) {
  char data[64] = "";
  int error = errno;
  if (file >= 0)
    read(file, data, 63), close(file), error = 0;
  say(name, strstr(data, "xyzzy") != NULL, error);
}

static void try_open(const char *name, const char *path) { reads(name, open(path, O_RDONLY | O_NONBLOCK)); }

static void does(const char *name, long result) { say(name, result >= 0, errno); }

static void forged_handle(const char *name, int mount) { /* inode 2 is the root of most file systems; others are near */
  struct {
    unsigned bytes;
    int type;
    unsigned words[8];
  } handle = {8, 1, {2, 0}};
  int root = -1;
  for (int type = 1; type < 0x100 && root < 0; type++)
    for (unsigned number = 0; number < 3 && root < 0; number++)
      for (unsigned bytes = 8; bytes <= 32 && root < 0; bytes += 4) {
        handle.type = type, handle.words[0] = number, handle.bytes = bytes;
        root = raw(SYS_open_by_handle_at, mount, &handle, O_RDONLY);
      }
  int error = errno;
  if (root >= 0) {
    char up[700];
    snprintf(up, sizeof up, "..%s", secret);
    reads(name, openat(root, up, O_RDONLY));
  } else
    say(name, 0, error);
}

static void own_handle(const char *name) { /* natively it is how one opens again what one may see */
  struct {
    unsigned bytes;
    int type;
    char data[128];
  } handle = {128, 0, ""};
  int mount_id, mount = open(place, O_RDONLY | O_DIRECTORY);
  long got = raw6(SYS_name_to_handle_at, AT_FDCWD, (long)in_place("out/secret"), (long)&handle, (long)&mount_id, 0, 0);
  errno = got < 0 ? -got : 0;
  if (got >= 0) {
    long file = raw(SYS_open_by_handle_at, mount, &handle, O_RDONLY);
    errno = file < 0 ? -file : 0;
    reads(name, file);
  } else
    say(name, 0, errno);
  close(mount);
}

static void leave_jail(int sub, int top) { /* the classic way out of a chroot: a directory above it is still open */
  char path[1024];
  mkdir(in_place("jail"), 0700);
  chroot(in_place("jail"));
  fchdir(sub);
  for (int i = 0; i < 64; i++)
    chdir("..");
  chroot(".");
  try_open("chroot", secret);
  fchdir(top);
  for (int i = 0; i < 64; i++)
    chdir("..");
  snprintf(path, sizeof path, ".%s", secret);
  try_open("chroot-top", path);
  fflush(stdout);
  _exit(0);
}

int main(int count, char **arguments) {
  if (count < 3)
    return 2;
  snprintf(place, sizeof place, "%s", arguments[1]);
  snprintf(secret, sizeof secret, "%s", arguments[2]);
  char path[2048];
  int directory = open(place, O_RDONLY | O_DIRECTORY), handle = open(place, O_PATH), top = open("/", O_RDONLY | O_DIRECTORY);
  mkdir(in_place("sub"), 0700);
  int sub = open(in_place("sub"), O_RDONLY | O_DIRECTORY);

  try_open("absolute", secret);
  try_open("dots", in_place("../outside/secret"));
  try_open("link", in_place("out/secret"));
  try_open("absolute-link", in_place("absolute"));
  try_open("chain", in_place("chain"));
  try_open("dots-through-link", in_place("sub/../out/../outside/secret"));
  snprintf(path, sizeof path, "/proc/self/root/../../../..%s", secret);
  try_open("proc-root", path);
  snprintf(path, sizeof path, "/proc/1/root%s", secret);
  try_open("proc-1-root", path);
  snprintf(path, sizeof path, "/proc/self/fd/%d/../outside/secret", directory);
  try_open("proc-fd", path);
  snprintf(path, sizeof path, "/proc/self/fd/%d/out/secret", handle);
  try_open("proc-fd-path", path);
  snprintf(path, sizeof path, "/proc/self/task/%d/cwd/../outside/secret", getpid());
  chdir(place);
  try_open("proc-cwd", path);
  reads("openat", openat(directory, "../outside/secret", O_RDONLY));
  reads("openat-path", openat(handle, "../outside/secret", O_RDONLY));
  struct {
    uint64_t flags, mode, resolve;
  } how = {O_RDONLY, 0, 0};
  long found = raw6(SYS_openat2, handle, (long)"out/secret", (long)&how, sizeof how, 0, 0);
  errno = found < 0 ? -found : 0;
  reads("openat2", found);

  own_handle("handle");
  forged_handle("forged-handle", directory);
  forged_handle("forged-handle-top", top);

  fflush(stdout);
  if (fork() == 0)
    leave_jail(sub, top);
  wait(NULL);

  symlink("../outside/secret", in_place("new"));
  try_open("new-link", in_place("new"));
  symlink("../outside/made", in_place("maker"));
  does("create-through-link", open(in_place("maker"), O_WRONLY | O_CREAT, 0600));
  does("hard-link", link(in_place("out/secret"), in_place("hard")));
  does("hard-link-followed", linkat(AT_FDCWD, in_place("new"), AT_FDCWD, in_place("hard2"), AT_SYMLINK_FOLLOW));
  try_open("hard-link-read", in_place("hard2"));
  does("rename-out", rename(in_place("sub"), in_place("out/sub")));
  does("mkdir", mkdir(in_place("out/directory"), 0700));
  does("mknod", mknod(in_place("out/fifo"), S_IFIFO | 0600, 0));
  does("symlink", symlink("x", in_place("out/symlink")));
  does("chmod", chmod(in_place("new"), 0666));
  does("chown", chown(in_place("new"), 1, 1));
  does("utimes", utimensat(AT_FDCWD, in_place("new"), NULL, 0));
  does("truncate", truncate(in_place("new"), 3));
  does("write", open(in_place("new"), O_WRONLY));
  does("rename", rename(in_place("out/secret"), in_place("stolen")));
  does("unlink", unlink(in_place("out/only")));

  does("fifo", open(in_place("fifo"), O_WRONLY | O_NONBLOCK)); /* somebody of the host reads it */
  does("device", open(in_place("device"), O_RDWR));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "./socket");
  does("socket", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address));

  return 0;
}
