"""`gitml diff`: what differs between runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete, pager
from gitml.cli.named import named_run
from gitml.cli.opened import open_repo
from gitml.cli.output import Format, Output, listing, page, write_json
from gitml.cli.terminal import screen
from gitml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.cli.gates import Gate
    from gitml.entities.run import CodeState, Run
    from gitml.repo import Repo
    from gitml.tracking.diff import RunDiff

DIFFERENT = 1


def register(app: typer.Typer) -> None:
    """Add the command and its other name to the application."""
    command = listing()(diff)
    app.command("diff")(command)
    app.command("compare")(command)


@dataclass(frozen=True, slots=True)
class _Patch:
    """How the source is to be compared."""

    stat: bool
    word_diff: bool
    paths: tuple[str, ...]


def diff(
    output: Output,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Two or more runs; one is compared with the newest, none: the last two.",
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
      gitml diff 1b6d3c8 4c8ae10 --code
      gitml diff @ --working
      gitml diff main brisk-heron --fail-if 'acc < base - 0.005'
    """
    from gitml.tracking.diff import diff_runs

    gates = _gates(fail_if or [])
    patch = _Patch(stat, word_diff, tuple(path or ()))
    _check(output, patch, code=code or working, gates=bool(gates))
    repo = open_repo()
    runs = _runs(repo, names or [], working=working)
    failures: list[str] = []
    if working or code:
        differs = _print_code(repo, runs, patch, working=working)
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


def _check(output: Output, patch: _Patch, *, code: bool, gates: bool) -> None:
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
        raise UsageError("--path goes with --code", hint=f"gitml diff --code --path {patch.paths[0]}")


def _runs(repo: Repo, names: list[str], *, working: bool) -> list[Run]:

    if working:
        if len(names) > 1:
            raise UsageError("--working compares one run", hint=f"gitml diff {names[0]} --working")
        return [named_run(repo, (names or ["@"])[0])]
    if len(names) < 2:
        names = [*names, "@"] if names else ["@~1", "@"]
    return [named_run(repo, name) for name in names]


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


def _print_code(repo: Repo, runs: Sequence[Run], patch: _Patch, *, working: bool) -> bool:
    """Show git's own diff of two source trees; tell whether they differ."""
    from gitml.tracking.diff import code_patch, require_tree

    if len(runs) > 2:
        raise UsageError("--code compares two runs", hint="gitml diff RUN RUN --code")
    first = require_tree(repo, runs[0].id[:7], runs[0].code)
    last = require_tree(
        repo, "the work tree" if working else runs[1].id[:7], _working_code(repo) if working else runs[1].code
    )
    target = screen()
    options = [f"--color={'always' if target.ink.colour else 'never'}", "--no-ext-diff"]
    options += ["--stat"] if patch.stat else []
    options += ["--word-diff=color" if target.ink.colour else "--word-diff=plain"] if patch.word_diff else []
    out = code_patch(repo, (first, last), options, patch.paths)
    if target.interactive:
        keys = ("pager.diff", "core.pager")
        pager.show(
            out.decode("utf-8", "replace"), target, config=lambda: repo.settings.values, config_keys=keys
        )
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(out)
    return first != last


def _working_code(repo: Repo) -> CodeState:
    from gitml.tracking.capture.code import capture_code

    return capture_code(repo.git, "tree", max_file_size=repo.settings.snapshot_limit)
