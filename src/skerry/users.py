"""Who the program is inside (``--user``), and whose the host's files are then."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

from skerry.machine.hosttree import HostTree
from skerry.machine.owners import AS_THEY_ARE, Owners
from skerry.options import Options, UserError

LARGEST: Final = (1 << 32) - 2  # an id; the next one means "leave it"
MOST: Final = 1 << 20  # bytes of /etc/passwd or /etc/group that are looked at
ROOT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # login.defs(5), ENV_SUPATH
USER_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user inside."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    variables: tuple[bytes, ...] = ()  # of the environment, where nothing else was asked for


def who(options: Options) -> tuple[Owners, Identity]:
    """Who the program is, and how owners are shown: to ``--user``, whoever that is, an ordinary user's own files are root's, as in a user
    namespace. Raises UserError.
    """
    if not options.user:
        return AS_THEY_ARE, Identity(os.getuid(), os.getgid(), tuple(os.getgroups()))
    identity = _find(options)
    if os.geteuid() == 0:  # whose files can be anybody's
        return AS_THEY_ARE, identity
    return Owners(os.getuid(), os.getgid(), 0, 0), identity


def with_variables(options: Options, identity: Identity) -> Options:
    """The options with the user's environment, where they have none."""
    have = {entry.partition(b"=")[0] for entry in options.environment}
    more = [entry for entry in identity.variables if entry.partition(b"=")[0] not in have]
    return replace(options, environment=[*options.environment, *more]) if more else options


def _find(options: Options) -> Identity:
    name, colon, group = options.user.partition(":")
    passwd, groups = _table(options, b"etc/passwd"), _table(options, b"etc/group")
    uid = _number(name)
    row = next((row for row in passwd if (row[0] == name if uid is None else row[2] == str(uid))), None)
    if uid is None and row is not None:
        uid = _number(row[2])
    if uid is None and name == "root":
        uid = 0
    if uid is None:
        raise UserError(f"--user {options.user}: no user {name or '(empty)'} in /etc/passwd inside: give a name from there, or UID:GID")
    gid = _number(row[3]) if row is not None else uid
    if colon:
        gid = _number(group)
        if gid is None:
            gid = next((_number(row[2]) for row in groups if row[0] == group), None)
        if gid is None:
            raise UserError(f"--user {options.user}: no group {group} in /etc/group inside: give its name or number")
    assert gid is not None
    login = row[0] if row is not None else str(uid)
    more = {number for row in groups if login in row[3].split(",") and (number := _number(row[2])) is not None} if not colon else set()
    home = row[5] if row is not None and len(row) > 5 and row[5] else "/root" if uid == 0 else "/"
    shell = row[6] if row is not None and len(row) > 6 and row[6] else "/bin/sh"
    facts = {"HOME": home, "USER": login, "LOGNAME": login, "SHELL": shell, "PATH": ROOT_PATH if uid == 0 else USER_PATH}
    variables = tuple(os.fsencode(f"{key}={value}") for key, value in facts.items())
    return Identity(uid, gid, tuple(sorted({gid, *more})), variables)


def _number(text: str) -> int | None:
    """An id; None if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= LARGEST else None


def _table(options: Options, path: bytes) -> list[list[str]]:
    """The rows of passwd or group as the program will see them; none where there is no such file."""
    places = [os.path.join(os.fsencode(options.upper), b"upper")] if options.upper else []
    for place in (*places, options.root):
        try:
            text = HostTree(place).open(path).read(0, MOST)
        except OSError:
            continue
        return [row for line in os.fsdecode(text).splitlines() if len(row := line.split(":")) >= 4]
    return []
