#!/bin/sh
# Needs: gcc gdb
# What a debugger shows of a program, without addresses and numbers of processes.
cat > debugged.c <<'END'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
int total;
volatile int stop;
static int square(int n) {
  int result = n * n;
  total += result;
  return result;
}
static void *work(void *unused) {
  for (int i = 0; i < 5; i++)
    __sync_fetch_and_add(&total, 1);
  return 0;
}
static int in_child(int n) { return n + 1; }
int main(int argc, char **argv) {
  int sum = 0;
  if (argc > 1 && *argv[1] == 'w') {
    prctl(PR_SET_PTRACER, -1, 0, 0, 0); // where Yama would let parents alone trace
    puts("waiting");
    fflush(stdout);
    while (!stop)
      usleep(1000);
    return 9;
  }
  if (argc > 1 && *argv[1] == 'f') {
    int status;
    pid_t child = fork();
    if (!child)
      _exit(in_child(4));
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
  if (argc > 1 && *argv[1] == 's')
    raise(SIGSEGV);
  for (int i = 0; i < 3; i++)
    sum += square(i);
  pthread_t threads[3];
  for (int i = 0; i < 3; i++)
    pthread_create(threads + i, 0, work, 0);
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], 0);
  printf("sum %d total %d\n", sum, total);
  return 3;
}
END
gcc -g -O0 -pthread debugged.c -o debugged
debug() {
  timeout 20 gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set pagination off' -ex 'set print thread-events off' "$@" 2>&1 |
    grep -v '^\[\(New\|Switching\|Attaching\|Detaching\|Inferior 1 (process [0-9]*) detached\|Thread\)\|^Using host\|^warning\|libc\|No such file\|^Reading' |
    sed 's/(process [0-9]*)/(process N)/; s/process [0-9]*/process N/; s/LWP [0-9]*/LWP N/; s/0x[0-9a-f]\{4,\}/ADDRESS/g; s/^Thread [0-9.]* "debugged" //'
}
echo == breakpoints
debug -ex 'break square' -ex run -ex bt -ex 'info args' -ex next -ex next -ex 'p total' -ex finish -ex 'x/i $pc' -ex 'p sum' -ex 'set var sum = 100' \
  -ex delete -ex 'p square(7)' -ex continue ./debugged
echo == watch
debug -ex 'break main' -ex run -ex 'watch total' -ex c -ex c -ex 'p total' -ex delete -ex c ./debugged
debug -ex 'set can-use-hw-watchpoints 0' -ex 'break square' -ex run -ex 'watch result' -ex c -ex delete -ex c ./debugged
echo == steps
debug -ex 'break main' -ex run -ex stepi -ex stepi -ex 'info registers cs ss' -ex 'p $eflags & 0x100' -ex kill ./debugged
echo == threads
debug -ex 'break work' -ex run -ex 'p $_thread > 1' -ex 'bt 1' -ex delete -ex c ./debugged
echo == fork
debug -ex 'set follow-fork-mode child' -ex 'break in_child' -ex 'run f' -ex bt -ex c ./debugged
debug -ex 'break in_child' -ex 'run f' ./debugged
debug -ex 'catch fork' -ex 'run f' -ex c ./debugged
echo == signals
debug -ex 'run s' -ex 'p $_siginfo.si_signo' -ex c ./debugged
debug -ex 'handle SIGSEGV nostop noprint nopass' -ex 'run s' ./debugged
debug -ex 'catch syscall write' -ex run -ex c -ex c ./debugged
echo == attach
./debugged w > out &
while ! [ -s out ]; do sleep 0.01; done
debug -p $! -ex 'p stop' -ex 'set var stop = 1' -ex detach | grep '[$=]'
wait $!
echo status $?
