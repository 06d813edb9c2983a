/* The machine: traps and host events in the order in which they are served, and the template process. */
#include "host.h"
#include <sys/prctl.h>

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
      wake(bed(m));
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
    Context *c = m->receives ? m->bells[bell] : NULL;
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
  if (!m->receives)
    return NULL;
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
      if (c->space->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, c->space->pidfd, SIGKILL, NULL, 0);
      return c;
    }
  }
  return NULL;
}

/* Whether something may be there to be served: looked at once more before sleeping. */
static int is_called(Machine *m) {
  int called = m->event_head != m->event_tail || (!m->is_kernel && m->doorbell->messages);
  for (unsigned word = 0; word < SYSTEM_CONTEXTS / 64 && !called && m->receives; word++)
    called = m->doorbell->ready[word] != 0;
  for (unsigned word = 0; word < SYSTEM_CHANNELS / 64 && !called && m->is_kernel; word++)
    called = m->doorbell->calling[word] != 0;
  return called;
}

/* wait(deadline) -> Context | watched object | None: the deadline | True: the kernel has a message for this task */
static PyObject *machine_wait(Machine *m, PyObject *argument) {
  uint64_t deadline = PyLong_AsUnsignedLongLong(argument);
  if (PyErr_Occurred())
    return NULL;
  uint64_t spin_end = m->spin_ticks && m->receives && !m->wide ? __rdtsc() + m->spin_ticks : 0;
  for (;;) {
    int contexts_first = m->contexts_first; /* in turn, so that neither starves */
    PyObject *found = contexts_first || !m->is_kernel ? NULL : next_caller(m);
    m->contexts_first = found != NULL;
    if (!found)
      found = (PyObject *)next_trap(m);
    if (!found && contexts_first && m->is_kernel) {
      found = next_caller(m);
      m->contexts_first = found != NULL;
    }
    if (!found && m->event_head != m->event_tail)
      found = next_event(m);
    if (!found && !m->is_kernel && __atomic_load_n(&m->doorbell->messages, __ATOMIC_RELAXED)) {
      __atomic_store_n(&m->doorbell->messages, 0, __ATOMIC_SEQ_CST);
      found = Py_True;
    }
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
      if (m->receives)
        weigh(m, now);
    }
    uint64_t span = deadline - now > RECHECK_NS ? RECHECK_NS : deadline - now;
    struct timespec limit = {span / 1000000000, span % 1000000000};
    uint32_t *word = bed(m);
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    long slept = 0;
    if (!is_called(m)) {
      Py_BEGIN_ALLOW_THREADS
      slept = futex(word, FUTEX_WAIT, 1, &limit);
      Py_END_ALLOW_THREADS
    }
    __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
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

/* make_room(): a context that has trapped waits for another process: it does not spin, until one runs or traps again */
static PyObject *machine_make_room(Machine *m, PyObject *Py_UNUSED(ignored)) {
  __atomic_store_n(&m->doorbell->crowded, 1, __ATOMIC_RELAXED);
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

/* The first process of a process-number namespace: while it lives, the others may. It dies with the kernel. */
static void sleep_as_first(pid_t kernel) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  syscall(SYS_close_range, 0u, ~0u, 0u);
  while (kernel)
    pause();
  _exit(0);
}

/* The child of boot(): become the template process. Only calls that are safe after fork. With ``numbers`` process numbers are the
 * namespace's own, and there is no template without all the namespaces. */
static void enter_template(int stub, int socket, int channel, int doorbell, int numbers) {
  setsid(); /* what is typed on the terminal is for the command alone */
  int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | (numbers ? CLONE_NEWPID : 0);
  int apart = unshare(spaces) == 0 && mount("none", "/tmp", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 &&
              chroot("/tmp") == 0;
  if (apart)
    (void)!chdir("/");
  if (numbers) { /* both are the kernel's children, as this process, which is not in the namespace itself */
    if (!apart)
      _exit(111);
    if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0) == 0)
      sleep_as_first(1);
    if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0) != 0)
      _exit(0);
    setsid();
  }
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

/* boot(stub, vdso, numbers) -> Space: start the template process from the stub's image; vdso: ((offset, size), ...), see layout.h; numbers:
 * in a namespace of process numbers */
static PyObject *machine_boot(Machine *m, PyObject *args) {
  PyObject *image, *vdso;
  int numbers;
  if (!PyArg_ParseTuple(args, "SO!p", &image, &PyTuple_Type, &vdso, &numbers))
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
    enter_template(stub, other, s->channel, m->doorbell_descriptor, numbers);
  int error = child < 0 ? errno : 0;
  if (numbers && !error)
    waitpid(child, NULL, 0);
  close(other);
  close(stub);
  if (!error && greet(s) < 0) {
    int status = 0;
    if (!numbers) { /* else it is gone already, and the template dies with us */
      siginfo_t ended = {0};
      waitid(P_PID, child, &ended, WEXITED | WNOHANG | WNOWAIT);
      if (!ended.si_pid) /* it lives, and did not say so in time */
        kill(child, SIGKILL);
      waitpid(child, &status, 0);
    }
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

/* adopt(pages, pid, changes) -> Space: one that the kernel made, whose channel it has mapped at the address ``pages`` */
static PyObject *machine_adopt(Machine *m, PyObject *args) {
  unsigned long long pages;
  int pid;
  PyObject *changes;
  if (!PyArg_ParseTuple(args, "KiO", &pages, &pid, &changes))
    return NULL;
  Space *s = adopt_space(m, (char *)pages, pid, changes);
  return (PyObject *)s;
}

/* part(): from now on a task receives the traps of contexts (adopt), not the kernel */
static PyObject *machine_part(Machine *m, PyObject *Py_UNUSED(ignored)) {
  m->receives = 0;
  Py_RETURN_NONE;
}

/* call_receiver(): the task that receives the traps has a message from the kernel */
static PyObject *machine_call_receiver(Machine *m, PyObject *Py_UNUSED(ignored)) {
  __atomic_store_n(&m->doorbell->messages, 1, __ATOMIC_SEQ_CST);
  wake(&m->doorbell->sleeping);
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

/* Machine(): the kernel's; Machine(doorbell): a task's that receives the traps of contexts which the kernel made, and nothing else */
static PyObject *machine_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(keywords)) {
  int doorbell = -1;
  if (!PyArg_ParseTuple(args, "|i", &doorbell))
    return NULL;
  Machine *m = (Machine *)type->tp_alloc(type, 0);
  if (!m)
    return NULL;
  m->kernel_processor = -1;
  sched_getaffinity(0, sizeof m->all, &m->all);
  m->processors = m->all;
  m->receives = 1;
  m->is_kernel = doorbell < 0;
  m->watched = PyDict_New();
  if (doorbell >= 0) {
    m->epoll_descriptor = m->doorbell_descriptor = -1;
    m->doorbell = mmap(NULL, DOORBELL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, doorbell, 0);
    if (!m->watched || m->doorbell == MAP_FAILED) {
      m->doorbell = NULL;
      host_error("doorbell");
      Py_DECREF(m);
      return NULL;
    }
    return (PyObject *)m;
  }
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
    {"make_room", (PyCFunction)machine_make_room, METH_NOARGS, "Who has trapped and spins sleeps: another process wants the processor."},
    {"when_idle", (PyCFunction)machine_when_idle, METH_O, "Have wait call a function once, instead of sleeping."},
    {"add_bell", (PyCFunction)machine_add_bell, METH_O, "Have wait return an object when a channel rings; the bell's number."},
    {"remove_bell", (PyCFunction)machine_remove_bell, METH_O, "The bell is free again."},
    {"place", (PyCFunction)machine_place, METH_VARARGS, "Where the kernel and the contexts run, and how long they spin."},
    {"part", (PyCFunction)machine_part, METH_NOARGS, "Kernel: a task receives the traps from now on."},
    {"call_receiver", (PyCFunction)machine_call_receiver, METH_NOARGS, "Kernel: have that task's wait return True."},
    {"adopt", (PyCFunction)machine_adopt, METH_VARARGS, "Task: adopt(pages, pid, changes) -> Space that the kernel made."},
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
PyTypeObject MachineType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "skerry.machine._host.Machine",
    .tp_basicsize = sizeof(Machine),
    .tp_new = machine_new,
    .tp_dealloc = (destructor)machine_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The traps and host events of one system.",
    .tp_methods = machine_methods,
    .tp_members = machine_members,
};
