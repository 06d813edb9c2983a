/* Contexts: their trap frames and what Python may do with them. All that a guest can write is read once, checked, and used from the copy. */
#include "host.h"

Context *new_context(Space *s) {
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

/* A context that the kernel has started, in an adopted space; it may have trapped already. */
Context *adopt_context(Space *s, unsigned index, unsigned bell, pid_t tid) {
  Machine *m = s->machine;
  Context *c = PyObject_New(Context, &ContextType);
  if (!c)
    return NULL;
  memset((char *)c + sizeof(PyObject), 0, sizeof *c - sizeof(PyObject));
  c->space = (Space *)Py_NewRef((PyObject *)s);
  c->owner = Py_NewRef(Py_None);
  c->index = index;
  c->bell = bell;
  c->tid = tid;
  c->running = 1;
  s->contexts++;
  m->bells[bell] = c;
  m->active++;
  place(c);
  __atomic_fetch_or(&m->doorbell->ready[bell / 64], 1ull << (bell % 64), __ATOMIC_SEQ_CST);
  return c;
}

/* Start the host thread of a context. */
int start_context(Context *c) {
  Space *s = c->space;
  int error = command(s, (struct record){.number = OP_THREAD, .argument = {c->index}});
  if (!error)
    error = flush(s);
  if (!error) {
    c->tid = ((uint32_t *)(s->pages + CHANNEL_SCRATCH + SCRATCH_THREAD_IDS))[c->index];
    s->machine->active++;
    c->running = 1;
    if (s->machine->receives)
      place(c);
  }
  return error;
}

/* Copy the trap frame; 0 if what the guest published makes no sense. */
int load_frame(Context *c) {
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
void store_xstate(Context *c, const char *state, size_t length) {
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

void release(Context *c) {
  if (has_changes(c->space))
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
void release_bell(Context *c) {
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
    {"index", T_UINT, offsetof(Context, index), READONLY, "Of its area in the channel."},
    {"bell", T_UINT, offsetof(Context, bell), READONLY, "Its bit in the doorbell."},
    {"tid", T_INT, offsetof(Context, tid), READONLY, "Its thread's number, as the guest process says it."},
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
PyTypeObject ContextType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._host.Context",
    .tp_basicsize = sizeof(Context),
    .tp_dealloc = (destructor)context_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "A flow of control in an address space: a host thread.",
    .tp_methods = context_methods,
    .tp_getset = context_attributes,
    .tp_members = context_members,
};
