"""The edge cases of messages, each by real messages of a native task.

``ALONE`` is what one task does with ports of its own; the tests below it need two.

Source: Mach 3 Kernel Interfaces, mach_msg; GNU Mach's manual, chapter 4.
"""

from __future__ import annotations

import ast

import pytest
from tests.native.natives import Natives
from tests.native.scenarios import INBOX, give_task, peers, perform, start

from skerry.abi import mach
from skerry.mach import message, notify, right
from skerry.mach.native import NativeTask
from skerry.mach.release import release
from skerry.mach.right import RightKind

pytestmark = pytest.mark.machine

ALONE = {
    # The header
    "the header is turned round for who receives": """
port, reply = task.reply_port(), task.reply_port()
assert post(port, MAKE, 77, reply, ONCE)[0] == 0
message = got(port)
assert (message.id, message.local, message.local_type, message.remote_type) == (77, port, MOVE, MOVE_ONCE)
assert message.remote not in (port, reply) and kind_of(message.remote) == mach.MACH_PORT_TYPE_SEND_ONCE
assert message.size == mach.HEADER_SIZE
assert post(message.remote, MOVE_ONCE, 177)[0] == 0 and got(reply).local_type == MOVE_ONCE
assert code(me.mach_port_type, message.remote) == mach.KERN_INVALID_NAME
""",
    "header rights are taken both or not at all": """
port, away = foreign(3)
assert post(port, MOVE, 0, 0x7777, ONCE)[0] == mach.MACH_SEND_INVALID_REPLY
assert post(port, MOVE, 0, port, ONCE)[0] == mach.MACH_SEND_INVALID_REPLY  # it is no receive right
assert post(port, MOVE_ONCE, 0, 0, 0)[0] == mach.MACH_SEND_INVALID_DEST
assert refs(port) == 3
reply = task.reply_port()
assert post(0x7777, COPY, 0, reply, MAKE)[0] == post(reply, COPY, 0, reply, MAKE)[0] == mach.MACH_SEND_INVALID_DEST
assert status(reply)[2] == 0 and not status(reply)[6]
""",
    "one name can be destination and reply if it has the references": """
for count, answer in ((1, mach.MACH_SEND_INVALID_DEST), (2, 0)):
    port, away = foreign(count)
    assert post(port, MOVE, 0, port, MOVE)[0] == answer
    assert (code(me.mach_port_type, port) == mach.KERN_INVALID_NAME) == (answer == 0)
    inner = names_of(got(away))[0][0]
    if answer == 0:
        message = got(inner)
        assert (message.local, message.remote) == (inner, inner) and refs(inner) == 1
""",
    "null, dead and unknown names are no destinations, and null or dead replies travel": """
for name in (mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD, 0x7777, me.mach_port_allocate(DEAD), me.mach_port_allocate(SET)):
    assert post(name, COPY)[0] == mach.MACH_SEND_INVALID_DEST
port = with_send()
for reply, seen in ((0, 0), (mach.MACH_PORT_DEAD, mach.MACH_PORT_DEAD)):
    assert post(port, COPY, 1, reply, COPY if reply else 0)[0] == 0
    assert got(port).remote == seen
""",
    # Data
    "each kind of data comes through, short and long": """
port = with_send()
for kind, bits in ((0, 1), (0, 8), (1, 16), (2, 32), (8, 8), (9, 8), (10, 32), (11, 64), (12, 8)):
    for number in (1, 3, 4095, 4096, 20000):
        length = (number * bits + 7) // 8
        sent = machmsg.Item(kind, bits, number, bytes(range(251)) * (length // 251 + 1))
        sent = machmsg.Item(kind, bits, number, sent.data[:length])
        assert post(port, COPY, 5, 0, 0, sent, machmsg.integers(7))[0] == 0
        message = got(port)
        assert message.items == (sent, machmsg.integers(7)), (kind, number)
        assert message.size == len(machmsg.pack(message))
""",
    "a bare name is data": """
port = with_send()
name = machmsg.Item(mach.MSG_TYPE_PORT_NAME, 32, 2, b"".join(n.to_bytes(4, "little") for n in (port, 0x7777)))
assert post(port, COPY, 0, 0, 0, name)[0] == 0
assert got(port).items == (name,) and refs(port) == 1
""",
    "a string, and two items, as one call and as two": """
port = task.reply_port()
items = machmsg.Item(mach.MSG_TYPE_STRING, 8, 6, b"skerry"), machmsg.naturals(1, 2, 3)
sent = UserMessage(123, port, 0, MAKE, 0, items)
result, whole = msg(sent, mach.MACH_SEND_MSG | mach.MACH_RCV_MSG, port)
assert result == 0 and whole.items == items and whole.size == len(machmsg.pack(sent))
assert msg(sent, mach.MACH_SEND_MSG) == (0, None)
assert got(port).items == items
""",
    "memory out of line is new, private, and a copy": """
port = with_send()
address = me.vm_allocate(0, 2 * PAGE, 1)
me.vm_inherit(address, 2 * PAGE, mach.VM_INHERIT_NONE)
me.vm_protect(address, 2 * PAGE, 0, mach.VM_PROT_READ | mach.VM_PROT_WRITE)
memory = channel.memory(address, 2 * PAGE)
memory[:] = bytes(range(256)) * 32
assert post(port, COPY, 0, 0, 0, machmsg.Item(9, 8, 2 * PAGE, address, False))[0] == 0
memory[0] = 255
(item,) = got(port).items
assert not item.inline and item.data != address
assert me.vm_region(item.data)[:5] == (item.data, 2 * PAGE, mach.VM_PROT_DEFAULT, mach.VM_PROT_ALL, mach.VM_INHERIT_COPY)
landed = channel.memory(item.data, 2 * PAGE)
assert bytes(landed) == bytes(range(256)) * 32
landed[1] = 77
assert memory[1] == 1
me.vm_deallocate(item.data, 2 * PAGE)
assert code(me.vm_read, item.data, 1) == mach.KERN_INVALID_ADDRESS
me.vm_deallocate(address, 2 * PAGE)
""",
    "unaligned ranges are legal, and what is around them stays behind": """
port = with_send()
address = me.vm_allocate(0, 4 * PAGE, 1)
channel.memory(address, 4 * PAGE)[:] = b"s" * (4 * PAGE)
channel.memory(address + 100, 9000)[:] = b"d" * 9000
for start, length in ((100, 9000), (101, 1), (4000, 200), (PAGE - 1, 2)):
    expected = bytes(channel.memory(address + start, length))
    assert post(port, COPY, 0, 0, 0, machmsg.Item(9, 8, length, address + start, False))[0] == 0
    (item,) = got(port).items
    assert bytes(channel.memory(item.data, item.length)) == expected
    base = item.data & ~(PAGE - 1)
    around = bytes(channel.memory(base, (item.data + length + PAGE - 1 & ~(PAGE - 1)) - base))
    assert b"s" not in around.replace(expected, b""), around[:20]
    me.vm_deallocate(item.data, length)
me.vm_deallocate(address, 4 * PAGE)
""",
    "nothing out of line has address 0": """
port = with_send()
empty_items = machmsg.Item(9, 8, 0, 0x12345, False), machmsg.Item(COPY, 32, 0, 0, False), machmsg.Item(9, 8, 0, 0, False, True)
assert post(port, COPY, 0, 0, 0, *empty_items)[0] == 0
message = got(port)
assert [(item.number, item.data, item.inline) for item in message.items] == [(0, 0, False)] * 3
""",
    "deallocate takes the sender's pages away": """
port = with_send()
address = me.vm_allocate(0, 4 * PAGE, 1)
channel.memory(address, 4)[:] = b"move"
assert post(port, COPY, 0, 0, 0, machmsg.Item(9, 8, 3 * PAGE, address, False, True))[0] == 0
assert code(me.vm_read, address, 4) == code(me.vm_read, address + 3 * PAGE - 1, 1) == mach.KERN_INVALID_ADDRESS
assert me.vm_region(address)[:2] == (address + 3 * PAGE, PAGE)
(item,) = got(port).items
assert me.vm_read(item.data, 4) == b"move"
me.vm_deallocate(item.data, 3 * PAGE)
me.vm_deallocate(address, 4 * PAGE)
""",
    "arrays of rights, inline and out of line": """
port, carried = with_send(), [with_send() for _ in range(3)]
for inline in (True, False):
    array = machmsg.rights(COPY, *carried, inline=inline)
    if not inline:
        address = me.vm_allocate(0, PAGE, 1)
        channel.memory(address, 12)[:] = array.data
        array = machmsg.Item(COPY, 32, 3, address, False, True)
    assert post(port, COPY, 0, 0, 0, array)[0] == 0
    (item,) = got(port).items
    assert (item.name, item.bits, item.number, item.inline) == (MOVE, 32, 3, inline)
    data = item.data if inline else bytes(channel.memory(item.data, 12))
    assert data == b"".join(name.to_bytes(4, "little") for name in carried)
    assert [refs(name) for name in carried] == [2] * 3
    for name in carried:
        me.mach_port_deallocate(name)
    if not inline:
        me.vm_deallocate(item.data, 12)
""",
    # Rights
    "each disposition arrives as what it becomes": """
inbox = task.reply_port()
for sent, arrives, kind in ((MOVE, MOVE, SEND), (COPY, MOVE, SEND), (MAKE, MOVE, SEND), (ONCE, MOVE_ONCE, SEND_ONCE)):
    port = with_send()
    assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(sent, port))[0] == 0
    (item,) = got(inbox).items
    (name,) = machmsg.names_in(item)
    assert item.name == arrives and (name == port) == (kind == SEND), sent
    assert refs(port) == {MOVE: 1, COPY: 2, MAKE: 2, ONCE: 1}[sent]
    assert status(port)[2] == (2 if sent == MAKE else 1)
    if kind == SEND_ONCE:
        assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(MOVE_ONCE, name))[0] == 0
        (item,) = got(inbox).items
        assert item.name == MOVE_ONCE and status(port)[5] == 1
""",
    "send-once rights are never merged, send rights always": """
port, inbox = task.reply_port(), task.reply_port()
assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(ONCE, port, port), machmsg.rights(MAKE, port, port))[0] == 0
(first, second), sends = names_of(got(inbox))
assert len({first, second, port}) == 3 and sends == (port, port)
assert refs(port) == 2 and status(port)[5] == 2
for name in (first, second):
    assert post(name, MOVE_ONCE)[0] == 0
    assert code(me.mach_port_type, name) == mach.KERN_INVALID_NAME
assert status(port)[4:6] == (2, 2)  # a right that carries a message is used up when it is received
assert got(port).local_type == got(port).local_type == MOVE_ONCE and status(port)[4:6] == (0, 0)
""",
    "null and dead rights travel": """
port = with_send()
for kind in (MOVE, COPY, MAKE, ONCE, MOVE_ONCE, MOVE_RECEIVE):
    assert post(port, COPY, 0, 0, 0, machmsg.rights(kind, 0, mach.MACH_PORT_DEAD))[0] == 0
    assert names_of(got(port)) == [(0, mach.MACH_PORT_DEAD)]
""",
    "a right whose port dies on the way arrives dead": """
port, inbox = task.reply_port(), task.reply_port()
assert post(inbox, MAKE, 0, port, MAKE, machmsg.rights(MAKE, port), machmsg.rights(ONCE, port))[0] == 0
me.mach_port_destroy(port)
message = got(inbox)
assert message.remote == mach.MACH_PORT_DEAD and names_of(message) == [(mach.MACH_PORT_DEAD,)] * 2
""",
    "a dead name as a right arrives dead": """
port, inbox = with_send(), task.reply_port()
me.mach_port_mod_refs(port, RECEIVE, -1)
assert kind_of(port) == mach.MACH_PORT_TYPE_DEAD_NAME
assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(COPY, port))[0] == 0
assert names_of(got(inbox)) == [(mach.MACH_PORT_DEAD,)] and refs(port, DEAD) == 1
assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(MOVE, port))[0] == 0
assert code(me.mach_port_type, port) == mach.KERN_INVALID_NAME
""",
    "a moved receive right takes its messages along, and its counts begin anew": """
port, inbox = task.reply_port(), task.reply_port()
for n in range(3):
    assert post(port, MAKE, n)[0] == 0
assert [got(port).sequence for _ in range(2)] == [0, 1]
assert post(port, MAKE, 9)[0] == 0
assert status(port)[1:3] == (2, 4)
me.mach_port_set_qlimit(port, 9)
assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(MOVE_RECEIVE, port))[0] == 0
assert code(me.mach_port_type, port) == mach.KERN_INVALID_NAME
((name,),) = names_of(got(inbox))
assert status(name)[1:5] == (0, 0, 9, 2)
assert [(got(name).id, status(name)[1]) for _ in range(2)] == [(2, 1), (9, 2)]
""",
    "a receive right sent to itself is destroyed, and that is no error": """
port, gone = with_send(), task.reply_port()
ask(port, mach.NOTIFY_DEAD_NAME, 0, gone)
assert post(port, COPY, 0, 0, 0, machmsg.rights(MOVE_RECEIVE, port))[0] == 0
assert told(gone, mach.NOTIFY_DEAD_NAME, port) and refs(port, DEAD) == 2
first, second = with_send(), with_send()
assert post(first, COPY, 0, 0, 0, machmsg.rights(MOVE_RECEIVE, second))[0] == 0
assert post(second, COPY, 0, 0, 0, machmsg.rights(MOVE_RECEIVE, first))[0] == 0  # now each lies in the other
assert [kind_of(name) for name in (first, second)] == [mach.MACH_PORT_TYPE_DEAD_NAME] * 2
""",
    # Queues
    "messages come in order, numbered": """
port = with_send()
for n in range(5):
    assert post(port, COPY, n)[0] == 0
assert [(message.id, message.sequence) for message in (got(port) for _ in range(5))] == [(n, n) for n in range(5)]
me.mach_port_set_seqno(port, 0xFFFFFFFF)
for n in range(2):
    assert post(port, COPY, n)[0] == 0
assert [got(port).sequence for _ in range(2)] == [0xFFFFFFFF, 0]
""",
    "the queue holds 5, at most 16, at least none": """
port = with_send()
assert status(port)[3] == 5
for limit in (5, 16, 0, 1):
    me.mach_port_set_qlimit(port, limit)
    assert [post(port)[0] for _ in range(limit + 1)] == [0] * limit + [mach.MACH_SEND_TIMED_OUT]
    assert status(port)[4] == limit
    for _ in range(limit):
        got(port)
assert code(me.mach_port_set_qlimit, port, 17) == code(me.mach_port_set_qlimit, port, -1) == mach.KERN_INVALID_VALUE
""",
    "a send-once right ignores the limit": """
port, inbox = with_send(), task.reply_port()
assert post(inbox, MAKE, 0, 0, 0, machmsg.rights(ONCE, *[port] * 4))[0] == 0
(names,) = names_of(got(inbox))
for limit in (5, 0):
    me.mach_port_set_qlimit(port, limit)
    while post(port)[0] == 0:
        pass
    for name in names[:2]:
        assert post(name, MOVE_ONCE, 66)[0] == 0
    names = names[2:]
    assert status(port)[4] == 2 + limit and post(port)[0] == mach.MACH_SEND_TIMED_OUT
    assert [got(port).id for _ in range(2 + limit)] == [0] * limit + [66] * 2
""",
    "the members of a set take turns": """
first, second, both = with_send(), with_send(), me.mach_port_allocate(SET)
for member in (first, second):
    me.mach_port_move_member(member, both)
for n in range(5):
    assert post(first, COPY, n)[0] == 0
assert post(second, COPY, 100)[0] == 0
seen = []
for _ in range(6):
    message = got(both)
    assert message.local == (second if message.id == 100 else first)
    seen.append(message.id)
    post(first, COPY, 50)  # one that is never empty does not starve the other
assert 100 in seen[:2] and [n for n in seen if n < 50] == [0, 1, 2, 3, 4], seen
""",
    "a set may be empty, a member is received from by its set alone": """
port, first, second = with_send(), me.mach_port_allocate(SET), me.mach_port_allocate(SET)
assert empty(first)
assert post(port, COPY, 1)[0] == 0
me.mach_port_move_member(port, first)
assert poll(port)[0] == mach.MACH_RCV_IN_SET
assert status(port)[0] == first
me.mach_port_move_member(port, second)  # in one step, with its message
assert empty(first) and me.mach_port_get_set_status(first) == [] and me.mach_port_get_set_status(second) == [port]
assert got(second).local == port
assert code(me.mach_port_move_member, port, 0x7777) == mach.KERN_INVALID_NAME and status(port)[0] == second
me.mach_port_move_member(port, 0)
assert empty(port) and code(me.mach_port_move_member, port, 0) == mach.KERN_NOT_IN_SET
me.mach_port_move_member(port, second)
me.mach_port_destroy(second)  # the member goes free
assert status(port)[0] == 0 and empty(port)
""",
    # Receiving
    "a message too large stays if it is asked to": """
port, carried, gone = with_send(), task.reply_port(), task.reply_port()
assert post(port, COPY, 3, 0, 0, machmsg.rights(MAKE, carried), machmsg.integers(*range(20)))[0] == 0
for size in (0, 24, 50):
    result, message = poll(port, mach.MACH_RCV_LARGE, size=size)
    assert result == mach.MACH_RCV_TOO_LARGE and message.id == 0
    assert mach.HEADER.unpack(channel.msg(None, 0xD02, size, port, 0, 0)[1])[1] == 24 + 8 + 4 + 80
assert status(port)[1] == 0 and status(port)[4] == 1
assert got(port).id == 3 and refs(carried) == 1
""",
    "a message too large is destroyed if not, with all that it carries": """
port, carried, reply = with_send(), task.reply_port(), task.reply_port()
ask(carried, mach.NOTIFY_NO_SENDERS, 1, reply)
assert post(port, COPY, 3, reply, ONCE, machmsg.rights(MAKE, carried))[0] == 0
result, message = poll(port, size=30)
assert result == mach.MACH_RCV_TOO_LARGE and (message.id, message.items, message.remote, message.local) == (3, None, 0, port)
assert empty(port) and status(port)[1] == 1  # it was received
assert sorted(got(reply).id for _ in range(2)) == [mach.NOTIFY_NO_SENDERS, mach.NOTIFY_SEND_ONCE]
""",
    "what cannot be received from": """
send, away = foreign()
for name in (0, mach.MACH_PORT_DEAD, 0x7777, send, me.mach_port_allocate(DEAD), task.self_port):
    assert poll(name)[0] == mach.MACH_RCV_INVALID_NAME
""",
    "timeouts are milliseconds, and 0 does not wait": """
port = with_send()
assert empty(port)
start = channel.clock()
assert msg(None, mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT, port, 30)[0] == mach.MACH_RCV_TIMED_OUT
assert channel.clock() - start >= 30_000_000
for _ in range(5):
    assert post(port)[0] == 0
start = channel.clock()
assert post(port, timeout=30)[0] == mach.MACH_SEND_TIMED_OUT and channel.clock() - start >= 30_000_000
""",
    "bits that say what a library does after an interruption change nothing": """
port = with_send()
assert post(port, COPY, 4, more=mach.MACH_SEND_INTERRUPT)[0] == 0
result, message = poll(port, mach.MACH_RCV_INTERRUPT)
assert result == 0 and message.id == 4 and poll(port, mach.MACH_RCV_INTERRUPT)[0] == mach.MACH_RCV_TIMED_OUT
""",
    "the receive half has its own outcome": """
port, other = with_send(), task.reply_port()
both = mach.MACH_SEND_MSG | mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT
assert msg(UserMessage(1, port, remote_type=COPY), both, other)[0] == mach.MACH_RCV_TIMED_OUT
assert msg(UserMessage(2, port, remote_type=COPY), both, 0x7777)[0] == mach.MACH_RCV_INVALID_NAME
assert msg(UserMessage(3, 0x7777, remote_type=COPY), both, port)[0] == mach.MACH_SEND_INVALID_DEST  # and nothing was received
assert [got(port).id for _ in range(2)] == [1, 2]
assert msg(None, 0) == (0, None)
""",
    # The three outcomes of a send that fails
    "nothing happened": """
port, away = foreign(2)
move = machmsg.pack(UserMessage(1, port, 0, MOVE, 0, (machmsg.rights(MOVE, port),)))
def header(bits, remote=port, local=0):
    return mach.HEADER.pack(bits | mach.MSGH_BITS_COMPLEX, len(move), remote, local, 0, 1) + move[24:]
for data, option, result in (
    (move[:23], 0, mach.MACH_SEND_MSG_TOO_SMALL),
    (b"", 0, mach.MACH_SEND_MSG_TOO_SMALL),
    (header(0), 0, mach.MACH_SEND_INVALID_HEADER),
    (header(16), 0, mach.MACH_SEND_INVALID_HEADER),
    (header(99), 0, mach.MACH_SEND_INVALID_HEADER),
    (header(MOVE, local=port), 0, mach.MACH_SEND_INVALID_HEADER),
    (header(MOVE | 16 << 8, local=port), 0, mach.MACH_SEND_INVALID_HEADER),
    (header(MOVE, 0x7777), 0, mach.MACH_SEND_INVALID_DEST),
    (header(MOVE | ONCE << 8, local=0x7777), 0, mach.MACH_SEND_INVALID_REPLY),
    (move, mach.MACH_SEND_CANCEL, mach.MACH_SEND_INVALID_NOTIFY),
):
    assert msg(data, mach.MACH_SEND_MSG | option, notify=port)[0] == result, (data, hex(result))
    assert refs(port) == 2 and kind_of(port) == mach.MACH_PORT_TYPE_SEND
""",
    "the message is destroyed, and the rights that were taken": """
LONG = mach.LONG_TYPE.pack(mach.TYPE_LONGFORM | mach.TYPE_INLINE | 5, 9, 8, 0)
for bad, result in (
    (machmsg._pack_item(machmsg.rights(MOVE, 0x7777)), mach.MACH_SEND_INVALID_RIGHT),
    (machmsg._pack_item(machmsg.rights(MOVE_ONCE, task.self_port)), mach.MACH_SEND_INVALID_RIGHT),
    (machmsg._pack_item(machmsg.rights(MOVE_RECEIVE, task.self_port)), mach.MACH_SEND_INVALID_RIGHT),
    (machmsg._pack_item(machmsg.Item(9, 8, PAGE, 0x1000, False)), mach.MACH_SEND_INVALID_MEMORY),
    (machmsg._pack_item(machmsg.Item(9, 8, PAGE, (1 << 64) - 100, False)), mach.MACH_SEND_INVALID_MEMORY),
    (machmsg._pack_item(machmsg.Item(COPY, 32, 3, 0x1000, False)), mach.MACH_SEND_INVALID_MEMORY),
    (mach.SHORT_TYPE.pack(9 | 8 << 8 | 1 << 31 | mach.TYPE_INLINE), mach.MACH_SEND_INVALID_TYPE),
    (mach.SHORT_TYPE.pack(9 | 8 << 8 | mach.TYPE_DEALLOCATE | mach.TYPE_INLINE), mach.MACH_SEND_INVALID_TYPE),
    (mach.SHORT_TYPE.pack(COPY | 16 << 8 | 1 << 16 | mach.TYPE_INLINE) + b"ab", mach.MACH_SEND_INVALID_TYPE),
    (LONG, mach.MACH_SEND_INVALID_TYPE),
    (mach.SHORT_TYPE.pack(9 | 8 << 8 | 100 << 16 | mach.TYPE_INLINE) + b"short", mach.MACH_SEND_MSG_TOO_SMALL),
    (mach.SHORT_TYPE.pack(9 | 8 << 8 | 1 << 16) + b"addr", mach.MACH_SEND_MSG_TOO_SMALL),
    (machmsg._pack_item(machmsg.Item(COPY, 32, 300000, 0x1000, False)), mach.MACH_SEND_NO_BUFFER),
):
    port, away = foreign(3)
    reply, carried = task.reply_port(), with_send()
    ask(carried, mach.NOTIFY_PORT_DESTROYED, 0, reply)
    taken = machmsg.rights(MOVE, port), machmsg.rights(MOVE_RECEIVE, carried)
    data = machmsg.pack(UserMessage(1, port, reply, MOVE, ONCE, taken)) + bad
    assert msg(data, mach.MACH_SEND_MSG)[0] == result, hex(result)
    assert refs(port) == 1  # one went by the header, one by the body
    seen = [got(reply) for _ in range(2)]
    assert sorted(message.id for message in seen) == [mach.NOTIFY_PORT_DESTROYED, mach.NOTIFY_SEND_ONCE]
    assert empty(reply) and status(reply)[5] == 0
""",
    "the message comes back as if it had been received": """
port, away = foreign(3)
reply, carried = task.reply_port(), with_send()
while post(port)[0] == 0:
    pass
before = refs(port)
address = me.vm_allocate(0, PAGE, 1)
channel.memory(address, 4)[:] = b"back"
memory = machmsg.Item(9, 8, PAGE, address, False, True)
result, message = post(port, MOVE, 5, reply, ONCE, machmsg.rights(MAKE, carried), machmsg.rights(MOVE_RECEIVE, carried), memory)
assert result == mach.MACH_SEND_TIMED_OUT
assert (message.id, message.remote, message.remote_type, message.local_type) == (5, port, MOVE, MOVE_ONCE)  # not turned round
assert refs(port) == before and status(reply)[5] == 1
assert kind_of(message.local) == mach.MACH_PORT_TYPE_SEND_ONCE and message.local != reply  # under another name
send, receive, data = message.items
assert (send.name, receive.name) == (MOVE, MOVE_RECEIVE) and machmsg.names_in(send) == machmsg.names_in(receive)
(name,) = machmsg.names_in(send)
assert kind_of(name) == mach.MACH_PORT_TYPE_SEND | mach.MACH_PORT_TYPE_RECEIVE and refs(name) == 2
assert me.vm_read(data.data, 4) == b"back"
me.vm_deallocate(data.data, PAGE)
""",
    # Notify and cancel
    "one message for each right is forced into a full queue, and its acceptance told": """
port, notify = with_send(), task.reply_port()
while post(port)[0] == 0:
    pass
more = mach.MACH_SEND_NOTIFY
assert post(port, COPY, 88, more=more, notify=port + 1)[0] == mach.MACH_SEND_INVALID_NOTIFY
assert post(port, COPY, 88, more=more, notify=notify) == (mach.MACH_SEND_WILL_NOTIFY, None)
assert me.mach_port_type(port) & mach.MACH_PORT_TYPE_MAREQUEST and status(port)[4] == 6
result, back = post(port, COPY, 89, more=more, notify=notify)
assert result == mach.MACH_SEND_NOTIFY_IN_PROGRESS and (back.id, back.remote) == (89, port)
for _ in range(5):
    assert got(port).id == 0 and empty(notify)
assert got(port).id == 88 and told(notify, mach.NOTIFY_MSG_ACCEPTED, port)
assert not me.mach_port_type(port) & mach.MACH_PORT_TYPE_MAREQUEST
assert post(port, COPY, 90, more=more, notify=notify)[0] == 0 and empty(notify)  # there is room: nothing to tell
""",
    "cancel takes the dead-name request back with the right": """
for more in (0, mach.MACH_SEND_CANCEL):
    port, away = foreign()
    notify = task.reply_port()
    ask(port, mach.NOTIFY_DEAD_NAME, 0, notify)
    assert post(port, MOVE, more=more, notify=notify)[0] == 0
    assert empty(notify) if more else told(notify, mach.NOTIFY_PORT_DELETED, port)
    assert status(notify)[5] == 0
""",
    "receive with notify asks about the reply right": """
port, reply, notify = with_send(), task.reply_port(), task.reply_port()
assert post(port, COPY, 1, reply, ONCE)[0] == 0
assert poll(port, mach.MACH_RCV_NOTIFY, notify=0x7777)[0] == mach.MACH_RCV_INVALID_NOTIFY
assert told(reply, mach.NOTIFY_SEND_ONCE)  # the message is lost
assert post(port, COPY, 1, reply, ONCE)[0] == 0
result, message = poll(port, mach.MACH_RCV_NOTIFY, notify=notify)
assert result == 0 and me.mach_port_type(message.remote) & mach.MACH_PORT_TYPE_DNREQUEST
me.mach_port_destroy(reply)
assert told(notify, mach.NOTIFY_DEAD_NAME, message.remote) and refs(message.remote, DEAD) == 2
""",
}


@pytest.mark.parametrize("fact", ALONE)
def test_alone(natives: Natives, fact: str) -> None:
    perform(natives, ALONE[fact])


# Two tasks
GO = 0x1101  # where a task waits for the test


def let_go(natives: Natives, task: NativeTask) -> None:
    """A message to GO."""
    once = right.make_send_once(task.space.lookup(GO).port)
    release(*notify.post(message.simple(1, once, RightKind.SEND_ONCE)))
    natives.kernel.processor.run()


def test_blocked_senders_get_in_in_line(natives: Natives) -> None:
    """Three that send for ever into a queue of one: who has sent goes to the end of the line, however fast it comes back."""
    receiver = "task.receive(GO)\nraise RuntimeError([task.receive(INBOX).id for _ in range(8)])".replace("GO", str(GO))
    sender = "while True:\n    task.send(UserMessage({}, PEER, remote_type=COPY))"
    inbox, (server, *_) = peers(natives, receiver, *[sender.format(10 + n) for n in range(3)])
    natives.new_port(server, GO)
    inbox.limit = 1
    natives.run_until(lambda: len(inbox.blocked) == 3)
    line = [waiter.message.id for waiter in inbox.blocked]
    let_go(natives, server)
    seen = ast.literal_eval(natives.ended(server).rpartition("RuntimeError: ")[2])
    assert seen[1:4] == line
    assert sorted(line) == [10, 11, 12]
    assert set(seen[4:]) <= set(line)


def is_stuck(task: NativeTask) -> bool:
    """Whether it waits for a message, or for room, at a port of its own."""
    ports = [entry.port for entry in task.space.entries.values() if entry.types & mach.MACH_PORT_TYPE_RECEIVE]
    return not task.alive or any(port.receivers or port.blocked for port in ports)


STUCK = {
    "receive": """
result, back = msg(None, mach.MACH_RCV_MSG, task.reply_port())
assert (result, back) == (mach.MACH_RCV_INTERRUPTED, None)
""",
    "send and receive": """
port, away = with_send(), task.reply_port()
result, back = msg(UserMessage(7, port, remote_type=COPY), mach.MACH_SEND_MSG | mach.MACH_RCV_MSG, away)
assert (result, back) == (mach.MACH_RCV_INTERRUPTED, None)
assert got(port).id == 7  # the half that was done is done
""",
    "send": """
port, reply = with_send(), task.reply_port()
me.mach_port_set_qlimit(port, 0)
result, back = msg(UserMessage(7, port, reply, COPY, ONCE, (machmsg.rights(MAKE, reply),)), mach.MACH_SEND_MSG)
assert result == mach.MACH_SEND_INTERRUPTED
assert (back.id, back.remote, names_of(back)) == (7, port, [(reply,)])
assert kind_of(back.local) == mach.MACH_PORT_TYPE_SEND_ONCE and refs(reply) == 1
""",
}
ABORTER = f"""
thread = Calls(ThreadPort, task, 0x3002)
thread.thread_suspend()
thread.thread_abort()
assert thread.thread_info(1)[7] == mach.TH_STATE_STOPPED
task.receive({GO})
thread.thread_resume()
"""


@pytest.mark.parametrize("call", STUCK)
def test_suspend_abort_and_resume_interrupt_a_message_call(natives: Natives, call: str) -> None:
    """By messages of another task; the answer comes when the thread is resumed, and not before."""
    stuck = start(natives, STUCK[call])
    natives.run_until(lambda: is_stuck(stuck))
    aborter = start(natives, ABORTER)
    give_task(aborter, stuck, 0x3001)
    go = natives.new_port(aborter, GO)
    natives.run_until(lambda: go.receivers or not aborter.alive)
    assert not stuck.waits
    assert stuck.process.channel.owes
    let_go(natives, aborter)
    natives.succeeds(aborter)
    natives.succeeds(stuck)


CHANGES = {
    "it is moved into a set": (
        "you.mach_port_move_member({name}, you.mach_port_allocate(SET))",
        "MACH_RCV_PORT_CHANGED",
    ),
    "it is destroyed": ("you.mach_port_destroy({name})", "MACH_RCV_PORT_DIED"),
    "its receive right is taken away": ("you.mach_port_extract_right({name}, MOVE_RECEIVE)", "MACH_RCV_PORT_DIED"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_waits_at_a_port_is_told_when(natives: Natives, change: str) -> None:
    call, result = CHANGES[change]
    waiter = start(natives, f"assert msg(None, mach.MACH_RCV_MSG, {INBOX})[0] == mach.{result}")
    inbox = natives.new_port(waiter, INBOX)
    natives.run_until(lambda: inbox.receivers)
    changer = start(natives, "you = Calls(TaskPort, task, 0x3001)\n" + call.format(name=INBOX))
    give_task(changer, waiter, 0x3001)
    natives.succeeds(changer)
    natives.succeeds(waiter)


def test_who_waits_at_a_set_is_told_when_it_goes(natives: Natives) -> None:
    waiter = start(
        natives,
        """
inside, port = me.mach_port_allocate(SET), with_send()
me.mach_port_move_member(port, inside)
assert msg(None, mach.MACH_RCV_MSG, inside)[0] == mach.MACH_RCV_PORT_DIED
assert post(port, COPY, 5)[0] == 0 and got(port).id == 5
""",
    )
    sets = lambda: [entry for entry in waiter.space.entries.values() if entry.types & mach.MACH_PORT_TYPE_PORT_SET]  # noqa: E731
    natives.run_until(lambda: any(entry.port_set.receivers for entry in sets()))
    changer = start(natives, "Calls(TaskPort, task, 0x3001).mach_port_destroy(arguments[0])", sets()[0].name)
    give_task(changer, waiter, 0x3001)
    natives.succeeds(changer)
    natives.succeeds(waiter)


def test_who_waits_for_room_is_done_when_the_port_dies(natives: Natives) -> None:
    """The message is destroyed with the port, which is no failure of the send; its reply right says that it was not used."""
    receiver = f"me.mach_port_set_qlimit(INBOX, 0)\ntask.receive({GO})\nme.mach_port_destroy(INBOX)"
    sender = """
reply = task.reply_port()
task.send(UserMessage(1, PEER, reply, COPY, ONCE))
assert told(reply, mach.NOTIFY_SEND_ONCE) and kind_of(PEER) == mach.MACH_PORT_TYPE_DEAD_NAME
"""
    inbox, (first, second) = peers(natives, receiver, sender)
    inbox.limit = 0
    natives.new_port(first, GO)
    natives.run_until(lambda: inbox.blocked)
    let_go(natives, first)
    natives.succeeds(first)
    natives.succeeds(second)


def test_a_receiver_without_room_for_names_is_told_what_is_missing(natives: Natives) -> None:
    body = f"""
port, carried, reply = with_send(), with_send(), task.reply_port()
assert post(port, COPY, 1, 0, 0, machmsg.rights(ONCE, carried))[0] == 0
assert post(port, COPY, 2, reply, ONCE)[0] == 0
task.receive({GO})
result, message = poll(port)
assert result == mach.MACH_RCV_BODY_ERROR | mach.MACH_MSG_IPC_SPACE and names_of(message) == [(0,)]
result, message = poll(port)
assert result == mach.MACH_RCV_HEADER_ERROR | mach.MACH_MSG_IPC_SPACE
assert (message.id, message.remote, message.local) == (2, 0, port)
assert told(reply, mach.NOTIFY_SEND_ONCE) and told(carried, mach.NOTIFY_SEND_ONCE)
assert channel.trap(mach.TRAP_MACH_REPLY_PORT) == 0 and code(me.mach_port_allocate, RECEIVE) == mach.KERN_NO_SPACE
"""
    task = start(natives, body)
    go = natives.new_port(task, GO)
    natives.run_until(lambda: go.receivers or not task.alive)
    task.space.most = len(task.space.entries)
    let_go(natives, task)
    natives.succeeds(task)


def test_a_receiver_without_room_for_memory_is_told_so(natives: Natives) -> None:
    """The kernel's range of a native task is 16 TiB; almost all of it is taken by memory that cannot be touched."""
    body = """
port, address = with_send(), me.vm_allocate(0, PAGE, 1)
assert post(port, COPY, 1, 0, 0, machmsg.Item(9, 8, 100, address, False, True), machmsg.integers(5))[0] == 0
first = 0x100000000000
while True:
    try:
        start, size = me.vm_region(first)[:2]
    except CallError:
        start, size = 0x200000000000, 0
    if start > first:
        me.vm_map(first, start - first, 0, 0, 0, 0, 0, 0, 0, mach.VM_INHERIT_NONE)
    if not size:
        break
    first = start + size
result, message = poll(port)
assert result == mach.MACH_RCV_BODY_ERROR | mach.MACH_MSG_VM_SPACE, hex(result)
assert message.items[0].number == 0 and message.items[1] == machmsg.integers(5)
me.vm_deallocate(0x100000000000, 0x100000000000)
"""
    perform(natives, body)
