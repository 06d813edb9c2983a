"""Trees that a translator serves: what is kept and how long, who changes them when, and answers that cannot be."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.lib.stubs import CallError, finish
from skerry.lib.translator import ENTRY, ERROR, OWNER, Generated, Served, Stat, Translator
from skerry.unix.fs import translator as translated
from skerry.unix.fs.translator import CHUNK, TranslatorFileSystem

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/translators"))
from memory import Memory

SECOND = 1_000_000_000
FILE = [linux.S_IFREG | 0o644, 3, 5, OWNER, OWNER, 0]
FOLDER = [linux.S_IFDIR | 0o755, 0, 5, OWNER, OWNER, 0]


class Direct:
    """A translator that is asked by calls: those ``held`` are answered when the test says so, those ``said`` by what stands there."""

    def __init__(self, tree: Translator, held: tuple[bytes, ...] = (), said: dict[bytes, Any] | None = None) -> None:
        self.calls = Served(tree)
        self.held = held
        self.said = said or {}
        self.asked: list[tuple[bytes, tuple[Any, ...]]] = []
        self.waiting: list[Callable[[], None]] = []
        self._ended: dict[int, tuple[int, Any]] = {}

    def ask(self, method: bytes, arguments: tuple[Any, ...], done: Callable[[], None]) -> int:
        self.asked.append((method, arguments))
        number = len(self.asked)

        def answer() -> None:
            self._ended[number] = self._answer(method, arguments)
            done()

        if method in self.held:
            self.waiting.append(answer)
        else:
            answer()
        return number

    def _answer(self, method: bytes, arguments: tuple[Any, ...]) -> tuple[int, Any]:
        if method in self.said:
            said = self.said[method]
            return 0, said(*arguments) if callable(said) else said
        try:
            return 0, finish(getattr(self.calls, method.decode())(*arguments))
        except CallError as error:
            return error.code - ERROR if error.code > ERROR else linux.EIO, None

    def take(self, number: int) -> tuple[int, Any] | None:
        return self._ended.pop(number, None)

    def drop(self, number: int) -> None:
        self._ended.pop(number, None)

    def count(self, method: bytes) -> int:
        return sum(asked == method for asked, _ in self.asked)


def boot(translator: Direct) -> Program:
    return Unix(lambda platform: TranslatorFileSystem(platform, 1, translator, (0, 0)).root()).program()


def put(program: Program, path: bytes, data: bytes, flags: int = linux.O_CREAT | linux.O_TRUNC) -> int:
    fd = program.call("open", path, linux.O_WRONLY | flags, 0o644)
    return program.call("write", fd, program.poke(data), len(data)) if fd >= 0 else fd


def get(program: Program, path: bytes, count: int = 1000, offset: int = 0) -> bytes | int:
    fd = program.call("open", path, linux.O_RDONLY, 0)
    if fd < 0:
        return fd
    buffer = program.room(count)
    length = program.call("pread64", fd, buffer, count, offset)
    program.call("close", fd)
    return program.peek(buffer, length) if length >= 0 else length


def names(program: Program, path: bytes = b"/") -> list[bytes] | int:
    fd = program.call("open", path, linux.O_RDONLY | linux.O_DIRECTORY, 0)
    found: list[bytes] = []
    while (length := program.call("getdents64", fd, buffer := program.room(4096), 4096)) > 0:
        data = program.peek(buffer, length)
        while data:
            size = struct.unpack_from("<H", data, 16)[0]
            found.append(data[19:size].partition(b"\0")[0])
            data = data[size:]
    return length or sorted(found)[2:]


def test_two_programs_append_at_once_and_nothing_is_lost() -> None:
    translator = Direct(Memory(), held=(b"tr_write",))
    one = boot(translator)
    two = one.unix.program()
    assert put(one, b"/log", b"") == 0
    for program, line in ((one, b"one\n"), (two, b"two\n")):
        fd = program.call("open", b"/log", linux.O_WRONLY | linux.O_APPEND, 0)
        program.start("write", fd, program.poke(line), len(line))
    while translator.waiting:
        translator.waiting.pop(0)()
        one.unix.loop.run_ready()
    assert (one.result, two.result) == (4, 4)
    assert get(one, b"/log") == b"one\ntwo\n"
    assert translator.count(b"tr_write") == 2


def test_two_programs_create_one_file_at_once_and_both_have_it() -> None:
    translator = Direct(Memory(), held=(b"tr_create",))
    one = boot(translator)
    two = one.unix.program()
    for program in (one, two):
        program.start("open", b"/f", linux.O_WRONLY | linux.O_CREAT, 0o644)
    while translator.waiting:
        translator.waiting.pop(0)()
        one.unix.loop.run_ready()
    assert one.result is not None
    assert two.result is not None
    assert min(one.result, two.result) >= 0
    assert translator.count(b"tr_create") == 1


def test_who_is_killed_while_it_changes_something_lets_others_do_so() -> None:
    translator = Direct(Memory(), held=(b"tr_write",))
    one = boot(translator)
    two = one.unix.program()
    assert put(one, b"/f", b"") == 0
    fd = two.call("open", b"/f", linux.O_WRONLY, 0)
    two.start("write", fd, two.poke(b"x"), 1)
    one.call("kill", two.thread.process.pid, linux.SIGKILL)
    assert two.thread.dead
    translator.held = ()
    assert put(one, b"/f", b"one") == 3


def test_time_that_passes_while_a_time_is_set_does_not_matter() -> None:
    """utimensat with UTIME_NOW: the time is another one each time that the call is made again."""
    translator = Direct(Memory())
    program = boot(translator)
    put(program, b"/f", b"x")
    assert program.call("utimensat", 0xFFFFFF9C, b"/f", 0, 0) == 0
    assert translator.count(b"tr_set") == 1


def test_what_is_known_is_kept_as_long_as_the_translator_says() -> None:
    tree = Memory()
    translator = Direct(tree)
    program = boot(translator)
    put(program, b"/f", b"one")
    program.unix.sleep(2 * SECOND)
    assert get(program, b"/f") == b"one"
    tree.write("f", 0, b"two")
    before = len(translator.asked)
    assert get(program, b"/f") == b"one"
    assert len(translator.asked) == before
    program.unix.sleep(2 * SECOND)
    assert get(program, b"/f") == b"two"


def test_contents_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translated, "CACHED", 20 * CHUNK)
    size = 200 * CHUNK
    said = {
        b"tr_stat": lambda path: [linux.S_IFREG | 0o644, size, 5, 0, 0, 0] if path else FOLDER,
        b"tr_read": lambda p, o, n: bytes([o % 251]) * n,
    }
    program = boot(Direct(Memory(), said=said))
    fs: Any = program.unix.root.fs
    fd = program.call("open", b"/large", linux.O_RDONLY, 0)
    buffer = program.room(CHUNK)
    for number in range(200):
        assert program.call("read", fd, buffer, CHUNK) == CHUNK
        assert program.peek(buffer, 1)[0] == number * CHUNK % 251
        assert fs._cached <= 20 * CHUNK
    assert get(program, b"/other", 10, CHUNK) == bytes([CHUNK % 251]) * 10
    assert fs._cached <= 20 * CHUNK


def test_call_that_needs_more_than_is_kept_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translated, "CACHED", 3 * CHUNK)
    tree = Memory()
    program = boot(Direct(tree))
    tree.create("f", 0o644)
    tree.write("f", 0, bytes(range(256)) * (10 * CHUNK // 256))
    assert get(program, b"/f", 10 * CHUNK) == bytes(tree._file("f").contents)
    assert program.unix.root.fs._cached <= 10 * CHUNK  # type: ignore[attr-defined]
    assert get(program, b"/f", 1, 9 * CHUNK) == bytes([9 * CHUNK % 256])


BAD_ATTRIBUTES = {
    "none": [],
    "too many": [*FILE, 1],
    "a device": [linux.S_IFCHR | 0o666, *FILE[1:]],
    "a socket": [linux.S_IFSOCK | 0o666, *FILE[1:]],
    "more than a mode": [FILE[0] | 1 << 20, *FILE[1:]],
    "too large": [FILE[0], (1 << 63) - 1, *FILE[2:]],
    "far in the future": [*FILE[:2], (1 << 63) - 1, *FILE[3:]],
}


@pytest.mark.parametrize("case", BAD_ATTRIBUTES)
def test_attributes_that_cannot_be_are_an_error(case: str) -> None:
    program = boot(Direct(Memory(), said={b"tr_stat": lambda path: BAD_ATTRIBUTES[case] if path else FOLDER}))
    assert program.call("open", b"/f", linux.O_RDONLY, 0) == -linux.EIO


def entry(name: bytes, kind: int = 0) -> bytes:
    return ENTRY.pack(kind, len(name)) + name


BAD_LISTS: dict[str, Any] = {
    "a path": (entry(b"a/b"), 0),
    "the directory above": (entry(b".."), 0),
    "itself": (entry(b"."), 0),
    "nothing": (entry(b""), 0),
    "a zero byte": (entry(b"a\0b"), 0),
    "a long name": (entry(b"a" * 256), 0),
    "a cut header": (b"\0\0\0", 0),
    "a cut name": (entry(b"abc")[:-1], 0),
    "a name twice": (entry(b"a") * 2, 0),
    "a device": (entry(b"a", linux.S_IFBLK), 0),
    "a loop": (entry(b"a"), 1),
    "names without end": lambda path, start: (b"".join(entry(b"%d.%d" % (start, n)) for n in range(5000)), start + 1),
    "no names without end": lambda path, start: (b"", start + 1),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_names_that_cannot_be_are_an_error(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translated, "NAMES_MOST", 20_000)
    said = BAD_LISTS[case]
    program = boot(Direct(Memory(), said={b"tr_list": said, b"tr_stat": FOLDER}))
    assert names(program) == -linux.EIO


def test_large_directory_is_unpacked_once() -> None:
    tree = Memory()
    for number in range(9000):
        tree.create(f"{number:0100}", 0o644)
    translator = Direct(tree)
    program = boot(translator)
    assert len(names(program)) == 9000  # type: ignore[arg-type]
    assert translator.count(b"tr_list") == 16


@pytest.mark.parametrize(("data", "expected"), [(b"toolong", -linux.EIO), (b"a", b"a\0\0"), (7, -linux.EIO), (None, -linux.EIO)])
def test_contents_that_cannot_be_are_an_error_and_short_ones_are_zeros(data: Any, expected: Any) -> None:
    program = boot(Direct(Memory(), said={b"tr_stat": lambda path: FILE if path else FOLDER, b"tr_read": data}))
    assert get(program, b"/f") == expected


def test_file_that_becomes_a_directory_is_another_one() -> None:
    now = [FILE]
    program = boot(Direct(Memory(), said={b"tr_stat": lambda path: now[0] if path else FOLDER}))
    fd = program.call("open", b"/f", linux.O_RDONLY, 0)
    now[0] = FOLDER
    program.unix.sleep(2 * SECOND)
    assert program.call("fstat", fd, program.room(144)) == -linux.ESTALE
    assert program.call("open", b"/f", linux.O_RDONLY | linux.O_DIRECTORY, 0) >= 0


def test_directories_in_each_other_without_end_have_an_end() -> None:
    program = boot(Direct(Memory(), said={b"tr_stat": FOLDER}))
    results = {program.call("chdir", b"d" * 250) for _ in range(30)}
    assert results == {0, -linux.ENAMETOOLONG}


def test_links_that_lead_to_each_other_are_a_loop() -> None:
    link = [linux.S_IFLNK | 0o777, *FILE[1:]]
    program = boot(Direct(Memory(), said={b"tr_stat": lambda path: link if path else FOLDER, b"tr_readlink": b"a"}))
    assert program.call("open", b"/a", linux.O_RDONLY, 0) == -linux.ELOOP


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * 4096])
def test_link_that_leads_nowhere_at_all_is_an_error(target: bytes) -> None:
    link = [linux.S_IFLNK | 0o777, *FILE[1:]]
    program = boot(Direct(Memory(), said={b"tr_stat": lambda path: link if path else FOLDER, b"tr_readlink": target}))
    assert program.call("readlink", b"/a", program.room(100), 100) == -linux.EIO


def test_write_of_which_more_was_written_than_there_is_is_an_error() -> None:
    translator = Direct(Memory())
    program = boot(translator)
    put(program, b"/f", b"")
    translator.said[b"tr_write"] = (9, FILE)
    assert put(program, b"/f", b"abc", 0) == -linux.EIO


def test_time_that_is_not_known_is_when_it_was_first_seen_so() -> None:
    class Tree(Generated):
        valid = 0
        text = "a"

        def files(self) -> dict[str, str]:
            return {"f": self.text, "g": "g"}

    tree = Tree()
    program = boot(Direct(tree))

    def modified(path: bytes) -> int:
        buffer = program.room(144)
        assert program.call("stat", path, buffer) == 0
        seconds, part = struct.unpack("<QQ", program.peek(buffer + 88, 16))
        return int(seconds * SECOND + part)

    before = modified(b"/f"), modified(b"/g")
    program.unix.sleep(1)
    assert (modified(b"/f"), modified(b"/g")) == before
    tree.text = "b"
    program.unix.sleep(1)
    assert modified(b"/f") > before[0] > 0
    assert modified(b"/g") == before[1]


class Faulty(Translator):
    """Gives what ``result`` is, whatever it is asked."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.stat = self.list = self.read = self.readlink = self.write = lambda *arguments: self.result  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("call", "result", "words"),
    [
        (("tr_stat", b""), None, "TypeError: stat must give a Stat, not NoneType"),
        (("tr_stat", b""), Stat(size=1.5), "TypeError: stat gave size=1.5: it must be an int"),  # type: ignore[arg-type]
        (("tr_stat", b""), Stat(modified=-1), "ValueError: stat gave modified=-1: it must be between 0 and"),
        (("tr_stat", b""), Stat(mode=linux.S_IFCHR), "ValueError: stat gave mode=0o20000: it must be a regular file's"),
        (("tr_list", b"", 0), ["a/b"], "ValueError: list gave 'a/b': it cannot be the name of an entry"),
        (("tr_list", b"", 0), ["a", "a"], "ValueError: list gave 'a' twice"),
        (("tr_list", b"", 0), [b"a"], "TypeError: list must give names, or names and their types, not bytes"),
        (("tr_list", b"", 0), map(str, iter(int, 1)), "ValueError: list gave '0' twice"),
        (("tr_list", b"", 0), (str(n) for n in range(1 << 30)), "ValueError: list gave more than 1000 names"),
        (("tr_read", b"f", 0, 3), "text", "TypeError: read must give bytes, not str"),
        (("tr_read", b"f", 0, 3), 10**12, "TypeError: read must give bytes, not int"),
        (("tr_read", b"f", 0, 3), b"abcd", "ValueError: read gave 4 bytes, where 3 were asked for"),
        (("tr_readlink", b"f"), b"x", "TypeError: readlink must give str, not bytes"),
        (("tr_readlink", b"f"), "", "ValueError: readlink gave '': it cannot be a path"),
        (("tr_write", b"f", 0, b"abc"), None, "TypeError: write must give the number of bytes that it wrote, not NoneType"),
        (("tr_write", b"f", 0, b"abc"), 4, "ValueError: write gave 4, where 1 to 3 bytes can have been written"),
    ],
)
def test_result_that_cannot_be_is_explained_to_its_author(
    call: tuple[Any, ...], result: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skerry.lib.translator.NAMES_MOST", 1000)
    served = Served(Faulty(result))
    with pytest.raises(CallError):
        finish(getattr(served, call[0])(*call[1:]))
    assert finish(served.tr_trouble()).decode().startswith(words)
    assert finish(served.tr_trouble()) == b""


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (FileNotFoundError(), linux.ENOENT),
        (PermissionError(), linux.EACCES),
        (OSError(linux.ENOSPC, ""), linux.ENOSPC),
        (OSError("words", "words"), linux.EIO),
        (OSError(10**12, ""), linux.EIO),
        (OSError(-1, ""), linux.EIO),
        (OSError(), linux.EIO),
    ],
)
def test_os_error_becomes_its_number(error: OSError, number: int) -> None:
    class Raising(Translator):
        def stat(self, path: str) -> Stat:
            raise error

    with pytest.raises(CallError) as caught:
        finish(Served(Raising()).tr_stat(b"f"))
    assert caught.value.code == ERROR + number


def test_paths_of_generated_files_may_begin_with_a_slash_and_their_contents_are_text_or_bytes() -> None:
    class Tree(Generated):
        def files(self) -> dict[str, Any]:
            return {"/a/b": "é", "c": lambda: b"\xff", "d": 5}

    tree = Tree()
    assert dict(tree.list("")) == {"a": linux.S_IFDIR, "c": linux.S_IFREG, "d": linux.S_IFREG}  # type: ignore[arg-type]
    assert (tree.stat("a/b").size, tree.read("a/b", 0, 9), tree.read("c", 0, 9)) == (2, "é".encode(), b"\xff")
    with pytest.raises(TypeError, match="what 'd' holds must be str or bytes, not int"):
        tree.stat("d")
