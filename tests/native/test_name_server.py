"""The name server as a native task, used by others."""

from __future__ import annotations

import json

import pytest
from tests.native.deaths import Fate, last_calls
from tests.native.natives import PRELUDE, Natives

from skerry.guardian import Guardian
from skerry.mach.native import NativeTask

pytestmark = pytest.mark.machine

NAMES, PORT = 0x1001, 0x2001
USE = """
from skerry.servers import name as netname
from skerry.servers.name import NameService
def code(call):
    try:
        finish(call)
    except CallError as error:
        return error.code
    return 0
def main(channel, port, *arguments):
    task = NativeTask(channel)
    names = client(NameService, task, port)
    use(task, names, *arguments)
"""


@pytest.fixture
def server(natives: Natives) -> NativeTask:
    server = natives.start_entry("skerry.servers.name:main", PORT)
    natives.new_port(server, PORT)
    return server


def user(natives: Natives, server: NativeTask, source: str) -> NativeTask:
    task = natives.start(USE + source, NAMES)
    natives.give_send(task, server.space.lookup(PORT).port, NAMES)
    return task


CHECK_IN = """
def make_send(task):
    port = task.reply_port()
    finish(client(TaskPort, task, task.self_port).mach_port_insert_right(port, port))
    return port
"""


def test_what_is_checked_in_is_found(natives: Natives, server: NativeTask) -> None:
    first = """
def use(task, names):
    mine, signature = make_send(task), make_send(task)
    finish(names.netname_check_in("printer", signature, mine))
    assert task.receive(mine).id == 42
    assert code(names.netname_check_out("printer", mine)) == netname.NETNAME_NOT_YOURS
    assert code(names.netname_check_out("printer", signature)) == 0
    assert code(names.netname_look_up("", "printer")) == netname.NETNAME_NOT_CHECKED_IN
    assert code(names.netname_look_up("elsewhere", "printer")) == netname.NETNAME_NO_SUCH_HOST
    assert code(names.netname_check_out("printer", signature)) == netname.NETNAME_NOT_CHECKED_IN
"""
    owner = user(natives, server, CHECK_IN + first)
    second = """
def use(task, names):
    found = None
    while found is None:
        try:
            found = finish(names.netname_look_up("*", "printer"))
        except CallError as error:
            assert error.code == netname.NETNAME_NOT_CHECKED_IN
    task.send(UserMessage(42, found, remote_type=COPY))
"""
    finder = user(natives, server, second)
    assert natives.ended(finder) == ""
    assert natives.ended(owner) == ""
    assert server.alive


def test_a_name_belongs_to_who_checked_it_in(natives: Natives, server: NativeTask) -> None:
    source = """
def use(task, names):
    mine, other, signature, foreign = (make_send(task) for _ in range(4))
    finish(names.netname_check_in("a", signature, mine))
    assert code(names.netname_check_in("a", foreign, other)) == netname.NETNAME_NOT_YOURS
    finish(names.netname_check_in("a", signature, other))
    assert finish(names.netname_look_up("", "a")) == other
"""
    assert natives.ended(user(natives, server, CHECK_IN + source)) == ""


def test_a_name_dies_with_its_port_and_the_server_keeps_nothing(natives: Natives, server: NativeTask) -> None:
    natives.run_until(lambda: server.waits and server.space.lookup(PORT).port.port_set is not None)
    before = len(server.space.entries)
    source = """
def use(task, names):
    for n in range(30):
        finish(names.netname_check_in(f"name {n}", make_send(task), make_send(task)))
"""
    assert natives.ended(user(natives, server, CHECK_IN + source)) == ""
    natives.run_until(lambda: server.waits and len(server.space.entries) <= before)  # told of every death
    look = """
def use(task, names):
    assert code(names.netname_look_up("", "name 3")) == netname.NETNAME_NOT_CHECKED_IN
"""
    assert natives.ended(user(natives, server, look)) == ""


def test_garbage_does_not_end_it(natives: Natives, server: NativeTask) -> None:
    source = """
import random
def main(channel, server):
    task = NativeTask(channel)
    chance = random.Random(3)
    for n in range(300):
        text = machmsg.Item(12, 8, 3, b"\\xff\\xfe\\xfd")
        items = [machmsg.integers(1), machmsg.naturals(2), machmsg.rights(MAKE, task.reply_port()), text]
        body = tuple(chance.choice(items) for _ in range(chance.randrange(5)))
        message = UserMessage(chance.choice((1040, 1041, 1042, 7, 72)), server, remote_type=COPY, items=body)
        if n % 3:
            message = UserMessage(message.id, server, remote_type=COPY, body=chance.randbytes(chance.randrange(40) & ~3))
        assert finish(task.rpc(message)).id == message.id + 100
"""
    task = natives.start(source, NAMES)
    natives.give_send(task, server.space.lookup(PORT).port, NAMES)
    assert natives.ended(task) == ""
    assert server.alive


KEPT = """
from skerry.lib.driver import GuardianPort
from skerry.servers import name as netname

def main(channel, rounds):
    task = NativeTask(channel)
    guardian = client(GuardianPort, task, finish(task.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT)))
    finish(task.kernel.task_set_special_port(mach.TASK_BOOTSTRAP_PORT, finish(guardian.service_look_up("name"))))
    def code(call):
        try:
            netname._ask(task, call)
        except CallError as error:
            return error.code
        return 0

    def make_send():
        port = task.reply_port()
        finish(task.kernel.mach_port_insert_right(port, port))
        return port

    mine = make_send()
    ports = []
    for n in range(rounds):
        ports.append(make_send())
        assert code(lambda names: names.netname_check_in(f"name {n}", mine, ports[n])) == 0
        assert code(lambda names: names.netname_check_in(f"name {n}", ports[n], ports[n])) == netname.NETNAME_NOT_YOURS
        for known in range(max(0, n - 2), n + 1):
            assert netname.look_up(task, f"name {known}") == ports[known]
        if n >= 3 and n % 2:
            assert code(lambda names: names.netname_check_out(f"name {n - 3}", mine)) in (0, netname.NETNAME_NOT_CHECKED_IN)
            assert code(lambda names: names.netname_look_up("", f"name {n - 3}")) == netname.NETNAME_NOT_CHECKED_IN
        elif n >= 3:
            finish(task.kernel.mach_port_mod_refs(ports[n - 3], mach.MACH_PORT_RIGHT_RECEIVE, -1))
    for gone in range(rounds - 3):  # soon
        while code(lambda names: names.netname_look_up("", f"name {gone}")) != netname.NETNAME_NOT_CHECKED_IN:
            pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_names_outlive_the_server(natives: Natives, fates: list[Fate], lost: str) -> None:
    """Whichever of its calls the server dies of, who was told that a name is checked in or out finds it so."""
    restart = {"stable": 0, "first_delay": 1, "longest_delay": 1, "attempts": 1000}
    description = json.dumps({"restart": restart, "services": {"name": {"entry": "skerry.servers.name:start"}}})
    said: list[str] = []
    guardian = Guardian(natives.kernel, natives.template, refuse, said.append, lambda: said.append("died"), description)
    lives: list[int] = []
    fates.append(last_calls("name", 70, lost, lives, 20))
    task = NativeTask(natives.kernel, natives.template, "main", PRELUDE + KEPT, [60], bootstrap=guardian.bootstrap())
    natives.tasks.append(task)
    assert natives.ended(task) == ""
    assert len(lives) // 2 > 25  # calls: from those of its start to those of more than one request
    assert said == []
    natives.tasks += [*guardian.factory.tasks, guardian.task]


def refuse(*_arguments: object) -> None:
    raise OSError(19, "there are no devices")
