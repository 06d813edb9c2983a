"""Processes that are begun from outside, the first above all: their standard streams, where they start, and the programs that they run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.options import Options, UserError
from skerry.unix import lifecycle, sessions, signals
from skerry.unix.answers import NotYet, performed
from skerry.unix.console import make_stream
from skerry.unix.errors import LinuxError
from skerry.unix.execve import NotAProgram, Program, execute
from skerry.unix.files import FileTable
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.glue.devices import StreamDevice
from skerry.unix.memory import Memory
from skerry.unix.process import INIT, Credentials, Place, Process, System, Thread
from skerry.unix.vfs import resolve

if TYPE_CHECKING:
    from skerry.devices import Devices
    from skerry.unix.files import OpenFile
    from skerry.unix.inode import Inode

NOT_EXECUTABLE: Final = 126  # exit statuses, as shells have them
NOT_FOUND: Final = 127


_HOST_NAME: Final = b"/etc/hostname"
_HOST_NAME_MOST: Final = 64  # bytes, as sethostname(2) takes


Prepared = Callable[[UserError | None], None]  # takes why the program cannot be run; None: it can


def start(devices: Devices, system: System, options: Options, prepared: Prepared) -> Thread:
    """The first process's thread, which stands still. ``prepared`` is called when it is about to run the program, or cannot."""
    thread = _new_thread(devices, system, system.new_pid())
    system.first = thread.process
    _open_streams(devices, thread.process, {descriptor: descriptor for descriptor in devices.streams})  # a closed one is closed inside
    if system.console is not None:
        sessions.acquire(thread.process, system.console)
    _prepare(devices, thread, options, prepared)
    return thread


def _prepare(devices: Devices, thread: Thread, options: Options, prepared: Prepared) -> None:
    """Load the program: now or, where a translator must answer first, later."""

    def load() -> UserError | None:
        try:
            _enter_directory(thread, options)
            _execute(devices, thread, options)
        except UserError as error:
            return error
        return None

    def done(refused: UserError | None, error: BaseException | None) -> None:
        if error is not None:
            raise error
        prepared(refused)

    try:
        refused = load()
    except NotYet as wait:
        thread.process.system.loop.start(performed(thread, load, wait), done)
    else:
        prepared(refused)


def hold(devices: Devices, system: System) -> Thread:
    """A first process that runs nothing, and that nobody inside sees: the system lives until it is ended from outside."""
    thread = _new_thread(devices, system, INIT)
    del system.processes[INIT]
    system.first = thread.process
    return thread


def take_host_name(thread: Thread) -> None:
    """Name the system as its root says (hostname(5)): what the host is called is none of a program's business."""
    for line in read_file(thread, _HOST_NAME, 4096).splitlines():
        name = line.strip()
        if name and not name.startswith(b"#"):
            if len(name) <= _HOST_NAME_MOST and name.isascii() and name.decode().isprintable():
                thread.process.system.hostname = name
            return


def read_file(thread: Thread, path: bytes, most: int) -> bytes:
    """The first ``most`` bytes of a file as ``thread`` sees it; nothing if it is no regular file that it finds."""
    try:
        found = _find(thread, path)
        return found.read_at(0, most) if found is not None and found.is_regular else b""
    except (LinuxError, NotYet):  # the system does not wait for a translator to say what it is called
        return b""


def start_beside(
    devices: Devices, system: System, options: Options, streams: dict[int, int], begun: Callable[[Thread | UserError], None]
) -> None:
    """One more program, in a session of its own: ``begun`` takes its thread, about to run, or why there is none.

    ``streams``: its descriptors, by number.
    """
    try:
        if system.limits.tasks is not None:
            system.limits.tasks.require_room(system)
        thread = _new_thread(devices, system, system.new_pid())
    except LinuxError as error:
        text = options.arguments[0].decode(errors="replace")
        begun(UserError(f"{text}: cannot be started: {os.strerror(error.errno)}: let others end first, or raise the limit"))
        return

    def prepared(refused: UserError | None) -> None:
        if refused is not None:
            lifecycle.end_process(thread.process, linux.SIGKILL)
        begun(refused or thread)

    try:
        _open_streams(devices, thread.process, streams)
    except UserError as error:
        prepared(error)
    else:
        _prepare(devices, thread, options, prepared)


def _new_thread(devices: Devices, system: System, pid: int) -> Thread:
    """The thread of a new process without parent, program and descriptors."""
    space, user = system.platform.first_space()
    who = devices.identity
    credentials = Credentials(who.uid, who.gid, who.groups)
    place = Place(system.root, system.root, 0o022)
    process = Process(system, pid, None, Memory(space), FileTable(), place, credentials, signals.Actions())
    process.memory.run_limit = system.limits.memory
    system.processes[process.pid] = process
    thread = Thread(process, process.pid, user)
    user.owner = thread
    process.threads[process.pid] = thread
    return thread


def _open_streams(devices: Devices, process: Process, streams: dict[int, int]) -> None:
    """Give the process streams of the host, by the numbers that they get."""
    system = process.system
    owner = (process.credentials.uid, process.credentials.gid)
    for number, descriptor in streams.items():
        stream = devices.stream(descriptor)
        access = os.O_RDWR if stream.is_terminal else os.O_WRONLY if number else os.O_RDONLY
        device = StreamDevice(stream)
        file: OpenFile
        if system.console is not None and stream.is_terminal:
            file = system.console.file(device, access)
            file.path = b"/dev/pts/0"
        else:
            file = make_stream(device, access, number, owner, system.platform.realtime())
        process.files.place(number, file, False)


def _find(thread: Thread, path: bytes) -> Inode | None:
    place = thread.process.place
    return resolve(thread, place, thread.process.credentials, path, place.cwd).inode


def _enter_directory(thread: Thread, options: Options) -> None:
    """Start where the options say; the directory that nobody asked for may be missing inside."""
    reason = linux.ENOTDIR
    try:
        found = _find(thread, options.directory)
        if isinstance(found, Directory):
            thread.process.place.cwd = found
            return
        if found is None:
            reason = linux.ENOENT
    except LinuxError as error:
        reason = error.errno
    if options.directory_given:
        name = options.directory.decode(errors="replace")
        raise UserError(f"--cwd {name}: {os.strerror(reason)}: give a directory as it is named inside")


def _execute(devices: Devices, thread: Thread, options: Options) -> None:
    name = options.arguments[0]
    text = name.decode(errors="replace")
    try:
        path = _search(thread, name, options)
        program = Program(thread, path, options.arguments, thread.process.place.cwd)
        execute(thread, program, options.environment)
    except NotAProgram as error:
        raise UserError(f"{text}: {error.reason}", NOT_EXECUTABLE) from error
    except LinuxError as error:
        raise _refusal(devices, thread, name, text, error) from error


def _refusal(devices: Devices, thread: Thread, name: bytes, text: str, error: LinuxError) -> UserError:
    """Why the program cannot be executed: itself, or what it needs."""
    missing = error.errno in (linux.ENOENT, linux.ENOTDIR)
    if missing and not _exists(thread, name):
        return UserError(f"{text}: not found: {_advice(devices, name)}", NOT_FOUND)
    if missing:
        return UserError(f"{text}: its interpreter (the #! line, or the loader of its libraries) is not found inside", NOT_FOUND)
    if error.errno == linux.EACCES:
        return UserError(f"{text}: Permission denied: make it executable (chmod +x), or run it by its interpreter", NOT_EXECUTABLE)
    return UserError(f"{text}: cannot be executed: {os.strerror(error.errno)}", NOT_EXECUTABLE)


def _advice(devices: Devices, name: bytes) -> str:
    if b"/" not in name:
        return "check the name, and PATH inside"
    if found := devices.find(name):
        return f"it is there on the host, but not inside (/tmp is another one): add --bind {os.fsdecode(os.path.dirname(found))}"
    return "check the path: it is the name inside"


def _exists(thread: Thread, name: bytes) -> bool:
    if b"/" not in name:
        return False
    try:
        return _find(thread, name) is not None
    except LinuxError:
        return False


def _search(thread: Thread, name: bytes, options: Options) -> bytes:
    """execvp: the path that PATH gives. Raises LinuxError."""
    if b"/" in name:
        return name
    path = next((e[5:] for e in options.environment if e.startswith(b"PATH=")), b"/usr/bin:/bin")
    for directory in path.split(b":"):
        full = (directory or b".") + b"/" + name
        try:
            found = _find(thread, full)
        except LinuxError:
            continue
        if found is not None and found.is_regular and found.mode & 0o111:
            return full
    raise LinuxError(linux.ENOENT)
