/* _GNU_SOURCE: REG_RAX and its kind in ucontext.h */
#define _GNU_SOURCE
/* The trap handler of a guest context: publish the trap, wait for the kernel's answer, return.
 *
 * Runs on the context's alternate stack with every signal blocked, on the guest's FS and GS, without libc and without any memory that
 * the guest could not write. It decides nothing: a guest that forges what it publishes only asks for what it may ask for anyway.
 */
#include "layout.h"
#include <signal.h>
#include <ucontext.h>

#define NR_FUTEX 202
#define NR_LSEEK 8
#define NR_GETPID 39
#define NR_GETTID 186
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static inline long host_futex(uint32_t *word, long op, long value) {
  long result;
  register long timeout __asm__("r10") = 0;
  __asm__ volatile("syscall" : "=a"(result) : "a"(NR_FUTEX), "D"(word), "S"(op), "d"(value), "r"(timeout) : "rcx", "r11", "memory");
  return result;
}

static inline uint64_t ticks(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return ((uint64_t)high << 32) | low;
}

static inline void wait_for_answer(struct context_header *context, struct doorbell *doorbell, uint64_t spin) {
  for (uint64_t end = ticks() + spin; ticks() < end && !__atomic_load_n(&doorbell->crowded, __ATOMIC_RELAXED);) {
    if (__atomic_load_n(&context->state, __ATOMIC_ACQUIRE) == STATE_RUNNING)
      return;
    __asm__ volatile("pause");
  }
  uint32_t expected = STATE_TRAPPED;
  __atomic_compare_exchange_n(&context->state, &expected, STATE_SLEEPING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  while (__atomic_load_n(&context->state, __ATOMIC_ACQUIRE) != STATE_RUNNING)
    host_futex(&context->state, FUTEX_WAIT, STATE_SLEEPING);
}

/* lseek on a descriptor whose offset is lent to the program: the word is the offset, whoever changes it does so at once. */
static inline int move_offset(greg_t *registers) {
  uint64_t descriptor = (uint32_t)registers[REG_RDI], whence = (uint32_t)registers[REG_RDX];
  if (descriptor >= OFFSET_COUNT || whence > 1)
    return 0;
  uint64_t *word = (uint64_t *)(SCRATCH_BASE + SCRATCH_OFFSETS) + descriptor;
  uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
  while (old & 1) {
    int64_t position = registers[REG_RSI];
    if (whence && __builtin_add_overflow(position, (int64_t)(old >> 1), &position))
      return 0;
    if (position < 0)
      return 0;
    if (__atomic_compare_exchange_n(word, &old, (uint64_t)position << 1 | 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
      registers[REG_RAX] = position;
      return 1;
    }
  }
  return 0;
}

/* The emulation library's own answers: 1 if the call is done. */
static inline int answer(const struct identity *identity, greg_t *registers) {
  switch (registers[REG_RAX]) {
  case NR_GETPID:
    registers[REG_RAX] = identity->pid;
    return 1;
  case NR_GETTID:
    registers[REG_RAX] = identity->tid;
    return 1;
  case NR_LSEEK:
    return move_offset(registers);
  }
  return 0;
}

__attribute__((used)) void stub_trap(int signo, siginfo_t *info, void *frame) {
  uint64_t area = (uint64_t)frame & ~(uint64_t)(CONTEXT_SIZE - 1);
  if (area - CONTEXTS_BASE >= CONTEXTS_SIZE)
    __builtin_trap();
  struct context_header *context = (struct context_header *)area;
  struct doorbell *doorbell = (struct doorbell *)DOORBELL_BASE;
  const struct command_page *command = (const struct command_page *)COMMAND_BASE;
  const struct identity *identity = (const struct identity *)(COMMAND_BASE + COMMAND_IDENTITY) + (area - CONTEXTS_BASE) / CONTEXT_SIZE;
  ucontext_t *state = frame;

  if (signo == SIGSYS && identity->pid && answer(identity, state->uc_mcontext.gregs))
    return;
  context->signo = signo;
  context->frame = (uint64_t)frame - area;
  context->info = (uint64_t)info - area;
  context->fs_base = __builtin_ia32_rdfsbase64();
  context->gs_base = __builtin_ia32_rdgsbase64();
  __atomic_store_n(&context->state, STATE_TRAPPED, __ATOMIC_RELEASE);
  uint32_t bell = identity->bell;
  __atomic_fetch_or(&doorbell->ready[(bell / 64) % (SYSTEM_CONTEXTS / 64)], 1ul << (bell % 64), __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&doorbell->sleeping, __ATOMIC_SEQ_CST) && __atomic_exchange_n(&doorbell->sleeping, 0, __ATOMIC_SEQ_CST))
    host_futex(&doorbell->sleeping, FUTEX_WAKE, 1);
  wait_for_answer(context, doorbell, command->spin);
  if (context->load_bases) {
    __builtin_ia32_wrfsbase64(context->fs_base);
    __builtin_ia32_wrgsbase64(context->gs_base);
  }
}

/* What follows runs once, in the template process, on the stack that exec gave it and before any guest code exists. */
#include "filters.h"

#define NR_CLOSE_RANGE 436
#define NR_MSEAL 462

static inline long host(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

struct host_sigaction {
  void (*handler)(int, siginfo_t *, void *);
  unsigned long flags;
  void (*restorer)(void);
  unsigned long mask;
};

void stub_restore(void);
void stub_strip(void);
extern const char stub_end[];

static void require(long result, long expected, int code) {
  if (result != expected)
    host(231, code, 0, 0, 0, 0, 0); /* exit_group: the kernel reports the code */
}

static long map_shared(uint64_t address, long size, long protection, long descriptor, long offset) {
  return host(9, address, size, protection, 0x11, descriptor, offset); /* MAP_SHARED | MAP_FIXED */
}

/* stack: as the host's exec left it (argc, argv, environment, auxiliary vector) */
__attribute__((used, noreturn)) void stub_boot(uint64_t *stack) {
  uint64_t *word = stack + 1 + *stack + 1; /* past argc, argv and its NULL */
  while (*word)
    word++;
  uint64_t vdso = 0;
  for (word++; word[0]; word += 2)
    if (word[0] == 33)
      vdso = word[1];

  require(map_shared(COMMAND_BASE, COMMAND_SIZE, 1, 1, CHANNEL_COMMAND), COMMAND_BASE, 101);
  require(map_shared(SCRATCH_BASE, SCRATCH_SIZE, 3, 1, CHANNEL_SCRATCH), SCRATCH_BASE, 102);
  require(map_shared(CONTEXTS_BASE, CONTEXTS_SIZE, 3, 1, CHANNEL_CONTEXTS), CONTEXTS_BASE, 103);
  require(map_shared(DOORBELL_BASE, DOORBELL_SIZE, 3, 2, 0), DOORBELL_BASE, 104);
  host(NR_CLOSE_RANGE, 1, ~0u, 0, 0, 0, 0);
  host(157, 1, 9, 0, 0, 0, 0);                                          /* PR_SET_PDEATHSIG, SIGKILL */
  require(host(157, 38, 1, 0, 0, 0, 0), 0, 105);                        /* PR_SET_NO_NEW_PRIVS */
  static const int traps[] = {SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGURG};
  for (unsigned i = 0; i < sizeof traps / sizeof *traps; i++) {
    struct host_sigaction action = {stub_trap, SA_SIGINFO | SA_ONSTACK | 0x04000000, stub_restore, ~0ul};
    require(host(13, traps[i], (long)&action, 0, 8, 0, 0), 0, 106);
  }
  uint64_t none = 0;
  host(14, 2, (long)&none, 0, 8, 0, 0); /* SIG_SETMASK: nothing blocked */

  /* Keep the stub, its pages and the vDSO with its data; drop the rest, this stack included (the mapper uses none). */
  host(NR_MSEAL, STUB_BASE, ((long)stub_end - STUB_BASE + 0xfff) & ~0xfffl, 0, 0, 0, 0);
  host(NR_MSEAL, DOORBELL_BASE, DOORBELL_SIZE, 0, 0, 0, 0);
  const struct command_page *command = (const struct command_page *)COMMAND_BASE;
  for (int i = 0; vdso && i < VDSO_PARTS && command->vdso[i].size; i++)
    require(host(25, vdso + command->vdso[i].offset, command->vdso[i].size, command->vdso[i].size, 3,
                 VDSO_BASE + command->vdso[i].offset - command->vdso[0].offset, 0), /* MREMAP_MAYMOVE | MREMAP_FIXED */
            VDSO_BASE + command->vdso[i].offset - command->vdso[0].offset, 109);
  require(host(317, 1, 4, (long)&mapper_program, 0, 0, 0), 0, 107); /* SECCOMP_SET_MODE_FILTER, SPEC_ALLOW */
  host(11, 0, STUB_BASE, 0, 0, 0, 0);
  stub_strip();
  __builtin_unreachable();
}
