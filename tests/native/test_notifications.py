"""Every notification of the kernel, made to happen by real messages of a native task, and received by one.

Source: Mach 3 Kernel Interfaces, mach_port_request_notification and do_mach_notify_*.
"""

from __future__ import annotations

import os
import signal

import pytest
from tests.native.natives import Natives
from tests.native.scenarios import INBOX, PEER, peers, perform

pytestmark = pytest.mark.machine

ALONE = {
    "ids and what they carry, each to a send-once right": """
notify = task.reply_port()
port = with_send()
ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
me.mach_port_mod_refs(port, RECEIVE, -1)
message = got(notify)
assert (message.id, message.local_type, message.remote) == (72, MOVE_ONCE, 0)
(item,) = machmsg.parse_items(message.body)
assert (item.name, item.bits, item.number) == (mach.MSG_TYPE_PORT_NAME, 32, 1)
assert status(notify)[5] == 0
""",
    "dead_name adds a reference that is the notification's": """
notify = task.reply_port()
for count in (1, 7):
    port, away = foreign(count)
    ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
    me.mach_port_destroy(away)  # the receive right in its queue dies with it
    assert kind_of(port) == mach.MACH_PORT_TYPE_DEAD_NAME and refs(port, DEAD) == count + 1 and refs(port) == 0
    assert told(notify, mach.NOTIFY_DEAD_NAME, port)
    me.mach_port_mod_refs(port, DEAD, -count)
    me.mach_port_deallocate(port)
    assert code(me.mach_port_type, port) == mach.KERN_INVALID_NAME
""",
    "without a request a dead name has no more references, and nobody is told": """
notify = task.reply_port()
port, away = foreign(3)
me.mach_port_destroy(away)
assert refs(port, DEAD) == 3 and empty(notify)
""",
    "a send-once right that dies is a dead name, too": """
port, inbox, notify = task.reply_port(), task.reply_port(), task.reply_port()
assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(ONCE, port))[0] == 0
((once,),) = names_of(got(inbox))
ask(once, mach.NOTIFY_DEAD_NAME, 0, notify)
me.mach_port_destroy(port)
assert told(notify, mach.NOTIFY_DEAD_NAME, once) and refs(once, DEAD) == 2
""",
    "a name that is dead already is told of at once, if sync is not 0": """
notify, name = task.reply_port(), me.mach_port_allocate(DEAD)
assert code(ask, name, mach.NOTIFY_DEAD_NAME, 0, notify) == mach.KERN_INVALID_ARGUMENT
assert told(notify, mach.NOTIFY_SEND_ONCE)  # the right that the call brought was given up
assert ask(name, mach.NOTIFY_DEAD_NAME, 1, notify) == 0
assert told(notify, mach.NOTIFY_DEAD_NAME, name) and refs(name, DEAD) == 2
me.mach_port_mod_refs(name, DEAD, 0xFFFF - 2)
assert code(ask, name, mach.NOTIFY_DEAD_NAME, 1, notify) == mach.KERN_UREFS_OVERFLOW and refs(name, DEAD) == 0xFFFF
""",
    "port_deleted when the name goes while its port lives": """
notify = task.reply_port()
for gone in (
    lambda name: me.mach_port_deallocate(name),
    lambda name: me.mach_port_destroy(name),
    lambda name: me.mach_port_mod_refs(name, SEND, -1),
    lambda name: post(name, MOVE),
    lambda name: post(notify, MAKE, 0, 0, 0, machmsg.rights(MOVE, name)),
    lambda name: me.mach_port_extract_right(name, MOVE),
):
    port, away = foreign()
    ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
    ask(port, mach.NOTIFY_DEAD_NAME, 0, 0)
    ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
    gone(port)
    told_of = [message for message in (got(notify) for _ in range(status(notify)[4])) if message.id != 0]
    assert [message.id for message in told_of] == [mach.NOTIFY_PORT_DELETED], told_of
    assert word(told_of[0]) == port
    assert code(me.mach_port_type, port) in (0, mach.KERN_INVALID_NAME)
""",
    "one of two references that goes is nothing to tell": """
notify = task.reply_port()
port, away = foreign(2)
ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
me.mach_port_deallocate(port)
assert empty(notify)
me.mach_port_deallocate(port)
assert told(notify, mach.NOTIFY_PORT_DELETED, port)
""",
    "a request follows its renamed name": """
notify = task.reply_port()
port, away = foreign()
ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
me.mach_port_rename(port, 0x7001)
me.mach_port_destroy(away)
assert told(notify, mach.NOTIFY_DEAD_NAME, 0x7001)
""",
    "no_senders carries the make-send count": """
port, inbox, notify = task.reply_port(), task.reply_port(), task.reply_port()
me.mach_port_insert_right(port, port)
for _ in range(3):
    assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(MAKE, port))[0] == 0
assert ask(port, mach.NOTIFY_NO_SENDERS, 0, notify) == 0
me.mach_port_deallocate(port)
assert empty(notify)  # those in messages are senders
got(inbox), got(inbox)
assert refs(port) == 2 and empty(notify)
me.mach_port_mod_refs(port, SEND, -2)
assert empty(notify)
me.mach_port_destroy(inbox)
assert told(notify, mach.NOTIFY_NO_SENDERS, 4) and not status(port)[8]
""",
    "a message in the queue is a sender until it is received": """
port, notify = task.reply_port(), task.reply_port()
for receive in (lambda: got(port), lambda: poll(port, size=0)):
    me.mach_port_set_mscount(port, 0)
    assert post(port, MAKE)[0] == 0
    ask(port, mach.NOTIFY_NO_SENDERS, 0, notify)
    assert empty(notify) and status(port)[6]
    receive()
    assert told(notify, mach.NOTIFY_NO_SENDERS, 1) and not status(port)[6]
""",
    "no_senders is told at once if there are none and sync have been made": """
for made, sync, at_once in ((0, 0, True), (1, 1, True), (1, 0, True), (1, 2, False), (2, 2, True), (0, 1, False)):
    port, notify = task.reply_port(), task.reply_port()
    for _ in range(made):
        me.mach_port_insert_right(port, port)
    if made:
        me.mach_port_mod_refs(port, SEND, -made)
    assert ask(port, mach.NOTIFY_NO_SENDERS, sync, notify) == 0
    assert told(notify, mach.NOTIFY_NO_SENDERS, made) if at_once else empty(notify), (made, sync)
    assert bool(status(port)[8]) != at_once
    if not at_once:  # the next last sender is told of
        me.mach_port_insert_right(port, port)
        me.mach_port_deallocate(port)
        assert told(notify, mach.NOTIFY_NO_SENDERS, made + 1)
port, notify = with_send(), task.reply_port()
ask(port, mach.NOTIFY_NO_SENDERS, 0, notify)
assert empty(notify)  # there is a sender
me.mach_port_set_mscount(port, 0xFFFFFFFF)
me.mach_port_deallocate(port)
assert told(notify, mach.NOTIFY_NO_SENDERS, 0xFFFFFFFF)
me.mach_port_insert_right(port, port)
assert status(port)[2] == 0  # 32 bits wide
""",
    "port_destroyed hands the receive right over with its messages": """
port, notify = with_send(), task.reply_port()
assert ask(port, mach.NOTIFY_PORT_DESTROYED, 0, notify) == 0 and status(port)[7]
assert code(ask, port, mach.NOTIFY_PORT_DESTROYED, 1, notify) == mach.KERN_INVALID_VALUE
assert told(notify, mach.NOTIFY_SEND_ONCE)
assert post(port, COPY, 55)[0] == 0
me.mach_port_mod_refs(port, RECEIVE, -1)
assert kind_of(port) == mach.MACH_PORT_TYPE_SEND  # it lives
message = got(notify)
assert message.id == mach.NOTIFY_PORT_DESTROYED and message.items[0].name == MOVE_RECEIVE
assert names_of(message) == [(port,)] and kind_of(port) == mach.MACH_PORT_TYPE_SEND | mach.MACH_PORT_TYPE_RECEIVE
assert got(port).id == 55 and not status(port)[7]  # the request is used up
me.mach_port_mod_refs(port, RECEIVE, -1)
assert kind_of(port) == mach.MACH_PORT_TYPE_DEAD_NAME
""",
    "port_destroyed to itself destroys it after all": """
port, gone = with_send(), task.reply_port()
ask(port, mach.NOTIFY_DEAD_NAME, 0, gone)
ask(port, mach.NOTIFY_PORT_DESTROYED, 0, port)
me.mach_port_mod_refs(port, RECEIVE, -1)
assert told(gone, mach.NOTIFY_DEAD_NAME, port)
""",
    "a send-once right that is given up unused says so": """
port, inbox = task.reply_port(), task.reply_port()
for give_up in (
    lambda name: me.mach_port_deallocate(name),
    lambda name: me.mach_port_destroy(name),
    lambda name: me.mach_port_mod_refs(name, SEND_ONCE, -1),
    lambda name: post(me.mach_port_allocate(DEAD), COPY, 0, name, MOVE_ONCE) and me.mach_port_deallocate(name),
    lambda name: post(with_send(), COPY, 0, 0, 0, machmsg.rights(MOVE_ONCE, name), machmsg.rights(MOVE, 0x7777)),
):
    assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(ONCE, port))[0] == 0
    ((name,),) = names_of(got(inbox))
    assert empty(port)
    give_up(name)
    message = got(port)
    assert (message.id, message.local_type, message.remote, message.body) == (mach.NOTIFY_SEND_ONCE, MOVE_ONCE, 0, b"")
    assert empty(port) and status(port)[5] == 0
""",
    "a request is an atomic swap, and null cancels": """
port, first, second = with_send(), task.reply_port(), task.reply_port()
for variant in (mach.NOTIFY_DEAD_NAME, mach.NOTIFY_NO_SENDERS, mach.NOTIFY_PORT_DESTROYED):
    assert ask(port, variant, 0, first) == 0
    previous = ask(port, variant, 0, second)
    assert kind_of(previous) == mach.MACH_PORT_TYPE_SEND_ONCE and status(first)[5] == 1
    assert post(previous, MOVE_ONCE, 9)[0] == 0 and got(first).id == 9
    previous = ask(port, variant, 0, 0)
    assert kind_of(previous) == mach.MACH_PORT_TYPE_SEND_ONCE and ask(port, variant, 0, 0) == 0
    me.mach_port_deallocate(previous)
    assert told(second, mach.NOTIFY_SEND_ONCE)
me.mach_port_destroy(port)
assert empty(first) and empty(second)
""",
    "what cannot be asked": """
port, notify = task.reply_port(), task.reply_port()
send, away = foreign()
for name, variant, sync, answer in (
    (port, 0, 0, mach.KERN_INVALID_VALUE),
    (port, mach.NOTIFY_SEND_ONCE, 0, mach.KERN_INVALID_VALUE),
    (0x7777, mach.NOTIFY_DEAD_NAME, 0, mach.KERN_INVALID_NAME),
    (send, mach.NOTIFY_NO_SENDERS, 0, mach.KERN_INVALID_RIGHT),
    (send, mach.NOTIFY_PORT_DESTROYED, 0, mach.KERN_INVALID_RIGHT),
    (me.mach_port_allocate(SET), mach.NOTIFY_DEAD_NAME, 0, mach.KERN_INVALID_RIGHT),
):
    assert code(ask, name, variant, sync, notify) == answer, (name, variant)
    assert told(notify, mach.NOTIFY_SEND_ONCE)
""",
}


@pytest.mark.parametrize("fact", ALONE)
def test_alone(natives: Natives, fact: str) -> None:
    perform(natives, ALONE[fact])


def test_no_senders_when_the_last_sender_is_killed(natives: Natives) -> None:
    watcher = """
notify = task.reply_port()
me.mach_port_set_mscount(INBOX, 5)
ask(INBOX, mach.NOTIFY_NO_SENDERS, 0, notify)
message = task.receive(notify)
assert (message.id, word(message)) == (mach.NOTIFY_NO_SENDERS, 5)
"""
    inbox, (first, second) = peers(natives, watcher, "task.receive(task.reply_port())")
    natives.run_until(lambda: first.waits and inbox.no_senders is not None and second.waits)
    os.kill(second.process.pid, signal.SIGKILL)
    natives.succeeds(first)
    assert not second.alive


def test_receive_right_of_a_killed_task_goes_to_who_asked(natives: Natives) -> None:
    """With what is queued; senders notice nothing."""
    heir = """
request = task.receive(INBOX)  # a send right to the port that we are to inherit
notify = task.reply_port()
task.send(UserMessage(1, request.remote, notify, MOVE_ONCE, ONCE))
message = task.receive(notify)
assert message.id == mach.NOTIFY_PORT_DESTROYED
((port,),) = names_of(message)
assert got(port).id == 44
"""
    mortal = f"""
port, reply = task.reply_port(), task.reply_port()
task.send(UserMessage(44, port, remote_type=MAKE))
task.send(UserMessage(1, {PEER}, reply, COPY, ONCE))
answer = task.receive(reply)
body = machmsg.Item(2, 32, 1, port.to_bytes(4, "little")), machmsg.integers(mach.NOTIFY_PORT_DESTROYED), machmsg.integers(0)
request = UserMessage(3214, task.self_port, reply, COPY, ONCE, (*body, machmsg.rights(MOVE_ONCE, answer.remote)))
task.send(request)
assert task.receive(reply).id == 3314
task.receive(reply)
"""
    inbox, (first, second) = peers(natives, heir, mortal)
    natives.run_until(
        lambda: (
            not second.alive or any(getattr(entry.object, "port_destroyed", None) is not None for entry in second.space.entries.values())
        )
    )
    assert second.last_words == ""
    os.kill(second.process.pid, signal.SIGKILL)
    natives.succeeds(first)
    assert inbox.dead
    assert INBOX not in first.space.entries
