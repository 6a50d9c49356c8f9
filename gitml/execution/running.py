"""Run an opened project: its environment, and the request that launches it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.project import ProjectState
from gitml.errors import UsageError
from gitml.execution.cache import cache_dir
from gitml.execution.commands import command_argv
from gitml.execution.environments import Environment, prepare
from gitml.execution.environments.prepare import CONTAINERS
from gitml.execution.opening import OpenedProject, Prepared, ProjectRequest
from gitml.launching.argument_values import param_value
from gitml.repo import Repo
from gitml.tracking.capture import code_variable, find_python
from gitml.tracking.secrets import redact_value

if TYPE_CHECKING:
    from gitml.launching.request import LaunchRequest
    from gitml.progress import ShowProgress


def prepared_environment(
    repo: Repo, ready: Prepared, request: ProjectRequest, environ: Mapping[str, str], progress: ShowProgress
) -> Environment:
    """Make the environment that a project runs in, or find it in the cache.

    Raises:
        GitmlError: It can't be made.
    """
    definition, manager = ready.definition, request.manager
    if definition.docker is not None and manager in (None, *CONTAINERS):
        from gitml.execution.containers import Workspace, container_environment

        return container_environment(
            definition.docker,
            Workspace(ready.source.folder, ready.source.root, repo.git, ready.paths),
            environ=environ,
            engine=manager,
            options=request.container_options,
            build=request.build_image,
            progress=progress,
        )
    if request.container_options or request.build_image:
        raise UsageError(
            "options for containers need a project with a 'docker_env'", hint="gitml projects show PROJECT"
        )
    return prepare(
        definition,
        ready.source.folder,
        manager=manager,
        cache=cache_dir(environ),
        environ=environ,
        progress=progress,
    )


def project_launch(ready: Prepared, environment: Environment, template: LaunchRequest) -> LaunchRequest:
    """Make the request that runs a project in its folder, which must be the current one by then.

    Args:
        ready: The project.
        environment: What it runs in.
        template: How the run is recorded; its command is not looked at.
    """
    source = ready.source
    variables = dict(environment.variables)
    if source.code is not None:
        variables |= code_variable(source.root, source.code)
    # What is in an image is known of `sh` alone.
    shell = ("sh", "-c") if environment.prefix else command_argv("")[:-1]
    return replace(
        template,
        command=(*shell, ready.command),
        recorded_command=(*shell, ready.recorded_command),
        prefix=environment.prefix,
        environment={**template.environment, **variables},
        assumed_params={key: param_value(key, text) for key, text in ready.parameters.items()},
        auto_params=False,
        code=source.code if source.code is not None else template.code,
        entry_point=ready.entry.name,
        directory=source.directory,
        project=ProjectState(
            ready.entry.name,
            # As a param it is told of; here it would be in the history all the same.
            {key: str(redact_value(key, text)[0]) for key, text in ready.parameters.items()},
            source.uri,
            source.version,
            environment.manager,
            environment.definition,
            submodules=source.submodules,
        ),
        environment_files=environment.files,
        interpreter=_interpreter(ready, environment, {**template.environment, **variables}),
    )


def _interpreter(ready: Prepared, environment: Environment, environ: Mapping[str, str]) -> Path | None:
    """The Python whose packages are to be recorded, where nothing says them yet."""
    if environment.files:
        return None
    try:
        words = shlex.split(ready.command)
    except ValueError:  # more of a shell than words
        return None
    return find_python(words, environ, ready.source.folder)


def enter(ready: Prepared | OpenedProject) -> None:
    """Make the project's folder the current one, as its program expects."""
    os.chdir(ready.source.folder)


class ProjectRunner:
    """Runs an opened project with other values each time, for a sweep.

    Args:
        opened: The project.
        given: Values that all of its runs have.
        environment: What it runs in.
        template: How the runs are recorded.
    """

    def __init__(
        self,
        opened: OpenedProject,
        given: Mapping[str, str],
        environment: Environment,
        template: LaunchRequest,
    ) -> None:
        self._opened = opened
        self._given = given
        self._environment = environment
        self._template = template

    def make_request(self, values: Mapping[str, str]) -> LaunchRequest:
        """Put the values of one run in place.

        Raises:
            GitmlError: They don't fit.
        """
        ready = self._opened.with_values({**self._given, **values})
        return project_launch(ready, self._environment, self._template)
