"""`gitml log`: the runs, newest first."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.arguments import (
    ExperimentsOption,
    FilterOption,
    OrderOption,
    quoted,
    read_moment,
)
from gitml.cli.field_names import SortKey, read_fields, read_order, read_top
from gitml.cli.log_shape import Found, Shape
from gitml.cli.opened import open_repo
from gitml.cli.output import Output, hint, listing, warn
from gitml.cli.paths import PathsCommand
from gitml.errors import UsageError
from gitml.render.text import clean

if TYPE_CHECKING:
    from gitml.cli.log_code import Scope
    from gitml.entities.run import Run
    from gitml.index import Query
    from gitml.repo import Repo

DEFAULT_COUNT = 20
NOTHING_MATCHED = 1
_MOST_COLUMNS = 50  # chosen for people, if nobody said which
_COMMAS = re.compile(r",(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # those between backticks belong to a name


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("log", cls=PathsCommand)(listing(template=True)(log))


def log(
    output: Output,
    code: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REVISION]... [--] [PATH]...",
            help="Runs made from these commits of the code (main..feature), or that changed these files.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--max-count",
            min=0,
            metavar="N",
            help="At most so many; 0 for all. 20 for people, all for programs.",
        ),
    ] = None,
    experiment: ExperimentsOption = None,
    filter_: FilterOption = None,
    order_by: OrderOption = None,
    top: Annotated[
        tuple[int, str] | None,
        typer.Option(
            "--top",
            metavar="N METRIC",
            help="The N best runs by a metric: --top 10 acc.",
            autocompletion=complete.top,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Started at or after: 2026-11-01, '2 days ago', 5m.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Started before or at; a day is meant with its end.")
    ] = None,
    author: Annotated[str | None, typer.Option(metavar="TEXT", help="Only runs of this user.")] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only runs with this in name or note.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            "-c",
            "--cols",
            metavar="NAMES",
            help="Show these: acc,loss.min,lr,user.",
            autocompletion=complete.fields,
        ),
    ] = None,
    all_columns: Annotated[
        bool, typer.Option("--all-columns", help="Show what is the same in all runs, and tags, too.")
    ] = False,
    group_keys: Annotated[
        list[str] | None,
        typer.Option(
            "--group-by",
            metavar="KEY",
            help="One line a value: n, and mean ± sd of metrics.",
            autocompletion=complete.fields,
        ),
    ] = None,
    graph: Annotated[
        bool, typer.Option("--graph", help="Show runs below the commits they ran from.")
    ] = False,
    oneline: Annotated[bool, typer.Option("--oneline", help="One short line a run.")] = False,
    patch: Annotated[
        bool, typer.Option("--patch", "-p", help="How each run's code differs from that of the run before.")
    ] = False,
    stat: Annotated[bool, typer.Option("--stat", help="As -p, but only the files that differ.")] = False,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="Runs that changed this file or folder. Repeatable."),
    ] = None,
    vertical: Annotated[bool, typer.Option("--vertical", help="One key a line, for grep.")] = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Only deleted runs.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Deleted runs too.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when nothing matches.")] = False,
) -> None:
    """List runs, newest first, with the columns that tell them apart.

    Examples:
      gitml log -n 10 -s -acc
      gitml log -f "metrics.acc > 0.9 and params.depth in (6, 8)" --since "7d ago"
      gitml log --group-by depth
      gitml log main..feature --graph
      gitml log -p -n 3 -- train.py
      gitml log --csv > runs.csv
    """
    if top is not None and (order_by or count is not None):
        raise UsageError("--top can't be combined with --order-by or -n", hint="gitml log --top 10 acc")
    if group_keys and len(group_keys) > 1:
        raise UsageError("runs are grouped by one key", hint=f"gitml log --group-by {group_keys[0]}")
    group_by = group_keys[0] if group_keys else None
    repo = open_repo()
    conditions = _conditions(filter_, since, until, author, grep)
    query, sorted_by = _query(
        repo,
        conditions,
        experiment or [],
        order_by or [],
        top,
        view="all" if all_ else "deleted" if deleted else "active",
    )
    scope = _read_scope(repo, code or [], path or [])
    count = top[0] if top is not None else count
    limit = count if count is not None else DEFAULT_COUNT if output.is_text and not group_by else 0
    found = _find(repo, query, limit or None, scope)
    found = found._replace(is_cut=count is None and len(found.runs) < found.matching)
    if patch or stat:
        if graph or vertical or group_by is not None or not output.is_text:
            raise UsageError(
                "-p and --stat are for people and go with no other form of output",
                hint="leave one of them out: gitml log -p, or gitml log --json",
            )
        _print_patches(repo, found, query, stat=stat, paths=scope.paths if scope else ())
        return
    shape = _shape(
        repo,
        found.runs,
        columns,
        [key.field for key in sorted_by],
        group_by,
        all_columns,
        graph,
        oneline,
        vertical,
    )
    _print(repo, found, shape, output)
    if exit_code and not found.runs:
        raise typer.Exit(NOTHING_MATCHED)


def _conditions(
    filter_: str | None, since: str | None, until: str | None, author: str | None, grep: str | None
) -> list[str]:
    found = []
    if since:
        found.append(f"start_time >= {read_moment(since, '--since')}")
    if until:
        found.append(f"start_time <= {read_moment(until, '--until', whole_day=True)}")
    if author:
        found.append(f"user_id ~ {quoted(_has_text(author))}")
    if grep:
        text = quoted(_has_text(grep))
        found.append(f"(name ~ {text} OR note ~ {text})")
    if filter_ and filter_.strip():
        # First and bare if it is alone, so that an error message shows what was typed.
        return [filter_] if not found else [f"({filter_})", *found]
    return found


def _has_text(text: str) -> str:
    # Not ILIKE, in which '%' and '_' stand for other letters.
    return "(?i)" + re.escape(text)


def _query(
    repo: Repo, conditions: list[str], experiments: list[str], order_by: list[str],
    top: tuple[int, str] | None, *, view: str,
) -> tuple[Query, list[SortKey]]:  # fmt: skip
    from gitml.index import Query
    from gitml.render.progress import count_progress
    from gitml.tracking.history import refresh

    with count_progress("reading runs", "runs") as progress:
        refresh(repo, progress)
    ids = _experiment_ids(repo, experiments)
    if top is not None:
        condition, sorted_by = read_top(repo, top[1])
        conditions = [*(f"({given})" for given in conditions), *([condition] if condition else [])]
    else:
        sorted_by = read_order(repo, order_by)
    query = Query(
        filter=" AND ".join(conditions),
        experiment_ids=ids,
        order_by=tuple(key.key for key in sorted_by),
        view=view,  # type: ignore[arg-type]  # one of the three literals, chosen above
    )
    return query, sorted_by


def _experiment_ids(repo: Repo, names: list[str]) -> tuple[str, ...] | None:
    from gitml.tracking.experiments import get_experiments

    chosen = get_experiments(repo, names)
    for one in chosen or ():
        if one.deleted_ms is not None:
            warn(f"experiment '{clean(one.name)}' was deleted: gitml experiments restore brings it back")
    return None if chosen is None else tuple(one.id for one in chosen)


def _read_scope(repo: Repo, words: list[str], paths: list[str]) -> Scope | None:
    if not words and not paths:
        return None
    from gitml.cli.log_code import read_scope

    found = read_scope(repo, words, paths)
    return found if found.revisions or found.paths else None


def _find(repo: Repo, query: Query, limit: int | None, scope: Scope | None) -> Found:
    from dataclasses import replace

    from gitml.index import Query

    if scope is not None:
        from gitml.cli.log_code import within

        chosen = within(repo, repo.index.search(query), scope)
        total = repo.index.count(Query(view=query.view))
        return Found(chosen[:limit], len(chosen), total, filtered=True, view=query.view)
    runs = repo.index.search(replace(query, limit=limit))
    matching = len(runs) if limit is None or len(runs) < limit else repo.index.count(query)
    filtered = bool(query.filter or query.experiment_ids is not None)
    total = repo.index.count(Query(view=query.view)) if filtered else matching
    return Found(runs, matching, total, filtered, query.view)


def _shape(
    repo: Repo, runs: Sequence[Run], columns: list[str] | None, sorted_by: list[str], group_by: str | None,
    everything: bool, graph: bool, oneline: bool, vertical: bool,
) -> Shape:  # fmt: skip
    chosen = [part.strip() for text in columns or [] for part in _COMMAS.split(text) if part.strip()]
    if sum((graph, vertical, group_by is not None)) > 1:
        raise UsageError("--graph, --vertical and --group-by can't be combined", hint="give one of them")
    asked = [*chosen, *([] if group_by is None else [group_by])]
    fields = read_fields(repo, runs, asked)
    return Shape(
        columns=tuple(fields[: len(chosen)]) if fields and chosen else None,
        keep=tuple(sorted_by),
        everything=everything,
        group_by=fields[-1] if fields and group_by is not None else group_by,
        graph=graph,
        oneline=oneline,
        vertical=vertical,
    )


def _print(repo: Repo, found: Found, shape: Shape, output: Output) -> None:
    from gitml.cli.log_output import print_data, print_text
    from gitml.cli.terminal import screen
    from gitml.render.runs_table import RunsView, select_fields

    view = RunsView(
        shape.columns,
        shape.keep,
        shape.everything,
        now_ms=int(time.time() * 1000),
        most=_MOST_COLUMNS if output.is_text else None,
        whole=not screen().interactive,
    )
    selection = select_fields(found.runs, view)
    if not output.is_text:
        print_data(repo, found, shape, selection, output)
    elif found.runs:
        print_text(repo, found, shape, selection, view)
    else:
        _say_why_empty(repo, found)


def _print_patches(repo: Repo, found: Found, query: Query, *, stat: bool, paths: Sequence[str]) -> None:
    from gitml.cli.log_code import patches
    from gitml.cli.log_output import say_cut
    from gitml.cli.output import page
    from gitml.cli.terminal import screen
    from gitml.render.runs_table import RunsView, select_fields

    if not found.runs:
        _say_why_empty(repo, found)
        return
    target = screen()
    now_ms = int(time.time() * 1000)
    options = [f"--color={'always' if target.ink.colour else 'never'}", "--no-ext-diff"]
    options += ["--stat"] if stat else []
    selection = select_fields(found.runs, RunsView(now_ms=now_ms))
    text = patches(repo, found.runs, selection, query, options, paths, target, now_ms)
    say_cut(found)
    page(text, config=lambda: repo.settings.values)


def _say_why_empty(repo: Repo, found: Found) -> None:
    from gitml.cli.elsewhere import runs_elsewhere
    from gitml.index import Query

    if found.total:
        print(f"none of {found.total:,} runs matches", file=sys.stderr)
        return
    others = repo.index.count(Query(view="all"))
    if others:
        said = "no run is deleted" if found.view == "deleted" else "all runs are deleted: gitml log --deleted"
        print(said, file=sys.stderr)
        return
    elsewhere = runs_elsewhere(repo)
    print("there are no runs yet", *elsewhere, sep="\n", file=sys.stderr)
    if not elsewhere:
        hint("gitml run python train.py")
