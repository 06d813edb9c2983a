/* view PROC_DEPTH: prints all that the system says of itself and its host: names, descriptors, environment, and every file of /proc, /sys, /dev.
 *
 * /proc is walked PROC_DEPTH deep; natively there is too much of it. Links are read and not followed.
 */
#include "attack.h"
#include <dirent.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static char data[65536];

static void show(const char *path, int depth) {
  struct stat status;
  if (lstat(path, &status) != 0)
    return;
  if (S_ISLNK(status.st_mode)) {
    ssize_t length = readlink(path, data, sizeof data);
    printf("%s -> %.*s\n", path, (int)(length < 0 ? 0 : length), data);
  } else if (S_ISREG(status.st_mode)) {
    int file = open(path, O_RDONLY | O_NONBLOCK);
    if (file < 0)
      return;
    ssize_t length = read(file, data, sizeof data);
    close(file);
    printf("%s:\n", path);
    fwrite(data, 1, length < 0 ? 0 : length, stdout);
    printf("\n");
  } else if (S_ISDIR(status.st_mode)) {
    printf("%s/\n", path);
    DIR *directory = depth ? opendir(path) : NULL;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
      char below[1024];
      snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
      if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
        show(below, depth - 1);
    }
    if (directory)
      closedir(directory);
  } else
    printf("%s %o %lx\n", path, status.st_mode, (long)status.st_rdev);
}

extern char **environ;

int main(int count, char **arguments) {
  int depth = count > 1 ? atoi(arguments[1]) : 2;
  struct utsname names;
  uname(&names);
  printf("nodename: %s\nrelease: %s\nversion: %s\n", names.nodename, names.release, names.version);
  printf("descriptors:");
  for (int fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0)
      printf(" %d", fd);
  printf("\nvariables:");
  for (char **variable = environ; *variable; variable++)
    printf(" %.*s", (int)strcspn(*variable, "="), *variable);
  printf("\nprocesses:");
  for (int pid = 1; depth && pid < 32768; pid++)
    if (kill(pid, 0) == 0 || errno == EPERM)
      printf(" %d", pid);
  printf("\ngroups: %d\ncwd: %s\n", getpgrp(), getcwd(data, sizeof data));
  for (char **variable = environ; *variable; variable++)
    printf("%s\n", *variable);
  show("/proc", depth);
  show("/proc/sys/kernel", 3);
  show("/sys", depth > 2 ? 9 : 1);
  show("/dev", 3);
  return 0;
}
