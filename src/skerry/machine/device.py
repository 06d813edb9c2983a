"""The machine's devices for who is not in the kernel's process: which calls there are, and an object that makes them from afar.

A device is an object of one of CLASSES; what may be called are its methods without underscore. What they take and give are the values of
``skerry.abi.values``: numbers, bytes, tuples, other devices, and callbacks without arguments.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from itertools import repeat
from types import FunctionType, UnionType
from typing import Any, Final, Self, Union, get_args, get_origin, get_type_hints

from skerry.machine import _host, host
from skerry.machine.clock import HostClock
from skerry.machine.hostdisk import HostDisk
from skerry.machine.hostnode import HostNode
from skerry.machine.hosttree import HostTree
from skerry.machine.layernode import LayerNode
from skerry.machine.memory import HostFile, MemoryObject
from skerry.machine.network import HostDatagrams, HostListener, HostNetwork, HostSocket
from skerry.machine.stream import Stream
from skerry.machine.translator import TranslatorDevice

ATTRIBUTES: Final[dict[type, tuple[str, ...]]] = {  # by class: what never changes, and goes along with the name
    HostTree: (),
    HostClock: (),
    HostDisk: ("size", "writable"),
    HostNode: ("writable",),
    LayerNode: ("writable",),
    Stream: ("is_terminal", "mode", "kind", "rdev"),
    HostFile: (),
    MemoryObject: (),
    HostNetwork: (),
    HostSocket: (),
    HostListener: (),
    HostDatagrams: (),
    TranslatorDevice: (),
}
FACTS: Final[dict[str, Callable[[], Any]]] = {
    fact.__name__: fact
    for fact in (
        host.memory_bytes,
        host.processor_caches,
        host.processor_facts,
        host.processor_time,
        host.load_averages,
        host.memory_events,
        host.own_bytes,
        host.own_usage,
        host.programs_usage,
    )
}
READS: Final = ("read", "receive")  # methods whose last argument is how many bytes at most
MOST: Final = 1 << 24
CHANNEL_SIZE: Final = _host.CHANNEL_SIZE
CHANNEL_PARTS: Final = ((0x1000, 0xB000), (0x10000, CHANNEL_SIZE))  # of a channel, for who serves its contexts: not what its mapper obeys


def is_device(target: object) -> bool:
    """Whether ``target`` is a device."""
    return any(kind in ATTRIBUTES for kind in type(target).__mro__)


def describe(target: object) -> tuple[Any, ...]:
    """What goes along with a device's name: whether it is a file's contents, and the attributes."""
    attributes = next(ATTRIBUTES[kind] for kind in type(target).__mro__ if kind in ATTRIBUTES)
    return isinstance(target, HostFile), tuple((name.encode(), getattr(target, name)) for name in attributes)


def call(target: object, method: str, arguments: tuple[Any, ...]) -> Any:
    """The result of a device's method. The arguments may be anything: they are held against what the method says that it takes.

    Raises OSError; ValueError for what is no method of a device, TypeError for wrong arguments.
    """
    function = getattr(type(target), method, None)
    if not is_device(target) or method.startswith("_") or not isinstance(function, FunctionType):
        raise ValueError(f"no device has a method {method!r}")
    kinds = parameters(function)
    if len(arguments) > len(kinds) or not all(fits(value, kind, target) for value, kind in zip(arguments, kinds, strict=False)):
        raise TypeError(f"{method} takes {kinds}")
    if method in READS:
        arguments = (*arguments[:-1], min(arguments[-1], MOST))
    try:
        return function(target, *arguments)
    except MemoryError:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from None


@cache
def parameters(function: FunctionType) -> tuple[Any, ...]:
    """The types of a method's parameters, but for the object's own."""
    hints = get_type_hints(function)
    hints.pop("return", None)
    return tuple(hints.values())


def fits(value: object, kind: Any, target: object) -> bool:
    """Whether ``value`` is of the type ``kind``; ``Self`` is the class of ``target``."""
    if kind is Self:
        return type(value) is type(target)
    origin = get_origin(kind)
    if origin is Union or origin is UnionType:
        return any(fits(value, choice, target) for choice in get_args(kind))
    if origin is tuple:
        kinds = get_args(kind)
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(fits, value, kinds, repeat(target)))
    if origin is Callable:
        return callable(value)
    return isinstance(value, int if kind is bool else kind)
