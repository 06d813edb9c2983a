/* ptrace: stops, registers, memory, events, and what is refused. */
#define _GNU_SOURCE
#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
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
#include <errno.h>

#define SAY(...) (printf(__VA_ARGS__), fflush(stdout))

static long pt(long request, pid_t pid, long address, long data) {
  long result = syscall(SYS_ptrace, request, (long)pid, address, data);
  return result < 0 ? -errno : result;
}

static void say_status(const char *what, int status) {
  if (WIFEXITED(status))
    SAY("%s: exited %d\n", what, WEXITSTATUS(status));
  else if (WIFSIGNALED(status))
    SAY("%s: killed %d\n", what, WTERMSIG(status));
  else if (WIFSTOPPED(status))
    SAY("%s: stopped %#x event %d\n", what, WSTOPSIG(status), status >> 16);
  else
    SAY("%s: %#x\n", what, status);
}

static int wait_for(pid_t pid, const char *what) {
  int status = 0;
  pid_t got = waitpid(pid, &status, __WALL);
  if (got != pid && pid != -1)
    SAY("%s: wait says %s\n", what, strerror(errno));
  else
    say_status(what, status);
  return status;
}

static pid_t traced(void (*body)(void)) {
  pid_t pid = fork();
  if (!pid) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0))
      _exit(99);
    raise(SIGSTOP);
    body();
    _exit(0);
  }
  wait_for(pid, "start");
  return pid;
}

static volatile long watched = 5;
static volatile int handled;
static void handler(int signo) { handled += signo; }

static void calls(void) {
  syscall(SYS_getppid);
  syscall(SYS_getpid);
  syscall(777);
  syscall(SYS_lseek, 99, 5, 0);
  _exit(3);
}

static void trace_calls(long options) {
  pid_t pid = traced(calls);
  SAY("options %ld\n", pt(PTRACE_SETOPTIONS, pid, 0, options));
  for (int i = 0; i < 12; i++) {
    pt(PTRACE_SYSCALL, pid, 0, 0);
    int status;
    waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) {
      say_status("end", status);
      break;
    }
    struct user_regs_struct r;
    pt(PTRACE_GETREGS, pid, 0, (long)&r);
    struct __ptrace_syscall_info info = {0};
    long size = pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info);
    siginfo_t si = {0};
    pt(PTRACE_GETSIGINFO, pid, 0, (long)&si);
    SAY("stop %#x code %d orig %ld ", WSTOPSIG(status), si.si_code, (long)r.orig_rax);
    if (info.op == 1)
      SAY("rax %ld size %ld entry %ld rdi %ld\n", (long)r.rax, size, (long)info.entry.nr, r.orig_rax == SYS_lseek ? (long)info.entry.args[0] : 0);
    else if (info.op == 2)
      SAY("size %ld exit %s\n", size, info.exit.is_error ? "error" : "well");
    else
      SAY("size %ld\n", size);
    if (r.orig_rax == SYS_getppid && info.op == 1) {
      r.orig_rax = SYS_getuid; /* another call in its place */
      pt(PTRACE_SETREGS, pid, 0, (long)&r);
    }
    if (r.orig_rax == SYS_lseek && info.op == 1)
      SAY("none in its place %ld\n", pt(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1));
  }
}

static void stepped(void) {
  __asm__ volatile("int3\n nop\n nop\n nop\n");
  watched = 6;
  _exit(watched == 7 ? 11 : 12);
}

static void steps(void) {
  pid_t pid = traced(stepped);
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "breakpoint");
  siginfo_t si = {0};
  pt(PTRACE_GETSIGINFO, pid, 0, (long)&si);
  SAY("signal %d code %d\n", si.si_signo, si.si_code);
  struct user_regs_struct r, s;
  pt(PTRACE_GETREGS, pid, 0, (long)&r);
  for (int i = 0; i < 3; i++) {
    pt(PTRACE_SINGLESTEP, pid, 0, 0);
    wait_for(pid, "step");
    pt(PTRACE_GETREGS, pid, 0, (long)&s);
    pt(PTRACE_GETSIGINFO, pid, 0, (long)&si);
    SAY("moved %ld code %d trap flag %d\n", (long)(s.rip - r.rip), si.si_code, !!(s.eflags & 0x100));
  }
  long word = 0;
  SAY("peek text %ld\n", pt(PTRACE_PEEKTEXT, pid, r.rip - 1, (long)&word));
  SAY("is int3 %d\n", (word & 0xff) == 0xcc);
  SAY("poke text %ld\n", pt(PTRACE_POKETEXT, pid, r.rip - 1, (word & ~0xffl) | 0x90));
  pt(PTRACE_PEEKTEXT, pid, r.rip - 1, (long)&word);
  SAY("is nop %d\n", (word & 0xff) == 0x90);
  SAY("peek data %ld", pt(PTRACE_PEEKDATA, pid, (long)&watched, (long)&word));
  SAY(" value %ld\n", word);
  SAY("peek nothing %ld poke nothing %ld\n", pt(PTRACE_PEEKDATA, pid, 16, (long)&word), pt(PTRACE_POKEDATA, pid, 16, 1));
  /* a watchpoint on writes, at the local register 0 */
  pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), (long)&watched);
  SAY("watch %ld\n", pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 1 | 1 << 16 | 2 << 18));
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "watched");
  pt(PTRACE_GETSIGINFO, pid, 0, (long)&si);
  long status = 0;
  pt(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), (long)&status);
  pt(PTRACE_PEEKDATA, pid, (long)&watched, (long)&word);
  SAY("code %d which %ld value %ld\n", si.si_code, status & 15, word);
  pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0);
  pt(PTRACE_POKEDATA, pid, (long)&watched, 7);
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "end");
}

static void signalled(void) {
  signal(SIGUSR1, handler);
  signal(SIGUSR2, SIG_IGN);
  raise(SIGUSR1);
  raise(SIGUSR1);
  raise(SIGUSR2);
  raise(SIGWINCH);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, 0);
  raise(SIGHUP);
  raise(SIGTRAP);
  _exit(handled);
}

static void signals(void) {
  pid_t pid = traced(signalled);
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "delivered");
  pt(PTRACE_CONT, pid, 0, SIGUSR1); /* let it come */
  wait_for(pid, "suppressed");
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "ignored");
  pt(PTRACE_CONT, pid, 0, SIGUSR1); /* another in its place */
  wait_for(pid, "ignored by default");
  pt(PTRACE_CONT, pid, 0, SIGWINCH);
  wait_for(pid, "trap");
  struct __ptrace_peeksiginfo_args args = {0, 0, 10};
  siginfo_t found[10];
  long count = pt(PTRACE_PEEKSIGINFO, pid, (long)&args, (long)found);
  SAY("pending %ld signo %d\n", count, count > 0 ? found[0].si_signo : 0);
  uint64_t mask = 0;
  SAY("mask %ld", pt(PTRACE_GETSIGMASK, pid, 8, (long)&mask));
  SAY(" %#lx bad size %ld\n", (long)mask, pt(PTRACE_GETSIGMASK, pid, 4, (long)&mask));
  siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  SAY("set signal %ld\n", pt(PTRACE_SETSIGINFO, pid, 0, (long)&si));
  pt(PTRACE_CONT, pid, 0, SIGUSR1);
  wait_for(pid, "end");
}

static int in_thread(void *unused) { return syscall(SYS_exit, 4); }
static char stack[65536];

static void children(void) {
  pid_t pid = fork();
  if (!pid)
    _exit(21);
  waitpid(pid, 0, 0);
  pid = vfork();
  if (!pid)
    _exit(22);
  waitpid(pid, 0, 0);
  clone(in_thread, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0);
  usleep(20000);
  char *arguments[] = {"/bin/sh", "-c", "exit 6", 0};
  execv("/bin/sh", arguments);
}

static void events(void) {
  pid_t pid = traced(children);
  pt(PTRACE_SETOPTIONS, pid, 0,
     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
  pt(PTRACE_CONT, pid, 0, 0);
  pid_t child = 0;
  for (int i = 0; i < 40; i++) {
    int status;
    pid_t got = waitpid(pid, &status, __WALL);
    unsigned long message = 0;
    int event = status >> 16;
    if (WIFSTOPPED(status) && event)
      pt(PTRACE_GETEVENTMSG, got, 0, (long)&message);
    say_status("leader", status);
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
      child = message;
      int first;
      waitpid(child, &first, __WALL);
      say_status("child", first);
      pt(PTRACE_CONT, child, 0, 0);
      waitpid(child, &first, __WALL);
      say_status("child", first);
      pt(PTRACE_GETEVENTMSG, child, 0, (long)&message);
      SAY("message %#lx\n", message);
      pt(PTRACE_CONT, child, 0, 0);
      waitpid(child, &first, __WALL);
      say_status("child", first);
    } else if (event == PTRACE_EVENT_VFORK_DONE)
      SAY("the same %d\n", message == (unsigned long)child);
    else if (event == PTRACE_EVENT_EXEC)
      SAY("was %d\n", message == (unsigned long)pid);
    else if (event == PTRACE_EVENT_EXIT)
      SAY("message %#lx\n", message);
    if (!WIFSTOPPED(status))
      break;
    pt(PTRACE_CONT, got, 0, event || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status));
  }
}

static void forever(void) {
  prctl(PR_SET_PTRACER, -1, 0, 0, 0); /* where Yama would let parents alone trace */
  for (;;)
    pause();
}

static void seizing(void) {
  pid_t pid = fork();
  if (!pid)
    forever();
  usleep(20000);
  SAY("seize %ld again %ld bad options %ld\n", pt(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD), pt(PTRACE_SEIZE, pid, 0, 0), pt(PTRACE_SEIZE, pid, 0, 1 << 30));
  SAY("running: getregs %ld cont %ld listen %ld\n", pt(PTRACE_GETREGS, pid, 0, (long)stack), pt(PTRACE_CONT, pid, 0, 0), pt(PTRACE_LISTEN, pid, 0, 0));
  SAY("interrupt %ld\n", pt(PTRACE_INTERRUPT, pid, 0, 0));
  wait_for(pid, "interrupted");
  struct user_regs_struct r;
  pt(PTRACE_GETREGS, pid, 0, (long)&r);
  SAY("in %ld rax %ld\n", (long)r.orig_rax, (long)r.rax);
  pt(PTRACE_CONT, pid, 0, 0);
  kill(pid, SIGSTOP);
  wait_for(pid, "signal");
  pt(PTRACE_CONT, pid, 0, SIGSTOP);
  wait_for(pid, "group stop");
  siginfo_t si = {0};
  long result = pt(PTRACE_GETSIGINFO, pid, 0, (long)&si);
  SAY("signal info %ld code %#x\n", result, si.si_code);
  SAY("listen %ld then %ld\n", pt(PTRACE_LISTEN, pid, 0, 0), pt(PTRACE_GETREGS, pid, 0, (long)&r));
  kill(pid, SIGCONT);
  wait_for(pid, "continued");
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "the signal");
  SAY("detach %ld again %ld\n", pt(PTRACE_DETACH, pid, 0, 0), pt(PTRACE_DETACH, pid, 0, 0));
  SAY("attach %ld\n", pt(PTRACE_ATTACH, pid, 0, 0));
  wait_for(pid, "attached");
  pt(PTRACE_CONT, pid, 0, SIGSTOP);
  wait_for(pid, "group stop");
  SAY("signal info %ld\n", pt(PTRACE_GETSIGINFO, pid, 0, (long)&si));
  SAY("interrupt %ld\n", pt(PTRACE_INTERRUPT, pid, 0, 0));
  SAY("kill %ld\n", pt(PTRACE_KILL, pid, 0, 0));
  wait_for(pid, "end");
}

static void states(void) {
  pid_t pid = traced(forever);
  struct user_fpregs_struct f, g;
  SAY("floating %ld", pt(PTRACE_GETFPREGS, pid, 0, (long)&f));
  SAY(" control %#x\n", f.cwd);
  f.xmm_space[0] = 0x12345678;
  SAY("set %ld", pt(PTRACE_SETFPREGS, pid, 0, (long)&f));
  pt(PTRACE_GETFPREGS, pid, 0, (long)&g);
  SAY(" reads %#x\n", g.xmm_space[0]);
  static char area[16384];
  struct iovec v = {area, sizeof area};
  SAY("xstate %ld", pt(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (long)&v));
  SAY(" big %d mask %d reads %#x\n", v.iov_len > 512, (int)(*(uint64_t *)(area + 464) & 3), *(uint32_t *)(area + 160));
  *(uint32_t *)(area + 160) = 99;
  SAY("set %ld", pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (long)&v));
  pt(PTRACE_GETFPREGS, pid, 0, (long)&g);
  SAY(" reads %u\n", g.xmm_space[0]);
  struct user_regs_struct r;
  v = (struct iovec){&r, sizeof r + 64};
  SAY("registers %ld", pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (long)&v));
  SAY(" size %zu cs %#llx ss %#llx\n", v.iov_len, r.cs, r.ss);
  v.iov_len = 12;
  SAY("odd %ld unknown %ld\n", pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (long)&v), pt(PTRACE_GETREGSET, pid, 0x7777, (long)&v));
  long word;
  SAY("user area: end %ld odd %ld\n", pt(PTRACE_PEEKUSER, pid, sizeof(struct user) + 16, (long)&word), pt(PTRACE_PEEKUSER, pid, 3, (long)&word));
  SAY("bad base %ld\n", pt(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, fs_base), -1));
  SAY("bad options %ld bad request %ld bad signal %ld\n", pt(PTRACE_SETOPTIONS, pid, 0, 1 << 30), pt(0x9999, pid, 0, 0), pt(PTRACE_CONT, pid, 0, 200));
  SAY("stranger %ld itself %ld nobody %ld\n", pt(PTRACE_PEEKDATA, getpid(), 0, (long)&word), pt(PTRACE_ATTACH, getpid(), 0, 0), pt(PTRACE_ATTACH, 999999, 0, 0));
  kill(pid, SIGKILL);
  wait_for(pid, "end");
}

static void strangers(void) {
  int pipes[2];
  pipe(pipes);
  pid_t pid = fork();
  if (!pid)
    forever();
  pid_t tracer = fork();
  if (!tracer) {
    pt(PTRACE_ATTACH, pid, 0, 0);
    wait_for(pid, "tracer sees");
    pt(PTRACE_CONT, pid, 0, 0);
    write(pipes[1], "x", 1);
    wait_for(pid, "tracer sees");
    pause();
  }
  char byte;
  read(pipes[0], &byte, 1);
  int status;
  SAY("parent sees nothing %d\n", waitpid(pid, &status, WNOHANG | WUNTRACED));
  kill(pid, SIGTERM);
  usleep(20000);
  SAY("still stopped before its death %d\n", waitpid(pid, &status, WNOHANG));
  kill(tracer, SIGKILL); /* the signal that it has seen is lost with it */
  waitpid(tracer, &status, 0);
  kill(pid, SIGINT);
  wait_for(pid, "parent sees");
}

static void exit_kill(void) {
  pid_t pid = fork();
  if (!pid)
    forever();
  pid_t tracer = fork();
  if (!tracer) {
    pt(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL);
    _exit(0);
  }
  waitpid(tracer, 0, 0);
  wait_for(pid, "orphaned tracee");
}

static void waits(void) {
  pid_t pid = traced(forever);
  siginfo_t si = {0};
  int result = waitid(P_PID, pid, &si, WSTOPPED | WNOHANG);
  SAY("nothing new %d %d\n", result, si.si_pid);
  pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
  pt(PTRACE_SYSCALL, pid, 0, 0);
  result = waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT);
  SAY("stop %d code %d status %#x\n", result, si.si_code, si.si_status);
  result = waitid(P_ALL, 0, &si, WSTOPPED);
  SAY("again %d code %d status %#x\n", result, si.si_code, si.si_status);
  SAY("bad options %d\n", waitid(P_ALL, 0, &si, 0x100) ? errno : 0);
  kill(pid, SIGKILL);
  result = waitid(P_PID, pid, &si, WEXITED);
  SAY("end %d code %d status %d\n", result, si.si_code, si.si_status);
}

static void plain_exec(void) {
  char *arguments[] = {"/bin/true", 0};
  execv("/bin/true", arguments);
}

static void executes(void) {
  pid_t pid = traced(plain_exec);
  pt(PTRACE_CONT, pid, 0, 0);
  wait_for(pid, "trap of exec");
  siginfo_t si = {0};
  pt(PTRACE_GETSIGINFO, pid, 0, (long)&si);
  SAY("code %d\n", si.si_code);
  struct user_regs_struct r;
  pt(PTRACE_GETREGS, pid, 0, (long)&r);
  SAY("rax %ld orig %ld\n", (long)r.rax, (long)r.orig_rax);
  pt(PTRACE_DETACH, pid, 0, 0);
  wait_for(pid, "end");
}

int main(void) {
  SAY("-- calls\n");
  trace_calls(0);
  trace_calls(PTRACE_O_TRACESYSGOOD);
  SAY("-- steps\n");
  steps();
  SAY("-- signals\n");
  signals();
  SAY("-- events\n");
  events();
  SAY("-- seize\n");
  seizing();
  SAY("-- states\n");
  states();
  SAY("-- strangers\n");
  strangers();
  exit_kill();
  SAY("-- waits\n");
  waits();
  SAY("-- exec\n");
  executes();
  return 0;
}
