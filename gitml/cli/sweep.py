"""`gitml sweep`: many runs of a program or project, each with other values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer
from click.core import ParameterSource

from gitml.cli import run_options as options
from gitml.cli import sweep_options as own
from gitml.cli.run import _one_of, _refuse_project_options
from gitml.cli.run_form import RunCommand, is_project_form
from gitml.cli.run_values import read_code_mode, read_tags, read_variables, with_choices
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.repo import Repo

_WITH_RESUME = frozenset((
    "resume", "retry_failed", "jobs", "fail_fast", "trials", "top", "as_json", "quiet", "trust", "repository",
    "backend_config", "remote", "detach",
))  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sweep", cls=RunCommand, no_args_is_help=True)(sweep)


def sweep(
    ctx: typer.Context,
    command: own.Words = None,
    param: own.Param = None,
    from_file: own.FromFile = None,
    trials: own.Trials = None,
    seed: own.Seed = None,
    minimize: own.Minimize = None,
    maximize: own.Maximize = None,
    optimizer: own.Optimizer = None,
    sampler: own.Sampler = None,
    jobs: own.Jobs = None,
    fail_fast: own.FailFast = False,
    resume: own.Resume = None,
    retry_failed: own.RetryFailed = False,
    top: own.Top = 5,
    as_json: own.Json = False,
    quiet: own.Quiet = False,
    experiment: options.Experiment = None,
    short_e: options.ShortE = None,
    experiment_id: options.ExperimentId = None,
    name: options.Name = None,
    tag: options.Tag = None,
    note: options.Note = None,
    no_auto_params: options.NoAutoParams = False,
    artifact: options.Artifact = None,
    metrics: options.Metrics = None,
    scalars: options.Scalars = None,
    parent: options.Parent = None,
    code: options.Code = None,
    no_code: options.NoCode = False,
    env: options.Variables = None,
    as_project: options.AsProject = False,
    as_command: options.AsCommand = False,
    entry_point: options.EntryPoint = None,
    version: options.Version = None,
    env_manager: options.EnvManager = None,
    docker_args: options.DockerArgs = None,
    build_image: options.BuildImage = False,
    storage_dir: options.StorageDir = None,
    recurse_submodules: options.RecurseSubmodules = False,
    trust: own.Trust = False,
    repository: options.Repository = None,
    backend: options.Backend = None,
    backend_config: options.BackendConfig = None,
    remote: options.Remote = None,
    detach: options.Detach = False,
) -> None:
    """Run a program or project many times with other values: a run each, and one above them.

    \b
    Values of a parameter (in quotes, for the shell):
      a,b,c                   each of them
      range(start,stop,step)  numbers as Python's range, the stop left out
      linspace(a,b,n)         n numbers from a to b, evenly spaced
      logspace(a,b,n)         the same by order of magnitude; a and b are values
      uniform(a,b)            a number between a and b, drawn
      loguniform(a,b)         the same by order of magnitude
      int(a,b)                an integer from a to b, drawn, both included
      choice(a,b,c)           one of them, drawn

    Lists and ranges alone are tried in all combinations; where one is drawn, say
    --trials. A program gets `--name value`, or has `{name}` where the value goes.
    Exits with 1 if a trial failed. GITML_SWEEP_SLOT (0 to jobs - 1) can choose a GPU.

    Examples:
    gitml sweep -P lr=0.1,0.01 -P 'n=range(2,10)' --minimize loss python train.py
    gitml sweep -P 'lr=loguniform(1e-5,0.1)' --trials 50 --maximize acc . -e train
    gitml sweep --backend slurm -c partition=gpu -P lr=0.1,0.01 python train.py
    gitml sweep --resume brisk-heron
    """  # noqa: D301 - the escape is click's mark: lines below stay as they are
    from gitml.cli.sweep_elsewhere import read_again, read_where
    from gitml.cli.sweep_report import SweepView
    from gitml.cli.sweeping import Manner, go_on_with_sweep, start_sweep

    del as_project, as_command  # RunCommand has read them
    project = is_project_form(ctx)
    view = SweepView(top=top, as_json=as_json, quiet=quiet)
    manner = Manner(view, jobs, fail_fast, retry_failed, trust)
    if resume is not None:
        _refuse_beside_resume(ctx)
        said = read_again(backend_config, remote, detach=detach)
        raise typer.Exit(go_on_with_sweep(_open(repository), resume, trials, manner, said))
    where = read_where(backend, backend_config, remote, detach=detach)
    if retry_failed:
        raise UsageError("--retry-failed goes with --resume", hint="gitml sweep --resume RUN --retry-failed")
    if not command:
        raise UsageError("there is no command to run", hint="gitml sweep -P lr=0.1,0.01 python train.py")
    from gitml.cli.sweep_plan import Search, make_plan
    from gitml.cli.sweep_subject import Subject
    from gitml.launching.request import LaunchRequest

    plan = make_plan(Search(param or [], from_file, trials, seed, minimize, maximize, optimizer, sampler))
    template = LaunchRequest(
        command=() if project else tuple(command),
        environment=dict(os.environ),
        experiment=_one_of(experiment, None if project else short_e, "--experiment", "-e"),
        name=name,
        tags=read_tags(tag or []),
        note=note,
        auto_params=not no_auto_params,
        artifacts=tuple(artifact or ()),
        metrics=tuple(metrics or ()),
        scalars=tuple(scalars or ()),
        parent=parent,
        code=read_code_mode(code, no_code=no_code),
        recorded_variables=read_variables(env or []),
        pty=False,
    )
    for_projects = {
        "--entry-point": entry_point,
        "--version": version,
        "--env-manager": env_manager,
        "--docker-args": docker_args,
        "--build-image": build_image,
        "--storage-dir": storage_dir,
        "--recurse-submodules": recurse_submodules,
    }
    if not project:
        _refuse_project_options(for_projects)
        repo, chosen = _open(repository), None
    else:
        from gitml.cli.run_project import ProjectOptions
        from gitml.execution.opening import recording_repo

        if len(command) > 1:
            raise UsageError(
                f"'{command[1]}' is neither an option nor part of a project",
                hint="parameters are given as -P name=values; a program after '--command'",
            )
        repo = recording_repo(command[0], repository, template.environment)
        chosen = ProjectOptions(
            target=command[0],
            entry_point=_one_of(entry_point, short_e, "--entry-point", "-e"),
            parameters={},
            version=version,
            manager=env_manager,
            container_options=tuple(docker_args or ()),
            build_image=build_image,
            storage=storage_dir,
            recurse_submodules=recurse_submodules,
            trust=trust,
            repository=repository,
        )
    subject = Subject(with_choices(repo, template, experiment_id), chosen)
    raise typer.Exit(start_sweep(repo, plan, subject, manner, where))


def _open(repository: str | None) -> Repo:
    from gitml.repo import Repo

    return Repo.open(repository)


def _refuse_beside_resume(ctx: typer.Context) -> None:
    """Refuse options that would change what a recorded sweep is."""
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name in _WITH_RESUME or ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        shown = "a command" if name == "command" else parameter.opts[0]
        raise UsageError(
            f"--resume and {shown} can't be combined: the sweep's record says what it runs",
            hint="gitml sweep --resume RUN --jobs 2",
        )
