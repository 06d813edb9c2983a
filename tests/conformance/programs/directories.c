/* Directories: getdents, positions, types, the current directory. */
#include "show.h"
#include <dirent.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static void list(const char *path) {
  char *names[2000];
  int count = 0;
  struct dirent *entry;
  DIR *directory = opendir(path);
  if (!directory) { printf("%s: %s\n", path, strerrorname_np(errno)); return; }
  while ((entry = readdir(directory))) { char *line = malloc(300); snprintf(line, 300, "%s/%d", entry->d_name, entry->d_type); names[count++] = line; }
  closedir(directory);
  qsort(names, count, sizeof *names, by_name);
  printf("%s:", path);
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  putchar('\n');
}
static int entries(const char *path) {
  int count = 0;
  DIR *directory = opendir(path);
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

int main(void) {
  char name[64], here[PATH_MAX], buffer[4096];
  struct stat a, b;
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("d", 0755); put("d/file", ""); mkdir("d/sub", 0755); symlink("file", "d/link"); mkfifo("d/fifo", 0600); list("d"); list("none"); list("d/file"); mkdir("empty", 0755); list("empty");
  for (int i = 0; i < 1500; i++) { sprintf(name, "empty/entry-number-%d", i); close(open(name, O_CREAT | O_WRONLY, 0600)); } SHOW(entries("empty"));
  DIR *directory = opendir("empty"); long seen = 0, place = 0; struct dirent *entry; char remembered[256] = ""; while ((entry = readdir(directory))) { if (seen == 700) { place = telldir(directory); } if (seen == 701) strcpy(remembered, entry->d_name); seen++; } seekdir(directory, place); entry = readdir(directory); TRUTH(entry && !strcmp(entry->d_name, remembered)); rewinddir(directory); seen = 0; while ((entry = readdir(directory))) seen++; SHOW(seen); rewinddir(directory);
  int removed = 0; while ((entry = readdir(directory))) if (entry->d_name[0] != '.') { sprintf(name, "empty/%.40s", entry->d_name); if (unlink(name) == 0) removed++; } SHOW(removed); closedir(directory); SHOW(entries("empty")); SHOW(rmdir("empty"));
  int fd = open("d", O_RDONLY | O_DIRECTORY); SHOW(syscall(SYS_getdents64, fd, buffer, 1)); WORKS(syscall(SYS_getdents64, fd, buffer, sizeof buffer)); SHOW(syscall(SYS_getdents64, fd, buffer, sizeof buffer)); SHOW(lseek(fd, 0, SEEK_SET)); WORKS(syscall(SYS_getdents64, fd, buffer, sizeof buffer)); SHOW(syscall(SYS_getdents64, 99, buffer, 10)); int file = open("d/file", O_RDONLY); SHOW(syscall(SYS_getdents64, file, buffer, sizeof buffer)); SHOW(syscall(SYS_getdents64, fd, 8, sizeof buffer) <= 0);
  stat("d", &a); stat("d/.", &b); TRUTH(a.st_ino == b.st_ino); stat("d/sub/..", &b); TRUTH(a.st_ino == b.st_ino); stat("/", &a); stat("/..", &b); TRUTH(a.st_ino == b.st_ino);

  puts("-- the current directory");
  TRUTH(getcwd(here, sizeof here) != NULL); SHOW(chdir("d/sub")); TRUTH(getcwd(buffer, sizeof buffer) && !strncmp(buffer, here, strlen(here)) && !strcmp(buffer + strlen(here), "/d/sub")); SHOW(chdir("../file")); SHOW(chdir("none")); SHOW(fchdir(fd)); TRUTH(getcwd(buffer, sizeof buffer) && !strcmp(buffer + strlen(here), "/d")); SHOW(fchdir(file)); SHOW(fchdir(99)); SHOW(syscall(SYS_getcwd, buffer, 2)); TRUTH(getcwd(buffer, 1) == NULL && errno == ERANGE); rename("../d", "../renamed"); TRUTH(getcwd(buffer, sizeof buffer) && !strcmp(buffer + strlen(here), "/renamed")); CHILD("a child's own", { SHOW(chdir("/")); }); TRUTH(getcwd(buffer, sizeof buffer) && !strcmp(buffer + strlen(here), "/renamed"));
  return 0;
}
