"""`gitml export …`: runs for other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.arguments import ExperimentsOption, FilterOption
from gitml.cli.importing import Json
from gitml.errors import DamagedError
from gitml.progress import Advance

if TYPE_CHECKING:
    from gitml.index import Query
    from gitml.interop.report import Report
    from gitml.repo import Repo

_HELP = {"help_option_names": ["-h", "--help"]}
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
All = Annotated[bool, typer.Option("--all", "-a", help="Deleted runs too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be written.")]


class IncompleteExportError(DamagedError):
    """Some runs, or some of their metrics, could not be read; the rest is written."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{f'{count:,} runs' if count else 'some metrics'} could not be read; everything else is written",
            hint="what and why is listed above",
        )


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("mlruns", no_args_is_help=True)(mlruns)
    group.command("table", no_args_is_help=True)(table)
    summary = "Write runs for MLflow, or as a table.\n\nExample: gitml export table runs.parquet"
    app.add_typer(group, name="export", help=summary)


def mlruns(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder to write; it must be new.")],
    filter_: FilterOption = None,
    experiment: ExperimentsOption = None,
    all_: All = False,
    force: Force = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write runs as MLflow's file store: params, whole curves, tags, data sets, artifacts.

    MLflow 3 reads it with MLFLOW_ALLOW_FILE_STORE=true. What MLflow has no word for is
    kept beside each run, so that gitml import mlruns brings back the same runs.

    Examples:
      gitml export mlruns ./mlruns
      gitml export mlruns ./best --filter 'metrics.acc > 0.9'
    """
    from gitml.interop.mlruns_writer import export_mlruns

    with closing(_open()) as repo:
        query = _query(repo, filter_, experiment or [], all_=all_)
        if dry_run:
            _tell_dry(repo, query, path, json=json)
            return
        with _counted(repo, query) as advance:
            report = export_mlruns(repo, path, query, force=force, progress=advance)
        _tell(report, path, json=json)


def table(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What to write: FILE.parquet, FILE.csv or FILE.jsonl.")
    ],
    history: Annotated[
        bool, typer.Option("--history", help="A line for each point of each metric instead of each run.")
    ] = False,
    filter_: FilterOption = None,
    experiment: ExperimentsOption = None,
    all_: All = False,
    force: Force = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write runs as a table with the columns of MLflow's search_runs, or all points of all metrics.

    Parquet needs the extra 'parquet'.

    Examples:
      gitml export table runs.csv --filter 'params.depth = 8'
      gitml export table curves.parquet --history
    """
    from gitml.interop.table_writer import export_table

    with closing(_open()) as repo:
        query = _query(repo, filter_, experiment or [], all_=all_)
        if dry_run:
            _tell_dry(repo, query, file, json=json)
            return
        with _counted(repo, query) as advance:
            report = export_table(repo, file, query, history=history, force=force, progress=advance)
        _tell(report, file, json=json, points=history)


def _open() -> Repo:
    from gitml.repo import Repo

    return Repo.open()


def _query(repo: Repo, filter_: str | None, experiments: list[str], *, all_: bool) -> Query:
    from gitml.index import Query
    from gitml.tracking.experiments import get_experiments
    from gitml.tracking.history import refresh

    refresh(repo)
    chosen = get_experiments(repo, experiments)
    ids = None if chosen is None else tuple(one.id for one in chosen)
    query = Query(filter=filter_ or "", experiment_ids=ids, view="all" if all_ else "active")
    repo.index.count(query)  # a filter that means nothing is told before anything is written
    return query


@contextmanager
def _counted(repo: Repo, query: Query) -> Iterator[Advance]:
    from gitml.render.progress import progress

    with progress("exporting", repo.index.count(query), "runs") as advance:
        yield advance


def _tell_dry(repo: Repo, query: Query, path: Path, *, json: bool) -> None:
    from gitml.render.as_json import dump_json

    count = repo.index.count(query)
    if json:
        sys.stdout.write(dump_json("export", {"dry_run": True, "runs": count, "path": str(path)}))
    else:
        print(f"would write {count:,} runs to {path}")


def _tell(report: Report, path: Path, *, json: bool, points: bool = False) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.text import clean

    if json:
        document = report.document()
        sys.stdout.write(
            dump_json(
                "export",
                {
                    "dry_run": False,
                    "runs": report.new,
                    "rows": report.rows,
                    "path": str(path),
                    "skipped": report.skipped_runs,
                    "experiments": report.experiments,
                    "models": sorted(report.models),
                    "problems": document["problems"],
                },
            )
        )
    else:
        for line in report.reasons():
            print(f"note: {clean(line)}", file=sys.stderr)
        skipped = f" ({report.skipped_runs:,} not written)" if report.skipped_runs else ""
        what = f"{report.rows:,} points of {report.new:,} runs" if points else f"{report.new:,} runs"
        print(f"wrote {what} to {path}{skipped}")
    if report.damaged:
        raise IncompleteExportError(report.skipped_runs)
