/* busy: threads that map, fork and call without end. Prints "ready" when they run. */
#include "attack.h"

static void *map(void *unused) {
  for (;;) {
    char *at = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED)
      munmap(at, 1 << 16);
  }
  return unused;
}

static void *copy(void *unused) {
  for (;;) {
    pid_t child = fork();
    if (child == 0)
      _exit(0);
    waitpid(child, NULL, 0);
  }
  return unused;
}

static void *call(void *unused) {
  char buffer[64];
  for (;;)
    raw(SYS_getcwd, buffer, sizeof buffer, 0);
  return unused;
}

int main(void) {
  void *(*bodies[])(void *) = {map, copy, call, map};
  pthread_t thread;
  for (unsigned i = 0; i < 4; i++)
    pthread_create(&thread, NULL, bodies[i], NULL);
  if (write(1, "ready\n", 6) != 6)
    return 1;
  pthread_join(thread, NULL);
  return 0;
}
