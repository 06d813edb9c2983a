#!/bin/bash
# Needs: musl-gcc
cat > m.c <<'C'
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t c = PTHREAD_COND_INITIALIZER; static int n; static volatile int got;
static void *run(void *p) { for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } pthread_cond_signal(&c); return p; }
static void on(int s) { got = s; }
extern char **environ;
int main(void) {
  pthread_t t[20]; for (int i = 0; i < 20; i++) pthread_create(&t[i], 0, run, 0); for (int i = 0; i < 20; i++) pthread_join(t[i], 0);
  printf("%d\n", n); signal(SIGUSR1, on); raise(SIGUSR1); printf("%d\n", got); fflush(stdout);
  pid_t p; char *a[] = {"sh", "-c", "echo spawned; exit 5", 0}; int s; int r = posix_spawn(&p, "/bin/sh", 0, 0, a, environ); waitpid(p, &s, 0); printf("%d\n", r + WEXITSTATUS(s));
  fflush(stdout); printf("%d\n", WEXITSTATUS(system("exit 6"))); FILE *f = popen("echo popen", "r"); char b[20]; printf("%s", fgets(b, 20, f)); printf("%d\n", pclose(f)); fflush(stdout);
  if (!fork()) { puts("child"); exit(3); } wait(&s); printf("%d %s\n", WEXITSTATUS(s), strerror(ENOENT)); char *big = malloc(100 << 20); memset(big, 1, 100 << 20); printf("%d\n", big[99 << 20]); free(big);
  pthread_cancel(pthread_self()); pthread_testcancel(); return 1;
}
C
musl-gcc -static -O2 m.c -o m && ./m; echo $?; musl-gcc -O2 m.c -o d && ./d; echo $?; file m | grep -o 'statically linked'
