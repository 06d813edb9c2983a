"""Assembles a system out of a machine, a kernel and servers, and runs a program on it."""

from __future__ import annotations

import resource
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from skerry import warm
from skerry.machine import Machine, MachineError
from skerry.machine.stream import TerminalModes
from skerry.messages import say
from skerry.options import Config, Options, UserError
from skerry.standard_streams import StandardStreams

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.control.programs import Owner
    from skerry.stats import Statistics
    from skerry.translators import Translators


def run(options: Options, owner: Owner | None = None) -> int:
    """Run the program to its end; the exit status of the command. ``owner``: a system without a program, that is controlled from outside.

    Raises UserError.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    statistics = _statistics() if options.stats and options.config is Config.MACH_COLOCATED else None
    try:
        with (
            StandardStreams() as streams,
            TerminalModes(),
            Machine(options.config is Config.MACH) as machine,
            _translators(options, say if owner is None else owner.say) as attached,
        ):
            if options.config is Config.MACH:
                with warm.template(machine, options) as template:
                    from skerry import userlevel

                    status = userlevel.run(machine, options, streams.open, owner, attached, template)
            else:
                from skerry import colocated

                warm.forget()
                status = colocated.run(machine, options, streams.open, statistics, owner, attached)
    except MachineError as error:
        raise UserError(str(error)) from error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if statistics is not None:
        say(statistics.report(status))
    return status


def _translators(options: Options, tell: Callable[[str], None]) -> AbstractContextManager[Translators | None]:
    if not options.mounts:
        return nullcontext()
    from skerry.translators import Translators

    return Translators(options.mounts, tell)


def _statistics() -> Statistics:
    from skerry.stats import Statistics

    return Statistics()
