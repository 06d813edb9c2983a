"""The short way of a remote call leaves everything as the long way does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.mach.world import COPY_SEND, MAKE_SEND, MAKE_SEND_ONCE, MOVE_SEND, MOVE_SEND_ONCE, RECEIVE, NamesOnly, World

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.mach import mach_port as mp
from skerry.mach.exchange import Exchange
from skerry.mach.port import Port, PortSet
from skerry.mach.right import RightKind


class Player(NamesOnly):
    """A task that makes one call after the other."""

    def __init__(self, world: World, short: bool) -> None:
        super().__init__(world)
        self.answers: list[tuple[int, bytes | None]] = []
        task: Any = self
        self.exchange = Exchange(task, self, self.ended)
        self.exchange.is_open = short

    def ended(self, code: int, message: UserMessage | None) -> None:
        self.answer(code, None if message is None else machmsg.pack(message))

    def answer(self, code: int, message: bytes | None) -> None:
        self.answers.append((code, message))

    def deliver(self, message: bytes, bits: int, remote: int, local: int, sequence: int) -> None:
        header = mach.HEADER.pack(bits, len(message), remote, local, sequence, mach.HEADER.unpack_from(message)[-1])
        self.answer(mach.MACH_MSG_SUCCESS, header + message[mach.HEADER_SIZE :])


class Game:
    """Three tasks with ports, and send rights to each other's."""

    def __init__(self, short: bool) -> None:
        self.world = World()
        self.players = [Player(self.world, short) for _ in range(3)]
        for player in self.players:
            ports = [player.new_port() for _ in range(3)]
            collection = mp.mach_port_allocate(player, RightKind.PORT_SET)
            mp.mach_port_move_member(player, ports[2], collection)
            for other in self.players:
                for port in ports:
                    player.give_send(port, other)

    def play(self, move: tuple[Any, ...]) -> None:
        kind, index, *rest = move
        player = self.players[index]
        if kind == "interrupt":
            player.exchange.interrupt()
        elif kind == "destroy":
            if rest[0] in player.space.entries:
                mp.mach_port_destroy(player, rest[0])
        elif player.exchange.finished:
            player.exchange.begin(*rest, 0, 0)
        self.world.processor.run()

    def state(self) -> list[Any]:
        """All that can be seen of it, without regard to identity."""
        return [
            (player.answers, player.exchange.finished, [_entry(entry) for entry in player.space.entries.values()])
            for player in self.players
        ]


def _entry(entry: Any) -> tuple[Any, ...]:
    target = entry.object
    common = (entry.name, entry.types, entry.urefs)
    if isinstance(target, Port):
        counts = (target.sends, target.send_onces, target.make_sends, target.sequence)
        return (
            *common,
            *counts,
            [message.id for message in target.messages],
            len(target.receivers),
            len(target.entries),
            len(target.blocked),
        )
    return (*common, len(target.receivers), len(target.ready)) if isinstance(target, PortSet) else common


def _is_heard(port: Port) -> bool:
    return bool(port.receivers if port.port_set is None else port.port_set.receivers)


def _has_messages(target: Any) -> bool:
    return bool(target.messages if isinstance(target, Port) else target.ready)


def _move(chance: random.Random, game: Game, number: int) -> tuple[Any, ...]:
    index = chance.randrange(3)
    player = game.players[index]
    draw = chance.random()
    if draw < 0.12:
        return ("interrupt", index)
    names = list(player.space.entries) or [0]
    if draw < 0.125:
        return ("destroy", index, chance.choice(names))
    receives = [
        name for name, entry in player.space.entries.items() if entry.types & (mach.MACH_PORT_TYPE_RECEIVE | mach.MACH_PORT_TYPE_PORT_SET)
    ]
    once = [name for name, entry in player.space.entries.items() if entry.types & mach.MACH_PORT_TYPE_SEND_ONCE]
    heard = [name for name, entry in player.space.entries.items() if isinstance(entry.object, Port) and _is_heard(entry.object)]
    names = heard if heard and chance.random() < 0.7 else names
    once = [name for name in once if name in heard] or once
    if chance.random() < 0.8:
        receives = [name for name in receives if not _has_messages(player.space.entries[name].object)] or receives
    remote, remote_type, local, local_type = chance.choice(names), COPY_SEND, chance.choice(receives or [0]), MAKE_SEND_ONCE
    if draw < 0.5 and once:
        remote, remote_type, local, local_type = chance.choice(once), MOVE_SEND_ONCE, 0, 0
    elif draw < 0.65:
        remote_type, local_type = (
            chance.choice((COPY_SEND, COPY_SEND, MOVE_SEND, MAKE_SEND, MOVE_SEND_ONCE, 0)),
            chance.choice((MAKE_SEND, COPY_SEND, MAKE_SEND_ONCE)),
        )
    data = machmsg.pack(UserMessage(number, remote, local, remote_type, local_type, body=bytes(chance.choice((0, 0, 4, 100)))))
    option = chance.choices((3, 1, 2, 3 | mach.MACH_RCV_TIMEOUT | mach.MACH_SEND_TIMEOUT), (8, 1, 4, 1))[0]
    return ("call", index, data, option, chance.choice((4096, 4096, 100)), chance.choice(receives or [0]))


@pytest.mark.parametrize("seed", range(40))
def test_both_ways_leave_the_same(seed: int) -> None:
    chance = random.Random(seed)
    short, long = Game(True), Game(False)
    for number in range(500):
        move = _move(chance, short, number)
        short.play(move)
        long.play(move)
        assert short.state() == long.state(), move


def test_the_short_way_is_gone() -> None:
    """Else the comparison would compare nothing."""
    taken = 0
    for seed in range(10):
        chance = random.Random(seed)
        game = Game(True)
        for number in range(500):
            game.play(_move(chance, game, number))
        taken += sum(player.exchange.short for player in game.players)
    assert taken > 100


def test_a_request_and_its_reply_go_the_short_way() -> None:
    game = Game(True)
    client, server, _ = game.players
    port = next(name for name, entry in server.space.entries.items() if entry.types & RECEIVE.type)
    to_server = client.space.named[server.port(port)].name
    mine = client.new_port()
    server.exchange.begin(b"", mach.MACH_RCV_MSG, 4096, port, 0, 0)
    request = machmsg.pack(UserMessage(7, to_server, mine, COPY_SEND, MAKE_SEND_ONCE, body=b"abcd"))
    client.exchange.begin(request, 3, 4096, mine, 0, 0)
    assert client.exchange.short == 1
    code, data = server.answers[-1]
    assert code == mach.MACH_MSG_SUCCESS
    assert data is not None
    received = machmsg.parse(data)
    assert (received.id, received.body, received.local, received.local_type) == (7, b"abcd", port, mach.MSG_TYPE_PORT_SEND)
    assert server.space.entries[received.remote].types == mach.MACH_PORT_TYPE_SEND_ONCE
    server.exchange.begin(machmsg.pack(UserMessage(107, received.remote, remote_type=MOVE_SEND_ONCE)), 3, 4096, port, 0, 0)
    assert server.exchange.short == 1
    assert received.remote not in server.space.entries
    assert client.answers[-1][0] == mach.MACH_MSG_SUCCESS
    assert client.port(mine).send_onces == 0
