"""The program of every driver: it has one device, and does for its clients what they ask of it.

What the device can do, and what is kept of it over the death of a driver, is the machine's and the kernel's (``abi.driving``): so one
program serves for all of them. A driver adds the messages: calls come as requests, interrupts go out to the client that asked for them. One
whose client takes no messages now waits, and is acknowledged when it has been taken.
"""

from __future__ import annotations

from typing import Any, Final

from skerry.abi import driving, mach, machmsg, traps, values
from skerry.abi.machmsg import UserMessage
from skerry.lib.channel import Channel, MessageFailure
from skerry.lib.coroutine import sleep_until
from skerry.lib.driver import DriverPort, GuardianPort
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, Dispatcher, client, finish

PATIENCE: Final = 1_000_000  # ns until a client that takes no messages is tried again


class Driver:
    """The service (``lib.driver.DriverPort``)."""

    def __init__(self, service: Service, guardian: GuardianPort, device: int, clients: dict[int, int]) -> None:
        """``clients``: where the interrupts of each go, by its number. Raises CallError."""
        self._service = service
        self._guardian = guardian
        self._device = device
        self._clients: dict[int, int] = {}
        self._channel = service.task.channel
        for number, right in clients.items():
            self._add(number, right)
        interrupts = service.new_port()
        service.serve(interrupts, self.interrupt)
        self._ask(driving.TRAP_INTERRUPTS, interrupts)

    def _ask(self, number: int, *arguments: Any) -> bytes:
        """Make a trap on the device. Raises CallError."""
        code, data = self._channel.ask(number, values.pack(self._device, *arguments))
        while code == traps.MORE:
            code, more = self._channel.ask(driving.TRAP_REST, b"")
            data += more
        if code:
            raise CallError(code)
        return data

    async def driver_attach(self, interrupts: int) -> int:
        number = await self._guardian.service_keep(interrupts)
        self._add(number, interrupts)
        return number

    def _add(self, number: int, interrupts: int) -> None:
        """Have a client; ``interrupts`` is ours until it is dead."""
        if number in self._clients:
            self._service.deallocate(interrupts)
            return
        try:
            self._service.on_death(interrupts, lambda: self._remove(number))
        except CallError:  # it is
            return
        self._clients[number] = interrupts

    def _remove(self, number: int) -> None:
        self._service.deallocate(self._clients.pop(number))

    async def device_invoke(self, transaction: int, target: int, method: bytes, arguments: bytes) -> bytes:
        result, files = values.unpack(self._ask(driving.TRAP_INVOKE, transaction, target, method, arguments))
        for name in files:  # who wants them calls device_open
            self._service.deallocate(name)
        return bytes(result)

    async def device_open(self, transaction: int, target: int, method: bytes, arguments: bytes) -> tuple[bytes, list[int]]:
        result, files = values.unpack(self._ask(driving.TRAP_INVOKE, transaction, target, method, arguments))
        return result, files

    async def device_forget(self, objects: list[int]) -> None:
        self._ask(driving.TRAP_FORGET, *objects)

    # Interrupts
    async def interrupt(self, message: UserMessage) -> tuple[int, UserMessage]:
        """A message of the kernel: tell the clients, then acknowledge."""
        (item,) = machmsg.parse_items(message.body)
        numbers = memoryview(bytes(item.data)).cast("Q").tolist()
        for number in {number >> driving.CLIENT_SHIFT for number in numbers}:
            mine = [each for each in numbers if each >> driving.CLIENT_SHIFT == number]
            await self._tell(number, mine)
            self._ask(driving.TRAP_ACKNOWLEDGE, *mine)
        return mach.KERN_SUCCESS, UserMessage(0)

    async def _tell(self, number: int, numbers: list[int]) -> None:
        """Send interrupts to a client, if there is one of that number, when it takes them."""
        body = machmsg.pack_items((machmsg.naturals(*numbers),))
        while number in self._clients:
            told = UserMessage(driving.INTERRUPT, self._clients[number], remote_type=mach.MSG_TYPE_COPY_SEND, body=body)
            try:
                self._service.task.send(told, timeout=0)
            except MessageFailure as failure:
                if failure.code != mach.MACH_SEND_TIMED_OUT:  # it is dead, as we are about to be told
                    return
                if failure.message is not None:
                    self._service.deallocate(failure.message.remote)  # the right that carried it has come back
                await sleep_until(self._channel.clock() + PATIENCE)
            else:
                return


def main(channel: Channel) -> None:
    """What the factory starts."""
    service = Service(channel)
    bootstrap = finish(service.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT))
    port, (device,), rights, numbers = finish(client(GuardianPort, service.task, bootstrap).service_check_in())
    clients = dict(zip(numbers, rights, strict=True))
    driver = Driver(service, client(GuardianPort, service, bootstrap), device, clients)
    service.serve(port, Dispatcher(DriverPort, driver).answer)
    service.run()
