/* More memory than there is: every page must hold what was written, whoever reads it and however it was moved. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES 5000UL /* 20 MB */
#define LINK 64       /* small objects of the heap */

static char *memory;

static unsigned long value(unsigned long page, unsigned long salt) { return page * 2654435761UL ^ salt << 40; }

static void fill(char *at, unsigned long first, unsigned long count, unsigned long salt) {
  for (unsigned long page = first; page < first + count; page++) {
    *(unsigned long *)(at + page * PAGE) = value(page, salt);
    *(unsigned long *)(at + page * PAGE + PAGE - 8) = ~value(page, salt);
  }
}

static unsigned long wrong(const char *at, unsigned long first, unsigned long count, unsigned long salt) {
  unsigned long bad = 0;
  for (unsigned long page = first; page < first + count; page++)
    bad += *(unsigned long *)(at + page * PAGE) != value(page, salt) || *(unsigned long *)(at + page * PAGE + PAGE - 8) != ~value(page, salt);
  return bad;
}

static void say(const char *what, unsigned long bad) {
  printf("%s: %lu wrong\n", what, bad);
  fflush(stdout);
}

static int generation(int depth) { /* children that change what they have, while their parent keeps what it has */
  int status;
  pid_t child = fork();
  if (!child) {
    unsigned long bad = wrong(memory, 0, PAGES, depth);
    fill(memory, 0, PAGES, depth + 1);
    if (depth < 2)
      bad += generation(depth + 1);
    bad += wrong(memory, 0, PAGES, depth + 1);
    _exit(bad != 0);
  }
  waitpid(child, &status, 0);
  return status != 0;
}

static sigjmp_buf back;
static void caught(int signo) { siglongjmp(back, signo); }

static void *walk(void *seed) {
  unsigned state = (unsigned long)seed;
  unsigned long bad = 0;
  for (int i = 0; i < 300; i++)
    bad += wrong(memory, rand_r(&state) % PAGES, 1, 1);
  return (void *)bad;
}

int main(int count, char **words) {
  if (count > 1) {
    puts("executed");
    return 7;
  }
  memory = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fill(memory, 0, PAGES, 1);
  say("filled", wrong(memory, 0, PAGES, 1));

  pthread_t threads[4];
  unsigned long bad = 0;
  for (unsigned long i = 0; i < 4; i++)
    pthread_create(threads + i, 0, walk, (void *)(i + 1));
  for (int i = 0; i < 4; i++) {
    void *found;
    pthread_join(threads[i], &found);
    bad += (unsigned long)found;
  }
  say("threads", bad);

  say("generations", generation(1));
  say("kept", wrong(memory, 0, PAGES, 1));

  int fd = open("paged.out", O_RDWR | O_CREAT | O_TRUNC, 0600); /* calls that take and give much more than a page */
  unsigned long part = 500;
  printf("write %d\n", write(fd, memory + 2000 * PAGE, part * PAGE) == (long)(part * PAGE));
  printf("read %d\n", pread(fd, memory + 4000 * PAGE, part * PAGE, 0) == (long)(part * PAGE));
  bad = memcmp(memory + 2000 * PAGE, memory + 4000 * PAGE, part * PAGE) != 0;
  say("calls", bad + wrong(memory, 2000, part, 1));
  fill(memory, 4000, part, 1);
  unlink("paged.out");

  char *name = memory + 3500 * PAGE - 3; /* a string across two pages */
  char kept[8];
  memcpy(kept, name, 8);
  strcpy(name, "/dev");
  wrong(memory, 0, PAGES, 1);
  printf("access %d\n", access(name, F_OK));
  memcpy(name, kept, 8);

  madvise(memory + 3000 * PAGE, 100 * PAGE, MADV_DONTNEED);
  bad = 0;
  for (unsigned long at = 3000 * PAGE; at < 3100 * PAGE; at++)
    bad += memory[at] != 0;
  say("not needed", bad + wrong(memory, 2900, 100, 1) + wrong(memory, 3100, 100, 1));
  fill(memory, 3000, 100, 1);

  munmap(memory + 3000 * PAGE, 50 * PAGE);
  mmap(memory + 3000 * PAGE, 50 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  printf("fresh %d\n", memory[3010 * PAGE]);
  fill(memory, 3000, 50, 1);

  mprotect(memory + 100 * PAGE, 100 * PAGE, PROT_READ);
  signal(SIGSEGV, caught);
  int caught_signal = sigsetjmp(back, 1);
  if (!caught_signal)
    memory[150 * PAGE] = 1;
  printf("signal %d\n", caught_signal);
  mprotect(memory + 100 * PAGE, 100 * PAGE, PROT_NONE);
  caught_signal = sigsetjmp(back, 1);
  if (!caught_signal)
    bad = *(volatile char *)(memory + 150 * PAGE);
  printf("signal %d\n", caught_signal);
  errno = 0;
  printf("efault %d %d\n", (int)write(1, memory + 150 * PAGE, 1), errno == EFAULT);
  mprotect(memory + 100 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE);
  say("protected", wrong(memory, 0, PAGES, 1));

  char *other = mmap(0, (PAGES / 2 + 500) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* a place for it */
  char *moved = mremap(memory + PAGES / 2 * PAGE, PAGES / 2 * PAGE, (PAGES / 2 + 500) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other);
  bad = moved != other;
  for (unsigned long page = 0; page < PAGES / 2; page++)
    bad += *(unsigned long *)(moved + page * PAGE) != value(page + PAGES / 2, 1);
  for (unsigned long page = PAGES / 2; page < PAGES / 2 + 500; page++)
    bad += *(unsigned long *)(moved + page * PAGE) != 0;
  say("moved", bad + wrong(memory, 0, PAGES / 2, 1));
  memset(moved + PAGES / 2 * PAGE, 1, 500 * PAGE);
  munmap(moved, (PAGES / 2 + 500) * PAGE);
  errno = 0;
  printf("gone %d\n", (int)write(1, moved, 1) == -1 && errno == EFAULT);

  char **first = 0, **link;
  for (int i = 0; i < 100000; i++) { /* 8 MB of small objects */
    link = malloc(LINK);
    link[0] = (char *)first;
    link[1] = (char *)(long)i;
    first = link;
  }
  bad = 0;
  for (int i = 99999; first; first = (char **)link[0], free(link), i--) {
    link = first;
    bad += (long)link[1] != i;
  }
  say("heap", bad + wrong(memory, 0, PAGES / 2, 1));

  pid_t child = vfork();
  if (!child) {
    execl(words[0], words[0], "again", (char *)0);
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);
  printf("status %d\n", WEXITSTATUS(status));
  say("at the end", wrong(memory, 0, PAGES / 2, 1));
  return 0;
}
