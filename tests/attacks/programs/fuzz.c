/* fuzz SEED CALLS [PER_WORKER [EVERY]]: random system calls with hostile arguments, from worker processes of three threads each.
 *
 * A worker may die of what it does; the first process only starts workers, kills those that hang, and ends when CALLS calls were made.
 * Prints how many calls and workers it were, also after every EVERY calls. The same seed makes the same choices, as far as threads and
 * time allow.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 3
#define ARENA 0x40000000ul /* worker's buffers: 16 pages, a hole, a read-only page, a hole */
#define PAGES 16

struct shared {
  volatile long calls;
  volatile long number[THREADS]; /* the last call that each thread made */
};
static struct shared *shared;
static pid_t first;

static uint64_t next(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static long raw(long number, const long *a) {
  long result;
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static const char *const names[] = {".", "..", "a", "b", "d", "d/e", "l", "loop", "/", "", "/tmp/fuzz", "/proc/self/fd/3", "/proc/self/maps",
                                    "/proc/self", "/dev/null", "/dev/full", "/dev/zero", "/dev/stdin", "fifo", "/proc/1/fd", "a/b", "/usr/bin/env",
                                    "/tmp/fuzz/../fuzz/d/../a", "/etc/passwd", "//", "/proc/self/exe", "/dev/tty", "/proc/self/cwd/a"};

static long interesting(uint64_t *rng) {
  static const long values[] = {0,          1,          2,          3,          4,          7,          8,          16,         24,
                                64,         88,         100,        128,        255,        256,        4095,       4096,       4097,
                                0xffff,     0x10000,    0x100000,   0x7ffff000, 0x7fffffff, 0x80000000, 0xffffffff, 1l << 32,   1l << 40,
                                1l << 46,   1l << 62,   -1,         -2,         -100,       -4096,      INT64_MAX,  INT64_MIN,  0x5401,
                                0x40000000, 0x80000001, 1l << 33,   0x7fffffffffff,          0x101010101010101,
                                0x5413,     0x5421,     0x541b,     0x5450,     0x5451};
  return values[next(rng) % (sizeof values / sizeof *values)];
}

static long pointer(uint64_t *rng) {
  uint64_t r = next(rng);
  unsigned long end = ARENA + PAGES * 4096;
  switch (r % 16) {
  case 0:
    return end - (r >> 8) % 64; /* reaches into the hole */
  case 1:
    return end + 4096 + (r >> 8) % 4096; /* read-only */
  case 2:
    return end + (r >> 8) % 4096; /* the hole */
  case 3:
    return interesting(rng);
  case 4:
    return 0x7ff000000000 + (r >> 8) % 0x500000; /* the stub and its pages */
  case 5:
    return 0x7ff001000000 + (r >> 8) % 0x40000; /* trap frames */
  case 6:
    return 0xffff800000000000 + (r >> 8) % 0x100000;
  case 7:
    return 0x7feffffff000 + (r >> 8) % 0x2000;
  default:
    return ARENA + (r >> 8) % (PAGES * 4096 - 64);
  }
}

/* a name, in the first page */
static long name(uint64_t *rng) {
  uint64_t i = next(rng) % (sizeof names / sizeof *names);
  strcpy((char *)ARENA + 64 * i, names[i]);
  return ARENA + 64 * i;
}

static long argument(uint64_t *rng) {
  uint64_t r = next(rng);
  switch (r % 11) {
  case 8:
  case 9:
    return name(rng);
  case 10:
    return ARENA + (r >> 8) % (PAGES + 3) * 4096;
  case 0:
  case 1:
    return (r >> 8) % 12; /* a descriptor, a flag */
  case 2:
    return interesting(rng);
  case 3:
    return 1l << (r >> 8) % 64;
  case 4:
    return (r >> 8) % 3 ? (long)((r >> 8) % 0x10000) : (long)next(rng);
  default:
    return pointer(rng);
  }
}

static void spoil(uint64_t *rng) {
  uint64_t r = next(rng);
  unsigned long at = ARENA + (r >> 8) % (PAGES * 4096 - 512);
  switch (r % 4) {
  case 0:
    strcpy((char *)at, names[(r >> 40) % (sizeof names / sizeof *names)]);
    break;
  case 1: /* words: iovecs, timespecs, sigsets, clone_args */
    for (int i = 0; i < 8; i++)
      ((long *)(at & ~7ul))[i] = argument(rng);
    break;
  case 2:
    memset((char *)at, (int)(r >> 40), 300);
    break;
  default:
    for (int i = 0; i < 8; i++)
      ((int *)(at & ~7ul))[i] = (int)argument(rng);
  }
}

static int harmless(long number, long *a, uint64_t *rng) {
  switch (number) {
  case SYS_exit:
  case SYS_exit_group:
  case SYS_rt_sigreturn:
  case SYS_vfork:
    return 0;
  case SYS_kill:
  case SYS_tkill:
  case SYS_tgkill:
  case SYS_rt_sigqueueinfo:
  case SYS_prlimit64:
  case SYS_pidfd_open:
    a[0] = next(rng) % 2 ? getpid() : 999999 + (long)(next(rng) % 5); /* never the first process */
    return number != SYS_kill && number != SYS_tkill ? 1 : a[1] != SIGKILL && a[1] != SIGSTOP;
  case SYS_fork:
  case SYS_clone:
    return next(rng) % 8 == 0;
  case SYS_clone3:
    return next(rng) % 8 == 0;
  case SYS_pause:
    return next(rng) % 16 == 0;
  }
  return 1;
}

__attribute__((noreturn)) static int work(void *argument_pointer) {
  uint64_t rng = (uintptr_t)argument_pointer;
  int thread = rng % THREADS;
  long a[6];
  for (;;) {
    for (int i = next(&rng) % 3; i >= 0; i--)
      spoil(&rng);
    uint64_t r = next(&rng);
    long number = r % 64 ? (long)((r >> 8) % 461) : (long)(uint32_t)next(&rng);
    if (r % 64 == 1)
      number = 0x40000000 | (r >> 8) % 461; /* x32 */
    for (int i = 0; i < 6; i++)
      a[i] = argument(&rng);
    if (r >> 20 & 1)
      a[r >> 21 & 1] = pointer(&rng); /* where most calls take one */
    if (!harmless(number, a, &rng))
      continue;
    if (number == SYS_clone)
      a[0] &= r >> 30 & 1 ? SIGCHLD : 0x00ffffff & ~CLONE_VM, a[1] = 0; /* a copy: it goes on where we are */
    if (number == SYS_clone3)
      a[1] = next(&rng) % 2 ? 88 : a[1];
    shared->number[thread] = number;
    pid_t before = getpid();
    raw(number, a);
    __atomic_fetch_add(&shared->calls, 1, __ATOMIC_RELAXED);
    if (raw(SYS_getpid, a) != before && (number == SYS_fork || number == SYS_clone || number == SYS_clone3))
      if (next(&rng) % 4)
        raw(SYS_exit_group, (long[6]){1});
  }
}

static void kill_descendants(void) { /* all that began after us; the shell that started us did not */
  DIR *directory = opendir("/proc");
  struct dirent *entry;
  while (directory && (entry = readdir(directory)))
    if (atoi(entry->d_name) > first)
      kill(atoi(entry->d_name), SIGKILL);
  if (directory)
    closedir(directory);
}

static void remove_objects(void) { /* System V objects stay when their makers are dead: what the system holds beyond them is what leaks */
  for (int i = 0; i < 8192; i++) {
    struct shmid_ds segment;
    struct msqid_ds queue;
    struct semid_ds set;
    int id;
    if ((id = shmctl(i, SHM_STAT, &segment)) >= 0)
      shmctl(id, IPC_RMID, NULL);
    if ((id = msgctl(i, MSG_STAT, &queue)) >= 0)
      msgctl(id, IPC_RMID, NULL);
    if ((id = semctl(i, 0, SEM_STAT, &set)) >= 0)
      semctl(id, 0, IPC_RMID);
  }
}

static void ignore(int signo) { (void)signo; }

static void worker(uint64_t seed) {
  setsid();
  chdir("/tmp/fuzz");
  mkdir("d", 0777);
  mkfifo("fifo", 0666);
  symlink("loop", "loop");
  symlink("a", "l");
  dup2(open("a", O_RDWR | O_CREAT, 0666), 0);
  dup2(open("b", O_RDWR | O_CREAT, 0666), 1);
  if (!getenv("FUZZ_ERRORS"))
    dup2(open("/dev/null", O_RDWR), 2);
  int pair[2];
  if (pipe(pair) == 0)
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
  open(".", O_RDONLY | O_DIRECTORY);
  char *arena = mmap((void *)ARENA, (PAGES + 3) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  munmap(arena + PAGES * 4096, 4096);
  mprotect(arena + (PAGES + 1) * 4096, 4096, PROT_READ);
  munmap(arena + (PAGES + 2) * 4096, 4096);
  for (int i = 1; i < 32; i++)
    signal(i, ignore);
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
  signal(SIGILL, SIG_DFL);
  struct timespec tick = {0, 10000000};
  timer_t timer;
  if (seed % 4 && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
    timer_settime(timer, 0, &(struct itimerspec){tick, tick}, NULL);
  for (int i = 1; i < THREADS; i++) {
    char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    clone(work, stack + 65536, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
          (void *)(seed * THREADS * 1000003 / THREADS * THREADS + i));
  }
  work((void *)(seed * THREADS * 1000003 / THREADS * THREADS + THREADS));
}

int main(int count, char **arguments) {
  uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 0) : 1;
  long calls = count > 2 ? strtol(arguments[2], NULL, 0) : 10000;
  long each = count > 3 ? strtol(arguments[3], NULL, 0) : 300;
  long every = count > 4 ? strtol(arguments[4], NULL, 0) : calls, said = 0;
  int workers = 0;
  struct utsname system;
  uname(&system);
  if (!strstr(system.release, "skerry")) {
    fprintf(stderr, "fuzz: only under Skerry: here it would reboot the machine or worse\n");
    return 2;
  }
  first = getpid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  mkdir("/tmp/fuzz", 0777);
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  while (shared->calls < calls) {
    long start = shared->calls, seen = start;
    pid_t child = fork();
    if (child < 0) { /* what earlier workers left behind may fill the table */
      kill_descendants();
      usleep(10000);
      continue;
    }
    if (child == 0)
      worker(seed + workers);
    workers++;
    for (int idle = 0; idle < 20 && shared->calls - start < each; idle++) {
      if (waitpid(child, NULL, WNOHANG) == child)
        break;
      usleep(5000);
      if (shared->calls != seen)
        idle = 0;
      seen = shared->calls;
    }
    kill_descendants();
    while (waitpid(-1, NULL, WNOHANG) > 0)
      ;
    if (shared->calls == start)
      shared->calls++; /* a worker that cannot begin must not stop the count */
    if (shared->calls - said >= every && shared->calls < calls) {
      said = shared->calls;
      remove_objects();
      printf("calls: %ld %d\n", said, workers);
      fflush(stdout);
    }
  }
  printf("calls: %ld %d\n", shared->calls, workers);
  return 0;
}
