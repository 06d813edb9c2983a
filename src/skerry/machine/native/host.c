/* The kernel's side of the machine: guest processes, contexts and traps, as Python types.
 *
 * It moves registers and bytes and decides nothing. All that a guest process can write is read once, checked, and used from the copy.
 * The thread that calls Machine.wait is the only one that uses these types; a second thread, in C alone, turns host events into doorbells.
 */
#include "host.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

PyObject *fault_error;

/* Whether a descriptor is of the host's processes, whose memory and environment are not files of a directory that was given: proc(5). */
static int is_of_processes(int descriptor) {
  struct statfs s;
  return fstatfs(descriptor, &s) < 0 || s.f_type == PROC_SUPER_MAGIC;
}

static PyObject *refuse(int descriptor, int error) {
  close(descriptor);
  errno = error;
  return PyErr_SetFromErrno(PyExc_OSError);
}

/* open_beneath(directory, path, flags, mode) -> descriptor: no symbolic link is followed, nothing above is reached, and no process */
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
  return is_of_processes(descriptor) ? refuse(descriptor, EACCES) : PyLong_FromLong(descriptor);
}

/* open_regular(directory, path) -> descriptor to read: as open_beneath, and a regular file or EACCES; nothing else is ever opened, as to open
 * a device or a fifo does something */
static PyObject *open_regular(PyObject *Py_UNUSED(module), PyObject *args) {
  int directory;
  const char *path;
  if (!PyArg_ParseTuple(args, "iy", &directory, &path))
    return NULL;
  uint64_t how[3] = {O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0x04 | 0x08 | 0x02};
  int found = syscall(437, directory, path, how, sizeof how);
  if (found < 0)
    return PyErr_SetFromErrno(PyExc_OSError);
  struct stat s;
  if (fstat(found, &s) < 0 || !S_ISREG(s.st_mode) || is_of_processes(found))
    return refuse(found, EACCES);
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", found);
  int descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0)
    return refuse(found, errno);
  close(found);
  return PyLong_FromLong(descriptor);
}

static PyMethodDef functions[] = {
    {"open_beneath", open_beneath, METH_VARARGS, "openat2 that cannot leave a directory."},
    {"open_regular", open_regular, METH_VARARGS, "open_regular(directory, path) -> descriptor of a regular file, to read."},
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
      PyModule_AddIntConstant(m, "OFFSET_COUNT", OFFSET_COUNT) < 0 || PyModule_AddIntConstant(m, "CHANNEL_SIZE", CHANNEL_SIZE) < 0 ||
      PyModule_AddObject(m, "VDSO_BASE", PyLong_FromUnsignedLongLong(VDSO_BASE)) < 0)
    return NULL;
  return m;
}
