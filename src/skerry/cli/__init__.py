"""The command `skerry`: a group of commands, each in a module that is imported only when it is given."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Final, NoReturn

import click

from skerry.cli.help import READ_ON, WIDTH
from skerry.messages import say
from skerry.options import UserError

COMMANDS: Final = {  # name: module, what it does
    "run": ("skerry.cli.run", "Run a program inside and exit with its status."),
    "diff": ("skerry.cli.diff", "Show what runs with --upper DIR have changed."),
    "commit": ("skerry.cli.commit", "Apply what runs with --upper DIR have changed."),
    "ps": ("skerry.cli.ps", "List running systems, their processes and tasks."),
    "top": ("skerry.cli.top", "Watch running systems: processor, memory, traps, messages."),
    "ports": ("skerry.cli.ports", "Show tasks' rights, ports and their queues."),
    "trace": ("skerry.cli.trace", "Trace a running system; the trace opens in Perfetto."),
    "demo": ("skerry.cli.demo", "Boot a system, do real work on it, and compare with the host."),
    "calls": ("skerry.cli.calls", "List the system calls and how far each is supported."),
    "doctor": ("skerry.cli.doctor", "Check whether this host has what Skerry needs."),
}
GROUPS: Final = {
    "Run programs": ("run", "diff", "commit"),
    "Look into running systems": ("ps", "top", "ports", "trace"),
    "Get to know it": ("demo", "doctor", "calls"),
}
FAILURE: Final = 1
USAGE_ERROR: Final = 2
OWN_FAILURE: Final = 125  # of `skerry run`: neither the program's status nor a signal's


class Commands(click.Group):
    """A group that loads commands late, suggests what was meant, and says in one line what is wrong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}; to run a program: skerry run -- {args[0]}"
            raise click.UsageError(f"no command {args[0]}: {advice}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names])


@click.group(cls=Commands, no_args_is_help=True, context_settings=WIDTH, epilog=f"skerry COMMAND --help explains each. {READ_ON}")
@click.version_option(package_name="skerry", message="skerry %(version)s")
def skerry() -> None:
    """Run Linux programs on a microkernel in Python.

    A program gets a Unix of its own over a read-only view of this machine's files: what it writes stays inside, and it sees no other
    process and no network.

    \b
    skerry doctor                                  will it work here?
    skerry run -- ls -l /usr                       any program of this machine
    skerry run -- sh -c 'rm ~/.bashrc; ls -a ~'    gone inside, not outside
    """


def main() -> NoReturn:
    """Do what the command line says; what is wrong with it is said in one line."""
    try:
        skerry.main(prog_name="skerry", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(f"{error.format_message()}\n")
        sys.exit(USAGE_ERROR)
    except click.UsageError as error:
        given = [word for word in sys.argv[1:2] if word in COMMANDS]
        where = error.ctx.command_path if error.ctx is not None else " ".join(["skerry", *given])  # the parser of options knows none
        message = " ".join(error.format_message().rstrip(".?").split())
        say(f"{where}: {message[:1].lower()}{message[1:]}: see `{where} --help`\n")
        sys.exit(OWN_FAILURE if where == "skerry run" else USAGE_ERROR)
    except UserError as error:
        say(f"skerry: {error}\n")
        sys.exit(FAILURE)
    except BrokenPipeError:  # who reads the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(128 + signal.SIGPIPE)
    except click.Abort:
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)
