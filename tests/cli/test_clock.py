"""/dev/rtc0: the host's clock as a device, which a driver serves where Unix is a task."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]
PYTHON = os.path.realpath(sys.executable)  # a virtual environment may lie where programs see nothing
USE = """
import calendar, errno, fcntl, os, select, struct, sys, time
rtc = os.open("/dev/rtc", os.O_RDONLY)
def read_time():
    second, minute, hour, day, month, year, weekday, yearday, _ = struct.unpack("<9i", fcntl.ioctl(rtc, 0x80247009, bytes(36)))
    now = calendar.timegm((year + 1900, month + 1, day, hour, minute, second))
    assert time.gmtime(now)[6:8] == ((weekday - 1) % 7, yearday + 1)
    return now
def set_alarm(when, enabled=1):
    t = time.gmtime(when)
    fields = t.tm_sec, t.tm_min, t.tm_hour, t.tm_mday, t.tm_mon - 1, t.tm_year - 1900, 0, 0, 0
    fcntl.ioctl(rtc, 0x4028700F, struct.pack("<BBxx9i", enabled, 0, *fields))
def code(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
before, now, after = int(time.time()), read_time(), int(time.time())
assert before <= now <= after
"""


def test_it_tells_the_time_and_rings(skerry: Run) -> None:
    script = f"""{USE}
print(code(os.open, "/dev/rtc0", os.O_RDONLY), code(fcntl.ioctl, rtc, 0x4024700A, bytes(36)), code(set_alarm, now - 5))
print(code(fcntl.ioctl, rtc, 0x7099), code(os.read, rtc, 3))
set_alarm(read_time() + 2)
assert fcntl.ioctl(rtc, 0x80287010, bytes(40))[:2] == b"\\1\\0"
(number,) = struct.unpack("<Q", os.read(rtc, 8))
assert number == 0x1A0 and fcntl.ioctl(rtc, 0x80287010, bytes(40))[:2] == b"\\0\\1", hex(number)
fcntl.ioctl(rtc, 0x7003)
assert select.select([rtc], [], [], 20)[0] == [rtc]
(number,) = struct.unpack("<I", os.read(rtc, 4))
assert number & 0xFF == 0x90
fcntl.ioctl(rtc, 0x7004)
print("rang")
"""
    result = skerry("run", PYTHON, "-c", script)
    assert (result.stdout, result.stderr) == ("EBUSY EACCES ETIME\nENOTTY EINVAL\nrang\n", "")


def test_an_alarm_rings_although_its_driver_was_killed() -> None:
    script = f"""{USE}
set_alarm(read_time() + 3)
print("set", flush=True)
sys.stdin.readline()
assert os.read(rtc, 8)[0] == 0xA0 and read_time() >= now + 3
print("rang")
"""
    command = [sys.executable, "-m", "skerry", "run", "--config", "mach", PYTHON, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "set\n"
        shown = subprocess.run([sys.executable, "-m", "skerry", "ps", "--json", str(run.pid)], capture_output=True, text=True, check=True)
        (pid,) = [task["host_pid"] for system in json.loads(shown.stdout) for task in system["tasks"] if task["name"] == "clock"]
        os.kill(pid, signal.SIGKILL)
        out, err = run.communicate("\n", timeout=60)
    assert (out, err, run.returncode) == ("rang\n", "", 0)
