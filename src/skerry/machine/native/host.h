/* What the parts of the host extension share: its types, and the functions that one part calls in another.
 *
 * mapper.c      batches of host calls that a guest process's mapper makes
 * context.c     registers, vector state, resuming
 * placement.c   who runs on which processor, and who spins
 * space.c       guest processes: their memory, forks, ends
 * machine.c     traps and host events, the template process
 * host.c        the module
 */
#ifndef SKERRY_HOST_H
#define SKERRY_HOST_H
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "layout.h"

#define REGISTER_COUNT 23
#define DESCRIPTOR_COUNT 16 /* that one batch may carry */
#define RAX 13 /* indices of skerry.abi.registers */
#define RIP 16
#define CSGSFS 18
#define UCONTEXT_GREGS 40 /* offsets in struct ucontext */
#define UCONTEXT_FPSTATE 224
#define UCONTEXT_SIGMASK 296
#define UCONTEXT_SIZE 304
#define XSTATE_MAX 16384
#define CLOSING UINT64_MAX /* the watcher's last event */
#define COMPUTING_RATE 5000 /* traps a second below which programs compute more than they ask */
#define DYING_COUNT 64 /* killed processes whose end nobody waits for */
#define FPX_MAGIC1 0x46505853
#define TRAPS (1u << SIGSYS | 1u << SIGSEGV | 1u << SIGBUS | 1u << SIGILL | 1u << SIGFPE | 1u << SIGTRAP | 1u << SIGURG) /* the stub's signals */

enum cause { CAUSE_SYSTEM_CALL, CAUSE_FAULT, CAUSE_INTERRUPTION, CAUSE_DEATH };

__attribute__((visibility("hidden"))) extern PyObject *fault_error; /* skerry.abi.fault.Fault */

#define HIDDEN __attribute__((visibility("hidden")))

typedef struct Context Context;

typedef struct {
  PyObject_HEAD
  struct doorbell *doorbell;
  int doorbell_descriptor; /* -1: the kernel's, mapped here */
  char receives; /* the traps of contexts come to this process; else a task of its own has them (space_adopt) */
  char is_kernel; /* it made the contexts, and native tasks call it */
  Context *bells[SYSTEM_CONTEXTS]; /* borrowed: a context takes itself out */
  unsigned next_bell, scan;        /* where to look for a free bell; where to look for the next trap */
  uint64_t spin_ticks, ticks_per_us;
  int kernel_processor;            /* -1: not pinned */
  cpu_set_t all, processors;       /* of the host that are ours; of these, the contexts' while the kernel has one to itself */
  int guest_processors, active;    /* contexts that run now */
  int wide;                        /* whether contexts use all processors */
  uint64_t weighed, weighed_traps; /* when that was last decided (ns, monotonic), and the traps until then */
  Context *last_trapped;           /* borrowed, only to be compared */
  PyObject *callers[SYSTEM_CHANNELS]; /* what wait returns when a channel's bell rings, or NULL */
  unsigned caller_scan;
  int contexts_first;              /* whose turn it is when both have rung */
  int epoll_descriptor;
  pthread_t watcher;
  pthread_mutex_t lock;            /* of the queue below */
  uint64_t events[256];            /* what the watcher saw: numbers that watched gives a meaning, or none any more */
  unsigned event_head, event_tail;
  PyObject *watched;               /* dict: descriptor -> (watch number, object) */
  uint32_t last_watch;
  PyObject *when_idle;             /* called by wait before it next sleeps, or NULL */
  uint64_t traps, wakes, host_calls;
  uint64_t recheck_due;            /* monotonic */
  int dying[DYING_COUNT];          /* pidfds of killed processes that were not reaped yet, oldest first */
  unsigned dying_count;
} Machine;

typedef struct {
  PyObject_HEAD
  Machine *machine;
  pid_t pid;
  int pidfd, socket, channel;
  char *pages; /* the channel's memory object, mapped here */
  unsigned contexts; /* used indices, from 0 */
  char alive;
  PyObject *mapped; /* count of host mappings made, for --stats */
  uint64_t host_calls;
  unsigned batch; /* records that wait in the command page */
  int descriptors[DESCRIPTOR_COUNT]; /* that go with the batch */
  unsigned descriptor_count;
  PyObject *changes; /* of an adopted space: called to have the queued changes made by the kernel; returns an errno */
  char changed; /* whether any are queued */
} Space;

struct Context {
  PyObject_HEAD
  Space *space;
  PyObject *owner;
  unsigned index, bell;
  pid_t tid;
  char arrived;  /* it has trapped once: there is a frame */
  char running;  /* the kernel has let it go */
  char resume_on_arrival;
  char dirty;    /* registers differ from the frame's */
  char load_bases;
  int cause;
  int signo, code;
  uint64_t address;
  uint64_t frame; /* offset of the ucontext in the area, checked */
  uint64_t registers[REGISTER_COUNT];
  uint64_t fs_base, gs_base;
  PyObject *pending_xstate; /* for a context that has not arrived; Py_None: reset */
};

HIDDEN extern PyTypeObject MachineType, SpaceType, ContextType;

static inline struct context_header *header_of(Context *c) {
  return (struct context_header *)(c->space->pages + CHANNEL_CONTEXTS + (size_t)c->index * CONTEXT_SIZE);
}

static inline PyObject *host_error(const char *what) {
  return PyErr_SetFromErrnoWithFilename(PyExc_OSError, what);
}

static inline long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout) {
  return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static inline uint64_t monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

/* The word that this process sleeps on. */
static inline uint32_t *bed(Machine *m) {
  return m->receives ? &m->doorbell->sleeping : &m->doorbell->kernel_sleeping;
}

static inline void wake(uint32_t *word) {
  if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST))
    futex(word, FUTEX_WAKE, 1, NULL);
}

/* mapper.c */
HIDDEN int lost(Space *s);
HIDDEN int exchange(Space *s);
HIDDEN void put_record(Space *s, struct record record);
HIDDEN int has_changes(Space *s);
HIDDEN int flush(Space *s);
HIDDEN int command(Space *s, struct record record);
HIDDEN PyObject *batch_error(int error);

/* context.c */
HIDDEN Context *new_context(Space *s);
HIDDEN Context *adopt_context(Space *s, unsigned index, unsigned bell, pid_t tid);
HIDDEN int start_context(Context *c);
HIDDEN int load_frame(Context *c);
HIDDEN void store_xstate(Context *c, const char *state, size_t length);
HIDDEN void release(Context *c);
HIDDEN void release_bell(Context *c);

/* placement.c */
HIDDEN void place(Context *c);
HIDDEN void place_mapper(Space *s);
HIDDEN void weigh(Machine *m, uint64_t now);
HIDDEN void set_running(Context *c);
HIDDEN void set_stopped(Context *c);

/* space.c */
HIDDEN Space *new_space(Machine *m);
HIDDEN Space *adopt_space(Machine *m, char *pages, pid_t pid, PyObject *changes);
HIDDEN int greet(Space *s);
HIDDEN int make_socket(Space *s, int *other);
HIDDEN void reap_nameless(Machine *m);
HIDDEN void reap(Machine *m, unsigned most);

#endif
