/* Signals: handlers, masks, siginfo, restart, nesting, the alternate stack. */
#include "show.h"
#include <ucontext.h>

static volatile int count, order[16], ordered;
static void counted(int number) { (void)number; count++; }
static void note(int number) { order[ordered++] = number; }
static void nested(int number) {
  order[ordered++] = number;
  raise(SIGUSR2);
  order[ordered++] = -number;
}
static volatile siginfo_t seen;
static void informed(int number, siginfo_t *info, void *context) {
  (void)number; (void)context;
  memcpy((void *)&seen, info, sizeof seen);
}
static char altstack[65536];
static volatile int on_altstack;
static void where(int number) {
  char here;
  (void)number;
  on_altstack = &here >= altstack && &here < altstack + sizeof altstack;
}
static sigjmp_buf back;
static void *volatile fault_address;
static volatile int fault_code, fault_number;
static void fault(int number, siginfo_t *info, void *context) {
  (void)context;
  fault_number = number; fault_address = info->si_addr; fault_code = info->si_code;
  siglongjmp(back, 1);
}
static void edit(int number, siginfo_t *info, void *context) {
  (void)number; (void)info;
  ucontext_t *registers = context;
  registers->uc_mcontext.gregs[REG_RIP] += 2; /* over ud2 */
  registers->uc_mcontext.gregs[REG_RBX] = 4711;
}
static void empty(int number) { (void)number; }

static void restart(int flags) {
  int ends[2];
  char byte = 0;
  pipe(ends);
  catch(SIGALRM, counted, flags);
  count = 0;
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    usleep(50000);
    kill(parent, SIGALRM);
    usleep(100000);
    write(ends[1], "z", 1);
    _exit(0);
  }
  SHOW(read(ends[0], &byte, 1));
  printf("byte %d, handled %d\n", byte, count);
  int status;
  while (waitpid(child, &status, 0) == -1) {}
  close(ends[0]); close(ends[1]);
}

int main(void) {
  sigset_t set, old, pending;
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- a handler");
  catch(SIGUSR1, counted, 0);
  SHOW(raise(SIGUSR1));
  SHOW(kill(getpid(), SIGUSR1));
  SHOW(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
  SHOW(count);

  puts("-- masks and pending");
  sigemptyset(&set); sigaddset(&set, SIGUSR1); sigaddset(&set, SIGUSR2);
  SHOW(sigprocmask(SIG_BLOCK, &set, &old));
  raise(SIGUSR1); raise(SIGUSR1);
  SHOW(count);
  sigpending(&pending);
  TRUTH(sigismember(&pending, SIGUSR1)); TRUTH(sigismember(&pending, SIGUSR2));
  SHOW(sigprocmask(SIG_SETMASK, &old, NULL));
  SHOW(count);
  SHOW(sigprocmask(99, &old, NULL));
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, NULL);
  sigprocmask(SIG_BLOCK, NULL, &set);
  TRUTH(sigismember(&set, SIGKILL)); TRUTH(sigismember(&set, SIGSTOP)); TRUTH(sigismember(&set, SIGTERM));
  sigprocmask(SIG_SETMASK, &old, NULL);

  puts("-- nesting and sa_mask");
  catch(SIGUSR1, nested, 0); catch(SIGUSR2, note, 0);
  raise(SIGUSR1);
  struct sigaction masked = {.sa_handler = nested};
  sigemptyset(&masked.sa_mask); sigaddset(&masked.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &masked, NULL);
  raise(SIGUSR1);
  for (int i = 0; i < ordered; i++) printf("%d ", order[i]);
  putchar('\n');
  struct sigaction answer;
  SHOW(sigaction(SIGUSR1, NULL, &answer));
  TRUTH(answer.sa_handler == nested); TRUTH(sigismember(&answer.sa_mask, SIGUSR2));

  puts("-- SA_RESETHAND, SA_NODEFER");
  catch(SIGUSR1, counted, SA_RESETHAND);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &answer);
  TRUTH(answer.sa_handler == SIG_DFL);
  SHOW(sigaction(SIGKILL, &masked, NULL)); SHOW(sigaction(SIGSTOP, &masked, NULL)); SHOW(sigaction(65, &masked, NULL));

  puts("-- siginfo");
  catch_info(SIGUSR1, informed, 0);
  kill(getpid(), SIGUSR1);
  SHOW(seen.si_code); TRUTH(seen.si_pid == getpid()); TRUTH(seen.si_uid == getuid()); SHOW(seen.si_signo);
  raise(SIGUSR1);
  SHOW(seen.si_code);
  catch_info(SIGRTMIN + 1, informed, 0);
  union sigval value = {.sival_int = 1234};
  SHOW(sigqueue(getpid(), SIGRTMIN + 1, value));
  SHOW(seen.si_code); SHOW(seen.si_value.sival_int);

  puts("-- queued real-time signals keep their order");
  sigemptyset(&set); sigaddset(&set, SIGRTMIN + 2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  for (int i = 0; i < 3; i++) { value.sival_int = i; sigqueue(getpid(), SIGRTMIN + 2, value); }
  struct timespec none = {0, 0}, little = {0, 20000000};
  siginfo_t info;
  for (int i = 0; i < 3; i++) { SHOW(sigtimedwait(&set, &info, &none)); SHOW(info.si_value.sival_int); }
  SHOW(sigtimedwait(&set, &info, &little));

  puts("-- restart");
  restart(SA_RESTART);
  restart(0);

  puts("-- sigsuspend");
  catch(SIGUSR1, counted, 0);
  count = 0;
  sigemptyset(&set); sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  SHOW(sigsuspend(&old)); SHOW(count);
  raise(SIGUSR1);
  SHOW(count);
  sigprocmask(SIG_SETMASK, &old, NULL);
  SHOW(count);
  catch(SIGALRM, counted, 0);
  alarm_in(30);
  SHOW(pause());

  puts("-- the alternate stack");
  stack_t stack = {.ss_sp = altstack, .ss_size = sizeof altstack}, was;
  SHOW(sigaltstack(&stack, NULL)); SHOW(sigaltstack(NULL, &was));
  TRUTH(was.ss_sp == altstack); SHOW(was.ss_flags);
  catch(SIGUSR1, where, SA_ONSTACK); raise(SIGUSR1); SHOW(on_altstack);
  catch(SIGUSR1, where, 0); raise(SIGUSR1); SHOW(on_altstack);
  stack.ss_size = 100;
  SHOW(sigaltstack(&stack, NULL));
  stack.ss_size = sizeof altstack; stack.ss_flags = 99;
  SHOW(sigaltstack(&stack, NULL));

  puts("-- faults");
  static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) catch_info(numbers[i], fault, SA_ONSTACK);
  if (!sigsetjmp(back, 1)) *(volatile int *)0x10 = 1;
  printf("SEGV %d code %d address %p\n", fault_number == SIGSEGV, fault_code, fault_address);
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!sigsetjmp(back, 1)) page[7] = 1;
  printf("SEGV %d code %d at %ld\n", fault_number == SIGSEGV, fault_code, (long)((char *)fault_address - page));
  if (!sigsetjmp(back, 1)) *(volatile int *)0x8000000000000000 = 1;
  printf("SEGV %d code %d\n", fault_number == SIGSEGV, fault_code);
  volatile int zero = 0, one = 1;
  if (!sigsetjmp(back, 1)) one = one / zero;
  printf("FPE %d code %d\n", fault_number == SIGFPE, fault_code);
  if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
  printf("ILL %d code %d\n", fault_number == SIGILL, fault_code);
  if (!sigsetjmp(back, 1)) __asm__ volatile("int3");
  printf("TRAP %d code %d\n", fault_number == SIGTRAP, fault_code);
  int fd = open("signals.bus", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ftruncate(fd, 4096);
  char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (!sigsetjmp(back, 1)) mapped[5000] = 1;
  printf("BUS %d code %d at %ld\n", fault_number == SIGBUS, fault_code, (long)((char *)fault_address - mapped));
  unlink("signals.bus");

  puts("-- a handler edits registers");
  catch_info(SIGILL, edit, 0);
  long rbx = 1;
  __asm__ volatile("ud2" : "+b"(rbx));
  SHOW(rbx);

  puts("-- default actions");
  CHILD("TERM", raise(SIGTERM));
  CHILD("KILL", kill(getpid(), SIGKILL));
  CHILD("ABRT", abort());
  CHILD("CHLD is ignored", raise(SIGCHLD));
  CHILD("WINCH is ignored", raise(SIGWINCH));
  CHILD("ignored", signal(SIGTERM, SIG_IGN); raise(SIGTERM));
  CHILD("real-time", raise(SIGRTMIN));
  CHILD("segv", signal(SIGSEGV, SIG_DFL); *(volatile int *)0 = 1);
  CHILD("blocked segv kills", signal(SIGSEGV, SIG_DFL); sigset_t s; sigemptyset(&s); sigaddset(&s, SIGSEGV); sigprocmask(SIG_BLOCK, &s, NULL); *(volatile int *)0 = 1);
  CHILD("pipe", int p[2]; pipe(p); close(p[0]); signal(SIGPIPE, SIG_DFL); write(p[1], "x", 1));

  puts("-- errors");
  SHOW(kill(getpid(), 65)); SHOW(kill(getpid(), -1)); SHOW(kill(99999999, 0)); SHOW(kill(getpid(), 0));
  SHOW(syscall(SYS_tgkill, getpid(), 99999999, 0)); SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
  SHOW(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8));

  puts("-- many");
  catch(SIGUSR1, counted, 0);
  count = 0;
  for (int i = 0; i < 1000; i++) raise(SIGUSR1);
  SHOW(count);
  catch(SIGUSR1, empty, 0);
  return 0;
}
