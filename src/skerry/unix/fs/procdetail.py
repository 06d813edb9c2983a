"""What the less common files of /proc/PID say: open files, threads, memory in sum, the auxiliary vector; and /proc/sysvipc.

Source: proc(5); fs/proc/fd.c, ipc/shm.c, ipc/sem.c and ipc/msg.c of Linux for the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi.fault import Fault
from skerry.unix.memory import MMAP_TOP, PAGE

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.process import Process, System
    from skerry.unix.sysv.identifiers import Identified

SECOND: Final = 1_000_000_000


def file_information(process: Process, fd: int, file: OpenFile) -> bytes:
    """/proc/PID/fdinfo/FD."""
    flags = file.status_flags | (0o2000000 if fd in process.files.close_on_exec else 0)
    head = b"pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n" % (file.position, flags, file.inode.fs.device, file.inode.ino)
    return head + file.information()


def command_line(process: Process) -> bytes:
    """/proc/PID/cmdline: what lies where the arguments were, since a program may write its title there.

    A title that covers the NUL behind the last argument may go on over the environment; it ends with its first NUL.
    Source: get_mm_cmdline in Linux's fs/proc/base.c.
    """
    start, end, environment_end = process.strings
    text = _text(process, start, end)
    if text and text[-1:] != b"\0":
        title, nul, _ = _text(process, start, min(environment_end, start + PAGE)).partition(b"\0")
        return title + nul
    return text


def environment(process: Process) -> bytes:
    """/proc/PID/environ: what lies where the environment was."""
    return _text(process, *process.strings[1:])


def _text(process: Process, start: int, end: int) -> bytes:
    """What the process has there; nothing where it has ended, or unmapped its strings."""
    if process.exit_status is not None:
        return b""
    try:
        return process.memory.read(start, end - start)
    except Fault:
        return b""


def children(process: Process) -> bytes:
    """/proc/PID/task/TID/children."""
    return b"".join(b"%d " % child.pid for child in process.children)


def memory_sum(process: Process) -> bytes:
    """/proc/PID/smaps_rollup: pages that are shared since fork are divided among those who share them."""
    resident = private = shared = 0
    if process.exit_status is None:
        space = process.memory.space
        resident = space.resident()
        private, shared = space.proportional_bytes()
    mappings = process.memory.mappings()
    first, last = (mappings[0].start, mappings[-1].end) if mappings else (0, MMAP_TOP)
    rows = [b"%08x-%08x ---p 00000000 00:00 0                    [rollup]\n" % (first, last)]
    sizes = {"Rss": resident, "Pss": private + shared, "Pss_Anon": private, "Pss_File": 0, "Pss_Shmem": shared}
    sizes |= {"Private_Dirty": private, "Anonymous": private, "Swap": 0, "SwapPss": 0, "Locked": 0}
    rows += [f"{name + ':':<16}{size >> 10:>8} kB\n".encode() for name, size in sizes.items()]
    return b"".join(rows)


def _owners(of: Identified) -> str:
    return f"{of.uid:5} {of.gid:5} {of.creator_uid:5} {of.creator_gid:5}"


def shared_segments(system: System) -> bytes:
    """/proc/sysvipc/shm."""
    system.segments.sweep(system)
    rows = [
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime"
        "                   rss                  swap\n"
    ]
    for s in system.segments.objects():
        times = " ".join(f"{time // SECOND:10}" for time in (s.attached_at, s.detached_at, s.changed))
        head = f"{s.key:10} {s.id:10}  {s.mode:4o} {s.size:21} {s.creator:5} {s.last:5}  {s.attachments(system):5}"
        rows.append(f"{head} {_owners(s)} {times} {s.file.blocks << 9:21} {0:21}\n")
    return "".join(rows).encode()


def semaphore_sets(system: System) -> bytes:
    """/proc/sysvipc/sem."""
    rows = ["       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"]
    for s in system.semaphores.objects():
        times = f"{s.operated_at // SECOND:10} {s.changed // SECOND:10}"
        rows.append(f"{s.key:10} {s.id:10}  {s.mode:4o} {len(s.values):10} {_owners(s)} {times}\n")
    return "".join(rows).encode()


def message_queues(system: System) -> bytes:
    """/proc/sysvipc/msg."""
    rows = [
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n",
    ]
    for q in system.queues.objects():
        times = " ".join(f"{time // SECOND:10}" for time in (q.sent_at, q.received_at, q.changed))
        head = f"{q.key:10} {q.id:10}  {q.mode:4o}  {q.length:10} {len(q.messages):10} {q.sender:5} {q.receiver:5}"
        rows.append(f"{head} {_owners(q)} {times}\n")
    return "".join(rows).encode()
