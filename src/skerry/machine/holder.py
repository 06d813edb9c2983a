"""Who has a context: what may be done with it, bound once, so that each use is one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skerry.machine._host import Context


class ContextHolder:
    """The calls of a context as one's own. Registers are read and written while it stands still (see ``_host.Context``)."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.get = context.get
        self.set = context.set
        self.registers = context.registers
        self.set_registers = context.set_registers
        self.xstate = context.xstate
        self.set_xstate = context.set_xstate
        self.reset_xstate = context.reset_xstate
        self.resume = context.resume
        self.resume_with = context.resume_with
        self.interrupt = context.interrupt
        self.set_identity = context.set_identity
        self.call: Callable[..., Any] = context.call

    @property
    def fs_base(self) -> int:
        return self.context.fs_base

    @fs_base.setter
    def fs_base(self, base: int) -> None:
        self.context.fs_base = base

    @property
    def gs_base(self) -> int:
        return self.context.gs_base

    @gs_base.setter
    def gs_base(self, base: int) -> None:
        self.context.gs_base = base

    def copy_state(self, target: ContextHolder) -> None:
        """Give ``target`` the registers, vector state and bases of this one."""
        target.set_registers(self.registers())
        target.set_xstate(self.xstate())
        target.fs_base, target.gs_base = self.fs_base, self.gs_base
