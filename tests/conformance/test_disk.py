"""A disk image as a block device inside, and as a plain file natively: the same contents and the same answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sidebyside import CONFIGURATION, ENVIRONMENT, TIMEOUT, needs

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]
SIZE = 20 << 20
STEPS = r"""
import hashlib, mmap, os, random, sys
disk, size = sys.argv[1], 1 << 20
chance = random.Random(int(sys.argv[2]))
fds = [os.open(disk, os.O_RDWR) for _ in range(3)]
shared, private = mmap.mmap(fds[0], size), mmap.mmap(fds[0], size, mmap.MAP_PRIVATE)
def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]
def somewhere(most):
    length = min(chance.choice((1, 511, 512, 4096, 70_000, 3_000_000)), most)
    return chance.randrange(size - length + 1) if length < size else 0, min(length, size)
for _ in range(300):
    fd = chance.choice(fds)
    offset, length = somewhere(size)
    match chance.randrange(12):
        case 0: print(os.pwrite(fd, chance.randbytes(length), offset))
        case 1: print(digest(os.pread(fd, length, offset)))
        case 2: print(os.lseek(fd, offset, os.SEEK_SET), os.write(fd, chance.randbytes(length)), os.lseek(fd, 0, os.SEEK_CUR))
        case 3: print(digest(os.read(fd, max(0, min(length, size - os.lseek(fd, 0, os.SEEK_CUR))))), os.lseek(fd, 0, os.SEEK_CUR))
        case 4: shared[offset : offset + length] = chance.randbytes(length)
        case 5: print(digest(shared[offset : offset + length]))
        case 6: private[offset : offset + min(length, 100)] = chance.randbytes(min(length, 100))
        case 7: print(os.pwritev(fd, [chance.randbytes(length // 2), b"tail"], min(offset, size - length // 2 - 4)))
        case 8: shared.flush()
        case 9: os.fsync(fd)
        case 10:
            if not (child := os.fork()):
                shared[offset : offset + length] = bytes([7]) * length
                os._exit(os.lseek(fd, 1, os.SEEK_CUR) > size)
            print(os.waitpid(child, 0)[1], os.lseek(fd, 0, os.SEEK_CUR))
        case 11: print(digest(os.pread(fd, size, 0)), digest(shared[:]))
print(digest(os.pread(fds[0], size, 0)), os.lseek(fds[0], 0, os.SEEK_END) == os.lseek(fds[1], 0, os.SEEK_END))
"""
MAKE = r"""
mkfs.ext4 -q -F -U 11111111-2222-3333-4444-555555555555 -E "$options" "$0"
printf 'mkdir a\nwrite /etc/passwd a/passwd\nsymlink l a/passwd\nln a/passwd h\nrm h\n' | debugfs -w -f - "$0" > /dev/null
fsck.ext4 -fy "$0" || test $? = 1
tune2fs -L label "$0"
e2fsck -fp "$0"
resize2fs "$0" 16M
dumpe2fs -h "$0"
"""
TIME = "1600000000"
OPTIONS = "nodiscard,lazy_itable_init=0,lazy_journal_init=0,hash_seed=11111111-2222-3333-4444-555555555555"


def images(tmp_path: Path) -> tuple[Path, Path]:
    """One for each side."""
    there, here = tmp_path / "there", tmp_path / "here"
    for path in (there, here):
        with path.open("wb") as file:
            file.truncate(SIZE)
    return there, here


def answers(tmp_path: Path, command: list[str], **environment: str) -> None:
    """Run it with the name of the disk behind it, on both sides: what it says and what it leaves must be the same."""
    there, here = images(tmp_path)
    environment |= ENVIRONMENT | CONFIGURATION
    passed = [word for key in environment for word in ("--env", key)]
    skerry = [sys.executable, "-m", "skerry", "run", *passed, "--disk-image", f"disk0={here}:rw", "--"]
    said = []
    for start, name in (([], str(there)), (skerry, "/dev/disk0")):
        words = [name if word == "DISK" else word for word in command]
        done = subprocess.run([*start, *words], env=environment, cwd="/", capture_output=True, timeout=2 * TIMEOUT, check=False)
        said.append((done.returncode, (done.stdout + done.stderr).replace(name.encode(), b"DISK")))
    assert said[1] == said[0]
    assert said[0][0] == 0
    left = there.read_bytes()  # resize2fs cuts a plain file
    assert here.read_bytes()[: len(left)] == left


@pytest.mark.parametrize("seed", range(3))
def test_reads_writes_and_mappings(tmp_path: Path, seed: int) -> None:
    answers(tmp_path, ["python3", "-c", STEPS, "DISK", str(seed)])


def test_file_systems_are_made_and_changed_the_same(tmp_path: Path) -> None:
    needs("mkfs.ext4", "debugfs", "fsck.ext4", "tune2fs", "resize2fs", "dumpe2fs")
    answers(tmp_path, ["sh", "-ec", MAKE, "DISK"], options=OPTIONS, E2FSPROGS_FAKE_TIME=TIME, E2FSCK_TIME=TIME)
