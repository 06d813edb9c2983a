/* sigreturn [GADGET]: forged signal frames, through the server's rt_sigreturn and, by the stub's own instruction, through the host's.
 *
 * Rows 8, 9 and 14 of the attack table. GADGET is the address of the stub's "mov $15, %eax; syscall".
 */
#include "attack.h"

static unsigned long gadget;
static volatile char *reached; /* shared: set by code that a forged frame leads to */
static char stack[65536] __attribute__((aligned(64)));
static char state[8192] __attribute__((aligned(64)));

struct frame {
  ucontext_t context; /* the host reads its first 304 bytes */
};

static void landed(void) {
  reached[0] = 1;
  long parent = raw(SYS_getppid, 0, 0, 0);
  _exit(parent > 0 ? 7 : 8);
}

static void spin(void) {
  reached[0] = 1;
  for (;;)
    ;
}

static void mask_then_spin_with_traps(void) {
  for (;;)
    raw(SYS_getppid, 0, 0, 0);
}

static int host;

static struct frame *honest(void (*where)(void)) {
  struct frame *frame = (struct frame *)(stack + 32768);
  memset(frame, 0, sizeof *frame);
  greg_t *r = frame->context.uc_mcontext.gregs;
  r[REG_RIP] = (greg_t)where;
  r[REG_RSP] = (greg_t)(stack + 16384 - 8);
  r[REG_EFL] = 0x202;
  r[REG_CSGSFS] = 0x002b000000000033;
  frame->context.uc_flags = 6;
  if (host) { /* as the stub has it */
    frame->context.uc_stack.ss_sp = (void *)(CONTEXTS_BASE + ALTSTACK_OFFSET);
    frame->context.uc_stack.ss_size = ALTSTACK_SIZE;
  } else
    frame->context.uc_stack.ss_flags = SS_DISABLE;
  return frame;
}

static void by_host(struct frame *frame) { __asm__ volatile("mov %0, %%rsp; jmp *%1" ::"r"(frame), "r"(gadget)); }
static void by_server(struct frame *frame) { __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; ud2" ::"r"(frame)); }

static void go(struct frame *frame) { (host ? by_host : by_server)(frame); }

static void plain(long unused) {
  (void)unused;
  go(honest(landed));
}

static void selector(long value) {
  struct frame *f = honest(landed);
  f->context.uc_mcontext.gregs[REG_CSGSFS] = value;
  go(f);
}

static void flags(long value) {
  struct frame *f = honest(landed);
  f->context.uc_mcontext.gregs[REG_EFL] = value;
  go(f);
}

static void address(long value) {
  struct frame *f = honest((void (*)(void))value);
  go(f);
}

static void stack_pointer(long value) {
  struct frame *f = honest(landed);
  f->context.uc_mcontext.gregs[REG_RSP] = value;
  go(f);
}

static void alternate(long value) { /* the host's alternate stack of this context, then a trap */
  struct frame *f = honest(landed);
  f->context.uc_stack.ss_sp = (void *)value;
  f->context.uc_stack.ss_size = 65536;
  f->context.uc_stack.ss_flags = 0;
  go(f);
}

static void masked(long signals) { /* a trap that the host cannot deliver */
  struct frame *f = honest(landed);
  memcpy(&f->context.uc_sigmask, &signals, 8);
  go(f);
}

static void masked_spin(long signals) { /* never makes a call again: SIGKILL must end it all the same */
  struct frame *f = honest(spin);
  memcpy(&f->context.uc_sigmask, &signals, 8);
  go(f);
}

static void masked_calls(long signals) {
  struct frame *f = honest(mask_then_spin_with_traps);
  memcpy(&f->context.uc_sigmask, &signals, 8);
  go(f);
}

static void vector_pointer(long value) {
  struct frame *f = honest(landed);
  f->context.uc_mcontext.fpregs = (void *)value;
  f->context.uc_flags = 7;
  go(f);
}

static void vector_state(long kind) {
  struct frame *f = honest(landed);
  f->context.uc_mcontext.fpregs = (void *)state;
  f->context.uc_flags = 7;
  memset(state, 0, sizeof state);
  *(uint32_t *)(state + 24) = 0x1f80;
  *(uint32_t *)(state + 464) = 0x46505853;
  *(uint32_t *)(state + 468) = 2696 + 4; /* extended_size */
  *(uint64_t *)(state + 472) = 0xe7;     /* xfeatures */
  *(uint32_t *)(state + 480) = 2696;     /* xstate_size */
  *(uint32_t *)(state + 2696) = 0x46505845;
  *(uint64_t *)(state + 512) = 7;
  switch (kind) {
  case 1:
    *(uint32_t *)(state + 24) = 0xffffffff; /* reserved bits of MXCSR */
    break;
  case 2:
    *(uint64_t *)(state + 512) = -1; /* components that are not there */
    break;
  case 3:
    *(uint64_t *)(state + 520) = -1; /* a compacted format */
    break;
  case 4:
    memset(state + 512, 255, sizeof state - 512);
    break;
  case 5:
    *(uint32_t *)(state + 468) = -1;
    break;
  case 6:
    *(uint32_t *)(state + 468) = 577;
    break;
  case 7:
    *(uint32_t *)(state + 468) = 16384;
    break;
  case 8:
    memset(state, 255, sizeof state);
    break;
  }
  go(f);
}

static void run(const char *name, void (*attack)(long), long argument) {
  reached[0] = 0;
  in_child(name, attack, argument);
}

int main(int count, char **arguments) {
  static const long selectors[] = {0, -1, 0x33, 0x23, 0x10, 0x08, 0x002b0000000000c3, 0x0018000000000010, 0x002b000000000030};
  static const long flag_words[] = {0, -1, 0x202 | 0x3000, 0x202 | 0x4000, 0x302, 0x40202, 0x20202, 0x80202, 0x100202, 0x200202};
  static const long addresses[] = {0, 1l << 47, INT64_MIN, 0xffffffffff600000, STUB_BASE, COMMAND_BASE, CONTEXTS_BASE, -1, 0x7ffffffff000};
  static const long places[] = {0, COMMAND_BASE, SCRATCH_BASE, DOORBELL_BASE, CONTEXTS_BASE, CONTEXTS_BASE + 0x8000, STUB_BASE, INT64_MIN, -4096,
                                CONTEXTS_BASE + CONTEXT_SIZE, 1l << 47};
  gadget = count > 1 ? strtoul(arguments[1], NULL, 16) : 0;
  reached = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (host = 0; host <= (gadget != 0); host++) {
    printf("way: %s\n", host ? "host" : "server");
    char name[64];
#define RUN(attack, argument) (snprintf(name, sizeof name, "%s-%s", host ? "host" : "server", #attack), run(name, attack, argument))
    RUN(plain, 0);
    for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++)
      RUN(selector, selectors[i]);
    for (unsigned i = 0; i < sizeof flag_words / sizeof *flag_words; i++)
      RUN(flags, flag_words[i]);
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++)
      RUN(address, addresses[i]);
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
      RUN(stack_pointer, places[i]);
      RUN(alternate, places[i]);
      RUN(vector_pointer, places[i]);
    }
    for (int kind = 0; kind < 9; kind++)
      RUN(vector_state, kind);
    RUN(masked, -1);
    RUN(masked, 1l << (SIGSYS - 1));
    RUN(masked_spin, -1);
    RUN(masked_calls, 1l << (SIGURG - 1));
  }
  return 0;
}
