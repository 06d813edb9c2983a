"""A row of the table of calls, and the boundary where a call's errors become its code.

A row binds a declared call (``skerry.abi.kernel_calls``) to the function that does it and says how far it goes. The function gets the
object that the port stands for and the arguments; it returns the result, or a tuple where there are several. Where the answer is not there
yet it returns a :class:`Later`. Rights of a call that failed are released here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from skerry.abi.routine import Block, Right, RightArray, Routine, Type, Words, routines
from skerry.mach.absent import Absent
from skerry.mach.errors import CallFailure, KernError, KernReturn
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import Held, RightKind

FULL: Final = "full"
PARTIAL: Final = "partial"
NONE: Final = "none"  # has no meaning on this machine: the note says which code it returns


class Kind(Enum):
    """What an argument or result is, in Python and in a message."""

    INT = "int"  # 32 bits, signed
    NAME = "name"  # 32 bits, unsigned: a name of the target task, or a count
    NATURAL = "natural"  # 64 bits, unsigned
    BYTES = "bytes"  # inline or out of line; as a result, bytes or a vm.MemoryCopy
    MEMORY = "memory"  # as BYTES, but a request's is not turned into bytes: bytes or a vm.MemoryCopy
    INLINE = "inline"  # bytes, as a result always inline
    NAMES = "names"  # an array of NAME
    NATURALS = "naturals"  # an array of NATURAL
    RIGHT = "right"  # (RightKind, Port) or None
    SENDS = "sends"  # ports, a send right to each


INT, NAME, NATURAL, BYTES, MEMORY, INLINE, NAMES, NATURALS, RIGHT, SENDS = Kind
_WORDS: Final = {"<i": INT, "<I": NAME, "<Q": NATURAL}


def _kind(form: Type) -> Kind:
    if isinstance(form, Block) and form.pages:
        return MEMORY
    if isinstance(form, Block):
        return BYTES if form.limit > 128 else INLINE
    if isinstance(form, Words):
        return NATURALS if form.code == "Q" else NAMES
    if isinstance(form, Right):
        return RIGHT
    return SENDS if isinstance(form, RightArray) else _WORDS[form.code]


@dataclass(frozen=True, slots=True)
class Call:
    """A row. ``support``: FULL, PARTIAL or NONE; ``note`` says what is missing."""

    name: str
    id: int
    target: type | tuple[type, ...]
    function: Callable[..., Any]
    arguments: tuple[Kind, ...] = ()
    results: tuple[Kind, ...] = ()
    support: str = FULL
    note: str = ""


class Rows:
    """The rows of one interface, as they are bound."""

    def __init__(self, interface: type, *targets: type) -> None:
        """``interface``: the Protocol that declares the calls; ``targets``: whose ports understand them."""
        self._declared: dict[str, Routine] = {row.name: row for row in routines(interface)}
        self._target = targets
        self.rows: list[Call] = []

    def bind(self, name: str, function: Callable[..., Any], support: str = FULL, note: str = "") -> None:
        """Have ``function`` do the call ``name``."""
        row = self._declared.pop(name)
        arguments, results = (tuple(_kind(form) for form in forms) for forms in (row.arguments, row.results))
        self.rows.append(Call(name, row.id, self._target, function, arguments, results, support, note))

    def complete(self) -> tuple[Call, ...]:
        """The rows; every declared call must have been bound."""
        assert not self._declared, sorted(self._declared)
        return tuple(self.rows)


class Later:
    """The result of a call that waits. ``then`` is told once, by ``finish``, what it came to."""

    __slots__ = ("_call", "_outcome", "_then", "reply")

    def __init__(self) -> None:
        self.reply: Port | None = None  # where the answer will go, if by message
        self._then: Callable[[int, tuple[Any, ...]], None] | None = None
        self._call: Call | None = None
        self._outcome: tuple[int, tuple[Any, ...]] | None = None  # until somebody waits for it

    def wait(self, call: Call, then: Callable[[int, tuple[Any, ...]], None]) -> None:
        self._call, self._then = call, then
        if self._outcome is not None:
            self._then = None
            then(*self._outcome)

    def finish(self, code: int, *results: Any) -> None:
        """The call is over; ``code`` is a kern_return_t or a D_* code."""
        then, self._then = self._then, None
        if then is not None:
            then(code, results)
        else:
            self._outcome = code, results


def perform(call: Call, target: Any, arguments: tuple[Any, ...]) -> tuple[int, tuple[Any, ...]]:
    """The boundary: KernError and CallFailure become a code here. The results are one for each kind of ``call.results``, or one Later."""
    try:
        if not isinstance(target, call.target):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        result = call.function(target, *arguments)
    except (KernError, CallFailure) as error:
        release(*_rights_in(call, arguments))
        return error.code, ()
    except Absent as absent:
        later = Later()
        absent.wait(lambda code: _again(call, target, arguments, later, code))
        return KernReturn.SUCCESS, (later,)
    if isinstance(result, Later):
        return KernReturn.SUCCESS, (result,)
    if len(call.results) == 0:
        return KernReturn.SUCCESS, ()
    return KernReturn.SUCCESS, (result,) if len(call.results) == 1 else tuple(result)


def _again(call: Call, target: Any, arguments: tuple[Any, ...], later: Later, code: int) -> None:
    """The memory that the call needs is there, or does not come."""
    if code:
        release(*_rights_in(call, arguments))
        later.finish(code)
        return
    code, values = perform(call, target, arguments)
    if values and isinstance(values[0], Later):
        values[0].reply = later.reply
        values[0].wait(call, lambda code, values: later.finish(code, *values))
    else:
        later.finish(code, *values)


def _rights_in(call: Call, arguments: tuple[Any, ...]) -> list[Held]:
    held: list[Held] = []
    for kind, argument in zip(call.arguments, arguments, strict=True):
        if kind is RIGHT and argument is not None:
            held.append(argument)
        elif kind is SENDS:
            held += [(RightKind.SEND, port) for port in argument]
    return held


# Rights as arguments
HeldOrNone = tuple[RightKind, Port] | None


def send_right(held: HeldOrNone) -> Port | None:
    """The port of a send right (or of none). Raises INVALID_CAPABILITY for other rights."""
    if held is None:
        return None
    if held[0] is not RightKind.SEND:
        raise KernError(KernReturn.INVALID_CAPABILITY)
    return held[1]


def as_send(port: Port | None) -> HeldOrNone:
    """A send right as a result."""
    return None if port is None else (RightKind.SEND, port)


def object_of(held: HeldOrNone, kind: type | tuple[type, ...], code: KernReturn = KernReturn.INVALID_ARGUMENT) -> Any:
    """The kernel's object behind a right, which stays the caller's. Raises ``code`` if it is no port of such an object."""
    target = None if held is None or held[1].kernel_object is None else getattr(held[1].kernel_object, "target", None)
    if not isinstance(target, kind):
        raise KernError(code)
    return target
