/* What the stub in a guest process and the kernel share: addresses, pages, words.
 *
 * Everything here that a guest process can write is an allegation. The kernel copies a value once, checks the copy and never looks again.
 *
 *   STUB      r-x  the stub's text and constants, sealed
 *   DOORBELL  rw-  one page shared by every guest process and the kernel
 *   COMMAND   r--  written by the kernel: batches for the mapper, identities of contexts
 *   SCRATCH   rw-  what the mapper must write: its msghdr, thread ids (allegations)
 *   VDSO      r-x  the host's vDSO: clocks without a trap
 *   CONTEXTS  rw-  an area per context: a header page, a guard that is never touched, the alternate stack with the trap frame
 */
#ifndef SKERRY_LAYOUT_H
#define SKERRY_LAYOUT_H

#define STUB_BASE 0x7ff000000000
#define STUB_SIZE 0x10000
#define DOORBELL_BASE 0x7ff000100000
#define DOORBELL_SIZE 0x1000
#define COMMAND_BASE 0x7ff000200000
#define COMMAND_SIZE 0x10000
#define SCRATCH_BASE 0x7ff000300000
#define SCRATCH_SIZE 0x10000
#define VDSO_BASE 0x7ff000400000 /* the host's vDSO and its data, moved here */
#define VDSO_PARTS 4
#define CONTEXTS_BASE 0x7ff001000000
#define CONTEXT_SIZE 0x10000
#define CONTEXT_COUNT 1024 /* of one address space */
#define CONTEXTS_SIZE (CONTEXT_SIZE * CONTEXT_COUNT)
#define TASK_TOP 0x7ffffffff000

/* Offsets in the channel's memory object, one for each address space. */
#define CHANNEL_COMMAND 0
#define CHANNEL_SCRATCH 0x10000
#define CHANNEL_CONTEXTS 0x100000
#define CHANNEL_SIZE (CHANNEL_CONTEXTS + CONTEXTS_SIZE)

#define ALTSTACK_OFFSET 0x2000 /* in a context's area */
#define ALTSTACK_SIZE (CONTEXT_SIZE - ALTSTACK_OFFSET)

/* In the command pages. */
#define COMMAND_IDENTITY 0x1000 /* struct identity[CONTEXT_COUNT] */
#define COMMAND_STACK 0x5000    /* stack_t[CONTEXT_COUNT], 24 bytes each */
#define COMMAND_RECORDS 0xc000
#define RECORD_COUNT 256
#define RECORD_SIZE 64

/* In the scratch pages. */
#define SCRATCH_THREAD_IDS 0x1000 /* uint32_t[CONTEXT_COUNT] */
#define SCRATCH_OFFSETS 0x2000    /* uint64_t[OFFSET_COUNT]: file offsets that lseek moves without a trap; position * 2 + 1, 0: it traps */
#define OFFSET_COUNT 512

#define OP_THREAD 0x1000 /* start the context whose index is in argument 0 */
#define OP_FORK 0x1001   /* copy this address space; descriptors 1 and 2 are the child's channel and socket */

#define STATE_RUNNING 0
#define STATE_TRAPPED 1  /* the kernel's turn; the context spins */
#define STATE_SLEEPING 2 /* the kernel's turn; the context sleeps on the word */

#define SYSTEM_CONTEXTS 4096 /* bits in the doorbell */
#define SYSTEM_CHANNELS 128  /* of native tasks (channel.c) */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct doorbell {
  uint32_t sleeping; /* 1 while who receives the traps sleeps on this word: the kernel, or a task of its own */
  uint32_t pad[15];
  uint32_t crowded; /* 1: other contexts want the processor, do not spin */
  uint32_t pad2[15];
  uint32_t kernel_sleeping; /* the same for the kernel, where a task receives the traps */
  uint32_t messages; /* 1: the kernel has something for that task */
  uint32_t pad4[14];
  uint64_t ready[SYSTEM_CONTEXTS / 64]; /* a bit for each context that has trapped */
  uint64_t calling[SYSTEM_CHANNELS / 64]; /* a bit for each channel that holds a kernel call */
  uint32_t channels_running; /* native tasks that the kernel has answered and that have not called since */
  uint32_t pad3;
};

struct identity {
  uint32_t bell; /* the context's bit in the doorbell */
  uint32_t pid;  /* 0: ask the server */
  uint32_t tid;
  uint32_t pad;
};

struct command_page {
  uint32_t count; /* records of this batch */
  uint32_t spin;  /* how long a trapped context spins before it sleeps, in ticks of the time-stamp counter */
  struct {        /* for the template: the host mappings that make up the vDSO, the vDSO itself last; size 0: none */
    int64_t offset; /* from the vDSO's address */
    uint64_t size;
  } vdso[VDSO_PARTS];
};

struct record { /* a host call for the mapper */
  uint64_t number;
  uint64_t argument[6];
  uint64_t pad;
};

struct context_header {
  uint32_t state;
  uint32_t signo;
  uint64_t frame; /* offset of the ucontext in the context's area */
  uint64_t info;  /* offset of the siginfo */
  uint64_t fs_base;
  uint64_t gs_base;
  uint64_t load_bases; /* not 0: the kernel wants the bases loaded */
};
#endif
#endif
