"""Random names, rights and messages: after every step what the kernel counts is what there is.

The reference is a recount: rights are looked for in every name space, message and notification request, and compared with the counts that
the ports keep. Senders and receivers wait here, and calls are broken off. What each call must do, reference by reference, is compared in
``tests/native/test_model.py``.
"""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.mach.world import NamesOnly, World

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.mach import mach_port as mp
from skerry.mach.errors import KernError
from skerry.mach.message import Message
from skerry.mach.port import Port, PortSet
from skerry.mach.right import CARRIED, RightKind
from skerry.mach.space import DEAD_NAME, PORT_SET, RECEIVE, SEND, SEND_ONCE

DISPOSITIONS = st.sampled_from(sorted(CARRIED))
SENDS = st.sampled_from(sorted(set(CARRIED) - {mach.MSG_TYPE_MOVE_RECEIVE}))
FITS = {  # what a disposition takes
    mach.MSG_TYPE_MOVE_RECEIVE: RECEIVE,
    mach.MSG_TYPE_MOVE_SEND: SEND,
    mach.MSG_TYPE_COPY_SEND: SEND,
    mach.MSG_TYPE_MAKE_SEND: RECEIVE,
    mach.MSG_TYPE_MOVE_SEND_ONCE: SEND_ONCE,
    mach.MSG_TYPE_MAKE_SEND_ONCE: RECEIVE,
}
VARIANTS = st.sampled_from((mach.NOTIFY_PORT_DESTROYED, mach.NOTIFY_NO_SENDERS, mach.NOTIFY_DEAD_NAME))
OPTIONS = st.sampled_from(
    (
        mach.MACH_SEND_MSG,
        mach.MACH_SEND_MSG | mach.MACH_SEND_TIMEOUT,
        mach.MACH_SEND_MSG | mach.MACH_SEND_NOTIFY,
        mach.MACH_SEND_MSG | mach.MACH_SEND_CANCEL,
        mach.MACH_SEND_MSG | mach.MACH_RCV_MSG,
        mach.MACH_RCV_MSG,
        mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT,
        mach.MACH_RCV_MSG | mach.MACH_RCV_LARGE | mach.MACH_RCV_TIMEOUT,
        mach.MACH_RCV_MSG | mach.MACH_RCV_NOTIFY | mach.MACH_RCV_TIMEOUT,
    )
)


class Ports(RuleBasedStateMachine):
    """Three tasks that do anything that they can name."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.tasks = [NamesOnly(self.world) for _ in range(3)]
        self.ports: list[Port] = []
        self.calls: list[object] = []
        for task in self.tasks:  # so that messages flow from the first step on
            name = self.allocate_in(task)
            for other in self.tasks:
                task.give_send(name, other)

    def allocate_in(self, task: NamesOnly) -> int:
        name = task.new_port()
        mp.mach_port_set_qlimit(task, name, 1)  # so that senders wait
        self.ports.append(task.port(name))
        return name

    def name(self, task: NamesOnly, number: int, types: int = 0) -> int:
        """A name of the task, of these types if it has one; sometimes none."""
        names = [name for name, entry in task.space.entries.items() if not types or entry.types & types]
        return names[number % len(names)] if names else number

    @rule(who=st.integers(0, 2), kind=st.sampled_from((RightKind.RECEIVE, RightKind.RECEIVE, RightKind.PORT_SET, RightKind.DEAD_NAME)))
    def allocate(self, who: int, kind: RightKind) -> None:
        task = self.tasks[who]
        if kind is RightKind.RECEIVE:
            self.allocate_in(task)
        else:
            mp.mach_port_allocate(task, kind)

    @rule(who=st.integers(0, 2), other=st.integers(0, 2), which=st.integers(0, 99))
    def hand_send_right(self, who: int, other: int, which: int) -> None:
        task = self.tasks[who]
        name = self.name(task, which, RECEIVE)
        if task.space.entries.get(name) is not None and task.space.entries[name].types & RECEIVE:
            task.give_send(name, self.tasks[other])

    @rule(who=st.integers(0, 2), which=st.integers(0, 99))
    def deallocate(self, who: int, which: int) -> None:
        self.attempt(lambda task: mp.mach_port_deallocate(task, self.name(task, which)), who)

    @rule(who=st.integers(0, 2), which=st.integers(0, 99))
    def destroy(self, who: int, which: int) -> None:
        self.attempt(lambda task: mp.mach_port_destroy(task, self.name(task, which)), who)

    @rule(who=st.integers(0, 2), which=st.integers(0, 99), kind=st.sampled_from(RightKind), delta=st.integers(-2, 70000))
    def mod_refs(self, who: int, which: int, kind: RightKind, delta: int) -> None:
        task = self.tasks[who]
        name = self.name(task, which)
        entry = task.space.entries.get(name)
        before = (entry.types, entry.urefs) if entry else None
        try:
            mp.mach_port_mod_refs(task, name, kind, delta)
        except KernError:
            assert before == ((entry.types, entry.urefs) if entry else None)
        else:
            assert before is not None
            if kind in (RightKind.SEND, RightKind.DEAD_NAME) and before[1] + delta:
                assert entry is not None
                assert entry.urefs == before[1] + delta
        self.world.processor.run()

    @rule(who=st.integers(0, 2), which=st.integers(0, 99), limit=st.integers(-1, 17))
    def set_queue_limit(self, who: int, which: int, limit: int) -> None:
        self.attempt(lambda task: mp.mach_port_set_qlimit(task, self.name(task, which, RECEIVE), limit), who)

    @rule(who=st.integers(0, 2), member=st.integers(0, 99), after=st.integers(0, 99))
    def move_member(self, who: int, member: int, after: int) -> None:
        def move(task: NamesOnly) -> None:
            mp.mach_port_move_member(task, self.name(task, member, RECEIVE), self.name(task, after, PORT_SET) if after % 3 else 0)

        self.attempt(move, who)

    @rule(who=st.integers(0, 2), which=st.integers(0, 99), waiting=st.integers(0, 99), variant=VARIANTS, sync=st.integers(0, 1))
    def request_notification(self, who: int, which: int, waiting: int, variant: int, sync: int) -> None:
        task = self.tasks[who]
        try:
            right = mp.mach_port_extract_right(task, self.name(task, waiting, RECEIVE), mach.MSG_TYPE_MAKE_SEND_ONCE)
        except KernError:
            return
        try:
            previous = mp.mach_port_request_notification(task, self.name(task, which), variant, sync, right[1])
        except KernError:
            previous = right[1]
        if previous is not None:
            task.space.copyout(RightKind.SEND_ONCE, previous)
        self.world.processor.run()

    @rule(who=st.integers(0, 2), which=st.integers(0, 99), disposition=DISPOSITIONS, other=st.integers(0, 2), new=st.integers(0, 9999))
    def extract_and_insert(self, who: int, which: int, disposition: int, other: int, new: int) -> None:
        try:
            kind, port = mp.mach_port_extract_right(self.tasks[who], self.name(self.tasks[who], which), disposition)
        except KernError:
            return
        try:
            mp.mach_port_insert_right(self.tasks[other], new, port, kind)
        except KernError:
            self.tasks[other].space.copyout(kind, port)
        self.world.processor.run()

    @rule(
        who=st.integers(0, 2),
        remote=st.integers(0, 99),
        remote_type=SENDS,
        local=st.integers(0, 99),
        local_type=st.one_of(st.just(0), SENDS),
        carried=st.lists(st.integers(0, 99), max_size=3),
        disposition=DISPOSITIONS,
        option=OPTIONS,
        name=st.integers(0, 99),
        size=st.sampled_from((24, 40, 1000)),
        timeout=st.sampled_from((0, 5)),
    )
    def message(
        self,
        who: int,
        remote: int,
        remote_type: int,
        local: int,
        local_type: int,
        carried: list[int],
        disposition: int,
        option: int,
        name: int,
        size: int,
        timeout: int,
    ) -> None:
        task = self.tasks[who]
        user = UserMessage(
            7,
            self.name(task, remote, FITS[remote_type] if remote % 8 else 0),
            self.name(task, local, FITS[local_type] if local % 8 else 0) if local_type else 0,
            remote_type,
            local_type,
            (machmsg.rights(disposition, *(self.name(task, n, FITS[disposition] if n % 8 else 0) for n in carried)),) if carried else None,
        )
        data = user if size == 40 else machmsg.pack(user)
        queue = self.name(task, name, RECEIVE | PORT_SET)
        outcome = task.msg(data, option, size, queue, timeout, self.name(task, name, RECEIVE))
        if outcome.code is None:
            self.calls.append(outcome.call)

    @rule(who=st.integers(0, 2), which=st.integers(0, 99))
    def drain(self, who: int, which: int) -> None:
        self.tasks[who].receive(self.name(self.tasks[who], which, RECEIVE | PORT_SET))

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 99))
    def interrupt(self, which: int) -> None:
        self.calls.pop(which % len(self.calls)).interrupt()  # type: ignore[attr-defined]
        self.world.processor.run()

    @rule(milliseconds=st.integers(0, 10))
    def pass_time(self, milliseconds: int) -> None:
        self.world.pass_time(milliseconds)

    @rule(who=st.integers(0, 2))
    def terminate(self, who: int) -> None:
        if len(self.tasks[who].space.entries) > 12:  # seldom: else there is never much
            self.tasks[who].space.terminate()
            assert not self.tasks[who].space.entries
            self.tasks[who] = NamesOnly(self.world)
            self.world.processor.run()

    def attempt(self, action: object, who: int) -> None:
        """A call may fail; the invariants tell whether it did so cleanly."""
        with contextlib.suppress(KernError):
            action(self.tasks[who])  # type: ignore[operator]
        self.world.processor.run()

    # What there is
    def live_messages(self) -> list[Message]:
        found = []
        for port in self.ports:
            found += port.messages
            found += [sender.message for sender in port.blocked]
        return found

    @invariant()
    def rights_are_counted_exactly(self) -> None:
        sends: Counter[Port] = Counter()
        send_onces: Counter[Port] = Counter()
        receives: Counter[Port] = Counter()
        counts = {RightKind.SEND: sends, RightKind.SEND_ONCE: send_onces, RightKind.RECEIVE: receives}
        for task in self.tasks:
            for entry in task.space.entries.values():
                for bit, count in ((SEND, sends), (SEND_ONCE, send_onces), (RECEIVE, receives)):
                    if entry.types & bit:
                        count[entry.port] += 1
                for waiting in (entry.request, entry.accepted):
                    if waiting is not None:
                        send_onces[waiting] += 1
        for message in self.live_messages():
            counts[message.remote_kind][message.remote] += 1
            for kind, port in message.rights():
                counts[kind][port] += 1
            entry = message.accepted
            if entry is not None and entry.accepted is not None and entry.space.entries.get(entry.name) is not entry:
                send_onces[entry.accepted] += 1
        for port in self.ports:
            for waiting in (port.no_senders, port.port_destroyed):
                if waiting is not None and not port.dead:
                    send_onces[waiting] += 1
        for port in self.ports:
            if not port.dead:
                assert (port.sends, port.send_onces, 1) == (sends[port], send_onces[port], receives[port])

    @invariant()
    def names_follow_the_rules(self) -> None:
        for task in self.tasks:
            space = task.space
            for name, entry in space.entries.items():
                assert entry.name == name
                assert entry.space is space
                assert (entry.urefs > 0) == bool(entry.types & (SEND | DEAD_NAME))
                assert entry.urefs <= mach.MACH_PORT_UREFS_MAX
                if entry.types & (SEND | RECEIVE):
                    assert space.named[entry.port] is entry
                    assert not entry.types & ~(SEND | RECEIVE)
                else:
                    assert entry.types in (SEND_ONCE, PORT_SET, DEAD_NAME)
                if isinstance(entry.object, Port):
                    assert not entry.port.dead
                    assert entry in entry.port.entries
                    assert (entry.port.receiver is space and bool(entry.types & RECEIVE)) or not entry.types & RECEIVE
            assert len(space.named) == sum(bool(e.types & (SEND | RECEIVE)) for e in space.entries.values())

    @invariant()
    def queues_are_bounded_and_waiters_stand_where_they_should(self) -> None:
        for port in self.ports:
            by_send = [m for m in port.messages if m.remote_kind is RightKind.SEND and m.accepted is None]
            assert len(by_send) <= mach.MACH_PORT_QLIMIT_MAX
            assert not (port.blocked and not port.is_full)
            assert not (port.dead and (port.messages or port.blocked or port.receivers or port.entries or port.port_set))
            if port.port_set is not None:
                assert not port.receivers
                assert (port in port.port_set.ready) == bool(port.messages)
                assert not (port.port_set.receivers and port.messages)
                assert port in port.port_set.members
            else:
                assert not (port.receivers and port.messages)
        for task in self.tasks:
            for entry in task.space.entries.values():
                if isinstance(entry.object, PortSet):
                    assert len(entry.object.ready) == len(set(entry.object.ready)) <= len(entry.object.members)

    @invariant()
    def no_port_lies_in_its_own_queue(self) -> None:
        for port in self.ports:
            step, steps = port.destination, 0
            while step is not None:
                assert step is not port
                step, steps = step.destination, steps + 1
                assert steps <= len(self.ports)

    def teardown(self) -> None:
        for task in self.tasks:
            task.space.terminate()
        self.world.processor.run()
        assert all(port.dead for port in self.ports)  # no receive right leaked in a message


TestPorts = pytest.mark.slow(Ports.TestCase)
TestPorts.settings = settings(max_examples=250, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
