"""`skerry diff`."""

from __future__ import annotations

import sys

import click

from skerry.cli.help import WIDTH
from skerry.layer.changes import changes
from skerry.layer.opened import opened
from skerry.layer.show import content, line


@click.command(context_settings=WIDTH, epilog="Exit status: 0, changed or not; 1 if DIR cannot be read. Read on: docs/reference/layers.md")
@click.option("--root", default="", metavar="DIR", help="Compare with this root (default: the one that DIR was made on).")
@click.option("--content", "with_content", is_flag=True, help="Show how contents differ, as diff -u does.")
@click.argument("directory", metavar="DIR")
def diff(root: str, with_content: bool, directory: str) -> None:
    """Show what runs with --upper DIR have changed: A added, C changed, D deleted.

    A time that is another counts as a change of a file, not of a directory. Remarks in parentheses say what else is new: a mode, an
    owner, a set-user-id bit. Characters that a terminal would obey are written as escapes.

    \b
    skerry run --upper work -- sh -c 'echo hello > /etc/motd; rm /etc/issue'
    skerry diff work                                           C /etc/motd, D /etc/issue
    skerry diff --content work                                 and the lines
    skerry commit --dry-run work                               what skerry commit work would do
    """
    with opened(directory, root, False) as layer:
        for change in changes(layer.upper, layer.root):
            sys.stdout.write(line(change) + "\n")
            if with_content:
                for text in content(change, layer.upper, layer.root):
                    sys.stdout.write(text + "\n")
