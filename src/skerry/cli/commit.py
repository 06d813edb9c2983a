"""`skerry commit`."""

from __future__ import annotations

import sys

import click

from skerry.cli.help import WIDTH
from skerry.layer import apply
from skerry.layer.changes import Change, changes
from skerry.layer.conflicts import conflict
from skerry.layer.opened import Opened, opened
from skerry.layer.show import line, quoted
from skerry.options import UserError

SHOWN = 20  # conflicts


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if nothing could be applied, or not all. Read on: docs/reference/layers.md")
@click.option("--root", default="", metavar="DIR", help="Apply to this root (default: the one that DIR was made on).")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--force", is_flag=True, help="Also overwrite what has changed in the root since.")
@click.option("--no-owners", is_flag=True, help="Leave all files yours: who is not root cannot give files away.")
@click.option("--no-devices", is_flag=True, help="Leave out devices, which are never made on the host.")
@click.argument("directory", metavar="DIR")
def commit(root: str, dry_run: bool, force: bool, no_owners: bool, no_devices: bool, directory: str) -> None:
    """Apply what runs with --upper DIR have changed to the root that they saw: to this machine, unless --root was given.

    Each file is replaced at once, or not at all, and no symbolic link is followed. If anything in the root has changed since the layer
    was made of it, nothing is done, and what has changed is listed. When all is applied, the layer is empty (unless --root says
    another root). Look at it before: programs that you do not trust have written what becomes part of your system.

    \b
    skerry run --upper work -- apt-get install -y hello
    skerry diff work                                           what it did
    skerry commit --dry-run work                               what would be done, and what is in the way
    skerry commit work
    skerry commit --root ./copy work                           to a copy of the root
    """
    with opened(directory, root, not dry_run) as layer:
        todo = [change for change in changes(layer.upper, layer.root) if not (no_devices and apply.is_device(change))]
        reasons = {change.path: reason for change in todo if (reason := _conflict(layer, change))}
        if dry_run:
            for change in todo:
                what = reasons.get(change.path, "")
                sys.stdout.write(line(change) + (f": CONFLICT: {what}" if what else "") + "\n")
        _refuse(layer, todo, reasons if not force else {}, no_owners)
        if not dry_run:
            _apply(layer, todo, no_owners)
            sys.stdout.write(f"{len(todo)} {'change' if len(todo) == 1 else 'changes'} applied to {layer.root_name}\n")


def _conflict(layer: Opened, change: Change) -> str:
    return conflict(change, layer.root, layer.layer.created, layer.same_root)


def _refuse(layer: Opened, todo: list[Change], reasons: dict[bytes, str], no_owners: bool) -> None:
    """Raises UserError if not all can be done."""
    devices = [change for change in todo if apply.is_device(change)]
    if devices:
        raise UserError(f"{_first(devices)}: devices are not made on the host: --no-devices leaves them out")
    strange = [] if no_owners else apply.strange_owners(todo, layer.root)
    if strange:
        raise UserError(f"{_first(strange)}: only root can give files to others: do it as root, or with --no-owners")
    if reasons:
        for path, reason in list(reasons.items())[:SHOWN]:
            sys.stderr.write(f"{quoted(path)}: {reason}\n")
        more = f" ({len(reasons)} in all)" if len(reasons) > 1 else ""
        raise UserError(f"{quoted(next(iter(reasons)))}: not as it was{more}: nothing was done: look at it, or use --force")


def _first(found: list[Change]) -> str:
    return quoted(found[0].path) + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _apply(layer: Opened, todo: list[Change], no_owners: bool) -> None:
    application = apply.Application(layer.upper, layer.root, not no_owners)
    for change in todo:
        try:
            application.apply(change)
        except OSError as error:
            raise UserError(
                f"{quoted(change.path)}: {error.strerror}: what stands before it in skerry diff is applied; repeat when it is mended"
            ) from error
    application.finish()
    if layer.same_root:
        apply.clear(layer.upper)
        layer.layer.note_empty()
