"""mach_port_*: each call, each error, and the notifications."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from tests.mach.world import (
    COPY_SEND,
    MAKE_SEND,
    MAKE_SEND_ONCE,
    MOVE_RECEIVE,
    MOVE_SEND,
    MOVE_SEND_ONCE,
    RECEIVE,
    SEND,
    SEND_ONCE,
    NamesOnly,
    World,
)

from skerry.abi import mach, machmsg
from skerry.mach import mach_port as mp
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.port import DEAD
from skerry.mach.right import RightKind

PORT_SET, DEAD_NAME = RightKind.PORT_SET, RightKind.DEAD_NAME
NOBODY = 0x5555
MAX = mach.MACH_PORT_UREFS_MAX


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def task(world: World) -> NamesOnly:
    return NamesOnly(world)


@pytest.fixture
def other(world: World) -> NamesOnly:
    return NamesOnly(world)


def failure(call: Callable[..., object], *arguments: object) -> KernReturn:
    with pytest.raises(KernError) as caught:
        call(*arguments)
    return caught.value.code


def make(task: NamesOnly, what: str) -> int:
    """A name of each kind."""
    if what == "set":
        return mp.mach_port_allocate(task, PORT_SET)
    if what == "dead":
        return mp.mach_port_allocate(task, DEAD_NAME)
    name = task.new_port()
    if what == "receive":
        return name
    if what == "both":
        return task.give_send(name, task)
    if what == "send once":
        return task.give_send_once(name, task)
    raise AssertionError(what)


def notified(task: NamesOnly, name: int) -> tuple[int, int]:
    """Id and argument of the notification that waits at ``name``."""
    message = task.receive(name).received
    assert message.local_type == mach.MSG_TYPE_PORT_SEND_ONCE
    (item,) = machmsg.parse_items(message.body) if message.body else (machmsg.integers(0),)
    assert isinstance(item.data, bytes)
    return message.id, struct.unpack("<I", item.data)[0]


def test_names_and_types(task: NamesOnly) -> None:
    types = {
        "set": mach.MACH_PORT_TYPE_PORT_SET,
        "dead": mach.MACH_PORT_TYPE_DEAD_NAME,
        "receive": mach.MACH_PORT_TYPE_RECEIVE,
        "both": mach.MACH_PORT_TYPE_RECEIVE | mach.MACH_PORT_TYPE_SEND,
    }
    made = {make(task, what): bits for what, bits in types.items()}
    assert dict(mp.mach_port_names(task)) == made
    assert all(mp.mach_port_type(task, name) == bits for name, bits in made.items())
    assert not {mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD} & set(made)


def test_name_with_a_request_says_so(task: NamesOnly) -> None:
    name = make(task, "both")
    task.request(name, mach.NOTIFY_DEAD_NAME, task.new_port())
    assert mp.mach_port_type(task, name) & mach.MACH_PORT_TYPE_DNREQUEST


@pytest.mark.parametrize(
    "call",
    [
        mp.mach_port_type,
        mp.mach_port_destroy,
        mp.mach_port_deallocate,
        mp.mach_port_get_receive_status,
        mp.mach_port_get_set_status,
        lambda task, name: mp.mach_port_rename(task, name, 0x777),
        lambda task, name: mp.mach_port_get_refs(task, name, SEND),
        lambda task, name: mp.mach_port_mod_refs(task, name, SEND, 1),
        lambda task, name: mp.mach_port_set_qlimit(task, name, 1),
        lambda task, name: mp.mach_port_set_mscount(task, name, 1),
        lambda task, name: mp.mach_port_set_seqno(task, name, 1),
        lambda task, name: mp.mach_port_move_member(task, name, 0),
        lambda task, name: mp.mach_port_extract_right(task, name, MAKE_SEND),
        lambda task, name: mp.mach_port_request_notification(task, name, mach.NOTIFY_DEAD_NAME, 0, None),
    ],
)
@pytest.mark.parametrize("name", [NOBODY, mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD])
def test_what_is_no_name_is_refused(task: NamesOnly, call: Callable[..., object], name: int) -> None:
    assert failure(call, task, name) is KernReturn.INVALID_NAME


def test_rename(task: NamesOnly) -> None:
    name, taken = make(task, "both"), make(task, "set")
    assert failure(mp.mach_port_rename, task, name, taken) is KernReturn.NAME_EXISTS
    assert failure(mp.mach_port_rename, task, name, mach.MACH_PORT_DEAD) is KernReturn.INVALID_VALUE
    mp.mach_port_rename(task, name, 0x777)
    assert failure(mp.mach_port_type, task, name) is KernReturn.INVALID_NAME
    assert task.try_send(0x777).code == 0


def test_dead_name_request_follows_a_renamed_name(task: NamesOnly) -> None:
    name, waiting = make(task, "send once"), task.new_port()
    task.request(name, mach.NOTIFY_DEAD_NAME, waiting)
    mp.mach_port_rename(task, name, 0x777)
    mp.mach_port_destroy(task, next(n for n, t in mp.mach_port_names(task) if t == mach.MACH_PORT_TYPE_RECEIVE))
    assert notified(task, waiting) == (mach.NOTIFY_DEAD_NAME, 0x777)


@pytest.mark.parametrize("kind", [SEND, SEND_ONCE])
def test_only_receive_sets_and_dead_names_are_allocated(task: NamesOnly, kind: RightKind) -> None:
    assert failure(mp.mach_port_allocate, task, kind) is KernReturn.INVALID_VALUE
    assert failure(mp.mach_port_allocate_name, task, kind, 5) is KernReturn.INVALID_VALUE


def test_allocate_name(task: NamesOnly) -> None:
    for name, kind in ((1, RECEIVE), (2, PORT_SET), (3, DEAD_NAME)):
        mp.mach_port_allocate_name(task, kind, name)
        assert mp.mach_port_get_refs(task, name, kind) == 1
    assert failure(mp.mach_port_allocate_name, task, RECEIVE, 1) is KernReturn.NAME_EXISTS
    assert failure(mp.mach_port_allocate_name, task, RECEIVE, mach.MACH_PORT_NULL) is KernReturn.INVALID_VALUE


def test_space_is_bounded(task: NamesOnly) -> None:
    task.space.most = 3
    for _ in range(3):
        task.new_port()
    assert failure(mp.mach_port_allocate, task, RECEIVE) is KernReturn.NO_SPACE


@pytest.mark.parametrize("what", ["set", "receive"])
def test_deallocate_needs_a_counted_right(task: NamesOnly, what: str) -> None:
    name = make(task, what)
    assert failure(mp.mach_port_deallocate, task, name) is KernReturn.INVALID_RIGHT


def test_deallocate_takes_one_reference(task: NamesOnly) -> None:
    name = make(task, "both")
    task.give_send(name, task)
    assert (task.refs(name), task.port(name).sends) == (2, 1)
    mp.mach_port_deallocate(task, name)
    mp.mach_port_deallocate(task, name)
    assert (mp.mach_port_type(task, name), task.port(name).sends) == (mach.MACH_PORT_TYPE_RECEIVE, 0)


def test_get_refs_of_each_right(task: NamesOnly) -> None:
    name = make(task, "both")
    task.give_send(name, task)
    refs = {kind: mp.mach_port_get_refs(task, name, kind) for kind in RightKind}
    assert refs == {SEND: 2, RECEIVE: 1, SEND_ONCE: 0, PORT_SET: 0, DEAD_NAME: 0}


@pytest.mark.parametrize(
    ("what", "kind", "delta", "code"),
    [
        ("both", SEND, -2, KernReturn.INVALID_VALUE),
        ("both", SEND, MAX, KernReturn.UREFS_OVERFLOW),
        ("dead", DEAD_NAME, -2, KernReturn.INVALID_VALUE),
        ("dead", DEAD_NAME, MAX, KernReturn.UREFS_OVERFLOW),
        ("receive", RECEIVE, 1, KernReturn.INVALID_VALUE),
        ("receive", RECEIVE, -2, KernReturn.INVALID_VALUE),
        ("set", PORT_SET, 1, KernReturn.INVALID_VALUE),
        ("send once", SEND_ONCE, 1, KernReturn.INVALID_VALUE),
        ("receive", SEND, 1, KernReturn.INVALID_RIGHT),
        ("both", DEAD_NAME, 1, KernReturn.INVALID_RIGHT),
        ("set", RECEIVE, -1, KernReturn.INVALID_RIGHT),
        ("dead", SEND, 1, KernReturn.INVALID_RIGHT),
    ],
)
def test_refused_mod_refs_changes_nothing(task: NamesOnly, what: str, kind: RightKind, delta: int, code: KernReturn) -> None:
    name = make(task, what)
    before = (mp.mach_port_type(task, name), [task.refs(name, k) for k in RightKind])
    assert failure(mp.mach_port_mod_refs, task, name, kind, delta) is code
    assert (mp.mach_port_type(task, name), [task.refs(name, k) for k in RightKind]) == before


@pytest.mark.parametrize(("what", "kind"), [("receive", RECEIVE), ("set", PORT_SET), ("send once", SEND_ONCE), ("dead", DEAD_NAME)])
def test_mod_refs_to_zero_releases(task: NamesOnly, what: str, kind: RightKind) -> None:
    name = make(task, what)
    mp.mach_port_mod_refs(task, name, kind, 0)
    mp.mach_port_mod_refs(task, name, kind, -1)
    assert failure(mp.mach_port_type, task, name) is KernReturn.INVALID_NAME


def test_destroyed_receive_right_leaves_a_dead_name_where_there_was_a_send_right(task: NamesOnly, other: NamesOnly) -> None:
    name = make(task, "both")
    mp.mach_port_mod_refs(task, name, SEND, 4)
    theirs, once = task.give_send(name, other), task.give_send_once(name, other)
    mp.mach_port_mod_refs(task, name, RECEIVE, -1)
    assert (mp.mach_port_type(task, name), task.refs(name, DEAD_NAME)) == (mach.MACH_PORT_TYPE_DEAD_NAME, 5)
    assert mp.mach_port_type(other, theirs) == mach.MACH_PORT_TYPE_DEAD_NAME
    assert other.refs(once, DEAD_NAME) == 1


@pytest.mark.parametrize("limit", [-1, mach.MACH_PORT_QLIMIT_MAX + 1])
def test_queue_limit_is_bounded(task: NamesOnly, limit: int) -> None:
    assert failure(mp.mach_port_set_qlimit, task, task.new_port(), limit) is KernReturn.INVALID_VALUE


@pytest.mark.parametrize("call", [mp.mach_port_set_qlimit, mp.mach_port_set_mscount, mp.mach_port_set_seqno, mp.mach_port_move_member])
def test_receive_right_is_needed(task: NamesOnly, call: Callable[..., object]) -> None:
    assert failure(call, task, make(task, "send once"), 0) is KernReturn.INVALID_RIGHT


def test_receive_status(task: NamesOnly, other: NamesOnly) -> None:
    name, members = task.new_port(), make(task, "set")
    status = mp.mach_port_get_receive_status(task, name)
    assert status == mp.PortStatus(0, 0, 0, 5, 0, 0, False, False, False)
    mp.mach_port_set_qlimit(task, name, 7)
    mp.mach_port_set_mscount(task, name, 40)
    mp.mach_port_set_seqno(task, name, 50)
    mp.mach_port_move_member(task, name, members)
    send = task.give_send(name, other)
    task.give_send_once(name, other)
    for variant in (mach.NOTIFY_NO_SENDERS, mach.NOTIFY_PORT_DESTROYED):
        task.request(name, variant, task.new_port())
    other.send(send)
    assert mp.mach_port_get_receive_status(task, name) == mp.PortStatus(members, 50, 41, 7, 1, 1, True, True, True)
    assert task.receive(members).received.sequence == 50
    assert mp.mach_port_get_receive_status(task, name).sequence == 51


def test_sets(task: NamesOnly) -> None:
    first, second = make(task, "set"), make(task, "set")
    port = task.new_port()
    assert failure(mp.mach_port_move_member, task, port, 0) is KernReturn.NOT_IN_SET
    assert failure(mp.mach_port_move_member, task, port, port) is KernReturn.INVALID_RIGHT
    assert failure(mp.mach_port_move_member, task, port, NOBODY) is KernReturn.INVALID_NAME
    mp.mach_port_move_member(task, port, first)
    mp.mach_port_move_member(task, port, second)
    assert (mp.mach_port_get_set_status(task, first), mp.mach_port_get_set_status(task, second)) == ([], [port])
    mp.mach_port_destroy(task, second)
    assert mp.mach_port_get_receive_status(task, port).port_set == mach.MACH_PORT_NULL


# Notifications
def test_dead_name_notification_adds_a_reference(task: NamesOnly, other: NamesOnly) -> None:
    name, waiting = task.new_port(), other.new_port()
    theirs = task.give_send(name, other)
    other.request(theirs, mach.NOTIFY_DEAD_NAME, waiting)
    mp.mach_port_destroy(task, name)
    assert notified(other, waiting) == (mach.NOTIFY_DEAD_NAME, theirs)
    assert other.refs(theirs, DEAD_NAME) == 2


def test_dead_name_request_on_a_dead_name(task: NamesOnly) -> None:
    name, waiting = make(task, "dead"), task.new_port()
    assert failure(task.request, name, mach.NOTIFY_DEAD_NAME, waiting, 0) is KernReturn.INVALID_ARGUMENT
    assert task.request(name, mach.NOTIFY_DEAD_NAME, waiting, 1) is None
    assert task.refs(name, DEAD_NAME) == 2
    assert notified(task, waiting) == (mach.NOTIFY_DEAD_NAME, name)
    mp.mach_port_mod_refs(task, name, DEAD_NAME, MAX - 2)
    assert failure(task.request, name, mach.NOTIFY_DEAD_NAME, waiting, 1) is KernReturn.UREFS_OVERFLOW
    assert failure(task.request, make(task, "set"), mach.NOTIFY_DEAD_NAME, waiting, 1) is KernReturn.INVALID_RIGHT


def test_port_deleted_notification_when_the_name_goes(task: NamesOnly, other: NamesOnly) -> None:
    waiting = other.new_port()
    for end in (mp.mach_port_destroy, mp.mach_port_deallocate, lambda t, n: mp.mach_port_extract_right(t, n, MOVE_SEND)):
        name = task.give_send(task.new_port(), other)
        other.request(name, mach.NOTIFY_DEAD_NAME, waiting)
        end(other, name)
        assert notified(other, waiting) == (mach.NOTIFY_PORT_DELETED, name)


def test_request_is_an_atomic_swap(task: NamesOnly) -> None:
    name, first, second = make(task, "both"), task.new_port(), task.new_port()
    for variant in (mach.NOTIFY_DEAD_NAME, mach.NOTIFY_NO_SENDERS, mach.NOTIFY_PORT_DESTROYED):
        assert task.request(name, variant, first) is None
        assert task.request(name, variant, second) is task.port(first)
        assert task.request(name, variant, None) is task.port(second)
        assert task.request(name, variant, None) is None


@pytest.mark.parametrize("variant", [0, mach.NOTIFY_SEND_ONCE, mach.NOTIFY_PORT_DELETED])
def test_unknown_notification_is_refused(task: NamesOnly, variant: int) -> None:
    assert failure(task.request, task.new_port(), variant, task.new_port()) is KernReturn.INVALID_VALUE


def test_port_destroyed_takes_no_sync_and_no_dead_right(task: NamesOnly) -> None:
    name = task.new_port()
    assert failure(task.request, name, mach.NOTIFY_PORT_DESTROYED, name, 1) is KernReturn.INVALID_VALUE
    arguments = (task, name, mach.NOTIFY_PORT_DESTROYED, 0, DEAD)
    assert failure(mp.mach_port_request_notification, *arguments) is KernReturn.INVALID_CAPABILITY


def test_no_senders_notification_carries_the_make_send_count(task: NamesOnly, other: NamesOnly) -> None:
    name, waiting = task.new_port(), task.new_port()
    sends = [task.give_send(name, other) for _ in range(3)]
    task.request(name, mach.NOTIFY_NO_SENDERS, waiting)
    mp.mach_port_destroy(other, sends[0])
    assert notified(task, waiting) == (mach.NOTIFY_NO_SENDERS, 3)


@pytest.mark.parametrize(("sync", "at_once"), [(0, True), (1, True), (2, False)])
def test_no_senders_at_once_if_enough_were_made(task: NamesOnly, other: NamesOnly, sync: int, at_once: bool) -> None:
    name, waiting = task.new_port(), task.new_port()
    mp.mach_port_destroy(other, task.give_send(name, other))
    task.request(name, mach.NOTIFY_NO_SENDERS, waiting, sync)
    assert len(task.port(waiting).messages) == at_once


def test_send_right_in_a_message_is_a_sender(task: NamesOnly, other: NamesOnly) -> None:
    name, waiting, box = task.new_port(), task.new_port(), task.new_port()
    send = task.give_send(name, other)
    task.request(name, mach.NOTIFY_NO_SENDERS, waiting)
    other.carry(task.give_send(box, other), COPY_SEND, MOVE_SEND, send)
    assert not task.port(waiting).messages
    mp.mach_port_destroy(task, box)
    assert notified(task, waiting) == (mach.NOTIFY_NO_SENDERS, 1)


def test_destroyed_port_goes_to_who_asked_for_it(task: NamesOnly, other: NamesOnly) -> None:
    name, waiting = task.new_port(), task.new_port()
    theirs = task.give_send(name, other)
    task.request(name, mach.NOTIFY_PORT_DESTROYED, waiting)
    port = task.port(name)
    mp.mach_port_destroy(task, name)
    other.send(theirs)
    outcome = task.receive(waiting)
    assert outcome.received.id == mach.NOTIFY_PORT_DESTROYED
    (back,) = outcome.names
    assert task.port(back) is port
    assert mp.mach_port_get_receive_status(task, back).make_sends == 0
    assert task.receive(back).received.id == 1


def test_unused_send_once_right_says_so(task: NamesOnly, other: NamesOnly) -> None:
    name = task.new_port()
    for end in (mp.mach_port_destroy, mp.mach_port_deallocate):
        end(other, task.give_send_once(name, other))
        assert task.receive(name).received.id == mach.NOTIFY_SEND_ONCE
        assert task.port(name).send_onces == 0


def test_send_once_right_in_a_destroyed_message_says_so(task: NamesOnly, other: NamesOnly) -> None:
    name, box = task.new_port(), other.new_port()
    once = task.give_send_once(name, task)
    task.carry(other.give_send(box, task), COPY_SEND, MOVE_SEND_ONCE, once)
    mp.mach_port_destroy(other, box)
    assert task.receive(name).received.id == mach.NOTIFY_SEND_ONCE


# Rights of other tasks
def test_insert_right(task: NamesOnly, other: NamesOnly) -> None:
    name = task.new_port()
    port = task.port(name)

    def insert(target: int, kind: RightKind = SEND) -> None:
        made = mp.mach_port_extract_right(task, name, MAKE_SEND_ONCE if kind is SEND_ONCE else MAKE_SEND)
        try:
            mp.mach_port_insert_right(other, target, made[1], kind)
        except KernError:
            if kind is SEND_ONCE:
                port.send_onces -= 1
            else:
                port.sends -= 1
            raise

    insert(10)
    insert(10)
    insert(11, SEND_ONCE)
    assert (other.refs(10), other.refs(11, SEND_ONCE), port.sends) == (2, 1, 1)
    assert failure(insert, 12) is KernReturn.RIGHT_EXISTS
    assert failure(insert, 11) is KernReturn.RIGHT_EXISTS
    assert failure(insert, 10, SEND_ONCE) is KernReturn.NAME_EXISTS
    assert failure(insert, 0) is KernReturn.INVALID_VALUE
    mp.mach_port_mod_refs(other, 10, SEND, MAX - 2)
    assert failure(insert, 10) is KernReturn.UREFS_OVERFLOW
    taken = make(other, "set")
    mp.mach_port_destroy(other, 10)
    assert failure(insert, taken) is KernReturn.NAME_EXISTS
    assert port.sends == 0


@pytest.mark.parametrize("port", [None, DEAD])
def test_null_and_dead_rights_are_not_inserted(task: NamesOnly, port: object) -> None:
    assert failure(mp.mach_port_insert_right, task, 5, port, SEND) is KernReturn.INVALID_CAPABILITY


def test_receive_and_send_right_share_a_name(task: NamesOnly, other: NamesOnly) -> None:
    name = task.new_port()
    theirs = task.give_send(name, other)
    kind, port = mp.mach_port_extract_right(task, name, MOVE_RECEIVE)
    assert other.space.copyout(kind, port) == theirs
    assert mp.mach_port_type(other, theirs) == mach.MACH_PORT_TYPE_RECEIVE | mach.MACH_PORT_TYPE_SEND


@pytest.mark.parametrize(
    ("what", "disposition"),
    [
        ("receive", COPY_SEND),
        ("receive", MOVE_SEND_ONCE),
        ("send once", COPY_SEND),
        ("send once", MAKE_SEND),
        ("set", MOVE_RECEIVE),
        ("dead", MAKE_SEND),
    ],
)
def test_right_that_is_not_there_is_not_extracted(task: NamesOnly, what: str, disposition: int) -> None:
    name = make(task, what)
    assert failure(mp.mach_port_extract_right, task, name, disposition) is KernReturn.INVALID_RIGHT


def test_extract_right_needs_a_disposition(task: NamesOnly) -> None:
    assert failure(mp.mach_port_extract_right, task, task.new_port(), mach.MSG_TYPE_PORT_NAME) is KernReturn.INVALID_VALUE


def test_each_send_once_right_has_a_name_of_its_own(task: NamesOnly, other: NamesOnly) -> None:
    name = task.new_port()
    assert len({task.give_send_once(name, other) for _ in range(3)}) == 3
    assert task.port(name).send_onces == 3


def test_end_of_a_task_releases_all_it_had(task: NamesOnly, other: NamesOnly) -> None:
    mine, theirs = task.new_port(), other.new_port()
    send = other.give_send(theirs, task)
    dying = task.give_send(mine, other)
    task.send(send)
    task.space.terminate()
    assert mp.mach_port_type(other, dying) == mach.MACH_PORT_TYPE_DEAD_NAME
    assert other.port(theirs).sends == 1  # the message's
    other.receive(theirs)
    assert other.port(theirs).sends == 0
