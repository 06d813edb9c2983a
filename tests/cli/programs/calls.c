/* Calls whose arguments are of many kinds, for the comparison of `skerry run --strace` with strace. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static char work[64 * 1024];

static void handler(int signo) { (void)signo; }

static void files(const char *place) {
  struct stat status;
  char buffer[64];
  chdir(place);
  openat(AT_FDCWD, "/", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY);
  open("/x/y", O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_SYNC, 0600);
  open("/x/y", O_WRONLY | O_DSYNC | O_PATH, 0600);
  int file = open("file", O_RDWR | O_CREAT, 0644);
  write(file, "a\0b\1772\001z\"\\\t\377 and a long string that is cut", 50);
  pwrite(file, "xy", 2, 4096);
  lseek(file, 0, SEEK_SET);
  read(file, buffer, 5);
  pread(file, buffer, 64, 4096);
  read(file, (char *)8, 5);
  struct iovec vector[2] = {{"ab", 2}, {"cde", 3}}, into[2] = {{buffer, 3}, {buffer + 8, 4}};
  writev(file, vector, 2);
  preadv(file, into, 2, 1);
  readv(-1, into, 2);
  off_t offset = 3;
  int target = open("target", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  sendfile(target, file, &offset, 10);
  sendfile(target, file, NULL, 10);
  fstat(file, &status);
  stat("/dev/null", &status);
  lstat("missing", &status);
  fstatat(AT_FDCWD, "/", (struct stat *)work, AT_SYMLINK_NOFOLLOW);
  fallocate(file, 0, 0, 10000);
  ftruncate(file, 100);
  truncate("file", 50);
  posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
  fcntl(file, F_GETFL);
  fcntl(file, F_GETFD);
  fcntl(file, F_SETFD, FD_CLOEXEC);
  fcntl(file, F_GETFD);
  fcntl(file, F_SETFL, O_NONBLOCK | O_APPEND);
  fcntl(file, F_DUPFD_CLOEXEC, 20);
  struct flock lock = {F_WRLCK, SEEK_SET, 0, 10, 0};
  fcntl(file, F_SETLK, &lock);
  fcntl(file, F_GETLK, &lock);
  flock(file, LOCK_EX | LOCK_NB);
  ioctl(file, 0x5401, work);
  dup3(file, 30, O_CLOEXEC);
  close_range(30, ~0U, 0);
  mkdir("directory", 0755);
  mknod("fifo", S_IFIFO | 0644, 0);
  mknod("plain", S_IFREG, 0);
  symlink("a", "link");
  readlink("link", buffer, 16);
  link("file", "other");
  linkat(AT_FDCWD, "missing", AT_FDCWD, "b", AT_SYMLINK_FOLLOW);
  renameat2(AT_FDCWD, "file", AT_FDCWD, "other", RENAME_NOREPLACE);
  rename("other", "another");
  chmod("file", 0);
  chown("file", -1, -1);
  access("file", R_OK | W_OK);
  syscall(SYS_faccessat2, AT_FDCWD, "file", F_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW);
  struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}}, exact[2] = {{0, 5}, {1000000000, 0}};
  utimensat(AT_FDCWD, "file", NULL, 0);
  utimensat(AT_FDCWD, "file", times, AT_SYMLINK_NOFOLLOW);
  utimensat(AT_FDCWD, "file", exact, 0);
  struct timeval pair[2] = {{1, 2}, {1000000000, 4}};
  syscall(SYS_utimes, "file", pair);
  syscall(SYS_utime, "file", pair);
  unlinkat(AT_FDCWD, "directory", AT_REMOVEDIR);
  unlink("missing");
  umask(0);
  umask(022);
  getcwd(buffer, 64);
  int ends[2];
  pipe2(ends, O_CLOEXEC | O_NONBLOCK);
  syscall(SYS_pipe, ends);
  syscall(SYS_getdents64, file, buffer, 10);
  struct { unsigned long flags, mode, resolve; } how = {O_RDONLY | O_CLOEXEC, 0, 0};
  syscall(SYS_openat2, AT_FDCWD, "/", &how, 24);
}

static void memory(void) {
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  mprotect(page, 4096, PROT_READ | PROT_EXEC);
  mprotect(page, 4096, PROT_NONE);
  madvise(page, 4096, MADV_DONTNEED);
  mremap(page + 4096, 4096, 8192, MREMAP_MAYMOVE);
  munmap(page, 4096);
  mmap(NULL, 0, PROT_READ, MAP_SHARED, 9, 4096);
}

static void signals(void) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_NOCLDSTOP};
  sigset_t set;
  siginfo_t info;
  struct timespec soon = {0, 1000};
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, 40);
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR1, NULL, &action);
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, NULL);
  sigdelset(&set, SIGTERM);
  sigprocmask(SIG_SETMASK, &set, &set);
  sigemptyset(&set);
  sigprocmask(SIG_SETMASK, &set, &set);
  kill(getpid(), SIGUSR1);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR2);
  sigpending(&set);
  sigtimedwait(&set, &info, &soon);
  sigtimedwait(&set, NULL, &soon);
  signal(SIGALRM, handler);
  struct itimerval timer = {{0, 0}, {0, 5000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  pause();
  getitimer(ITIMER_REAL, &timer);
  stack_t stack = {work, 0, sizeof work};
  sigaltstack(&stack, NULL);
  sigaltstack(NULL, &stack);
  union sigval value = {.sival_int = 5};
  signal(SIGUSR2, handler);
  sigqueue(getpid(), SIGUSR2, value);
  sigemptyset(&set);
  sigsuspend(&set);
}

static void waits(void) {
  struct pollfd fds[2] = {{0, POLLIN, 0}, {-1, POLLRDHUP, 0}};
  struct timespec soon = {0, 1000};
  poll(fds, 2, 0);
  fds[0].events = POLLPRI;
  poll(fds, 2, 1);
  fd_set set;
  struct timeval none = {0, 10};
  FD_ZERO(&set);
  select(0, &set, NULL, NULL, &none);
  nanosleep(&soon, NULL);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &soon, NULL);
  int word = 5;
  syscall(SYS_futex, &word, 0, 4, NULL, NULL, 0);
  syscall(SYS_futex, &word, 1, 5, 0, 0, 0);
  syscall(SYS_futex, &word, 9 | 128 | 256, 4, &soon, 0, ~0);
  syscall(SYS_futex, &word, 4 | 128, 1, 1, &word, 3);
}

static void processes(void) {
  int status;
  siginfo_t info;
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGCHLD); /* it comes before or after a wait, as it happens */
  sigprocmask(SIG_BLOCK, &ends, NULL);
  pid_t child = fork();
  if (!child)
    _exit(3);
  waitpid(child, &status, 0);
  wait(&status);
  child = fork();
  if (!child)
    kill(getpid(), SIGKILL);
  waitpid(child, &status, WUNTRACED);
  child = vfork();
  if (!child) {
    execl("/missing", "name", "a long argument that is longer than 32 bytes", NULL);
    _exit(127);
  }
  waitid(P_PID, child, &info, WEXITED);
}

static void facts(void) {
  struct utsname name;
  struct rlimit limit = {1000, RLIM_INFINITY};
  char buffer[32];
  gid_t groups[4];
  uid_t ids[3];
  uname(&name);
  getrlimit(RLIMIT_STACK, &limit);
  limit.rlim_cur = 1000;
  setrlimit(RLIMIT_CORE, &limit);
  prctl(PR_SET_NAME, "hello");
  prctl(PR_GET_NAME, buffer);
  prctl(PR_SET_DUMPABLE, 1);
  prctl(PR_GET_DUMPABLE);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  getresuid(ids, ids + 1, ids + 2);
  setresuid(-1, ids[1], -1);
  getgroups(0, groups);
  syscall(SYS_time, NULL);
  syscall(SYS_gettimeofday, work, NULL);
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, work);
  sched_getscheduler(0);
  sched_get_priority_max(SCHED_FIFO);
  sched_get_priority_min(SCHED_RR);
  sched_get_priority_min(77);
  getpriority(PRIO_PROCESS, 0);
  getrandom(buffer, 0, GRND_NONBLOCK);
  syscall(SYS_arch_prctl, 0x1003, work);
  syscall(SYS_personality, 0xffffffff);
  syscall(999, 1, 2, 3, 4, 5, 6);
}

int main(int count, char **arguments) {
  access("/the comparison begins", F_OK);
  files(arguments[count - 1]);
  memory();
  signals();
  waits();
  processes();
  facts();
  execve("/bin/true", (char *[]){"true", "a long argument that is longer than 32 bytes", NULL}, (char *[]){NULL});
  return 1;
}
