"""`skerry run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

import click

from skerry.cli.disks import parse_disk_images
from skerry.cli.help import READ_ON, WIDTH, GroupedOptions
from skerry.cli.network import parse_publish
from skerry.messages import say
from skerry.options import Bind, Config, Mount, Net, Options, UserError, Writes

KEPT: Final = ("PATH", "HOME", "TERM", "USER", "LOGNAME", "SHELL", "TZ", "LANG")  # of the environment, and LC_*
PERSONAL: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL")  # of these
OWN_FAILURE: Final = 125  # neither the program's status nor a signal's
SMALLEST: Final = 0.001  # of numbers that are not whole
LARGEST: Final = 1e9
SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
GROUPS: Final = {  # of options, in help
    "Files": ("root", "bind", "upper", "mount", "disk_image", "cwd"),
    "User and environment": ("user", "env"),
    "Network": ("net", "publish"),
    "Limits, on all processes together": ("memory", "swap", "disk", "pids", "cpus", "timeout"),
    "Looking": ("strace", "stats", "trace"),
    "System": ("config",),
}
UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def parse_bind(text: str) -> Bind:
    """``SRC[:DST[:ro|rw]]``; the place is by default the source's own. Raises UserError."""
    words = text.split(":")
    writes = Writes(words.pop()) if len(words) > 1 and words[-1] in ("ro", "rw") else Writes.LAYER
    source, place, *more = (*words, "") if len(words) == 1 else words
    if not source:
        raise UserError(f"--bind {text}: no host directory: give SRC[:/DST[:ro|rw]]")
    if more:
        raise UserError(f"--bind {text}: {more[-1]} is neither ro nor rw: give SRC[:/DST[:ro|rw]]")
    if place and not place.startswith("/"):
        raise UserError(f"--bind {text}: {place} is not an absolute path, ro or rw: give SRC[:/DST[:ro|rw]]")
    path = os.path.abspath(source)
    return Bind(os.fsencode(path), os.fsencode(place or path), writes)


def parse_mount(text: str) -> Mount:
    """``/PLACE=FILE.py:CLASS``, or ``/PLACE=URL[:rw]``. Raises UserError."""
    place, equals, source = text.partition("=")
    if not equals or not source or not place.startswith("/"):
        raise UserError(f"--mount {text}: give /PLACE=FILE.py:CLASS, or /PLACE=URL[:rw]")
    path = os.fsencode(os.path.normpath(place))
    if path == b"/":
        raise UserError(f"--mount {text}: that is the root: give a place below it, or another root with --root")
    is_url = "://" in source or "::" in source
    if is_url:
        writable = source.endswith(":rw")
        return Mount(source.removesuffix(":rw").removesuffix(":ro"), path, True, writable, text)
    file, colon, name = source.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise UserError(f"--mount {text}: {source} is neither FILE.py:CLASS nor a URL such as zip://x.zip")
    return Mount(source, path, False, False, text)


def parse_size(option: str, text: str) -> int:
    """``512M`` in bytes; 0 where nothing was given. Raises UserError."""
    if not text:
        return 0
    digits = text.rstrip("kmgtKMGT")
    unit = text[len(digits) :].lower()
    if not (digits.isascii() and digits.isdigit()) or unit not in UNITS or not int(digits):
        raise UserError(f"{option} {text}: not a size: give a number with K, M, G or T, like 512M")
    return int(digits) << UNITS[unit]


def parse_swap(option: str, text: str, memory: str) -> tuple[int, str]:
    """``1G[:DIR]``: bytes, and where the file is made. Raises UserError."""
    size, _, directory = text.partition(":")
    if text and not memory:
        raise UserError(f"{option} {text}: nothing is paged out without a limit on memory: give that, too")
    return parse_size(option, size), directory


def parse_number(option: str, text: str, example: str) -> float:
    """A number above zero; 0 where nothing was given. Raises UserError."""
    if not text:
        return 0.0
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not SMALLEST <= number <= LARGEST:
        raise UserError(f"{option} {text}: not a number above zero: give one like {example}")
    return number


def parse_count(option: str, text: str) -> int:
    """A whole number above zero; 0 where nothing was given. Raises UserError."""
    if text and not (text.isascii() and text.isdigit() and int(text)):
        raise UserError(f"{option} {text}: not a whole number above zero: give one like 100")
    return int(text or 0)


def parse_time(option: str, text: str) -> int:
    """``90``, ``1.5s``, ``2m`` or ``1h`` in nanoseconds; 0 where nothing was given. Raises UserError."""
    number = parse_number(option, text[:-1] if text[-1:] in SECONDS else text, "30s, 5m or 1.5h")
    return int(number * SECONDS.get(text[-1:], 1) * 1_000_000_000)


def make_environment(given: tuple[str, ...], user: str = "") -> list[bytes]:
    """The program's variables: a few of the host's, and what was given as ``K=V`` or ``K``; another user has his own. Raises UserError."""
    kept = [key for key in KEPT if not user or key not in PERSONAL]
    chosen = {key: value for key, value in os.environ.items() if key in kept or key.startswith("LC_")}
    for item in given:
        key, equals, value = item.partition("=")
        if not key:
            raise UserError(f"--env {item}: no name: give K=V, or K to pass the host's on")
        if equals:
            chosen[key] = value
        elif key in os.environ:
            chosen[key] = os.environ[key]
        else:
            raise UserError(f"--env {key}: not set on the host: give {key}=VALUE")
    return [os.fsencode(f"{key}={value}") for key, value in chosen.items()]


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return "/"


@click.command(
    cls=GroupedOptions,
    groups=GROUPS,
    context_settings={"allow_interspersed_args": False, **WIDTH},
    epilog="Exit status: CMD's; 128+n if signal n killed it; 125 Skerry itself failed; 126 CMD cannot be executed; 127 it was not found. "
    f"{READ_ON}; skerry calls lists what programs may ask for.",
)
@click.option(
    "--config",
    type=click.Choice([config.value for config in Config]),
    default="mach-colocated",
    envvar="SKERRY_CONFIG",
    help="Kernel, and where Unix runs: in the kernel's process, or in a task of its own (default: mach-colocated, or $SKERRY_CONFIG).",
)
@click.option("--root", default="/", metavar="DIR", help="Host directory to be the root inside (default: the host's /).")
@click.option("--upper", default="", metavar="DIR", help="Keep what is written in DIR, from run to run; see skerry diff and commit.")
@click.option(
    "--user", default="", metavar="NAME|UID[:GID]", help="Who the program is inside (default: you); then your own files are root's there."
)
@click.option(
    "--bind", multiple=True, metavar="SRC[:DST[:ro|rw]]", help="Show a host directory at DST. Writes stay inside; ro: fail; rw: go through."
)
@click.option(
    "--mount",
    multiple=True,
    metavar="PLACE=FILE.py:CLASS|URL[:rw]",
    help="Attach a translator: your class serves the tree at PLACE, or fsspec the files of a URL (zip://x.zip, https://…, s3://…).",
)
@click.option(
    "--disk-image",
    multiple=True,
    metavar="NAME=FILE[:ro|rw]",
    help="Show a disk image of the host as the block device /dev/NAME. Writes are refused; rw: go to the file.",
)
@click.option(
    "--env", multiple=True, metavar="K[=V]", help="Set a variable, or pass the host's on. Some are passed on always: PATH, HOME, …"
)
@click.option("--cwd", default="", metavar="DIR", help="Directory inside to start in (default: the current one, if it is there).")
@click.option(
    "--net",
    type=click.Choice([net.value for net in Net]),
    default="none",
    help="Network: only a loopback inside; the host's network, going out; or what listens on the host's loopback, too.",
)
@click.option(
    "--publish", multiple=True, metavar="[ADDR:]HOSTPORT:PORT[/udp]", help="Let the host's port lead to a port inside (ADDR: 127.0.0.1)."
)
@click.option("--memory", default="", metavar="SIZE", help="Most memory in use by all processes and files inside, like 512M.")
@click.option("--swap", default="", metavar="SIZE[:DIR]", help="Beyond --memory, page so much out to a file in DIR (default: /var/tmp).")
@click.option("--disk", default="", metavar="SIZE", help="Most that files written inside may hold, like 1G.")
@click.option("--pids", default="", metavar="N", help="Most processes and threads at a time.")
@click.option("--cpus", default="", metavar="N", help="Processors that may be kept busy, like 2 or 0.5.")
@click.option("--timeout", default="", metavar="TIME", help="Kill everything after this time, like 30s, 5m or 1h.")
@click.option("--strace", is_flag=True, help="Print every system call on standard error, as strace -f does.")
@click.option("--trace", default="", metavar="FILE", help="Write what happens to FILE, to be opened in Perfetto (https://ui.perfetto.dev).")
@click.option("--stats", is_flag=True, help="Say at the end what it took, on standard error.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD [ARG]...")
def run(
    config: str,
    root: str,
    upper: str,
    user: str,
    bind: tuple[str, ...],
    mount: tuple[str, ...],
    disk_image: tuple[str, ...],
    env: tuple[str, ...],
    cwd: str,
    net: str,
    publish: tuple[str, ...],
    memory: str,
    swap: str,
    disk: str,
    pids: str,
    cpus: str,
    timeout: str,
    strace: bool,
    trace: str,
    stats: bool,
    command: tuple[str, ...],
) -> None:
    """Run CMD inside and exit with its status. Options for Skerry stand before CMD; a -- between them may be left out.

    CMD sees this machine's files; what it and its children write is kept in memory and gone at the end. It sees no other process, an empty
    /tmp, and no network. When CMD ends, what it has left running ends.

    \b
    skerry run gcc -O2 x.c -o /tmp/x                           what it writes is gone when it ends
    skerry run --bind ~/project:/src --cwd /src make -j2       and so it is here: the host's files are only read
    skerry run --bind ~/out:/out:rw -- sh -c 'ls > /out/list'  writes that shall last
    skerry run --mount /data=server.py:Server -- ls /data      a tree that your class serves; /z=zip://x.zip: what fsspec reaches
    skerry run --disk-image disk0=a.img:rw -- mkfs.ext4 /dev/disk0   a block device that is a file of the host
    skerry run --root ./rootfs -- /bin/sh                      another root
    skerry run --upper work -- sh -c 'echo x > /etc/motd'      keep what is written; skerry diff work shows it
    skerry run --user root --upper work -- dpkg -i ./x.deb     be root inside, and keep what was installed
    skerry run --memory 512M --pids 100 --timeout 1m -- ./untrusted   limits: what reached one is said on standard error
    skerry run --net host -- curl https://example.org          a network: by default there is none
    skerry run --publish 8080:8000 -- python3 -m http.server   http://127.0.0.1:8080 leads to port 8000 inside
    skerry run --trace t.json -- make -j2                      calls and messages on a time line, for Perfetto
    skerry run --strace --stats -- cat /etc/hostname           see what happens, and what it took
    """
    try:
        paged, swap_directory = parse_swap("--swap", swap, memory)
        options = Options(
            config=Config(config),
            arguments=[os.fsencode(word) for word in command],
            root=os.fsencode(root),
            upper=upper,
            user=user,
            binds=[parse_bind(text) for text in bind],
            mounts=[parse_mount(text) for text in mount],
            disk_images=parse_disk_images(disk_image),
            environment=make_environment(env, user),
            directory=os.fsencode(os.path.join(_here(), cwd)),
            directory_given=bool(cwd),
            net=Net(net),
            publish=[parse_publish(text) for text in publish],
            memory=parse_size("--memory", memory),
            swap=paged,
            swap_directory=swap_directory,
            disk=parse_size("--disk", disk),
            processes=parse_count("--pids", pids),
            processors=parse_number("--cpus", cpus, "2 or 0.5"),
            timeout=parse_time("--timeout", timeout),
            strace=strace,
            stats=stats,
            trace=trace,
        )
        status = _system_run()(options)
    except UserError as error:
        say(f"skerry: {error}\n")
        status = error.status
    except Exception:  # the last boundary: a failure of ours must not look like the program's status
        import traceback

        say(f"{traceback.format_exc()}skerry: this is a fault of Skerry, not of {command[0]}: please report it with the lines above\n")
        status = OWN_FAILURE
    sys.exit(status)


def _system_run() -> Callable[[Options], int]:
    try:
        from skerry import system
    except ModuleNotFoundError as error:
        if error.name == "skerry.machine._host":
            raise UserError("the native parts are not built for this Python: run make install, or pip install .") from error
        raise
    return system.run
