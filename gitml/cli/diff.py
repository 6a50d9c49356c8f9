"""`gitml diff`: what differs between runs."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete, pager
from gitml.cli.named import named_run
from gitml.cli.opened import open_repo
from gitml.cli.output import Format, Output, listing, page, warn, write_json
from gitml.cli.paths import PathsCommand, from_root, split_at_separator
from gitml.cli.terminal import screen
from gitml.errors import NotFoundError, UsageError
from gitml.render.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.cli.gates import Gate
    from gitml.entities.run import CodeState, Run
    from gitml.repo import Repo
    from gitml.tracking.diff import RunDiff

DIFFERENT = 1
_RANGE = re.compile(r"(?P<first>.*?)(?P<dots>\.\.\.?)(?P<last>.*)", re.DOTALL)


def register(app: typer.Typer) -> None:
    """Add the command and its other name to the application."""
    command = listing()(diff)
    app.command("diff", cls=PathsCommand)(command)
    app.command("compare", cls=PathsCommand)(command)


@dataclass(frozen=True, slots=True)
class _Patch:
    """How the source is to be compared."""

    stat: bool
    word_diff: bool
    paths: tuple[str, ...]


def diff(
    output: Output,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]... [-- PATH...]",
            help="Two or more runs, or main..feature; one is compared with the newest, the newest with the one "
            "before, none: the last two. With --code, only these paths.",
            autocompletion=complete.runs,
        ),
    ] = None,
    code: Annotated[bool, typer.Option("--code", help="The source code, as git diff shows it.")] = False,
    working: Annotated[
        bool, typer.Option("--working", help="Compare one run's code with the work tree.")
    ] = False,
    stat: Annotated[bool, typer.Option("--stat", help="List the files of the source that differ.")] = False,
    word_diff: Annotated[
        bool, typer.Option("--word-diff", help="With --code: mark words instead of lines.")
    ] = False,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="With --code: only this path. Repeatable."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help="Exit with 1 if anything listed differs: params, metrics, tags, code, …"
        ),
    ] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="CONDITION",
            help="Exit with 1 if true of the last run: 'acc < base - 0.005'. Repeatable.",
        ),
    ] = None,
) -> None:
    """Compare runs: params, metrics, data, packages, files and source code.

    Examples:
      gitml diff @~1 @
      gitml diff 1b6d3c8 4c8ae10 --code -- train.py
      gitml diff @ --working
      gitml diff main brisk-heron --fail-if 'acc < base - 0.005'
    """
    from gitml.tracking.diff import diff_runs

    gates = _gates(fail_if or [])
    names, after = split_at_separator(words or [])
    patch = _Patch(stat, word_diff, (*(after or ()), *(path or ())))
    _check(output, names, patch, code=code or working, gates=bool(gates))
    repo = open_repo()
    runs = _runs(repo, names, working=working)
    failures: list[str] = []
    if working or code:
        trees = _trees(repo, runs, working=working)
        if code or word_diff or not stat:
            differs = _print_code(repo, trees, patch)
        else:
            differs = _print_files(repo, runs[0], trees, patch)
    else:
        failures = [failure for gate in gates if (failure := gate.check(runs[0], runs[-1])) is not None]
        found = diff_runs(repo, runs)
        _print(repo, found, output, everything=everything, stat=stat)
        differs = found.differs
    for failure in failures:
        print(f"gate not met: {failure}", file=sys.stderr)
    if failures or (exit_code and differs):
        raise typer.Exit(DIFFERENT)


def _gates(conditions: Sequence[str]) -> list[Gate]:
    from gitml.cli.gates import parse_gate

    return [parse_gate(text) for text in conditions]


def _check(output: Output, names: Sequence[str], patch: _Patch, *, code: bool, gates: bool) -> None:
    """Refuse options that would be ignored."""
    if code and not output.is_text:
        raise UsageError(
            "--code and --working show a patch, which has no other form of output",
            hint="without them, 'code' lists the files that differ",
        )
    if code and gates:
        raise UsageError("--fail-if compares metrics and can't be combined with --code or --working")
    if patch.word_diff and not code:
        raise UsageError("--word-diff goes with --code", hint="gitml diff --code --word-diff")
    if patch.paths and not code:
        shown = shlex.join([*names, "--code", "--", *patch.paths])
        raise UsageError("paths go with --code: they narrow the source", hint=f"gitml diff {shown}")


def _runs(repo: Repo, names: list[str], *, working: bool) -> list[Run]:
    if len(names) == 1:
        names = _ends(repo, names[0])
    if working:
        if len(names) > 1:
            raise UsageError("--working compares one run", hint=f"gitml diff {names[0]} --working")
        return [_named(repo, (names or ["@"])[0])]
    runs = [_named(repo, name) for name in names or ["@~1", "@"]]
    if len(runs) == 1:
        newest = named_run(repo, "@")
        return [named_run(repo, "@~1"), newest] if runs[0].id == newest.id else [*runs, newest]
    twice = next((run for i, run in enumerate(runs) if run.id in {other.id for other in runs[:i]}), None)
    if twice is not None:
        warn(f"run {twice.id[:7]} {clean(twice.name)} is compared with itself")
    return runs


def _ends(repo: Repo, name: str) -> list[str]:
    """Take a range of the code apart: `main..feature` are two runs, unless a run is called so."""
    match = _RANGE.fullmatch(name)
    if match is None or not (match["first"] or match["last"]):
        return [name]
    with contextlib.suppress(NotFoundError):
        named_run(repo, name)
        return [name]
    ends = [match["first"] or "HEAD", match["last"] or "HEAD"]
    if match["dots"] == "...":
        raise UsageError(
            f"'{name}' begins at the commit where both parted, which no run need be made from",
            hint=f"gitml diff {shlex.join(ends)}",
        )
    return ends


def _named(repo: Repo, name: str) -> Run:
    from gitml.tracking.history import RunNotFoundError

    try:
        return named_run(repo, name)
    except RunNotFoundError as err:
        if not os.path.lexists(name):
            raise
        typed = shlex.quote(name)
        raise NotFoundError(
            f"{err.message}, only a file", hint=f"paths stand after two dashes: gitml diff --code -- {typed}"
        ) from None


def _print(repo: Repo, found: RunDiff, output: Output, *, everything: bool, stat: bool) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.diff_listing import diff_document, diff_listing
    from gitml.render.diff_table import diff_table
    from gitml.render.diff_text import diff_text

    if output.is_text:
        target = screen()
        text = diff_text(found, target.ink, target.cells, everything=everything, stat=stat)
        page(text, less=pager.TABLE, config=lambda: repo.settings.values)
    elif output.format is Format.JSON:
        write_json(dump_json("diff", diff_document(found, everything=everything)))
    else:
        arrange = diff_table if output.format is Format.MD else diff_listing
        output.write(arrange(found, everything=everything))


def _trees(repo: Repo, runs: Sequence[Run], *, working: bool) -> tuple[str, str]:
    """Find the two source trees to compare.

    Raises:
        NotFoundError: One of them is not known.
        UsageError: There are more than two runs.
    """
    from gitml.tracking.diff import require_tree

    if len(runs) > 2:
        raise UsageError("--code compares two runs", hint="gitml diff RUN RUN --code")
    name, code = ("the work tree", _working_code(repo)) if working else (runs[1].id[:7], runs[1].code)
    return require_tree(repo, runs[0].id[:7], runs[0].code), require_tree(repo, name, code)


def _print_code(repo: Repo, trees: tuple[str, str], patch: _Patch) -> bool:
    """Show git's own diff of two source trees; tell whether they differ."""
    from gitml.tracking.diff import code_patch

    target = screen()
    options = [f"--color={'always' if target.ink.colour else 'never'}", "--no-ext-diff"]
    options += ["--stat"] if patch.stat else []
    options += ["--word-diff=color" if target.ink.colour else "--word-diff=plain"] if patch.word_diff else []
    paths = _from_root(repo, patch.paths)
    out = code_patch(repo, trees, options, paths)
    if target.interactive:
        keys = ("pager.diff", "core.pager")
        pager.show(
            out.decode("utf-8", "replace"), target, config=lambda: repo.settings.values, config_keys=keys
        )
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(out)
    return bool(out) if paths else trees[0] != trees[1]


def _print_files(repo: Repo, run: Run, trees: tuple[str, str], patch: _Patch) -> bool:
    """List the files that differ between a run's source and the work tree; tell whether any does."""
    from gitml.render.diff_text import code_lines
    from gitml.tracking.diff import diff_code

    changes = diff_code(repo, trees, _from_root(repo, patch.paths)).changes
    target = screen()
    command = f"gitml diff {run.id[:7]} --working"
    lines = code_lines(changes, command, target.ink, target.cells, stat=True)
    page("\n".join(lines) + "\n", less=pager.TABLE, config=lambda: repo.settings.values)
    return bool(changes)


def _from_root(repo: Repo, paths: Sequence[str]) -> list[str]:
    """Make paths relative to the work tree; none where that itself is one of them."""
    found = [from_root(repo, path) for path in paths]
    return [] if "" in found else found


def _working_code(repo: Repo) -> CodeState:
    from gitml.tracking.capture.code import capture_code

    return capture_code(repo.git, "tree", max_file_size=repo.settings.snapshot_limit)
