"""Systems in asyncio: programs beside each other, what is seen of them, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import skerry

pytestmark = pytest.mark.machine


def descriptors() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_programs_run_beside_each_other(config: str) -> None:
    async def meet() -> list[str]:
        async with skerry.System(config=config) as system:
            await system.run(["mkfifo", "/tmp/a", "/tmp/b"])
            first = system.run(["sh", "-c", "echo one > /tmp/a; cat /tmp/b"], timeout=30)
            second = system.run(["sh", "-c", "cat /tmp/a; echo two > /tmp/b"], timeout=30)
            return [result.text for result in await asyncio.gather(first, second)]

    assert asyncio.run(meet()) == ["two\n", "one\n"]


def test_one_talks_to_a_program_that_runs(config: str) -> None:
    async def talk() -> None:
        async with skerry.System(config=config) as system:
            program = await system.begin(["cat"], stdin=skerry.PIPE, stdout=skerry.PIPE)
            assert program.stdin is not None
            assert program.stdout is not None
            for word in (b"one\n", b"two\n"):
                program.stdin.write(word)
                assert await program.stdout.readline() == word
            assert program.running
            program.stdin.close()
            await program.stdin.wait_closed()
            assert await program.wait() == 0

    asyncio.run(talk())


def test_a_signal_reaches_the_program(config: str) -> None:
    async def send() -> skerry.Result:
        async with skerry.System(config=config) as system:
            line = "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.01; done"
            program = await system.begin(["sh", "-c", line], stdout=skerry.PIPE)
            assert program.stdout is not None
            assert await program.stdout.readline() == b"ready\n"
            await program.signal(signal.SIGUSR1)
            return await program.communicate()

    result = asyncio.run(send())
    assert (result.status, result.output) == (7, b"caught\n")


def test_what_there_is_can_be_looked_at(config: str) -> None:
    async def look() -> None:
        async with skerry.System(config=config) as system:
            program = await system.begin(["cat"], stdin=skerry.PIPE)
            (process,) = await system.processes()
            assert (process["pid"], process["command"]) == (program.pid, "cat")
            mappings = await system.memory(program.pid)
            assert any(mapping["name"] == "[stack]" for mapping in mappings)
            assert any(task["kind"] == "unix" for task in await system.tasks())
            assert (await system.ports())["ports"]
            with pytest.raises(skerry.Error, match="no process 4242"):
                await system.memory(4242)

    asyncio.run(look())


def test_a_trace_has_the_calls_of_programs(config: str) -> None:
    async def trace() -> list[dict[str, object]]:
        async with skerry.System(config=config) as system:
            async with system.trace() as tracing:
                await system.run(["cat", "/etc/hostname"])
            assert len(tracing.events) > 10
            await system.run(["cat", "/etc/hostname"])
            return tracing.events

    events = asyncio.run(trace())
    names = {event["name"] for event in events if event.get("cat") == "system call"}
    assert {"openat", "read", "write"} <= names
    assert any(event["name"] == "process_name" for event in events)


def test_closing_leaves_nothing(config: str) -> None:
    before = descriptors()
    pids: list[int] = []

    async def leave() -> None:
        async with skerry.System(config=config) as system:
            await system.begin(["sleep", "1000"], stdout=skerry.PIPE)
            pids.append(system.pid)
            pids.extend(task["host_pid"] for task in await system.tasks())
            raise KeyError("the caller fails")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyError):
            asyncio.run(leave())
    assert len(pids) > 1
    assert not [pid for pid in pids if is_there(pid)]
    assert descriptors() == before
    assert not list((Path(os.environ["XDG_RUNTIME_DIR"]) / "skerry").iterdir())


def test_a_system_that_was_closed_says_so(config: str) -> None:
    async def use() -> None:
        system = await skerry.System(config=config).start()
        await system.close()
        await system.close()
        with pytest.raises(skerry.SystemEnded, match="was closed"):
            await system.run(["true"])

    asyncio.run(use())


def test_a_system_that_is_killed_is_an_error_of_those_who_wait(config: str) -> None:
    async def lose() -> None:
        async with skerry.System(config=config) as system:
            program = await system.begin(["sleep", "1000"])
            waiting = asyncio.create_task(program.wait())
            os.kill(system.pid, signal.SIGKILL)
            with pytest.raises(skerry.SystemEnded):
                await waiting
            with pytest.raises(skerry.SystemEnded):
                await system.run(["true"])

    asyncio.run(lose())


def test_a_system_that_is_told_to_end_does(config: str) -> None:
    async def end() -> None:
        async with skerry.System(config=config) as system:
            program = await system.begin(["sleep", "1000"])
            os.kill(system.pid, signal.SIGTERM)
            assert await program.wait() == -signal.SIGKILL
            with pytest.raises(skerry.SystemEnded):
                await system.run(["true"])

    asyncio.run(end())


def test_the_whole_systems_time_limit_ends_it(config: str) -> None:
    async def wait() -> None:
        async with skerry.System(config=config, timeout=3) as system:
            result = await system.run(["sleep", "1000"])
            assert result.status == -signal.SIGKILL
            assert "--timeout 3s" in result.notes[0]
            with pytest.raises(skerry.SystemEnded):
                await system.run(["true"])

    asyncio.run(wait())


def test_a_caller_that_is_killed_takes_its_system_along(config: str) -> None:
    source = f"""
import asyncio, skerry
async def main():
    async with skerry.System(config={config!r}) as system:
        program = await system.begin(["sleep", "1000"])
        print(system.pid, *(task["host_pid"] for task in await system.tasks()), flush=True)
        await program.wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        pids = [int(word) for word in caller.stdout.readline().split()]
        watched = os.pidfd_open(pids[0])
        caller.kill()
    poll_end(watched)
    assert not [pid for pid in pids if is_there(pid)]


def poll_end(pidfd: int) -> None:
    """Wait until a process has ended."""
    import select

    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(30_000), "it lives on"
    finally:
        os.close(pidfd)


def test_the_callers_process_is_not_touched(config: str) -> None:
    def state() -> tuple[object, ...]:
        import resource

        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
        return os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_NOFILE), handlers, os.getcwd()

    before = state()
    assert skerry.run(["true"], config=config).status == 0
    assert state() == before


def test_a_blocking_call_works_beside_a_loop(config: str) -> None:
    async def inside() -> str:
        return skerry.run(["echo", "nested"], config=config).text

    assert asyncio.run(inside()) == "nested\n"


def test_a_cancelled_run_kills_its_program(config: str) -> None:
    async def cancel() -> list[dict[str, object]]:
        async with skerry.System(config=config) as system:
            running = asyncio.create_task(system.run(["sleep", "1000"]))
            while not await system.processes():
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return await system.processes()

    assert asyncio.run(cancel()) == []


def test_a_run_that_is_cancelled_as_its_pipes_are_taken_kills_its_program(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[bool] = []

    async def attach(program: skerry.Program, ours: dict[int, int]) -> None:
        reached.append(True)
        await asyncio.Event().wait()

    async def cancel() -> list[dict[str, object]]:
        async with skerry.System(config=config) as system:
            running = asyncio.create_task(system.run(["sleep", "1000"]))
            while not reached:
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return await system.processes()

    monkeypatch.setattr(skerry.Program, "attach", attach)
    before = descriptors()
    assert asyncio.run(cancel()) == []
    assert descriptors() == before


def test_names_that_are_not_there_are_attribute_errors() -> None:
    attribute: Callable[[], object] = lambda: skerry.no_such_thing  # type: ignore[attr-defined]  # noqa: E731
    with pytest.raises(AttributeError, match="no_such_thing"):
        attribute()
    assert set(skerry.__all__) <= set(dir(__import__("skerry.api", fromlist=["api"])))


def test_the_death_of_the_unix_server_is_told() -> None:
    async def lose() -> None:
        async with skerry.System(config="mach") as system:
            program = await system.begin(["sleep", "1000"])
            (server,) = [task["host_pid"] for task in await system.tasks() if task["name"] == "unix_task"]
            os.kill(server, signal.SIGKILL)
            with pytest.raises(skerry.SystemEnded, match="the Unix server has died"):
                await program.wait()

    asyncio.run(lose())
