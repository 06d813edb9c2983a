/* secrets: looks through all memory that this process can read, above all the stub's, and through /proc, for the secret of test_stub.py.
 *
 * Row 11 of the attack table. What it looks for is eight times a word of five letters, which so never lies in its own memory whole.
 */
#include "attack.h"
#include <setjmp.h>

static sigjmp_buf back;

static void caught(int signo) {
  (void)signo;
  siglongjmp(back, 1);
}

static int holds(const char *data, long length, const char *word) {
  for (long at = 0; at + 40 <= length; at++) {
    int k = 0;
    while (k < 40 && data[at + k] == word[k % 5])
      k++;
    if (k == 40)
      return 1;
  }
  return 0;
}

static long pages, secrets, shown;

static void look(unsigned long from, unsigned long to) {
  for (volatile unsigned long at = from; at < to; at += 4096)
    if (!sigsetjmp(back, 1)) {
      secrets += holds((char *)at, 4096, "xyzzy");
      shown += holds((char *)at, 4096, "plugh");
      pages++;
    }
}

int main(void) {
  struct sigaction action = {.sa_handler = caught, .sa_flags = SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  char line[512];
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long from[256], to[256];
  int count = 0;
  while (count < 256 && fgets(line, sizeof line, maps))
    count += sscanf(line, "%lx-%lx", &from[count], &to[count]) == 2;
  fclose(maps);
  for (int i = 0; i < count; i++)
    look(from[i], to[i]);
  look(STUB_BASE, CONTEXTS_BASE + 64 * CONTEXT_SIZE);
  look(TASK_TOP - (1 << 22), TASK_TOP);

  static const char *const files[] = {"/proc/1/environ", "/proc/self/environ", "/proc/self/auxv", "/proc/self/status", "/proc/mounts"};
  static char data[65536];
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
    int file = open(files[i], O_RDONLY);
    secrets += holds(data, read(file, data, sizeof data), "xyzzy");
    close(file);
  }
  printf("pages: %ld\nsecrets: %ld\nshown: %ld\n", pages, secrets, shown);
  return 0;
}
