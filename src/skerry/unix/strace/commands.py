"""Arguments whose kind depends on a command or an option in another argument: fcntl, ioctl, futex, prctl, clone."""

from __future__ import annotations

from typing import Final

from skerry.abi import linux
from skerry.unix.strace import events, facts, names, structures
from skerry.unix.strace.kinds import After, By, Custom, Ending, Flags, Kind, Moment, Named, Text, flags, pointed, pointer
from skerry.unix.strace.structures import ADDRESS, HEX, INT, LONG, OPEN_FLAGS, SIGNAL, TIMESPEC, UNSIGNED

TEXT: Final = Text()
MASK_IN_FRAME: Final = 296  # of the ucontext that lies at the stack pointer


def fcntl_note(moment: Moment) -> str:
    command = moment.words[1] & 0xFFFFFFFF
    if command == linux.F_GETFL:
        return "flags " + (OPEN_FLAGS.text(moment, moment.result) or "")
    return "flags " + flags(moment.result, names.DESCRIPTOR) if command == linux.F_GETFD and moment.result else ""


_BITS: Final = (linux.F_GETFD, linux.F_GETFL, linux.F_GET_SEALS)  # commands whose result is flags
FCNTL_RESULT: Final = Custom(
    lambda moment, word: (
        f"{word:#x}" if word and moment.words[1] & 0xFFFFFFFF in (linux.F_GETFD, linux.F_GETFL, linux.F_GET_SEALS) else str(word)
    )
)
FCNTL: Final = Ending(
    By(
        1,
        {
            **dict.fromkeys((linux.F_GETFD, linux.F_GETFL, linux.F_GETOWN, linux.F_GETSIG, linux.F_GETLEASE, linux.F_GETPIPE_SZ), None),
            linux.F_GET_SEALS: None,
            linux.F_SETFD: Flags(names.DESCRIPTOR),
            linux.F_SETFL: OPEN_FLAGS,
            **dict.fromkeys((linux.F_SETLK, linux.F_SETLKW, linux.F_OFD_SETLK, linux.F_OFD_SETLKW), structures.FLOCK),
            **dict.fromkeys((linux.F_GETLK, linux.F_OFD_GETLK), After(structures.FLOCK_FOUND)),
            linux.F_SETSIG: SIGNAL,
            linux.F_SETOWN_EX: structures.OWNER,
            linux.F_GETOWN_EX: After(structures.OWNER),
        },
        LONG,
    )
)
IOCTL: Final = Ending(
    By(
        1,
        {
            linux.TCGETS: After(facts.TERMIOS),
            **dict.fromkeys((linux.TCSETS, linux.TCSETSW, linux.TCSETSF), facts.TERMIOS),
            linux.TIOCGWINSZ: After(facts.WINSIZE),
            linux.TIOCSWINSZ: facts.WINSIZE,
            **dict.fromkeys((linux.TIOCGPGRP, linux.TIOCGSID, linux.FIONREAD, linux.TIOCOUTQ, linux.TIOCGPTN), After(pointed("i", INT))),
            **dict.fromkeys((linux.TIOCSPGRP, linux.FIONBIO, linux.FIOASYNC, linux.TIOCSPTLCK), pointed("i", INT)),
            **dict.fromkeys((linux.FIOCLEX, linux.FIONCLEX, linux.TIOCEXCL, linux.TIOCNXCL, linux.TIOCNOTTY), None),
            **dict.fromkeys((linux.TIOCSCTTY, linux.FICLONE), INT),
        },
        HEX,
    )
)
_FUTEX_COMMAND: Final = linux.FUTEX_CMD_MASK
_TIMED: Final = (linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET, linux.FUTEX_LOCK_PI, linux.FUTEX_WAIT_REQUEUE_PI, linux.FUTEX_LOCK_PI2)
_WITHOUT_VALUE: Final = (linux.FUTEX_LOCK_PI, linux.FUTEX_UNLOCK_PI, linux.FUTEX_TRYLOCK_PI, linux.FUTEX_LOCK_PI2)
_REQUEUES: Final = (linux.FUTEX_REQUEUE, linux.FUTEX_CMP_REQUEUE, linux.FUTEX_WAKE_OP, linux.FUTEX_CMP_REQUEUE_PI)


def _futex_command(moment: Moment, word: int) -> str:
    name = names.FUTEX.get(word & _FUTEX_COMMAND, hex(word & _FUTEX_COMMAND))
    private = "_PRIVATE" if word & linux.FUTEX_PRIVATE_FLAG else ""
    return name + private + ("|FUTEX_CLOCK_REALTIME" if word & linux.FUTEX_CLOCK_REALTIME else "")


def _futex_operation(moment: Moment, word: int) -> str:
    operation, comparison = word >> 28 & 0xF, word >> 24 & 0xF
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if operation & linux.FUTEX_OP_OPARG_SHIFT else ""
    name = names.FUTEX_OPERATION.get(operation & 7, str(operation & 7))
    argument, against = word >> 12 & 0xFFF, word & 0xFFF
    how = names.FUTEX_COMPARISON.get(comparison, comparison)
    return f"{shift}{name}<<28|{argument:#x}<<12|{how}<<24|{against:#x}".replace("0x0", "0")


BITSET: Final = Custom(lambda moment, word: "FUTEX_BITSET_MATCH_ANY" if word & 0xFFFFFFFF == 0xFFFFFFFF else f"{word & 0xFFFFFFFF:#x}")
WORD32: Final = Custom(lambda moment, word: str(word & 0xFFFFFFFF))
FUTEX: Final = (
    ADDRESS,
    Custom(_futex_command),
    By(
        1,
        dict.fromkeys((linux.FUTEX_LOCK_PI, linux.FUTEX_UNLOCK_PI, linux.FUTEX_TRYLOCK_PI, linux.FUTEX_LOCK_PI2), None),
        WORD32,
        _FUTEX_COMMAND,
    ),
    By(1, {**dict.fromkeys(_TIMED, TIMESPEC), **dict.fromkeys(_REQUEUES, WORD32)}, None, _FUTEX_COMMAND),
    By(1, dict.fromkeys((*_REQUEUES, linux.FUTEX_WAIT_REQUEUE_PI), ADDRESS), None, _FUTEX_COMMAND),
    By(
        1,
        {
            **dict.fromkeys((linux.FUTEX_WAIT_BITSET, linux.FUTEX_WAKE_BITSET), BITSET),
            **dict.fromkeys((linux.FUTEX_CMP_REQUEUE, linux.FUTEX_CMP_REQUEUE_PI), WORD32),
            linux.FUTEX_WAKE_OP: Custom(_futex_operation),
        },
        None,
        _FUTEX_COMMAND,
    ),
)


def _prctl(*known: tuple[int, tuple[Kind, ...]]) -> tuple[Kind, ...]:
    """The four arguments behind prctl's option: those that the option has."""
    table = dict(known)
    places = ({option: kinds[place] if place < len(kinds) else None for option, kinds in table.items()} for place in range(4))
    return tuple(Ending(By(0, cases, HEX)) for cases in places)


PRCTL: Final = _prctl(
    (linux.PR_SET_NAME, (TEXT,)),
    (linux.PR_GET_NAME, (After(TEXT),)),
    (linux.PR_SET_PDEATHSIG, (SIGNAL,)),
    (linux.PR_GET_PDEATHSIG, (After(pointed("i", SIGNAL)),)),
    (linux.PR_SET_DUMPABLE, (Named(names.DUMPABLE),)),
    (linux.PR_CAPBSET_READ, (Named(names.CAPABILITY),)),
    (linux.PR_CAPBSET_DROP, (Named(names.CAPABILITY),)),
    (linux.PR_SET_NO_NEW_PRIVS, (UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED)),
    (linux.PR_GET_NO_NEW_PRIVS, (UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED)),
    (linux.PR_SET_KEEPCAPS, (UNSIGNED,)),
    (linux.PR_SET_TIMERSLACK, (UNSIGNED,)),
    (linux.PR_SET_CHILD_SUBREAPER, (UNSIGNED,)),
    (linux.PR_GET_CHILD_SUBREAPER, (After(pointed("i", INT)),)),
    *((option, ()) for option in (linux.PR_GET_DUMPABLE, linux.PR_GET_KEEPCAPS, linux.PR_GET_SECCOMP, linux.PR_GET_TIMERSLACK)),
)


def prctl_note(moment: Moment) -> str:
    return names.DUMPABLE.get(moment.result, "") if moment.words[0] == linux.PR_GET_DUMPABLE else ""


def _when(bits: int, index: int, name: str) -> Kind:
    """An argument of clone that is there only with one of the flags ``bits``."""
    return Custom(lambda moment, word: f"{name}={pointer(moment.words[index])}" if moment.words[0] & bits else None)


CLONE: Final = (  # in strace's order, which is not the registers'
    Custom(lambda moment, word: f"child_stack={pointer(moment.words[1])}"),
    Custom(lambda moment, word: f"flags={events.clone_flags(moment.words[0])}"),
    _when(linux.CLONE_PARENT_SETTID | linux.CLONE_PIDFD, 2, "parent_tid"),
    _when(linux.CLONE_SETTLS, 4, "tls"),
    _when(linux.CLONE_CHILD_SETTID | linux.CLONE_CHILD_CLEARTID, 3, "child_tidptr"),
)
NEW_ADDRESS: Final = Custom(lambda moment, word: pointer(word) if moment.words[3] & linux.MREMAP_FIXED else None)


def _time_left(moment: Moment, word: int) -> str | None:
    return TIMESPEC.text(moment, word) if moment.result == -linux.EINTR else pointer(word)


TIME_LEFT: Final = Ending(Custom(_time_left))


def _frame_mask(moment: Moment, word: int) -> str:
    """What the signal frame at the stack pointer puts back."""
    return "{mask=" + events.signal_set_at(moment, moment.stack + MASK_IN_FRAME) + "}"


FRAME_MASK: Final = Custom(_frame_mask)
ARCH_PRCTL: Final = Ending(By(0, dict.fromkeys((linux.ARCH_GET_FS, linux.ARCH_GET_GS), After(pointed("Q", ADDRESS))), ADDRESS))
MEMBARRIER_RESULT: Final = Custom(lambda moment, word: f"{word:#x}" if word else "0")


def membarrier_note(moment: Moment) -> str:
    return flags(moment.result, names.MEMBARRIER) if moment.result else ""
