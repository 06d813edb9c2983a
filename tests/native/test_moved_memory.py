"""Data out of line that are moved or lent, not copied."""

from __future__ import annotations

import pytest
from tests.native.natives import Natives
from tests.native.test_messages import pair

from skerry.mach.movable import OBJECTS, OwnMemory

pytestmark = pytest.mark.machine

SIZE = 1 << 20
RECEIVER = """
def main(channel, port):
    task = NativeTask(channel)
    item = task.receive(port).items[0]
    memory = channel.memory(item.data, item.length)
    assert bytes(memory[:3]) == b"abc" and memory[item.length - 1] == ord("z"), bytes(memory[:3])
    memory[0] = ord("X")
    task.receive(port)
"""
SENDER = """
def main(channel, port):
    task = NativeTask(channel)
    address = finish(task.kernel.vm_allocate(0, {size}, 1))
    memory = channel.memory(address, {size})
    memory[:3], memory[{size} - 1] = b"abc", ord("z")
    task.send(UserMessage(1, port, remote_type=COPY, items=(machmsg.Item(9, 8, {size}, address, False, {move}),)))
    {then}
    task.receive(task.reply_port())
"""


def send(natives: Natives, size: int, move: bool, then: str = "pass") -> tuple[object, object]:
    """The objects behind the receiver's and the sender's region, after the receiver has written to its own."""
    first, second = pair(natives, RECEIVER, SENDER.format(size=size, move=move, then=then))
    natives.run_until(lambda: (first.waits and first.map.regions and second.waits) or first.last_words or second.last_words)
    assert first.last_words == second.last_words == ""
    (mine,) = first.map.regions
    theirs = second.map.regions[0] if second.map.regions else None
    assert first.map.space.read(mine.start, 3) == b"Xbc"
    if theirs is not None:
        assert second.map.space.read(theirs.start, 3) in (b"abc", b"new")
    return mine.object, theirs.object if theirs is not None else None


@pytest.mark.parametrize("size", [4096, 4097, SIZE, SIZE + 5])
def test_moved_memory_is_the_senders_object(natives: Natives, size: int) -> None:
    """Nothing is copied, and what lay behind the data in their last page is not given away."""
    mine, theirs = send(natives, size, move=True)
    assert theirs is None
    assert isinstance(mine, OwnMemory)


def test_copied_memory_is_one_object_until_it_is_written(natives: Natives) -> None:
    mine, theirs = send(natives, SIZE, move=False, then='memory[:3] = b"new"')
    assert mine is theirs
    assert isinstance(mine, OwnMemory)
    assert mine.read(0, 3) == b"abc"


def test_what_was_written_after_it_was_sent_is_sent_the_next_time(natives: Natives) -> None:
    receiver = """
def main(channel, port):
    task = NativeTask(channel)
    seen = []
    for _ in range(4):
        item = task.receive(port).items[0]
        seen.append(bytes(channel.memory(item.data, 1)))
    assert seen == [b"0", b"0", b"2", b"3"], seen
    task.receive(port)
"""
    sender = """
def main(channel, port):
    task = NativeTask(channel)
    address = finish(task.kernel.vm_allocate(0, 65536, 1))
    memory = channel.memory(address, 65536)
    memory[0] = ord("0")
    for n in range(4):
        if n > 1:
            memory[0] = ord("0") + n
        task.send(UserMessage(1, port, remote_type=COPY, items=(machmsg.Item(9, 8, 65536, address, False),)))
    task.receive(task.reply_port())
"""
    first, second = pair(natives, receiver, sender)
    natives.run_until(lambda: (first.waits and len(first.map.regions) == 4) or first.last_words or second.last_words)
    assert first.last_words == second.last_words == ""
    one, two, three, four = [region.object for region in first.map.regions]
    assert one is two
    assert len({one, three, four}) == 3


def test_part_of_an_object_is_copied(natives: Natives) -> None:
    """The rest stays the sender's, and the bytes around the part do not show."""
    receiver = """
def main(channel, port):
    task = NativeTask(channel)
    item = task.receive(port).items[0]
    memory = bytes(channel.memory(item.data, 8192))
    assert memory == b"b" * 4096 + b"c" * 100 + bytes(3996), memory[4090:4206]
    task.receive(port)
"""
    sender = """
def main(channel, port):
    task = NativeTask(channel)
    address = finish(task.kernel.vm_allocate(0, 16384, 1))
    memory = channel.memory(address, 16384)
    memory[:] = b"a" * 4096 + b"b" * 4096 + b"c" * 8192
    task.send(UserMessage(1, port, remote_type=COPY, items=(machmsg.Item(9, 8, 4196, address + 4096, False),)))
    assert bytes(memory) == b"a" * 4096 + b"b" * 4096 + b"c" * 8192
    task.receive(task.reply_port())
"""
    first, second = pair(natives, receiver, sender)
    natives.run_until(lambda: (first.waits and first.map.regions and second.waits) or first.last_words or second.last_words)
    assert first.last_words == second.last_words == ""


def test_moved_away_memory_cannot_be_kept(natives: Natives) -> None:
    """mremap would leave an alias of what the kernel has taken away: it is refused in the kernel's range, and works elsewhere."""
    source = """
import ctypes
def main(channel):
    task = NativeTask(channel)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mremap.restype = libc.mmap.restype = ctypes.c_void_p
    def mremap(address, old, new):
        return libc.mremap(ctypes.c_void_p(address), ctypes.c_size_t(old), ctypes.c_size_t(new), 1)
    address = finish(task.kernel.vm_allocate(0, 65536, 1))
    for old in (0, 65536):
        assert mremap(address, old, 131072) in (None, 2**64 - 1)
        assert ctypes.get_errno() == 1, ctypes.get_errno()
    page, fixed = 4096, 3  # MREMAP_MAYMOVE | MREMAP_FIXED: Linux moves several neighbours at once, one's own and the kernel's
    assert address == 0x100000000000
    assert libc.mmap(ctypes.c_void_p(address - page), ctypes.c_size_t(page), 3, 0x32, -1, ctypes.c_long(0)) == address - page
    size, away = ctypes.c_size_t(2 * page), ctypes.c_void_p(0x300000000000)
    assert libc.mremap(ctypes.c_void_p(address - page), size, size, fixed, away) in (None, 2**64 - 1) and ctypes.get_errno() == 1
    own = libc.mmap(None, ctypes.c_size_t(65536), 3, 0x22, -1, ctypes.c_long(0))
    assert mremap(own, 65536, 1 << 20) not in (None, 2**64 - 1)
"""
    assert natives.ended(natives.start(source)) == ""


def test_only_so_many_objects_are_a_tasks_own(natives: Natives) -> None:
    source = f"""
def main(channel):
    task = NativeTask(channel)
    for n in range({OBJECTS} + 20):
        address = finish(task.kernel.vm_allocate(0, 4096, 1))
        channel.memory(address, 1)[0] = 1
    task.receive(task.reply_port())
"""
    task = natives.start(source)
    natives.run_until(lambda: (task.waits and len(task.space.entries) == 3) or task.last_words)
    assert task.last_words == ""
    own = [region for region in task.map.regions if isinstance(region.object, OwnMemory)]
    assert len(own) == OBJECTS
    assert sum(region.end - region.start for region in task.map.regions) == (OBJECTS + 20) * 4096
