/* Looking into other processes, unsharing, and what is kept about scheduling and memory policies. */
#include "show.h"
#include <sched.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/uio.h>

struct attributes { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; uint32_t low, high; };
static long kcmp(pid_t a, pid_t b, int kind, long x, long y) { return syscall(SYS_kcmp, a, b, kind, x, y); }

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("-- memory of another process");
  char *there = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), here[64] = {0};
  int gate[2], back[2]; pipe(gate); pipe(back);
  strcpy(there, "parent");
  fflush(stdout); pid_t child = fork();
  if (!child) { char byte; strcpy(there, "child"); write(back[1], "r", 1); read(gate[0], &byte, 1); _exit(strcmp(there, "changed") == 0 ? 4 : 5); }
  char byte; read(back[0], &byte, 1);
  struct iovec local[2] = {{here, 2}, {here + 10, 20}}, remote[2] = {{there, 3}, {there + 3, 5}}, bad = {(void *)8, 5};
  SHOW(process_vm_readv(child, local, 2, remote, 2, 0)); puts(here); puts(here + 10); puts(there);
  strcpy(here, "changed"); struct iovec one = {here, 8}, target = {there, 8}; SHOW(process_vm_writev(child, &one, 1, &target, 1, 0));
  SHOW(process_vm_readv(child, &one, 1, &bad, 1, 0)); SHOW(process_vm_readv(child, &one, 1, &target, 1, 1)); SHOW(process_vm_readv(2000000000, &one, 1, &target, 1, 0)); SHOW(process_vm_readv(child, &one, 2000, &target, 1, 0)); SHOW(process_vm_readv(child, &one, 0, &target, 1, 0)); SHOW(process_vm_readv(getpid(), &one, 1, &target, 1, 0));
  struct iovec edge[2] = {{there, 4}, {(void *)8, 4}}; SHOW(process_vm_readv(child, &one, 1, edge, 2, 0));

  puts("-- what is shared");
  int copy = dup(1); pid_t me = getpid();
  SHOW(kcmp(me, me, 0, 1, copy)); TRUTH(kcmp(me, me, 0, 1, gate[0]) > 0); SHOW(kcmp(me, child, 0, gate[0], gate[0])); TRUTH(kcmp(me, child, 1, 0, 0) > 0); SHOW(kcmp(me, me, 1, 0, 0)); TRUTH(kcmp(me, child, 2, 0, 0) > 0); SHOW(kcmp(me, me, 99, 0, 0)); SHOW(kcmp(me, me, 0, 1, 999)); SHOW(kcmp(me, 2000000000, 1, 0, 0));
  write(gate[1], "x", 1); int status; waitpid(child, &status, 0); show_status("child", status);

  puts("-- unshare");
  SHOW(unshare(0)); SHOW(unshare(CLONE_FS)); SHOW(unshare(CLONE_FILES)); SHOW(unshare(0x10)); SHOW(unshare(CLONE_SYSVSEM));

  puts("-- scheduling attributes");
  struct attributes set = {0}; SHOW(syscall(SYS_sched_getattr, 0, &set, sizeof set, 0)); SHOW(set.size); SHOW(set.policy); SHOW(set.nice); SHOW(syscall(SYS_sched_getattr, 0, &set, 20, 0)); SHOW(syscall(SYS_sched_getattr, 0, NULL, 48, 0)); SHOW(syscall(SYS_sched_getattr, -1, &set, 48, 0)); SHOW(syscall(SYS_sched_getattr, 2000000000, &set, 48, 0)); SHOW(syscall(SYS_sched_getattr, 0, &set, 48, 1));
  set = (struct attributes){.size = 48, .policy = SCHED_BATCH, .nice = 3}; SHOW(syscall(SYS_sched_setattr, 0, &set, 0)); SHOW(sched_getscheduler(0)); SHOW(getpriority(PRIO_PROCESS, 0)); set.policy = 77; SHOW(syscall(SYS_sched_setattr, 0, &set, 0)); set.size = 8; SHOW(syscall(SYS_sched_setattr, 0, &set, 0)); SHOW(syscall(SYS_sched_setattr, 0, NULL, 0)); set = (struct attributes){.size = 48, .policy = SCHED_OTHER, .priority = 5}; SHOW(syscall(SYS_sched_setattr, 0, &set, 0));

  puts("-- personality");
  SHOW(personality(0xffffffff)); SHOW(personality(ADDR_NO_RANDOMIZE)); SHOW(personality(0xffffffff)); CHILD("inherited", SHOW(personality(0xffffffff))); SHOW(personality(0));

  puts("-- locking");
  SHOW(mlockall(0)); SHOW(mlockall(99)); SHOW(munlockall()); SHOW(syscall(SYS_mlock2, there, 4096, 7)); SHOW(syscall(SYS_mlock2, there, 4096, 0));
  return 0;
}
