/* The mapper's commands: records in the command pages, sent as a batch; the answer is a message's length. */
#include "host.h"

/* The mapper does not answer as it must: nothing can be known of this space any more, so its process ends. */
int lost(Space *s) {
  s->alive = 0;
  syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
  return ESRCH;
}

/* Send what is in the command pages, with descriptors, and wait for the answer. 0, or an errno; a dead process is ESRCH. */
int exchange(Space *s) {
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

void put_record(Space *s, struct record record) {
  ((struct record *)(s->pages + CHANNEL_COMMAND + COMMAND_RECORDS))[s->batch++] = record;
}

static void put_closes(Space *s, unsigned descriptors) {
  while (descriptors)
    put_record(s, (struct record){.number = SYS_close, .argument = {descriptors--}});
}

int has_changes(Space *s) {
  return s->batch || s->changed;
}

/* Have the kernel make the queued changes of an adopted space: 0, or an errno. */
static int ask_kernel(Space *s) {
  if (!s->changed)
    return 0;
  s->changed = 0;
  PyObject *changes = Py_NewRef(s->changes); /* the space may be abandoned meanwhile */
  PyObject *result = PyObject_CallNoArgs(changes);
  int error = result ? (int)PyLong_AsLong(result) : EIO;
  Py_XDECREF(result);
  if (PyErr_Occurred())
    PyErr_WriteUnraisable(changes);
  Py_DECREF(changes);
  return error;
}

/* Have the mapper make the queued calls and close the descriptors that came with them: its table is empty between batches,
 * so the numbers are known beforehand. */
int flush(Space *s) {
  if (s->changes)
    return ask_kernel(s);
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
int command(Space *s, struct record record) {
  int error = s->batch >= RECORD_COUNT - DESCRIPTOR_COUNT ? flush(s) : 0;
  if (!error)
    put_record(s, record);
  return error;
}

PyObject *batch_error(int error) {
  if (!error)
    Py_RETURN_NONE;
  errno = error;
  return PyErr_SetFromErrno(PyExc_OSError);
}
