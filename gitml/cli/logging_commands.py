"""`gitml log-metric` and the like: for scripts in any language, inside `gitml run`.

Training scripts call these in loops, so they load next to nothing and never
touch the index when the run's id is in the environment.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.pairs import read_pair_or_pairs
from gitml.errors import InvalidValueError, RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.entities.run import Number
    from gitml.repo import Repo
    from gitml.tracking.live import LiveRun

_RUN_VARIABLES = ("GITML_RUN_ID", "MLFLOW_RUN_ID")
_REPO_VARIABLE = "GITML_REPO"
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?(?:inf(?:inity)?|nan)", re.IGNORECASE
)

RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="The live run; inside `gitml run` it is that one.",
        autocompletion=complete.runs,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    # A value may begin with a minus sign and is no option then.
    negative = {"ignore_unknown_options": True}
    app.command("log-metric", context_settings=negative, no_args_is_help=True)(log_metric)
    app.command("log-param", context_settings=negative, no_args_is_help=True)(log_param)
    app.command("log-artifact", no_args_is_help=True)(log_artifact)
    app.command("set-tag", context_settings=negative, no_args_is_help=True)(set_tag)


def log_metric(
    words: Annotated[
        list[str], typer.Argument(metavar="KEY VALUE | KEY=VALUE...", help="Metrics and their values.")
    ],
    step: Annotated[
        int | None, typer.Option("--step", metavar="N", help="The step; one more than the last if not given.")
    ] = None,
    run: RunOption = None,
) -> None:
    """Log values of metrics to a live run.

    Examples:
      gitml log-metric loss 0.31
      gitml log-metric loss=0.31 acc=0.94 --step 3
    """
    values = {key: _number(key, text) for key, text in _pairs(words, "gitml log-metric loss=0.31").items()}
    with _live(run) as live:
        live.log_metrics(values, step)


def log_param(
    words: Annotated[
        list[str], typer.Argument(metavar="KEY VALUE | KEY=VALUE...", help="Params and their values.")
    ],
    run: RunOption = None,
) -> None:
    """Log params to a live run; numbers, true, false, null and lists keep their types.

    Examples:
      gitml log-param lr 0.1
      gitml log-param lr=0.1 'layers=[64, 32]' optimizer=adam
    """
    from gitml.launching.argument_values import read_params
    from gitml.tracking.values import distinct_params

    texts = _pairs(words, "gitml log-param lr=0.1")
    with _live(run) as live:
        given = (item for key, text in texts.items() for item in read_params(key, text).items())
        live.log_params(distinct_params(given))


def log_artifact(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file, or a folder with all that is in it.")],
    artifact_path: Annotated[
        str | None, typer.Argument(metavar="[FOLDER]", help="The folder within the run to put it into.")
    ] = None,
    run: RunOption = None,
) -> None:
    """Keep a file or folder with a live run.

    Examples:
      gitml log-artifact model.pkl
      gitml log-artifact plots figures
    """
    from gitml.render.progress import progress

    with _live(run) as live, progress(f"keeping {path.name}", _size(path), "B") as advance:
        live.log_artifact(path, artifact_path, advance)


def set_tag(
    words: Annotated[
        list[str], typer.Argument(metavar="KEY VALUE | KEY=VALUE...", help="Tags and their values.")
    ],
    run: RunOption = None,
) -> None:
    """Set tags of a live run. Of runs that have ended: gitml tag.

    Examples:
      gitml set-tag phase warmup
      gitml set-tag phase=warmup team=vision
    """
    tags = _pairs(words, "gitml set-tag phase=warmup")
    with _live(run) as live:
        live.set_tags(tags)


def _pairs(words: list[str], example: str) -> dict[str, str]:
    for word in words:
        if word.startswith("--"):  # unknown options reach us as words, so that '-0.5' can
            raise UsageError(f"there is no option '{word.partition('=')[0]}'", hint=example)
    return read_pair_or_pairs(words, example)


def _number(key: str, text: str) -> Number:
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if not _FLOAT.fullmatch(text):
        raise InvalidValueError(
            "metric",
            key,
            f"'{text[:80]}' is not a number",
            hint="text belongs into a tag: gitml set-tag KEY VALUE",
        )
    return float(text)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


@contextmanager
def _live(name: str | None) -> Iterator[LiveRun]:
    """Join the live run that is meant, and repeat its warnings as ours."""
    from gitml.repo import Repo
    from gitml.tracking.start import attach_run

    run_id = next(filter(None, map(os.environ.get, _RUN_VARIABLES)), None)
    if name is None and run_id is None:
        raise UsageError(
            "no run is given, and this is not inside `gitml run`",
            hint="name a live run: --run RUN (gitml status)",
        )
    where = os.environ.get(_REPO_VARIABLE) if name is None else None
    with closing(Repo.open(where)) as repo:
        live = attach_run(
            repo, run_id if name is None and run_id else _live_id(repo, name or ""), strict=True
        )
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                yield live
        finally:
            live.close()
        if caught:
            from gitml.cli.output import warn

            for warning in caught:
                warn(str(warning.message))


def _live_id(repo: Repo, name: str) -> str:
    if name in repo.journal.ids():
        return name
    from gitml.tracking.resolve import resolve_run

    run = resolve_run(repo, name)
    if not run.live:
        raise RefusedError(
            f"run '{run.id[:8]}' has ended; nothing more can be logged to it",
            hint=f"gitml tag {run.id[:8]} KEY=VALUE sets tags of runs that have ended",
        )
    return run.id
