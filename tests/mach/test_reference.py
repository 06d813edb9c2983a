"""The reference of the kernel interface has an entry for each call, and says of it what the table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skerry.abi import kernel_calls, mach, memory_object
from skerry.abi.routine import routines
from skerry.mach.calls import TABLE
from skerry.mach.interfaces import CHAPTERS, EXTRAS, INTERFACES, NOTIFICATIONS, Form, Interface

CALLS = Path(__file__).parents[2] / "docs" / "reference" / "mach" / "calls"
DECLARED = {
    row.name: row
    for module in (kernel_calls, memory_object)
    for value in vars(module).values()
    if getattr(value, "_is_protocol", False)
    for row in routines(value)
}


def entries(chapter: str) -> dict[str, str]:
    """Name of a call: its entry."""
    parts = re.split(r"^## (\w+)$", (CALLS / f"{chapter}.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("chapter", [*CHAPTERS, "gnu"])
def test_each_call_has_one_entry(chapter: str) -> None:
    assert sorted(entries(chapter)) == sorted(row.name for row in (*INTERFACES, *EXTRAS) if row.chapter == chapter)


@pytest.mark.parametrize("row", [*INTERFACES, *EXTRAS], ids=lambda row: row.name)
def test_entry_says_what_the_table_says(row: Interface) -> None:
    entry = entries(row.chapter)[row.name]
    heading = entry.strip().splitlines()[0]
    assert heading.endswith(f"· {row.support}")
    assert not row.id or f" {row.id}" in heading
    assert row.note in entry
    assert re.search(r"^- Errors: (.+)$", entry, re.MULTILINE)
    for name in re.findall(r"\b(?:KERN|MIG|D|MACH_SEND|MACH_RCV)_[A-Z_]+\b", entry):
        assert hasattr(mach, name), name
    if row.form is Form.REQUEST:
        listed = re.search(r"^- Arguments: (.*)\. Results: (.*)\.$", entry, re.MULTILINE)
        assert listed is not None
        assert re.findall(r"(\w+) \(", listed[1]) == list(DECLARED[row.name].names)
        assert (listed[2] == "none") == (not DECLARED[row.name].results)


def test_notifications_are_listed() -> None:
    text = (CALLS / "ports.md").read_text()
    for name, id in NOTIFICATIONS.items():
        assert f"| {id} | {name.removeprefix('do_mach_notify_')} |" in text


def test_there_are_140() -> None:
    assert len(INTERFACES) == len({row.name for row in INTERFACES}) == 140


def test_every_call_of_the_table_is_listed() -> None:
    assert {call.name for call in TABLE} <= {row.name for row in (*INTERFACES, *EXTRAS)}
