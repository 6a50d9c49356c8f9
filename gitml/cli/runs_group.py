"""`gitml runs …`, `gitml rm` and `gitml restore-run`: keeping runs in order.

The nouns are MLflow's; what they do is what the git-like verbs do.
"""

from __future__ import annotations

import sys
from contextlib import closing
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete, diff
from gitml.cli.arguments import FilterOption, OrderOption, RunName
from gitml.cli.output import Output, listing
from gitml.cli.paths import PathsCommand
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.entities.run import Run

_HELP = {"help_option_names": ["-h", "--help"]}
_RUN_ID = typer.Option("--run-id", metavar="RUN", help="The same as RUN.", autocompletion=complete.runs)
RunIdOption = Annotated[str | None, _RUN_ID]
OptionalRunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run: id, name, @, @~1, @{best:acc}.", autocompletion=complete.runs),
]


class View(str, Enum):
    """Which runs or experiments to list; MLflow's words are understood too."""

    ACTIVE = "active"
    DELETED = "deleted"
    ALL = "all"
    ACTIVE_ONLY = "active_only"
    DELETED_ONLY = "deleted_only"

    @property
    def shows_active(self) -> bool:
        """Whether what is not deleted is listed."""
        return self in (View.ACTIVE, View.ACTIVE_ONLY, View.ALL)

    @property
    def shows_deleted(self) -> bool:
        """Whether what is deleted is listed."""
        return self in (View.DELETED, View.DELETED_ONLY, View.ALL)


class FinalStatus(str, Enum):
    """How a run can have ended."""

    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"


ViewOption = Annotated[
    View,
    typer.Option("--view", case_sensitive=False, help="Which ones: those not deleted, the deleted, or all."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("rm", no_args_is_help=True)(remove)
    app.command("restore-run", no_args_is_help=True)(restore)
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("list")(listing(template=True)(list_runs))
    group.command("describe", no_args_is_help=True)(describe)
    group.command("compare", cls=PathsCommand, no_args_is_help=True)(listing()(diff.diff))
    group.command("finish", no_args_is_help=True)(finish)
    group.command("delete", no_args_is_help=True)(delete)
    group.command("restore", no_args_is_help=True)(restore_some)
    group.command("set-tag", no_args_is_help=True)(set_tag)
    app.add_typer(
        group,
        name="runs",
        help="List, describe, finish, delete and restore runs.\n\nExample: gitml runs list",
    )


def list_runs(
    output: Output,
    experiment_id: Annotated[
        list[str] | None,
        typer.Option(
            "--experiment-id", metavar="ID", help="Only runs of this experiment. Repeatable: of any of them."
        ),
    ] = None,
    experiment_name: Annotated[
        list[str] | None,
        typer.Option(
            "--experiment-name",
            "--experiment",
            "-e",
            metavar="NAME",
            help="Only runs of this experiment. Repeatable: of any of them.",
            autocompletion=complete.experiments,
        ),
    ] = None,
    view: ViewOption = View.ACTIVE,
    filter_: FilterOption = None,
    order_by: OrderOption = None,
    count: Annotated[
        int | None,
        typer.Option("--max-results", "-n", min=0, metavar="N", help="At most so many; 0 for all."),
    ] = None,
) -> None:
    """List runs, newest first: gitml log with MLflow's options.

    Example: gitml runs list --experiment-name churn --view all
    """
    from gitml.cli.log import log

    if experiment_id and experiment_name:
        raise UsageError("--experiment-id and --experiment-name can't be combined", hint="give one of them")
    log(
        output,
        count=count,
        experiment=experiment_name or experiment_id,
        filter_=filter_,
        order_by=order_by,
        deleted=view in (View.DELETED, View.DELETED_ONLY),
        all_=view is View.ALL,
    )


def describe(run: OptionalRunName = None, run_id: RunIdOption = None) -> None:
    """Print everything recorded of a run as JSON: gitml show --json.

    Example: gitml runs describe --run-id 4c8ae10f
    """
    from gitml.render.as_json import dump_json, run_document
    from gitml.repo import Repo
    from gitml.tracking.resolve import resolve_run

    with closing(Repo.open()) as repo:
        sys.stdout.write(dump_json("run", run_document(resolve_run(repo, _one_of(run, run_id)))))


def finish(
    run: OptionalRunName = None,
    run_id: RunIdOption = None,
    status: Annotated[
        FinalStatus, typer.Option("--status", case_sensitive=False, help="How it ended.")
    ] = FinalStatus.FINISHED,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Even under a process that still writes; what it logs from then on is lost."
        ),
    ] = False,
) -> None:
    """End a run whose process died or hangs, or correct how one ended.

    Example: gitml runs finish calm-otter --status failed
    """
    from gitml.entities.run import RunStatus
    from gitml.repo import Repo
    from gitml.tracking.finishing import finish_by_name

    with closing(Repo.open()) as repo:
        ended = finish_by_name(repo, _one_of(run, run_id), RunStatus(status.value), force=force)
        _say(f"run {_label(ended)} is {ended.status.value}")


def remove(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs to hide.", autocompletion=complete.runs)
    ],
) -> None:
    """Hide runs; nothing leaves git's history, and restore-run brings them back.

    Example: gitml rm odd-newt 77a2f4e
    """
    from gitml.repo import Repo
    from gitml.tracking.edit import delete_run, refuse_live
    from gitml.tracking.resolve import resolve_run

    with closing(Repo.open()) as repo:
        found = {run.id: run for run in (resolve_run(repo, name) for name in runs)}
        for run in found.values():  # all or none
            refuse_live(run)
        for run in found.values():
            delete_run(repo, run.id)
            _say(f"run {_label(run)} is hidden; gitml restore-run {run.id[:8]} brings it back")


def restore(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Runs to bring back.", autocompletion=complete.deleted_runs),
    ],
) -> None:
    """Bring hidden runs back.

    Example: gitml restore-run odd-newt
    """
    from gitml.repo import Repo
    from gitml.tracking.edit import restore_run
    from gitml.tracking.resolve import resolve_run

    with closing(Repo.open()) as repo:
        found = {run.id: run for run in (resolve_run(repo, name) for name in runs)}
        for run in found.values():
            restore_run(repo, run.id)
            _say(f"run {_label(run)} is back")


def delete(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Runs to hide.", autocompletion=complete.runs),
    ] = None,
    run_id: RunIdOption = None,
) -> None:
    """Hide runs: gitml rm.

    Examples:
      gitml runs delete odd-newt 77a2f4e
      gitml runs delete --run-id 77a2f4e1
    """
    remove(_some_of(runs, run_id))


def restore_some(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Runs to bring back.", autocompletion=complete.deleted_runs),
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id", metavar="RUN", help="The same as RUN.", autocompletion=complete.deleted_runs
        ),
    ] = None,
) -> None:
    """Bring hidden runs back: gitml restore-run.

    Examples:
      gitml runs restore odd-newt 77a2f4e
      gitml runs restore --run-id 77a2f4e1
    """
    restore(_some_of(runs, run_id))


def set_tag(
    run: RunName,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="Tags to set.")],
) -> None:
    """Set tags of a run, live or not: gitml tag.

    Example: gitml runs set-tag 4c8ae10f team=vision
    """
    from gitml.cli.annotate import change_tags
    from gitml.cli.pairs import read_pairs
    from gitml.repo import Repo
    from gitml.tracking.resolve import resolve_run

    tags = read_pairs(pairs, f"gitml runs set-tag {run} team=vision")
    with closing(Repo.open()) as repo:
        change_tags(repo, resolve_run(repo, run), tags, [])


def _one_of(run: str | None, run_id: str | None) -> str:
    return _some_of(None if run is None else [run], run_id)[0]


def _some_of(runs: list[str] | None, run_id: str | None) -> list[str]:
    if runs and run_id is not None:
        raise UsageError("RUN and --run-id can't be combined", hint="give one of them")
    names = runs or ([] if run_id is None else [run_id])
    if not names:
        raise UsageError("no run is given", hint="gitml log lists the runs")
    return names


def _label(run: Run) -> str:
    from gitml.render.text import clean

    return f"{run.id[:8]} {clean(run.name)}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
