"""What is to be run again: the recorded command, or the entry point of a recorded project."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gitml.entities.project import EntryPoint, ParameterType
from gitml.entities.run import Run
from gitml.errors import RefusedError, UsageError
from gitml.execution.definition import find_entry_point, load_project
from gitml.execution.environments import Environment
from gitml.execution.opening import OpenedProject, Prepared
from gitml.execution.parameters import local_path
from gitml.execution.reproduction.changes import (
    RedactedCommandError,
    UnknownParameterError,
    change_command,
    is_redacted,
)
from gitml.execution.reproduction.links import link_into
from gitml.execution.reproduction.surroundings import in_environment
from gitml.execution.running import project_launch
from gitml.execution.sources import Source
from gitml.launching.request import LaunchRequest
from gitml.repo import Repo
from gitml.tracking.capture import code_variable

REPRODUCES = "gitml.reproduces"
_SHORT = 7


class NothingToRunError(RefusedError):
    """A run has no command of its own that could be run again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that is ready to be done again, but for its environment.

    Attributes:
        original: The run.
        source: Its code, laid out.
        command: The words of its command, with changes; of a project the
            line for the shell is the project's.
        project: Its project, None of a plain command.
        lent: Files and folders of `path` parameters that the code lacks.
        notes: Sentences on them.
    """

    original: Run
    source: Source
    command: tuple[str, ...] = ()
    project: Prepared | None = None
    lent: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The exact command, as one would type it."""
        return self.project.command if self.project is not None else shlex.join(self.command)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command; of a line for a shell that can't be told apart, none."""
        if self.project is None:
            return self.command
        try:
            return tuple(shlex.split(self.project.command))
        except ValueError:
            return ()

    def request(self, environment: Environment, template: LaunchRequest) -> LaunchRequest:
        """Make the request that runs it in `source.folder`, which must be the current folder by then.

        Args:
            environment: What it runs in.
            template: How the run is recorded.
        """
        if self.project is not None:
            return project_launch(self.project, environment, template)
        code = self.source.code
        prefix, command = in_environment(self.command, environment, self.source.folder, template.environment)
        return replace(
            template,
            command=command,
            prefix=prefix,
            environment={
                **template.environment,
                **environment.variables,
                **(code_variable(self.source.root, code) if code is not None else {}),
            },
            code=code,
            directory=self.source.directory,
            environment_files=environment.files,
        )


def refuse_unfit(repo: Repo, run: Run) -> None:
    """Refuse what can't be run again by itself.

    Raises:
        RefusedError: It still runs, or is part of another run's program.
        NothingToRunError: No command was recorded.
    """
    short = run.id[:_SHORT]
    if not run.status.is_final:
        raise RefusedError(f"run '{short}' has not ended", hint=f"gitml watch {short}")
    if not run.command:
        raise NothingToRunError(
            f"run '{short}' can't be done again: no command was recorded",
            hint=f"it was imported, or made in a notebook; its code: gitml checkout {short} DIR",
        )
    outer = repo.index.get(run.parent_id) if run.parent_id and REPRODUCES not in run.tags else None
    if outer is not None and outer.command == run.command:
        raise NothingToRunError(
            f"run '{short}' was made by the program of run '{outer.id[:_SHORT]}', and not by one of its own",
            hint=f"gitml reproduce {outer.id[:_SHORT]}",
        )


def plan_command(run: Run, source: Source, changes: Mapping[str, str], work_tree: Path | None) -> Plan:
    """Plan a plain command, with changes of its arguments.

    Args:
        run: The run.
        source: Its code, laid out.
        changes: The new texts of arguments to change.
        work_tree: Where programs are that are no part of the code, such as
            `.venv/bin/python`; None if there is none.

    Raises:
        UsageError: A change can't be made, or a secret of the command was not recorded.
    """
    program, *rest = change_command(run.command, changes, tuple(run.params))
    if "/" in program and work_tree is not None and not (source.folder / program).exists():
        here = work_tree / source.directory / program
        program = str(here) if here.is_file() else program
    return Plan(run, source, (program, *rest))


def plan_project(
    repo: Repo, run: Run, source: Source, changes: Mapping[str, str], *, base: Path, storage: Path
) -> Plan:
    """Plan an entry point of a project, with changes of its parameters.

    Args:
        repo: Where artifacts among the values are looked up.
        run: The run.
        source: Its code, laid out.
        changes: The new texts of parameters to change.
        base: Where relative paths that are not in the code begin.
        storage: Folder for data that `path` parameters have fetched.

    Raises:
        GitmlError: The project or one of the values is wrong.
    """
    state = run.project
    if state is None:
        raise UsageError(f"run '{run.id[:_SHORT]}' was not one of a project")
    project = load_project(source.folder)
    entry = find_entry_point(project, source.folder, state.entry_point)
    known = dict.fromkeys([*(parameter.name for parameter in entry.parameters), *state.parameters])
    for name in changes:
        if name not in known:
            raise UnknownParameterError(name, list(known))
    given = {**state.parameters, **changes}
    for name, text in given.items():
        if is_redacted(text):
            raise RedactedCommandError(text, name)
    start, lent = _lend_paths(entry, given, source, base)
    opened = OpenedProject(source, project, entry, start, storage, repo)
    notes = tuple(f"'{path}' is no part of the code: it is read where it is now" for path in lent)
    return Plan(run, source, project=opened.with_values(given), lent=lent, notes=notes)


def _lend_paths(
    entry: EntryPoint, given: Mapping[str, str], source: Source, here: Path
) -> tuple[Path, tuple[Path, ...]]:
    """Say where relative paths among the values begin, and lend the code those that it lacks.

    What the code has is read from there, whatever has become of it in the work tree.
    """
    paths = [
        path
        for parameter in entry.parameters
        if parameter.type is ParameterType.PATH
        and (path := local_path(given.get(parameter.name, ""), Path())) is not None
        and not path.is_absolute()
        and ".." not in path.parts
        and path.parts
    ]
    below_folder = all((source.folder / path).exists() or not (source.root / path).exists() for path in paths)
    start = source.folder if below_folder else source.root
    lent = []
    for path in paths:
        if not (start / path).exists() and (here / path).exists():
            inside = (start / path).relative_to(source.root)
            link_into(source.root, PurePosixPath(inside), here / path)
            lent.append(here / path)
    return start, tuple(lent)
