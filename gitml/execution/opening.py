"""Open a project: get its code, find its entry point, put values in place.

Nothing of the project runs before `Prepared` was looked at: code is fetched and
laid out, and the command made, by reading only. Making its environment may run
code of packages, and comes after that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitml.entities.project import (
    MAIN,
    EntryPoint,
    EnvironmentSpec,
    Parameter,
    ParameterType,
    Project,
    ProjectState,
)
from gitml.errors import NotARepositoryError, UsageError
from gitml.execution.cache import cache_dir
from gitml.execution.commands import recorded_command, shell_command
from gitml.execution.definition import environment_for, find_entry_point, load_project
from gitml.execution.parameters import materialize, missing_parameters, resolve_parameters
from gitml.execution.sources import Source, open_source
from gitml.execution.target import Target, parse_target
from gitml.launching.child_environment import REPO_VARIABLE, RUN_VARIABLE
from gitml.progress import ShowProgress, no_progress
from gitml.repo import Repo
from gitml.tracking.capture import inherited_code

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
        command: The shell command, with values in place. What is yet to be
            fetched stands there by its URI.
        recorded_command: The same with placeholders for what looks like a secret.
        paths: Files and folders that the command is given.
        definition: What defines its environment.
    """

    source: Source
    project: Project
    entry: EntryPoint
    parameters: Mapping[str, str]
    command: str
    recorded_command: str
    paths: tuple[Path, ...]
    definition: EnvironmentSpec


@dataclass(frozen=True, slots=True)
class OpenedProject:
    """An entry point of a project whose code is here, to be run with one or more sets of values.

    Attributes:
        source: Its code.
        project: What its file says.
        entry: What is run of it.
        base: The folder that paths among the values start from.
        storage: Where data of `path` parameters is downloaded to.
        repo: Where artifacts among them are looked up.
        progress: Shows how far downloads are.
    """

    source: Source
    project: Project
    entry: EntryPoint
    base: Path
    storage: Path
    repo: Repo
    progress: ShowProgress = no_progress

    def with_values(self, given: Mapping[str, str], *, fetch: bool = True) -> Prepared:
        """Put values in place.

        Args:
            given: Values by name.
            fetch: Whether data that values name elsewhere is fetched: nothing
                of a project that is not trusted yet is followed.

        Raises:
            GitmlError: One is missing or wrong, or its data can't be had.
        """
        folder = self.source.folder
        values = resolve_parameters(self.entry, given, base=self.base, folder=folder)
        real = materialize(
            self.entry,
            values,
            base={name: self.base if name in given else folder for name in values},
            storage=self.storage,
            repo=self.repo,
            progress=self.progress,
            fetch=fetch,
        )
        paths = tuple(
            Path(real[parameter.name])
            for parameter in self.entry.parameters
            if parameter.type is ParameterType.PATH and parameter.name in real
        )
        definition = environment_for(self.project, self.entry, folder)
        return Prepared(
            self.source, self.project, self.entry, values,
            shell_command(self.entry, real), recorded_command(self.entry, real), paths, definition,
        )  # fmt: skip


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
def opened_project(
    repo: Repo, request: ProjectRequest, *, environ: Mapping[str, str], progress: ShowProgress
) -> Iterator[OpenedProject]:
    """Get a project's code and find its entry point; the code may be gone after the context.

    Args:
        repo: Where it is recorded.
        request: Which project.
        environ: Our environment.
        progress: Shows how far fetching is.

    Raises:
        GitmlError: The request or the project is wrong, or the code can't be had.
    """
    target = parse_target(request.target)
    base = Path.cwd()
    with ExitStack() as stack:
        source = _inherited_source(repo, target, request, environ) or stack.enter_context(
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
        if request.storage is None:
            storage = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gitml-")))
        else:
            storage = _storage_below(request.storage)
        yield OpenedProject(source, project, entry, base, storage, repo, progress)


def _storage_below(folder: Path) -> Path:
    """Make a fresh folder for downloads."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="params-", dir=folder))
    except OSError as err:
        raise UsageError(
            f"'{folder}' can't be used for downloads: {(err.strerror or str(err)).lower()}",
            hint="name another folder: --storage-dir DIR",
        ) from err


@contextmanager
def prepared(
    repo: Repo,
    request: ProjectRequest,
    *,
    environ: Mapping[str, str],
    progress: ShowProgress,
    ask: Ask | None = None,
    agree: Callable[[Prepared], None] | None = None,
) -> Iterator[Prepared]:
    """Get a project's code and make its command.

    Args:
        repo: Where it is recorded.
        request: Which project.
        environ: Our environment.
        progress: Shows how far fetching is.
        ask: Asks for required values that were not given; None: they are an error.
        agree: Told what is going to be run before data that it names is fetched;
            raises if that is not wanted.

    Raises:
        GitmlError: The request, the project or one of its values is wrong, or
            the code can't be had.
    """
    with opened_project(repo, request, environ=environ, progress=progress) as opened:
        given = dict(request.parameters)
        if ask is not None and (missing := missing_parameters(opened.entry, given)):
            given |= ask(missing)
        if agree is not None:
            agree(opened.with_values(given, fetch=False))
        yield opened.with_values(given)


def _inherited_source(
    repo: Repo, target: Target, request: ProjectRequest, environ: Mapping[str, str]
) -> Source | None:
    """Code that was laid out for the run that started us, and is run in place again."""
    laid_out = inherited_code(environ)
    if laid_out is None or target.folder is None or request.version is not None:
        return None
    folder = (target.folder / target.subdirectory).resolve()
    if not folder.is_relative_to(laid_out.root):
        return None
    inside = folder.relative_to(laid_out.root)
    directory = "" if inside == Path() else inside.as_posix()
    outer = _outer_project(repo, environ)
    return Source(
        folder, laid_out.root, directory, laid_out.code,
        outer.uri if outer is not None else None,
        outer.version if outer is not None else None,
        submodules=outer is not None and outer.submodules,
        inherited=True,
    )  # fmt: skip


def _outer_project(repo: Repo, environ: Mapping[str, str]) -> ProjectState | None:
    """How the run that started us was asked for, where the code that it left us came from; None if it was a command."""
    run_id = environ.get(RUN_VARIABLE)
    if not run_id:
        return None
    from gitml.tracking.history import get_run  # only for runs in runs

    return get_run(repo, run_id).project
