/* channel: forges what the stub shares with the kernel: trap headers, frames, vector states, the doorbell, thread ids.
 *
 * Rows 5-8 and 17 of the attack table. The context of a process's first thread is number 0 of its space.
 */
#include "attack.h"

#define AREA CONTEXTS_BASE
#define HEADER ((volatile struct context_header *)AREA)
#define BELLS ((volatile struct doorbell *)DOORBELL_BASE)
#define IDENTITY ((volatile struct identity *)(COMMAND_BASE + COMMAND_IDENTITY))

static ucontext_t *saved(void) { /* where the last trap of this context left its frame */
  return (ucontext_t *)(AREA + HEADER->frame);
}

static void publish(void) { /* as the stub does: the kernel's turn */
  HEADER->state = STATE_TRAPPED;
  unsigned bell = IDENTITY->bell;
  __atomic_fetch_or(&BELLS->ready[bell / 64], 1ul << bell % 64, __ATOMIC_SEQ_CST);
  for (volatile long i = 0; i < 2000000000 && HEADER->state != STATE_RUNNING; i++)
    ;
}

static void honest_header(void) {
  raw(SYS_getppid, 0, 0, 0); /* the stub fills it in */
}

static void forged_signo(long value) {
  honest_header();
  HEADER->signo = value;
  publish();
}

static void forged_frame(long value) {
  honest_header();
  HEADER->frame = value;
  publish();
}

static void forged_info(long value) {
  honest_header();
  HEADER->info = value;
  publish();
}

static void forged_call(long number) { /* a call that no instruction made: equals one that this process may make */
  honest_header();
  HEADER->signo = SIGSYS;
  saved()->uc_mcontext.gregs[REG_RAX] = number;
  publish();
}

static void forged_fpstate(long value) { /* the kernel follows it when a fork copies the vector state */
  honest_header();
  saved()->uc_mcontext.fpregs = (void *)value;
  saved()->uc_mcontext.gregs[REG_RAX] = SYS_fork;
  publish();
}

static void forged_xstate_size(long value) {
  honest_header();
  char *state = (char *)saved()->uc_mcontext.fpregs;
  *(uint32_t *)(state + 464) = 0x46505853;
  *(uint32_t *)(state + 468) = value;
  saved()->uc_mcontext.gregs[REG_RAX] = SYS_fork;
  publish();
}

static void garbage_area(long value) { /* every byte that can be written, then a trap */
  memset((void *)(AREA + 8), (int)value, CONTEXT_SIZE - 8);
  publish();
  raw(SYS_getppid, 0, 0, 0);
}

static void garbage_scratch(long value) { /* the mapper's msghdr and thread ids */
  memset((void *)SCRATCH_BASE, (int)value, SCRATCH_SIZE);
  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fork() == 0)
    _exit(0);
}

static void forged_offset(long value) { /* of every descriptor, before each call that uses one */
  volatile uint64_t *words = (volatile uint64_t *)(SCRATCH_BASE + SCRATCH_OFFSETS);
  char buffer[64];
  int small = open("/tmp/small", O_RDWR | O_CREAT, 0600), large = open("/tmp/large", O_RDWR | O_CREAT, 0600);
  int host = open("/etc/passwd", O_RDONLY), directory = open("/etc", O_RDONLY | O_DIRECTORY), process = open("/proc/self/maps", O_RDONLY);
  int fds[] = {small, large, host, directory, process, 0, 1, 2};
  write(small, buffer, 10), ftruncate(large, 5 << 20);
  for (int call = 0; call < 9; call++)
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
      int fd = fds[i];
      lseek(fd, 1, SEEK_SET), lseek(fd, 0, SEEK_CUR), lseek(fd, 1, SEEK_CUR); /* it is lent now, if it ever is */
      for (int n = 0; n < OFFSET_COUNT; n++)
        words[n] = value;
      switch (call) {
      case 0: read(fd, buffer, sizeof buffer); break;
      case 1: if (fd > 2) write(fd, buffer, sizeof buffer); break;
      case 2: lseek(fd, 1, SEEK_CUR), lseek(fd, 1, SEEK_END); break;
      case 3: raw6(SYS_sendfile, small, fd, 0, 100, 0, 0); break;
      case 4: raw6(SYS_copy_file_range, fd, 0, large, 0, 100, 0); break;
      case 5: raw(SYS_getdents64, fd, buffer, sizeof buffer); break;
      case 6: raw6(SYS_fcntl, fd, F_SETLK, (long)&(struct flock){.l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = 1}, 0, 0, 0); break;
      case 7: if (fork() == 0) _exit(lseek(fd, 0, SEEK_CUR) != 0); break;
      case 8: close(dup(fd)), dup2(fd, 100), close(100); break;
      }
    }
}

static void other_bells(long value) { /* rings for contexts that have not trapped, of other processes */
  for (long i = 0; i < 300000000; i++)
    BELLS->ready[i % (SYSTEM_CONTEXTS / 64)] = value;
}

static void sleeping_word(long value) { /* the kernel's own futex word */
  for (long i = 0; i < 100000000; i++)
    BELLS->sleeping = value;
}

static void states(long value) { /* of contexts of this space that do not exist */
  for (long i = 1; i < CONTEXT_COUNT; i++)
    ((volatile struct context_header *)(CONTEXTS_BASE + i * CONTEXT_SIZE))->state = value;
  memset((void *)BELLS->ready, 255, sizeof BELLS->ready);
}

static volatile int stop;

static void *spoil_header(void *unused) {
  (void)unused;
  for (long i = 0; !stop; i++) {
    HEADER->signo = i;
    HEADER->frame = i * 8;
    HEADER->info = i * 4;
    HEADER->state = i % 4;
  }
  return NULL;
}

static void racing_header(long unused) { /* a second thread writes while the kernel reads */
  (void)unused;
  pthread_t thread;
  pthread_create(&thread, NULL, spoil_header, NULL);
  for (int i = 0; i < 20000; i++)
    raw(SYS_getppid, 0, 0, 0);
}

static void *spoil_scratch(void *victim) {
  volatile uint32_t *ids = (volatile uint32_t *)(SCRATCH_BASE + SCRATCH_THREAD_IDS);
  volatile uint64_t *message = (volatile uint64_t *)SCRATCH_BASE;
  for (long i = 0; !stop; i++) {
    if (victim)
      for (int c = 1; c < 400; c++)
        ids[c] = (uintptr_t)victim;
    else
      message[i % 10] = i << 33;
  }
  return NULL;
}

static void *nothing(void *unused) { return unused; }

static void racing_scratch(long victim) { /* thread ids while threads start; the message header while descriptors come */
  pthread_t spoiler, thread;
  pthread_create(&spoiler, NULL, spoil_scratch, (void *)victim);
  for (int i = 0; i < 300; i++) {
    if (pthread_create(&thread, NULL, nothing, NULL) == 0 && i % 3)
      pthread_detach(thread);
    if (!victim) {
      int fd = open("/etc/passwd", O_RDONLY);
      mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
      close(fd);
      if (i % 10 == 0 && fork() == 0)
        _exit(0);
    }
  }
  stop = 1;
}

int main(int count, char **arguments) {
  static const long numbers[] = {0, 1, 5, 32, 64, 200, 0x7fffffff, 0x80000000, 0xffffffff};
  static const long offsets[] = {0, 8, 0x1ff8, 0x2000, 0x2001, CONTEXT_SIZE - 8, CONTEXT_SIZE, 1l << 31, 1l << 32, INT64_MAX, INT64_MIN, -8};
  long victim = count > 1 ? atol(arguments[1]) : 0;
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
    in_child("signo", forged_signo, numbers[i]);
  for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    in_child("frame", forged_frame, offsets[i]);
    in_child("info", forged_info, offsets[i]);
    in_child("fpstate", forged_fpstate, offsets[i]);
    in_child("fpstate", forged_fpstate, AREA + offsets[i]);
    in_child("xstate-size", forged_xstate_size, offsets[i]);
  }
  static const long offsets_lent[] = {0, 1, 2, 3, 201, -1, INT64_MAX, INT64_MIN, INT64_MIN + 1, 1l << 40 | 1};
  for (unsigned i = 0; i < sizeof offsets_lent / sizeof *offsets_lent; i++)
    in_child("offset", forged_offset, offsets_lent[i]);
  in_child("call", forged_call, 12345);
  in_child("call", forged_call, SYS_exit_group);
  in_child("area", garbage_area, 0);
  in_child("area", garbage_area, 255);
  in_child("area", garbage_area, 0x41);
  in_child("scratch", garbage_scratch, 0);
  in_child("scratch", garbage_scratch, 255);
  in_child("bells", other_bells, -1);
  in_child("bells", other_bells, 0);
  in_child("sleeping", sleeping_word, 0);
  in_child("sleeping", sleeping_word, 1);
  in_child("sleeping", sleeping_word, 7);
  in_child("states", states, STATE_TRAPPED);
  in_child("states", states, -1);
  in_child("header-race", racing_header, 0);
  in_child("scratch-race", racing_scratch, 0);
  if (victim)
    in_child("thread-id-race", racing_scratch, victim);
  return 0;
}
