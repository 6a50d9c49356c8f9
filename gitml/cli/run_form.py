"""Whether `gitml run` is given a command or a project, before its options are read.

After a command's first word everything is the command's own, options included;
after a project options of ours may follow.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
from typer.core import TyperCommand

from gitml.errors import UsageError

_FORM = "gitml.run.is_project"


def is_project_form(ctx: click.Context) -> bool:
    """Whether the command line that `RunCommand` read was about a project."""
    return bool(ctx.meta.get(_FORM))


class RunCommand(TyperCommand):
    """A command whose first word decides how the rest is read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, in the way that their first word asks for."""
        ctx.allow_interspersed_args = False
        if not ctx.resilient_parsing:
            ctx.meta[_FORM] = ctx.allow_interspersed_args = self._is_project(ctx, args)
        return super().parse_args(ctx, args)

    def _is_project(self, ctx: click.Context, args: list[str]) -> bool:
        # Our own options before the first word; what is wrong with them is said later.
        options, _, _ = self.make_parser(ctx).parse_args(list(args))
        found = options.get("command")  # a mark of click's where there is no word at all
        words: Sequence[str] = found if isinstance(found, list | tuple) else ()
        forced = options.get("as_project"), options.get("as_command")
        if all(forced):
            raise UsageError("--project and --command contradict each other", hint="give one of them")
        if any(forced):
            return bool(forced[0])
        separated = len(words) < len(args) and args[len(args) - len(words) - 1] == "--"
        if not words or separated:
            return False
        word = words[0]
        if word.isidentifier() and not os.path.isdir(word):
            return False  # `python train.py` need not load what reads URLs
        from gitml.execution.target import is_project

        return is_project(word, os.environ)
