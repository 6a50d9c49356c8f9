"""What a folder is as a project: its `MLproject` file, or what is there without one."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gitml.entities.project import EntryPoint, EnvironmentKind, EnvironmentSpec, Project
from gitml.errors import NotFoundError, UsageError
from gitml.execution.commands import shell
from gitml.formats.mlproject import ProjectFile, ProjectFileError, decode_project

PROJECT_FILE = "MLproject"
_SCRIPTS = (".py", ".sh", ".R", ".r")
# Where a project says nothing: MLflow's names first, in its order, then what exact tools wrote, then wishes.
_BY_NAME = (
    ("python_env.yaml", EnvironmentKind.PYTHON),
    ("conda.yaml", EnvironmentKind.CONDA),
    ("uv.lock", EnvironmentKind.UV_LOCK),
    ("pyproject.toml", EnvironmentKind.PYPROJECT),
    ("requirements.txt", EnvironmentKind.REQUIREMENTS),
)
_MOST_SHOWN = 10
_MAX_SCRIPT = 1 << 20


class OutsideError(UsageError):
    """A path, or a link at it, leads out of the project's folder."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"'{path[:200]}' leads out of the project's folder",
            hint="name a file below it; a link may not lead out either",
        )


class UnknownEntryPointError(NotFoundError):
    """A project has no entry point of that name."""

    def __init__(self, name: str, project: Project, scripts: list[str]) -> None:
        import difflib

        known = [*project.entry_points, *scripts]
        close = difflib.get_close_matches(name, known, n=2)
        where = f"in '{project.file}'" if project.file else f": the folder has no {PROJECT_FILE} file"
        if close:
            hint = f"did you mean {' or '.join(f'-e {shlex.quote(one)}' for one in close)}?"
        elif known:
            more = ", …" if len(known) > _MOST_SHOWN else ""
            hint = f"-e takes one of {', '.join(known[:_MOST_SHOWN])}{more}"
        else:
            hint = f"write an {PROJECT_FILE} file, or name a .py, .sh or .R file: -e FILE"
        super().__init__(
            f"there is no entry point '{name[:200]}'{' ' if project.file else ''}{where}", hint=hint
        )
        self.name = name


def load_project(folder: Path) -> Project:
    """Read a folder as a project.

    Args:
        folder: Where `MLproject` is, in any case; it need not have one.

    Raises:
        NotFoundError: There is no such folder.
        ProjectFileError: The file has an error, or names a file that is not there; the first is told.
        UsageError: A file that belongs to the project leads out of it, or can't be read.
    """
    found = read_definition(folder)
    if found.errors:
        raise found.errors[0]
    return found.project


def read_definition(folder: Path) -> ProjectFile:
    """Read a folder as a project, with all that is wrong and odd in its file.

    Raises:
        NotFoundError: There is no such folder.
        UsageError: A file that belongs to the project leads out of it, or can't be read.
    """
    name = _project_file(folder)
    if name is None:
        return ProjectFile(Project(environment=_find_environment(folder)))
    path = file_inside(folder, name)
    if path is None:
        raise UsageError(f"'{folder / name}' is no file")
    found = decode_project(_read(path), name)
    environment = found.project.environment
    if not found.environment_line:
        return replace(found, project=replace(found.project, environment=_find_environment(folder)))
    if environment.file is not None and file_inside(folder, environment.file) is None:
        lacking = ProjectFileError(
            name,
            found.environment_line,
            f"there is no file '{environment.file}'",
            "make it, or correct its name",
        )
        return replace(found, errors=tuple(sorted((*found.errors, lacking), key=lambda err: err.line)))
    return found


def find_entry_point(project: Project, folder: Path, name: str) -> EntryPoint:
    """Find an entry point: one that the project declares, or a script below its folder.

    Args:
        project: As `load_project` gave it.
        folder: Where it is.
        name: As declared, or a path that ends in `.py`, `.sh` or `.R`.

    Raises:
        UnknownEntryPointError: There is none.
        OutsideError: The path leads out of the folder.
    """
    if name in project.entry_points:
        return project.entry_points[name]
    if name.endswith(_SCRIPTS) and name.isprintable() and file_inside(folder, name) is not None:
        path = str(PurePosixPath(name))
        word = shlex.quote(f"./{path}" if path.startswith("-") else path)
        return EntryPoint(path, f"{_interpreter(path)} {word.replace('{', '{{').replace('}', '}}')}")
    raise UnknownEntryPointError(name, project, scripts_in(folder))


def environment_for(project: Project, entry_point: EntryPoint, folder: Path) -> EnvironmentSpec:
    """Tell where the environment of an entry point is defined.

    That is what the `MLproject` file names; else the metadata block of the script that the entry
    point is (PEP 723); else what was found by its name.

    Args:
        project: As `load_project` gave it.
        entry_point: As `find_entry_point` gave it.
        folder: Where the project is.
    """
    if not project.names_environment and entry_point.name not in project.entry_points:
        path = file_inside(folder, entry_point.name) if entry_point.name.endswith(".py") else None
        if path is not None and _has_metadata(path):
            return EnvironmentSpec(EnvironmentKind.SCRIPT, entry_point.name)
    return project.environment


def scripts_in(folder: Path) -> list[str]:
    """Name the files of a folder, not those below it, that can be entry points."""
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.name.endswith(_SCRIPTS) and not entry.name.startswith(".") and entry.is_file()
    )


def file_inside(folder: Path, name: str) -> Path | None:
    """Find a file of a project by its path; None if there is none.

    Raises:
        OutsideError: The path or a link leads out of the folder.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise OutsideError(name)
    path = folder / relative
    if not os.path.isfile(path):  # a name can be too long even to ask
        return None
    if not path.resolve().is_relative_to(folder.resolve()):
        raise OutsideError(name)
    return path


def _project_file(folder: Path) -> str | None:
    try:
        names = [
            entry.name
            for entry in os.scandir(folder)
            if entry.name.lower() == PROJECT_FILE.lower() and not entry.is_dir()  # as a package may be called
        ]
    except OSError as err:
        raise NotFoundError(
            f"'{folder}' can't be read as a folder: {(err.strerror or 'it is none').lower()}",
            hint="name a folder with a project in it",
        ) from err
    return min(names, key=lambda name: (name != PROJECT_FILE, name), default=None)


def _find_environment(folder: Path) -> EnvironmentSpec:
    for name, kind in _BY_NAME:
        if file_inside(folder, name) is not None and _counts(folder, kind):
            return EnvironmentSpec(kind, name)
    return EnvironmentSpec()


def _counts(folder: Path, kind: EnvironmentKind) -> bool:
    """Whether a file defines an environment: many a pyproject.toml only has settings of tools."""
    if kind not in (EnvironmentKind.UV_LOCK, EnvironmentKind.PYPROJECT):
        return True
    path = file_inside(folder, "pyproject.toml")
    return path is not None and "project" in _read_toml(path)


def _read_toml(path: Path) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise UsageError(f"'{path.name}' can't be read: {err}", hint="correct it") from err


def _has_metadata(path: Path) -> bool:
    """Whether a script has a block `# /// script` that ends."""
    lines = iter(_read(path)[:_MAX_SCRIPT].decode("utf-8", "replace").splitlines())
    for line in lines:
        if line.rstrip() == "# /// script":
            for inner in lines:
                if inner.rstrip() == "# ///":
                    return True
                if inner.rstrip() != "#" and not inner.startswith("# "):
                    break
    return False


def _interpreter(path: str) -> str:
    if path.endswith(".py"):
        return "python"
    return shell() if path.endswith(".sh") else "Rscript"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise UsageError(f"'{path}' can't be read: {(err.strerror or str(err)).lower()}") from err
