"""Limits on a whole run: memory, tasks, time and processors of all processes together.

They are the limits of a control group: what is too much is refused (ENOMEM, EAGAIN), and where nothing can be refused a process is killed.
Memory is taken without a call, so it is looked at again and again, the more often the less is left. A look is cheap and counts too much
where processes share pages after fork; only what it says of a limit that is passed is made exact.

Source: Documentation/admin-guide/cgroup-v2.rst; mmap(2), ENOMEM; vm.overcommit_memory in proc_sys_vm(5).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import lifecycle
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Process, System
    from skerry.unix.storage import Storage
    from skerry.unix.substrate import Paging

FILL_RATE: Final = 4  # bytes that programs can bring into use in a nanosecond, at most
SOONEST: Final = 4_000_000  # ns between two looks
MARGIN: Final = 8  # with paging, this part of the memory is kept free
SMALLEST: Final = 1 << 18  # bytes of a mapping that is worth being paged
RESERVE: Final = 4  # this part of the memory is never given to files: they are full before processes must be killed
OWN: Final = 16 << 20  # bytes that the system may come to need without being asked for much
LATEST: Final = 1_000_000_000
SHARE: Final = 20  # of the time that passes, looking takes one part in so many at most
PERIOD: Final = 50_000_000  # ns between two looks at processor time
LONGEST_PAUSE: Final = 100_000_000  # ns for which nothing runs, at most, before processor time is looked at again

Tell = Callable[[str], None]


def _stop(processes: list[Process]) -> None:
    """Have all threads come into the server, where they stay until it has done what it is doing."""
    for process in processes:
        for thread in list(process.threads.values()):
            if not thread.in_server:
                thread.user.interrupt()


def _costs(process: Process) -> int:
    """Bytes of memory in use, about, because of this process."""
    return process.memory.space.private_bytes() + sum(file.held for file in set(process.files.files.values()))


class MemoryLimit:
    """Memory that all processes may have in use: their own pages, shared anonymous memory, and the files in memory.

    What the system needs beyond OWN to serve them counts, too: what is in pipes and sockets, open files, and whatever else.
    With ``paging``, processes' own pages go out before the limit is reached: the largest memory first, all that one mapping has.
    """

    def __init__(self, limit: int, storage: Storage, tell: Tell, paging: Paging | None = None) -> None:
        self.limit = limit
        self._storage = storage
        self._tell = tell
        self._paging = paging
        self._system: System | None = None
        self._seen = 0  # bytes in use at the last look
        self._granted = 0  # bytes mapped since
        self._own = 0  # bytes that the system itself has before anything runs

    def watch(self, system: System) -> None:
        """Look at the memory of ``system`` from now on."""
        self._system = system
        self._own = system.platform.own_bytes()
        self._look()

    def bytes(self) -> tuple[int, int]:
        """All there is, and what is left: what programs are told."""
        self._see()
        return self.limit, max(0, self.limit - self._seen)

    def swap(self) -> tuple[int, int]:
        """All there is on the paging device, and what is left: bytes."""
        if self._paging is None:
            return 0, 0
        _, out, room = self._paging.state()
        return room, room - out

    def reserve(self, length: int) -> None:
        """``length`` bytes are about to be mapped. Raises ENOMEM where they could not be brought into use."""
        if self._seen + self._granted + length > self.limit:
            self._see()
            if self._system is not None and self._seen + length > self.limit and self._kept():
                self._system.platform.trim()
                self._see()
            if self._seen + length > self.limit + self.swap()[1]:
                self._tell("a mapping was refused (ENOMEM)")
                raise LinuxError(linux.ENOMEM)
        self._granted += length

    def _living(self) -> list[Process]:
        if self._system is None:  # the first program is being loaded
            return []
        return [process for process in self._system.processes.values() if process.exit_status is None]

    def _kept(self) -> int:
        """Bytes that the system keeps for programs; inodes are counted with the files, those of the host's files not at all."""
        if self._system is None:
            return 0
        elsewhere = self._storage.nodes() + self._storage.uncounted()
        return max(0, self._system.platform.own_bytes() - self._own - OWN - elsewhere)

    def _see(self) -> None:
        spaces = {id(process.memory): process.memory for process in self._living()}.values()
        shared = {id(m.identity): m.end - m.start for memory in spaces for m in memory.mappings() if m.shared and m.inode is None}
        paged = self._paging.state()[0] if self._paging is not None else 0
        programs = sum(memory.space.private_bytes() for memory in spaces) + sum(shared.values()) + self._kept()
        self._storage.leave(self.limit - self.limit // RESERVE - programs)
        self._seen = programs + paged + self._storage.used()
        self._granted = 0

    def _exactly(self) -> int:
        assert self._system is not None
        spaces = {id(process.memory): process.memory for process in self._living()}.values()
        parts = [memory.space.proportional_bytes() for memory in spaces]
        paged = self._paging.state()[0] if self._paging is not None else 0  # of which some is mapped, and shared for the host
        shared = sum(shared for _, shared in parts) - paged
        self._system.platform.trim()
        return sum(private for private, _ in parts) + max(self._storage.used(), shared) + paged + self._kept()

    def _look(self) -> None:
        assert self._system is not None
        clock = self._system.platform.monotonic
        start = clock()
        self._see()
        if self._paging is not None and self._seen > self._comfortable() and self.swap()[1] > 0:
            self._page_out(self._paging)
            start = clock()
        while self._seen > self.limit and self._exactly() > self.limit and self._kill_one():
            self._see()
        left = max(0, self.limit - self._seen)
        now = clock()
        period = max(min(max(left // FILL_RATE, SOONEST), LATEST), (now - start) * SHARE)
        self._system.loop.call_at(now + period, self._look)

    def _comfortable(self) -> int:
        """Bytes in use from which on memory goes out: what can be brought into use until the next look is still free."""
        return self.limit - min(max(self.limit // MARGIN, FILL_RATE * SOONEST), self.limit // 2)

    def _page_out(self, paging: Paging) -> None:
        """Have paged what is needed, largest first, until what is in use is comfortable. Meanwhile programs stand still."""
        living = self._living()
        _stop(living)
        goal = self._comfortable()
        spaces = {id(process.memory): process.memory for process in living}.values()
        candidates = [
            (m.end - m.start, m.start, memory.space) for memory in spaces for m in memory.mappings() if m.inode is None and not m.shared
        ]
        candidates.sort(key=lambda candidate: candidate[0], reverse=True)
        for size, start, space in candidates:
            self._see()
            unpaged = self._seen - paging.state()[0]
            paging.keep(max(goal - unpaged, 0))
            if size < SMALLEST or unpaged <= goal // 2:
                break
            with suppress(LinuxError):  # it has ended, or has too many mappings: the next may do
                space.take_over(start, size)
        self._see()
        paging.keep(max(goal - self._seen + paging.state()[0], 0))
        self._see()

    def _kill_one(self) -> bool:
        """Kill who uses most; whether there is anybody."""
        living = [process for process in self._living() if process.oom_score_adjustment > -1000]
        if not living:
            return False
        victim = max(living, key=_costs)
        name = next((thread.name for thread in victim.threads.values()), b"").decode(errors="replace")
        self._tell(f"process {victim.pid} ({name}) was killed (SIGKILL)")
        lifecycle.end_process(victim, linux.SIGKILL)
        return True


class FilesLimit:
    """Files that grow where programs write into mappings of holes, which no call sees: who does that beyond the limit is killed (SIGBUS).

    It is what a page does that cannot be had. Nobody looks while no file in memory is mapped to be written.
    """

    def __init__(self, storage: Storage, tell: Tell) -> None:
        self._storage = storage
        self._tell = tell
        self._looking = False
        self._seen = 0  # bytes stored at the last look

    def watch(self, system: System) -> None:
        """Have the files of ``system`` looked at when that is needed."""

        def begin() -> None:
            if not self._looking:
                self._looking = True
                system.loop.call_at(system.platform.monotonic() + SOONEST, lambda: self._look(system))

        self._storage.on_mapped = begin

    def _look(self, system: System) -> None:
        start = system.platform.monotonic()
        before, self._seen = self._seen, self._storage.used()
        if self._seen > max(before, self._storage.limit):
            self._kill_one(system)
        if not self._storage.mapped:
            self._looking = False
            return
        now = system.platform.monotonic()
        left = max(0, self._storage.limit - self._seen)
        system.loop.call_at(now + max(min(max(left // FILL_RATE, SOONEST), LATEST), (now - start) * SHARE), lambda: self._look(system))

    def _kill_one(self, system: System) -> None:
        """Kill who has mapped most of what can be written."""
        sizes = {
            process: sum(m.end - m.start for m in process.memory.mappings() if m.shared and m.may_write and m.inode in self._storage.mapped)
            for process in system.processes.values()
            if process.exit_status is None
        }
        victim = max(sizes, key=lambda process: sizes[process], default=None)
        if victim is None or not sizes[victim]:
            return
        name = next((thread.name for thread in victim.threads.values()), b"").decode(errors="replace")
        self._tell(f"process {victim.pid} ({name}), which wrote through a mapping, was killed (SIGBUS)")
        lifecycle.end_process(victim, linux.SIGBUS)


class TaskLimit:
    """Processes and threads that there may be, zombies included."""

    def __init__(self, limit: int, tell: Tell) -> None:
        self.limit = limit
        self._tell = tell

    def require_room(self, system: System) -> None:
        """Raises EAGAIN where one more would be too many."""
        if sum(max(1, len(process.threads)) for process in system.processes.values()) >= self.limit:
            self._tell("a new process or thread was refused (EAGAIN)")
            raise LinuxError(linux.EAGAIN)


class TimeLimit:
    """Time after which all processes are killed."""

    def __init__(self, limit: int, tell: Tell) -> None:
        self.limit = limit  # ns
        self._tell = tell

    def watch(self, system: System) -> None:
        """Let the time of ``system`` run."""

        def end() -> None:
            if system.first is not None and system.first.exit_status is None:
                self._tell("all processes were killed (SIGKILL)")
                lifecycle.end_process(system.first, linux.SIGKILL)

        system.loop.call_at(system.platform.monotonic() + self.limit, end)


class ProcessorLimit:
    """Processors that the run may keep busy, a fraction too: programs and system together.

    Who has used more than that stands still, with the system, until the average is right again.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._last = (0, 0)  # time of the last look, and the processor time used then
        self._debt = 0.0  # ns of processor time used beyond the limit

    def visible(self, processors: int) -> int:
        """How many of the host's processors programs are shown."""
        return min(processors, max(1, ceil(self.limit)))

    def watch(self, system: System) -> None:
        """Keep ``system`` to it from now on."""
        self._last = (system.platform.monotonic(), self._used(system))
        self._look_later(system)

    @staticmethod
    def _used(system: System) -> int:
        spaces = {id(process.memory): process.memory for process in system.processes.values() if process.exit_status is None}
        return system.platform.processor_time() + sum(memory.space.cpu_time() for memory in spaces.values())

    def _look_later(self, system: System) -> None:
        system.loop.call_at(system.platform.monotonic() + PERIOD, lambda: self._look(system))

    def _look(self, system: System) -> None:
        now, used = system.platform.monotonic(), self._used(system)
        before, used_before = self._last
        self._last = (now, max(used, used_before))
        self._debt = max(0.0, self._debt + max(0, used - used_before) - self.limit * (now - before))
        pause = int(self._debt / self.limit)
        if pause > 0:
            _stop(list(system.processes.values()))
            system.platform.pause(min(pause, LONGEST_PAUSE))
        self._look_later(system)


class Limits:
    """Those that were asked for."""

    def __init__(self) -> None:
        self.memory: MemoryLimit | None = None
        self.storage: Storage | None = None
        self.files: FilesLimit | None = None
        self.tasks: TaskLimit | None = None
        self.time: TimeLimit | None = None
        self.processors: ProcessorLimit | None = None

    def swap(self) -> tuple[int, int]:
        """All there is on the paging device, and what is left: bytes."""
        return (0, 0) if self.memory is None else self.memory.swap()

    def watch(self, system: System) -> None:
        """Have them obeyed in ``system``, which is about to run."""
        for limit in (self.memory, self.files, self.time, self.processors):
            if limit is not None:
                limit.watch(system)
