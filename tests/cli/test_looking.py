"""`skerry ps`, `top`, `ports` and `trace` on systems that run, and `skerry run --trace`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]
LOOP = "echo ready; while :; do ls / >/dev/null; done"


@pytest.fixture(autouse=True)
def runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the control sockets of the test's systems are."""
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place / "skerry"


@pytest.fixture(params=["mach-colocated", "mach"])
def system(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A system whose program makes calls without end."""
    command = [sys.executable, "-m", "skerry", "run", "--config", request.param, "--", "sh", "-c", LOOP]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.terminate()


def of(system: subprocess.Popen[bytes], text: str) -> dict[str, Any]:
    """What a JSON document says about one system: others of this user may run, too."""
    (found,) = [entry for entry in json.loads(text) if entry["pid"] == system.pid]
    return dict(found)


def test_ps_lists_systems_and_their_processes(skerry: Run, system: subprocess.Popen[bytes]) -> None:
    number = str(system.pid)
    found = of(system, skerry("ps", "--json", number).stdout)
    first = found["processes"][0]
    assert (first["pid"], first["parent"]) == (2, 0)
    assert first["command"].startswith("sh -c echo ready")
    assert first["memory"] > 0
    text = skerry("ps", number).stdout
    assert f"system {number}  {found['config']}" in text
    assert ("unix_task" in text) == (found["config"] == "mach")


def test_ports_shows_rights_and_queues(skerry: Run, system: subprocess.Popen[bytes]) -> None:
    number = str(system.pid)
    found = of(system, skerry("ports", "--json", number).stdout)
    numbers = {port["port"] for port in found["ports"]}
    assert {right["port"] for task in found["tasks"] for right in task["rights"] if "port" in right} <= numbers
    assert any(port["kind"] == "system calls" for port in found["ports"])
    assert "STANDS FOR" in skerry("ports", number).stdout


def test_top_shows_each_look(skerry: Run, system: subprocess.Popen[bytes]) -> None:
    said = skerry("top", "--count", "2", "--interval", "0.2", str(system.pid))
    assert said.returncode == 0
    assert said.stdout.count(f"system {system.pid}") == 2
    assert "messages/s" in said.stdout


def test_trace_writes_what_perfetto_opens(skerry: Run, system: subprocess.Popen[bytes], tmp_path: Path) -> None:
    said = skerry("trace", "--time", "0.3s", "-o", "t.json", str(system.pid))
    assert (said.returncode, "events in t.json" in said.stderr) == (0, True)
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    calls = [event for event in events if event.get("cat") == "system call"]
    assert {"getdents64", "wait4"} <= {event["name"] for event in calls}
    assert all(event["ph"] == "X" and event["dur"] >= 0 for event in calls)
    again = skerry("trace", "--time", "0.1s", str(system.pid))
    assert again.returncode == 0, "it can be traced again"


def test_trace_ends_with_the_system(system: subprocess.Popen[bytes], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "skerry", "trace", str(system.pid)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "Ctrl-C ends it" in tracer.stderr.readline()
        system.send_signal(signal.SIGTERM)
        said = tracer.stderr.read()
    assert f"events in skerry-{system.pid}.json" in said
    assert json.loads((tmp_path / f"skerry-{system.pid}.json").read_text())["traceEvents"]


@pytest.mark.parametrize("config", ["mach-colocated", "mach"])
def test_a_run_is_traced_from_beginning_to_end(skerry: Run, tmp_path: Path, config: str) -> None:
    said = skerry("run", "--config", config, "--trace", "t.json", "--", "sh", "-c", "true; exit 3")
    assert (said.returncode, said.stderr) == (3, "")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    names = [event["name"] for event in events if event.get("pid") == 2]
    assert names.index("brk") < names.index("exit 3")
    assert "exit_group" in names


def test_a_trace_that_cannot_be_written_is_said_before_the_run(skerry: Run) -> None:
    said = skerry("run", "--trace", "/no/where/t.json", "--", "echo", "ran")
    assert (said.returncode, said.stdout) == (125, "")
    assert said.stderr == "skerry: --trace /no/where/t.json: No such file or directory: give a file that can be written\n"


def test_where_nothing_runs_it_is_said_what_to_do(skerry: Run) -> None:
    said = skerry("ps", "4194304")
    assert (said.returncode, said.stderr) == (1, "skerry: no system 4194304: skerry ps lists those that run\n")
    assert skerry("trace", "x").stderr == "skerry: x: not the number of a system: skerry ps lists those that run\n"


def test_the_socket_of_a_killed_system_is_removed(skerry: Run, system: subprocess.Popen[bytes], runtime_directory: Path) -> None:
    path = runtime_directory / str(system.pid)
    assert path.is_socket()
    assert os.stat(runtime_directory).st_mode & 0o777 == 0o700
    system.kill()
    system.wait()
    assert path.exists()
    skerry("ps")
    assert not path.exists()


def test_a_directory_that_others_can_write_is_not_used(skerry: Run, runtime_directory: Path) -> None:
    runtime_directory.mkdir()
    runtime_directory.chmod(0o777)
    assert skerry("run", "true").returncode == 0
    assert skerry("run", "sh", "-c", "echo fine").stdout == "fine\n"
    assert not list(runtime_directory.iterdir())
