"""A pager whose memory is compressed while nobody uses it.

Of all its objects together, only so many pages are in memory as they are; the ones that have been there longest come back to the pager,
which compresses them. A page of zeros takes no room.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from skerry.abi import mach
from skerry.lib.channel import Channel
from skerry.lib.pager import Backing, MemoryObject, PagerService
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, Dispatcher, MakeSend, Natural, routine

PAGE = mach.PAGE_SIZE
ZEROS = bytes(PAGE)
LEVEL = 1  # zlib's fastest
LARGEST = 1 << 40  # bytes of one object
FEWEST = 128  # pages that are in memory as they are, at least: twice what the kernel asks for at once


class CompressedMemory(Protocol):
    """What tasks ask of the pager."""

    @routine(5600)
    async def create(self, size: Natural) -> MakeSend:
        """A memory object of zeros, to be mapped, living as long as anybody can. Raises CallError: INVALID_ARGUMENT (too large)."""

    @routine(5601)
    async def statistics(self) -> tuple[Natural, Natural, Natural]:
        """Pages in memory as they are, pages that are kept compressed, bytes that these take."""


class Warm:
    """Which pages are in memory as they are, of all objects: the first to come is the first to go."""

    def __init__(self, limit: int) -> None:
        self.limit = max(limit, FEWEST)
        self._pages: dict[tuple[Compressed, int], None] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def add(self, backing: Compressed, first: int, count: int) -> None:
        """They are in memory now; others may have to go."""
        for at in range(first, first + count):
            self._pages.pop((backing, at), None)
            self._pages[backing, at] = None
        while len(self._pages) > self.limit:
            oldest, at = next(iter(self._pages))
            end = at
            while (oldest, end) in self._pages and len(self._pages) > self.limit:
                del self._pages[oldest, end]
                end += 1
            oldest.cool(at, end - at)

    def forget(self, backing: Compressed) -> None:
        """Its memory is gone."""
        for key in [key for key in self._pages if key[0] is backing]:
            del self._pages[key]


class Compressed(Backing):
    """One object."""

    def __init__(self, warm: Warm) -> None:
        self.object: MemoryObject | None = None
        self.pages: dict[int, bytes] = {}  # compressed; also those that are in memory, until they are written
        self._warm = warm

    async def read(self, offset: int, length: int) -> bytes | None:
        first, count = offset // PAGE, length // PAGE
        self._warm.add(self, first, count)
        if not any(at in self.pages for at in range(first, first + count)):
            return None
        return b"".join(zlib.decompress(self.pages[at]) if at in self.pages else ZEROS for at in range(first, first + count))

    async def write(self, offset: int, data: bytes, dirty: bool) -> None:
        for at in range(0, len(data), PAGE):
            page = data[at : at + PAGE]
            if page == ZEROS:
                self.pages.pop((offset + at) // PAGE, None)
            else:
                self.pages[(offset + at) // PAGE] = zlib.compress(page, LEVEL)

    def cool(self, first: int, count: int) -> None:
        """Have pages go from memory; what was written comes back."""
        if self.object is not None and self.object.control is not None:
            self.object.control.lock_request(first * PAGE, count * PAGE, mach.MEMORY_OBJECT_RETURN_DIRTY, flush=True)

    async def closed(self) -> None:
        self._warm.forget(self)

    async def unused(self) -> None:
        self.pages.clear()


class CompressedPager:
    """The service."""

    def __init__(self, service: Service, limit: int) -> None:
        self._pager = PagerService(service)
        self._warm = Warm(limit)

    async def create(self, size: int) -> int:
        if size > LARGEST:
            raise CallError(mach.KERN_INVALID_ARGUMENT)
        backing = Compressed(self._warm)
        port = self._pager.new_object(backing)
        backing.object = self._pager.objects[port]
        self._pager.die_unused(port)
        return port

    async def statistics(self) -> tuple[int, int, int]:
        backings = [each.backing for each in self._pager.objects.values()]
        kept = [page for backing in backings if isinstance(backing, Compressed) for page in backing.pages.values()]
        return len(self._warm), len(kept), sum(map(len, kept))


def main(channel: Channel, port: int, limit: int) -> None:
    """The pager's program. ``port``: the name of its receive right; ``limit``: pages that may be in memory as they are."""
    service = Service(channel)
    service.serve(port, Dispatcher(CompressedMemory, CompressedPager(service, limit)).answer)
    service.run()
