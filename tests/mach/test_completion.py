"""A co-located server's coroutine sends and receives messages."""

from __future__ import annotations

from typing import Any

import pytest
from tests.mach.world import COPY_SEND, MAKE_SEND_ONCE, MOVE_SEND_ONCE, NamesOnly, World

from skerry.abi import mach
from skerry.abi.machmsg import UserMessage
from skerry.lib.completion import completion
from skerry.lib.coroutine import Loop
from skerry.mach.ipc import mach_msg

SEND, RECEIVE = mach.MACH_SEND_MSG, mach.MACH_RCV_MSG


class Ended:
    """How an activity ended."""

    def __init__(self) -> None:
        self.result: Any = None

    def __call__(self, result: Any, error: BaseException | None) -> None:
        assert error is None
        self.result = result


@pytest.fixture
def world() -> World:
    return World()


def turn(world: World, loop: Loop) -> None:
    for _ in range(3):
        world.processor.run()
        loop.run_ready()


def test_coroutine_makes_an_rpc_and_another_serves_it(world: World) -> None:
    loop = Loop(world.clock)
    server, client = NamesOnly(world), NamesOnly(world)
    port, reply = server.new_port(), client.new_port()
    send = server.give_send(port, client)
    ended = Ended()

    async def serve() -> None:
        while True:
            _, request = await completion(lambda done: mach_msg(server, None, RECEIVE, done, receive_name=port))
            answer = UserMessage(request.id + 100, request.remote, remote_type=MOVE_SEND_ONCE)
            await completion(lambda done, answer=answer: mach_msg(server, answer, SEND, done))

    async def ask() -> int:
        request = UserMessage(7, send, reply, COPY_SEND, MAKE_SEND_ONCE)
        code, answer = await completion(lambda done: mach_msg(client, request, SEND | RECEIVE, done, receive_name=reply))
        return int(code or answer.id)

    activity = loop.start(serve(), Ended())
    loop.start(ask(), ended)
    turn(world, loop)
    assert ended.result == 107
    assert activity is not None
    activity.cancel()


def test_interrupted_activity_gets_the_code_of_the_call(world: World) -> None:
    loop = Loop(world.clock)
    task = NamesOnly(world)
    port = task.new_port()
    ended = Ended()
    activity = loop.start(completion(lambda done: mach_msg(task, None, RECEIVE, done, receive_name=port)), ended)
    assert activity is not None
    activity.interrupt()
    turn(world, loop)
    assert ended.result == (mach.MACH_RCV_INTERRUPTED, None)


def test_message_that_came_before_the_interruption_is_not_lost(world: World) -> None:
    loop = Loop(world.clock)
    task = NamesOnly(world)
    port = task.new_port()
    ended = Ended()
    activity = loop.start(completion(lambda done: mach_msg(task, None, RECEIVE, done, receive_name=port)), ended)
    assert activity is not None
    task.send(port, mach.MSG_TYPE_MAKE_SEND, 5)
    activity.interrupt()
    turn(world, loop)
    code, message = ended.result
    assert (code, message.id) == (0, 5)
