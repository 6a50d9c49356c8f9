"""`gitml import …`: runs of other tools."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.output import json_errors
from gitml.errors import DamagedError

if TYPE_CHECKING:
    from gitml.interop.report import Report
    from gitml.interop.sources import Source
    from gitml.repo import Repo

_HELP = {"help_option_names": ["-h", "--help"]}
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document instead of the summary.", callback=json_errors, is_eager=True
    ),
]
ExperimentName = Annotated[
    str | None,
    typer.Option("--experiment", "-e", metavar="NAME", help="The experiment that the runs come into."),
]


class IncompleteImportError(DamagedError):
    """Some of the source could not be read; the rest is imported."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count:,} of the source could not be read; everything else is imported",
            hint="what and why is listed above; once it is repaired, import again: only that is added",
        )


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("mlruns", no_args_is_help=True)(mlruns)
    group.command("mlflow", no_args_is_help=True)(mlflow)
    group.command("tensorboard", no_args_is_help=True)(tensorboard)
    group.command("csv", no_args_is_help=True)(csv)
    summary = (
        "Bring runs of MLflow, TensorBoard or CSV files here. Importing again adds only what is new.\n\n"
        "Example: gitml import mlruns ./mlruns"
    )
    app.add_typer(group, name="import", help=summary)


def mlruns(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The folder mlruns of MLflow, or the one it is in.")
    ],
    artifacts_root: Annotated[
        list[Path] | None,
        typer.Option(
            "--artifacts-root",
            metavar="DIR",
            help="A folder outside from which artifacts may be read. Repeatable.",
        ),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Import everything that MLflow's file store holds; MLflow need not be installed.

    Runs keep their ids. A run that changed there since gets one further record; what
    you changed here is kept.

    Examples:
      gitml import mlruns ./mlruns --dry-run
      gitml import mlruns /data/mlruns --artifacts-root /data/mlartifacts
    """
    from gitml.interop.mlruns_reader import MlrunsSource

    with closing(_open()) as repo:
        _import(repo, MlrunsSource(path, artifacts_root or ()), dry_run=dry_run, json=json)


def mlflow(
    uri: Annotated[
        str, typer.Argument(metavar="URI", help="sqlite:///FILE, or a tracking server's http(s):// address.")
    ],
    python: Annotated[
        str | None,
        typer.Option(
            "--python", metavar="PATH", help="A Python that has mlflow, if the one that runs gitml has not."
        ),
    ] = None,
    no_artifacts: Annotated[bool, typer.Option("--no-artifacts", help="Leave the artifacts there.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Import everything that an MLflow database or server holds, through the mlflow package.

    It runs in a process of its own, so mlflow may live in another environment.

    Examples:
      gitml import mlflow sqlite:///mlflow.db
      gitml import mlflow http://127.0.0.1:5000 --python ~/mlflow-env/bin/python
    """
    from gitml.interop.mlflow_reader import MlflowSource

    with closing(_open()) as repo, MlflowSource(uri, python=python, artifacts=not no_artifacts) as source:
        _import(repo, source, dry_run=dry_run, json=json)


def tensorboard(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder of event files, or one file.")],
    experiment: ExperimentName = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Import TensorBoard's event files: a run for each folder that has some.

    Scalars become metrics with steps and times, hyper-parameters become params, texts
    become tags. Needs the extra 'tensorboard'.

    Example: gitml import tensorboard runs/ -e ablation
    """
    from gitml.interop.tensorboard_reader import TensorboardSource

    with closing(_open()) as repo:
        _import(repo, TensorboardSource(path, experiment), dry_run=dry_run, json=json)


def csv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a heading.")],
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="COLUMNS", help="Columns that are metrics: 'acc,loss'.")
    ] = None,
    params: Annotated[
        str | None, typer.Option("--params", metavar="COLUMNS", help="Columns that are params: 'lr,depth'.")
    ] = None,
    tags: Annotated[
        str | None, typer.Option("--tags", metavar="COLUMNS", help="Columns that are tags.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="COLUMN", help="The column with the run's name; with --history, the name."
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="The file is one run: each line is a step, not a run.")
    ] = False,
    step: Annotated[
        str | None, typer.Option("--step", metavar="COLUMN", help="With --history: the column with the step.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="The column with the time.")
    ] = None,
    experiment: ExperimentName = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Import a CSV file: a run for each line, or with --history one run with a step for each line.

    Columns that no option names: numbers become metrics, all others params.

    Examples:
      gitml import csv sweep.csv --params lr,depth --metrics acc,loss --name trial
      gitml import csv training.csv --history --step epoch --name baseline
    """
    from gitml.interop.csv_reader import Columns, CsvSource

    columns = Columns(
        params=_words(params), metrics=_words(metrics), tags=_words(tags), name=name, step=step, time=time
    )
    with closing(_open()) as repo:
        source = CsvSource(file, columns, history=history, experiment=experiment)
        _import(repo, source, dry_run=dry_run, json=json)


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def _open() -> Repo:
    from gitml.repo import Repo

    return Repo.open()


def _import(repo: Repo, source: Source, *, dry_run: bool, json: bool) -> None:
    from gitml.interop.importing import import_from
    from gitml.render.progress import progress

    ids = source.ids()
    with progress("importing", None if ids is None else len(ids), "runs") as advance:
        report = import_from(repo, source, dry_run=dry_run, progress=advance)
    _tell(report, json=json)
    if report.damaged:
        raise IncompleteImportError(sum(problem.damaged for problem in report.problems))


def _tell(report: Report, *, json: bool) -> None:
    from gitml.render.as_json import dump_json
    from gitml.render.text import clean

    if json:
        sys.stdout.write(dump_json("import", report.document()))
        return
    for line in report.reasons():
        print(f"note: {clean(line)}", file=sys.stderr)
    verb = "would import" if report.dry_run else "imported"
    others = [
        f"{count:,} {word}"
        for count, word in ((report.unchanged, "here already"), (report.skipped_runs, "not taken"))
        if count
    ]
    changed = f", {report.updated:,} changed at the source" if report.updated else ""
    rest = f" ({', '.join(others)})" if others else ""
    print(f"{verb} {report.new:,} new runs{changed}{rest}, {report.experiments:,} experiments")
    for name, where in report.models.items():
        print(f"registered model {clean(name)}: {where}")
