"""`gitml run`: any program, or a project, as a tracked run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from gitml.cli import run_options as options
from gitml.cli.run_elsewhere import Elsewhere, read_elsewhere, run_elsewhere
from gitml.cli.run_form import RunCommand, is_project_form
from gitml.cli.run_report import report_run
from gitml.cli.run_values import (
    read_code_mode,
    read_parameters,
    read_params,
    read_tags,
    read_variables,
    with_choices,
)
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.launching.request import LaunchRequest


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run", cls=RunCommand, no_args_is_help=True)(run)


def run(
    ctx: typer.Context,
    command: options.Words,
    experiment: options.Experiment = None,
    short_e: options.ShortE = None,
    experiment_id: options.ExperimentId = None,
    name: options.Name = None,
    tag: options.Tag = None,
    note: options.Note = None,
    param: options.Param = None,
    no_auto_params: options.NoAutoParams = False,
    artifact: options.Artifact = None,
    metrics: options.Metrics = None,
    scalars: options.Scalars = None,
    parent: options.Parent = None,
    code: options.Code = None,
    no_code: options.NoCode = False,
    env: options.Variables = None,
    pty: options.Pty = None,
    quiet: options.Quiet = False,
    as_project: options.AsProject = False,
    as_command: options.AsCommand = False,
    entry_point: options.EntryPoint = None,
    version: options.Version = None,
    env_manager: options.EnvManager = None,
    docker_args: options.DockerArgs = None,
    build_image: options.BuildImage = False,
    storage_dir: options.StorageDir = None,
    recurse_submodules: options.RecurseSubmodules = False,
    trust: options.Trust = False,
    run_id: options.RunId = None,
    new_id: options.NewId = None,
    repository: options.Repository = None,
    backend: options.Backend = None,
    backend_config: options.BackendConfig = None,
    remote: options.Remote = None,
    detach: options.Detach = False,
) -> None:
    """Run a program or a project as a tracked run; exits with the program's own code.

    Recorded are the code, the environment, params, everything printed, and how
    it ended. The program finds its run in GITML_RUN_ID.

    The first word is a project if it is a git URL, a folder's path ('.' or with a
    '/'), or the name of a folder that no program has. Options may follow a project.

    Examples:
    gitml run -e churn --scalars auto -a model.pkl python train.py --lr 0.1
    gitml run . -P alpha=0.5
    gitml run https://git.example.org/team/wine.git -v v1.2 -e train
    gitml run --backend slurm -c partition=gpu -c gpus=1 --detach python train.py
    """
    from gitml.launching.request import LaunchRequest

    del as_project, as_command  # RunCommand has read them
    project = is_project_form(ctx)
    where = read_elsewhere(backend, backend_config, remote, detach=detach)
    template = LaunchRequest(
        command=() if project else tuple(command),
        environment=dict(os.environ),
        experiment=_one_of(experiment, None if project else short_e, "--experiment", "-e"),
        name=name,
        tags=read_tags(tag or []),
        note=note,
        params={} if project else read_params(param or []),
        auto_params=not no_auto_params,
        artifacts=tuple(artifact or ()),
        metrics=tuple(metrics or ()),
        scalars=tuple(scalars or ()),
        parent=parent,
        code=read_code_mode(code, no_code=no_code),
        recorded_variables=read_variables(env or []),
        pty=pty,
        run_id=run_id,
        new_id=new_id,
    )
    if not project:
        _refuse_project_options(
            {
                "--entry-point": entry_point,
                "--version": version,
                "--env-manager": env_manager,
                "--docker-args": docker_args,
                "--build-image": build_image,
                "--storage-dir": storage_dir,
                "--recurse-submodules": recurse_submodules,
            }
        )
        raise typer.Exit(_run_command(template, where, repository, experiment_id, quiet=quiet))
    from gitml.cli.run_project import ProjectOptions, run_project

    if len(command) > 1:
        raise UsageError(
            f"'{command[1]}' is neither an option nor part of a project",
            hint="parameters are given as -P name=value; a program after '--command'",
        )
    chosen = ProjectOptions(
        target=command[0],
        entry_point=_one_of(entry_point, short_e, "--entry-point", "-e"),
        parameters=read_parameters(param or []),
        version=version,
        manager=env_manager,
        container_options=tuple(docker_args or ()),
        build_image=build_image,
        storage=storage_dir,
        recurse_submodules=recurse_submodules,
        trust=trust,
        repository=repository,
    )
    raise typer.Exit(run_project(template, chosen, where, experiment_id, quiet=quiet))


def _run_command(
    template: LaunchRequest,
    where: Elsewhere | None,
    repository: str | None,
    experiment_id: str | None,
    *,
    quiet: bool,
) -> int:
    from gitml.launching.launch import launch
    from gitml.render.progress import progress
    from gitml.repo import Repo

    sys.stdout.flush()
    repo = Repo.open(repository)
    request = with_choices(repo, template, experiment_id)
    if where is not None:
        return run_elsewhere(repo, request, where, None, quiet=quiet)
    result = launch(repo, request, progress=progress)
    report_run(result, quiet=quiet)
    return result.exit_code


def _one_of(long: str | None, short: str | None, name: str, short_name: str) -> str | None:
    if long is not None and short is not None and long != short:
        raise UsageError(
            f"{name} {long} and {short_name} {short} contradict each other", hint="give one of them"
        )
    return long if long is not None else short


def _refuse_project_options(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(
                f"{name} is an option for projects, and this is a program",
                hint="gitml run --project FOLDER says that it is a project",
            )
