"""Run a project: its code, its entry point, its environment, as one tracked run.

Nothing of the project runs before `Prepared` was looked at: code is fetched and
laid out, and the command made, by reading only. Making its environment may run
code of packages, and comes after that.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.project import MAIN, EntryPoint, EnvironmentSpec, Parameter, Project, ProjectState
from gitml.errors import NotARepositoryError
from gitml.execution.cache import cache_dir
from gitml.execution.commands import command_argv, shell_command
from gitml.execution.definition import environment_for, find_entry_point, load_project
from gitml.execution.environments import Environment, prepare
from gitml.execution.parameters import materialize, missing_parameters, resolve_parameters
from gitml.execution.sources import Source, open_source
from gitml.execution.target import Target, parse_target
from gitml.launching.arguments import param_value
from gitml.launching.child_environment import REPO_VARIABLE
from gitml.repo import Repo
from gitml.tracking.capture import code_variable, find_python, inherited_code

if TYPE_CHECKING:
    from gitml.launching.launch import LaunchRequest, ShowProgress

Ask = Callable[[Sequence[Parameter]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """Which project to run, and how.

    Attributes:
        target: A folder, or a git URL, perhaps with `#subfolder`.
        version: Branch, tag or commit; None: the folder as it is, or the
            remote's default branch.
        entry_point: Its name.
        parameters: Texts of the values given.
        manager: What makes the environment; None: what suits its definition.
        storage: Folder for data that `path` parameters have fetched; None: one
            that is removed afterwards.
        container_options: Name and value of options for the container engine;
            a flag has an empty value.
        build_image: Whether an image with the code in it is built.
        recurse_submodules: Whether submodules of fetched code are fetched too.
    """

    target: str
    version: str | None = None
    entry_point: str = MAIN
    parameters: Mapping[str, str] = field(default_factory=dict)
    manager: str | None = None
    storage: Path | None = None
    container_options: tuple[tuple[str, str], ...] = ()
    build_image: bool = False
    recurse_submodules: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project that is ready to be run, but for its environment.

    Attributes:
        source: Its code.
        project: What its file says.
        entry: What is run of it.
        parameters: Texts of all values, as they are recorded.
        command: The shell command, with values in place.
        definition: What defines its environment.
    """

    source: Source
    project: Project
    entry: EntryPoint
    parameters: Mapping[str, str]
    command: str
    definition: EnvironmentSpec


def recording_repo(target: str, chosen: str | None, environ: Mapping[str, str]) -> Repo:
    """Open the repository that a run of a project is recorded in.

    The chosen one, or the one that the current folder is in, or that of the run that started
    us; if there is none, the one that the project's folder is in.

    Raises:
        NotARepositoryError: There is none at all.
    """
    if chosen is not None:
        return Repo.open(chosen)
    if inherited_code(environ) is not None and environ.get(REPO_VARIABLE):
        return Repo.open(environ[REPO_VARIABLE])
    try:
        return Repo.open()
    except NotARepositoryError:
        folder = parse_target(target).folder
        if folder is None:
            raise
        return Repo.open(folder)


@contextmanager
def prepared(
    repo: Repo,
    request: ProjectRequest,
    *,
    environ: Mapping[str, str],
    progress: ShowProgress,
    ask: Ask | None = None,
) -> Iterator[Prepared]:
    """Get a project's code and make its command; the code may be gone after the context.

    Args:
        repo: Where it is recorded.
        request: Which project.
        environ: Our environment.
        progress: Shows how far fetching is.
        ask: Asks for required values that were not given; None: they are an error.

    Raises:
        GitmlError: The request, the project or one of its values is wrong, or
            the code can't be had.
    """
    target = parse_target(request.target)
    base = Path.cwd()
    with ExitStack() as stack:
        source = _inherited_source(target, request, environ) or stack.enter_context(
            open_source(
                repo,
                target,
                request.version,
                cache=cache_dir(environ),
                recurse_submodules=request.recurse_submodules,
                progress=progress,
            )
        )
        project = load_project(source.folder)
        entry = find_entry_point(project, source.folder, request.entry_point)
        given = dict(request.parameters)
        if ask is not None and (missing := missing_parameters(entry, given)):
            given |= ask(missing)
        values = resolve_parameters(entry, given, base=base)
        storage = request.storage or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gitml-")))
        real = materialize(entry, values, base=base, storage=storage)
        yield Prepared(
            source,
            project,
            entry,
            values,
            shell_command(entry, real),
            environment_for(project, entry, source.folder),
        )


def _inherited_source(target: Target, request: ProjectRequest, environ: Mapping[str, str]) -> Source | None:
    """Code that was laid out for the run that started us, and is run in place again."""
    laid_out = inherited_code(environ)
    if laid_out is None or target.folder is None or request.version is not None:
        return None
    folder = (target.folder / target.subdirectory).resolve()
    if not folder.is_relative_to(laid_out.root):
        return None
    inside = folder.relative_to(laid_out.root)
    directory = "" if inside == Path() else inside.as_posix()
    return Source(folder, laid_out.root, directory, laid_out.code, laid_out.code.remote, None)


def prepared_environment(
    ready: Prepared, request: ProjectRequest, environ: Mapping[str, str], progress: ShowProgress
) -> Environment:
    """Make the environment that a project runs in, or find it in the cache.

    Raises:
        GitmlError: It can't be made.
    """
    return prepare(
        ready.definition,
        ready.source.folder,
        manager=request.manager,
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
    return replace(
        template,
        command=command_argv(ready.command),
        prefix=environment.prefix,
        environment={**template.environment, **variables},
        params={**{key: param_value(text) for key, text in ready.parameters.items()}, **template.params},
        auto_params=False,
        code=source.code if source.code is not None else template.code,
        entry_point=ready.entry.name,
        directory=source.directory,
        project=ProjectState(
            ready.entry.name,
            ready.parameters,
            source.uri,
            source.version,
            environment.manager,
            environment.definition,
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


def enter(ready: Prepared) -> None:
    """Make the project's folder the current one, as its program expects."""
    os.chdir(ready.source.folder)
