"""Translators that are slow, dead or silent: every call ends, and who is at fault is ended and started anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.native.natives import Natives

from skerry.abi import linux, values
from skerry.machine import Machine
from skerry.machine.helper import GREETING, Helper
from skerry.machine.native_task import Template
from skerry.options import Mount
from skerry.translators import TASK_LIMIT, HelperTranslator, Server, TaskTranslator, Translator, printable, without_password

pytestmark = pytest.mark.machine

LIMIT = 1500  # ms that are waited for who does not answer
PREFIX = "skerry: --mount /m=server.py:Server: "
HELPERS = "tests.native.helpers"
MOUNT = Mount("server.py:Server", b"/m", False, False, "/m=server.py:Server")
SOURCE = """
from skerry.lib.translator import Stat, Translator

class Server(Translator):
    def __init__(self):
        if START:
            raise RuntimeError("no luck")

    def stat(self, path):
        while path == "hang":
            pass
        if path == "die":
            raise SystemExit
        return Stat(0o40555)
"""


@pytest.fixture(scope="module")
def template(machine: Machine) -> Iterator[Template]:
    with Template(machine, ["skerry.lib.translator", "skerry.lib.service"], ["no_such_module"]) as template:
        yield template


class Asker:
    """Asks a translator, and waits for the end."""

    def __init__(self, natives: Natives, translator: Translator) -> None:
        self.natives = natives
        self.translator = translator

    def start(self, method: bytes, *arguments: Any) -> list[tuple[int, Any]]:
        """Make a call; the list has its end when there is one."""
        ends: list[tuple[int, Any]] = []
        number = self.translator.ask(method, values.pack(*arguments), lambda: ends.append(self.translator.take(number)))
        return ends

    def wait(self, ends: list[tuple[int, Any]]) -> tuple[int, Any]:
        self.natives.run_until(lambda: ends)
        return ends[0]

    def code(self, path: bytes) -> int:
        return self.wait(self.start(b"tr_stat", path))[0]

    def wait_for_another(self) -> None:
        """Ask until somebody answers: one that has ended is started anew when its pause is over and it is asked."""
        while self.code(b"") == linux.EIO:
            pass


@pytest.fixture
def said() -> list[str]:
    return []


def serve(natives: Natives, said: list[str], broken: bool = False, limit: int = TASK_LIMIT) -> Asker:
    server = Server(f"START = {broken}\n{SOURCE}", "Server", "server.py")
    return Asker(natives, TaskTranslator(MOUNT, natives.kernel, natives.template, server, said.append, limit))


def test_task_that_hangs_is_ended_and_another_one_answers(natives: Natives, said: list[str]) -> None:
    asker = serve(natives, said, limit=LIMIT)
    assert asker.code(b"hang") == linux.ETIMEDOUT
    assert said == [
        "skerry: --mount /m=server.py:Server: its server has not answered in time, and was ended: it is started anew when it is needed\n"
    ]
    asker.wait_for_another()
    asker.translator.close()


def test_calls_that_wait_behind_one_that_hangs_end_too(natives: Natives, said: list[str]) -> None:
    asker = serve(natives, said, limit=LIMIT)
    started = [asker.start(b"tr_stat", path) for path in [b"hang"] + [b""] * 20]
    assert {asker.wait(ends)[0] for ends in started} <= {linux.ETIMEDOUT, linux.EIO}
    assert len(said) == 1
    asker.translator.close()


def test_task_that_dies_gives_eio_and_is_replaced(natives: Natives, said: list[str]) -> None:
    asker = serve(natives, said)
    assert asker.code(b"die") == linux.EIO
    asker.wait_for_another()
    assert said == [PREFIX + "its server has ended: it is started anew when it is needed\n"]
    asker.translator.close()


def test_task_that_cannot_begin_is_tried_with_pauses(natives: Natives, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is the test's: a try fails, and there is no other before the pause is over, which doubles."""
    asker = serve(natives, said, broken=True)
    now = natives.kernel.processor.clock()
    monkeypatch.setattr(natives.kernel.processor, "clock", lambda: now)
    translator: Any = asker.translator
    pauses = []
    for _ in range(4):
        assert asker.code(b"") == linux.EIO
        assert asker.code(b"") == linux.EIO  # in the pause: nobody is started
        assert translator._task is None
        pauses.append((translator._not_before - now) // 1_000_000)
        now = translator._not_before
    assert pauses == [100, 200, 400, 800]
    assert len(said) == 1
    assert "RuntimeError: no luck" in said[0]
    asker.translator.close()


def help_with(natives: Natives, said: list[str], manner: str, monkeypatch: pytest.MonkeyPatch) -> Asker:
    """A translator whose helper is so."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    mount = Mount("x://me:hidden@host", b"/m", True, True, "/m=x://me:hidden@host:rw")
    monkeypatch.setattr("skerry.translators.start_helper", lambda _: Helper(HELPERS, (manner,)))
    helper = Helper(HELPERS, (manner,))
    assert helper.first_message(30) == GREETING
    return Asker(natives, HelperTranslator(mount, natives.kernel, helper, said.append, LIMIT))


HELPED = "skerry: --mount /m=x://me:***@host:rw: "


@pytest.mark.parametrize(
    ("manner", "codes", "words"),
    [
        (
            "silent",
            (linux.ETIMEDOUT, linux.EIO),
            "its helper has not answered in time, and was ended: it is started anew when it is needed\n",
        ),
        ("dead", (linux.EIO, linux.EIO), "its helper has ended: it is started anew when it is needed\n"),
        ("garbage", (linux.EIO, linux.EIO), ""),
    ],
)
def test_helper_at_fault_ends_its_calls(
    manner: str, codes: tuple[int, int], words: str, natives: Natives, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = help_with(natives, said, manner, monkeypatch)
    started = [asker.start(b"tr_stat", b"") for _ in codes]
    assert tuple(asker.wait(ends)[0] for ends in started) == codes
    assert said == ([HELPED + words] if words else [])
    asker.translator.close()


def test_call_whose_caller_is_gone_is_not_made(natives: Natives, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asker = help_with(natives, said, "garbage", monkeypatch)
    first = asker.start(b"tr_stat", b"")
    translator: Any = asker.translator
    number = translator.ask(b"tr_stat", values.pack(b"unwanted"), lambda: None)
    translator.drop(number)
    assert asker.wait(first)[0] == linux.EIO
    assert not translator._queue
    translator.close()


def test_helper_that_cannot_finish_says_so(natives: Natives, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    help_with(natives, said, "garbage", monkeypatch).translator.close()
    assert said == [HELPED + "it is lost\\x1b[31m\n"]


def test_text_for_the_user_steers_no_terminal_and_holds_no_password() -> None:
    assert printable("a\x1b[2J\x07\nb\té\u202e") == "a\\x1b[2J\\x07\nb\té\\x202e"
    assert without_password("at ftp://me:my@secret@host/a:b@c") == "at ftp://me:***@host/a:b@c"
    assert without_password("https://host:80/a@b x://u:p@h") == "https://host:80/a@b x://u:***@h"
