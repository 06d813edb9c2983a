"""The C header that is made from the declarations: it compiles, and what C makes of it are the bytes that Python makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from skerry.abi import kernel_calls, mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.abi.routine import routines
from skerry.cli.calls import calls
from skerry.lib import stubs
from skerry.lib.channel import with_reply

PROGRAM = """
#include <stdio.h>
#include "header.h"
int main(void) {
  struct vm_protect_request protect = vm_protect_INIT;
  protect.head.remote = 0x103, protect.head.local = 0x107;
  protect.address = 0x700000000000, protect.size = 4096, protect.set_maximum = 0, protect.protection = VM_PROT_READ;
  fwrite(&protect, sizeof protect, 1, stdout);
  struct task_set_special_port_request port = task_set_special_port_INIT;
  port.head.remote = 0x103, port.head.local = 0x107, port.which = TASK_EXCEPTION_PORT, port.port = 0x10b;
  fwrite(&port, sizeof port, 1, stdout);
  struct vm_write_request write = vm_write_INIT;
  write.head.remote = 0x103, write.head.local = 0x107, write.address = 0x1000, write.data = 0x2000, write.data_type.number = 5000;
  fwrite(&write, sizeof write, 1, stdout);
  struct device_open_request open = device_open_INIT;
  open.head.remote = 0x103, open.head.local = 0x107, open.mode = D_READ;
  snprintf(open.name, sizeof open.name, "zero");
  fwrite(&open, sizeof open, 1, stdout);
  return 0;
}
"""


def request(interface: type, name: str, *arguments: object) -> bytes:
    """What Python sends."""
    row = next(row for row in routines(interface) if row.name == name)
    return machmsg.pack(with_reply(stubs.request(row, 0x103, arguments), 0x107))


def test_requests_in_c_are_those_of_the_stubs(tmp_path: Path) -> None:
    result = CliRunner().invoke(calls, ["--mach", "--header"])
    assert result.exit_code == 0
    (tmp_path / "header.h").write_text(result.output)
    (tmp_path / "requests.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", tmp_path / "requests", tmp_path / "requests.c"], check=True)
    found = subprocess.run([tmp_path / "requests"], check=True, stdout=subprocess.PIPE).stdout
    expected = [
        request(kernel_calls.TaskPort, "vm_protect", 0x700000000000, 4096, 0, mach.VM_PROT_READ),
        request(kernel_calls.TaskPort, "task_set_special_port", mach.TASK_EXCEPTION_PORT, 0x10B),
    ]
    for bytes_ in expected:
        assert found[: len(bytes_)] == bytes_
        found = found[len(bytes_) :]
    write, found = machmsg.parse(found[:56]), found[56:]
    assert write.items is not None
    assert (write.id, write.items[1]) == (mach.ID_VM_WRITE, machmsg.Item(mach.MSG_TYPE_BYTE, 8, 5000, 0x2000, False))
    opened: UserMessage = machmsg.parse(found)
    mode, name = machmsg.parse_items(opened.body)
    assert (opened.id, mode.data, name.data) == (2800, b"\1\0\0\0", b"zero".ljust(128, b"\0"))


NUMBERS = ["KERN_INVALID_ADDRESS 0x1u", "MIG_BAD_ID (-303)", "MACH_RCV_TOO_LARGE 0x10004004u", "D_NO_SUCH_DEVICE 0x9c6u"]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_those_of_the_interface(name: str) -> None:
    assert f"#define {name}\n" in CliRunner().invoke(calls, ["--mach", "--header"]).output


def test_table_counts_140_calls() -> None:
    lines = CliRunner().invoke(calls, ["--mach"]).output.splitlines()
    assert lines[-1].startswith("140 calls: ")
    only = CliRunner().invoke(calls, ["--mach", "--level", "none"]).output.splitlines()
    assert any("swtch" in line for line in lines)
    assert not any("swtch" in line for line in only)
    assert CliRunner().invoke(calls, ["--header"]).exit_code == 1
