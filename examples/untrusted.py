"""Run code that nobody has read, with limits, and collect what it says: python examples/untrusted.py [FILE]..."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import skerry

SAMPLES = {
    "good.py": "print(sum(range(10)))",
    "fills memory.py": "data = []\nwhile True: data.append(bytearray(1 << 20))",
    "never ends.py": "while True: pass",
    "looks around.py": "import os; path = os.path.expanduser('~/.profile'); open(path, 'w').write('mine now'); print(open(path).read())",
    "goes out.py": "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
}


async def judge(path: Path) -> str:
    """Run one file in a system of its own; a line about how it ended."""
    async with skerry.System(root="/", bind=[f"{path.parent}:/work:ro"], cwd="/work", memory="256M", disk="16M", pids=20) as system:
        try:
            result = await system.run(["python3", path.name], timeout=5)
        except skerry.Timeout as late:
            result = late.result
    said = (result.text.strip() or result.errors.decode(errors="replace").strip()).rpartition("\n")[2]
    limits = "".join(f" [{note}]" for note in result.notes)
    return f"{path.name}: status {result.status}, {result.time:.1f} s, {result.peak_memory >> 20} MiB: {said}{limits}"


async def main(paths: list[Path]) -> None:
    """Judge one after the other, each in its own system."""
    for path in paths:
        print(await judge(path.resolve()))


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(main([Path(name) for name in sys.argv[1:]]))
    else:
        with tempfile.TemporaryDirectory() as directory:
            for name, source in SAMPLES.items():
                (Path(directory) / name).write_text(source)
            asyncio.run(main(sorted(Path(directory).iterdir())))
