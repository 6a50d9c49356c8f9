"""`gitml run PROJECT`: show what would run where that is asked for, then run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gitml.cli.run_elsewhere import run_elsewhere
from gitml.cli.run_report import printable, report_run
from gitml.cli.run_values import with_choices
from gitml.entities.project import MAIN, EnvironmentSpec, Parameter
from gitml.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.cli.run_elsewhere import Elsewhere
    from gitml.execution.opening import Prepared, ProjectRequest
    from gitml.launching.request import LaunchRequest


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """What the command line says about a project, as it says it."""

    target: str
    entry_point: str | None
    parameters: Mapping[str, str]
    version: str | None
    manager: str | None
    container_options: tuple[str, ...]
    build_image: bool
    storage: str | None
    recurse_submodules: bool
    trust: bool
    repository: str | None = None


def run_project(
    template: LaunchRequest,
    options: ProjectOptions,
    where: Elsewhere | None,
    experiment_id: str | None,
    *,
    quiet: bool,
) -> int:
    """Run a project and say what came of it.

    Returns:
        What to exit with.
    """
    from gitml.execution.environments import Environment
    from gitml.execution.environments.lacking import lacking_hint
    from gitml.execution.opening import prepared, recording_repo
    from gitml.execution.running import enter, prepared_environment, project_launch
    from gitml.launching.launch import launch
    from gitml.render.progress import progress

    request = project_request(options)
    environ = template.environment
    repo = recording_repo(options.target, options.repository, environ)
    template = with_choices(repo, template, experiment_id)
    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    here = Path.cwd()

    def agree(asked: Prepared) -> None:
        for note in asked.source.notes:
            print(f"warning: {printable(note)}", file=sys.stderr)
        confirm(asked, trust=options.trust)

    with prepared(repo, request, environ=environ, progress=progress, ask=ask, agree=agree) as ready:
        if where is not None:  # the environment is made where it runs
            asked = project_launch(ready, Environment("local", definition=ready.definition.kind), template)
            return run_elsewhere(repo, asked, where, request, quiet=quiet)
        environment = prepared_environment(repo, ready, request, environ, progress)
        for note in () if quiet else environment.notes:
            print(f"note: {printable(note)}", file=sys.stderr)
        sys.stdout.flush()
        try:
            enter(ready)
            result = launch(repo, project_launch(ready, environment, template), progress=progress)
        finally:
            os.chdir(here)
    report_run(result, quiet=quiet)
    hint = None if quiet else lacking_hint(repo, result, environment, ready.definition)
    if hint is not None:
        print(f"hint: {printable(hint)}", file=sys.stderr)
    return result.exit_code


def project_request(options: ProjectOptions) -> ProjectRequest:
    """Read the options.

    Raises:
        UsageError: One means nothing.
    """
    from gitml.execution.opening import ProjectRequest

    return ProjectRequest(
        target=options.target,
        version=options.version,
        entry_point=MAIN if options.entry_point is None else options.entry_point,
        parameters=options.parameters,
        manager=_manager(options.manager),
        storage=None if options.storage is None else Path(options.storage).absolute(),
        container_options=tuple(_container_option(text) for text in options.container_options),
        build_image=options.build_image,
        recurse_submodules=options.recurse_submodules,
    )


def _manager(name: str | None) -> str | None:
    if name not in (None, "local", "uv", "virtualenv", "conda", "docker", "podman"):
        raise UsageError(
            f"--env-manager '{name}' is not one of local, uv, virtualenv, conda, docker, podman",
            hint="gitml run . --env-manager uv",
        )
    return name


def _container_option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def confirm(ready: Prepared, *, trust: bool) -> None:
    """Ask before code from elsewhere runs for the first time.

    Raises:
        RefusedError: The answer was no, or nobody can be asked.
    """
    from gitml.execution.trust import is_trusted, remember_trust

    source = ready.source
    if source.inherited or source.uri is None or source.code is None or source.code.commit is None:
        return
    if is_trusted(os.environ, source.uri, source.code.commit):
        return
    if not trust:
        _ask_for_trust(ready)
    remember_trust(os.environ, source.uri, source.code.commit)


def _ask_for_trust(ready: Prepared) -> None:
    source = ready.source
    commit = source.code.commit if source.code is not None else None
    place = f"{source.uri}#{source.directory}" if source.directory else f"{source.uri}"
    print(
        f"project      {printable(place)}\n"
        f"commit       {commit}\n"
        f"entry point  {printable(ready.entry.name)}\n"
        f"command      {printable(ready.command)}\n"
        f"environment  {printable(_described(ready.definition))}",
        file=sys.stderr,
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(
            "this project runs code from elsewhere, and nobody can be asked whether that is wanted",
            hint="look at the commit above, then give --trust",
        )
    if not typer.confirm("Run this?", err=True):
        raise RefusedError("nothing was run")


def _described(definition: EnvironmentSpec) -> str:
    """Say what a project runs in; of a container, also what it sees of this machine."""
    docker = definition.docker
    if docker is None:
        return definition.kind.value
    mounts = f", mounts {' '.join(docker.volumes)}" if docker.volumes else ""
    copied = [name for name, value in docker.environment if value is None]
    variables = f", reads {' '.join(copied)}" if copied else ""
    return f"{definition.kind.value} {docker.image}{mounts}{variables}"


def _ask(missing: Sequence[Parameter]) -> dict[str, str]:
    """Ask for values of parameters by name."""
    return {
        parameter.name: str(typer.prompt(f"{parameter.name} ({parameter.type.value})", err=True))
        for parameter in missing
    }
