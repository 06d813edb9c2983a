"""mach_msg: queues, rights in messages, the three outcomes of a failed send, receive options, timeouts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mach.world import (
    COPY_SEND,
    MAKE_SEND,
    MAKE_SEND_ONCE,
    MOVE_RECEIVE,
    MOVE_SEND,
    MOVE_SEND_ONCE,
    RECEIVE,
    SEND,
    NamesOnly,
    Outcome,
    World,
)

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import Item, UserMessage
from skerry.mach import mach_port as mp
from skerry.mach.errors import KernError
from skerry.mach.ipc import mach_msg
from skerry.mach.right import RightKind

NOBODY = 0x5555
SEND_MSG, RCV_MSG = mach.MACH_SEND_MSG, mach.MACH_RCV_MSG


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server(world: World) -> NamesOnly:
    return NamesOnly(world)


@pytest.fixture
def client(world: World) -> NamesOnly:
    return NamesOnly(world)


@pytest.fixture
def port(server: NamesOnly) -> int:
    return server.new_port()


@pytest.fixture
def send(server: NamesOnly, client: NamesOnly, port: int) -> int:
    return server.give_send(port, client)


def fill(task: NamesOnly, send: int, count: int = mach.MACH_PORT_QLIMIT_DEFAULT) -> None:
    for number in range(count):
        assert task.try_send(send, id=number).code == 0


# Delivery
def test_message_arrives_with_the_header_turned_round(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    reply = client.new_port()
    client.send(send, COPY_SEND, 42, reply, MAKE_SEND_ONCE, machmsg.integers(1, 2))
    got = server.receive(port).received
    assert (got.id, got.local, got.local_type, got.remote_type) == (42, port, mach.MSG_TYPE_PORT_SEND, mach.MSG_TYPE_PORT_SEND_ONCE)
    assert got.items == (machmsg.integers(1, 2),)
    assert server.try_send(got.remote, MOVE_SEND_ONCE, 142).code == 0
    assert client.receive(reply).received.local_type == mach.MSG_TYPE_PORT_SEND_ONCE
    assert got.remote not in server.space.entries


def test_messages_are_received_in_order_and_numbered(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    got = [server.receive(port).received for _ in range(5)]
    assert [(m.id, m.sequence) for m in got] == [(n, n) for n in range(5)]


def test_waiting_receiver_is_continued(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    waiting = server.receive(port, None)
    assert waiting.code is None
    client.send(send, id=9)
    assert waiting.received.id == 9


def test_receivers_are_served_in_order(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    waiting = [server.receive(port, None) for _ in range(3)]
    fill(client, send, 3)
    assert [outcome.received.id for outcome in waiting] == [0, 1, 2]


def test_rpc_sends_and_then_receives(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    reply = client.new_port()
    for number in range(3):
        call = client.msg(UserMessage(number, send, reply, COPY_SEND, MAKE_SEND_ONCE), SEND_MSG | RCV_MSG, name=reply)
        got = server.receive(port).received
        server.send(got.remote, MOVE_SEND_ONCE, number + 100)
        assert call.received.id == number + 100


def test_two_servers_that_answer_each_other_do_not_grow_the_stack(server: NamesOnly, client: NamesOnly) -> None:
    """Each message is sent out of the continuation of the one before."""
    names = server.new_port(), client.new_port()
    sends = client.give_send(names[1], server), server.give_send(names[0], client)
    count = 0

    def serve(task: NamesOnly, mine: int, theirs: int) -> None:
        def received(code: int, message: UserMessage | None) -> None:
            nonlocal count
            count += 1
            if count < 5000:
                task.try_send(theirs)
                serve(task, mine, theirs)

        mach_msg(task, None, RCV_MSG, received, receive_name=mine)

    serve(server, names[0], sends[0])
    serve(client, names[1], sends[1])
    client.send(sends[1])
    assert count == 5000


def test_message_to_oneself(server: NamesOnly, port: int) -> None:
    server.send(port, MAKE_SEND, 3)
    assert server.receive(port).received.id == 3
    assert server.port(port).sends == 0


# Queues
def test_full_queue_stops_senders_in_order(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    waiting = [client.send(send, id=number) for number in (10, 11)]
    assert client.try_send(send).code == mach.MACH_SEND_TIMED_OUT
    server.receive(port)
    assert [outcome.code for outcome in waiting] == [0, None]
    assert client.try_send(send).code == mach.MACH_SEND_TIMED_OUT  # nobody overtakes
    assert [server.receive(port).received.id for _ in range(6)] == [1, 2, 3, 4, 10, 11]


def test_higher_limit_lets_senders_go_on(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    waiting = [client.send(send) for _ in range(3)]
    mp.mach_port_set_qlimit(server, port, 7)
    client.processor.run()
    assert [outcome.code for outcome in waiting] == [0, 0, None]


def test_limit_0_queues_nothing(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    mp.mach_port_set_qlimit(server, port, 0)
    assert client.try_send(send).code == mach.MACH_SEND_TIMED_OUT


def test_send_once_right_ignores_the_limit(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    once = server.give_send_once(port, client)
    fill(client, send)
    assert client.try_send(once, MOVE_SEND_ONCE).code == 0


def test_death_of_a_port_ends_the_wait_of_its_senders(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    waiting = client.send(send)
    mp.mach_port_destroy(server, port)
    client.processor.run()
    assert waiting.code == 0  # as if it had been sent, and had died with the port
    assert client.send(send).code == mach.MACH_SEND_INVALID_DEST


@pytest.mark.parametrize("members", [2, 3])
def test_members_of_a_set_take_turns(server: NamesOnly, client: NamesOnly, members: int) -> None:
    ports = mp.mach_port_allocate(server, RightKind.PORT_SET)
    names = [server.new_port() for _ in range(members)]
    for name in names:
        mp.mach_port_move_member(server, name, ports)
        fill(client, server.give_send(name, client), 2)
    assert [server.receive(ports).received.local for _ in range(2 * members)] == names * 2


def test_set_without_members_may_be_waited_at(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    ports = mp.mach_port_allocate(server, RightKind.PORT_SET)
    fill(client, send, 2)
    waiting = server.receive(ports, None)
    mp.mach_port_move_member(server, port, ports)
    client.processor.run()
    assert waiting.received.id == 0
    assert server.receive(port).code == mach.MACH_RCV_IN_SET
    assert server.receive(ports).received.id == 1


def test_port_that_enters_a_set_tells_who_waits_at_it(server: NamesOnly, port: int) -> None:
    waiting = server.receive(port, None)
    mp.mach_port_move_member(server, port, mp.mach_port_allocate(server, RightKind.PORT_SET))
    server.processor.run()
    assert waiting.code == mach.MACH_RCV_PORT_CHANGED


def test_death_of_a_port_or_set_tells_who_waits(server: NamesOnly, port: int) -> None:
    ports = mp.mach_port_allocate(server, RightKind.PORT_SET)
    waiting = [server.receive(port, None), server.receive(ports, None)]
    for name in (port, ports):
        mp.mach_port_destroy(server, name)
    server.processor.run()
    assert [outcome.code for outcome in waiting] == [mach.MACH_RCV_PORT_DIED] * 2


# Rights in messages
def test_array_of_rights_inline_and_out_of_line(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    names = [client.new_port() for _ in range(3)]
    items = [machmsg.rights(MAKE_SEND, *names, inline=inline) for inline in (True, False)]
    client.send(send, COPY_SEND, 1, 0, 0, *items)
    outcome = server.receive(port)
    first, second = (machmsg.names_in(item) for item in outcome.items)
    assert first == second
    assert [server.port(name) for name in first] == [client.port(name) for name in names]
    assert [server.refs(name) for name in first] == [2, 2, 2]
    assert [item.name for item in outcome.items] == [mach.MSG_TYPE_PORT_SEND] * 2


def test_null_and_dead_travel(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    dead = mp.mach_port_allocate(client, RightKind.DEAD_NAME)
    client.carry(send, COPY_SEND, COPY_SEND, mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD, dead)
    assert server.receive(port).names == (mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD, mach.MACH_PORT_DEAD)
    client.carry(send, COPY_SEND, MOVE_SEND, dead)
    assert dead not in client.space.entries


def test_right_whose_port_dies_on_the_way_arrives_dead(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    name = client.new_port()
    client.carry(send, COPY_SEND, MAKE_SEND, name)
    client.send(send, COPY_SEND, 1, name, MAKE_SEND_ONCE)
    mp.mach_port_destroy(client, name)
    assert server.receive(port).names == (mach.MACH_PORT_DEAD,)
    assert server.receive(port).received.remote == mach.MACH_PORT_DEAD


def test_moved_receive_right_takes_its_messages_along(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    moving, box = server.new_port(), client.new_port()
    to_moving = server.give_send(moving, client)
    fill(client, to_moving, 2)
    server.receive(moving)
    server.carry(client.give_send(box, server), COPY_SEND, MOVE_RECEIVE, moving)
    assert client.try_send(to_moving, id=7).code == 0
    assert client.receive(box).names == (to_moving,)
    status = mp.mach_port_get_receive_status(client, to_moving)
    assert (status.sequence, status.make_sends, status.message_count) == (0, 0, 2)
    assert [client.receive(to_moving).received.id for _ in range(2)] == [1, 7]


def test_moving_a_receive_right_ends_the_wait_at_it(server: NamesOnly, client: NamesOnly, port: int) -> None:
    moving = server.new_port()
    waiting = server.receive(moving, None)
    server.carry(port, MAKE_SEND, MOVE_RECEIVE, moving)
    assert waiting.code == mach.MACH_RCV_PORT_DIED


def test_receive_right_sent_to_itself_is_destroyed(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    assert server.carry(port, MAKE_SEND, MOVE_RECEIVE, port).code == 0
    assert mp.mach_port_type(client, send) == mach.MACH_PORT_TYPE_DEAD_NAME


@pytest.mark.parametrize("length", [2, 3, 50])
def test_circle_of_receive_rights_is_destroyed(server: NamesOnly, client: NamesOnly, length: int) -> None:
    names = [server.new_port() for _ in range(length)]
    sends = [server.give_send(name, client) for name in names]
    for name, to in zip(names, [*names[1:], names[0]], strict=True):
        kind = MAKE_SEND if to in server.space.entries and server.space.entries[to].types & mach.MACH_PORT_TYPE_RECEIVE else None
        if kind is None:  # the first one lies in a queue by now: send to it by a send right
            right = mp.mach_port_extract_right(client, sends[0], COPY_SEND)
            to, kind = server.space.copyout(*right), MOVE_SEND
        assert server.carry(to, kind, MOVE_RECEIVE, name).code == 0
    assert all(mp.mach_port_type(client, send) == mach.MACH_PORT_TYPE_DEAD_NAME for send in sends)


def test_long_chain_of_messages_in_messages_is_destroyed_without_recursion(server: NamesOnly) -> None:
    last = first = server.new_port()
    for _ in range(5000):
        outer = server.new_port()
        server.carry(outer, MAKE_SEND, MOVE_RECEIVE, last)
        last = outer
    assert first not in server.space.entries
    mp.mach_port_destroy(server, last)
    assert not server.space.entries


# A failed send: nothing has happened
@pytest.mark.parametrize(
    ("remote_type", "local_type", "local", "code"),
    [
        (0, 0, 0, mach.MACH_SEND_INVALID_HEADER),
        (MOVE_RECEIVE, 0, 0, mach.MACH_SEND_INVALID_HEADER),
        (COPY_SEND, 0, "reply", mach.MACH_SEND_INVALID_HEADER),
        (COPY_SEND, MOVE_RECEIVE, "reply", mach.MACH_SEND_INVALID_HEADER),
        (MAKE_SEND, 0, 0, mach.MACH_SEND_INVALID_DEST),
        (MOVE_SEND_ONCE, 0, 0, mach.MACH_SEND_INVALID_DEST),
        (MOVE_SEND, MOVE_SEND, "reply", mach.MACH_SEND_INVALID_REPLY),
        (MOVE_SEND, MAKE_SEND, NOBODY, mach.MACH_SEND_INVALID_REPLY),
        (MOVE_SEND, COPY_SEND, "same, twice", None),
    ],
)
def test_header_rights_are_taken_both_or_not_at_all(
    server: NamesOnly, client: NamesOnly, send: int, remote_type: int, local_type: int, local: object, code: int | None
) -> None:
    reply = client.new_port()
    name = {"reply": reply, "same, twice": send}.get(local, local)  # type: ignore[call-overload]
    outcome = client.msg(UserMessage(1, send, name, remote_type, local_type), SEND_MSG)
    if code is None:
        assert (outcome.code, send in client.space.entries) == (0, False)
        return
    assert outcome.code == code
    assert (client.refs(send), client.port(reply).sends, client.port(reply).send_onces) == (1, 0, 0)


@pytest.mark.parametrize("remote", [mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD, NOBODY])
def test_destination_must_be_there(client: NamesOnly, remote: int) -> None:
    assert client.send(remote).code == mach.MACH_SEND_INVALID_DEST


def test_dead_name_is_no_destination_but_may_be_the_reply(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    dead = mp.mach_port_allocate(client, RightKind.DEAD_NAME)
    assert client.send(dead).code == mach.MACH_SEND_INVALID_DEST
    assert client.send(send, COPY_SEND, 1, dead, COPY_SEND).code == 0
    assert server.receive(port).received.remote == mach.MACH_PORT_DEAD


@pytest.mark.parametrize(("urefs", "code"), [(1, mach.MACH_SEND_INVALID_DEST), (2, 0)])
def test_one_name_moved_twice_needs_two_references(server: NamesOnly, client: NamesOnly, send: int, urefs: int, code: int) -> None:
    mp.mach_port_mod_refs(client, send, SEND, urefs - 1)
    assert client.msg(UserMessage(1, send, send, MOVE_SEND, MOVE_SEND), SEND_MSG).code == code
    assert (send in client.space.entries) == (code != 0)


@pytest.mark.parametrize("data", [b"", bytes(mach.HEADER_SIZE - 1)])
def test_less_than_a_header_is_too_small(client: NamesOnly, data: bytes) -> None:
    assert client.msg(data, SEND_MSG).code == mach.MACH_SEND_MSG_TOO_SMALL


# A failed send: the message is destroyed
def packed(remote: int, remote_type: int, body: bytes) -> bytes:
    return mach.HEADER.pack(remote_type | mach.MSGH_BITS_COMPLEX, mach.HEADER_SIZE + len(body), remote, 0, 0, 1) + body


def descriptor(name: int, bits: int, number: int, flags: int = mach.TYPE_INLINE) -> bytes:
    return mach.SHORT_TYPE.pack(name | bits << 8 | number << 16 | flags)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (descriptor(mach.MSG_TYPE_BYTE, 8, 8) + b"1234", mach.MACH_SEND_MSG_TOO_SMALL),
        (b"\0\0", mach.MACH_SEND_MSG_TOO_SMALL),
        (descriptor(mach.MSG_TYPE_BYTE, 8, 8, 0) + b"1234", mach.MACH_SEND_MSG_TOO_SMALL),
        (mach.LONG_TYPE.pack(mach.TYPE_INLINE | mach.TYPE_LONGFORM, 9, 65535, 0xFFFFFFFF), mach.MACH_SEND_MSG_TOO_SMALL),
        (mach.LONG_TYPE.pack(mach.TYPE_INLINE | mach.TYPE_LONGFORM | 1, 9, 8, 0), mach.MACH_SEND_INVALID_TYPE),
        (descriptor(MAKE_SEND, 8, 1) + bytes(4), mach.MACH_SEND_INVALID_TYPE),
        (descriptor(mach.MSG_TYPE_BYTE, 8, 4, mach.TYPE_INLINE | mach.TYPE_UNUSED) + bytes(4), mach.MACH_SEND_INVALID_TYPE),
        (descriptor(mach.MSG_TYPE_BYTE, 8, 4, mach.TYPE_INLINE | mach.TYPE_DEALLOCATE) + bytes(4), mach.MACH_SEND_INVALID_TYPE),
        (descriptor(MAKE_SEND, 32, 1) + NOBODY.to_bytes(4, "little"), mach.MACH_SEND_INVALID_RIGHT),
        (descriptor(mach.MSG_TYPE_BYTE, 8, 4, 0) + bytes(8), mach.MACH_SEND_INVALID_MEMORY),
    ],
)
def test_bad_body_destroys_the_message_and_what_was_taken(
    server: NamesOnly, client: NamesOnly, port: int, send: int, body: bytes, code: int
) -> None:
    carried = client.new_port()
    good = descriptor(MOVE_RECEIVE, 32, 1) + carried.to_bytes(4, "little")
    gone = client.port(carried)
    assert client.msg(packed(send, MOVE_SEND, good + body), SEND_MSG).code == code
    assert (send in client.space.entries, gone.dead, server.port(port).sends) == (False, True, 0)
    assert not server.port(port).messages


def test_failure_in_the_middle_of_an_array_releases_its_beginning(server: NamesOnly, client: NamesOnly, send: int) -> None:
    name = client.new_port()
    assert client.carry(send, COPY_SEND, MAKE_SEND, name, NOBODY).code == mach.MACH_SEND_INVALID_RIGHT
    assert client.port(name).sends == 0


# A failed send: the message comes back
def test_message_that_times_out_comes_back_under_names(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    reply, carried = client.new_port(), client.new_port()
    message = UserMessage(5, send, reply, MOVE_SEND, MAKE_SEND_ONCE, (machmsg.rights(MOVE_RECEIVE, carried),))
    gone = client.port(carried)
    outcome = client.msg(message, SEND_MSG | mach.MACH_SEND_TIMEOUT)
    assert outcome.code == mach.MACH_SEND_TIMED_OUT
    back = outcome.message
    assert back is not None
    assert back.items is not None
    assert (back.remote_type, back.local_type) == (mach.MSG_TYPE_PORT_SEND, mach.MSG_TYPE_PORT_SEND_ONCE)
    assert client.port(back.remote) is server.port(port)
    assert client.port(back.local) is client.port(reply)
    assert client.port(machmsg.names_in(back.items[0])[0]) is gone
    assert gone.destination is None
    assert (server.port(port).sends, client.port(reply).send_onces) == (6, 1)


def test_send_timeout_counts_milliseconds(world: World, server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    option = SEND_MSG | mach.MACH_SEND_TIMEOUT
    late, early = (client.msg(UserMessage(8, send, remote_type=COPY_SEND), option, timeout=ms) for ms in (20, 10))
    world.pass_time(9)
    assert (late.code, early.code) == (None, None)
    world.pass_time(1)
    assert (late.code, early.code) == (None, mach.MACH_SEND_TIMED_OUT)
    server.receive(port)
    world.pass_time(100)
    assert late.code == 0


def test_interrupted_send_and_receive(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    sending = client.send(send, MOVE_SEND)
    receiving = client.receive(client.new_port(), None)
    for outcome in (sending, receiving):
        assert outcome.call is not None
        assert outcome.call.interrupt()
        assert not outcome.call.interrupt()
    client.processor.run()
    assert (sending.code, receiving.code) == (mach.MACH_SEND_INTERRUPTED, mach.MACH_RCV_INTERRUPTED)
    assert sending.message is not None
    assert client.port(sending.message.remote) is server.port(port)
    assert server.receive(port).received.id == 0


# MACH_SEND_NOTIFY and MACH_SEND_CANCEL
def test_notify_forces_one_message_in_and_tells_when_it_was_taken(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    waiting = client.new_port()

    def force() -> Outcome:
        return client.msg(UserMessage(77, send, remote_type=COPY_SEND), SEND_MSG | mach.MACH_SEND_NOTIFY, notify=waiting)

    assert force().code == mach.MACH_SEND_WILL_NOTIFY
    assert mp.mach_port_type(client, send) & mach.MACH_PORT_TYPE_MAREQUEST
    again = force()
    assert again.code == mach.MACH_SEND_NOTIFY_IN_PROGRESS
    assert again.message is not None
    assert [server.receive(port).received.id for _ in range(6)] == [0, 1, 2, 3, 4, 77]
    message = client.receive(waiting).received
    assert (message.id, machmsg.parse_items(message.body)[0].data) == (mach.NOTIFY_MSG_ACCEPTED, send.to_bytes(4, "little"))
    assert not mp.mach_port_type(client, send) & mach.MACH_PORT_TYPE_MAREQUEST
    assert force().code == 0


def test_notify_needs_a_receive_right(client: NamesOnly, send: int) -> None:
    fill(client, send)
    outcome = client.msg(UserMessage(1, send, remote_type=MOVE_SEND), SEND_MSG | mach.MACH_SEND_NOTIFY, notify=send)
    assert outcome.code == mach.MACH_SEND_INVALID_NOTIFY
    assert outcome.message is not None
    assert outcome.message.remote in client.space.entries


def test_notified_name_that_went_with_the_message_is_null(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    fill(client, send)
    waiting = client.new_port()
    client.msg(UserMessage(1, send, remote_type=MOVE_SEND), SEND_MSG | mach.MACH_SEND_NOTIFY, notify=waiting)
    mp.mach_port_destroy(server, port)
    assert machmsg.parse_items(client.receive(waiting).received.body)[0].data == bytes(4)


@pytest.mark.parametrize(("option", "told"), [(SEND_MSG, True), (SEND_MSG | mach.MACH_SEND_CANCEL, False)])
def test_cancel_takes_the_request_back_with_the_name(client: NamesOnly, send: int, option: int, told: bool) -> None:
    waiting = client.new_port()
    client.request(send, mach.NOTIFY_DEAD_NAME, waiting)
    assert client.msg(UserMessage(1, send, remote_type=MOVE_SEND), option, notify=waiting).code == 0
    assert bool(client.port(waiting).messages) == told
    assert client.port(waiting).send_onces == told


def test_cancel_needs_a_receive_right(client: NamesOnly, send: int) -> None:
    outcome = client.msg(UserMessage(1, send, remote_type=MOVE_SEND), SEND_MSG | mach.MACH_SEND_CANCEL, notify=NOBODY)
    assert (outcome.code, client.refs(send)) == (mach.MACH_SEND_INVALID_NOTIFY, 1)


# Receiving
@pytest.mark.parametrize("what", ["nothing", "send", "dead"])
def test_receive_needs_a_receive_right_or_set(client: NamesOnly, send: int, what: str) -> None:
    name = {"nothing": NOBODY, "send": send, "dead": mp.mach_port_allocate(client, RightKind.DEAD_NAME)}[what]
    assert client.receive(name).code == mach.MACH_RCV_INVALID_NAME


def test_receive_timeout(world: World, server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    assert server.receive(port, 0).code == mach.MACH_RCV_TIMED_OUT
    waiting = server.receive(port, 10)
    world.pass_time(10)
    assert waiting.code == mach.MACH_RCV_TIMED_OUT
    client.send(send)
    assert len(server.port(port).messages) == 1  # the one that gave up does not take it


def test_large_message_is_kept_and_its_size_told(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    option = RCV_MSG | mach.MACH_RCV_LARGE
    waiting = server.msg(None, option, 40, port)
    client.send(send, COPY_SEND, 1, 0, 0, Item(mach.MSG_TYPE_BYTE, 8, 100, bytes(100)))
    queued = server.msg(None, option, 40, port)
    for outcome in (waiting, queued):
        assert outcome.code == mach.MACH_RCV_TOO_LARGE
        assert outcome.message is not None
        assert outcome.message.size == mach.HEADER_SIZE + 4 + 100
    assert server.msg(None, option, 128, port).received.sequence == 0


def test_large_message_is_destroyed_without_the_option(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    reply = client.new_port()
    client.send(send, COPY_SEND, 9, reply, MAKE_SEND_ONCE, machmsg.rights(MAKE_SEND, reply), machmsg.naturals(*range(9)))
    outcome = server.msg(None, RCV_MSG, 40, port)
    assert outcome.code == mach.MACH_RCV_TOO_LARGE
    assert outcome.message is not None
    assert (outcome.message.id, outcome.message.remote, outcome.message.local) == (9, 0, port)
    assert client.port(reply).sends == 0
    assert client.receive(reply).received.id == mach.NOTIFY_SEND_ONCE


def test_receive_with_notify_asks_about_the_reply_right(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    reply, waiting = client.new_port(), server.new_port()
    client.send(send, COPY_SEND, 1, reply, MAKE_SEND_ONCE)
    got = server.msg(None, RCV_MSG | mach.MACH_RCV_NOTIFY, name=port, notify=waiting).received
    mp.mach_port_destroy(client, reply)
    assert server.receive(waiting).received.id == mach.NOTIFY_DEAD_NAME
    assert server.refs(got.remote, RightKind.DEAD_NAME) == 2


def test_receive_with_notify_needs_a_receive_right(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    reply = client.new_port()
    client.send(send, COPY_SEND, 1, reply, MAKE_SEND_ONCE)
    assert server.msg(None, RCV_MSG | mach.MACH_RCV_NOTIFY, name=port, notify=NOBODY).code == mach.MACH_RCV_INVALID_NOTIFY
    assert client.receive(reply).received.id == mach.NOTIFY_SEND_ONCE


def test_receiver_without_room_for_names_gets_the_rest(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    reply, carried = client.new_port(), client.new_port()
    client.carry(send, COPY_SEND, MAKE_SEND, carried)
    client.send(send, COPY_SEND, 1, reply, MAKE_SEND_ONCE)
    server.space.most = 1
    outcome = server.receive(port)
    assert outcome.code == mach.MACH_RCV_BODY_ERROR | mach.MACH_MSG_IPC_SPACE
    assert outcome.message is not None
    assert outcome.message.items is not None
    assert machmsg.names_in(outcome.message.items[0]) == (mach.MACH_PORT_NULL,)
    assert server.receive(port).code == mach.MACH_RCV_HEADER_ERROR | mach.MACH_MSG_IPC_SPACE
    assert client.port(carried).sends == 0
    assert client.receive(reply).received.id == mach.NOTIFY_SEND_ONCE


def test_references_are_pegged_when_rights_arrive(server: NamesOnly, client: NamesOnly, port: int, send: int) -> None:
    name = client.new_port()
    theirs = client.give_send(name, server)
    mp.mach_port_mod_refs(server, theirs, SEND, mach.MACH_PORT_UREFS_MAX - 1)
    client.carry(send, COPY_SEND, MAKE_SEND, name)
    assert server.receive(port).names == (theirs,)
    assert server.refs(theirs) == mach.MACH_PORT_UREFS_MAX
    assert client.port(name).sends == 1


# Bytes
def test_bytes_of_a_message_are_those_of_the_interface() -> None:
    message = UserMessage(0x1234, 3, 5, COPY_SEND, MAKE_SEND_ONCE, (machmsg.integers(-1), machmsg.rights(MOVE_SEND, 7)), sequence=9)
    assert machmsg.pack(message).hex() == (
        "13150080"
        "28000000"
        "03000000"
        "05000000"
        "09000000"
        "34120000"  # bits, size, remote, local, sequence, id
        "02200110"
        "ffffffff"  # integer_32, 32 bits, 1, inline
        "11200110"
        "07000000"  # move_send
    )


def test_what_was_packed_is_parsed(server: NamesOnly) -> None:
    items = (
        Item(mach.MSG_TYPE_BYTE, 8, 5, b"12345"),
        Item(mach.MSG_TYPE_BYTE, 8, 5000, bytes(5000)),
        Item(mach.MSG_TYPE_BOOLEAN, 1, 9, b"\x01\x01"),
        Item(mach.MSG_TYPE_BYTE, 8, 1 << 20, 0x7000, False, True),
        Item(COPY_SEND, 32, 0, b""),
    )
    parsed = machmsg.parse(machmsg.pack(UserMessage(1, items=items)))
    assert (parsed.items, parsed.defect) == (items, 0)
    assert parsed.size == machmsg.size_of(UserMessage(1, items=items))


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_message_or_an_error(body: bytes, is_complex: bool) -> None:
    task = NamesOnly(World())
    name = task.new_port()
    bits = MAKE_SEND | (mach.MSGH_BITS_COMPLEX if is_complex else 0)
    data = mach.HEADER.pack(bits, 0xFFFFFFFF, name, 0, 0, 1) + body
    outcome = task.msg(data, SEND_MSG)
    assert outcome.code is not None
    got = task.receive(name)
    assert (got.code == 0) == (outcome.code == 0)
    assert got.code != 0 or is_complex or got.received.body == body
    assert task.port(name).sends == 0


def test_refused_right_is_not_a_kernel_error() -> None:
    with pytest.raises(machmsg.FormatError):
        machmsg.names_in(machmsg.integers(1))
    with pytest.raises(machmsg.FormatError):
        machmsg.parse_items(b"123")


def test_receive_right_is_not_given_twice(server: NamesOnly, client: NamesOnly, port: int) -> None:
    mp.mach_port_extract_right(server, port, MOVE_RECEIVE)
    with pytest.raises(KernError):
        mp.mach_port_extract_right(server, port, MOVE_RECEIVE)
    assert RECEIVE not in [kind for kind in RightKind if port in server.space.entries]
