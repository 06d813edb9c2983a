"""How help is laid out: options and commands in groups, by what they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

WIDTH: Final = {"max_content_width": 110}
READ_ON: Final = "Read on: docs/tutorial.md, README.md, SECURITY.md"


class GroupedOptions(click.Command):
    """A command whose options are listed in groups; those that are in none come last."""

    def __init__(self, *arguments: Any, groups: Mapping[str, Sequence[str]], **attributes: Any) -> None:
        """``groups``: names of options by heading."""
        super().__init__(*arguments, **attributes)
        self.groups = groups

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        rows = {option.name: row for option in options if (row := option.get_help_record(ctx)) is not None}
        grouped = [(heading, [rows.pop(name) for name in names]) for heading, names in self.groups.items()]
        for heading, chosen in [*grouped, ("Other options", list(rows.values()))]:
            if chosen:
                with formatter.section(heading):
                    formatter.write_dl(chosen)
