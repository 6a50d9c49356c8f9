"""Options of commands that run things."""

from __future__ import annotations

from typing import Annotated

import typer

from gitml.cli import complete

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="COMMAND [ARGS]... | PROJECT",
        help="The program to run, and its arguments; or a project's folder or git URL, perhaps with '#subfolder'.",
    ),
]
Experiment = Annotated[
    str | None,
    typer.Option(
        "--experiment",
        "--experiment-name",
        metavar="NAME",
        help="Experiment of the run.",
        autocompletion=complete.experiments,
    ),
]
ShortE = Annotated[
    str | None,
    typer.Option(
        "-e",
        metavar="NAME",
        help="Experiment of a command; entry point of a project.",
        autocompletion=complete.experiments,
    ),
]
ExperimentId = Annotated[
    str | None, typer.Option("--experiment-id", metavar="ID", help="Experiment of the run, by its id.")
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", "-n", "--run-name", metavar="NAME", help="Name of the run; two random words if not given."
    ),
]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Set a tag. Repeatable.")]
Note = Annotated[str | None, typer.Option("--note", "-m", metavar="TEXT", help="Note of the run.")]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-P",
        "--param-list",
        metavar="KEY=VALUE",
        help="Record a param of a command; give a project's parameter a value. Repeatable.",
    ),
]
NoAutoParams = Annotated[
    bool, typer.Option("--no-auto-params", help="Take no params from the command's own arguments.")
]
Artifact = Annotated[
    list[str] | None,
    typer.Option(
        "--artifact",
        "-a",
        metavar="PATH",
        help="Keep a file, folder or pattern ('out/**/*.png') afterwards. Repeatable.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="FILE",
        help="Record the JSON, YAML, CSV or TSV file of metrics that the program writes. Repeatable.",
    ),
]
Scalars = Annotated[
    list[str] | None,
    typer.Option(
        "--scalars",
        metavar="REGEX",
        help="Record metrics from what it prints: 'auto' for 'loss: 0.3', or groups like '(?P<loss>...)'. Repeatable.",
    ),
]
Parent = Annotated[
    str | None,
    typer.Option(
        "--parent",
        metavar="RUN",
        help="Run that this one is part of; inside another `gitml run`, that one.",
    ),
]
Code = Annotated[
    str | None,
    typer.Option("--code", metavar="MODE", help="What to keep of the source: tree, commit or off."),
]
NoCode = Annotated[bool, typer.Option("--no-code", help="Keep nothing of the source: --code off.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME", help="Record an environment variable that is set. Repeatable."),
]
Pty = Annotated[
    bool | None,
    typer.Option(
        "--pty/--no-pty", help="Run on a pseudo-terminal; by default where the output is a terminal."
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print nothing but what the program prints, and that a secret was redacted or output lost.",
    ),
]
AsProject = Annotated[
    bool, typer.Option("--project", help="The first word is a project, whatever it looks like.")
]
AsCommand = Annotated[
    bool,
    typer.Option("--command", help="The first word is a program, whatever it looks like; as '--' before it."),
]
EntryPoint = Annotated[
    str | None,
    typer.Option(
        "--entry-point",
        metavar="NAME",
        help="Entry point of the project, or a .py, .sh or .R file in it; main if not given.",
    ),
]
Version = Annotated[
    str | None,
    typer.Option("--version", "-v", metavar="VERSION", help="Branch, tag or commit of the project."),
]
EnvManager = Annotated[
    str | None,
    typer.Option(
        "--env-manager",
        metavar="NAME",
        help="What makes the project's environment: local (use the active one), uv, virtualenv, conda, docker or podman.",
    ),
]
DockerArgs = Annotated[
    list[str] | None,
    typer.Option(
        "--docker-args", "-A", metavar="NAME[=VALUE]", help="Option for the container engine. Repeatable."
    ),
]
BuildImage = Annotated[
    bool, typer.Option("--build-image", help="Build an image with the project's code in it, and run that.")
]
StorageDir = Annotated[
    str | None,
    typer.Option("--storage-dir", metavar="DIR", help="Where data of 'path' parameters is downloaded to."),
]
RecurseSubmodules = Annotated[
    bool, typer.Option("--recurse-submodules", help="Fetch the submodules of the project's code too.")
]
Trust = Annotated[bool, typer.Option("--trust", help="Run a project from a URL without asking.")]
RunId = Annotated[
    str | None,
    typer.Option("--run-id", metavar="RUN", help="Run that exists, to go on with instead of a new one."),
]
NewId = Annotated[str | None, typer.Option("--new-id", hidden=True, help="Id of the new run.")]
Repository = Annotated[
    str | None,
    typer.Option(
        "--repo", metavar="DIR", help="Repository to record in; that of the current folder if not given."
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "-b",
        metavar="NAME",
        help="Where it runs: local, docker, podman, slurm, kubernetes, ray.",
    ),
]
BackendConfig = Annotated[
    list[str] | None,
    typer.Option(
        "--backend-config",
        "-c",
        metavar="FILE|KEY=VALUE",
        help="Settings of the backend: a JSON or YAML file, JSON, or one of them. Repeatable.",
    ),
]
Remote = Annotated[
    str | None,
    typer.Option(
        "--remote",
        metavar="NAME",
        help="Remote that a job clones from and pushes to; the upstream if not given.",
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", "-d", help="Return at once; `gitml jobs` shows what came of it.")
]
