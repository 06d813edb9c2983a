/* The rows of the bench, run and timed from inside one system.
 *
 *   rows PLAN...    each PLAN is  micro:NAME:MILLISECONDS  or  macro:NAME:COUNT:ARGV, with ARGV's words separated by the byte 0x1f
 *   rows exit       leave at once: what the fork+exec row starts
 *
 * For each batch (micro) or run (macro) one line "NAME\tNANOSECONDS" is printed: per operation, or per run. A row that fails prints
 * "NAME\t!reason". The clock is CLOCK_MONOTONIC, through the vDSO where the system has one. Static, so that it runs anywhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE "/usr/include/stdio.h"
#define BATCHES 15
#define MAPPED (64 * 1024)

static const char *self;
static int sample, ping[2], pong[2];
static pid_t echo_process;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static const char *row_name;

static void fail(const char *what) {
  printf("%s\t!%s: %s\n", row_name, what, strerror(errno));
  fflush(stdout);
  exit(1);
}

static void null_call(void) { syscall(SYS_getppid); }
static void getpid_call(void) { syscall(SYS_getpid); }

static char buffer[4096];
static void read_one(void) {
  if (pread(sample, buffer, 1, 100) != 1) fail("pread");
}
static void read_page(void) {
  if (pread(sample, buffer, 4096, 0) != 4096) fail("pread");
}
static void stat_call(void) {
  struct stat st;
  if (stat(SAMPLE, &st)) fail("stat");
}
static void open_close(void) {
  int fd = open(SAMPLE, O_RDONLY);
  if (fd < 0) fail("open");
  close(fd);
}
static void round_trip(void) {
  char byte = 'x';
  if (write(ping[1], &byte, 1) != 1 || read(pong[0], &byte, 1) != 1) fail("pipe");
}
static void fork_exit(void) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) _exit(0);
  if (waitpid(child, NULL, 0) != child) fail("waitpid");
}
static void fork_exec(void) {
  int status;
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    execl(self, self, "exit", (char *)NULL);
    _exit(127);
  }
  if (waitpid(child, &status, 0) != child || status != 0) fail("child");
}
static void map_touch(void) {
  char *area = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) fail("mmap");
  for (int i = 0; i < MAPPED; i += 4096) area[i] = 1;
  munmap(area, MAPPED);
}

static void open_sample(void) {
  sample = open(SAMPLE, O_RDONLY);
  if (sample < 0) fail(SAMPLE);
}
static void close_sample(void) { close(sample); }
static void start_echo(void) {
  if (pipe(ping) || pipe(pong)) fail("pipe");
  echo_process = fork();
  if (echo_process < 0) fail("fork");
  if (echo_process == 0) {
    char byte;
    close(ping[1]);
    while (read(ping[0], &byte, 1) == 1)
      if (write(pong[1], &byte, 1) != 1) break;
    _exit(0);
  }
  close(ping[0]);
  close(pong[1]);
}
static void stop_echo(void) {
  close(ping[1]);
  close(pong[0]);
  waitpid(echo_process, NULL, 0);
}
static void nothing(void) {}

static const struct row {
  const char *name;
  void (*before)(void), (*operation)(void), (*after)(void);
} rows[] = {
    {"getpid", nothing, getpid_call, nothing},
    {"getppid", nothing, null_call, nothing},
    {"pread1", open_sample, read_one, close_sample},
    {"pread4k", open_sample, read_page, close_sample},
    {"stat", nothing, stat_call, nothing},
    {"open", nothing, open_close, nothing},
    {"pipe", start_echo, round_trip, stop_echo},
    {"fork", nothing, fork_exit, nothing},
    {"exec", nothing, fork_exec, nothing},
    {"mmap", nothing, map_touch, nothing},
};

static int64_t batch(const struct row *row, int64_t count) {
  int64_t begin = now();
  for (int64_t i = 0; i < count; i++) row->operation();
  return now() - begin;
}

/* About ``milliseconds`` in all: first find how many operations one batch may hold, then run the batches. */
static void micro(const char *name, int64_t milliseconds) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct row *row = &rows[i];
    if (strcmp(row->name, name)) continue;
    row->before();
    int64_t target = milliseconds * 1000000 / BATCHES, count = 1, spent;
    while ((spent = batch(row, count)) < target / 4 && count < (1 << 24)) count *= 2;
    count = spent > 0 ? count * target / spent : count;
    if (count < 1) count = 1;
    for (int b = 0; b < BATCHES; b++) printf("%s\t%.1f\n", name, (double)batch(row, count) / (double)count);
    row->after();
    fflush(stdout);
    return;
  }
  printf("%s\t!no such row\n", name);
}

static void macro(const char *name, int count, char *words) {
  char *argv[64];
  int argc = 0;
  for (char *word = strtok(words, "\x1f"); word && argc < 63; word = strtok(NULL, "\x1f")) argv[argc++] = word;
  argv[argc] = NULL;
  fflush(stdout);
  for (int run = 0; run < count; run++) {
    int status;
    int64_t begin = now();
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      int null = open("/dev/null", O_RDWR);
      dup2(null, 0);
      dup2(null, 1);
      execvp(argv[0], argv);
      _exit(127);
    }
    if (waitpid(child, &status, 0) != child) fail("waitpid");
    int64_t spent = now() - begin;
    if (status) {
      printf("%s\t!status %#x\n", name, status);
      fflush(stdout);
      return;
    }
    printf("%s\t%lld\n", name, (long long)spent);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc == 2 && !strcmp(argv[1], "exit")) return 0;
  char directory[] = "/tmp/bench-XXXXXX";
  row_name = "setup";
  if (!mkdtemp(directory) || chdir(directory)) fail("mkdtemp");
  for (int i = 1; i < argc; i++) {
    char *kind = strtok(argv[i], ":"), *name = strtok(NULL, ":"), *number = strtok(NULL, ":"), *rest = strtok(NULL, "");
    row_name = name;
    if (!kind || !name || !number) continue;
    if (!strcmp(kind, "micro"))
      micro(name, atoi(number));
    else if (rest)
      macro(name, atoi(number), rest);
  }
  fflush(stdout);
  unlink("hello");
  if (chdir("/") == 0) rmdir(directory);
  return 0;
}
