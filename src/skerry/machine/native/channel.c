/* The channel of a native task: memory that the task and the kernel share, and who waits for whom.
 *
 * A call: the task fills the request, sets the state to CALLING, rings its bell, and waits: a bounded spin while nobody else wants the
 * processor, then a futex. The kernel takes the request, and some time later fills the answer and sets the state back to RUNNING.
 *
 * Every byte of a channel is the task's to write at any moment. The kernel copies each word once, checks the copy, and keeps in memory of its
 * own whether it owes an answer. The task's side trusts the kernel.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include "layout.h"

#define RUNNING 0 /* the task's turn */
#define CALLING 1 /* the kernel's turn; the task spins */
#define SLEEPING 2 /* the kernel's turn; the task sleeps on the word */

#define MESSAGE_AREA (1 << 20) /* bytes of a message inline: abi/mach.py, MESSAGE_SIZE_MAX */
#define HEADER_SIZE 24         /* abi/mach.py */
#define REQUEST_OFFSET 4096
#define ANSWER_OFFSET (REQUEST_OFFSET + MESSAGE_AREA)
#define AREA_SIZE (ANSWER_OFFSET + MESSAGE_AREA)

struct words {
  uint32_t state, bell;
  uint64_t spin; /* ticks of the time-stamp counter */
  uint32_t processors, pad;
  int32_t number; /* of the trap: abi/mach.py, TRAP_* */
  uint32_t option, send_size, receive_size, receive_name, timeout, notify;
  uint32_t code, answer_size; /* the answer */
  uint32_t yield; /* 1: another native task wants the processor, do not spin */
  uint32_t apart; /* 1: the kernel sleeps on a word of its own */
};

typedef struct {
  PyObject_HEAD
  char *area;
  struct doorbell *doorbell;
  int descriptor;
  char owes; /* the kernel has taken a request and not answered it */
  char runs; /* counted in running */
} Channel;

static Channel *last_caller; /* only to be compared */
static unsigned running;     /* native tasks that the kernel has answered and that have not called since */
static unsigned processors;  /* that they share */

static void set_running(Channel *c, int runs) {
  running += runs - c->runs;
  c->runs = runs;
  if (c->doorbell)
    __atomic_store_n(&c->doorbell->channels_running, running, __ATOMIC_RELAXED);
}

static long futex(uint32_t *word, int operation, uint32_t value) {
  return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static int map_both(Channel *c, int descriptor, int doorbell) {
  c->area = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
  c->doorbell = mmap(NULL, DOORBELL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, doorbell, 0);
  if (c->area != MAP_FAILED && c->doorbell != MAP_FAILED)
    return 1;
  PyErr_SetFromErrno(PyExc_OSError);
  if (c->area == MAP_FAILED)
    c->area = NULL;
  if (c->doorbell == MAP_FAILED)
    c->doorbell = NULL;
  return 0;
}

/* A tuple of new references; NULL if one could not be made. */
static PyObject *tuple_of(PyObject *const *items, int count) {
  PyObject *made = PyTuple_New(count);
  for (int i = 0; i < count; i++) {
    if (!items[i])
      Py_CLEAR(made);
    if (made)
      PyTuple_SET_ITEM(made, i, items[i]);
    else
      Py_XDECREF(items[i]);
  }
  return made;
}

static struct words *words_of(Channel *c) {
  return (struct words *)c->area;
}

static int require_open(Channel *c) {
  if (c->area && c->doorbell)
    return 1;
  PyErr_SetString(PyExc_ValueError, "the channel is closed");
  return 0;
}

/* ---- The kernel's side ---- */

/* put_image(bytes): what the task is to run, where it finds it before its first call */
static PyObject *channel_put_image(Channel *c, PyObject *image) {
  if (!require_open(c))
    return NULL;
  if (!PyBytes_Check(image) || PyBytes_GET_SIZE(image) > MESSAGE_AREA)
    return PyErr_Format(PyExc_ValueError, "an image is at most %d bytes", MESSAGE_AREA);
  memcpy(c->area + REQUEST_OFFSET, PyBytes_AS_STRING(image), PyBytes_GET_SIZE(image));
  words_of(c)->send_size = PyBytes_GET_SIZE(image);
  Py_RETURN_NONE;
}

/* take() -> None, or (number, option, message, receive size, receive name, timeout, notify) */
static PyObject *channel_take(Channel *c, PyObject *Py_UNUSED(ignored)) {
  if (!require_open(c))
    return NULL;
  if (c->owes || __atomic_load_n(&words_of(c)->state, __ATOMIC_SEQ_CST) == RUNNING)
    Py_RETURN_NONE; /* a forged ring */
  struct words w;
  memcpy(&w, c->area, sizeof w);
  __asm__ volatile("" ::: "memory"); /* from here on the copy alone */
  PyObject *message;
  if (w.send_size > MESSAGE_AREA)
    w.send_size = 0; /* no message at all: mach_msg says so */
  message = PyBytes_FromStringAndSize(c->area + REQUEST_OFFSET, w.send_size);
  if (!message)
    return NULL;
  c->owes = 1;
  set_running(c, 0);
  last_caller = c;
  PyObject *const items[] = {PyLong_FromLong(w.number), PyLong_FromUnsignedLong(w.option), message, PyLong_FromUnsignedLong(w.receive_size),
                             PyLong_FromUnsignedLong(w.receive_name), PyLong_FromUnsignedLong(w.timeout), PyLong_FromUnsignedLong(w.notify)};
  return tuple_of(items, 7);
}

/* The answer lies there: the task goes on. */
static void resume(Channel *c, uint32_t code, uint32_t size) {
  struct words *w = words_of(c);
  w->code = code;
  w->answer_size = size;
  c->owes = 0;
  set_running(c, 1);
  if (__atomic_exchange_n(&w->state, RUNNING, __ATOMIC_SEQ_CST) == SLEEPING)
    futex(&w->state, FUTEX_WAKE, 1);
  if (last_caller && last_caller != c && last_caller->owes && running >= processors) /* it may be spinning where this one is to run; told */
    __atomic_store_n(&words_of(last_caller)->yield, 1, __ATOMIC_RELAXED);            /* after the wake, or its processor would fall asleep */
}

/* answer(code, message or None): the task goes on; False if it waits for no answer */
static PyObject *channel_answer(Channel *c, PyObject *const *args, Py_ssize_t count) {
  if (count != 2 || (args[1] != Py_None && !PyBytes_Check(args[1])))
    return PyErr_Format(PyExc_TypeError, "answer(code, bytes or None)");
  unsigned long code = PyLong_AsUnsignedLongMask(args[0]);
  if (PyErr_Occurred() || !require_open(c))
    return NULL;
  if (!c->owes)
    Py_RETURN_FALSE;
  Py_ssize_t size = args[1] == Py_None ? 0 : PyBytes_GET_SIZE(args[1]);
  if (size > MESSAGE_AREA)
    return PyErr_Format(PyExc_ValueError, "a message is at most %d bytes", MESSAGE_AREA);
  if (size)
    memcpy(c->area + ANSWER_OFFSET, PyBytes_AS_STRING(args[1]), size);
  resume(c, code, size);
  Py_RETURN_TRUE;
}

/* deliver(message, bits, remote, local, sequence): answer SUCCESS and the message, under a header of these; its id stays as it is */
static PyObject *channel_deliver(Channel *c, PyObject *const *args, Py_ssize_t count) {
  if (count != 5 || !PyBytes_Check(args[0]) || PyBytes_GET_SIZE(args[0]) < HEADER_SIZE || PyBytes_GET_SIZE(args[0]) > MESSAGE_AREA)
    return PyErr_Format(PyExc_TypeError, "deliver(message, bits, remote, local, sequence)");
  uint32_t size = PyBytes_GET_SIZE(args[0]);
  uint32_t header[5] = {0, size};
  for (int i = 1; i < 5; i++)
    header[i == 1 ? 0 : i] = PyLong_AsUnsignedLongMask(args[i]);
  if (PyErr_Occurred() || !require_open(c))
    return NULL;
  if (!c->owes)
    Py_RETURN_FALSE;
  memcpy(c->area + ANSWER_OFFSET, header, sizeof header);
  memcpy(c->area + ANSWER_OFFSET + sizeof header, PyBytes_AS_STRING(args[0]) + sizeof header, size - sizeof header);
  resume(c, 0, size);
  Py_RETURN_TRUE;
}

/* close(): the kernel's end, when the task is gone */
static PyObject *channel_close(Channel *c, PyObject *Py_UNUSED(ignored)) {
  set_running(c, 0);
  if (last_caller == c)
    last_caller = NULL;
  if (c->area)
    munmap(c->area, AREA_SIZE);
  if (c->doorbell)
    munmap(c->doorbell, DOORBELL_SIZE);
  if (c->descriptor >= 0)
    close(c->descriptor);
  c->area = NULL;
  c->doorbell = NULL;
  c->descriptor = -1;
  Py_RETURN_NONE;
}

/* ---- The task's side ---- */

static PyObject *channel_image(Channel *c, PyObject *Py_UNUSED(ignored)) {
  return require_open(c) ? PyBytes_FromStringAndSize(c->area + REQUEST_OFFSET, words_of(c)->send_size) : NULL;
}

static void call(Channel *c) {
  struct words *w = words_of(c);
  struct doorbell *d = c->doorbell;
  int alone = __atomic_load_n(&d->channels_running, __ATOMIC_RELAXED) <= w->processors;
  w->yield = 0;
  __atomic_store_n(&w->state, CALLING, __ATOMIC_SEQ_CST);
  __atomic_fetch_or(&d->calling[w->bell / 64 % (SYSTEM_CHANNELS / 64)], 1ull << w->bell % 64, __ATOMIC_SEQ_CST);
  uint32_t *sleeping = w->apart ? &d->kernel_sleeping : &d->sleeping;
  if (__atomic_load_n(sleeping, __ATOMIC_SEQ_CST) && __atomic_exchange_n(sleeping, 0, __ATOMIC_SEQ_CST))
    futex(sleeping, FUTEX_WAKE, 1);
  if (w->spin && alone) {
    uint64_t end = __rdtsc() + w->spin;
    while (__rdtsc() < end && !__atomic_load_n(&w->yield, __ATOMIC_RELAXED) && !__atomic_load_n(&d->crowded, __ATOMIC_RELAXED)) {
      if (__atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == RUNNING)
        return;
      _mm_pause();
    }
  }
  uint32_t calling = CALLING;
  __atomic_compare_exchange_n(&w->state, &calling, SLEEPING, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&w->state, __ATOMIC_ACQUIRE) != RUNNING)
    futex(&w->state, FUTEX_WAIT, SLEEPING);
}

/* (code, bytes) */
static PyObject *answer_of(Channel *c) {
  struct words *w = words_of(c);
  PyObject *const items[] = {PyLong_FromUnsignedLong(w->code), PyBytes_FromStringAndSize(c->area + ANSWER_OFFSET, w->answer_size)};
  return tuple_of(items, 2);
}

/* msg(message or None, option, receive size, receive name, timeout, notify) -> (code, bytes) */
static PyObject *channel_msg(Channel *c, PyObject *const *args, Py_ssize_t count) {
  if (count != 6 || (args[0] != Py_None && !PyBytes_Check(args[0])))
    return PyErr_Format(PyExc_TypeError, "msg(message, option, receive_size, receive_name, timeout, notify)");
  if (!require_open(c))
    return NULL;
  struct words *w = words_of(c);
  uint32_t number[5];
  for (int i = 0; i < 5; i++)
    number[i] = PyLong_AsUnsignedLongMask(args[1 + i]);
  if (PyErr_Occurred())
    return NULL;
  Py_ssize_t size = args[0] == Py_None ? 0 : PyBytes_GET_SIZE(args[0]);
  if (size > MESSAGE_AREA)
    return PyErr_Format(PyExc_ValueError, "a message is at most %d bytes", MESSAGE_AREA);
  if (size)
    memcpy(c->area + REQUEST_OFFSET, PyBytes_AS_STRING(args[0]), size);
  w->number = -25; /* TRAP_MACH_MSG */
  w->send_size = size;
  w->option = number[0];
  w->receive_size = number[1];
  w->receive_name = number[2];
  w->timeout = number[3];
  w->notify = number[4];
  call(c);
  return answer_of(c);
}

/* trap(number[, bytes]) -> int: one of the calls that are no messages */
static PyObject *channel_trap(Channel *c, PyObject *args) {
  int number;
  const char *data = NULL;
  Py_ssize_t size = 0;
  if (!PyArg_ParseTuple(args, "i|y#", &number, &data, &size) || !require_open(c))
    return NULL;
  struct words *w = words_of(c);
  if (size > MESSAGE_AREA)
    size = MESSAGE_AREA;
  if (size)
    memcpy(c->area + REQUEST_OFFSET, data, size);
  w->send_size = size;
  w->number = number;
  call(c);
  return PyLong_FromUnsignedLong(w->code);
}

/* ask(number, bytes) -> (code, bytes): a call that is no message, but takes and gives data */
static PyObject *channel_ask(Channel *c, PyObject *const *args, Py_ssize_t count) {
  if (count != 2 || !PyBytes_Check(args[1]) || PyBytes_GET_SIZE(args[1]) > MESSAGE_AREA)
    return PyErr_Format(PyExc_TypeError, "ask(number, at most %d bytes)", MESSAGE_AREA);
  long number = PyLong_AsLong(args[0]);
  if (PyErr_Occurred() || !require_open(c))
    return NULL;
  struct words *w = words_of(c);
  memcpy(c->area + REQUEST_OFFSET, PyBytes_AS_STRING(args[1]), PyBytes_GET_SIZE(args[1]));
  w->send_size = PyBytes_GET_SIZE(args[1]);
  w->number = number;
  call(c);
  return answer_of(c);
}

/* A touch of memory that is not there: the kernel may bring it. Only code of the task faults, never a call that is under way. */
static Channel *own;

static void on_fault(int Py_UNUSED(signo), siginfo_t *info, void *context) {
  unsigned long error = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR];
  const uint64_t what[2] = {(uint64_t)info->si_addr, error & 16 ? PROT_EXEC : error & 2 ? PROT_WRITE : PROT_READ};
  int saved = errno;
  struct words *w = words_of(own);
  memcpy(own->area + REQUEST_OFFSET, what, sizeof what);
  w->send_size = sizeof what;
  w->number = -98; /* TRAP_FAULT */
  call(own);
  if (w->code)
    _exit(128 + SIGSEGV); /* the kernel has noted why */
  errno = saved;
}

static PyObject *channel_clock(Channel *Py_UNUSED(c), PyObject *Py_UNUSED(ignored)) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return PyLong_FromUnsignedLongLong((uint64_t)t.tv_sec * 1000000000u + t.tv_nsec);
}

/* memory(address, length) -> memoryview of the task's own memory, which the kernel has said to be there */
static PyObject *channel_memory(Channel *Py_UNUSED(c), PyObject *args) {
  unsigned long long address;
  Py_ssize_t length;
  if (!PyArg_ParseTuple(args, "Kn", &address, &length))
    return NULL;
  return PyMemoryView_FromMemory((char *)address, length, PyBUF_WRITE);
}

static PyMethodDef channel_methods[] = {
    {"memory", (PyCFunction)channel_memory, METH_VARARGS, "Task: memory(address, length) -> memoryview."},
    {"clock", (PyCFunction)channel_clock, METH_NOARGS, "Monotonic time in ns."},
    {"put_image", (PyCFunction)channel_put_image, METH_O, "Kernel: what the task is to run."},
    {"take", (PyCFunction)channel_take, METH_NOARGS, "Kernel: the call that the task has made, or None."},
    {"answer", (PyCFunction)(void (*)(void))channel_answer, METH_FASTCALL, "Kernel: answer(code, message or None); the task goes on."},
    {"deliver", (PyCFunction)(void (*)(void))channel_deliver, METH_FASTCALL,
     "Kernel: deliver(message, bits, remote, local, sequence): answer with a message under another header."},
    {"close", (PyCFunction)channel_close, METH_NOARGS, "Unmap it."},
    {"image", (PyCFunction)channel_image, METH_NOARGS, "Task: what to run."},
    {"msg", (PyCFunction)(void (*)(void))channel_msg, METH_FASTCALL,
     "Task: msg(message or None, option, receive_size, receive_name, timeout, notify) -> (code, bytes)."},
    {"ask", (PyCFunction)(void (*)(void))channel_ask, METH_FASTCALL, "Task: ask(number, bytes) -> (code, bytes)."},
    {"trap", (PyCFunction)channel_trap, METH_VARARGS, "Task: trap(number[, bytes]) -> result."},
    {NULL},
};
static PyMemberDef channel_members[] = {
    {"descriptor", T_INT, offsetof(Channel, descriptor), READONLY, "The kernel's descriptor of the memory."},
    {"owes", T_BOOL, offsetof(Channel, owes), READONLY, "Whether a call has been taken and not answered."},
    {NULL},
};

static void channel_dealloc(Channel *c) {
  PyObject *ignored = channel_close(c, NULL);
  Py_XDECREF(ignored);
  PyObject_Free(c);
}

static PyTypeObject ChannelType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._channel.Channel",
    .tp_basicsize = sizeof(Channel),
    .tp_dealloc = (destructor)channel_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Memory that a native task and the kernel share.",
    .tp_methods = channel_methods,
    .tp_members = channel_members,
};

static Channel *new_channel(void) {
  Channel *c = PyObject_New(Channel, &ChannelType);
  if (c) {
    memset((char *)c + sizeof(PyObject), 0, sizeof *c - sizeof(PyObject));
    c->descriptor = -1;
  }
  return c;
}

/* make(doorbell, bell, spin ticks, processors, apart) -> Channel: the kernel's end of a new one */
static PyObject *make(PyObject *Py_UNUSED(module), PyObject *args) {
  int doorbell, apart;
  unsigned bell;
  unsigned long long spin;
  if (!PyArg_ParseTuple(args, "iIKIp", &doorbell, &bell, &spin, &processors, &apart))
    return NULL;
  Channel *c = new_channel();
  if (!c)
    return NULL;
  c->descriptor = memfd_create("skerry-native", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (c->descriptor < 0 || ftruncate(c->descriptor, AREA_SIZE) < 0 ||
      fcntl(c->descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) { /* else the task could have the kernel take a SIGBUS */
    PyErr_SetFromErrno(PyExc_OSError);
    Py_DECREF(c);
    return NULL;
  }
  if (!map_both(c, c->descriptor, doorbell)) {
    Py_DECREF(c);
    return NULL;
  }
  words_of(c)->bell = bell;
  words_of(c)->spin = spin;
  words_of(c)->processors = processors;
  words_of(c)->apart = apart;
  return (PyObject *)c;
}

/* attach(channel, doorbell) -> Channel: the task's end */
static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args) {
  int descriptor, doorbell;
  if (!PyArg_ParseTuple(args, "ii", &descriptor, &doorbell))
    return NULL;
  Channel *c = new_channel();
  if (c && !map_both(c, descriptor, doorbell)) {
    Py_DECREF(c);
    return NULL;
  }
  own = c;
  return (PyObject *)c;
}

/* ---- The walls ---- */

/* follow(parent): die with the parent; False if it has died already */
static PyObject *follow(PyObject *Py_UNUSED(module), PyObject *parent) {
  pid_t pid = PyLong_AsLong(parent);
  if (PyErr_Occurred())
    return NULL;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
    return PyErr_SetFromErrno(PyExc_OSError);
  pid_t now = getppid();
  return PyBool_FromLong(now == pid || now == 0); /* 0: it is outside our namespace, where it cannot have been replaced */
}

/* Have these capabilities and no others: bits of CAP_*. */
static int keep_capabilities(uint32_t kept) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0, kept, 0}, {0, 0, 0}};
  return syscall(SYS_capset, &header, data);
}

/* join(process): the namespaces of the guest processes, and their empty root; tasks will have process numbers there. One capability, of no
 * use, is kept: no process without it can look into one that has it, so only the kernel can look into a task. */
static PyObject *join(PyObject *Py_UNUSED(module), PyObject *process) {
  int descriptor = PyLong_AsLong(process);
  if (PyErr_Occurred())
    return NULL;
  if (setns(descriptor, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID) < 0 ||
      chroot("/tmp") < 0 || chdir("/") < 0 || keep_capabilities(1u << CAP_LEASE) < 0)
    return PyErr_SetFromErrno(PyExc_OSError);
  Py_RETURN_NONE;
}

/* isolate(): empty namespaces and an empty root, where the host allows them: the second wall */
static PyObject *isolate(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
  int done = unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) == 0 &&
             mount("none", "/tmp", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 && chroot("/tmp") == 0 && chdir("/") == 0;
  return PyBool_FromLong(done);
}

#define DATA(field) offsetof(struct seccomp_data, field)
#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE_FILES /* 5 instructions: mmap of a descriptor, which could be one on its way to the mapper; argument 3 holds the flags */         \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[3])),                                    \
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),                        \
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr))
#define REFUSE_CHANGES(number) /* 8 instructions: of what the kernel has mapped, of 4 GiB or more, and of what begins so little below it */    \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 7), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[1]) + 4),                                  \
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[0]) + 4),                                    \
      BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 0xFFF), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x1001, 1, 0),                                          \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr))
#define ALLOW_WITHOUT_EXEC(number) /* 6 instructions; argument 2 is the protection */                                                        \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[2])),                                      \
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),                                   \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static const struct sock_filter task_filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)),
    ALLOW(SYS_futex),
    ALLOW(SYS_clock_gettime),
    ALLOW(SYS_clock_nanosleep),
    ALLOW(SYS_munmap),
    REFUSE_CHANGES(SYS_mremap), /* which would leave an alias of what the kernel takes away */
    ALLOW(SYS_mremap),
    REFUSE_CHANGES(SYS_madvise), /* which could make holes in an object */
    ALLOW(SYS_madvise),
    ALLOW(SYS_brk),
    ALLOW(SYS_getrandom),
    ALLOW(SYS_sched_yield),
    ALLOW(SYS_getpid),
    ALLOW(SYS_gettid),
    ALLOW(SYS_rt_sigreturn),
    ALLOW(SYS_rt_sigprocmask),
    ALLOW(SYS_restart_syscall),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    REFUSE_FILES,
    ALLOW_WITHOUT_EXEC(SYS_mmap),
    REFUSE_CHANGES(SYS_mprotect),
    ALLOW_WITHOUT_EXEC(SYS_mprotect),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

/* The Unix server's: besides, the memory and the threads of the processes in its namespace, and the contents of files that it was given. */
static const struct sock_filter unix_filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)),
    ALLOW(SYS_futex),
    ALLOW(SYS_process_vm_readv),
    ALLOW(SYS_process_vm_writev),
    ALLOW(SYS_pread64),
    ALLOW(SYS_pwrite64),
    ALLOW(SYS_newfstatat),
    ALLOW(SYS_fstat),
    ALLOW(SYS_clock_gettime),
    ALLOW(SYS_clock_nanosleep),
    ALLOW(SYS_munmap),
    REFUSE_CHANGES(SYS_mremap), /* which would leave an alias of what the kernel takes away */
    ALLOW(SYS_mremap),
    REFUSE_CHANGES(SYS_madvise), /* which could make holes in an object */
    ALLOW(SYS_madvise),
    ALLOW(SYS_brk),
    ALLOW(SYS_getrandom),
    ALLOW(SYS_sched_yield),
    ALLOW(SYS_sched_setaffinity),
    ALLOW(SYS_tgkill),
    ALLOW(SYS_preadv),
    ALLOW(SYS_pwritev2),
    ALLOW(SYS_lseek),
    ALLOW(SYS_ftruncate),
    ALLOW(SYS_fallocate),
    ALLOW(SYS_fsync),
    ALLOW(SYS_close),
    ALLOW(SYS_getpid),
    ALLOW(SYS_gettid),
    ALLOW(SYS_rt_sigreturn),
    ALLOW(SYS_rt_sigprocmask),
    ALLOW(SYS_restart_syscall),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    REFUSE_FILES,
    ALLOW_WITHOUT_EXEC(SYS_mmap),
    REFUSE_CHANGES(SYS_mprotect),
    ALLOW_WITHOUT_EXEC(SYS_mprotect),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

/* ---- The mapper: a thread that maps what the kernel sends it, and does nothing else ---- */

struct mapping { /* native_task.py knows it, too */
  uint32_t operation; /* number of the host call: mmap, munmap or mprotect; dup: keep the descriptor, the answer is minus its number */
  uint32_t protection;
  uint64_t address, length, offset;
  uint32_t flags;
  uint32_t pad;
};

static const struct sock_filter mapper_filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)),
    ALLOW(SYS_recvmsg),
    ALLOW(SYS_sendto),
    ALLOW(SYS_close),
    ALLOW(SYS_munmap),
    ALLOW(SYS_futex),
    ALLOW(SYS_exit_group),
    ALLOW_WITHOUT_EXEC(SYS_mmap),
    ALLOW_WITHOUT_EXEC(SYS_mprotect),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

static int map_one(const struct mapping *m, int descriptor) {
  void *address = (void *)m->address;
  if (m->operation == SYS_mmap)
    return mmap(address, m->length, m->protection, m->flags, descriptor, m->offset) == MAP_FAILED ? errno : 0;
  if (m->operation == SYS_munmap)
    return munmap(address, m->length) < 0 ? errno : 0;
  return m->operation == SYS_mprotect && mprotect(address, m->length, m->protection) == 0 ? 0 : errno;
}

static void *mapper(void *Py_UNUSED(argument)) {
  const struct sock_fprog program = {sizeof mapper_filter / sizeof *mapper_filter, (struct sock_filter *)mapper_filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
    _exit(1);
  for (;;) {
    struct mapping m;
    struct iovec part = {&m, sizeof m};
    union {
      char bytes[CMSG_SPACE(sizeof(int))];
      struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(0, &message, MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == EINTR)
      continue;
    if (length != sizeof m)
      _exit(0); /* the kernel is gone */
    int descriptor = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
      memcpy(&descriptor, CMSG_DATA(c), sizeof descriptor);
    int32_t error = m.operation == SYS_dup ? -descriptor : map_one(&m, descriptor);
    if (descriptor >= 0 && m.operation != SYS_dup)
      close(descriptor);
    if (sendto(0, &error, sizeof error, MSG_NOSIGNAL, NULL, 0) != sizeof error)
      _exit(0);
  }
}

static PyObject *moved(ssize_t count, Py_ssize_t length) {
  if (count == length)
    Py_RETURN_TRUE;
  Py_RETURN_FALSE;
}

/* read_memory(pid, address, buffer) -> whether all of it could be read */
static PyObject *read_memory(PyObject *Py_UNUSED(module), PyObject *args) {
  int pid;
  unsigned long long address;
  Py_buffer buffer;
  if (!PyArg_ParseTuple(args, "iKw*", &pid, &address, &buffer))
    return NULL;
  struct iovec local = {buffer.buf, buffer.len}, remote = {(void *)address, buffer.len};
  PyObject *result = moved(process_vm_readv(pid, &local, 1, &remote, 1, 0), buffer.len);
  PyBuffer_Release(&buffer);
  return result;
}

/* write_memory(pid, address, buffer) -> whether all of it could be written */
static PyObject *write_memory(PyObject *Py_UNUSED(module), PyObject *args) {
  int pid;
  unsigned long long address;
  Py_buffer buffer;
  if (!PyArg_ParseTuple(args, "iKy*", &pid, &address, &buffer))
    return NULL;
  struct iovec local = {buffer.buf, buffer.len}, remote = {(void *)address, buffer.len};
  PyObject *result = moved(process_vm_writev(pid, &local, 1, &remote, 1, 0), buffer.len);
  PyBuffer_Release(&buffer);
  return result;
}

/* confine(memory, socket, serves_unix): no core file, no new privileges, no descriptor but the mapper's socket, and a filter for each of the two threads:
 * what is left to this one are memory (in bytes), futexes and clocks, or what the Unix server needs */
static PyObject *confine(PyObject *Py_UNUSED(module), PyObject *args) {
  unsigned long memory;
  int socket, error, serves_unix;
  pthread_t thread;
  if (!PyArg_ParseTuple(args, "kip", &memory, &socket, &serves_unix))
    return NULL;
  const struct rlimit space = {memory, memory};
  setrlimit(RLIMIT_DATA, &space);
  const struct sock_fprog program = serves_unix ? (struct sock_fprog){sizeof unix_filter / sizeof *unix_filter, (struct sock_filter *)unix_filter}
                                                : (struct sock_fprog){sizeof task_filter / sizeof *task_filter, (struct sock_filter *)task_filter};
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  struct sigaction faults = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  if (own)
    sigaction(SIGSEGV, &faults, NULL);
  if (dup2(socket, 0) < 0 || syscall(SYS_close_range, 1u, ~0u, 0u) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
      (serves_unix && keep_capabilities(0) < 0))
    return PyErr_SetFromErrno(PyExc_OSError);
  if ((error = pthread_create(&thread, NULL, mapper, NULL))) {
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
    return PyErr_SetFromErrno(PyExc_OSError);
  Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"make", make, METH_VARARGS, "make(doorbell, bell, spin, processors, apart): the kernel's end of a new channel."},
    {"attach", attach, METH_VARARGS, "attach(channel, doorbell): the task's end."},
    {"follow", follow, METH_O, "Die with the parent; False if it is not the one that it was."},
    {"join", join, METH_O, "The namespaces of a process that the descriptor stands for. Raises OSError."},
    {"isolate", isolate, METH_NOARGS, "Empty namespaces and an empty root; whether the host allowed it."},
    {"read_memory", read_memory, METH_VARARGS, "read_memory(pid, address, buffer) -> whether all could be read."},
    {"write_memory", write_memory, METH_VARARGS, "write_memory(pid, address, buffer) -> whether all could be written."},
    {"confine", confine, METH_VARARGS, "confine(memory, socket, serves_unix): so many bytes of memory, the mapper, and the filters."},
    {NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_channel", "Channels of native tasks.", -1, functions};

PyMODINIT_FUNC PyInit__channel(void) {
  if (PyType_Ready(&ChannelType) < 0)
    return NULL;
  PyObject *m = PyModule_Create(&module);
  if (!m || PyModule_AddObjectRef(m, "Channel", (PyObject *)&ChannelType) < 0)
    return NULL;
  return m;
}
