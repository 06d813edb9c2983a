/* What a process says of itself: prctl, capabilities, limits, and signals at a parent's death. */
#include "show.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static int capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data) { return (int)syscall(SYS_capget, header, data); }
static int capset(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data) { return (int)syscall(SYS_capset, header, data); }
static void report(const char *title) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  capget(&header, data);
  printf("%s: effective %s, permitted %s, inheritable %s\n", title, data[0].effective ? "some" : "none", data[0].permitted ? "some" : "none", data[0].inheritable ? "some" : "none");
}
static void *nothing(void *argument) { return argument; }

int main(void) {
  struct __user_cap_header_struct header = {0, 0};
  struct __user_cap_data_struct data[2];
  char name[16]; int word; struct rlimit limit;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("-- prctl");
  SHOW(prctl(PR_SET_NAME, "a name that is too long")); SHOW(prctl(PR_GET_NAME, name)); puts(name); SHOW(prctl(PR_SET_NAME, "")); SHOW(prctl(PR_GET_NAME, name)); puts(name);
  SHOW(prctl(PR_GET_KEEPCAPS)); SHOW(prctl(PR_SET_KEEPCAPS, 2)); SHOW(prctl(PR_SET_KEEPCAPS, 1)); SHOW(prctl(PR_GET_KEEPCAPS)); SHOW(prctl(PR_SET_KEEPCAPS, 0));
  SHOW(prctl(PR_GET_TIMERSLACK)); SHOW(prctl(PR_SET_TIMERSLACK, 1000)); SHOW(prctl(PR_GET_TIMERSLACK)); SHOW(prctl(PR_SET_TIMERSLACK, 0)); SHOW(prctl(PR_GET_TIMERSLACK));
  SHOW(prctl(PR_GET_TSC, &word)); SHOW(word); SHOW(prctl(PR_SET_DUMPABLE, 2)); SHOW(prctl(PR_SET_DUMPABLE, 0)); SHOW(prctl(PR_GET_DUMPABLE)); SHOW(prctl(PR_SET_DUMPABLE, 1));
  SHOW(prctl(PR_SET_PDEATHSIG, 65)); SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1)); SHOW(prctl(PR_GET_PDEATHSIG, &word)); SHOW(word); CHILD("not inherited", { SHOW(prctl(PR_GET_PDEATHSIG, &word)); SHOW(word); });
  SHOW(prctl(PR_CAPBSET_READ, 100)); SHOW(prctl(PR_CAPBSET_DROP, 100)); SHOW(prctl(PR_GET_SECUREBITS)); SHOW(prctl(PR_CAP_AMBIENT, 1, 100, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, 9, 1, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)); SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)); SHOW(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
  CHILD("no new privileges", { SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)); SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0)); });
  void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); SHOW(prctl(PR_SET_VMA, 5, page, 4096, "x")); SHOW(prctl(PR_SET_VMA, 0, (char *)page + 1, 4096, "x")); SHOW(prctl(987654));

  puts("-- a parent's death");
  int ready[2], told[2]; pipe(ready); pipe(told);
  CHILD("parent", { if (!fork()) { char byte; sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR2); sigprocmask(SIG_BLOCK, &set, NULL); prctl(PR_SET_PDEATHSIG, SIGUSR2); write(ready[1], "r", 1); int got; sigwait(&set, &got); write(told[1], got == SIGUSR2 ? "y" : "n", 1); _exit(0); } char byte; read(ready[0], &byte, 1); });
  char answer; read(told[0], &answer, 1); TRUTH(answer == 'y');

  puts("-- capabilities");
  SHOW(capget(&header, NULL)); SHOW(header.version == _LINUX_CAPABILITY_VERSION_3); header.version = 0; SHOW(capget(&header, data)); header.pid = -5; SHOW(capget(&header, data)); header.pid = 2000000000; SHOW(capget(&header, data)); SHOW(capset(&header, data)); header.pid = 0; SHOW(capget(&header, NULL)); SHOW(capget(&header, (void *)8));
  SHOW(capget(&header, data)); data[1].permitted = data[1].permitted; SHOW(capset(&header, data)); report("now");
  if (geteuid() == 0) {
    CHILD("set aside and taken back", { SHOW(seteuid(65534)); report("effective other"); SHOW(seteuid(0)); report("effective root"); });
    CHILD("given up", { SHOW(setuid(65534)); report("other"); SHOW(prctl(PR_CAPBSET_DROP, 1)); capget(&header, data); data[0].permitted = 1; SHOW(capset(&header, data)); SHOW(setuid(0)); });
    CHILD("kept", { SHOW(prctl(PR_SET_KEEPCAPS, 1)); SHOW(setuid(65534)); report("other"); });
    CHILD("dropped", { data[0].effective = data[0].permitted = data[1].effective = data[1].permitted = 0; SHOW(capset(&header, data)); report("dropped"); data[0].effective = 1; SHOW(capset(&header, data)); });
  }

  puts("-- limits");
  CHILD("as nobody", { if (geteuid() == 0) setuid(65534); SHOW(getuid() != 0); limit = (struct rlimit){1, 1}; SHOW(setrlimit(RLIMIT_NPROC, &limit)); pthread_t thread; SHOW(pthread_create(&thread, NULL, nothing, NULL)); SHOW(fork()); limit = (struct rlimit){1, 2}; SHOW(setrlimit(RLIMIT_NPROC, &limit)); });
  CHILD("data", { limit = (struct rlimit){64 << 20, 64 << 20}; SHOW(setrlimit(RLIMIT_DATA, &limit)); SHOW(mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); WORKS(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); WORKS(mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)); void *before = sbrk(0); SHOW(sbrk(128 << 20)); TRUTH(sbrk(0) == before); });
  CHILD("address space", { limit = (struct rlimit){64 << 20, 64 << 20}; SHOW(setrlimit(RLIMIT_AS, &limit)); SHOW(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); TRUTH(malloc(128 << 20) == NULL); void *small = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); SHOW(mremap(small, 4096, 128 << 20, MREMAP_MAYMOVE)); });
  limit = (struct rlimit){1 << 21, 1 << 21}; SHOW(setrlimit(RLIMIT_NOFILE, &limit)); SHOW(getrlimit(16, &limit)); limit = (struct rlimit){2, 1}; SHOW(setrlimit(RLIMIT_CORE, &limit));
  return 0;
}
