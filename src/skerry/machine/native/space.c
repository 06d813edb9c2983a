/* Address spaces: guest processes, their memory, their children and their ends. */
#include "host.h"

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

/* Whether the kernel touches these bytes: the program's, and to read, the vDSO, which the program can read too. */
static int reachable(uint64_t address, size_t length, int write) {
  if (address >= VDSO_BASE && !write)
    return address < CONTEXTS_BASE && length <= CONTEXTS_BASE - address;
  return address < STUB_BASE && length <= STUB_BASE - address;
}

/* Bytes moved; short where the program's memory ends or forbids it. */
static ssize_t transfer(Space *s, uint64_t address, void *buffer, size_t length, int write) {
  if (!reachable(address, length, write) || !s->alive) /* a dead process's number may be another's by now */
    return -1;
  if (has_changes(s))
    flush(s); /* the program's memory as it is to be; what failed shows as a fault */
  struct iovec local = {buffer, length}, remote = {(void *)address, length};
  return write ? process_vm_writev(s->pid, &local, 1, &remote, 1, 0) : process_vm_readv(s->pid, &local, 1, &remote, 1, 0);
}

/* An address as programs give them, after sums: what does not fit in 64 bits is nobody's. */
static uint64_t address_of(PyObject *number) {
  uint64_t address = PyLong_AsUnsignedLongLong(number);
  if (address == UINT64_MAX && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError))
    PyErr_Clear();
  return address;
}

static PyObject *space_read(Space *s, PyObject *const *args, Py_ssize_t count) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "read(address, length)");
  uint64_t address = address_of(args[0]);
  size_t length = PyLong_AsSize_t(args[1]);
  if (PyErr_Occurred())
    return NULL;
  if (length && !reachable(address, length, 0))
    return fault(address);
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, length);
  if (!bytes && PyErr_ExceptionMatches(PyExc_MemoryError)) { /* terabytes */
    PyErr_Clear();
    return fault(address);
  }
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
  uint64_t address = address_of(args[0]);
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
  uint64_t address = address_of(args[0]);
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

Space *new_space(Machine *m) {
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

/* A space that the kernel made and this task serves. What can change it or end it is the kernel's. */
Space *adopt_space(Machine *m, char *pages, pid_t pid, PyObject *changes) {
  Space *s = PyObject_New(Space, &SpaceType);
  if (!s)
    return NULL;
  memset((char *)s + sizeof(PyObject), 0, sizeof *s - sizeof(PyObject));
  s->machine = (Machine *)Py_NewRef((PyObject *)m);
  s->pidfd = s->socket = s->channel = -1;
  s->pid = pid;
  s->pages = pages;
  s->changes = Py_NewRef(changes);
  s->alive = 1;
  return s;
}

static PyObject *space_adopt(Space *s, PyObject *args) {
  unsigned index, bell;
  int tid;
  if (!PyArg_ParseTuple(args, "IIi", &index, &bell, &tid))
    return NULL;
  if (!s->changes || index >= CONTEXT_COUNT || bell >= SYSTEM_CONTEXTS)
    return PyErr_Format(PyExc_ValueError, "no context of an adopted space");
  return (PyObject *)adopt_context(s, index, bell, tid);
}

static PyObject *space_note_changes(Space *s, PyObject *Py_UNUSED(ignored)) {
  s->changed = 1;
  Py_RETURN_NONE;
}

/* The kernel has ended it: its contexts are gone. */
static PyObject *space_abandon(Space *s, PyObject *Py_UNUSED(ignored)) {
  for (unsigned bell = 0; s->alive && bell < SYSTEM_CONTEXTS; bell++)
    if (s->machine->bells[bell] && s->machine->bells[bell]->space == s)
      release_bell(s->machine->bells[bell]);
  s->alive = 0;
  s->changed = 0;
  Py_CLEAR(s->changes); /* it refers to who refers to the space: nobody collects such a ring */
  Py_RETURN_NONE;
}

/* Wait for the greeting of a new process and learn from the socket who it is. */
int greet(Space *s) {
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
  if (s->alive)
    place_mapper(s);
  return s->alive ? 0 : -1;
}

int make_socket(Space *s, int *other) {
  int pair[2], on = 1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    return -1;
  s->socket = pair[0];
  *other = pair[1];
  struct timeval limit = {30, 0}; /* a mapper that does not answer is dead */
  setsockopt(s->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return setsockopt(s->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

/* A child died before it could say who it is: reap it, and whatever else has died; a space whose process that was learns of it. */
void reap_nameless(Machine *m) {
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
void reap(Machine *m, unsigned most) {
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
  Py_CLEAR(s->changes);
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
    {"adopt_context", (PyCFunction)space_adopt, METH_VARARGS, "adopt_context(index, bell, tid) -> Context that the kernel has started."},
    {"note_changes", (PyCFunction)space_note_changes, METH_NOARGS, "Changes of an adopted space are queued."},
    {"abandon", (PyCFunction)space_abandon, METH_NOARGS, "The kernel has ended an adopted space."},
    {"kill", (PyCFunction)space_kill, METH_NOARGS, "End the process; it is reaped later."},
    {"status", (PyCFunction)space_status, METH_NOARGS, "How the process ended; None while it lives."},
    {NULL},
};
static PyMemberDef space_members[] = {
    {"channel", T_INT, offsetof(Space, channel), READONLY, "The kernel's descriptor of the channel's memory."},
    {"pid", T_INT, offsetof(Space, pid), READONLY, "Host process id."},
    {"pidfd", T_INT, offsetof(Space, pidfd), READONLY, "Becomes readable when the process ends."},
    {"alive", T_BOOL, offsetof(Space, alive), READONLY, "Whether the process is thought to live."},
    {"contexts", T_UINT, offsetof(Space, contexts), READONLY, "Contexts that it ever had."},
    {"host_calls", T_ULONGLONG, offsetof(Space, host_calls), READONLY, "Host calls that its mapper made."},
    {NULL},
};
PyTypeObject SpaceType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._host.Space",
    .tp_basicsize = sizeof(Space),
    .tp_dealloc = (destructor)space_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "An address space: a host process that runs guest code and the stub.",
    .tp_methods = space_methods,
    .tp_members = space_members,
};
