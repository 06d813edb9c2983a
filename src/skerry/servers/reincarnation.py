"""The reincarnation server: starts servers from a description, and anew when they die.

A service is a port that lives as long as this server does, whoever receives from it. The receive right is handed to the task that serves
(``service_check_in``); when that task dies the right comes back (the port-destroyed notification) with all that is queued, and goes to the
next. Clients keep their rights; a call that was under way ends with MIG_SERVER_DIED, one that was queued is served late.

A service is started when somebody looks it up. One that dies after it has lived ``stable`` ms is started at once; one that dies before that
waits, twice as long each time, and is given up after ``attempts`` deaths in a row: its port dies, and the user is told.

Source: Herder et al., Failure Resilience for Device Drivers (DSN 2007); Tanenbaum's MINIX 3 (servers/rs).
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from typing import Any, Final

from skerry.abi import driving, mach, values
from skerry.lib.channel import Channel, MessageFailure
from skerry.lib.coroutine import WaitQueue, sleep_until
from skerry.lib.driver import GuardianPort
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, Dispatcher, client, finish
from skerry.servers.name import NameService

MILLISECOND: Final = 1_000_000  # ns
MOST_KEPT: Final = 8192  # rights of one service
MOST_NOTES: Final = 4096  # of one service
NAME_SERVER: Final = "name"
STOPPED, RUNNING, WAITING, GIVEN_UP = "stopped", "running", "waiting", "given up"


class Watched:
    """One service, and the task that serves it now (``lib.driver.GuardianPort``, as that task sees it)."""

    def __init__(self, server: Reincarnation, name: str, entry: str, devices: list[int], policy: dict[str, int]) -> None:
        """``devices``: names of our rights. ``policy``: stable, first_delay, longest_delay (ms), attempts. Raises CallError."""
        self._server = server
        self._service = server.service
        self.name = name
        self._entry = entry
        self._devices = devices
        self._policy = policy
        self._kept: dict[int, int] = {}  # rights by number
        self._numbers: dict[int, int] = {}  # the same, the other way round
        self._last_kept = 0
        self._notes: dict[str, bytes] = {}
        self._keys: list[str] = []  # of the notes, in order
        self.state = STOPPED
        self.starts = 0
        self._is_here = True  # the receive right
        self._came_back = WaitQueue()
        self.port = finish(self._service.kernel.mach_port_allocate(mach.MACH_PORT_RIGHT_RECEIVE))
        finish(self._service.kernel.mach_port_insert_right(self.port, self.port))
        self._bootstrap = self._service.new_port()
        finish(self._service.kernel.mach_port_insert_right(self._bootstrap, self._bootstrap))
        self._service.serve(self._bootstrap, Dispatcher(GuardianPort, self).answer)

    def start(self) -> None:
        """Have it run from now on."""
        if self.state == STOPPED:
            self.state = RUNNING
            self._service.start(self._tend())

    # For the task
    async def service_check_in(self) -> tuple[int, list[int], list[int], list[int]]:
        while not self._is_here:
            await self._came_back.wait()
        if self.state == GIVEN_UP:
            raise CallError(mach.KERN_INVALID_TASK)
        self._service.on_return(self.port, self._returned)
        self._is_here = False
        return self.port, self._devices, list(self._kept.values()), list(self._kept)

    def _returned(self) -> None:
        self._is_here = True
        self._came_back.wake()

    async def service_keep(self, right: int) -> int:
        known = self._numbers.get(right)
        if known is not None:
            self._service.deallocate(right)
            return known
        if len(self._kept) >= MOST_KEPT:
            raise CallError(mach.KERN_RESOURCE_SHORTAGE)
        self._last_kept += 1
        number = self._last_kept
        self._service.on_death(right, lambda: self._drop(number))
        self._kept[number] = right
        self._numbers[right] = number
        return number

    async def service_drop(self, number: int) -> None:
        if number not in self._kept:
            raise CallError(mach.KERN_INVALID_ARGUMENT)
        self._drop(number)

    def _drop(self, number: int) -> None:
        if number in self._kept:
            right = self._kept.pop(number)
            del self._numbers[right]
            self._service.deallocate(right)

    async def service_note(self, key: str, value: bytes) -> None:
        at = bisect_left(self._keys, key)
        if key in self._notes:
            del self._keys[at]
            del self._notes[key]
        elif value and len(self._notes) >= MOST_NOTES:
            raise CallError(mach.KERN_RESOURCE_SHORTAGE)
        if value:
            self._keys.insert(at, key)
            self._notes[key] = value

    async def service_notes(self, after: str) -> tuple[str, bytes]:
        at = bisect_right(self._keys, after)
        return (self._keys[at], self._notes[self._keys[at]]) if at < len(self._keys) else ("", b"")

    async def service_look_up(self, name: str) -> int:
        return await self._server.service_look_up(name)

    async def service_status(self) -> bytes:
        return await self._server.service_status()

    # The life of the service
    async def _tend(self) -> None:
        """Start it, again and again."""
        failures = 0
        clock = self._service.loop.clock
        while failures < self._policy["attempts"]:
            if failures:
                self.state = WAITING
                delay = min(self._policy["first_delay"] << failures - 1, self._policy["longest_delay"])
                await sleep_until(clock() + delay * MILLISECOND)
            begun = clock()
            if await self._live() and clock() - begun >= self._policy["stable"] * MILLISECOND:
                failures = 0
            else:
                failures += 1
        self.state = GIVEN_UP
        self._service.drop_receive(self.port)
        self._came_back.wake()
        self._server.report(f"the service {self.name} has died {failures} times in a row and is given up; what needs it fails")

    async def _live(self) -> bool:
        """One life, from its start to the return of the receive right; False if it does not start."""
        task = self._server.start_task(self._entry, self._bootstrap, self.name)
        if task == mach.MACH_PORT_NULL:
            return False
        self.state = RUNNING
        self.starts += 1
        dead = WaitQueue()
        is_dead: list[bool] = []

        def died() -> None:
            is_dead.append(True)
            dead.wake()

        try:
            self._service.on_death(task, died)
        except CallError:  # it is dead already
            is_dead.append(True)
        self._server.started(self)
        while not is_dead:
            await dead.wait()
        self._service.deallocate(task)
        while not self._is_here:
            await self._came_back.wait()
        return True


class Reincarnation:
    """All services (``lib.driver.GuardianPort``, as clients see it)."""

    def __init__(self, service: Service, factory: int, description: dict[str, Any], devices: dict[str, int]) -> None:
        """``factory`` and ``devices``: names of our rights. A service that needs a device which is not there does not exist.

        Raises CallError; KeyError for a description that lacks something.
        """
        self.service = service
        self._factory = factory
        self._channel = service.task.channel
        self._services: dict[str, Watched] = {}
        for name, about in description["services"].items():
            wanted = about.get("devices", [])
            if all(device in devices for device in wanted):
                policy = {**description["restart"], **about.get("restart", {})}
                self._services[name] = Watched(self, name, about["entry"], [devices[device] for device in wanted], policy)
        for name, about in description["services"].items():
            if about.get("start") == "boot" and name in self._services:
                self._services[name].start()

    def start_task(self, entry: str, bootstrap: int, name: str) -> int:
        """The name of a new task's port, or MACH_PORT_NULL."""
        code, data = self._channel.ask(driving.TRAP_START, values.pack(self._factory, entry, bootstrap, name))
        return mach.MACH_PORT_NULL if code else int(values.unpack(data)[0])

    def report(self, text: str) -> None:
        """Tell the user."""
        self._channel.ask(driving.TRAP_REPORT, values.pack(self._factory, text.encode()))

    def started(self, watched: Watched) -> None:
        """A service is there (again): the name server learns of it; a new name server of all."""
        names = self._services.get(NAME_SERVER)
        if names is None or names.state != RUNNING:
            return
        for each in self._services.values() if watched is names else [watched]:
            if each.state == RUNNING and (each is not watched or each is names or each.starts == 1):
                self.service.start(self._check_in(names, each))

    async def _check_in(self, names: Watched, watched: Watched) -> None:
        stub = client(NameService, self.service, names.port)
        try:
            await stub.netname_check_in(watched.name, names.port, watched.port)
        except (CallError, MessageFailure):
            return  # it has died: the next one is told everything

    async def service_check_in(self) -> tuple[int, list[int], list[int], list[int]]:
        raise CallError(mach.KERN_INVALID_TASK)

    async def service_keep(self, right: int) -> int:
        raise CallError(mach.KERN_INVALID_TASK)

    async def service_drop(self, number: int) -> None:
        raise CallError(mach.KERN_INVALID_TASK)

    async def service_note(self, key: str, value: bytes) -> None:
        raise CallError(mach.KERN_INVALID_TASK)

    async def service_notes(self, after: str) -> tuple[str, bytes]:
        raise CallError(mach.KERN_INVALID_TASK)

    async def service_look_up(self, name: str) -> int:
        watched = self._services.get(name)
        if watched is None:
            raise CallError(mach.KERN_INVALID_NAME)
        watched.start()
        port: int = watched.port
        return port

    async def service_status(self) -> bytes:
        return json.dumps({name: {"state": each.state, "starts": each.starts} for name, each in self._services.items()}).encode()


def main(channel: Channel, port: int, factory: int, description: str, devices: str) -> None:
    """The server's program. ``port``: the name of the receive right that clients look services up at; the others: names, and JSON."""
    service = Service(channel)
    server = Reincarnation(service, factory, json.loads(description), json.loads(devices))
    service.serve(port, Dispatcher(GuardianPort, server).answer)
    service.run()
