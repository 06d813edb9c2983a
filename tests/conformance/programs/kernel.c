/* What a kernel answers, printed so that two kernels can be compared. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SHOW(call) do { errno = 0; long r_ = (long)(call); int e_ = errno; printf("%s = %ld (%s)\n", #call, r_, e_ ? strerrorname_np(e_) : "ok"); } while (0)

static volatile int seen, code;
static char *volatile fault_page;

static void note(int signo) { seen = signo; }
static void note_info(int signo, siginfo_t *info, void *context) {
  (void)context;
  seen = signo;
  code = info->si_code;
}
static void repair(int signo, siginfo_t *info, void *context) {
  (void)context;
  seen = signo;
  code = info->si_code;
  mprotect((void *)((long)info->si_addr & ~4095), 4096, PROT_READ | PROT_WRITE);
}
static char alternate[65536];
static void on_alternate(int signo) {
  char here;
  seen = signo;
  code = &here >= alternate && &here < alternate + sizeof alternate;
}

static void handle(int signo, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(signo, &action, 0);
}

static void files(void) {
  int fd;
  struct stat status;
  SHOW(open("missing", O_RDONLY));
  SHOW(open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
  SHOW(open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
  fd = open("f", O_RDWR);
  SHOW(write(fd, "hello world", 11));
  SHOW(lseek(fd, 100, SEEK_SET));
  SHOW(write(fd, "x", 1));
  SHOW(fstat(fd, &status));
  printf("size %ld mode %o links %ld\n", (long)status.st_size, status.st_mode, (long)status.st_nlink);
  SHOW(lseek(fd, -1, SEEK_SET));
  SHOW(pread(fd, alternate, 5, 6));
  SHOW(ftruncate(fd, 3));
  SHOW(lseek(fd, 0, SEEK_END));
  SHOW(open("f", O_DIRECTORY));
  SHOW(open("f/x", O_RDONLY));
  SHOW(open("/", O_WRONLY));
  SHOW(mkdir("d", 0755));
  SHOW(mkdir("d", 0755));
  SHOW(rename("f", "d"));
  SHOW(rename("f", "d/g"));
  SHOW(rmdir("d"));
  SHOW(unlink("d"));
  SHOW(symlink("loop", "loop"));
  SHOW(open("loop", O_RDONLY));
  SHOW(open("loop", O_RDONLY | O_NOFOLLOW));
  SHOW(readlink("loop", alternate, 2));
  SHOW(link("d", "e"));
  SHOW(link("d/g", "h"));
  SHOW(unlink("d/g"));
  SHOW(fstat(fd, &status));
  printf("links %ld\n", (long)status.st_nlink);
  SHOW(close(fd));
  SHOW(close(fd));
  SHOW(read(fd, alternate, 1));
  SHOW(rmdir("d"));
  SHOW(access("h", X_OK) + (geteuid() == 0 ? 0 : 0));
  SHOW(dup2(1, 70000));
  SHOW(fcntl(1, F_GETFD));
  SHOW(chdir("h"));
  SHOW(open((char *)8, O_RDONLY));
  SHOW(write(1, (char *)8, 4));
}

static void pipes(void) {
  int ends[2], status;
  char buffer[70000];
  struct pollfd wanted = {0};
  signal(SIGPIPE, SIG_IGN);
  pipe2(ends, O_NONBLOCK);
  wanted.fd = ends[0];
  wanted.events = POLLIN;
  SHOW(read(ends[0], buffer, 1));
  SHOW(poll(&wanted, 1, 0));
  SHOW(write(ends[1], buffer, 70000));
  SHOW(write(ends[1], buffer, 1));
  SHOW(poll(&wanted, 1, 0));
  printf("revents %d\n", wanted.revents);
  SHOW(read(ends[0], buffer, 70000));
  close(ends[1]);
  SHOW(poll(&wanted, 1, 0));
  printf("revents %d\n", wanted.revents);
  SHOW(read(ends[0], buffer, 1));
  pipe(ends);
  close(ends[0]);
  SHOW(write(ends[1], "x", 1));
  signal(SIGPIPE, SIG_DFL);
  if (fork() == 0) {
    write(ends[1], "x", 1);
    _exit(0);
  }
  wait(&status);
  printf("signaled %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));
}

static void signals(void) {
  int ends[2];
  char byte;
  struct itimerval soon = {.it_value = {0, 20000}};
  struct sigaction action = {.sa_sigaction = note_info, .sa_flags = SA_SIGINFO};
  sigset_t set, old;
  pipe(ends);
  sigaction(SIGUSR1, &action, 0);
  SHOW(kill(getpid(), SIGUSR1));
  printf("seen %d code %d\n", seen, code);
  SHOW(raise(SIGUSR1));
  printf("seen %d code %d\n", seen, code);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  seen = 0;
  kill(getpid(), SIGUSR1);
  printf("blocked %d\n", seen);
  sigpending(&set);
  printf("pending %d\n", sigismember(&set, SIGUSR1));
  sigprocmask(SIG_SETMASK, &old, 0);
  printf("unblocked %d\n", seen);
  handle(SIGALRM, note, 0);
  setitimer(ITIMER_REAL, &soon, 0);
  SHOW(read(ends[0], &byte, 1));
  handle(SIGALRM, note, SA_RESTART);
  setitimer(ITIMER_REAL, &soon, 0);
  if (fork() == 0) {
    usleep(60000);
    write(ends[1], "r", 1);
    _exit(0);
  }
  SHOW(read(ends[0], &byte, 1));
  wait(0);
  setitimer(ITIMER_REAL, &soon, 0);
  struct timespec wanted = {5, 0}, left = {0};
  SHOW(nanosleep(&wanted, &left));
  printf("left %ld\n", (long)left.tv_sec);
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, 0);
  handle(SIGUSR2, on_alternate, SA_ONSTACK);
  raise(SIGUSR2);
  printf("on alternate stack %d\n", code);
  struct sigaction mend = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &mend, 0);
  fault_page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fault_page[5] = 'y';
  printf("mended %d code %d %c\n", seen, code, fault_page[5]);
  double kept = 1.5;
  __asm__ volatile("" : "+x"(kept));
  raise(SIGUSR1);
  printf("%g\n", kept);
  SHOW(kill(999999, 0));
  SHOW(kill(getpid(), 99));
}

static void processes(void) {
  int status;
  pid_t child;
  static const int how[] = {SIGKILL, SIGSEGV, SIGABRT, SIGTERM};
  SHOW(wait(&status));
  for (int i = 0; i < 4; i++) {
    if ((child = fork()) == 0) {
      raise(how[i]);
      _exit(1);
    }
    waitpid(child, &status, 0);
    printf("status %x\n", status & 0x7f);
  }
  int go[2];
  pipe(go);
  if ((child = fork()) == 0) {
    raise(SIGSTOP);
    read(go[0], &status, 1); /* until its continuation was seen */
    _exit(9);
  }
  waitpid(child, &status, WUNTRACED);
  printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  printf("continued %d\n", WIFCONTINUED(status));
  write(go[1], "g", 1);
  waitpid(child, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
  char *arguments[] = {"nosuch", 0};
  printf("spawn %s\n", strerrorname_np(posix_spawn(&child, "/nosuch", 0, 0, arguments, 0)));
  char *good[] = {"sh", "-c", "exit 5", 0};
  printf("spawn %d\n", posix_spawnp(&child, "sh", 0, 0, good, 0));
  waitpid(child, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
  siginfo_t info = {0};
  if ((child = fork()) == 0)
    _exit(6);
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  printf("waitid %d %d\n", info.si_code, info.si_status);
  waitpid(child, &status, 0);
  int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *private = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if ((child = fork()) == 0) {
    *shared = *private = 42;
    _exit(0);
  }
  waitpid(child, &status, 0);
  printf("shared %d private %d\n", *shared, *private);
  struct rlimit limit = {64, 64};
  setrlimit(RLIMIT_NOFILE, &limit);
  int last = 0;
  for (int fd; (fd = dup(1)) >= 0;)
    last = fd;
  printf("last descriptor %d %s\n", last, strerrorname_np(errno));
}

static void mapped_files(void) {
  int fd = open("m", O_CREAT | O_RDWR, 0600);
  write(fd, "0123456789", 10);
  char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char buffer[11] = "";
  shared[0] = 'S';
  private[1] = 'P';
  pread(fd, buffer, 10, 0);
  printf("%s\n", buffer);
  pwrite(fd, "W", 1, 2);
  printf("%c %c\n", shared[2], private[1]);
  SHOW(munmap(shared, 4096));
  SHOW(munmap((void *)1, 4096));
  SHOW((long)mmap(0, 0, PROT_READ, MAP_PRIVATE, fd, 0) == -1);
  SHOW((long)mmap(0, 4096, PROT_READ, MAP_PRIVATE, 99, 0) == -1);
  char *grown = mremap(private, 4096, 16384, MREMAP_MAYMOVE);
  printf("%c\n", grown[1]);
  struct flock lock = {.l_type = F_WRLCK, .l_len = 5};
  SHOW(fcntl(fd, F_SETLK, &lock));
  if (fork() == 0) {
    SHOW(fcntl(fd, F_SETLK, &lock));
    SHOW(fcntl(fd, F_GETLK, &lock));
    printf("type %d parent %d\n", lock.l_type, lock.l_pid == getppid());
    lock.l_type = F_WRLCK;
    lock.l_start = 5;
    SHOW(fcntl(fd, F_SETLK, &lock));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  files();
  pipes();
  signals();
  mapped_files();
  processes();
  return 0;
}
