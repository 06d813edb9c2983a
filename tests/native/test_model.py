"""Random calls on ports, rights, messages and memory of native tasks; after each step the kernel must hold what the reference holds.

The tasks are real, with host processes and memory of their own, so memory moves and is copied on write as it always is. They do nothing
themselves: the calls are made in their name.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.native import model
from tests.native.model import ONCE, RECEIVE, SEND, Entry, Message, Tasks
from tests.native.natives import Natives

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.mach import calls, right
from skerry.mach import port as ports
from skerry.mach.ipc import mach_msg
from skerry.mach.right import RightKind
from skerry.machine import Machine
from skerry.machine.native_task import Template

pytestmark = [pytest.mark.machine, pytest.mark.slow]

PAGE = mach.PAGE_SIZE
IDLE = """
import struct
def main(channel):
    channel.trap(mach.TRAP_THREAD_SWITCH, struct.pack("<III", 0, mach.SWITCH_OPTION_WAIT, 1 << 30))
"""
MOVE, COPY, MAKE = mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_MAKE_SEND
MOVE_ONCE, MAKE_ONCE, MOVE_RECEIVE = mach.MSG_TYPE_MOVE_SEND_ONCE, mach.MSG_TYPE_MAKE_SEND_ONCE, mach.MSG_TYPE_MOVE_RECEIVE
WHO = st.integers(0, 1)
WHICH = st.integers(0, 40)
ANY = st.integers(0, 400)
DISPOSITION = st.sampled_from((MOVE, COPY, COPY, MAKE, MAKE, MOVE_ONCE, MAKE_ONCE, MAKE_ONCE, MOVE_RECEIVE))
DESTINATIONS = (COPY, MAKE, MOVE, MOVE_ONCE)
FIRST_ID = 1000  # smaller ids are notifications'
VARIANTS = (mach.NOTIFY_DEAD_NAME, mach.NOTIFY_NO_SENDERS, mach.NOTIFY_PORT_DESTROYED)
COUNT = st.sampled_from((0, 1, 7, 0xFFFFFFFE, 0xFFFFFFFF))
READ, WRITE = mach.VM_PROT_READ, mach.VM_PROT_WRITE
KIND = {RightKind.SEND: SEND, RightKind.SEND_ONCE: ONCE, RightKind.RECEIVE: RECEIVE}
RECEIVED = {SEND: MOVE, ONCE: MOVE_ONCE, RECEIVE: MOVE_RECEIVE}


class Compared(RuleBasedStateMachine):
    """Two tasks, the kernel's and the reference's."""

    machine: Machine
    template: Template

    def __init__(self) -> None:
        super().__init__()
        self.natives = Natives(self.machine, self.template)
        self.tasks = [self.natives.start(IDLE) for _ in range(2)]
        self.model = Tasks(2)
        self.port_of: dict[model.Port, ports.Port] = {}
        self.id = FIRST_ID
        self.value = 0
        for who in range(2):
            for kind in (mach.MACH_PORT_RIGHT_RECEIVE, mach.MACH_PORT_RIGHT_RECEIVE, mach.MACH_PORT_RIGHT_PORT_SET):
                self.allocate(who, kind)
            for count in (1, 2, 3):
                self.allocate_memory(who, count)
        for who, which in ((0, 0), (0, 1), (1, 0), (1, 1)):
            self.hand_over(who, which, MAKE)

    # Names
    def name(self, who: int, which: int, disposition: int = 0) -> int:
        """A name of the task, which gives a right of that disposition if one does; now and then any number."""
        names = [name for name in self.model.names[who] if not disposition or self.model.can_take(who, name, disposition)]
        names = names or list(self.model.names[who])
        return which + 0x7000 if which % 16 == 15 or not names else names[which % len(names)]

    def choose(self, who: int, which: int, dispositions: tuple[int, ...]) -> tuple[int, int]:
        """A name, and a disposition that it gives; now and then one that it does not."""
        fitting = [(name, each) for each in dispositions for name in self.model.names[who] if self.model.can_take(who, name, each)]
        if which % 8 == 7 or not fitting:
            return self.name(who, which // 8), dispositions[which % len(dispositions)]
        return fitting[which // 8 % len(fitting)]

    def call(self, who: int, name: str, *arguments: object) -> tuple[int, tuple[object, ...]]:
        return calls.invoke(self.natives.kernel, name, self.tasks[who], *arguments)

    @rule(who=WHO, kind=st.sampled_from((1, 1, 1, 3, 4)))
    def allocate(self, who: int, kind: int) -> None:
        code, (name,) = self.call(who, "mach_port_allocate", kind)
        assert (code, name in self.model.names[who]) == (0, False)
        assert isinstance(name, int)
        entry = Entry(is_set=kind == mach.MACH_PORT_RIGHT_PORT_SET, dead=int(kind == mach.MACH_PORT_RIGHT_DEAD_NAME))
        if kind == mach.MACH_PORT_RIGHT_RECEIVE:
            entry = Entry(model.Port(), receive=True)
            assert entry.port is not None
            self.model.ports.append(entry.port)
            self.port_of[entry.port] = self.tasks[who].space.lookup(name).port
        self.model.names[who][name] = entry

    @rule(who=WHO, which=WHICH, disposition=DISPOSITION)
    def hand_over(self, who: int, which: int, disposition: int) -> None:
        """mach_port_extract_right of one task, mach_port_insert_right of the other."""
        name = self.name(who, which, disposition)
        can = self.model.can_take(who, name, disposition)
        other = 1 - who
        code, values = self.call(who, "mach_port_extract_right", name, disposition)
        assert (code == 0) == can
        if code:
            assert code == (mach.KERN_INVALID_RIGHT if name in self.model.names[who] else mach.KERN_INVALID_NAME)
            return
        taken = self.model.take(who, name, disposition)
        kind, port = taken
        new = 0x9001 + self.id
        self.id += 4
        if port is not None and port.alive and kind != ONCE:
            new = self.model.entry_of(other, port) or new
        code, _ = self.call(other, "mach_port_insert_right", new, values[0])
        if port is None or not port.alive:
            assert code == mach.KERN_INVALID_CAPABILITY
            self.model.release(taken)
        else:
            assert code == 0
            self.model.give(other, taken, new)

    @rule(who=WHO, which=WHICH)
    def deallocate(self, who: int, which: int) -> None:
        name = self.name(who, which)
        entry = self.model.names[who].get(name)
        code, _ = self.call(who, "mach_port_deallocate", name)
        if entry is None:
            assert code == mach.KERN_INVALID_NAME
        elif entry.once:
            assert code == 0
            self.model.destroy_name(who, name)
        elif entry.sends or entry.dead:
            assert code == 0
            self.model.drop_sends(who, name, 1)
        else:
            assert code == mach.KERN_INVALID_RIGHT

    @rule(who=WHO, which=WHICH)
    def destroy(self, who: int, which: int) -> None:
        if len(self.model.names[who]) < 6:
            return
        name = self.name(who, which)
        known = name in self.model.names[who]
        assert self.call(who, "mach_port_destroy", name)[0] == (0 if known else mach.KERN_INVALID_NAME)
        if known:
            self.model.destroy_name(who, name)

    @rule(who=WHO, which=WHICH, kind=st.sampled_from((0, 0, 1, 2, 3, 4)), delta=st.integers(-2, 3))
    def mod_refs(self, who: int, which: int, kind: int, delta: int) -> None:
        having = [name for name, entry in self.model.names[who].items() if self.references(entry)[kind]]
        name = having[which % len(having)] if having and which % 8 else self.name(who, which)
        entry = self.model.names[who].get(name)
        code, _ = self.call(who, "mach_port_mod_refs", name, kind, delta)
        if entry is None:
            assert code == mach.KERN_INVALID_NAME
            return
        there = self.references(entry)[kind]
        if not there:
            assert code == mach.KERN_INVALID_RIGHT
        elif there + delta < 0 or (kind not in (0, 4) and delta > 0):
            assert code == mach.KERN_INVALID_VALUE
        elif kind in (0, 4):
            assert code == 0
            if delta < 0:
                self.model.drop_sends(who, name, -delta)
            elif kind == 0:
                entry.sends += delta
            else:
                entry.dead += delta
        elif delta and kind == mach.MACH_PORT_RIGHT_RECEIVE and entry.sends:
            assert code == 0
            self.model.destroy(self.model.lose_receive(who, name))
        else:
            assert code == 0
            if delta:
                self.model.destroy_name(who, name)

    @staticmethod
    def references(entry: Entry) -> tuple[int, int, int, int, int]:
        """Of each kind of right, as it is numbered."""
        return entry.sends, int(entry.receive), int(entry.once), int(entry.is_set), entry.dead

    @rule(who=WHO, which=WHICH, limit=st.integers(-1, 17))
    def set_queue_limit(self, who: int, which: int, limit: int) -> None:
        name = self.name(who, which, MAKE)
        code, _ = self.call(who, "mach_port_set_qlimit", name, limit)
        if not 0 <= limit <= 16:
            assert code == mach.KERN_INVALID_VALUE
            return
        entry = self.model.names[who].get(name)
        assert code == (mach.KERN_INVALID_NAME if entry is None else 0 if entry.receive else mach.KERN_INVALID_RIGHT)
        if code == 0:
            assert entry is not None
            assert entry.port is not None
            entry.port.limit = limit

    @rule(who=WHO, member=WHICH, which=WHICH)
    def move_member(self, who: int, member: int, which: int) -> None:
        names = self.model.names[who]
        name = self.name(who, member, MAKE)
        sets = [each for each, entry in names.items() if entry.is_set]
        after = sets[which % len(sets)] if sets and which % 3 else 0
        code, _ = self.call(who, "mach_port_move_member", name, after)
        entry = names.get(name)
        if entry is None or not entry.receive:
            assert code == (mach.KERN_INVALID_NAME if entry is None else mach.KERN_INVALID_RIGHT)
            return
        assert entry.port is not None
        inside = self.model.sets[who].pop(entry.port, 0)
        assert code == (mach.KERN_NOT_IN_SET if not after and not inside else 0)
        if after:
            self.model.sets[who][entry.port] = after

    @rule(who=WHO, which=WHICH, call=st.sampled_from(("mach_port_set_mscount", "mach_port_set_seqno")), value=COUNT)
    def set_count(self, who: int, which: int, call: str, value: int) -> None:
        name = self.name(who, which, MAKE)
        entry = self.model.names[who].get(name)
        code, _ = self.call(who, call, name, value)
        assert code == (mach.KERN_INVALID_NAME if entry is None else 0 if entry.receive else mach.KERN_INVALID_RIGHT)
        if code == 0:
            assert entry is not None
            assert entry.port is not None
            setattr(entry.port, "made" if call == "mach_port_set_mscount" else "sequence", value)

    @rule(who=WHO, which=WHICH)
    def rename(self, who: int, which: int) -> None:
        old, self.id = self.name(who, which), self.id + 1
        names = self.model.names[who]
        new = 0xA0001 + 4 * self.id if which % 4 else self.name(who, which // 4)
        code, _ = self.call(who, "mach_port_rename", old, new)
        if old not in names or new in names:
            assert code == (mach.KERN_INVALID_NAME if old not in names else mach.KERN_NAME_EXISTS)
            return
        assert code == 0
        names[new] = names.pop(old)
        self.model.sets[who] = {port: new if inside == old else inside for port, inside in self.model.sets[who].items()}

    @rule(who=WHO, which=WHICH, at=WHICH, variant=st.sampled_from(VARIANTS), sync=st.integers(0, 2))
    def request_notification(self, who: int, which: int, at: int, variant: int, sync: int) -> None:
        """Its previous right is given up at once."""
        name = self.name(who, which, 0 if variant == mach.NOTIFY_DEAD_NAME else MAKE)
        notify, entry = self.name(who, at, MAKE), self.model.names[who].get(name)
        waiting = self.model.names[who].get(notify)
        if waiting is None or not waiting.receive:
            return
        assert waiting.port is not None
        held = (RightKind.SEND_ONCE, right.make_send_once(self.port_of[waiting.port]))
        code, values = self.call(who, "mach_port_request_notification", name, variant, sync, held)
        if code == 0 and values[0] is not None:
            self.release(values[0])
        previous = None
        if variant == mach.NOTIFY_DEAD_NAME and entry is not None and entry.port is not None:
            assert code == 0
            previous, entry.request = entry.request, waiting.port
        elif variant == mach.NOTIFY_DEAD_NAME and entry is not None and entry.dead and sync:
            assert code == 0
            entry.dead += 1
            self.model.tell(waiting.port, mach.NOTIFY_DEAD_NAME, name)
        elif variant == mach.NOTIFY_NO_SENDERS and entry is not None and entry.receive:
            assert code == 0
            assert entry.port is not None
            previous, entry.port.no_senders = entry.port.no_senders, waiting.port
            if self.model.senders(entry.port) == 0 and sync <= entry.port.made:
                entry.port.no_senders = None
                self.model.tell(waiting.port, mach.NOTIFY_NO_SENDERS, entry.port.made)
        elif variant == mach.NOTIFY_PORT_DESTROYED and entry is not None and entry.receive and not sync:
            assert code == 0
            assert entry.port is not None
            previous, entry.port.destroyed = entry.port.destroyed, waiting.port
        else:
            assert code
            self.model.release((ONCE, waiting.port))
        if previous is not None:
            self.model.release((ONCE, previous))

    def release(self, held: object) -> None:
        """Give up a right that a call has answered with."""
        from skerry.mach.release import release

        release(held)  # type: ignore[arg-type]
        self.natives.kernel.processor.run()

    # Messages
    @rule(who=WHO, remote=ANY, local=ANY, carried=st.lists(WHICH, max_size=3), disposition=DISPOSITION)
    def send_rights(self, who: int, remote: int, local: int, carried: list[int], disposition: int) -> None:
        self.send(who, remote, local, carried, disposition, None)

    @rule(who=WHO, remote=ANY, local=ANY, moved=st.sampled_from((False, False, True)), page=WHICH, count=st.integers(0, 3), writes=WHICH)
    def send_memory(self, who: int, remote: int, local: int, moved: bool, page: int, count: int, writes: int) -> None:
        """``count`` 0: the whole region, which is lent; now and then a page of it has just been written."""
        if writes % 3 == 0:
            self.write(who, page, 1, True)
        self.send(who, remote, local, [], MOVE, moved, page, count)

    @rule(who=WHO, remote=ANY, carried=st.lists(WHICH, min_size=1, max_size=2), disposition=DISPOSITION, moved=st.booleans(), page=WHICH)
    def send_both(self, who: int, remote: int, carried: list[int], disposition: int, moved: bool, page: int) -> None:
        self.send(who, remote, 0, carried, disposition, moved, page, 2)

    @rule(who=WHO, which=WHICH, page=WHICH, moved=st.booleans(), writes=st.lists(st.tuples(WHO, WHICH), max_size=3))
    def lend(self, who: int, which: int, page: int, moved: bool, writes: list[tuple[int, int]]) -> None:
        """A region goes to a port and comes out, and both sides write."""
        names = self.model.names
        ways = [
            (name, COPY, other)
            for name, entry in names[who].items()
            for other in range(2)
            for heard in names[other].values()
            if entry.sends and heard.receive and heard.port is entry.port and heard.port not in self.model.sets[other]
        ]
        if not ways:
            return
        name, disposition, other = ways[which % len(ways)]
        port = names[who][name].port
        assert port is not None
        self.send(who, (name, disposition), 0, [], MOVE, moved, page, 0)
        for writer, at in writes[:1]:
            self.write(writer, at, 1, True)
        while port.queue:
            heard_as = self.model.entry_of(other, port)
            assert heard_as is not None
            self.take(other, heard_as)
        for writer, at in writes[1:]:
            self.write(writer, at, 1, True)

    def send(
        self,
        who: int,
        remote: int | tuple[int, int],
        local: int,
        carried: list[int],
        disposition: int,
        memory: bool | None,
        page: int = 0,
        count: int = 1,
    ) -> None:
        """``memory``: whether pages out of line are moved; None: there are none."""
        tasks, self.id = self.model, self.id + 1
        to, remote_type = remote if isinstance(remote, tuple) else self.choose(who, remote, DESTINATIONS)
        reply = self.choose(who, local, (MAKE_ONCE,))[0] if local % 3 else 0
        names = [self.name(who, each, disposition) for each in carried]
        items = [machmsg.rights(disposition, *names)] if carried else []
        address, pages = self.run_of_pages(who, page, count)
        if memory is not None:
            items.append(machmsg.Item(mach.MSG_TYPE_BYTE, 8, len(pages) * PAGE, address, False, memory))
        message = UserMessage(self.id, to, reply, remote_type, MAKE_ONCE if reply else 0, tuple(items) if items else None)
        code, back = self.msg(who, message, mach.MACH_SEND_MSG | mach.MACH_SEND_TIMEOUT)
        # The header: both rights or none
        if to not in tasks.names[who] or tasks.names[who][to].dead:
            expected = mach.MACH_SEND_INVALID_DEST
            if to in tasks.names[who] and reply and not tasks.can_take(who, reply, MAKE_ONCE):
                expected = mach.MACH_SEND_INVALID_REPLY
            assert code == expected
            return
        if reply and not tasks.can_take(who, reply, MAKE_ONCE):
            assert code == mach.MACH_SEND_INVALID_REPLY
            return
        if not tasks.can_take(who, to, remote_type):
            assert code == mach.MACH_SEND_INVALID_DEST
            return
        answer = tasks.take(who, reply, MAKE_ONCE) if reply else None
        kind, port = tasks.take(who, to, remote_type)
        assert port is not None
        sent = Message(self.id, port, kind, answer)
        # The body, item by item
        circular = False
        for name in names:
            if not tasks.can_take(who, name, disposition):
                assert code == mach.MACH_SEND_INVALID_RIGHT
                tasks.drop(sent)
                return
            taken = tasks.take(who, name, disposition)
            sent.rights.append(taken)
            if taken[0] == RECEIVE:
                assert taken[1] is not None
                circular = circular or tasks.leads_to(taken[1], port)
        if memory is not None:
            if not all(tasks.pages[who][at][0] & READ for at in pages):
                assert code == mach.MACH_SEND_INVALID_MEMORY
                tasks.drop(sent)
                return
            sent.pages = [tasks.pages[who][at][1] for at in pages]
            for at in pages if memory else ():
                del tasks.pages[who][at]
        # The queue
        if circular:
            assert code == 0
            tasks.drop(sent)
        elif kind == SEND and len(port.queue) >= port.limit:
            assert code == mach.MACH_SEND_TIMED_OUT
            assert back is not None
            self.receive_rights(who, sent, back, back.remote, back.local)
        else:
            assert code == 0
            assert back is None
            port.queue.append(sent)

    @rule(who=WHO, which=st.lists(WHICH, min_size=1, max_size=4))
    def receive_some(self, who: int, which: list[int]) -> None:
        for each in which:
            self.receive(who, each)

    @rule(who=WHO, which=WHICH)
    def receive(self, who: int, which: int) -> None:
        names, sets = self.model.names[who], self.model.sets[who]
        heard: set[int] = {sets.get(entry.port, name) for name, entry in names.items() if entry.receive and entry.port and entry.port.queue}
        self.take(who, sorted(heard)[which % len(heard)] if heard and which % 5 else self.name(who, which, MAKE))

    @rule(who=WHO, which=WHICH)
    def receive_too_large(self, who: int, which: int) -> None:
        """Into a buffer that holds no message: the first, if it is none of several notifications, is destroyed."""
        heard = [
            name
            for name, entry in self.model.names[who].items()
            if entry.receive and entry.port and entry.port.queue and entry.port not in self.model.sets[who]
            if self.port_of[entry.port].messages[0].id >= FIRST_ID
        ]
        if not heard:
            return
        name = heard[which % len(heard)]
        port = self.model.names[who][name].port
        assert port is not None
        code, message = self.msg(who, None, mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT, name, 0)
        assert code == mach.MACH_RCV_TOO_LARGE
        assert message is not None
        assert (message.local, message.remote, message.items, message.sequence) == (name, 0, None, port.sequence)
        port.sequence = (port.sequence + 1) & 0xFFFFFFFF
        taken = self.matching(who, port, message)
        port.queue.remove(taken)
        self.model.drop(taken)

    def take(self, who: int, name: int) -> None:
        """Receive, without waiting."""
        names, sets = self.model.names[who], self.model.sets[who]
        entry = names.get(name)
        code, message = self.msg(who, None, mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT, name)
        if entry is None or not (entry.receive or entry.is_set):
            assert code == mach.MACH_RCV_INVALID_NAME
            return
        queues = [entry.port] if entry.receive else [port for port, inside in sets.items() if inside == name]
        if entry.receive and entry.port in sets:
            assert code == mach.MACH_RCV_IN_SET
            return
        if not any(port is not None and port.queue for port in queues):
            assert code == mach.MACH_RCV_TIMED_OUT
            return
        assert code == 0
        assert message is not None
        port = names[message.local].port
        assert port in queues
        assert port is not None
        taken = self.matching(who, port, message)
        port.queue.remove(taken)
        assert message.sequence == port.sequence
        port.sequence = (port.sequence + 1) & 0xFFFFFFFF
        assert message.local_type == RECEIVED[taken.kind]
        self.receive_rights(who, taken, message, None, message.remote)
        if taken.kind == SEND:
            self.model.look_for_senders(port)

    def matching(self, who: int, port: model.Port, message: UserMessage) -> Message:
        """The reference's message that was received: the first, but that several notifications of one event come in any order."""
        if message.id >= FIRST_ID:
            return next(each for each in port.queue if each.id >= FIRST_ID)
        if message.id == mach.NOTIFY_PORT_DESTROYED:
            assert message.items is not None
            real = self.tasks[who].space.lookup(machmsg.names_in(message.items[0])[0]).port
            destroyed = [each for each in port.queue if each.id == message.id]
            return next(each for each in destroyed for _, carried in each.rights if carried and self.port_of[carried] is real)
        word = None
        if message.id != mach.NOTIFY_SEND_ONCE:
            (item,) = machmsg.parse_items(message.body)
            assert isinstance(item.data, bytes)
            word = int.from_bytes(item.data, "little")
        return next(each for each in port.queue if (each.id, each.word) == (message.id, word))

    def receive_rights(self, who: int, sent: Message, got: UserMessage, remote: int | None, reply: int) -> None:
        """What a task has received, or got back (``remote``: the destination's right, too)."""
        assert got.id == sent.id
        if remote is not None:
            self.model.give(who, (sent.kind, sent.port), remote)
        if sent.reply is not None:
            self.model.give(who, sent.reply, reply)
        else:
            assert reply == mach.MACH_PORT_NULL
        items = list(got.items or ())
        if sent.rights:
            item = items.pop(0)
            assert item.name == RECEIVED[sent.rights[0][0]]
            for taken, name in zip(sent.rights, machmsg.names_in(item), strict=True):
                self.model.give(who, taken, name)
        if sent.pages is not None:
            (item,) = items
            assert isinstance(item.data, int)
            for at, value in enumerate(sent.pages):
                address = item.data + at * PAGE
                assert address not in self.model.pages[who]
                self.model.pages[who][address] = READ | WRITE, value

    def msg(
        self, who: int, message: UserMessage | None, option: int, name: int = 0, size: int = mach.MESSAGE_SIZE_MAX
    ) -> tuple[int, UserMessage | None]:
        """Bytes, as from a channel."""
        ended: list[tuple[int, UserMessage | None]] = []
        data = None if message is None else machmsg.pack(message)
        mach_msg(self.tasks[who], data, option, lambda code, got: ended.append((code, got)), receive_name=name, receive_size=size)
        ((code, got),) = ended
        return code, got

    # Memory
    def run_of_pages(self, who: int, page: int, count: int) -> tuple[int, list[int]]:
        """Pages that follow each other; ``count`` 0: all of a region."""
        pages = sorted(self.model.pages[who])
        if not pages:
            return 0, []
        first = pages[page % len(pages)]
        if count == 0:
            region = self.tasks[who].map.region_at(first)
            assert region is not None
            return region.start, list(range(region.start, region.end, PAGE))
        run = [first]
        while len(run) < count and run[-1] + PAGE in self.model.pages[who]:
            run.append(run[-1] + PAGE)
        return first, run

    @rule(who=WHO, count=st.integers(1, 4))
    def allocate_memory(self, who: int, count: int) -> None:
        code, (address,) = self.call(who, "vm_allocate", 0, count * PAGE, 1)
        assert code == 0
        assert isinstance(address, int)
        for at in range(address, address + count * PAGE, PAGE):
            assert at not in self.model.pages[who]
            self.model.pages[who][at] = READ | WRITE, 0

    @rule(who=WHO, page=WHICH, count=st.integers(1, 4))
    def deallocate_memory(self, who: int, page: int, count: int) -> None:
        address, pages = self.run_of_pages(who, page, count)
        if len(self.model.pages[who]) > 4 and pages:
            assert self.call(who, "vm_deallocate", address, len(pages) * PAGE)[0] == 0
            for at in pages:
                del self.model.pages[who][at]

    @rule(who=WHO, page=WHICH, count=st.integers(1, 3), through=st.booleans())
    def write(self, who: int, page: int, count: int, through: bool) -> None:
        """By vm_write, or as the task itself would (``through``)."""
        address, pages = self.run_of_pages(who, page, count)
        self.value = self.value % 255 + 1
        data = bytes([self.value]) * (len(pages) * PAGE)
        allowed = all(self.model.pages[who][at][0] & WRITE for at in pages)
        if through and allowed and pages:
            self.tasks[who].map.space.write(address, data)
        elif pages:
            assert self.call(who, "vm_write", address, data)[0] == (0 if allowed else mach.KERN_PROTECTION_FAILURE)
        for at in pages if allowed else ():
            self.model.pages[who][at] = self.model.pages[who][at][0], self.value

    @rule(who=WHO, page=WHICH, to=WHICH, count=st.integers(1, 2))
    def copy(self, who: int, page: int, to: int, count: int) -> None:
        source, pages = self.run_of_pages(who, page, count)
        address, onto = self.run_of_pages(who, to, count)
        pages = pages[: len(onto)]
        onto = onto[: len(pages)]
        if not pages:
            return
        memory = self.model.pages[who]
        allowed = all(memory[at][0] & READ for at in pages) and all(memory[at][0] & WRITE for at in onto)
        code, _ = self.call(who, "vm_copy", source, len(pages) * PAGE, address)
        assert code == (0 if allowed else mach.KERN_PROTECTION_FAILURE)
        values = [memory[at][1] for at in pages]
        for at, value in zip(onto, values, strict=True) if allowed else ():
            memory[at] = memory[at][0], value

    @rule(who=WHO, page=WHICH, count=st.integers(1, 2), protection=st.sampled_from((READ | WRITE, READ | WRITE, READ, 0)))
    def protect(self, who: int, page: int, count: int, protection: int) -> None:
        address, pages = self.run_of_pages(who, page, count)
        if pages:
            assert self.call(who, "vm_protect", address, len(pages) * PAGE, 0, protection)[0] == 0
            for at in pages:
                self.model.pages[who][at] = protection, self.model.pages[who][at][1]

    @rule(who=WHO)
    def end_task(self, who: int) -> None:
        """Seldom: a task ends, and another takes its place."""
        if len(self.model.names[who]) < 8:
            return
        self.tasks[who].terminate()
        self.natives.kernel.processor.run()
        assert self.tasks[who].space.entries == {}
        names = self.model.names[who]
        for name in sorted(names, key=lambda name: not names[name].receive):
            if name in names:
                self.model.destroy_name(who, name)
        assert names == {}
        self.model.pages[who] = {}
        self.tasks[who] = self.natives.start(IDLE)

    # After each step
    @invariant()
    def names_and_references_are_the_references(self) -> None:
        for task, names in zip(self.tasks, self.model.names, strict=True):
            assert set(task.space.entries) == set(names)
            for name, entry in names.items():
                real = task.space.entries[name]
                kinds = (
                    (mach.MACH_PORT_TYPE_SEND, entry.sends),
                    (mach.MACH_PORT_TYPE_RECEIVE, entry.receive),
                    (mach.MACH_PORT_TYPE_SEND_ONCE, entry.once),
                    (mach.MACH_PORT_TYPE_PORT_SET, entry.is_set),
                    (mach.MACH_PORT_TYPE_DEAD_NAME, entry.dead),
                )
                assert real.types == sum(bit for bit, there in kinds if there)
                assert real.urefs == entry.sends + entry.dead
                assert entry.port is None or real.object is self.port_of[entry.port]
                assert real.request is (None if entry.request is None or not entry.request.alive else self.port_of[entry.request]) or (
                    entry.request is not None and not entry.request.alive
                )

    @invariant()
    def rights_are_conserved(self) -> None:
        for port, real in self.port_of.items():
            assert real.dead != port.alive
            if port.alive:
                assert (real.sends, real.send_onces) == (self.model.senders(port), self.model.onces(port))
                receivers = [who for who, names in enumerate(self.model.names) if any(e.port is port and e.receive for e in names.values())]
                assert len(receivers) + (self.model.carrier(port) is not None) == 1
                assert real.receiver is (self.tasks[receivers[0]].space if receivers else None)

    @invariant()
    def queues_hold_what_they_should(self) -> None:
        for port, real in self.port_of.items():
            if not port.alive:
                assert not real.messages
                continue
            assert (real.limit, real.make_sends, real.sequence) == (port.limit, port.made, port.sequence)
            assert [m.id for m in real.messages if m.id >= FIRST_ID] == [m.id for m in port.queue if m.id >= FIRST_ID]
            assert Counter(m.id for m in real.messages) == Counter(m.id for m in port.queue)
            assert sum(m.remote_kind is RightKind.SEND for m in real.messages) <= mach.MACH_PORT_QLIMIT_MAX
            for there, here in zip(
                [m for m in real.messages if m.id >= FIRST_ID], [m for m in port.queue if m.id >= FIRST_ID], strict=True
            ):
                found = [(KIND[kind], carried) for kind, carried in there.rights()]
                expected = [(kind, carried) for kind, carried in here.held if carried is not None and carried.alive]
                assert Counter((k, id(p)) for k, p in found if not p.dead) == Counter((k, id(self.port_of[p])) for k, p in expected if p)

    @invariant()
    def sets_have_their_members(self) -> None:
        for task, names, sets in zip(self.tasks, self.model.names, self.model.sets, strict=True):
            for name, entry in names.items():
                if entry.is_set:
                    members = {self.port_of[port] for port, inside in sets.items() if inside == name}
                    assert set(task.space.entries[name].port_set.members) == members

    @invariant()
    def memory_is_what_was_written_last(self) -> None:
        for task, pages in zip(self.tasks, self.model.pages, strict=True):
            regions = task.map.regions
            assert all(a.end <= b.start for a, b in pairwise(regions))
            assert {at: region.protection for region in regions for at in range(region.start, region.end, PAGE)} == {
                at: protection for at, (protection, _) in pages.items()
            }
            for at, (protection, value) in pages.items():
                if protection & READ:
                    data = task.map.space.read(at, PAGE)
                    assert (data[0], data[-1]) == (value, value)

    def teardown(self) -> None:
        self.natives.end()
        assert all(real.dead for real in self.port_of.values())  # no receive right is left in a message
        with contextlib.suppress(AttributeError):
            self.natives.tasks.clear()


def test_kernel_and_reference_agree(machine: Machine, template: Template) -> None:
    class Here(Compared):
        pass

    Here.machine, Here.template = machine, template
    phases = (Phase.reuse, Phase.generate)  # to make a failure shorter would take longer than the suite lets a test run
    many = settings(max_examples=60, stateful_step_count=40, deadline=None, phases=phases, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Here, settings=many)
