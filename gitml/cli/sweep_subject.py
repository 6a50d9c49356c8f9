"""What a sweep runs: a command or a project, as it is asked for and as its plan keeps it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.cli.run_project import ProjectOptions, confirm, project_request
from gitml.cli.run_report import printable
from gitml.cli.run_values import read_code_mode
from gitml.errors import DamagedError, RefusedError
from gitml.formats.names import check_artifact_path
from gitml.tracking.secrets import strip_url_credentials

if TYPE_CHECKING:
    from gitml.execution.opening import ProjectRequest
    from gitml.execution.sweeps.runner import Runner
    from gitml.launching.request import LaunchRequest
    from gitml.repo import Repo

_LISTS = ("artifacts", "metrics", "scalars", "recorded_variables")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is run again and again.

    Attributes:
        template: How trials are recorded; with the command, unless it is a project.
        project: The project, None for a command.
    """

    template: LaunchRequest
    project: ProjectOptions | None = None


def encode_subject(subject: Subject, work_tree: Path | None) -> dict[str, Any]:
    """Say in a plan what is run, so that `decode_subject` finds it again.

    Args:
        subject: What is run.
        work_tree: The root of the work tree, None if there is none.
    """
    template, project = subject.template, subject.project
    here = Path.cwd()
    inside = work_tree is not None and here.is_relative_to(work_tree)
    document: dict[str, Any] = {
        "directory": here.relative_to(work_tree).as_posix() if work_tree and inside else ".",
        "experiment": template.experiment,
        "tags": dict(template.tags),
        "auto_params": template.auto_params,
        "code": template.code,
        **{name: list(getattr(template, name)) for name in _LISTS},
    }
    if project is None:
        document["command"] = list(template.command)
    else:
        document |= {
            "project": strip_url_credentials(
                project.target if inside or work_tree is None else _seen_from(work_tree, project.target)
            ),
            "entry_point": project.entry_point,
            "version": project.version,
            "manager": project.manager,
            "container_options": list(project.container_options),
            "build_image": project.build_image,
            "storage": project.storage,
            "recurse_submodules": project.recurse_submodules,
        }
    return {name: value for name, value in document.items() if value not in (None, [], {})}


def _seen_from(work_tree: Path, target: str) -> str:
    """Name a project's folder as from the top of the work tree, where the sweep goes on."""
    from gitml.execution.target import parse_target

    found = parse_target(target)
    if found.folder is None:
        return target
    folder = os.path.relpath(found.folder.resolve(), work_tree.resolve())
    return f"{folder}#{found.subdirectory}" if found.subdirectory else folder


def decode_subject(launch: Mapping[str, Any], *, trust: bool) -> Subject:
    """Read from a plan what is run.

    Raises:
        DamagedError: It does not say that.
    """
    from gitml.launching.request import LaunchRequest

    try:
        template = LaunchRequest(
            command=_texts(launch, "command"),
            environment=dict(os.environ),
            experiment=_text_or_none(launch.get("experiment")),
            tags={_text(key): _text(value) for key, value in launch.get("tags", {}).items()},
            auto_params=launch["auto_params"] is True,
            code=read_code_mode(_text_or_none(launch.get("code")), no_code=False),
            artifacts=_texts(launch, "artifacts"),
            metrics=_texts(launch, "metrics"),
            scalars=_texts(launch, "scalars"),
            recorded_variables=_texts(launch, "recorded_variables"),
        )
        if "project" not in launch:
            return Subject(template)
        return Subject(
            template,
            ProjectOptions(
                target=_text(launch["project"]),
                entry_point=_text_or_none(launch.get("entry_point")),
                parameters={},
                version=_text_or_none(launch.get("version")),
                manager=_text_or_none(launch.get("manager")),
                container_options=_texts(launch, "container_options"),
                build_image=launch["build_image"] is True,
                storage=_text_or_none(launch.get("storage")),
                recurse_submodules=launch["recurse_submodules"] is True,
                trust=trust,
            ),
        )
    except (KeyError, TypeError, AttributeError) as err:
        raise DamagedError(f"the sweep's plan does not say what was run: {err}") from None


def enter_directory(launch: Mapping[str, Any], work_tree: Path | None) -> None:
    """Go to the folder that a sweep was started in.

    Raises:
        RefusedError: It is not here any more, or not below the work tree.
    """
    if work_tree is None:
        return
    directory = str(launch.get("directory", "."))
    wanted = work_tree / check_artifact_path(directory) if directory != "." else work_tree
    if not wanted.is_dir() or not wanted.resolve().is_relative_to(work_tree.resolve()):
        raise RefusedError(
            f"the folder '{directory}', in which the sweep was started, is not here",
            hint="check out the commit that it was started from",
        )
    os.chdir(wanted)


@dataclass(frozen=True, slots=True)
class Ready:
    """A subject that is ready to be run.

    Attributes:
        runner: Makes requests of values.
        request: One that stands for all trials.
        commit: The commit of a project from elsewhere.
        project: How the project was asked for, if it is one.
    """

    runner: Runner
    request: LaunchRequest
    commit: str | None = None
    project: ProjectRequest | None = None


@contextmanager
def open_subject(
    repo: Repo, subject: Subject, example: Mapping[str, str], *, quiet: bool, elsewhere: bool = False
) -> Iterator[Ready]:
    """Make a subject ready to be run; a project's folder is the current one meanwhile.

    Args:
        repo: Where it is recorded.
        subject: What is run.
        example: Values of a trial.
        quiet: Whether notes are kept back.
        elsewhere: Whether it is handed to a backend: where it runs, its environment is
            made, and its folder entered.
    """
    if subject.project is None:
        from gitml.execution.sweeps.runner import CommandRunner

        yield Ready(CommandRunner(subject.template), subject.template)
        return
    from gitml.execution.commands import command_argv
    from gitml.execution.environments import Environment
    from gitml.execution.opening import opened_project
    from gitml.execution.running import ProjectRunner, enter, prepared_environment, project_launch
    from gitml.render.progress import progress

    environ, here = subject.template.environment, Path.cwd()
    request = project_request(subject.project)
    with opened_project(repo, request, environ=environ, progress=progress) as opened:
        for note in opened.source.notes:
            print(f"warning: {printable(note)}", file=sys.stderr)
        ready = opened.with_values(example)
        confirm(ready, trust=subject.project.trust)
        environment = (
            Environment("local", definition=ready.definition.kind)
            if elsewhere
            else prepared_environment(repo, ready, request, environ, progress)
        )
        for note in () if quiet else environment.notes:
            print(f"note: {printable(note)}", file=sys.stderr)
        one = project_launch(ready, environment, subject.template)
        whole = replace(
            one, command=command_argv(ready.entry.command), params={}, assumed_params={}, project=None
        )
        source = ready.source
        commit = source.code.commit if source.uri is not None and source.code is not None else None
        try:
            if not elsewhere:
                enter(opened)
            yield Ready(ProjectRunner(opened, {}, environment, subject.template), whole, commit, request)
        finally:
            os.chdir(here)


def check_request(request: LaunchRequest) -> None:
    """Refuse what each trial would be refused for, before anything runs.

    Raises:
        GitmlError: A rule or a pattern means nothing.
    """
    if request.scalars:
        from gitml.launching.scalars import compile_rule

        for text in request.scalars:
            compile_rule(text)
    if request.artifacts:
        from gitml.launching.outputs import check_pattern

        for text in request.artifacts:
            check_pattern(text, Path.cwd())


def _texts(launch: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(map(_text, launch.get(name, ())))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)
