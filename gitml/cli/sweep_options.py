"""Options of `gitml sweep` that other commands don't have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gitml.cli import complete
from gitml.cli.output import json_errors


def _option(*names: str, text: str, metavar: str | None = None, panel: str | None = None) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel)


Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[COMMAND [ARGS]... | PROJECT]",
        help="The program to run, and its arguments; or a project's folder or git URL.",
    ),
]
Param = Annotated[
    list[str] | None,
    _option("--param", "-P", metavar="NAME=VALUES", text="Values of a parameter, see above. Repeatable."),
]
FromFile = Annotated[
    str | None,
    _option(
        "--from", metavar="FILE",
        text="Take the values of each trial from a CSV, TSV, JSON, JSON lines or YAML file.",
    ),
]  # fmt: skip
Trials = Annotated[
    int | None, _option("--trials", metavar="N", text="How many trials, where values are drawn.")
]
Seed = Annotated[
    int | None,
    _option("--seed", metavar="N", text="What the draws follow from; chosen and recorded if not given."),
]
Minimize = Annotated[
    str | None,
    _option("--minimize", metavar="METRIC", text="The smaller the last value of this, the better."),
]
Maximize = Annotated[
    str | None, _option("--maximize", metavar="METRIC", text="The larger the last value of this, the better.")
]
Optimizer = Annotated[
    str | None,
    _option(
        "--optimizer", metavar="NAME",
        text="What chooses values: grid, random or optuna; if not given, what the values allow.",
    ),
]  # fmt: skip
Sampler = Annotated[
    str | None, _option("--sampler", metavar="NAME", text="Of Optuna: tpe, random, cmaes, gp or qmc.")
]
Jobs = Annotated[
    int | None,
    _option("--jobs", "-j", metavar="N", text="How many trials run at the same time; here 1 if not given."),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="End the sweep when a trial fails.")]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="Go on with a sweep: run the trials that have not ended. Its record says what they are.",
        autocompletion=complete.runs,
    ),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run a project from a URL, or a sweep of somebody else, without asking."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="With --resume: run failed trials again too.")
]
Top = Annotated[int, _option("--top", metavar="K", text="How many of the best trials to list at the end.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document of all trials at the end.", callback=json_errors, is_eager=True
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but what was redacted, and list nothing.")
]
