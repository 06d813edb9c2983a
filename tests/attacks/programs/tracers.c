/* tracers SEED REQUESTS: a tracer that asks at random of processes that fork, thread, exec, signal and filter themselves at random.
 *
 * It also gives them registers and vector state that make no sense, and ends some of them while they stand still. Prints how many requests
 * it made and how many succeeded. The same seed makes the same choices, as far as time allows.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define VICTIMS 4
#define KNOWN 64

static uint64_t state;

static uint64_t next(uint64_t limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % limit;
}

static char stacks[8][16384];
static volatile long watched;

static int thread(void *unused __attribute__((unused))) {
  for (int i = 0; i < 50; i++)
    syscall(SYS_getppid);
  syscall(SYS_exit, 0);
  return 0;
}

static void nothing(int signo __attribute__((unused))) {}

static void victim(void) {
  struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 7), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {4, code};
  signal(SIGUSR1, nothing);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  for (volatile int i = 0;; i++)
    switch (next(9)) {
    case 0:
      if (!fork())
        _exit(1);
      break;
    case 1:
      if (!vfork())
        _exit(2);
      break;
    case 2:
      waitpid(-1, 0, WNOHANG);
      break;
    case 3:
      if (i < 40)
        clone(thread, stacks[i % 8] + 16384, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0);
      break;
    case 4:
      raise(next(2) ? SIGUSR1 : SIGCONT);
      break;
    case 5:
      if (next(10) == 0)
        __asm__ volatile("int3"); /* untraced, it is the end */
      break;
    case 6:
      usleep(1000);
      watched++;
      break;
    case 7:
      if (next(20) == 0)
        syscall(SYS_seccomp, 1, 0, &program);
      syscall(SYS_getuid);
      break;
    case 8:
      if (next(60) == 0)
        execl("/proc/self/exe", "tracers", "victim", (char *)0);
      if (next(60) == 0)
        ptrace(PTRACE_TRACEME, 0, 0, 0);
    }
}

static const int requests[] = {1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 8, 9, 9, 12, 13, 14, 15, 16, 17, 24, 24, 24, 30, 31, 32, 0x4200, 0x4201, 0x4202,
                               0x4203, 0x4204, 0x4205, 0x4206, 0x4207, 0x4208, 0x4209, 0x420a, 0x420b, 0x420e, 0x1234};
static pid_t known[KNOWN];
static unsigned known_count;
static char page[65536] __attribute__((aligned(4096)));

static pid_t start(void) {
  pid_t pid = fork();
  if (!pid) {
    state += getpid() * 7919;
    victim();
  }
  if (next(4)) /* else it is met untraced */
    ptrace(next(3) ? PTRACE_SEIZE : PTRACE_ATTACH, pid, 0, next(256) & ~64);
  return pid;
}

static void see(pid_t pid) {
  if (pid > 0)
    known[known_count++ % KNOWN] = pid;
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "victim")) {
    state = 1 + getpid() * 104729;
    victim();
  }
  if (argc != 3)
    return 2;
  pid_t worker = fork();
  if (worker) { /* ends what it has left */
    setpgid(worker, worker);
    waitpid(worker, 0, 0);
    kill(-worker, SIGKILL);
    return 0;
  }
  setpgid(0, 0);
  state = strtoul(argv[1], 0, 10) * 2654435761u + 1;
  long count = atol(argv[2]), good = 0;
  pid_t victims[VICTIMS], last = 0;
  for (int i = 0; i < VICTIMS; i++)
    see(victims[i] = start());
  for (long i = 0; i < count; i++) {
    int status;
    pid_t changed;
    for (int tries = 0; tries < 4; tries++) {
      if ((changed = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
        see(last = changed);
      else if (last && kill(last, 0) == 0 && syscall(SYS_ptrace, PTRACE_GETEVENTMSG, last, 0, page) == 0)
        break; /* it stands */
      else
        last = known[next(known_count < KNOWN ? known_count : KNOWN)], usleep(100);
    }
    pid_t pid = last && next(4) ? last : known[next(known_count < KNOWN ? known_count : KNOWN)];
    int request = requests[next(sizeof requests / sizeof *requests)];
    if (next(6) == 0)
      ptrace(next(2) ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, 0);
    for (unsigned at = 0; at < 1024; at += 8)
      *(uint64_t *)(page + at) = next(3) ? next(64) : next(2) ? next(1ul << 47) : -next(1ul << 60);
    long address = next(2) ? (long)next(930) & ~7 : next(2) ? (long)page : 8;
    long data = next(2) ? (long)page : (long)next(80);
    struct iovec vector = {page, next(2) ? 216 : next(sizeof page)};
    if (request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) {
      static const int kinds[] = {NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE, 99};
      address = kinds[next(4)];
      data = (long)&vector;
      if (next(2)) { /* what it has, with a word of it spoilt */
        vector.iov_len = sizeof page;
        ptrace(PTRACE_GETREGSET, pid, address, &vector);
        *(uint64_t *)(page + (next(vector.iov_len) & ~7)) = next(2) ? ~0ul : next(1ul << 48);
      }
    } else if (request == PTRACE_SETREGS && next(2)) {
      ptrace(PTRACE_GETREGS, pid, 0, page);
      *(uint64_t *)(page + 8 * next(27)) = next(2) ? 0x7ff000000000 + next(1ul << 26) : -next(1ul << 60);
      data = (long)page;
    } else if (request == PTRACE_SETOPTIONS || request == PTRACE_SEIZE) {
      address = 0;
      data = next(256) | (next(4) ? 0 : PTRACE_O_EXITKILL);
    } else if (request == PTRACE_GET_SYSCALL_INFO)
      data = (long)page;
    good += syscall(SYS_ptrace, request, pid, address, data) >= 0;
    if (next(40) == 0)
      kill(pid, next(8) ? (next(2) ? SIGSTOP : SIGCONT) : SIGKILL);
    for (int v = 0; v < VICTIMS; v++)
      if (victims[v] > 0 && kill(victims[v], 0))
        see(victims[v] = start());
    if (next(200) == 0) {
      int v = next(VICTIMS);
      kill(victims[v], SIGKILL);
      see(victims[v] = start());
    }
  }
  printf("requests: %ld\ngood: %ld\n", count, good);
  return 0;
}
