"""`skerry doctor` on hosts that lack something."""

from __future__ import annotations

import pytest

from skerry.cli import requirements
from skerry.cli.requirements import Finding, Verdict, examine

HEALTHY = {
    "/proc/sys/kernel/seccomp/actions_avail": "kill_process trap allow\n",
    "/proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n",
    "/proc/sys/user/max_user_namespaces": "1000\n",
}


def findings(monkeypatch: pytest.MonkeyPatch, **changed: str) -> dict[str, Finding]:
    """What is found where files of /proc say something else; a double underscore stands for a slash."""
    files = HEALTHY | {"/proc/" + name.replace("__", "/"): text for name, text in changed.items()}
    monkeypatch.setattr(requirements, "_read", lambda path: files.get(path, ""))
    return {finding.name: finding for finding in examine()}


def test_nothing_is_advised_where_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    for finding in findings(monkeypatch).values():
        assert (finding.advice == "") == (finding.verdict is Verdict.GOOD)


@pytest.mark.parametrize(
    ("changed", "name", "verdict", "advice"),
    [
        ({"sys__kernel__seccomp__actions_avail": "kill allow"}, "seccomp filters", Verdict.MISSING, "CONFIG_SECCOMP_FILTER"),
        ({"sys__kernel__yama__ptrace_scope": "3"}, "reading guests", Verdict.MISSING, "kernel.yama.ptrace_scope=1"),
        ({"sys__vm__memfd_noexec": "2"}, "memory files", Verdict.MISSING, "vm.memfd_noexec=0"),
        ({"meminfo": "MemAvailable: 1000 kB"}, "memory", Verdict.MISSING, "256 MiB"),
        ({"sys__vm__overcommit_memory": "2"}, "overcommit", Verdict.WEAK, "vm.overcommit_memory=0"),
        ({"sys__vm__max_map_count": "1000"}, "mappings", Verdict.WEAK, "vm.max_map_count=65530"),
        ({"sys__user__max_user_namespaces": "0"}, "user namespaces", Verdict.WEAK, "unprivileged_userns_clone=1"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_is_missing_comes_with_what_to_do(
    changed: dict[str, str], name: str, verdict: Verdict, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = findings(monkeypatch, **changed)[name]
    assert finding.verdict is verdict
    assert advice in finding.advice


@pytest.mark.parametrize(("release", "verdict"), [("5.15.0-100-generic", Verdict.MISSING), ("5.16.0", Verdict.GOOD), ("6.1", Verdict.GOOD)])
def test_kernel_version_is_compared_by_number(release: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.release", lambda: release)
    assert findings(monkeypatch)["kernel"].verdict is verdict
