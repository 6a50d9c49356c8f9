"""`gitml experiments …`: named groups of runs."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.output import Output, listing
from gitml.cli.pairs import read_pairs
from gitml.cli.runs_group import View, ViewOption

if TYPE_CHECKING:
    from gitml.entities.run import Experiment

_HELP = {"help_option_names": ["-h", "--help"]}
ExperimentName = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT", help="An experiment's name or id.", autocompletion=complete.experiments
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("list")(listing()(list_experiments))
    group.command("create", no_args_is_help=True)(create)
    group.command("get", no_args_is_help=True)(listing()(get))
    group.command("rename", no_args_is_help=True)(rename)
    group.command("delete", no_args_is_help=True)(delete)
    group.command("restore", no_args_is_help=True)(restore)
    group.command("set-tag", no_args_is_help=True)(set_tag)
    summary = "List, create, rename, delete and restore experiments.\n\nExample: gitml experiments list"
    app.add_typer(group, name="experiments", help=summary)


def list_experiments(output: Output, view: ViewOption = View.ACTIVE) -> None:
    """List experiments: the default one, then the others, oldest first.

    Example: gitml experiments list --view all
    """
    from gitml.index import Query
    from gitml.repo import Repo
    from gitml.tracking import experiments
    from gitml.tracking.history import refresh

    with closing(Repo.open()) as repo:
        refresh(repo)
        shown = [
            experiment
            for experiment in experiments.list_experiments(repo)
            if (view.shows_active if experiment.deleted_ms is None else view.shows_deleted)
        ]
        runs = [repo.index.count(Query(experiment_ids=(experiment.id,))) for experiment in shown]
        _write(shown, runs, output)


def get(output: Output, experiment: ExperimentName) -> None:
    """Show one experiment.

    Example: gitml experiments get churn --json
    """
    from gitml.index import Query
    from gitml.repo import Repo
    from gitml.tracking import experiments
    from gitml.tracking.history import refresh

    with closing(Repo.open()) as repo:
        refresh(repo)
        found = experiments.get_experiment(repo, experiment)
        _write([found], [repo.index.count(Query(experiment_ids=(found.id,)))], output)


def _write(shown: list[Experiment], runs: list[int], output: Output) -> None:
    from gitml.render.as_json import experiment_document
    from gitml.render.listing import Listing

    if output.is_text:
        _write_table(shown, runs)
        return
    documents = [experiment_document(e) | {"runs": count} for e, count in zip(shown, runs, strict=True)]
    fields = ("id", "name", "runs", "created", "updated", "deleted", "tags")
    output.write(Listing("experiments", documents, documents, fields, fields))


def _write_table(shown: list[Experiment], runs: list[int]) -> None:
    import time

    from gitml.cli.terminal import screen
    from gitml.render.numbers import MISSING, format_age
    from gitml.render.table import Cell, Column, Table, draw
    from gitml.render.text import clean

    now = int(time.time() * 1000)
    columns = (
        Column("ID"),
        Column("NAME", narrowest=12),
        Column("RUNS", right=True),
        Column("CREATED", right=True, drop=1),
        Column("TAGS", drop=2, narrowest=12),
        Column("", drop=3),
    )
    rows = tuple(
        (
            Cell(clean(e.id), "yellow"),
            Cell(clean(e.name), "dim" if e.deleted_ms else ""),
            Cell(f"{count:,}"),
            Cell(format_age(e.created_ms, now) if e.created_ms else MISSING),
            Cell(clean(" ".join(f"{key}={value}" for key, value in e.tags.items()))),
            Cell("deleted" if e.deleted_ms else ""),
        )
        for e, count in zip(shown, runs, strict=True)
    )
    used = tuple(i for i, column in enumerate(columns) if column.drop < 2 or any(row[i].text for row in rows))
    target = screen()
    table = Table(tuple(columns[i] for i in used), tuple(tuple(row[i] for i in used) for row in rows))
    drawing = draw(table, cells=target.cells, ink=target.ink)
    sys.stdout.write(target.ink.sign("".join(f"{line}\n" for line in drawing.lines)))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name; '/' makes folders.")],
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Set a tag. Repeatable.")
    ] = None,
) -> None:
    """Make an experiment and print its id. A run makes the one it names by itself.

    Example: gitml experiments create churn --tag owner=ada
    """
    from gitml.repo import Repo
    from gitml.tracking.experiments import create_experiment

    tags = read_pairs(tag or [], f"gitml experiments create {name} --tag owner=ada")
    with closing(Repo.open()) as repo:
        print(create_experiment(repo, name, tags).id)


def rename(
    experiment: ExperimentName,
    name: Annotated[str, typer.Argument(metavar="NEWNAME", help="The name it shall have.")],
) -> None:
    """Give an experiment another name; its runs show it from now on.

    Example: gitml experiments rename churn churn-2026
    """
    from gitml.repo import Repo
    from gitml.tracking.experiments import rename_experiment

    with closing(Repo.open()) as repo:
        rename_experiment(repo, experiment, name)


def delete(experiment: ExperimentName) -> None:
    """Hide an experiment; restore brings it back.

    Example: gitml experiments delete churn
    """
    from gitml.repo import Repo
    from gitml.tracking.experiments import delete_experiment

    with closing(Repo.open()) as repo:
        delete_experiment(repo, experiment)


def restore(experiment: ExperimentName) -> None:
    """Bring a hidden experiment back.

    Example: gitml experiments restore churn
    """
    from gitml.repo import Repo
    from gitml.tracking.experiments import restore_experiment

    with closing(Repo.open()) as repo:
        restore_experiment(repo, experiment)


def set_tag(
    experiment: ExperimentName,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="Tags to set.")],
) -> None:
    """Set tags of an experiment.

    Example: gitml experiments set-tag churn owner=ada
    """
    from gitml.repo import Repo
    from gitml.tracking.experiments import set_experiment_tag

    tags = read_pairs(pairs, f"gitml experiments set-tag {experiment} owner=ada")
    with closing(Repo.open()) as repo:
        for key, value in tags.items():
            set_experiment_tag(repo, experiment, key, value)
