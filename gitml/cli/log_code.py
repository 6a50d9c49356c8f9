"""`gitml log main..feature`, `gitml log -- PATH` and `gitml log -p`: runs by the source they ran."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.cli.paths import from_root, split_at_separator
from gitml.errors import NotFoundError, UsageError
from gitml.render.runs_table import Selection
from gitml.render.runs_text import one_line
from gitml.tracking.diff import code_patch, code_tree

if TYPE_CHECKING:
    from gitml.cli.terminal import Screen
    from gitml.entities.run import Run
    from gitml.index import Query
    from gitml.repo import Repo

_RANGE = re.compile(r"(.*?)(\.\.\.?)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which code runs must have been made from.

    Attributes:
        revisions: Commits, branches and ranges as git reads them; none for all.
        paths: Relative to the work tree; runs count in which one of them changed.
    """

    revisions: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def read_scope(repo: Repo, words: Sequence[str], paths: Sequence[str]) -> Scope:
    """Tell revisions from paths, as git does: by `--`, and where there is none by what there is.

    Args:
        repo: Where they are.
        words: Revisions and paths as written, with the `--` between them if there was one.
        paths: More paths.

    Raises:
        NotFoundError: A word is neither, or what stands before `--` is no revision.
        UsageError: It is both, or a path outside the work tree.
    """
    before, after = split_at_separator(words)
    revisions, found = _told_apart(repo, before) if after is None else (before, after)
    if after is not None:
        for word in before:
            if not _is_revision(repo, word):
                raise NotFoundError(
                    f"'{word}' is no commit or branch of the code",
                    hint=f"paths stand after the two dashes: gitml log -- {shlex.quote(word)}",
                )
    return Scope(tuple(revisions), tuple(from_root(repo, path) for path in (*found, *paths)))


def _told_apart(repo: Repo, words: Sequence[str]) -> tuple[list[str], list[str]]:
    revisions: list[str] = []
    found: list[str] = []
    for word in words:
        typed = shlex.quote(word)
        is_revision = not found and _is_revision(repo, word)
        is_path = os.path.lexists(word)
        if is_revision and is_path:
            raise UsageError(
                f"'{word}' is both a revision and a file",
                hint=f"gitml log -- {typed} means the file, gitml log {typed} -- the revision",
            )
        if not is_revision and not is_path:
            raise NotFoundError(
                f"'{word}' is neither a commit or branch of the code nor a file",
                hint=f"gitml show {typed} shows a run; gitml log -- {typed} means a file that is gone",
            )
        (revisions if is_revision else found).append(word)
    return revisions, found


def _is_revision(repo: Repo, text: str) -> bool:
    span = _RANGE.fullmatch(text)
    if span is None:
        return repo.git.resolve_commit(text.removeprefix("^")) is not None
    if not span[1] and not span[3]:  # "..": the folder above
        return False
    return all(repo.git.resolve_commit(end or "HEAD") is not None for end in (span[1], span[3]))


def within(repo: Repo, runs: Sequence[Run], scope: Scope) -> list[Run]:
    """Choose the runs of a scope, in the order given.

    With paths, those whose source differs there from that of the run before.
    """
    if scope.revisions:
        out = repo.git.process.run(["rev-list", "--end-of-options", *scope.revisions, "--"])
        commits = set(out.decode().split())
        runs = [run for run in runs if run.code.commit in commits]
    if not scope.paths:
        return list(runs)
    changed = set(_changed(repo, sorted(runs, key=lambda run: run.start_ms), scope.paths))
    return [run for run in runs if run.id in changed]


def _changed(repo: Repo, runs: Sequence[Run], paths: Sequence[str]) -> Iterator[str]:
    known: dict[str, tuple[str | None, ...]] = {}
    before: tuple[str | None, ...] = (None,) * len(paths)
    for run in runs:
        tree = code_tree(repo, run.code)
        if tree is None:  # nothing is known of its source
            continue
        if tree not in known:
            entries = [repo.git.entry_at(tree, path) for path in paths]
            known[tree] = tuple(None if entry is None else entry.oid for entry in entries)
        if known[tree] != before:
            yield run.id
        before = known[tree]


def patches(
    repo: Repo, runs: Sequence[Run], selection: Selection, query: Query, options: Sequence[str],
    paths: Sequence[str], screen: Screen, now_ms: int,
) -> str:  # fmt: skip
    """Write each run in a line, and below it how its source differs from that of the run before.

    Args:
        repo: Where the runs are.
        runs: The runs to show.
        selection: The metrics worth a word.
        query: What they were found by: the run before is one of its experiments.
        options: Options of `git diff`.
        paths: Only these paths.
        screen: What the text is for.
        now_ms: What "now" is.
    """
    blocks = []
    for run in runs:
        head = one_line(run, selection, screen.ink, now_ms, screen.cells)
        body = _patch(repo, run, _run_before(repo, run, query), options, paths)
        blocks.append(f"{head}\n\n{body.rstrip()}\n" if body.strip() else f"{head}\n")
    return "\n".join(blocks)


def _run_before(repo: Repo, run: Run, query: Query) -> Run | None:
    from gitml.index import Query

    earlier = Query(
        filter=f"start_time < {run.start_ms}", experiment_ids=query.experiment_ids, limit=1, view=query.view
    )
    return next(iter(repo.index.search(earlier)), None)


def _patch(repo: Repo, run: Run, before: Run | None, options: Sequence[str], paths: Sequence[str]) -> str:
    if before is None:
        return "    (the first run: there is no source before it)"
    trees = code_tree(repo, before.code), code_tree(repo, run.code)
    if trees[0] is None or trees[1] is None:
        lacking = before if trees[0] is None else run
        return f"    (the source of {lacking.id[:7]} is not in this repository)"
    if trees[0] == trees[1]:
        return ""
    return code_patch(repo, (trees[0], trees[1]), options, [path for path in paths if path]).decode(
        "utf-8", "replace"
    )
