"""Assembles a system out of a machine, a kernel and servers, and runs a program on it."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from typing import Final

from skerry.abi import linux
from skerry.lib.coroutine import Loop
from skerry.mach.kernel import Kernel
from skerry.machine import HostEvent, Machine, MachineError
from skerry.machine.hosttree import HostTree
from skerry.machine.stream import Stream
from skerry.options import Options, UserError
from skerry.unix import signals
from skerry.unix.console import Terminal, make_stream
from skerry.unix.errors import LinuxError
from skerry.unix.execve import NotAProgram, Program, execute
from skerry.unix.files import FileTable, OpenFile
from skerry.unix.fs.cow import CowFileSystem
from skerry.unix.fs.dev import make_dev
from skerry.unix.fs.proc import Proc
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.glue.devices import StreamDevice, TreeDevice
from skerry.unix.glue.mach import MachPlatform, serve
from skerry.unix.inode import Inode
from skerry.unix.memory import Memory
from skerry.unix.process import Credentials, Place, Process, System, Thread
from skerry.unix.server import Server
from skerry.unix.syscalls.table import BY_NUMBER
from skerry.unix.vfs import Namespace, mount, resolve

PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
COLLECT_AFTER: Final = 50_000  # new objects; bench gcc: collecting every 700, as by default, costs 2 % of the server's time
DEVICE: Final = 64  # device number of the first file system


def run(options: Options) -> int:
    """Run the program to its end; the exit status of the command. Raises UserError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Machine() as machine:
            return _Run(machine, options).run()
    except MachineError as error:
        raise UserError(str(error)) from error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Run:
    """One booted system and the program that it was booted for."""

    def __init__(self, machine: Machine, options: Options) -> None:
        self.machine = machine
        self.options = options
        self.kernel = Kernel(machine)
        self.platform = MachPlatform(self.kernel)
        self.loop = Loop(self.platform.monotonic)
        self.terminal = Terminal()
        self.status = 0
        root = _tree(options.root, "--root")
        self.namespace = Namespace(CowFileSystem(self.platform, DEVICE, root).root())
        self.system = System(self.platform, self.namespace.root, self.loop, self.terminal)
        self.system.hostname = os.uname().nodename.encode()
        self.system.on_end = self._ended
        self.server = Server(self.system, BY_NUMBER)
        self._mount()

    def _ended(self, status: int) -> None:
        self.status = status
        self.kernel.halted = True

    def _mount(self) -> None:
        now = self.platform.realtime()
        names = self.namespace
        mount(names.make_directory(b"/dev", 0o755, now), make_dev(self.platform, DEVICE + 1, self._open_terminal))
        mount(names.make_directory(b"/proc", 0o755, now), Proc(self.system, DEVICE + 2).root())
        for number, (path, mode) in enumerate(((b"/tmp", 0o1777), (b"/run", 0o755), (b"/dev/shm", 0o1777), (b"/sys", 0o755))):
            fs = MemoryFileSystem(self.platform, DEVICE + 3 + number)
            mount(names.make_directory(path, 0o755, now), Directory(fs, fs.next_ino(), linux.S_IFDIR | mode, 0, 0, now))
        for number, (source, place) in enumerate(self.options.binds):
            tree = CowFileSystem(self.platform, DEVICE + 16 + number, _tree(source, "--bind"))
            try:
                mount(names.make_directory(place, 0o755, now), tree.root())
            except LinuxError as error:
                raise UserError(f"--bind: {place.decode(errors='replace')} inside: {os.strerror(error.errno)}") from error

    def _open_terminal(self, inode: Inode, flags: int) -> OpenFile:
        for descriptor in range(3):
            if os.isatty(descriptor):
                device = StreamDevice(Stream(self.machine, descriptor))
                return make_stream(device, flags, self.terminal, descriptor, (os.getuid(), os.getgid()), self.platform.realtime())
        raise LinuxError(linux.ENXIO)

    def run(self) -> int:
        thread = self._first_thread()
        gc.freeze()  # what exists now stays
        gc.set_threshold(COLLECT_AFTER, 10, 10)
        serve(self.platform, self.server)
        with _Signals(self.machine, self.system):
            signals.resume(thread)
            self.kernel.run(self.loop)
        if self.options.stats:
            self._print_stats()
        status = self.status
        return 128 + (status & 0x7F) if status & 0x7F else status >> 8

    def _first_thread(self) -> Thread:
        options = self.options
        name = options.arguments[0]
        text = name.decode(errors="replace")
        space, user = self.platform.first_space()
        credentials = Credentials(os.getuid(), os.getgid(), tuple(os.getgroups()))
        root = self.namespace.root
        place = Place(root, root, 0o022)
        process = Process(self.system, self.system.new_pid(), None, Memory(space), FileTable(), place, credentials, signals.Actions())
        if options.memory:
            process.limits[linux.RLIMIT_AS] = (options.memory, options.memory)
        self.system.first = process
        self.system.processes[process.pid] = process
        self._standard_streams(process)
        thread = Thread(process, process.pid, user)
        user.owner = thread
        process.threads[process.pid] = thread
        try:
            start = resolve(thread, place, credentials, options.directory, root).inode
            if isinstance(start, Directory):
                place.cwd = start
        except LinuxError:
            pass  # the current directory is not visible inside: start at the root
        try:
            execute(thread, Program(thread, self._search(thread, name), options.arguments, place.cwd), options.environment)
        except NotAProgram as error:
            raise UserError(f"{text}: {error.reason}", 126) from error
        except LinuxError as error:
            if error.errno in (linux.ENOENT, linux.ENOTDIR):
                raise UserError(f"{text}: not found: check the name and PATH inside", 127) from error
            raise UserError(f"{text}: cannot be executed: {os.strerror(error.errno)}", 126) from error
        process.memory.limit = options.memory or process.memory.limit
        return thread

    def _search(self, thread: Thread, name: bytes) -> bytes:
        """execvp: the path that PATH gives."""
        if b"/" in name:
            return name
        path = next((e[5:] for e in self.options.environment if e.startswith(b"PATH=")), b"/usr/bin:/bin")
        place = thread.process.place
        for directory in path.split(b":"):
            full = (directory or b".") + b"/" + name
            try:
                found = resolve(thread, place, thread.process.credentials, full, place.cwd).inode
            except LinuxError:
                continue
            if found is not None and found.is_regular and found.mode & 0o111:
                return full
        raise LinuxError(linux.ENOENT)

    def _standard_streams(self, process: Process) -> None:
        for descriptor in range(3):
            try:
                stream = Stream(self.machine, descriptor)
            except OSError:
                continue
            access = os.O_RDWR if stream.is_terminal else os.O_WRONLY if descriptor else os.O_RDONLY
            owner = (os.getuid(), os.getgid())
            file = make_stream(StreamDevice(stream), access, self.terminal, descriptor, owner, self.platform.realtime())
            process.files.place(descriptor, file, False)

    def _print_stats(self) -> None:
        lines = [f"traps {self.machine.traps}, messages {self.kernel.messages}"]
        for number, count in self.server.missing.items():
            lines.append(f"{count:8} {BY_NUMBER[number].name if number in BY_NUMBER else number}: ENOSYS")
        print("\n".join(lines), file=sys.stderr)


def _tree(path: bytes, option: str) -> TreeDevice:
    try:
        return TreeDevice(HostTree(path))
    except OSError as error:
        raise UserError(f"{option} {path.decode(errors='replace')}: {error.strerror}: give a directory") from error


class _Signals:
    """While it is entered, signals to the command go to the first process."""

    def __init__(self, machine: Machine, system: System) -> None:
        self._machine = machine
        self._system = system
        self._caught: list[int] = []

    def __enter__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old = {number: signal.signal(number, self._catch) for number in PASSED_ON}
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._event = HostEvent(self._reader, self._pass_on)
        self._machine.watch(self._event)

    def __exit__(self, *error: object) -> None:
        self._machine.unwatch(self._event)
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def _catch(self, number: int, frame: object) -> None:
        self._caught.append(number)

    def _pass_on(self) -> None:
        os.read(self._reader, 4096)
        caught, self._caught = self._caught, []
        self._machine.watch(self._event)
        group = self._system.terminal.foreground
        first = self._system.first
        for number in caught:
            for process in list(self._system.processes.values()):
                if process is first or (group and process.pgid == group) or (not group and first and process.pgid == first.pgid):
                    signals.send(process, signals.SignalInfo(number, linux.SI_USER))
