"""`skerry doctor`: does this host have what Skerry needs?"""

from __future__ import annotations

import sys
from typing import Final

import click

from skerry.cli.help import WIDTH
from skerry.cli.requirements import Finding, Verdict, examine
from skerry.options import Options, UserError

MARKS: Final = {Verdict.GOOD: "ok  ", Verdict.WEAK: "weak", Verdict.MISSING: "MISSING"}


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if anything is missing. Read on: README.md")
def doctor() -> None:
    """Check what Skerry needs of this host, line by line, and say what to do where something is missing.

    What is weak costs speed or hardening: programs run all the same.

    \b
    skerry doctor
    """
    findings = [*examine()]
    if all(finding.verdict is not Verdict.MISSING for finding in findings):
        findings.append(_trial())
    longest = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(f"{MARKS[finding.verdict]:<7}  {finding.name:<{longest}}  {finding.found}")
        if finding.advice:
            click.echo(f"{'':<7}  {'':<{longest}}  {finding.advice}")
    missing = sum(finding.verdict is Verdict.MISSING for finding in findings)
    click.echo(f"\n{'Skerry can run here.' if not missing else f'{missing} missing: Skerry cannot run here.'}")
    sys.exit(1 if missing else 0)


def _trial() -> Finding:
    """Boot a system and run a program on it."""
    from skerry import system

    try:
        status = system.run(Options([b"/bin/true"]))
    except UserError as error:
        return Finding("trial", Verdict.MISSING, str(error), "report it, with what is above")
    if status:
        return Finding("trial", Verdict.MISSING, f"/bin/true ended with {status}", "report it, with what is above")
    return Finding("trial", Verdict.GOOD, "/bin/true ran inside")
