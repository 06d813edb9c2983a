/* What a process reads about itself in /proc, and the plain devices. */
#include "show.h"
#include <dirent.h>
#include <sys/sysmacros.h>

static char text[1 << 20];
static const char *whole(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) { printf("%s: %s\n", path, strerrorname_np(errno)); text[0] = 0; return text; }
  ssize_t total = 0, n;
  while ((n = read(fd, text + total, sizeof text - 1 - total)) > 0) total += n;
  text[total] = 0;
  close(fd);
  return text;
}
static long field(const char *name) { const char *at = strstr(text, name); return at ? atol(at + strlen(name)) : -1; }

int main(int argc, char **argv) {
  char path[PATH_MAX], name[64];
  struct stat st;
  setvbuf(stdout, NULL, _IOLBF, 0);
  (void)argc;

  puts("-- links");
  ssize_t n = readlink("/proc/self/exe", path, sizeof path); path[n > 0 ? n : 0] = 0; TRUTH(n > 0 && strstr(path, "procself")); char here[PATH_MAX]; getcwd(here, sizeof here); n = readlink("/proc/self/cwd", path, sizeof path); path[n > 0 ? n : 0] = 0; TRUTH(!strcmp(path, here)); n = readlink("/proc/self/root", path, sizeof path); path[n > 0 ? n : 0] = 0; puts(path); put("opened", "text"); int fd = open("opened", O_RDWR); sprintf(name, "/proc/self/fd/%d", fd); n = readlink(name, path, sizeof path); path[n > 0 ? n : 0] = 0; TRUTH(!strncmp(path, here, strlen(here)) && !strcmp(path + strlen(here), "/opened")); int again = open(name, O_RDONLY); SHOW(read(again, path, 10)); close(again); unlink("opened"); n = readlink(name, path, sizeof path); path[n > 0 ? n : 0] = 0; TRUTH(strstr(path, "/opened (deleted)")); int p[2]; pipe(p); sprintf(name, "/proc/self/fd/%d", p[0]); n = readlink(name, path, sizeof path); path[n > 0 ? n : 0] = 0; printf("%.6s\n", path); SHOW(stat(name, &st)); SHOW(S_ISFIFO(st.st_mode)); SHOW(readlink("/proc/self/fd/99", path, sizeof path)); n = readlink("/proc/self", path, sizeof path); path[n > 0 ? n : 0] = 0; TRUTH(atoi(path) == getpid()); SHOW(stat("/dev/fd/0", &st)); sprintf(name, "/proc/%d/exe", getpid()); TRUTH(readlink(name, path, sizeof path) > 0);
  DIR *directory = opendir("/proc/self/fd"); int count = 0; struct dirent *entry; while (directory && (entry = readdir(directory))) if (entry->d_name[0] != '.') count++; TRUTH(count >= 6); if (directory) closedir(directory);

  puts("-- files");
  whole("/proc/self/cmdline"); TRUTH(!strcmp(text, argv[0])); whole("/proc/self/comm"); printf("%s", text); whole("/proc/self/environ"); TRUTH(strstr(text, "=") != NULL);
  size_t room = strlen(argv[0]) + 1; memset(argv[0], 't', room + 3); whole("/proc/self/cmdline"); TRUTH(strspn(text, "t") == room + 3); memset(argv[0], 0, room + 3); whole("/proc/self/cmdline"); TRUTH(!*text); whole("/proc/self/status"); TRUTH(strstr(text, "Name:\tprocself")); TRUTH(field("\nPid:") == getpid()); TRUTH(field("\nPPid:") == getppid()); TRUTH(field("\nThreads:") == 1); TRUTH(field("\nUid:") == getuid()); TRUTH(field("\nVmRSS:") > 0); whole("/proc/self/stat"); int pid, ppid; char comm[32], state; SHOW(sscanf(text, "%d %31s %c %d", &pid, comm, &state, &ppid)); TRUTH(pid == getpid() && ppid == getppid()); printf("%s %c\n", comm, state); count = 0; for (char *c = text; *c; c++) count += *c == ' '; SHOW(count);
  whole("/proc/self/maps"); TRUTH(strstr(text, "[stack]")); TRUTH(strstr(text, "r-xp")); TRUTH(strstr(text, "/procself\n")); TRUTH(strstr(text, "[vdso]")); char *heap = malloc(100); heap = sbrk(0); (void)heap; TRUTH(strstr(whole("/proc/self/maps"), "[heap]")); int inside = 0; for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) { unsigned long from, to; if (sscanf(line, "%lx-%lx", &from, &to) == 2 && (unsigned long)&argc >= from && (unsigned long)&argc < to) inside++; } SHOW(inside); whole("/proc/self/statm"); TRUTH(atol(text) > 0); whole("/proc/self/limits"); TRUTH(strstr(text, "Max open files")); whole("/proc/self/mountinfo"); TRUTH(strstr(text, " / / ")); whole("/proc/self/cgroup"); whole("/proc/mounts"); TRUTH(strstr(text, " / "));
  whole("/proc/meminfo"); TRUTH(field("MemTotal:") > 0); TRUTH(field("MemAvailable:") > 0); whole("/proc/cpuinfo"); TRUTH(strstr(text, "processor\t: 0")); whole("/proc/stat"); TRUTH(!strncmp(text, "cpu ", 4)); whole("/proc/uptime"); TRUTH(atof(text) > 0); whole("/proc/loadavg"); TRUTH(strchr(text, '/')); whole("/proc/version"); TRUTH(!strncmp(text, "Linux version", 13)); whole("/proc/filesystems"); TRUTH(strstr(text, "tmpfs")); whole("/proc/sys/kernel/pid_max"); TRUTH(atol(text) >= 32768); whole("/proc/sys/kernel/ostype"); printf("%s", text); whole("/proc/self/task/none/comm"); sprintf(name, "/proc/self/task/%d/comm", getpid()); whole(name); printf("%s", text); SHOW(open("/proc/none", O_RDONLY)); SHOW(open("/proc/self/none", O_RDONLY)); SHOW(open("/proc/99999999/stat", O_RDONLY)); SHOW(open("/proc/none", O_RDWR | O_CREAT, 0600) < 0); SHOW(unlink("/proc/self/stat") < 0);
  pid_t child = fork(); if (child == 0) { pause(); _exit(0); } sprintf(name, "/proc/%d/stat", child); whole(name); sscanf(text, "%d %31s %c %d", &pid, comm, &state, &ppid); TRUTH(pid == child && ppid == getpid()); kill(child, SIGKILL); siginfo_t info; waitid(P_PID, child, &info, WEXITED | WNOWAIT); whole(name); sscanf(text, "%d %31s %c", &pid, comm, &state); printf("%c\n", state); waitpid(child, NULL, 0); SHOW(open(name, O_RDONLY));

  puts("-- devices");
  fd = open("/dev/null", O_RDWR); SHOW(read(fd, path, 5)); SHOW(write(fd, path, 5)); fstat(fd, &st); SHOW(S_ISCHR(st.st_mode)); SHOW(major(st.st_rdev)); SHOW(minor(st.st_rdev)); fd = open("/dev/zero", O_RDWR); memset(path, 1, 10); SHOW(read(fd, path, 10)); SHOW(path[9]); SHOW(write(fd, path, 5)); fd = open("/dev/full", O_RDWR); SHOW(read(fd, path, 5)); SHOW(write(fd, path, 5)); fd = open("/dev/urandom", O_RDONLY); SHOW(read(fd, path, 32)); fd = open("/dev/random", O_RDONLY); SHOW(read(fd, path, 8)); SHOW(open("/dev/none", O_RDONLY)); CHILD("no terminal", { setsid(); SHOW(open("/dev/tty", O_RDWR)); }); fd = open("/dev/stdout", O_WRONLY); WORKS(fd); stat("/dev", &st); SHOW(S_ISDIR(st.st_mode)); stat("/dev/shm", &st); SHOW(S_ISDIR(st.st_mode)); SHOW(st.st_mode & 01000); int shm = open("/dev/shm/skerry-test", O_RDWR | O_CREAT | O_EXCL, 0600); WORKS(shm); SHOW(unlink("/dev/shm/skerry-test"));

  puts("-- namespaces");
  stat("/proc/self/ns/uts", &st); SHOW(st.st_mode); TRUTH(st.st_ino > 0); SHOW(st.st_size);
  struct stat other; child = fork(); if (child == 0) { pause(); _exit(0); } sprintf(name, "/proc/%d/ns/uts", child); SHOW(stat(name, &other)); TRUTH(other.st_ino == st.st_ino); kill(child, SIGKILL); waitpid(child, NULL, 0);
  fd = open("/proc/self/ns/net", O_RDONLY); WORKS(fd); SHOW(read(fd, path, 1)); SHOW(lseek(fd, 0, SEEK_CUR)); SHOW(open("/proc/self/ns/net", O_RDWR)); SHOW(open("/proc/self/ns/none", O_RDONLY));
  n = readlink("/proc/self/ns/pid_for_children", path, sizeof path); path[n > 0 ? n : 0] = 0; printf("%.5s\n", path);
  return 0;
}
