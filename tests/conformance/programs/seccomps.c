/* seccomp: strict mode, filters with each action, inheritance, what is refused, and filters that ask a tracer. */
#include "show.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET(value) BPF_STMT(BPF_RET | BPF_K, value)
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static long install(struct sock_filter *code, int count, int flags) {
  struct sock_fprog program = {count, code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
#define INSTALL(code, flags) install(code, COUNT(code), flags)

static void trapped(int signo, siginfo_t *info, void *context) {
  printf("SIGSYS code %d errno %d call %d arch %#x\n", info->si_code, info->si_errno, info->si_syscall, info->si_arch);
}

static void actions(void) {
  struct sock_filter code[] = {
      LOAD(nr),
      IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_ERRNO | ENOTTY),
      IF(SYS_getuid, 0, 1), RET(SECCOMP_RET_TRAP | 77),
      IF(SYS_getgid, 0, 1), RET(SECCOMP_RET_LOG),
      IF(SYS_geteuid, 0, 1), RET(SECCOMP_RET_TRACE | 5),
      IF(SYS_getegid, 0, 1), RET(SECCOMP_RET_USER_NOTIF),
      IF(SYS_getpgrp, 0, 1), RET(SECCOMP_RET_ERRNO),
      IF(SYS_getpid, 0, 1), RET(SECCOMP_RET_ERRNO | EXDEV),
      IF(SYS_lseek, 0, 1), RET(SECCOMP_RET_ERRNO | EXFULL),
      IF(9999, 0, 1), RET(SECCOMP_RET_ERRNO | EDOM),
      RET(SECCOMP_RET_ALLOW),
  };
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(INSTALL(code, 0));
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(syscall(SYS_getppid));
  struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, 0);
  SHOW(syscall(SYS_getuid));
  WORKS(syscall(SYS_getgid));
  SHOW(syscall(SYS_geteuid));
  SHOW(syscall(SYS_getegid));
  SHOW(syscall(SYS_getpgrp));
  SHOW(syscall(SYS_getpid));
  SHOW(lseek(0, 0, SEEK_CUR));
  SHOW(syscall(9999));
  CHILD("inherited", SHOW(syscall(SYS_getppid)));
  struct sock_filter more[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_ERRNO | EBADF), IF(SYS_getpid, 0, 1), RET(SECCOMP_RET_TRAP), RET(SECCOMP_RET_ALLOW)};
  SHOW(INSTALL(more, 0)); /* the newest says what, where they are as strict */
  SHOW(syscall(SYS_getppid));
  SHOW(syscall(SYS_getpid));
  char *arguments[] = {"/bin/sh", "-c", "grep ^Seccomp: /proc/self/status; exec true", 0};
  CHILD("executed", execv("/bin/sh", arguments));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0));
}

static void by_arguments(void) {
  struct sock_filter code[] = {
      LOAD(arch), IF(AUDIT_ARCH_X86_64, 1, 0), RET(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr), IF(SYS_dup, 0, 5), LOAD(args[0]),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 7), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0),
      IF(SYS_dup2, 0, 9), LOAD(args[0]), BPF_STMT(BPF_ST, 3), LOAD(args[1]), BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), RET(SECCOMP_RET_ERRNO | 20), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1), RET(SECCOMP_RET_ERRNO | 21),
      RET(SECCOMP_RET_ALLOW),
  };
  SHOW(INSTALL(code, 0));
  for (int i = 97; i < 103; i++)
    SHOW(dup(i));
  SHOW(dup2(200, 100));
  SHOW(dup2(100, 200));
  SHOW(dup2(99, 200));
  SHOW(fcntl(99, F_GETFD));
}

static void kills(void) {
  struct sock_filter process[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_KILL_PROCESS), RET(SECCOMP_RET_ALLOW)};
  CHILD("process", INSTALL(process, 0), syscall(SYS_getppid), puts("not reached"));
  struct sock_filter thread[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_KILL_THREAD), RET(SECCOMP_RET_ALLOW)};
  CHILD("thread", INSTALL(thread, 0), syscall(SYS_getppid), puts("not reached"));
  struct sock_filter strange[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(0x12340000), RET(SECCOMP_RET_ALLOW)};
  CHILD("unknown action", INSTALL(strange, 0), syscall(SYS_getppid), puts("not reached"));
  struct sock_filter trap[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_TRAP), RET(SECCOMP_RET_ALLOW)};
  CHILD("trap without a handler", INSTALL(trap, 0), syscall(SYS_getppid), puts("not reached"));
  CHILD("strict", SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)); fflush(stdout); write(1, "written\n", 8); syscall(SYS_getppid));
  CHILD("strict end", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); syscall(SYS_exit, 6));
}

static void refused(void) {
  struct sock_filter good[] = {RET(SECCOMP_RET_ALLOW)};
  struct sock_filter endless[] = {LOAD(nr)};
  struct sock_filter beyond[] = {IF(1, 5, 0), RET(0)};
  struct sock_filter unaligned[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0)};
  struct sock_filter outside[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0)};
  struct sock_filter unwritten[] = {BPF_STMT(BPF_LD | BPF_MEM, 2), RET(0)};
  struct sock_filter halfway[] = {LOAD(nr), IF(1, 0, 1), BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_LD | BPF_MEM, 2), RET(0)};
  struct sock_filter cell[] = {BPF_STMT(BPF_ST, 16), RET(0)};
  struct sock_filter zero[] = {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)};
  struct sock_filter shift[] = {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0)};
  struct sock_filter bytes[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)};
  struct sock_filter modulo[] = {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0)};
  SHOW(INSTALL(endless, 0));
  SHOW(INSTALL(beyond, 0));
  SHOW(INSTALL(unaligned, 0));
  SHOW(INSTALL(outside, 0));
  SHOW(INSTALL(unwritten, 0));
  SHOW(INSTALL(halfway, 0));
  SHOW(INSTALL(cell, 0));
  SHOW(INSTALL(zero, 0));
  SHOW(INSTALL(shift, 0));
  SHOW(INSTALL(bytes, 0));
  SHOW(INSTALL(modulo, 0));
  SHOW(install(good, 0, 0));
  SHOW(install(good, 5000, 0));
  SHOW(install((void *)8, 1, 0));
  SHOW(INSTALL(good, 1 << 20));
  SHOW(syscall(SYS_seccomp, 99, 0, 0));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0));
  SHOW(prctl(PR_SET_SECCOMP, 7));
  unsigned known[] = {SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_LOG, 0x12340000};
  for (unsigned i = 0; i < COUNT(known); i++)
    SHOW(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, known + i));
  SHOW(prctl(PR_GET_SECCOMP));
}

static volatile int stage;
static void *other(void *unused) {
  while (!stage)
    usleep(1000);
  SHOW(syscall(SYS_getppid));
  return 0;
}

static void threads(void) {
  struct sock_filter code[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_ERRNO | EPERM), RET(SECCOMP_RET_ALLOW)};
  pthread_t thread;
  pthread_create(&thread, 0, other, 0);
  SHOW(INSTALL(code, SECCOMP_FILTER_FLAG_TSYNC));
  stage = 1;
  pthread_join(thread, 0);
}

static void asked(void) {
  pid_t pid = fork();
  if (!pid) {
    struct sock_filter code[] = {LOAD(nr), IF(SYS_getppid, 0, 1), RET(SECCOMP_RET_TRACE | 42), RET(SECCOMP_RET_ALLOW)};
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    INSTALL(code, 0);
    _exit(syscall(SYS_getppid) == 1234 ? 8 : 9);
  }
  int status;
  waitpid(pid, &status, 0);
  SHOW(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP));
  ptrace(PTRACE_CONT, pid, 0, 0);
  waitpid(pid, &status, 0);
  printf("event %d\n", status >> 16);
  unsigned long message = 0;
  ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
  struct user_regs_struct r;
  ptrace(PTRACE_GETREGS, pid, 0, &r);
  printf("message %lu call %lld\n", message, r.orig_rax);
  r.orig_rax = -1;
  r.rax = 1234;
  ptrace(PTRACE_SETREGS, pid, 0, &r);
  ptrace(PTRACE_CONT, pid, 0, 0);
  waitpid(pid, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  refused();
  CHILD("actions", actions());
  CHILD("arguments", by_arguments());
  kills();
  CHILD("threads", threads());
  CHILD("asked", asked());
  return 0;
}
