/* The kernel's side of the machine: guest processes, contexts and traps, as Python types.
 *
 * It moves registers and bytes and decides nothing. All that a guest process can write is read once, checked, and used from the copy.
 * The thread that calls Machine.wait is the only one that uses these types; a second thread, in C alone, turns host events into doorbells.
 */
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

static PyObject *fault_error; /* skerry.abi.fault.Fault */

/* ---- Types ---- */

typedef struct Context Context;

typedef struct {
  PyObject_HEAD
  struct doorbell *doorbell;
  int doorbell_descriptor;
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

static PyTypeObject MachineType, SpaceType, ContextType;

static struct context_header *header_of(Context *c) {
  return (struct context_header *)(c->space->pages + CHANNEL_CONTEXTS + (size_t)c->index * CONTEXT_SIZE);
}

static PyObject *host_error(const char *what) {
  return PyErr_SetFromErrnoWithFilename(PyExc_OSError, what);
}

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout) {
  return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static uint64_t monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void ring(Machine *m) {
  if (__atomic_exchange_n(&m->doorbell->sleeping, 0, __ATOMIC_SEQ_CST))
    futex(&m->doorbell->sleeping, FUTEX_WAKE, 1, NULL);
}

/* ---- The mapper's commands ---- */

/* The mapper does not answer as it must: nothing can be known of this space any more, so its process ends. */
static int lost(Space *s) {
  s->alive = 0;
  syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
  return ESRCH;
}

/* Send what is in the command pages, with descriptors, and wait for the answer. 0, or an errno; a dead process is ESRCH. */
static int exchange(Space *s) {
  ((struct command_page *)(s->pages + CHANNEL_COMMAND))->count = s->batch;
  char byte = 0;
  struct iovec part = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof s->descriptors)];
    struct cmsghdr align;
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (s->descriptor_count) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(s->descriptor_count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(s->descriptor_count * sizeof(int));
    memcpy(CMSG_DATA(c), s->descriptors, s->descriptor_count * sizeof(int));
  }
  s->host_calls += s->batch;
  s->machine->host_calls += s->batch;
  s->batch = 0;
  s->descriptor_count = 0;
  if (sendmsg(s->socket, &message, MSG_NOSIGNAL) != 1)
    return lost(s);
  ssize_t length;
  do
    length = recv(s->socket, NULL, 0, MSG_TRUNC);
  while (length < 0 && errno == EINTR);
  return length <= 0 ? lost(s) : (int)length - 1;
}

static void put_record(Space *s, struct record record) {
  ((struct record *)(s->pages + CHANNEL_COMMAND + COMMAND_RECORDS))[s->batch++] = record;
}

static void put_closes(Space *s, unsigned descriptors) {
  while (descriptors)
    put_record(s, (struct record){.number = SYS_close, .argument = {descriptors--}});
}

/* Have the mapper make the queued calls and close the descriptors that came with them: its table is empty between batches,
 * so the numbers are known beforehand. */
static int flush(Space *s) {
  if (!s->batch)
    return 0;
  unsigned descriptors = s->descriptor_count;
  put_closes(s, descriptors);
  int error = exchange(s);
  if (error && error != ESRCH && descriptors) { /* it stopped before the closes */
    put_closes(s, descriptors);
    if (exchange(s))
      return lost(s);
  }
  return error;
}

/* Put one host call into the batch; flushes when it is full. 0 or an errno of that flush. */
static int command(Space *s, struct record record) {
  int error = s->batch >= RECORD_COUNT - DESCRIPTOR_COUNT ? flush(s) : 0;
  if (!error)
    put_record(s, record);
  return error;
}

static PyObject *batch_error(int error) {
  if (!error)
    Py_RETURN_NONE;
  errno = error;
  return PyErr_SetFromErrno(PyExc_OSError);
}

/* ---- Context ---- */

static Context *new_context(Space *s) {
  if (s->contexts == CONTEXT_COUNT) {
    errno = EAGAIN;
    return (Context *)host_error("too many contexts in one address space");
  }
  Machine *m = s->machine;
  unsigned bell = m->next_bell, tries = 0;
  while (m->bells[bell] && tries++ < SYSTEM_CONTEXTS)
    bell = (bell + 1) % SYSTEM_CONTEXTS;
  if (m->bells[bell]) {
    errno = EAGAIN;
    return (Context *)host_error("too many contexts");
  }
  Context *c = PyObject_New(Context, &ContextType);
  if (!c)
    return NULL;
  memset((char *)c + sizeof(PyObject), 0, sizeof *c - sizeof(PyObject));
  c->space = (Space *)Py_NewRef((PyObject *)s);
  c->owner = Py_NewRef(Py_None);
  c->index = s->contexts++;
  c->bell = bell;
  m->bells[bell] = c;
  m->next_bell = (bell + 1) % SYSTEM_CONTEXTS;
  struct identity *identity = (struct identity *)(s->pages + CHANNEL_COMMAND + COMMAND_IDENTITY) + c->index;
  *identity = (struct identity){.bell = bell};
  stack_t *stack = (stack_t *)(s->pages + CHANNEL_COMMAND + COMMAND_STACK) + c->index;
  *stack = (stack_t){.ss_sp = (void *)(CONTEXTS_BASE + (uint64_t)c->index * CONTEXT_SIZE + ALTSTACK_OFFSET), .ss_size = ALTSTACK_SIZE};
  return c;
}

/* Put a context on the processors that are for contexts now. */
static void place(Context *c) {
  Machine *m = c->space->machine;
  if (m->kernel_processor >= 0 && syscall(SYS_tgkill, c->space->pid, c->tid, 0) == 0) /* the number could be anybody's */
    sched_setaffinity(c->tid, sizeof m->all, m->wide ? &m->all : &m->processors);
}

/* Start the host thread of a context. */
static int start_context(Context *c) {
  Space *s = c->space;
  int error = command(s, (struct record){.number = OP_THREAD, .argument = {c->index}});
  if (!error)
    error = flush(s);
  if (!error) {
    c->tid = ((uint32_t *)(s->pages + CHANNEL_SCRATCH + SCRATCH_THREAD_IDS))[c->index];
    s->machine->active++;
    c->running = 1;
    place(c);
  }
  return error;
}

/* Copy the trap frame; 0 if what the guest published makes no sense. */
static int load_frame(Context *c) {
  struct context_header *h = header_of(c);
  uint64_t frame = __atomic_load_n(&h->frame, __ATOMIC_RELAXED), info = __atomic_load_n(&h->info, __ATOMIC_RELAXED);
  if (frame < ALTSTACK_OFFSET || frame > CONTEXT_SIZE - UCONTEXT_SIZE || frame % 8 || info > CONTEXT_SIZE - 128 || info % 8)
    return 0;
  c->frame = frame;
  memcpy(c->registers, (char *)h + frame + UCONTEXT_GREGS, sizeof c->registers);
  c->fs_base = h->fs_base;
  c->gs_base = h->gs_base;
  uint32_t signo = __atomic_load_n(&h->signo, __ATOMIC_RELAXED);
  if (signo >= 32 || !(1u << signo & TRAPS))
    return 0;
  c->signo = signo;
  int words[8]; /* si_arch is the last */
  memcpy(words, (char *)h + info, sizeof words);
  c->code = words[2];
  memcpy(&c->address, words + 4, 8);
  c->cause = c->signo == SIGSYS ? CAUSE_SYSTEM_CALL : c->signo == SIGURG ? CAUSE_INTERRUPTION : CAUSE_FAULT;
  if (c->signo == SIGSYS && (uint32_t)words[7] != AUDIT_ARCH_X86_64)
    c->registers[RAX] = ~0ull; /* int 0x80 and its kind: no call of ours */
  return 1;
}

/* The fpstate of the frame and its size, found and bounded from one copy of each word; NULL if it makes no sense. */
static char *xstate_of(Context *c, size_t *size) {
  char *area = (char *)header_of(c);
  uint64_t pointer;
  memcpy(&pointer, area + c->frame + UCONTEXT_FPSTATE, 8);
  uint64_t offset = pointer - (CONTEXTS_BASE + (uint64_t)c->index * CONTEXT_SIZE);
  if (offset < ALTSTACK_OFFSET || offset > CONTEXT_SIZE - 512 || offset % 64)
    return NULL;
  uint32_t software[2];
  memcpy(software, area + offset + 464, 8);
  *size = software[0] == FPX_MAGIC1 ? software[1] : 512;
  if (*size < 512 || *size > XSTATE_MAX || *size > CONTEXT_SIZE - offset)
    return NULL;
  return area + offset;
}

/* Put a state of whatever size into the frame, under the frame's own description of it. */
static void store_xstate(Context *c, const char *state, size_t length) {
  size_t size;
  char *target = xstate_of(c, &size);
  if (!target)
    return;
  char software[48];
  memcpy(software, target + 464, 48);
  if (!state || length < 512) { /* what a new program starts with */
    memset(target, 0, size - 4 < 832 ? 512 : 576);
    *(uint16_t *)target = 0x37f;
    *(uint32_t *)(target + 24) = 0x1f80;
  } else {
    if (length > size)
      length = size;
    int whole = length == size && size > 576;
    memcpy(target, state, whole ? size - 4 : 512);
    if (!whole && size > 576) { /* legacy state only: say that nothing else is there */
      memset(target + 512, 0, 64);
      *(uint64_t *)(target + 512) = 3;
    }
    if (*(uint32_t *)(target + 24) & ~0xffffu)
      *(uint32_t *)(target + 24) = 0x1f80;
  }
  memcpy(target + 464, software, 48);
}

/* A trapped context spins while the processors have nothing else to run: say whether they have. Written only when it changes. */
static void set_crowded(Machine *m, int crowded) {
  if ((int)m->doorbell->crowded != crowded)
    __atomic_store_n(&m->doorbell->crowded, crowded, __ATOMIC_RELAXED);
}

/* Share all processors among kernel and contexts, or give the kernel one to itself again. */
static void spread(Machine *m, int wide) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(m->kernel_processor, &own);
  m->wide = wide;
  sched_setaffinity(0, sizeof own, wide ? &m->all : &own);
  for (unsigned bell = 0; bell < SYSTEM_CONTEXTS; bell++)
    if (m->bells[bell] && m->bells[bell]->space->alive)
      place(m->bells[bell]);
}

/* From time to time: contexts that compute, and want more processors than theirs, get the kernel's too. Where they trap often, a kernel that
 * spins on a processor of its own serves them better (bench: two loops in a shell 2.1 -> 1.2 s so, but two gcc at a time 2.4 -> 3.0). */
static void weigh(Machine *m, uint64_t now) {
  uint64_t rate = (m->traps - m->weighed_traps) * 1000000000 / (now - m->weighed + 1);
  int computing = m->active > m->guest_processors && rate < (m->wide ? 2 * COMPUTING_RATE : COMPUTING_RATE);
  m->weighed_traps = m->traps;
  m->weighed = now;
  if (m->kernel_processor >= 0 && computing != m->wide)
    spread(m, computing);
}

static void set_running(Context *c) {
  Machine *m = c->space->machine;
  if (m->last_trapped != c || m->active >= m->guest_processors || m->wide)
    set_crowded(m, 1); /* the one that trapped last may be spinning where this one will run */
  m->active++;
  c->running = 1;
}

static void set_stopped(Context *c) {
  Machine *m = c->space->machine;
  m->active--;
  m->last_trapped = c;
  int crowded = m->active >= m->guest_processors;
  set_crowded(m, crowded || m->wide);
  c->running = 0;
}

static void release(Context *c) {
  if (c->space->batch)
    flush(c->space);
  struct context_header *h = header_of(c);
  char *frame = (char *)h + c->frame;
  if (c->dirty) {
    memcpy(frame + UCONTEXT_GREGS, c->registers, sizeof c->registers);
    c->dirty = 0;
  } else
    memcpy(frame + UCONTEXT_GREGS + RAX * 8, &c->registers[RAX], 8);
  memset(frame + UCONTEXT_SIGMASK, 0, 8);
  h->fs_base = c->fs_base;
  h->gs_base = c->gs_base;
  h->load_bases = c->load_bases;
  c->load_bases = 0;
  set_running(c);
  if (__atomic_exchange_n(&h->state, STATE_RUNNING, __ATOMIC_SEQ_CST) == STATE_SLEEPING) {
    futex(&h->state, FUTEX_WAKE, 1, NULL);
    c->space->machine->wakes++;
  }
}

static PyObject *context_resume(Context *c, PyObject *Py_UNUSED(ignored)) {
  if (!c->arrived)
    c->resume_on_arrival = 1;
  else if (!c->running && c->space->alive)
    release(c);
  Py_RETURN_NONE;
}

static PyObject *context_resume_with(Context *c, PyObject *value) {
  c->registers[RAX] = PyLong_AsUnsignedLongLongMask(value);
  if (PyErr_Occurred())
    return NULL;
  return context_resume(c, NULL);
}

static PyObject *context_get(Context *c, PyObject *index) {
  size_t i = PyLong_AsSize_t(index);
  if (i >= REGISTER_COUNT)
    return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "no register %zu", i);
  return PyLong_FromUnsignedLongLong(c->registers[i]);
}

static PyObject *context_set(Context *c, PyObject *const *args, Py_ssize_t count) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "set(register, value)");
  size_t i = PyLong_AsSize_t(args[0]);
  if (i >= REGISTER_COUNT)
    return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "no register %zu", i);
  uint64_t value = PyLong_AsUnsignedLongLongMask(args[1]);
  if (PyErr_Occurred())
    return NULL;
  c->registers[i] = value;
  if (i != RAX)
    c->dirty = 1;
  Py_RETURN_NONE;
}

static PyObject *context_registers(Context *c, PyObject *Py_UNUSED(ignored)) {
  return PyBytes_FromStringAndSize((char *)c->registers, sizeof c->registers);
}

static PyObject *context_set_registers(Context *c, PyObject *bytes) {
  if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != sizeof c->registers)
    return PyErr_Format(PyExc_ValueError, "registers are %zu bytes", sizeof c->registers);
  memcpy(c->registers, PyBytes_AS_STRING(bytes), sizeof c->registers);
  c->dirty = 1;
  Py_RETURN_NONE;
}

static PyObject *context_xstate(Context *c, PyObject *Py_UNUSED(ignored)) {
  size_t size;
  char *state;
  if (!c->arrived)
    return Py_NewRef(c->pending_xstate && c->pending_xstate != Py_None ? c->pending_xstate : PyBytes_FromStringAndSize("", 0));
  if (!(state = xstate_of(c, &size)))
    return PyBytes_FromStringAndSize("", 0);
  return PyBytes_FromStringAndSize(state, size);
}

static PyObject *context_set_xstate(Context *c, PyObject *state) {
  if (state != Py_None && !PyBytes_Check(state))
    return PyErr_Format(PyExc_TypeError, "the state is bytes");
  if (!c->arrived)
    Py_XSETREF(c->pending_xstate, Py_NewRef(state));
  else if (state == Py_None)
    store_xstate(c, NULL, 0);
  else
    store_xstate(c, PyBytes_AS_STRING(state), PyBytes_GET_SIZE(state));
  Py_RETURN_NONE;
}

static PyObject *context_reset_xstate(Context *c, PyObject *Py_UNUSED(ignored)) {
  return context_set_xstate(c, Py_None);
}

static PyObject *context_interrupt(Context *c, PyObject *Py_UNUSED(ignored)) {
  if (c->running && c->arrived && c->space->alive)
    syscall(SYS_tgkill, c->space->pid, c->tid, SIGURG);
  Py_RETURN_NONE;
}

/* recall(): take back a resume that has not happened yet; whether there was one */
static PyObject *context_recall(Context *c, PyObject *Py_UNUSED(ignored)) {
  int waited = !c->arrived && c->resume_on_arrival;
  if (waited)
    c->resume_on_arrival = 0;
  return PyBool_FromLong(waited);
}

static PyObject *context_set_identity(Context *c, PyObject *args) {
  unsigned pid, tid;
  if (!PyArg_ParseTuple(args, "II", &pid, &tid))
    return NULL;
  struct identity *identity = (struct identity *)(c->space->pages + CHANNEL_COMMAND + COMMAND_IDENTITY) + c->index;
  identity->pid = pid;
  identity->tid = tid;
  Py_RETURN_NONE;
}

/* function(first, a0, ... a(count-1)) with the argument registers of a system call */
static PyObject *context_call(Context *c, PyObject *const *args, Py_ssize_t count) {
  static const int order[6] = {8, 9, 12, 2, 0, 1}; /* rdi rsi rdx r10 r8 r9 */
  if (count != 3)
    return PyErr_Format(PyExc_TypeError, "call(function, first, count)");
  Py_ssize_t arity = PyLong_AsSsize_t(args[2]);
  if (arity < 0 || arity > 6)
    return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "0 to 6 arguments");
  PyObject *stack[8] = {NULL, args[1]};
  for (Py_ssize_t i = 0; i < arity; i++)
    if (!(stack[2 + i] = PyLong_FromUnsignedLongLong(c->registers[order[i]])))
      return NULL;
  PyObject *result = PyObject_Vectorcall(args[0], stack + 1, (size_t)(1 + arity) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
  for (Py_ssize_t i = 0; i < arity; i++)
    Py_DECREF(stack[2 + i]);
  return result;
}

static PyObject *context_number(Context *c, void *Py_UNUSED(closure)) {
  return PyLong_FromUnsignedLong((uint32_t)c->registers[RAX]);
}

static PyObject *context_from_stub(Context *c, void *Py_UNUSED(closure)) {
  return PyBool_FromLong(c->registers[RIP] >= STUB_BASE);
}

static int context_set_base(Context *c, PyObject *value, void *which) {
  uint64_t base = PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred())
    return -1;
  *(which ? &c->gs_base : &c->fs_base) = base;
  c->load_bases = 1;
  return 0;
}

static PyObject *context_get_base(Context *c, void *which) {
  return PyLong_FromUnsignedLongLong(which ? c->gs_base : c->fs_base);
}

/* It will not trap any more. */
static void release_bell(Context *c) {
  Machine *m = c->space->machine;
  m->active -= c->running;
  c->running = 0;
  if (m->bells[c->bell] == c)
    m->bells[c->bell] = NULL;
}

static void context_dealloc(Context *c) {
  release_bell(c);
  Py_CLEAR(c->owner);
  Py_CLEAR(c->pending_xstate);
  Py_CLEAR(c->space);
  PyObject_Free(c);
}

static PyMethodDef context_methods[] = {
    {"resume", (PyCFunction)context_resume, METH_NOARGS, "Run from the registers."},
    {"resume_with", (PyCFunction)context_resume_with, METH_O, "Set RAX and run."},
    {"get", (PyCFunction)context_get, METH_O, "A general register."},
    {"set", (PyCFunction)(void (*)(void))context_set, METH_FASTCALL, "Change a general register."},
    {"registers", (PyCFunction)context_registers, METH_NOARGS, "All general registers, as bytes."},
    {"set_registers", (PyCFunction)context_set_registers, METH_O, "Change all general registers."},
    {"xstate", (PyCFunction)context_xstate, METH_NOARGS, "Vector and floating-point state, standard XSAVE format."},
    {"set_xstate", (PyCFunction)context_set_xstate, METH_O, "Change the vector and floating-point state."},
    {"reset_xstate", (PyCFunction)context_reset_xstate, METH_NOARGS, "The state that a new program starts with."},
    {"interrupt", (PyCFunction)context_interrupt, METH_NOARGS, "Make a running context trap."},
    {"recall", (PyCFunction)context_recall, METH_NOARGS, "Take back a resume that has not happened yet; whether there was one."},
    {"set_identity", (PyCFunction)context_set_identity, METH_VARARGS, "What getpid and gettid answer; 0: they trap."},
    {"call", (PyCFunction)(void (*)(void))context_call, METH_FASTCALL, "function(first, argument registers...)."},
    {NULL},
};
static PyGetSetDef context_attributes[] = {
    {"number", (getter)context_number, NULL, "System-call number.", NULL},
    {"from_stub", (getter)context_from_stub, NULL, "Whether it trapped inside the stub: no honest program does.", NULL},
    {"fs_base", (getter)context_get_base, (setter)context_set_base, "Base of FS.", NULL},
    {"gs_base", (getter)context_get_base, (setter)context_set_base, "Base of GS.", (void *)1},
    {NULL},
};
static PyMemberDef context_members[] = {
    {"owner", T_OBJECT, offsetof(Context, owner), 0, "Whatever the kernel attached."},
    {"space", T_OBJECT, offsetof(Context, space), READONLY, "Its address space."},
    {"cause", T_INT, offsetof(Context, cause), READONLY, "CAUSE_*."},
    {"signo", T_INT, offsetof(Context, signo), READONLY, "Signal number of a fault."},
    {"code", T_INT, offsetof(Context, code), READONLY, "si_code of a fault."},
    {"address", T_ULONGLONG, offsetof(Context, address), READONLY, "Address of a fault."},
    {"arrived", T_BOOL, offsetof(Context, arrived), READONLY, "Whether its host thread has come in for the first time."},
    {"running", T_BOOL, offsetof(Context, running), READONLY, "Whether the kernel has let it go."},
    {NULL},
};
static PyTypeObject ContextType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._host.Context",
    .tp_basicsize = sizeof(Context),
    .tp_dealloc = (destructor)context_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "A flow of control in an address space: a host thread.",
    .tp_methods = context_methods,
    .tp_getset = context_attributes,
    .tp_members = context_members,
};

/* ---- Space ---- */

static int require_alive(Space *s) {
  if (s->alive)
    return 1;
  errno = ESRCH;
  host_error("the process of this address space is gone");
  return 0;
}

static PyObject *fault(uint64_t address) {
  PyObject *value = PyLong_FromUnsignedLongLong(address);
  if (value) {
    PyErr_SetObject(fault_error, value);
    Py_DECREF(value);
  }
  return NULL;
}

/* Bytes moved; short where the program's memory ends or forbids it. */
static ssize_t transfer(Space *s, uint64_t address, void *buffer, size_t length, int write) {
  if (address >= STUB_BASE || length > STUB_BASE - address || !s->alive) /* a dead process's number may be another's by now */
    return -1;
  if (s->batch)
    flush(s); /* the program's memory as it is to be; what failed shows as a fault */
  struct iovec local = {buffer, length}, remote = {(void *)address, length};
  return write ? process_vm_writev(s->pid, &local, 1, &remote, 1, 0) : process_vm_readv(s->pid, &local, 1, &remote, 1, 0);
}

static PyObject *space_read(Space *s, PyObject *const *args, Py_ssize_t count) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "read(address, length)");
  uint64_t address = PyLong_AsUnsignedLongLong(args[0]);
  size_t length = PyLong_AsSize_t(args[1]);
  if (PyErr_Occurred())
    return NULL;
  if (length && (address >= STUB_BASE || length > STUB_BASE - address))
    return fault(address);
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, length);
  if (!bytes || !length)
    return bytes;
  ssize_t got = transfer(s, address, PyBytes_AS_STRING(bytes), length, 0);
  if (got == (ssize_t)length)
    return bytes;
  Py_DECREF(bytes);
  return fault(address + (got > 0 ? got : 0));
}

static PyObject *space_move_bytes(Space *s, PyObject *const *args, Py_ssize_t count, int write) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "an address and a buffer");
  uint64_t address = PyLong_AsUnsignedLongLong(args[0]);
  Py_buffer buffer;
  if (PyErr_Occurred() || PyObject_GetBuffer(args[1], &buffer, write ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0)
    return NULL;
  ssize_t got = buffer.len ? transfer(s, address, buffer.buf, buffer.len, write) : 0;
  Py_ssize_t length = buffer.len;
  PyBuffer_Release(&buffer);
  if (got != length)
    return fault(address + (got > 0 ? got : 0));
  Py_RETURN_NONE;
}

static PyObject *space_read_into(Space *s, PyObject *const *args, Py_ssize_t count) {
  return space_move_bytes(s, args, count, 0);
}

static PyObject *space_write(Space *s, PyObject *const *args, Py_ssize_t count) {
  return space_move_bytes(s, args, count, 1);
}

static PyObject *space_read_string(Space *s, PyObject *const *args, Py_ssize_t count) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "read_string(address, limit)");
  uint64_t address = PyLong_AsUnsignedLongLong(args[0]);
  size_t limit = PyLong_AsSize_t(args[1]);
  if (PyErr_Occurred())
    return NULL;
  char buffer[4096];
  PyObject *whole = NULL;
  size_t done = 0;
  while (done < limit) { /* never across a page more than needed: the next one may be unmapped */
    size_t step = 4096 - ((address + done) & 4095);
    if (step < 256 && limit - done > step)
      step += 4096; /* one call for the common short string near the end of a page */
    if (step > sizeof buffer)
      step = sizeof buffer;
    if (step > limit - done)
      step = limit - done;
    ssize_t got = transfer(s, address + done, buffer, step, 0);
    if (got <= 0) {
      Py_XDECREF(whole);
      return fault(address + done);
    }
    char *end = memchr(buffer, 0, got);
    size_t length = end ? (size_t)(end - buffer) : (size_t)got;
    PyObject *part = PyBytes_FromStringAndSize(buffer, length);
    if (whole)
      PyBytes_ConcatAndDel(&whole, part);
    else
      whole = part;
    if (!whole || end)
      return whole;
    done += got;
  }
  Py_XDECREF(whole);
  Py_RETURN_NONE;
}

/* call(number, a..f[, descriptor]): queue one host call for the mapper; a descriptor takes the place of argument e (mmap's) */
static PyObject *space_call(Space *s, PyObject *const *args, Py_ssize_t count) {
  uint64_t word[7] = {0};
  if (count < 1 || count > 8)
    return PyErr_Format(PyExc_TypeError, "call(number, up to six arguments, descriptor)");
  for (Py_ssize_t i = 0; i < count && i < 7; i++)
    word[i] = PyLong_AsUnsignedLongLongMask(args[i]);
  if (PyErr_Occurred() || !require_alive(s))
    return NULL;
  struct record record = {word[0], {word[1], word[2], word[3], word[4], word[5], word[6]}, 0};
  int error = 0;
  if (count == 8) {
    int descriptor = PyLong_AsLong(args[7]);
    if (PyErr_Occurred())
      return NULL;
    if (s->descriptor_count == DESCRIPTOR_COUNT || s->batch >= RECORD_COUNT - DESCRIPTOR_COUNT)
      error = flush(s);
    s->descriptors[s->descriptor_count++] = descriptor;
    record.argument[4] = s->descriptor_count; /* the number that it gets there */
  }
  return batch_error(error ? error : command(s, record));
}

static PyObject *space_flush(Space *s, PyObject *Py_UNUSED(ignored)) {
  return require_alive(s) ? batch_error(flush(s)) : NULL;
}

static Space *new_space(Machine *m) {
  Space *s = PyObject_New(Space, &SpaceType);
  if (!s)
    return NULL;
  memset((char *)s + sizeof(PyObject), 0, sizeof *s - sizeof(PyObject));
  s->machine = (Machine *)Py_NewRef((PyObject *)m);
  s->pidfd = s->socket = -1;
  s->channel = memfd_create("skerry-channel", MFD_CLOEXEC);
  if (s->channel < 0 || ftruncate(s->channel, CHANNEL_SIZE) < 0 ||
      (s->pages = mmap(NULL, CHANNEL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->channel, 0)) == MAP_FAILED) {
    s->pages = NULL;
    host_error("channel of an address space");
    Py_DECREF(s);
    return NULL;
  }
  ((struct command_page *)s->pages)->spin = m->spin_ticks;
  return s;
}

/* Wait for the greeting of a new process and learn from the socket who it is. */
static int greet(Space *s) {
  char byte;
  struct iovec part = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  ssize_t length;
  do
    length = recvmsg(s->socket, &message, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  struct cmsghdr *c = length == 1 ? CMSG_FIRSTHDR(&message) : NULL;
  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS) {
    errno = ESRCH;
    return -1;
  }
  struct ucred sender;
  memcpy(&sender, CMSG_DATA(c), sizeof sender);
  s->pid = sender.pid;
  s->pidfd = syscall(SYS_pidfd_open, s->pid, 0);
  int off = 0;
  setsockopt(s->socket, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
  s->alive = s->pidfd >= 0;
  return s->alive ? 0 : -1;
}

static int make_socket(Space *s, int *other) {
  int pair[2], on = 1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    return -1;
  s->socket = pair[0];
  *other = pair[1];
  struct timeval limit = {10, 0}; /* a mapper that does not answer is dead */
  setsockopt(s->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return setsockopt(s->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

/* A child died before it could say who it is: reap it, and whatever else has died; a space whose process that was learns of it. */
static void reap_nameless(Machine *m) {
  pid_t pid;
  while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
    for (unsigned bell = 0; bell < SYSTEM_CONTEXTS; bell++)
      if (m->bells[bell] && m->bells[bell]->space->pid == pid)
        m->bells[bell]->space->alive = 0;
}

/* fork() -> (Space, Context): a copy-on-write copy of this space, with one context that has not arrived */
static PyObject *space_fork(Space *s, PyObject *Py_UNUSED(ignored)) {
  if (!require_alive(s))
    return NULL;
  int error = flush(s), other = -1;
  Space *child = NULL;
  Context *context = NULL;
  if (error)
    goto failed;
  if (!(child = new_space(s->machine)))
    return NULL;
  if (make_socket(child, &other) < 0) {
    error = errno;
    goto failed;
  }
  s->descriptors[0] = child->channel;
  s->descriptors[1] = other;
  s->descriptor_count = 2;
  put_record(s, (struct record){.number = OP_FORK});
  error = exchange(s); /* the mapper closes both itself, in parent and child */
  close(other);
  other = -1;
  if (!error && greet(child) < 0) {
    error = errno;
    reap_nameless(s->machine);
  }
  if (error)
    goto failed;
  if (!(context = new_context(child)))
    goto failed;
  if ((error = start_context(context)))
    goto failed;
  return Py_BuildValue("NN", child, context);
failed:
  if (other >= 0)
    close(other);
  Py_XDECREF(context);
  Py_XDECREF(child);
  if (error) {
    errno = error;
    host_error("fork of an address space");
  }
  return NULL;
}

static PyObject *space_new_context(Space *s, PyObject *Py_UNUSED(ignored)) {
  if (!require_alive(s))
    return NULL;
  Context *c = new_context(s);
  int error = c ? start_context(c) : 0;
  if (error) {
    Py_DECREF(c);
    errno = error;
    return host_error("start of a context");
  }
  return (PyObject *)c;
}

/* Reap killed processes from the oldest on: those that have ended, and more, waiting for them, until ``most`` are left. */
static void reap(Machine *m, unsigned most) {
  unsigned done = 0;
  while (done < m->dying_count) {
    siginfo_t info = {0};
    int result = waitid(P_PIDFD, m->dying[done], &info, WEXITED | (m->dying_count - done > most ? 0 : WNOHANG));
    if (result < 0 && errno == EINTR)
      continue;
    if (result == 0 && info.si_pid == 0)
      break;
    close(m->dying[done++]);
  }
  m->dying_count -= done;
  memmove(m->dying, m->dying + done, m->dying_count * sizeof *m->dying);
}

static PyObject *space_kill(Space *s, PyObject *Py_UNUSED(ignored)) {
  if (s->pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
    reap(s->machine, DYING_COUNT - 1);
    s->machine->dying[s->machine->dying_count++] = s->pidfd;
    s->pidfd = -1;
    close(s->socket); /* what is scarce is given back now, not when Python has collected what refers to the space */
    close(s->channel);
    s->socket = s->channel = -1;
    for (unsigned bell = 0; bell < SYSTEM_CONTEXTS; bell++)
      if (s->machine->bells[bell] && s->machine->bells[bell]->space == s)
        release_bell(s->machine->bells[bell]);
  }
  s->alive = 0;
  Py_RETURN_NONE;
}

/* status() -> None while it lives, else how the host process ended: -signal or exit code */
static PyObject *space_status(Space *s, PyObject *Py_UNUSED(ignored)) {
  siginfo_t info = {0};
  if (s->pidfd < 0 || waitid(P_PIDFD, s->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
    Py_RETURN_NONE;
  s->alive = 0;
  return PyLong_FromLong(info.si_code == CLD_EXITED ? info.si_status : -info.si_status);
}

static void space_dealloc(Space *s) {
  PyObject *ignored = space_kill(s, NULL);
  Py_XDECREF(ignored);
  if (s->pages)
    munmap(s->pages, CHANNEL_SIZE);
  if (s->channel >= 0)
    close(s->channel);
  if (s->socket >= 0)
    close(s->socket);
  Py_CLEAR(s->machine);
  PyObject_Free(s);
}

/* ---- File offsets that the program moves itself; what it wrote is an allegation, read once ---- */

static uint64_t *offset_word(Space *s, PyObject *descriptor) {
  size_t index = PyLong_AsSize_t(descriptor);
  if (index >= OFFSET_COUNT) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_IndexError, "no offset word for descriptor %zu", index);
    return NULL;
  }
  return (uint64_t *)(s->pages + CHANNEL_SCRATCH + SCRATCH_OFFSETS) + index;
}

static PyObject *space_offset(Space *s, PyObject *descriptor) {
  uint64_t *word = offset_word(s, descriptor);
  return word ? PyLong_FromUnsignedLongLong(__atomic_load_n(word, __ATOMIC_SEQ_CST) >> 1) : NULL;
}

/* move_offset(descriptor, seen, new): from what was seen, or not at all: the program has moved it since */
static PyObject *space_move_offset(Space *s, PyObject *const *args, Py_ssize_t count) {
  if (count != 3)
    return PyErr_Format(PyExc_TypeError, "move_offset(descriptor, seen, new)");
  uint64_t *word = offset_word(s, args[0]);
  uint64_t seen = PyLong_AsUnsignedLongLongMask(args[1]) << 1 | 1, new = PyLong_AsUnsignedLongLongMask(args[2]) << 1 | 1;
  if (!word || PyErr_Occurred())
    return NULL;
  __atomic_compare_exchange_n(word, &seen, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  Py_RETURN_NONE;
}

static PyObject *space_lend_offset(Space *s, PyObject *const *args, Py_ssize_t count) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "lend_offset(descriptor, position)");
  uint64_t *word = offset_word(s, args[0]);
  uint64_t position = PyLong_AsUnsignedLongLongMask(args[1]);
  if (!word || PyErr_Occurred())
    return NULL;
  __atomic_store_n(word, position << 1 | 1, __ATOMIC_SEQ_CST);
  Py_RETURN_NONE;
}

static PyObject *space_recall_offset(Space *s, PyObject *descriptor) {
  uint64_t *word = offset_word(s, descriptor);
  return word ? PyLong_FromUnsignedLongLong(__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) >> 1) : NULL;
}

static PyMethodDef space_methods[] = {
    {"offset", (PyCFunction)space_offset, METH_O, "The lent offset of a descriptor."},
    {"move_offset", (PyCFunction)(void (*)(void))space_move_offset, METH_FASTCALL, "move_offset(descriptor, seen, new): unless it has moved."},
    {"lend_offset", (PyCFunction)(void (*)(void))space_lend_offset, METH_FASTCALL, "lend_offset(descriptor, position): lseek no longer traps."},
    {"recall_offset", (PyCFunction)space_recall_offset, METH_O, "End the loan: lseek traps again; the last offset."},
    {"read", (PyCFunction)(void (*)(void))space_read, METH_FASTCALL, "read(address, length) -> bytes; raises Fault."},
    {"read_into", (PyCFunction)(void (*)(void))space_read_into, METH_FASTCALL, "read_into(address, buffer); raises Fault."},
    {"write", (PyCFunction)(void (*)(void))space_write, METH_FASTCALL, "write(address, buffer); raises Fault."},
    {"read_string", (PyCFunction)(void (*)(void))space_read_string, METH_FASTCALL, "Bytes up to a NUL, None if it is not within limit."},
    {"call", (PyCFunction)(void (*)(void))space_call, METH_FASTCALL, "Queue a host call for the mapper."},
    {"flush", (PyCFunction)space_flush, METH_NOARGS, "Have the mapper make the queued calls; raises OSError."},
    {"fork", (PyCFunction)space_fork, METH_NOARGS, "Copy the space: (Space, Context)."},
    {"new_context", (PyCFunction)space_new_context, METH_NOARGS, "One more context."},
    {"kill", (PyCFunction)space_kill, METH_NOARGS, "End the process; it is reaped later."},
    {"status", (PyCFunction)space_status, METH_NOARGS, "How the process ended; None while it lives."},
    {NULL},
};
static PyMemberDef space_members[] = {
    {"pid", T_INT, offsetof(Space, pid), READONLY, "Host process id."},
    {"pidfd", T_INT, offsetof(Space, pidfd), READONLY, "Becomes readable when the process ends."},
    {"alive", T_BOOL, offsetof(Space, alive), READONLY, "Whether the process is thought to live."},
    {"contexts", T_UINT, offsetof(Space, contexts), READONLY, "Contexts that it ever had."},
    {"host_calls", T_ULONGLONG, offsetof(Space, host_calls), READONLY, "Host calls that its mapper made."},
    {NULL},
};
static PyTypeObject SpaceType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._host.Space",
    .tp_basicsize = sizeof(Space),
    .tp_dealloc = (destructor)space_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "An address space: a host process that runs guest code and the stub.",
    .tp_methods = space_methods,
    .tp_members = space_members,
};

/* ---- Machine ---- */

static void *watch(void *argument) {
  Machine *m = argument;
  struct epoll_event seen[16];
  for (;;) {
    int count = epoll_wait(m->epoll_descriptor, seen, 16, -1);
    if (count < 0 && errno != EINTR)
      return NULL;
    for (int i = 0; i < count; i++) {
      if (seen[i].data.u64 == CLOSING)
        return NULL;
      for (;;) {
        pthread_mutex_lock(&m->lock);
        int full = m->event_tail - m->event_head == 256;
        if (!full)
          m->events[m->event_tail++ % 256] = seen[i].data.u64;
        pthread_mutex_unlock(&m->lock);
        if (!full)
          break;
        usleep(1000);
      }
      ring(m);
    }
  }
}

static PyObject *next_event(Machine *m) {
  for (;;) {
    pthread_mutex_lock(&m->lock);
    int any = m->event_head != m->event_tail;
    uint64_t event = any ? m->events[m->event_head++ % 256] : 0;
    pthread_mutex_unlock(&m->lock);
    if (!any)
      return NULL;
    PyObject *key = PyLong_FromUnsignedLong((uint32_t)event), *value = key ? PyDict_GetItemWithError(m->watched, key) : NULL;
    Py_XDECREF(key);
    if (value && PyLong_AsUnsignedLong(PyTuple_GET_ITEM(value, 0)) == event >> 32)
      return PyTuple_GET_ITEM(value, 1);
  } /* else it is watched no more: the watcher may see an event just before the watch ends, and the descriptor may be another's by now */
}

/* A guest can spoil the shared doorbell, so every context is looked at from time to time, however busy or idle the kernel is kept. */
#define RECHECK_NS 50000000ull
#define RECHECK_TRAPS 4096

static void recheck(Machine *m) {
  for (unsigned bell = 0; bell < SYSTEM_CONTEXTS; bell++) {
    Context *c = m->bells[bell];
    if (c && c->running && __atomic_load_n(&header_of(c)->state, __ATOMIC_ACQUIRE) != STATE_RUNNING)
      __atomic_fetch_or(&m->doorbell->ready[bell / 64], 1ull << (bell % 64), __ATOMIC_SEQ_CST);
  }
  for (unsigned bell = 0; bell < SYSTEM_CHANNELS; bell++)
    if (m->callers[bell])
      __atomic_fetch_or(&m->doorbell->calling[bell / 64], 1ull << (bell % 64), __ATOMIC_SEQ_CST);
}

/* What stands behind a channel's bell that has rung (borrowed); NULL if none has. A ring is an allegation: the object looks itself. */
static PyObject *next_caller(Machine *m) {
  for (unsigned n = 0; n <= SYSTEM_CHANNELS / 64; n++) { /* in turn, as for traps */
    unsigned word = (m->caller_scan / 64 + n) % (SYSTEM_CHANNELS / 64);
    uint64_t calling = __atomic_load_n(&m->doorbell->calling[word], __ATOMIC_ACQUIRE);
    if (n == 0)
      calling &= ~0ull << m->caller_scan % 64;
    while (calling) {
      unsigned bit = __builtin_ctzll(calling);
      calling &= calling - 1;
      __atomic_fetch_and(&m->doorbell->calling[word], ~(1ull << bit), __ATOMIC_SEQ_CST);
      m->caller_scan = (word * 64 + bit + 1) % SYSTEM_CHANNELS;
      if (m->callers[word * 64 + bit])
        return m->callers[word * 64 + bit];
    }
  }
  return NULL;
}

/* A context that has trapped, its frame loaded; NULL if none has. */
static Context *next_trap(Machine *m) {
  for (unsigned n = 0; n <= SYSTEM_CONTEXTS / 64; n++) { /* in turn: from the bell after the last one on, and round to it */
    unsigned word = (m->scan / 64 + n) % (SYSTEM_CONTEXTS / 64);
    uint64_t ready = __atomic_load_n(&m->doorbell->ready[word], __ATOMIC_ACQUIRE);
    if (n == 0)
      ready &= ~0ull << m->scan % 64;
    while (ready) {
      unsigned bit = __builtin_ctzll(ready);
      ready &= ready - 1;
      __atomic_fetch_and(&m->doorbell->ready[word], ~(1ull << bit), __ATOMIC_SEQ_CST);
      Context *c = m->bells[word * 64 + bit];
      if (!c || !c->running || __atomic_load_n(&header_of(c)->state, __ATOMIC_ACQUIRE) == STATE_RUNNING)
        continue; /* a forged or a late ring */
      m->scan = (word * 64 + bit + 1) % SYSTEM_CONTEXTS;
      if (++m->traps % RECHECK_TRAPS == 0)
        recheck(m);
      set_stopped(c);
      if (!c->arrived) { /* the first trap: it asks for its registers */
        uint64_t wanted[REGISTER_COUNT], fs = c->fs_base, gs = c->gs_base;
        memcpy(wanted, c->registers, sizeof wanted);
        if (load_frame(c)) {
          uint64_t selectors = c->registers[CSGSFS];
          memcpy(c->registers, wanted, sizeof wanted);
          c->registers[CSGSFS] = selectors;
          c->fs_base = fs;
          c->gs_base = gs;
          c->load_bases = 1;
          c->arrived = 1;
          c->dirty = 1;
          if (c->pending_xstate && c->pending_xstate != Py_None)
            store_xstate(c, PyBytes_AS_STRING(c->pending_xstate), PyBytes_GET_SIZE(c->pending_xstate));
          Py_CLEAR(c->pending_xstate);
          if (c->resume_on_arrival)
            release(c);
          continue;
        }
      } else if (load_frame(c))
        return c;
      c->cause = CAUSE_DEATH; /* nonsense in its pages: the kernel is told that it is dead, and makes it so */
      syscall(SYS_pidfd_send_signal, c->space->pidfd, SIGKILL, NULL, 0);
      return c;
    }
  }
  return NULL;
}

/* wait(deadline) -> Context | watched object | None */
static PyObject *machine_wait(Machine *m, PyObject *argument) {
  uint64_t deadline = PyLong_AsUnsignedLongLong(argument);
  if (PyErr_Occurred())
    return NULL;
  uint64_t spin_end = m->spin_ticks && !m->wide ? __rdtsc() + m->spin_ticks : 0;
  for (;;) {
    PyObject *found = m->contexts_first ? NULL : next_caller(m); /* in turn, so that neither starves */
    m->contexts_first = found != NULL;
    if (!found)
      found = (PyObject *)next_trap(m);
    if (!found && m->event_head != m->event_tail)
      found = next_event(m);
    if (found)
      return Py_NewRef(found);
    if (spin_end && __rdtsc() < spin_end) {
      _mm_pause();
      continue;
    }
    uint64_t now = monotonic();
    if (now >= deadline)
      Py_RETURN_NONE;
    if (m->when_idle) {
      PyObject *function = m->when_idle;
      m->when_idle = NULL;
      PyObject *result = PyObject_CallNoArgs(function);
      Py_DECREF(function);
      if (!result)
        return NULL;
      Py_DECREF(result);
      continue;
    }
    if (now >= m->recheck_due) {
      recheck(m);
      m->recheck_due = now + RECHECK_NS;
      weigh(m, now);
    }
    uint64_t span = deadline - now > RECHECK_NS ? RECHECK_NS : deadline - now;
    struct timespec limit = {span / 1000000000, span % 1000000000};
    __atomic_store_n(&m->doorbell->sleeping, 1, __ATOMIC_SEQ_CST);
    int ready = m->event_head != m->event_tail;
    for (unsigned word = 0; word < SYSTEM_CONTEXTS / 64 && !ready; word++)
      ready = m->doorbell->ready[word] != 0;
    for (unsigned word = 0; word < SYSTEM_CHANNELS / 64 && !ready; word++)
      ready = m->doorbell->calling[word] != 0;
    long slept = 0;
    if (!ready) {
      Py_BEGIN_ALLOW_THREADS
      slept = futex(&m->doorbell->sleeping, FUTEX_WAIT, 1, &limit);
      Py_END_ALLOW_THREADS
    }
    __atomic_store_n(&m->doorbell->sleeping, 0, __ATOMIC_SEQ_CST);
    if (slept < 0 && errno == EINTR && PyErr_CheckSignals() < 0)
      return NULL;
  }
}

/* watch(descriptor, events, object): wait() returns object once when descriptor is ready; call again to go on watching */
static PyObject *machine_watch(Machine *m, PyObject *args) {
  int descriptor;
  unsigned events;
  PyObject *object;
  if (!PyArg_ParseTuple(args, "iIO", &descriptor, &events, &object))
    return NULL;
  uint32_t number = ++m->last_watch;
  PyObject *key = PyLong_FromLong(descriptor), *value = Py_BuildValue("IO", number, object);
  int failed = !key || !value || PyDict_SetItem(m->watched, key, value) < 0;
  Py_XDECREF(key);
  Py_XDECREF(value);
  if (failed)
    return NULL;
  struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = (uint64_t)number << 32 | (uint32_t)descriptor};
  if (epoll_ctl(m->epoll_descriptor, EPOLL_CTL_MOD, descriptor, &event) < 0 &&
      epoll_ctl(m->epoll_descriptor, EPOLL_CTL_ADD, descriptor, &event) < 0)
    return host_error("watch");
  Py_RETURN_NONE;
}

/* add_bell(object) -> number: wait returns the object when a channel rings that bell */
static PyObject *machine_add_bell(Machine *m, PyObject *object) {
  for (unsigned bell = 0; bell < SYSTEM_CHANNELS; bell++)
    if (!m->callers[bell]) {
      m->callers[bell] = Py_NewRef(object);
      return PyLong_FromUnsignedLong(bell);
    }
  errno = EAGAIN;
  return host_error("too many native tasks");
}

static PyObject *machine_remove_bell(Machine *m, PyObject *number) {
  size_t bell = PyLong_AsSize_t(number);
  if (bell >= SYSTEM_CHANNELS)
    return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "no bell %zu", bell);
  Py_CLEAR(m->callers[bell]);
  Py_RETURN_NONE;
}

/* when_idle(function): wait calls it once, when it has spun in vain and would sleep */
static PyObject *machine_when_idle(Machine *m, PyObject *function) {
  Py_XSETREF(m->when_idle, Py_NewRef(function));
  Py_RETURN_NONE;
}

static PyObject *machine_unwatch(Machine *m, PyObject *descriptor) {
  int number = PyLong_AsLong(descriptor);
  if (PyErr_Occurred())
    return NULL;
  epoll_ctl(m->epoll_descriptor, EPOLL_CTL_DEL, number, NULL);
  int known = PyDict_Contains(m->watched, descriptor);
  if (known < 0 || (known && PyDict_DelItem(m->watched, descriptor) < 0))
    return NULL;
  Py_RETURN_NONE;
}

/* The child of boot(): become the template process. Only calls that are safe after fork. */
static void enter_template(int stub, int socket, int channel, int doorbell) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) == 0 &&
      mount("none", "/tmp", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 && chroot("/tmp") == 0)
    (void)!chdir("/");
  int from[4] = {socket, channel, doorbell, stub};
  for (int i = 0; i < 4; i++) /* out of the way of 0-3 first */
    from[i] = fcntl(from[i], F_DUPFD, 16);
  for (int i = 0; i < 3; i++)
    dup2(from[i], i);
  dup2(from[3], 3);
  syscall(SYS_close_range, 4u, ~0u, 0u);
  fcntl(3, F_SETFD, FD_CLOEXEC);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  char *arguments[] = {"skerry", NULL}, *environment[] = {NULL};
  syscall(SYS_execveat, 3, "", arguments, environment, 0x1000); /* AT_EMPTY_PATH */
  _exit(110);
}

/* boot(stub, vdso) -> Space: start the template process from the stub's image; vdso: ((offset, size), ...), see layout.h */
static PyObject *machine_boot(Machine *m, PyObject *args) {
  PyObject *image, *vdso;
  if (!PyArg_ParseTuple(args, "SO!", &image, &PyTuple_Type, &vdso))
    return NULL;
  int other = -1, stub = memfd_create("skerry-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (stub < 0 || write(stub, PyBytes_AS_STRING(image), PyBytes_GET_SIZE(image)) != PyBytes_GET_SIZE(image) ||
      fcntl(stub, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
    return host_error("stub");
  Space *s = new_space(m);
  if (!s)
    return NULL;
  struct command_page *command = (struct command_page *)s->pages;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(vdso) && i < VDSO_PARTS; i++)
    if (!PyArg_ParseTuple(PyTuple_GET_ITEM(vdso, i), "LK", &command->vdso[i].offset, &command->vdso[i].size)) {
      Py_DECREF(s);
      return NULL;
    }
  if (make_socket(s, &other) < 0) {
    Py_DECREF(s);
    return host_error("socket of an address space");
  }
  pid_t child = fork();
  if (child == 0)
    enter_template(stub, other, s->channel, m->doorbell_descriptor);
  int error = child < 0 ? errno : 0;
  close(other);
  close(stub);
  if (!error && greet(s) < 0) {
    int status = 0;
    waitpid(child, &status, 0);
    Py_DECREF(s);
    return PyErr_Format(PyExc_OSError, "the template process failed at step %d (status %d)", WEXITSTATUS(status), status);
  }
  if (error) {
    Py_DECREF(s);
    errno = error;
    return host_error("fork");
  }
  return (PyObject *)s;
}

/* place(kernel_processor, guest processors, spin in microseconds): where the kernel and contexts run, and whether they spin */
static PyObject *machine_place(Machine *m, PyObject *args) {
  PyObject *guests;
  int kernel;
  unsigned spin;
  if (!PyArg_ParseTuple(args, "iOI", &kernel, &guests, &spin))
    return NULL;
  PyObject *items = PySequence_Fast(guests, "processors");
  if (!items)
    return NULL;
  CPU_ZERO(&m->processors);
  m->guest_processors = PySequence_Fast_GET_SIZE(items);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); i++)
    CPU_SET(PyLong_AsLong(PySequence_Fast_GET_ITEM(items, i)), &m->processors);
  Py_DECREF(items);
  if (PyErr_Occurred())
    return NULL;
  m->kernel_processor = kernel;
  if (kernel >= 0) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(kernel, &own);
    sched_setaffinity(0, sizeof own, &own);
  }
  struct timespec pause = {0, 1000000};
  uint64_t start = monotonic(), ticks = __rdtsc();
  nanosleep(&pause, NULL);
  m->ticks_per_us = (__rdtsc() - ticks) * 1000 / (monotonic() - start);
  m->spin_ticks = spin * m->ticks_per_us;
  Py_RETURN_NONE;
}

static PyObject *machine_close(Machine *m, PyObject *Py_UNUSED(ignored)) {
  reap(m, 0);
  if (m->epoll_descriptor >= 0) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) == 0) {
      struct epoll_event event = {.events = EPOLLHUP, .data.u64 = CLOSING};
      epoll_ctl(m->epoll_descriptor, EPOLL_CTL_ADD, pair[0], &event);
      close(pair[1]);
      Py_BEGIN_ALLOW_THREADS
      pthread_join(m->watcher, NULL);
      Py_END_ALLOW_THREADS
      close(pair[0]);
    }
    close(m->epoll_descriptor);
    m->epoll_descriptor = -1;
    PyDict_Clear(m->watched);
  }
  Py_RETURN_NONE;
}

static PyObject *machine_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords)) {
  Machine *m = (Machine *)type->tp_alloc(type, 0);
  if (!m)
    return NULL;
  m->kernel_processor = -1;
  sched_getaffinity(0, sizeof m->all, &m->all);
  m->processors = m->all;
  m->watched = PyDict_New();
  m->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
  m->doorbell_descriptor = memfd_create("skerry-doorbell", MFD_CLOEXEC);
  pthread_mutex_init(&m->lock, NULL);
  if (!m->watched || m->epoll_descriptor < 0 || m->doorbell_descriptor < 0 || ftruncate(m->doorbell_descriptor, DOORBELL_SIZE) < 0 ||
      (m->doorbell = mmap(NULL, DOORBELL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->doorbell_descriptor, 0)) == MAP_FAILED) {
    m->doorbell = NULL;
    host_error("machine");
    Py_DECREF(m);
    return NULL;
  }
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old); /* the watcher takes no signals */
  int error = pthread_create(&m->watcher, NULL, watch, m);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (error) {
    errno = error;
    close(m->epoll_descriptor);
    m->epoll_descriptor = -1;
    host_error("watcher thread");
    Py_DECREF(m);
    return NULL;
  }
  return (PyObject *)m;
}

static void machine_dealloc(Machine *m) {
  PyObject *ignored = machine_close(m, NULL);
  Py_XDECREF(ignored);
  if (m->doorbell)
    munmap(m->doorbell, DOORBELL_SIZE);
  if (m->doorbell_descriptor >= 0)
    close(m->doorbell_descriptor);
  Py_CLEAR(m->watched);
  Py_CLEAR(m->when_idle);
  for (unsigned bell = 0; bell < SYSTEM_CHANNELS; bell++)
    Py_CLEAR(m->callers[bell]);
  Py_TYPE(m)->tp_free((PyObject *)m);
}

static PyMethodDef machine_methods[] = {
    {"boot", (PyCFunction)machine_boot, METH_VARARGS, "Start the template process from the stub's image."},
    {"wait", (PyCFunction)machine_wait, METH_O, "The next trap or host event; None at the deadline."},
    {"watch", (PyCFunction)machine_watch, METH_VARARGS, "Have wait return an object once when a descriptor is ready."},
    {"unwatch", (PyCFunction)machine_unwatch, METH_O, "Stop watching a descriptor."},
    {"when_idle", (PyCFunction)machine_when_idle, METH_O, "Have wait call a function once, instead of sleeping."},
    {"add_bell", (PyCFunction)machine_add_bell, METH_O, "Have wait return an object when a channel rings; the bell's number."},
    {"remove_bell", (PyCFunction)machine_remove_bell, METH_O, "The bell is free again."},
    {"place", (PyCFunction)machine_place, METH_VARARGS, "Where the kernel and the contexts run, and how long they spin."},
    {"close", (PyCFunction)machine_close, METH_NOARGS, "Stop the watcher."},
    {NULL},
};
static PyMemberDef machine_members[] = {
    {"traps", T_ULONGLONG, offsetof(Machine, traps), READONLY, "Traps taken."},
    {"wakes", T_ULONGLONG, offsetof(Machine, wakes), READONLY, "Contexts that had to be woken."},
    {"host_calls", T_ULONGLONG, offsetof(Machine, host_calls), READONLY, "Host calls that the mappers made."},
    {"doorbell", T_INT, offsetof(Machine, doorbell_descriptor), READONLY, "Descriptor of the doorbell's page."},
    {NULL},
};
static PyTypeObject MachineType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._host.Machine",
    .tp_basicsize = sizeof(Machine),
    .tp_new = machine_new,
    .tp_dealloc = (destructor)machine_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The traps and host events of one system.",
    .tp_methods = machine_methods,
    .tp_members = machine_members,
};

/* ---- Module ---- */

/* open_beneath(directory, path, flags, mode) -> descriptor: no symbolic link is followed and nothing above is reached */
static PyObject *open_beneath(PyObject *Py_UNUSED(module), PyObject *args) {
  int directory, mode;
  const char *path;
  unsigned long long flags;
  if (!PyArg_ParseTuple(args, "iyKi", &directory, &path, &flags, &mode))
    return NULL;
  uint64_t how[3] = {flags | O_CLOEXEC, mode, 0x04 | 0x08 | 0x02}; /* RESOLVE_NO_SYMLINKS, BENEATH, NO_MAGICLINKS */
  long descriptor = syscall(437, directory, path, how, sizeof how);
  if (descriptor < 0)
    return PyErr_SetFromErrno(PyExc_OSError);
  return PyLong_FromLong(descriptor);
}

static PyMethodDef functions[] = {
    {"open_beneath", open_beneath, METH_VARARGS, "openat2 that cannot leave a directory."},
    {NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_host", "The kernel's side of the machine.", -1, functions};

PyMODINIT_FUNC PyInit__host(void) {
  PyObject *errors = PyImport_ImportModule("skerry.abi.fault");
  fault_error = errors ? PyObject_GetAttrString(errors, "Fault") : NULL;
  Py_XDECREF(errors);
  if (!fault_error || PyType_Ready(&MachineType) < 0 || PyType_Ready(&SpaceType) < 0 || PyType_Ready(&ContextType) < 0)
    return NULL;
  PyObject *m = PyModule_Create(&module);
  if (!m || PyModule_AddObjectRef(m, "Machine", (PyObject *)&MachineType) < 0 ||
      PyModule_AddObjectRef(m, "Space", (PyObject *)&SpaceType) < 0 || PyModule_AddObjectRef(m, "Context", (PyObject *)&ContextType) < 0 ||
      PyModule_AddIntConstant(m, "SYSTEM_CALL", CAUSE_SYSTEM_CALL) < 0 || PyModule_AddIntConstant(m, "FAULT", CAUSE_FAULT) < 0 ||
      PyModule_AddIntConstant(m, "INTERRUPTION", CAUSE_INTERRUPTION) < 0 || PyModule_AddIntConstant(m, "DEATH", CAUSE_DEATH) < 0 ||
      PyModule_AddObject(m, "USER_LIMIT", PyLong_FromUnsignedLongLong(STUB_BASE)) < 0 ||
      PyModule_AddIntConstant(m, "OFFSET_COUNT", OFFSET_COUNT) < 0 ||
      PyModule_AddObject(m, "VDSO_BASE", PyLong_FromUnsignedLongLong(VDSO_BASE)) < 0)
    return NULL;
  return m;
}
