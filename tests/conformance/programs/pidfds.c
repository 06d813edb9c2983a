/* Process descriptors: opening, waiting, polling, signals, descriptors of others, clone3. */
#include "show.h"
#include <linux/sched.h>

static int open_pid(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
static int send_to(int fd, int signo, siginfo_t *info, unsigned flags) { return (int)syscall(SYS_pidfd_send_signal, fd, signo, info, flags); }
static int get_fd(int fd, int target) { return (int)syscall(SYS_pidfd_getfd, fd, target, 0); }
static long clone3(struct clone_args *args, size_t size) { return syscall(SYS_clone3, args, size); }
static volatile sig_atomic_t got;
static void count(int number) { got = number; }

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("-- open");
  SHOW(open_pid(0, 0)); SHOW(open_pid(-1, 0)); SHOW(open_pid(getpid(), 1)); SHOW(open_pid(2000000000, 0));
  int self = open_pid(getpid(), 0);
  TRUTH(self >= 0); SHOW(fcntl(self, F_GETFD)); SHOW(fcntl(self, F_GETFL) & O_NONBLOCK);
  char byte; SHOW(read(self, &byte, 1)); SHOW(write(self, &byte, 1)); SHOW(lseek(self, 0, SEEK_SET));
  struct pollfd p = {.fd = self, .events = POLLIN}; SHOW(poll(&p, 1, 0));

  puts("-- signals");
  catch(SIGUSR1, count, 0);
  SHOW(send_to(self, SIGUSR1, NULL, 0)); SHOW(got == SIGUSR1); SHOW(send_to(self, 0, NULL, 0)); SHOW(send_to(self, 99, NULL, 0)); SHOW(send_to(self, 0, NULL, 5)); SHOW(send_to(1, 0, NULL, 0)); SHOW(send_to(999, 0, NULL, 0));
  siginfo_t info = {.si_signo = SIGUSR2, .si_code = SI_QUEUE}; SHOW(send_to(self, SIGUSR1, &info, 0));

  puts("-- a child");
  int gate[2]; pipe(gate);
  pid_t child = fork();
  if (!child) { close(gate[1]); read(gate[0], &byte, 1); _exit(7); }
  close(gate[0]);
  int fd = open_pid(child, 0), waiting = open_pid(child, O_NONBLOCK);
  p.fd = fd; SHOW(poll(&p, 1, 0));
  siginfo_t status = {0};
  SHOW(waitid(P_PIDFD, waiting, &status, WEXITED)); SHOW(waitid(P_PIDFD, fd, &status, WEXITED | WNOHANG)); SHOW(status.si_pid);
  SHOW(waitid(P_PIDFD, self, &status, WEXITED)); SHOW(waitid(P_PIDFD, 1, &status, WEXITED)); SHOW(waitid(P_PIDFD, 999, &status, WEXITED)); SHOW(waitid(P_PIDFD, -1, &status, WEXITED)); SHOW(waitid(P_PID, 0, &status, WEXITED)); SHOW(waitid(9, 1, &status, WEXITED)); SHOW(waitid(P_PIDFD, fd, &status, 0));
  close(gate[1]);
  SHOW(poll(&p, 1, 5000)); SHOW(p.revents == POLLIN); SHOW(send_to(fd, 0, NULL, 0));
  SHOW(waitid(P_PIDFD, fd, &status, WEXITED | WNOWAIT)); SHOW(status.si_status); TRUTH(status.si_pid == child);
  SHOW(waitid(P_PIDFD, fd, &status, WEXITED)); SHOW(waitid(P_PIDFD, fd, &status, WEXITED)); SHOW(send_to(fd, 0, NULL, 0)); SHOW(open_pid(child, 0)); SHOW(poll(&p, 1, 0)); SHOW(get_fd(fd, 0));

  puts("-- others' descriptors");
  int pair[2]; pipe(pair);
  int other = get_fd(self, pair[0]);
  TRUTH(other > 0); SHOW(fcntl(other, F_GETFD)); SHOW(write(pair[1], "x", 1)); SHOW(read(other, &byte, 1)); SHOW(get_fd(self, 999)); SHOW(get_fd(1, 0)); SHOW(syscall(SYS_pidfd_getfd, self, 0, 1));

  puts("-- clone3");
  int made = -1;
  struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&made, .exit_signal = SIGCHLD};
  fflush(stdout);
  long pid = clone3(&args, sizeof args);
  if (!pid) _exit(9);
  TRUTH(pid > 0 && made > 0); SHOW(fcntl(made, F_GETFD)); SHOW(waitid(P_PIDFD, made, &status, WEXITED)); SHOW(status.si_status); TRUTH(status.si_pid == pid);
  catch(SIGUSR2, count, 0); signal(SIGHUP, SIG_IGN);
  args = (struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
  pid = clone3(&args, sizeof args);
  if (!pid) { struct sigaction now; sigaction(SIGUSR2, NULL, &now); int handled = now.sa_handler != SIG_DFL; sigaction(SIGHUP, NULL, &now); _exit(handled * 2 + (now.sa_handler == SIG_IGN)); }
  int code; TRUTH(waitpid((pid_t)pid, &code, 0) == pid); show_status("cleared", code);
  struct { struct clone_args args; long more; } long_args = {.args = {.exit_signal = SIGCHLD}, .more = 1};
  SHOW(clone3(&args, 8)); SHOW(clone3((void *)&long_args, sizeof long_args)); SHOW(clone3(&args, 1 << 20)); SHOW(clone3(NULL, sizeof args));
  args = (struct clone_args){.exit_signal = 99}; SHOW(clone3(&args, sizeof args));
  args = (struct clone_args){.flags = SIGCHLD}; SHOW(clone3(&args, sizeof args));
  args = (struct clone_args){.exit_signal = SIGCHLD, .stack = 4096}; SHOW(clone3(&args, sizeof args));
  args = (struct clone_args){.flags = CLONE_SIGHAND, .exit_signal = SIGCHLD}; SHOW(clone3(&args, sizeof args));
  args = (struct clone_args){.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD}; SHOW(clone3(&args, sizeof args));
  args = (struct clone_args){.flags = CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD}; SHOW(clone3(&args, sizeof args));
  args = (struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD}; SHOW(clone3(&args, sizeof args));
  SHOW(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &made, 0, 0));
  return 0;
}
