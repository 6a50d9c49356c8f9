"""`-- PATH`: paths of the code on a command line, told from other words as git does it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from typer.core import TyperCommand

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.repo import Repo

_SEPARATOR = "--"


class PathsCommand(TyperCommand):
    """A command whose words come with the `--` that stood between them, for `split_at_separator`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; the parser takes one `--` away, so it is given two."""
        if _SEPARATOR in args:
            args = list(args)
            args.insert(args.index(_SEPARATOR), _SEPARATOR)
        return super().parse_args(ctx, args)


def split_at_separator(words: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Split words into those before `--` and those after it; None where there is no `--`."""
    if _SEPARATOR not in words:
        return list(words), None
    at = words.index(_SEPARATOR)
    return list(words[:at]), list(words[at + 1 :])


def from_root(repo: Repo, path: str) -> str:
    """Make a path relative to the work tree; it is empty for the work tree itself.

    Raises:
        UsageError: It is outside of it.
    """
    root = repo.git.work_tree
    if root is None:  # a bare repository: nowhere to be relative to
        return path
    relative = os.path.relpath(Path.cwd() / path, root)
    if relative == os.pardir or relative.startswith(os.pardir + os.sep):
        raise UsageError(f"'{path}' is outside of the repository at '{root}'")
    return "" if relative == os.curdir else relative
