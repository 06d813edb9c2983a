/* Limits and what a process may ask of the system. */
#include "show.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

static char altstack[65536];
static void overflowed(int number) { (void)number; write(1, "the stack overflowed\n", 21); _exit(33); }
static volatile long depth_reached;
__attribute__((noinline)) static long deep(long depth) { volatile char frame[8000]; frame[0] = (char)depth; frame[7999] = 1; depth_reached = depth; return depth ? deep(depth - 1) + frame[7999] : 0; }
__attribute__((noinline)) static long forever(long depth) { volatile char frame[4000]; frame[0] = (char)depth; return forever(depth + 1) + frame[0]; }
static volatile int exceeded;
static void xfsz(int number) { (void)number; exceeded++; }

int main(void) {
  struct rlimit limit;
  char text[256];
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- descriptors");
  CHILD("EMFILE", { limit = (struct rlimit){10, 10}; SHOW(setrlimit(RLIMIT_NOFILE, &limit)); int last = -1, fd; while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd; SHOW(last); SHOW(open("/dev/null", O_RDONLY)); int p[2]; SHOW(pipe(p)); SHOW(dup(0)); SHOW(dup2(0, 10)); SHOW(fcntl(0, F_DUPFD, 10)); close(last); SHOW(pipe(p)); SHOW(dup(0) == last); limit.rlim_max = 20; limit.rlim_cur = 30; SHOW(setrlimit(RLIMIT_NOFILE, &limit)); });
  SHOW(getrlimit(99, &limit)); SHOW(getrlimit(RLIMIT_STACK, &limit)); TRUTH(limit.rlim_cur > 0); struct rlimit was; SHOW(prlimit(0, RLIMIT_CORE, NULL, &was)); CHILD("inherited", { limit = (struct rlimit){5, 5}; SHOW(prlimit(0, RLIMIT_CORE, &limit, NULL)); CHILD("inner", { getrlimit(RLIMIT_CORE, &limit); SHOW(limit.rlim_cur); }); });
  CHILD("FSIZE", { limit = (struct rlimit){100, 100}; setrlimit(RLIMIT_FSIZE, &limit); catch(SIGXFSZ, xfsz, 0); int fd = open("limited", O_RDWR | O_CREAT, 0600); memset(text, 'x', sizeof text); SHOW(write(fd, text, 90)); SHOW(write(fd, text, 90)); SHOW(write(fd, text, 90)); SHOW(exceeded); SHOW(ftruncate(fd, 200)); signal(SIGXFSZ, SIG_DFL); write(fd, text, 10); });
  unlink("limited");

  puts("-- the stack");
  SHOW(deep(900)); CHILD("overflow", forever(0)); CHILD("overflow, caught", { stack_t stack = {.ss_sp = altstack, .ss_size = sizeof altstack}; sigaltstack(&stack, NULL); catch(SIGSEGV, overflowed, SA_ONSTACK); forever(0); });
  CHILD("CPU time", { limit = (struct rlimit){1, 2}; setrlimit(RLIMIT_CPU, &limit); for (;;) {} });

  puts("-- identity");
  struct utsname name; SHOW(uname(&name)); puts(name.sysname); puts(name.machine); TRUTH(getuid() == geteuid() && getgid() == getegid()); TRUTH(getpid() > 1 || getpid() == 1); TRUTH(syscall(SYS_gettid) == getpid()); uid_t r, e, s; SHOW(getresuid(&r, &e, &s)); TRUTH(r == e && e == s); SHOW(setuid(getuid())); SHOW(getgroups(0, NULL) >= 0); TRUTH(sysconf(_SC_NPROCESSORS_ONLN) >= 1); SHOW(sysconf(_SC_PAGESIZE)); SHOW(sysconf(_SC_CLK_TCK)); cpu_set_t cpus; TRUTH(sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) >= 1); struct sysinfo info; SHOW(sysinfo(&info)); TRUTH(info.totalram > 0 && info.procs > 0); SHOW(getrandom(text, 16, 0)); SHOW(getrandom(text, 16, 99)); struct tms used; TRUTH(times(&used) != -1); SHOW(sched_yield()); SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(prctl(PR_SET_NAME, "renamed")); char thread[16]; SHOW(prctl(PR_GET_NAME, thread)); puts(thread); SHOW(prctl(PR_SET_PDEATHSIG, 0)); SHOW(prctl(PR_GET_DUMPABLE)); SHOW(prctl(123456)); SHOW(syscall(9999)); SHOW(syscall(-1));
  return 0;
}
