"""Capabilities as a process sees them: the sets, and how a change of user ids and exec change them.

Files, ids and ``chroot`` ask for the capability that Linux asks for; the rest of the server asks for the effective user.

Source: capabilities(7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

LAST: Final = 40  # CAP_CHECKPOINT_RESTORE
ALL: Final = (1 << LAST + 1) - 1
CAP_CHOWN: Final = 1 << 0
CAP_DAC_OVERRIDE: Final = 1 << 1
CAP_DAC_READ_SEARCH: Final = 1 << 2
CAP_FOWNER: Final = 1 << 3
CAP_FSETID: Final = 1 << 4
CAP_SETGID: Final = 1 << 6
CAP_SETUID: Final = 1 << 7
CAP_SETPCAP: Final = 1 << 8
CAP_IPC_LOCK: Final = 1 << 14
CAP_SYS_CHROOT: Final = 1 << 18
CAP_SYS_ADMIN: Final = 1 << 21
CAP_SYS_RESOURCE: Final = 1 << 24
CAP_MKNOD: Final = 1 << 27
CAP_LEASE: Final = 1 << 28
OF_FILES: Final = CAP_CHOWN | CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH | CAP_FOWNER | CAP_FSETID | CAP_MKNOD | 1 << 9 | 1 << 32  # CAP_FS_MASK


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The five sets, bit n for capability n."""

    permitted: int = 0
    effective: int = 0
    inheritable: int = 0
    bounding: int = ALL
    ambient: int = 0

    def after_ids(self, before: tuple[int, int, int], now: tuple[int, int, int], keep: bool) -> Capabilities:
        """After the real, effective and saved user ids went from ``before`` to ``now``; ``keep``: PR_SET_KEEPCAPS."""
        permitted, effective, ambient = self.permitted, self.effective, self.ambient
        if 0 in before and 0 not in now:
            ambient = 0
            if not keep:
                permitted = effective = 0
        if before[1] == 0 and now[1] != 0:
            effective = 0
        elif before[1] != 0 and now[1] == 0:
            effective = permitted
        return replace(self, permitted=permitted, effective=effective, ambient=ambient)

    def after_file_id(self, before: int, now: int) -> Capabilities:
        """After the file-system user id went from ``before`` to ``now`` (setfsuid)."""
        if before == 0 and now != 0:
            return replace(self, effective=self.effective & ~OF_FILES)
        if before != 0 and now == 0:
            return replace(self, effective=self.effective | self.permitted & OF_FILES)
        return self

    def after_exec(self, uid: int, euid: int) -> Capabilities:
        """After a program without file capabilities was executed."""
        if 0 in (uid, euid):
            permitted = self.inheritable | self.bounding
            return replace(self, permitted=permitted, effective=permitted if euid == 0 else 0, ambient=0)
        return replace(self, permitted=self.ambient, effective=self.ambient)

    def may_become(self, new: Capabilities) -> bool:
        """Whether capset may make ``new`` of this."""
        if new.permitted & ~self.permitted or new.effective & ~new.permitted:
            return False
        if not self.effective & CAP_SETPCAP and new.inheritable & ~(self.inheritable | self.permitted):
            return False
        return not new.inheritable & ~(self.inheritable | self.bounding)


def of_user(uid: int) -> Capabilities:
    """Those of the first process."""
    return Capabilities(ALL, ALL) if uid == 0 else Capabilities()
