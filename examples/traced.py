"""Watch a program, and say where its time goes: python examples/traced.py [PROGRAM [ARGUMENT]...]

What is written to trace.json opens in https://ui.perfetto.dev.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

import skerry


async def main(arguments: list[str]) -> None:
    """Trace one program, and sum up its system calls."""
    async with skerry.System() as system:
        async with system.trace() as tracing:
            result = await system.run(arguments, timeout=60)
        tracing.save("trace.json")
    calls: Counter[str] = Counter()
    time: Counter[str] = Counter()
    for event in tracing.events:
        if event.get("cat") == "system call":
            calls[event["name"]] += 1
            time[event["name"]] += event["dur"]
    print(f"status {result.status}; {calls.total()} system calls, {time.total() / 1000:.1f} ms in them; trace.json has all of it")
    for name, microseconds in time.most_common(5):
        print(f"{name:<16}{calls[name]:>6} calls {microseconds / 1000:>8.2f} ms")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["ls", "-lR", "/etc/ssl"]))
