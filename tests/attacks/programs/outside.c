/* outside PID FILE [harmless]: reaches for the host by calls that a guest has no business with: another process, its memory, devices, namespaces.
 *
 * Row 15 of the attack table. PID is a host process, FILE a host file outside. Prints "name: result"; nothing may succeed that the host sees.
 * With "harmless" it leaves out what would harm a host on which it succeeds.
 */
#include "attack.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void say(const char *name, long result) { printf("%s: %ld\n", name, result < 0 && result > -4096 ? result : 0); }

int main(int count, char **arguments) {
  long pid = count > 1 ? atol(arguments[1]) : 1;
  char *file = count > 2 ? arguments[2] : "/nonexistent";
  char path[300], buffer[64];
  struct iovec local = {buffer, sizeof buffer}, remote = {(void *)0x400000, sizeof buffer};
  struct rlimit limit = {1, 1};
  unsigned long processors[16] = {1};
  say("pidfd_open", raw(SYS_pidfd_open, pid, 0, 0));
  say("ptrace-attach", raw6(SYS_ptrace, PTRACE_ATTACH, pid, 0, 0, 0, 0));
  say("ptrace-seize", raw6(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0, 0, 0));
  say("process_vm_readv", raw6(SYS_process_vm_readv, pid, (long)&local, 1, (long)&remote, 1, 0));
  say("process_vm_writev", raw6(SYS_process_vm_writev, pid, (long)&local, 1, (long)&remote, 1, 0));
  say("prlimit64", raw6(SYS_prlimit64, pid, RLIMIT_NOFILE, (long)&limit, 0, 0, 0));
  say("setpriority", raw(SYS_setpriority, PRIO_PROCESS, pid, 19));
  raw(SYS_sched_setaffinity, pid, sizeof processors, processors); /* taken and not obeyed */
  say("kcmp", raw6(SYS_kcmp, getpid(), pid, 0, 0, 0, 0));
  say("move_pages", raw6(SYS_move_pages, pid, 0, 0, 0, 0, 0));
  static const char *const places[] = {"mem", "maps", "environ", "fd", "root", "cwd", "ns/mnt", "exe", "task"};
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, places[i]);
    say(path + 6, raw(SYS_open, path, O_RDONLY, 0));
  }
  say("tgkill", raw(SYS_tgkill, pid, pid, 0));
  say("rt_sigqueueinfo", raw(SYS_rt_sigqueueinfo, pid, SIGUSR1, buffer));
  long process_calls[] = {SYS_kill, SYS_tkill};
  for (unsigned i = 0; i < 2; i++)
    for (int signo = 1; signo < 65; signo++)
      if (raw(process_calls[i], pid, signo, 0) == 0)
        say("signalled", 0);
  int victim = open(file, O_RDWR | O_CREAT, 0600); /* inside, a copy of it */
  say("own-write", victim < 0 ? victim : write(victim, "spoilt", 6));
  if (count > 3)
    return 0;
  say("setns", raw(SYS_setns, 0, 0, 0));
  say("unshare", raw(SYS_unshare, 0x10000000, 0, 0));
  say("mount", raw6(SYS_mount, (long)"/", (long)"/mnt", 0, 4096, 0, 0));
  say("umount", raw(SYS_umount2, "/", 2, 0));
  say("pivot_root", raw(SYS_pivot_root, ".", ".", 0));
  say("swapon", raw(SYS_swapon, file, 0, 0));
  say("reboot", raw6(SYS_reboot, 0xfee1dead, 672274793, 0, 0, 0, 0)); /* CAD off: harmless even where it works */
  say("init_module", raw(SYS_init_module, buffer, sizeof buffer, ""));
  say("finit_module", raw(SYS_finit_module, 0, "", 0));
  say("kexec_load", raw6(SYS_kexec_load, 0, 0, 0, 0, 0, 0));
  say("bpf", raw(SYS_bpf, 0, buffer, sizeof buffer));
  say("perf_event_open", raw6(SYS_perf_event_open, (long)buffer, pid, -1, -1, 0, 0));
  say("userfaultfd", raw(SYS_userfaultfd, 0, 0, 0));
  say("io_uring_setup", raw(SYS_io_uring_setup, 1, buffer, 0));
  say("seccomp", raw(SYS_seccomp, 1, 0, buffer));
  say("prctl-dispatch", raw6(SYS_prctl, 59, 0, 0, 0, 0, 0));
  say("prctl-seccomp", raw6(SYS_prctl, PR_SET_SECCOMP, 2, (long)buffer, 0, 0, 0)); /* a good filter would be on itself alone */
  say("modify_ldt", raw(SYS_modify_ldt, 1, buffer, 16));
  say("iopl", raw(SYS_iopl, 3, 0, 0));
  say("ioperm", raw(SYS_ioperm, 0, 1, 1));
  say("keyctl", raw(SYS_keyctl, 0, -3, 0));
  say("open_by_handle_at", raw(SYS_open_by_handle_at, -100, buffer, 0));
  say("quotactl", raw6(SYS_quotactl, 0, 0, 0, 0, 0, 0));
  say("acct", raw(SYS_acct, file, 0, 0));
  say("settimeofday", raw(SYS_settimeofday, buffer, 0, 0));
  static const char *const devices[] = {"/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/kvm", "/proc/kcore", "/proc/sysrq-trigger",
                                        "/sys/kernel", "/sys/fs/cgroup"};
  for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
    say(devices[i], raw(SYS_open, devices[i], O_RDWR, 0));
  mknod("/tmp/disk", S_IFBLK | 0600, 0x0800);
  say("block-node", raw(SYS_open, "/tmp/disk", O_RDWR, 0));
  rename(file, "/tmp/moved");
  return 0;
}
