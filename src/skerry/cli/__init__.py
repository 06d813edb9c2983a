"""The command `skerry`."""

from __future__ import annotations

import os
import sys

import click

from skerry.options import Bind, Options, UserError, Writes

KEPT = ("PATH", "HOME", "TERM", "USER", "LOGNAME", "SHELL", "TZ", "LANG")
SIZES = {"k": 10, "m": 20, "g": 30, "t": 40}


@click.group()
@click.version_option(package_name="skerry")
def main() -> None:
    """Run Linux programs on a microkernel.

    A program gets a Unix of its own over a read-only view of this machine's files: what it writes stays inside.

    \b
    skerry run -- ls -l /usr
    skerry run -- sh -c 'echo hello > /etc/motd; cat /etc/motd'
    """


def _bind(text: str) -> Bind:
    words = text.split(":")
    writes = Writes(words.pop()) if len(words) > 1 and words[-1] in ("ro", "rw") else Writes.LAYER
    source, place = words[0], ":".join(words[1:])
    if not source:
        raise UserError(f"--bind {text}: no host directory: SRC[:DST[:ro|rw]]")
    if place and not place.startswith("/"):
        raise UserError(f"--bind {text}: the place inside must be an absolute path: SRC[:/DST[:ro|rw]]")
    path = os.path.abspath(source)
    return Bind(os.fsencode(path), os.fsencode(place or path), writes)


def _size(text: str) -> int:
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    if not number.isdigit() or (unit and unit not in SIZES):
        raise UserError(f"--memory {text}: not a size: give a number with K, M, G or T, like 512M")
    return int(number) << SIZES.get(unit, 0)


def _environment(extra: tuple[str, ...]) -> list[bytes]:
    chosen = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith("LC_")}
    for item in extra:
        key, equals, value = item.partition("=")
        chosen[key] = value if equals else os.environ.get(key, "")
    return [os.fsencode(f"{key}={value}") for key, value in chosen.items()]


@main.command(context_settings={"ignore_unknown_options": False})
@click.option("--config", type=click.Choice(["mach-colocated"]), default="mach-colocated", help="Kernel, and where Unix runs.")
@click.option("--root", default="/", help="Host directory to be the root inside (default: the host's /).")
@click.option("--bind", multiple=True, metavar="SRC[:DST]", help="Show a host directory inside, at DST; writes stay inside.")
@click.option("--env", multiple=True, metavar="K[=V]", help="Set a variable, or pass the host's on.")
@click.option("--cwd", default="", help="Directory inside to start in (default: the current one).")
@click.option("--memory", default="", metavar="SIZE", help="Most memory a process may map, like 512M.")
@click.option("--strace", is_flag=True, help="Print every system call on standard error, as strace -f does.")
@click.option("--stats", is_flag=True, help="Say at the end what it took, on standard error.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    config: str,
    root: str,
    bind: tuple[str, ...],
    env: tuple[str, ...],
    cwd: str,
    memory: str,
    strace: bool,
    stats: bool,
    command: tuple[str, ...],
) -> None:
    """Run CMD inside and exit with its status.

    128+n: it died of signal n. 125: Skerry itself failed. 126: CMD cannot be executed. 127: CMD was not found.

    \b
    skerry run -- gcc -O2 x.c -o /tmp/x
    skerry run --bind ~/project:/src --cwd /src -- make -j2
    """
    from skerry import system

    try:
        options = Options(
            arguments=[os.fsencode(word) for word in command],
            root=os.fsencode(root),
            binds=[_bind(text) for text in bind],
            environment=_environment(env),
            directory=os.fsencode(cwd or os.getcwd()),
            directory_given=bool(cwd),
            memory=_size(memory) if memory else 0,
            strace=strace,
            stats=stats,
        )
        status = system.run(options)
    except UserError as error:
        print(f"skerry: {error}", file=sys.stderr)
        sys.exit(error.status)
    sys.exit(status)
