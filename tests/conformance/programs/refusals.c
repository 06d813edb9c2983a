/* Limits of processes and what is refused: arguments of exec, resource limits, clone3, prctl. */
#include "show.h"
#include <sys/prctl.h>
#include <sched.h>
#include <linux/sched.h>
#include <sys/mman.h>
extern char **environ;
static void lim(int which, long soft) { struct rlimit l; getrlimit(which, &l); l.rlim_cur = soft; SHOW(setrlimit(which, &l)); }
static char *big(size_t n) { char *s = malloc(n + 1); memset(s, 'x', n); s[n] = 0; return s; }
static void ex(const char *path, char **a) { execve(path, a, environ); printf("%s: %s\n", path, strerrorname_np(errno)); }
static int many(int count, int size) { char **a = calloc(count + 2, 8); a[0] = "true"; char *s = big(size); for (int i = 0; i < count; i++) a[1 + i] = s; execv("/bin/true", a); printf("%d x %d: %s\n", count, size, strerrorname_np(errno)); return 1; }
int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  CHILD("one argument of 131071", many(1, 131071));
  CHILD("one argument of 131072", many(1, 131072));
  CHILD("15 of 131000", many(15, 131000));
  CHILD("17 of 131000", many(17, 131000));
  CHILD("small stack", lim(RLIMIT_STACK, 1 << 20); many(3, 100000));
  CHILD("big stack", lim(RLIMIT_STACK, 64 << 20); many(40, 131000));
  CHILD("huge stack", lim(RLIMIT_STACK, 256 << 20); many(60, 131000));
  CHILD("nofile", lim(RLIMIT_NOFILE, 5); SHOW(open("/dev/null", 0)); SHOW(open("/dev/null", 0)); SHOW(open("/dev/null", 0)); SHOW(dup2(0, 5)); SHOW(fcntl(0, F_DUPFD, 5)); int pp[2]; SHOW(pipe(pp)));

  CHILD("fsize", lim(RLIMIT_FSIZE, 100); signal(SIGXFSZ, SIG_IGN); int f = open("fs", O_RDWR | O_CREAT | O_TRUNC, 0600); char b[200] = ""; SHOW(write(f, b, 200)); SHOW(write(f, b, 1)); SHOW(ftruncate(f, 101)); SHOW(ftruncate(f, 50)); SHOW(pwrite(f, b, 10, 95)); SHOW(posix_fallocate(f, 0, 200)));
  CHILD("fsize signal", lim(RLIMIT_FSIZE, 100); int f = open("fs", O_RDWR | O_CREAT | O_TRUNC, 0600); char b[200] = ""; SHOW(write(f, b, 200)); SHOW(write(f, b, 1)));
  CHILD("as", lim(RLIMIT_AS, 100 << 20); SHOW(mmap(0, 200 << 20, 3, 34, -1, 0)); TRUTH(malloc(1 << 20) != 0));
  CHILD("data", lim(RLIMIT_DATA, 10 << 20); SHOW(mmap(0, 20 << 20, 3, 34, -1, 0)); WORKS(mmap(0, 20 << 20, 1, 34, -1, 0)));
  CHILD("nice", if (!getuid()) setuid(1000); SHOW(nice(5)); SHOW(nice(-3)); SHOW(setpriority(PRIO_PROCESS, 0, 1)));
  CHILD("raise hard", if (!getuid()) setuid(1000); struct rlimit l = {10, 100}; SHOW(setrlimit(RLIMIT_NOFILE, &l)); l.rlim_max = 200; SHOW(setrlimit(RLIMIT_NOFILE, &l)); l.rlim_cur = 300; l.rlim_max = 100; SHOW(setrlimit(RLIMIT_NOFILE, &l)); SHOW(setrlimit(99, &l)); SHOW(prlimit(getpid(), RLIMIT_NOFILE, 0, &l)); SHOW(prlimit(999999, 0, 0, &l)));
  CHILD("stack", lim(RLIMIT_STACK, 200000); char *a[] = {"sh", "-c", "ulimit -s; exec true", 0}; ex("/bin/sh", a));
  CHILD("core", lim(RLIMIT_CORE, 0); abort());
  CHILD("dumpable", SHOW(prctl(PR_GET_DUMPABLE)); SHOW(prctl(PR_SET_DUMPABLE, 2)); SHOW(prctl(PR_SET_DUMPABLE, 0)); SHOW(prctl(PR_GET_DUMPABLE)); if (!getuid()) setuid(1000); SHOW(prctl(PR_GET_DUMPABLE)));
  CHILD("death signal", prctl(PR_SET_PDEATHSIG, 10); int x; prctl(PR_GET_PDEATHSIG, &x); printf("%d\n", x); if (!getuid()) setuid(1000); prctl(PR_GET_PDEATHSIG, &x); printf("%d\n", x); SHOW(prctl(PR_SET_PDEATHSIG, 65)));
  CHILD("name", SHOW(prctl(PR_SET_NAME, "a name that is too long")); char n[17] = ""; prctl(PR_GET_NAME, n); puts(n));
  CHILD("tid address", int *p = 0; SHOW(prctl(PR_GET_TID_ADDRESS, &p)); TRUTH(p != 0));
  CHILD("others", SHOW(prctl(12345)); SHOW(prctl(PR_SET_TSC, PR_TSC_ENABLE)); SHOW(prctl(PR_GET_TIMING)); SHOW(prctl(PR_SET_TIMING, 1)); SHOW(prctl(PR_GET_UNALIGN, 0)); SHOW(prctl(PR_GET_FPEMU,0)); SHOW(prctl(PR_GET_ENDIAN,0)); SHOW(prctl(PR_TASK_PERF_EVENTS_DISABLE)));
  struct clone_args c = {.exit_signal = SIGCHLD};
#define C3(...) do { struct clone_args a = {__VA_ARGS__}; long r = syscall(SYS_clone3, &a, sizeof a); if (r == 0) _exit(3); if (r > 0) { int s; waitpid(r, &s, __WALL); puts("works"); } else printf("%s: %s\n", #__VA_ARGS__, strerrorname_np(errno)); } while (0)
  C3(.exit_signal = SIGCHLD);
  C3(.exit_signal = 0);
  C3(.exit_signal = 99);
  C3(.flags = CLONE_THREAD);
  C3(.flags = CLONE_SIGHAND);
  C3(.flags = CLONE_FS | CLONE_NEWNS);
  C3(.flags = 1ull << 40);
  C3(.flags = CLONE_DETACHED);
  C3(.flags = CLONE_VFORK, .exit_signal = SIGCHLD);
  C3(.stack = 8);
  C3(.stack_size = 4096);
  C3(.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .exit_signal = SIGCHLD);
  C3(.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD);
  C3(.set_tid_size = 40);
  C3(.flags = CLONE_IO | CLONE_SYSVSEM, .exit_signal = SIGCHLD);
  SHOW(syscall(SYS_clone3, &c, 32)); SHOW(syscall(SYS_clone3, 0, 64)); SHOW(syscall(SYS_clone3, &c, 100000));
  return 0;
}
