"""Programs run from Python: what goes in, what comes out, how they end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import skerry
from skerry import BlockingSystem

pytestmark = pytest.mark.machine


def test_output_errors_and_status_are_the_programs(shared: BlockingSystem) -> None:
    result = shared.run(["sh", "-c", "cat; echo bad >&2; exit 3"], input=b"good\n")
    assert (result.status, result.output, result.errors) == (3, b"good\n", b"bad\n")


def test_one_call_runs_a_program_in_a_system_of_its_own(config: str) -> None:
    result = skerry.run(["sh", "-c", "echo $WHAT in $PWD"], env={"WHAT": "it runs"}, cwd="/usr", config=config)
    assert result.text == "it runs in /usr\n"


def test_a_signal_is_a_negative_status(shared: BlockingSystem) -> None:
    assert shared.run(["sh", "-c", "kill -TERM $$"]).status == -signal.SIGTERM


def test_much_input_and_output_pass_at_once(shared: BlockingSystem) -> None:
    data = os.urandom(3 << 20)
    assert shared.run(["cat"], input=data).output == data


def test_input_that_nobody_reads_is_no_error(shared: BlockingSystem) -> None:
    assert shared.run(["true"], input=bytes(1 << 20)).status == 0


def test_programs_of_one_system_share_its_files(shared: BlockingSystem) -> None:
    shared.run(["sh", "-c", "echo kept > /tmp/between"]).check()
    assert shared.run(["cat", "/tmp/between"]).text == "kept\n"


def test_a_program_of_one_call_has_variables_and_a_directory_of_its_own(shared: BlockingSystem) -> None:
    assert shared.run(["sh", "-c", "echo $A; pwd"], env={"A": "b=c"}, cwd="/usr/bin").text == "b=c\n/usr/bin\n"


def test_a_program_that_is_not_there_is_not_found(shared: BlockingSystem) -> None:
    with pytest.raises(skerry.NotFound, match="no-such-program: not found") as caught:
        shared.run(["no-such-program"])
    assert caught.value.status == 127


def test_a_directory_that_is_not_there_is_an_error(shared: BlockingSystem) -> None:
    with pytest.raises(skerry.Error, match="--cwd /no/where"):
        shared.run(["true"], cwd="/no/where")


def test_a_line_of_the_shell_is_not_taken_for_words(shared: BlockingSystem) -> None:
    with pytest.raises(skerry.Error, match="as a list of words"):
        shared.run("ls -l")


def test_time_that_is_over_kills_all_that_the_program_began(shared: BlockingSystem) -> None:
    with pytest.raises(skerry.Timeout, match="did not end within") as caught:
        shared.run(["sh", "-c", "echo begun; sleep 1000 & setsid sleep 1000 & wait"], timeout=3)
    assert caught.value.result.output == b"begun\n"
    assert caught.value.result.status == -signal.SIGKILL
    assert shared.processes() == []


def test_what_is_left_in_the_background_goes_on_without_the_streams(shared: BlockingSystem) -> None:
    result = shared.run(["sh", "-c", "mkfifo /tmp/fifo; (read x < /tmp/fifo; echo late; echo late > /tmp/late) & echo early"])
    assert result.output == b"early\n"
    shared.run(["sh", "-c", "echo go > /tmp/fifo; while [ ! -e /tmp/late ]; do sleep 0.01; done"], timeout=30)
    assert shared.run(["cat", "/tmp/late"]).text == "late\n"


def test_check_says_how_a_program_failed(shared: BlockingSystem) -> None:
    with pytest.raises(skerry.Error, match="sh ended with status 2: it is broken"):
        shared.run(["sh", "-c", "echo it is broken >&2; exit 2"]).check()


def test_output_may_go_to_a_file(shared: BlockingSystem, tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as file:
        result = shared.run(["sh", "-c", "echo there; echo here >&2"], stdout=file, stderr=skerry.STDOUT)
    assert (tmp_path / "out").read_text() == "there\nhere\n"
    assert result.output == result.errors == b""


def test_what_was_used_is_in_the_result(shared: BlockingSystem) -> None:
    result = shared.run(["sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"])
    assert 0.001 < result.time < 60
    assert result.peak_memory > 100_000


def test_a_limit_that_was_reached_is_noted(config: str) -> None:
    with BlockingSystem(memory="64M", config=config) as system:
        result = system.run(["python3", "-c", "x = bytearray(200 << 20)"])
    assert result.status != 0
    assert any("--memory 64M" in note for note in [*result.notes, *system.notes])


def test_programs_beyond_the_limit_are_refused(config: str) -> None:
    with BlockingSystem(pids=1, config=config) as system:
        assert system.run(["true"]).status == 0
        before = system.begin(["sleep", "1000"])
        with pytest.raises(skerry.Error, match="true: cannot be started: Resource temporarily unavailable"):
            system.run(["true"])
        assert system.signal(before, signal.SIGKILL) == 1
        assert system.run(["true"]).status == 0


def test_what_happens_can_be_traced_without_asyncio(shared: BlockingSystem, tmp_path: Path) -> None:
    with shared.trace() as tracing:
        shared.run(["sh", "-c", "exit 4"])
    tracing.save(tmp_path / "t.json")
    assert '"exit 4"' in (tmp_path / "t.json").read_text()


def test_wrong_options_are_said_in_one_sentence() -> None:
    with pytest.raises(skerry.Error, match="memory lots: not a size"):
        BlockingSystem(memory="lots")
    with pytest.raises(skerry.Error, match="--bind /no/such"):
        BlockingSystem(bind=["/no/such:/x"])
    with pytest.raises(skerry.Error, match="'vms' is not a valid Config"):
        BlockingSystem(config="vms")


def test_a_bound_directory_takes_writes(tmp_path: Path, config: str) -> None:
    skerry.run(["sh", "-c", "echo out > /work/file"], bind=[f"{tmp_path}:/work:rw"], config=config).check()
    assert (tmp_path / "file").read_text() == "out\n"
