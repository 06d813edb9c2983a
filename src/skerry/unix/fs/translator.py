"""A directory tree that a translator serves: names, attributes and contents are asked of it (``lib.translator``).

Nothing here sleeps: what is not known raises NotYet, and the system call waits (``unix.answers``). What is answered is kept as long as the
translator says, and is checked: what cannot be is EIO. An object has one inode as long as somebody holds it. Contents are kept in memory
that programs can map, at most CACHED bytes in all and what calls under way need; they are dropped when size, time or version change. What
is written goes to the translator at once, one call after the other, and is synced when the last descriptor that may write is closed; what
it says to that, the program does not hear: fsync tells.

Not there: links to files, special files, owners that can be changed, extended attributes, holes, shared mappings that may be written
(ENODEV). Setuid and setgid bits do not come through.

Source: fuse(4); the GNU Hurd Reference Manual, Translators.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from skerry.abi import linux
from skerry.lib.translator import ENTRY, NAME_MOST, NAMES_MOST, NUMBER_MOST, OWNER, PATH_MOST, PIECE, TYPES, UNCHANGED
from skerry.unix import answers, notify
from skerry.unix.answers import NotYet, Question, Turn
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, RegularFile
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Buffer, MemoryObject, Platform, Translator

FUSE_MAGIC: Final = 0x65735546
CHUNK: Final = PIECE & -4096  # bytes of contents that are asked for and kept as one
AT_ONCE: Final = 16  # chunks under way for one call
WRITTEN_AT_ONCE: Final = 16 * CHUNK  # bytes by one system call, which is short where a program wants more
READ_AHEAD: Final = 8  # chunks that are asked for with those of a read, where the file is read in order
CACHED: Final = 128 << 20  # bytes
MAPPED_MOST: Final = 1 << 30  # bytes of a file that can be mapped or executed
KNOWN_MOST: Final = 4096  # names of a directory that are kept
WORD: Final = (1 << 64) - 1
_PUNCH: Final = linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE


class TranslatorFileSystem(MemoryFileSystem):
    """What the inodes of one translator share. ``owner``: user and group of what belongs to who runs the programs."""

    supports_xattrs = False

    def __init__(self, platform: Platform, device: int, translator: Translator, owner: tuple[int, int]) -> None:
        super().__init__(platform, device, "fuse", FUSE_MAGIC)
        self.translator = translator
        self.owner = owner
        self.turn = Turn()
        self.attached = self.now()
        self._valid: int | None = None  # how long things may be kept (ns); None: not asked yet
        self._inodes: WeakValueDictionary[bytes, TranslatorInode] = WeakValueDictionary()  # by path
        self._contents: OrderedDict[TranslatorFile, None] = OrderedDict()  # those kept, longest unused first
        self._cached = 0  # bytes of them all

    def statfs(self) -> tuple[int, int, int, int, int, int]:
        """Nobody knows how large it is."""
        return (4096, 0, 0, 0, 0, 0)

    def root(self) -> TranslatorDirectory:
        """The root directory. Nothing is asked for it yet."""
        return TranslatorDirectory(self, None, b"", [linux.S_IFDIR | 0o555, 0, self.now(), OWNER, OWNER, 0])

    # Asking
    def ask(self, method: bytes, *arguments: Any, same: int | None = None) -> Any:
        """What a call returns. ``same``: how many arguments are still the same where a system call is made again; None: all.

        Raises LinuxError, NotYet.
        """
        replay = answers.current()
        answer = replay.answer_to(self.translator, method, arguments[:same]) if replay is not None else None
        if answer is None:
            raise NotYet(Question(self.translator, method, arguments))
        code, value = answer
        if code:
            raise LinuxError(code)
        return value

    def tell(self, method: bytes, *arguments: Any) -> None:
        """Make a call whose end nobody waits for."""
        translator = self.translator
        numbers: list[int] = []
        numbers.append(translator.ask(method, arguments, lambda: translator.drop(numbers[0]) if numbers else None))

    def clock(self) -> int:
        """The time by which things are kept (ns); it stands still for one system call."""
        replay = answers.current()
        return self.platform.monotonic() if replay is None else replay.now

    def until(self) -> int:
        """When what has just been answered is old. Raises NotYet, LinuxError."""
        return self.platform.monotonic() + (self._valid or 0)

    def describe(self) -> None:
        """Learn what kind of tree it is, once. Raises NotYet, LinuxError."""
        if self._valid is None:
            words = self.ask(b"tr_describe")
            if len(words) != 2:
                raise LinuxError(linux.EIO)
            self.read_only = not words[0]
            self._valid = words[1]

    def attributes(self, found: Any) -> list[int]:
        """Attributes as they may be. Raises EIO."""
        if len(found) != 6:
            raise LinuxError(linux.EIO)
        mode, size, modified, uid, gid, version = found
        if mode >> 16 or mode & linux.S_IFMT not in TYPES or size > NUMBER_MOST or modified > NUMBER_MOST:
            raise LinuxError(linux.EIO)
        uid, gid = (own if asked == OWNER else asked & 0xFFFFFFFF for asked, own in zip((uid, gid), self.owner, strict=True))
        mode = linux.S_IFLNK | 0o777 if mode & linux.S_IFMT == linux.S_IFLNK else mode & ~(linux.S_ISUID | linux.S_ISGID)
        return [mode, size, modified, uid, gid, version]

    # Inodes
    def inode_at(self, parent: TranslatorDirectory, name: bytes, found: Any) -> TranslatorInode:
        """The inode of what is called so, with these attributes. Raises EIO."""
        attributes = self.attributes(found)
        path = parent.path_to(name)
        inode = self._inodes.get(path)
        if inode is None or (inode.mode ^ attributes[0]) & linux.S_IFMT:
            inode = self._inodes[path] = _KINDS[attributes[0] & linux.S_IFMT](self, parent, name, attributes)
        else:
            inode.take(attributes)
        inode.valid_until = self.until()
        return inode

    def moved(self, old: bytes, new: bytes) -> None:
        """The object at ``old``, and what is below it, is at ``new``."""
        inside = old + b"/"
        for path, inode in list(self._inodes.items()):
            if path == old or path.startswith(inside):
                del self._inodes[path]
                self._inodes[new + path[len(old) :]] = inode

    def forget(self, path: bytes) -> None:
        """Nothing is there any more."""
        self._inodes.pop(path, None)

    # Contents
    def keep(self, file: TranslatorFile, more: int = 0) -> None:
        """``file`` was used just now, and has ``more`` bytes than before; what is too much goes."""
        self._contents[file] = None
        self._contents.move_to_end(file)
        self._cached += more
        excess = self._cached - CACHED
        if excess > 0:
            for kept in list(self._contents):
                excess -= kept.shrink(excess)
                if excess <= 0:
                    break

    def dropped(self, file: TranslatorFile, fewer: int) -> None:
        """``file`` has ``fewer`` bytes than before."""
        self._cached -= fewer
        if not file.holds_contents:
            self._contents.pop(file, None)


class TranslatorInode(Inode):
    """An object: where it is, and its attributes until they are old."""

    fs: TranslatorFileSystem

    def __init__(self, fs: TranslatorFileSystem, parent: TranslatorDirectory | None, name: bytes, attributes: list[int]) -> None:
        self.settle(fs, parent, name, attributes)
        super().__init__(fs, self.number(), attributes[0], attributes[3], attributes[4], attributes[2] or fs.attached)
        self.size = attributes[1]
        self.take(attributes)

    def settle(self, fs: TranslatorFileSystem, parent: TranslatorDirectory | None, name: bytes, attributes: list[int]) -> None:
        """What every kind begins with."""
        self.holder = parent  # the directory that it is in; None: the root
        self.called = name
        self.removed = False
        self.valid_until = 0
        self.version = attributes[5]

    def number(self) -> int:
        """An inode number that the path gives."""
        path = self.called if self.holder is None else self.holder.path_to(self.called)
        return int.from_bytes(hashlib.blake2b(path, digest_size=6).digest(), "little") | 1

    def path(self) -> bytes:
        """Where it is in the tree. Raises ESTALE: it was removed."""
        if self.removed:
            raise LinuxError(linux.ESTALE)
        return b"" if self.holder is None else self.holder.path_to(self.called)

    def take(self, attributes: list[int]) -> None:
        """Have these, which were checked. A time that is not known is when size or version were first seen to be as they are."""
        mode, size, modified, uid, gid, version = attributes
        if not modified:
            same = version == self.version and (size == self.size or mode & linux.S_IFMT == linux.S_IFDIR)
            modified = self.mtime if same else self.fs.now()
        self.before_change(size, modified, version)
        self.mode, self.size, self.mtime, self.uid, self.gid, self.version = mode, size, modified, uid, gid, version
        self.atime = self.ctime = self.mtime

    def before_change(self, size: int, modified: int, version: int) -> None:
        """These are its attributes from now on: what is kept may be too old."""

    def answered(self, found: Any) -> None:
        """The translator has said what it is like now. Raises EIO."""
        attributes = self.fs.attributes(found)
        if (self.mode ^ attributes[0]) & linux.S_IFMT:
            raise LinuxError(linux.ESTALE)
        self.take(attributes)
        self.valid_until = self.fs.until()

    def refresh(self) -> None:
        self.fs.describe()
        if not self.removed and self.fs.clock() > self.valid_until:
            self.answered(self.fs.ask(b"tr_stat", self.path()))

    def note_access(self) -> None:
        """Nobody keeps that."""

    def set_attributes(
        self,
        now: int,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: int | None = None,
        mtime: int | None = None,
    ) -> None:
        if self.fs.read_only:
            raise LinuxError(linux.EROFS)
        if (uid is not None and uid != self.uid) or (gid is not None and gid != self.gid):
            raise LinuxError(linux.EPERM)
        if mode is not None or mtime is not None:
            self.fs.turn.take()
            wanted = UNCHANGED if mode is None else mode & 0o1777, UNCHANGED if mtime is None else mtime & WORD
            self.answered(self.fs.ask(b"tr_set", self.path(), *wanted, same=1))  # it is later now

    def set_xattr(self, name: bytes, value: bytes, now: int) -> None:
        raise LinuxError(linux.EOPNOTSUPP)

    def sync(self) -> None:
        if not self.fs.read_only and not self.removed:
            self.fs.ask(b"tr_sync", self.path())


class TranslatorSymlink(TranslatorInode):
    """A symbolic link; programs follow it within their own tree of names."""

    def readlink(self) -> bytes:
        target = self.fs.ask(b"tr_readlink", self.path())
        if not target or len(target) >= PATH_MOST or b"\0" in target:
            raise LinuxError(linux.EIO)
        return bytes(target)


class TranslatorFile(TranslatorInode):
    """A regular file, and the chunks of its contents that are here."""

    def settle(self, fs: TranslatorFileSystem, parent: TranslatorDirectory | None, name: bytes, attributes: list[int]) -> None:
        super().settle(fs, parent, name, attributes)
        self._object: MemoryObject | None = None
        self._mapped = False  # somebody may have mapped the object: it is given up as a whole
        self._present: dict[int, None] = {}  # numbers of chunks, oldest first
        self._needed: dict[int, int] = {}  # number of a chunk: calls under way that have asked for it
        self._read_to = 0  # where the last read ended
        self._as_read = (0, 0, 0)  # size, time and version of what is kept

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return OpenTranslatorFile(self, flags, b"")

    # What is here
    def before_change(self, size: int, modified: int, version: int) -> None:
        if self._present and self._as_read != (size, modified, version):
            self.drop_contents()

    @property
    def holds_contents(self) -> bool:
        """Whether anything of it is here."""
        return bool(self._present)

    def drop_contents(self) -> None:
        """Forget all that is here; who has mapped it keeps what he has."""
        held = len(self._present) * CHUNK
        self._object, self._mapped, self._present = None, False, {}
        self.fs.dropped(self, held)

    def shrink(self, excess: int) -> int:
        """Forget ``excess`` bytes that no call needs, as far as there are so many; how much it was."""
        held = len(self._present) * CHUNK
        idle = [number for number in self._present if number not in self._needed]
        if len(idle) == len(self._present) and (self._mapped or held <= excess):
            self.drop_contents()
            return held
        if self._mapped:
            return 0
        idle = idle[: -(-excess // CHUNK)]
        for number in idle:
            del self._present[number]
            self._memory().allocate(_PUNCH, number * CHUNK, CHUNK)
        self.fs.dropped(self, len(idle) * CHUNK)
        return len(idle) * CHUNK

    def _memory(self) -> MemoryObject:
        if self._object is None or self._object.size != self.size:
            kept = self._object
            self._object = self.fs.platform.new_memory_object(self.size) if kept is None else kept
            if kept is not None:
                kept.resize(self.size)
        self._as_read = (self.size, self.mtime, self.version)
        return self._object

    def _require(self, first: int, last: int, ahead: int) -> None:
        """Have chunks ``first`` to ``last`` here, and ``ahead`` more on the way. Raises NotYet, LinuxError."""
        replay = answers.current()
        missing = [number for number in range(first, last + 1) if number not in self._present]
        if not missing:
            return
        path = self.path()
        if replay is not None:
            failed = replay.failure(self)
            if failed:
                raise LinuxError(failed)
        end = min(last + ahead, (self.size - 1) // CHUNK)
        missing += [number for number in range(last + 1, end + 1) if number not in self._present]
        raise NotYet(*(self._question(path, number) for number in missing[:AT_ONCE]))

    def _question(self, path: bytes, number: int) -> Question:
        offset = number * CHUNK
        count = min(CHUNK, self.size - offset)
        state = (self.size, self.mtime, self.version)

        def arrived(code: int, data: Any) -> int:
            if not code and (not isinstance(data, bytes) or len(data) > count):
                code = linux.EIO
            if not code and state == (self.size, self.mtime, self.version):
                self._memory().write(offset, data.ljust(count, b"\0"))
                if number not in self._present:
                    self._present[number] = None
                    self.fs.keep(self, CHUNK)
                if len(data) < count:  # it has become shorter; how short, who looks next is told
                    self.valid_until = 0
            return code

        def needed() -> Callable[[], None]:
            self._needed[number] = self._needed.get(number, 0) + 1
            return partial(self._no_longer_needed, number)

        return Question(self.fs.translator, b"tr_read", (path, offset, count), self, arrived, needed)

    def _no_longer_needed(self, number: int) -> None:
        calls = self._needed.pop(number) - 1
        if calls:
            self._needed[number] = calls

    def read_at(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        ahead = READ_AHEAD if offset in (0, self._read_to) else 0
        self._require(offset // CHUNK, (offset + length - 1) // CHUNK, ahead)
        self._read_to = offset + length
        self.fs.keep(self)
        return self._memory().read(offset, length)

    def memory_object(self) -> MemoryObject:
        if self.size > MAPPED_MOST:
            raise LinuxError(linux.ENODEV)
        if self.size:
            self._require(0, (self.size - 1) // CHUNK, 0)
            self.fs.keep(self)
        self._mapped = True
        return self._memory()

    def prepare_program(self) -> None:
        self.memory_object()

    def writable_memory_object(self) -> MemoryObject:
        raise LinuxError(linux.ENODEV)

    @property
    def blocks(self) -> int:
        return (self.size + 511) >> 9

    # Changes
    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        if offset + len(data) > NUMBER_MOST:
            raise LinuxError(linux.EFBIG)
        self.fs.turn.take()
        data = data[:WRITTEN_AT_ONCE]
        done = 0
        found: Any = None
        path = self.path()
        while done < len(data):
            piece = bytes(data[done : done + CHUNK])
            try:
                count, found = self.fs.ask(b"tr_write", path, offset + done, piece, same=2)  # the program may have changed its memory
                if not 0 < count <= len(piece):
                    raise LinuxError(linux.EIO)
            except LinuxError:
                if done:
                    break
                raise
            done += count
            if count < len(piece):
                break
        if done:  # all is answered: from here on nothing is asked
            self.drop_contents()
            self.answered(found)
        return done

    def truncate(self, size: int, now: int) -> None:
        self.fs.turn.take()
        found = self.fs.ask(b"tr_truncate", self.path(), size)
        self.drop_contents()
        self.answered(found)
        if self.watched is not None:
            notify.tell(self, notify.IN_MODIFY)


class OpenTranslatorFile(RegularFile):
    """An open file. Who has written has it synced at the end."""

    inode: TranslatorFile
    _written = False

    def write_at(self, data: bytes, offset: int) -> int:
        count = super().write_at(data, offset)
        self._written = True
        return count

    def truncate(self, size: int) -> None:
        super().truncate(size)
        self._written = True

    def close(self) -> None:
        super().close()
        if (self._written or self.writable) and not self.inode.removed and not self.inode.fs.read_only:
            self.inode.fs.tell(b"tr_sync", self.inode.path())


class TranslatorDirectory(TranslatorInode, Directory):
    """A directory: ``children`` stays empty; what is known of its names stands in ``_known`` until it is old."""

    fs: TranslatorFileSystem

    def __init__(self, fs: TranslatorFileSystem, parent: TranslatorDirectory | None, name: bytes, attributes: list[int]) -> None:
        self.settle(fs, parent, name, attributes)
        Directory.__init__(self, fs, self.number(), attributes[0], attributes[3], attributes[4], attributes[2] or fs.attached)
        self._known: dict[bytes, tuple[TranslatorInode | None, int]] = {}  # until when
        self._kinds: tuple[list[tuple[bytes, int, int]], int] = ([], -1)  # all entries, until when
        self._listing: tuple[list[tuple[bytes, int, int]], int] = ([], 0)  # what has come of them so far, and the number of the next
        self._listers = 0  # calls that list it now
        if parent is not None:
            self.parent, self.name = parent, name
        self.take(attributes)

    def before_change(self, size: int, modified: int, version: int) -> None:
        if (modified, version) != (self.mtime, self.version):
            self._kinds = ([], -1)

    def take(self, attributes: list[int]) -> None:
        super().take(attributes)
        self.size = 4096

    def path_to(self, name: bytes) -> bytes:
        """The path of an entry. Raises ENAMETOOLONG."""
        here = self.path()
        path = here + b"/" + name if here else name
        if len(path) > PATH_MOST:
            raise LinuxError(linux.ENAMETOOLONG)
        return path

    # Looking
    def lookup(self, name: bytes) -> Inode:
        if len(name) > NAME_MOST:
            raise LinuxError(linux.ENAMETOOLONG)
        self.fs.describe()
        if self.holder is None:
            self.refresh()
        found, until = self._known.get(name, (None, -1))
        if found is not None and self.fs.clock() > max(until, found.valid_until):
            until = -1
        if until < 0 or (found is None and self.fs.clock() > until):
            found = self._look(name)
        if found is None:
            raise LinuxError(linux.ENOENT)
        return found

    def _look(self, name: bytes) -> TranslatorInode | None:
        path = self.path_to(name)
        try:
            attributes = self.fs.ask(b"tr_stat", path)
        except LinuxError as error:
            if error.errno != linux.ENOENT:
                raise
            self.fs.forget(path)
            return self._note(name, None)
        return self._note(name, self.fs.inode_at(self, name, attributes))

    def _note(self, name: bytes, inode: TranslatorInode | None) -> TranslatorInode | None:
        if len(self._known) >= KNOWN_MOST:
            self._known = {name: kept for name, kept in self._known.items() if isinstance(kept[0], Directory) and kept[0].covered_by}
        self._known[name] = (inode, self.fs.until())
        return inode

    def entry_kinds(self) -> Iterable[tuple[bytes, int, int]]:
        self.fs.describe()
        kinds, until = self._kinds
        if self.fs.clock() <= until:
            return kinds
        replay = answers.current()
        failed = replay.failure(self) if replay is not None else 0
        if failed:
            raise LinuxError(failed)
        if not self._listers:
            self._listing = ([], 0)
        start = self._listing[1]
        raise NotYet(
            Question(self.fs.translator, b"tr_list", (self.path(), start), self, partial(self._listed_from, start), self._listed_for)
        )

    def _listed_for(self) -> Callable[[], None]:
        """One more call lists the directory, and goes on where others are."""
        self._listers += 1

        def release() -> None:
            self._listers -= 1

        return release

    def _listed_from(self, start: int, code: int, found: Any) -> int:
        """The names from number ``start`` on have come: the errno for who has asked."""
        kinds, expected = self._listing
        if code or start != expected:  # another call has had them already
            return code
        packed, following = found
        try:
            more = self._unpacked(packed)
        except LinuxError as error:
            return error.errno
        kinds += more
        if following:
            if following <= start or not more or len(kinds) > NAMES_MOST:
                return linux.EIO
            self._listing = (kinds, following)
            return 0
        self._listing = ([], 0)
        if len({name for name, _, _ in kinds}) != len(kinds):
            return linux.EIO
        self._kinds = (kinds, self.fs.until())
        return 0

    def _unpacked(self, packed: bytes) -> list[tuple[bytes, int, int]]:
        """Name, number and type of entries. Raises EIO."""
        kinds: list[tuple[bytes, int, int]] = []
        here = self.path()
        at = 0
        while at < len(packed):
            if at + ENTRY.size > len(packed):
                raise LinuxError(linux.EIO)
            kind, length = ENTRY.unpack_from(packed, at)
            at += ENTRY.size + length
            name = bytes(packed[at - length : at])
            if len(name) != length or not 0 < length <= NAME_MOST or name in (b".", b"..") or b"/" in name or b"\0" in name:
                raise LinuxError(linux.EIO)
            if kind not in (0, *TYPES):
                raise LinuxError(linux.EIO)
            path = here + b"/" + name if here else name
            kinds.append((name, int.from_bytes(hashlib.blake2b(path, digest_size=6).digest(), "little") | 1, kind))
        return kinds

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        return [(name, self.lookup(name)) for name, _, _ in self.entry_kinds()]

    # Changing
    def _changed(self, name: bytes, inode: TranslatorInode | None) -> None:
        self._note(name, inode)
        self._kinds, self._listing = ([], -1), ([], 0)
        self.valid_until = 0

    def _made(self, name: bytes, attributes: Any) -> Inode:
        self.fs.forget(self.path_to(name))
        child = self.fs.inode_at(self, name, attributes)
        self._changed(name, child)
        if self.watched is not None:
            notify.created(self, name, child)
        return child

    def _require_name(self, name: bytes) -> None:
        """The name may be changed, and nobody else changes one. Raises NotYet, LinuxError."""
        if len(name) > NAME_MOST:
            raise LinuxError(linux.ENAMETOOLONG)
        if self.removed:
            raise LinuxError(linux.ENOENT)
        if self.fs.read_only:
            raise LinuxError(linux.EROFS)
        self.fs.turn.take()

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        self._require_name(name)
        if mode & linux.S_IFMT not in (linux.S_IFREG, linux.S_IFDIR):
            raise LinuxError(linux.EPERM)
        return self._made(name, self.fs.ask(b"tr_create", self.path_to(name), mode & 0o171777))

    def create_unnamed(self, mode: int, uid: int, gid: int, now: int) -> Inode:
        raise LinuxError(linux.EOPNOTSUPP)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int, now: int) -> Inode:
        self._require_name(name)
        return self._made(name, self.fs.ask(b"tr_symlink", self.path_to(name), target))

    def link(self, name: bytes, inode: Inode, now: int) -> None:
        raise LinuxError(linux.EPERM)

    def _take_away(self, name: bytes, directory: bool) -> None:
        self._require_name(name)
        child = self.lookup(name)
        assert isinstance(child, TranslatorInode)
        path = self.path_to(name)
        self.fs.ask(b"tr_remove", path, int(directory))
        self.fs.forget(path)
        child.removed, child.nlink = True, 0
        self._changed(name, None)
        if self.watched is not None or child.watched is not None:
            notify.removed(self, name, child)

    def unlink(self, name: bytes, now: int) -> None:
        self._take_away(name, False)

    def rmdir(self, name: bytes, now: int) -> None:
        self._take_away(name, True)

    def rename(self, name: bytes, to: Inode, new_name: bytes, now: int, exchange: bool = False) -> None:
        assert isinstance(to, TranslatorDirectory)
        if exchange:
            raise LinuxError(linux.EINVAL)
        to._require_name(new_name)
        child = self.lookup(name)
        assert isinstance(child, TranslatorInode)
        try:
            replaced = to.lookup(new_name)
        except LinuxError as error:
            if error.errno != linux.ENOENT:
                raise
            replaced = None
        if replaced is child:
            return
        old, new = self.path_to(name), to.path_to(new_name)
        self.fs.ask(b"tr_rename", old, new)
        if isinstance(replaced, TranslatorInode):
            replaced.removed, replaced.nlink = True, 0
        self.fs.forget(new)
        self.fs.moved(old, new)
        child.holder, child.called = to, new_name
        if isinstance(child, Directory):
            child.parent, child.name = to, new_name
        self._changed(name, None)
        to._changed(new_name, child)
        notify.moved(self, name, to, new_name, child, replaced)


_KINDS: Final[dict[int, type[TranslatorInode]]] = {
    linux.S_IFREG: TranslatorFile,
    linux.S_IFDIR: TranslatorDirectory,
    linux.S_IFLNK: TranslatorSymlink,
}
