"""``skerry run --strace``: the calls of programs, written as strace(1) writes them."""

from skerry.unix.strace.tracer import Tracer

__all__ = ["Tracer"]
