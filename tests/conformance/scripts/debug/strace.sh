#!/bin/sh
# Needs: gcc strace
# What strace sees of the calls that a program chooses itself.
cat > calls.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void handler(int signo) {}
static void *work(void *unused) {
  syscall(SYS_write, 1, "thread\n", 7);
  return 0;
}
int main(void) {
  int fd = open("made", O_RDWR | O_CREAT, 0644);
  write(fd, "hello", 5);
  lseek(fd, 2, SEEK_SET);
  lseek(99, 2, SEEK_SET);
  if (syscall(SYS_getpid) <= 0)
    abort();
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  if (!fork()) {
    write(fd, "child", 5);
    execl("/bin/true", "true", (char *)0);
  }
  wait(0);
  if (!vfork())
    _exit(7);
  wait(0);
  pthread_t thread;
  pthread_create(&thread, 0, work, 0);
  pthread_join(thread, 0);
  raise(SIGTERM);
}
END
gcc -O1 -w -pthread calls.c -o calls
cat > willing.c <<'END'
#include <sys/prctl.h>
#include <unistd.h>
int main(int argc, char **argv) { // may be traced by anybody, also where Yama lets parents alone trace
  prctl(PR_SET_PTRACER, -1, 0, 0, 0);
  execvp(argv[1], argv + 1);
}
END
gcc -w willing.c -o willing
plain() {
  sed 's/^[0-9]* *//; s/si_pid=[0-9]*/si_pid=N/; s/si_uid=[0-9]*/si_uid=N/; s/tgkill([0-9]*, [0-9]*/tgkill(N/; s/0x[0-9a-f]*/X/g
    s/si_[us]time=[0-9]*/T/g; s/  *=/ =/; s/[0-9]* vars/N vars/; s/\(getpid() =\) [0-9]*/\1 N/' "$1"
}
strace -f -e trace=openat,write,lseek,getpid,execve,exit_group,exit,tgkill,rt_sigreturn -o log ./calls
echo status $?
grep -v '/etc/\|/lib\|locale\|resumed\|unfinished' log | plain - | sort
echo == summary
strace -f -c -e trace=write,lseek -o log ./calls
grep -w 'write\|lseek' log | awk '{print $4, $NF}' | sort
echo == attached
./willing sh -c ': > ready; while ! [ -e done ]; do sleep 0.01; done; exit 4' &
waited=$!
while ! [ -e ready ]; do sleep 0.01; done
strace -f -qq -o log -p $waited &
while ! grep -q nanosleep log; do sleep 0.01; done
: > done
wait $waited
echo status $?
wait
grep -c 'exited with 4' log
echo == stopped
rm -f log
./willing sleep 100 &
sleeper=$!
while ! grep -q '^230 ' /proc/$sleeper/syscall; do sleep 0.01; done # clock_nanosleep
strace -qq -o log -p $sleeper &
state() { while ! grep -q "^State:.$1" /proc/$sleeper/status; do sleep 0.01; done; }
while ! [ "$(awk '/^TracerPid/ {print $2}' /proc/$sleeper/status)" != 0 ]; do sleep 0.01; done
state S
kill -STOP $sleeper
while ! grep -q 'stopped by' log; do sleep 0.01; done
state t
kill -CONT $sleeper
while ! grep -q 'SIGCONT' log; do sleep 0.01; done
state S
kill $sleeper
wait $sleeper 2>/dev/null # whether the shell says that it was terminated is chance
echo status $?
wait
grep -v 'sleep\|restart_syscall' log | plain -
echo == injected
strace -qq -e trace=write -e inject=write:error=ENOSPC -o log sh -c 'echo hello'
echo status $?
plain log
strace -qq -e trace=getppid -e inject=getppid:retval=77 -o log sh -c 'echo $PPID'
