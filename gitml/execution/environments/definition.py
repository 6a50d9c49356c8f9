"""What a file says about the environment it defines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.entities.project import EnvironmentKind, EnvironmentSpec
from gitml.execution.environments import pythons
from gitml.execution.environments.errors import EnvironmentFileError, NotOnPyPIError
from gitml.execution.environments.requirements import (
    Requirements,
    local_path,
    normalize_name,
    read_file,
    read_lines,
    read_requirements_file,
    setup_files,
)
from gitml.formats.yaml_nodes import Node

if TYPE_CHECKING:
    from gitml.execution.environments.conda_file import CondaFile

_LOCKED_NAME = re.compile(r'^name = "([^"]*)"', re.MULTILINE)
_LOCKED_PYTHON = re.compile(r'^requires-python = "([^"]*)"', re.MULTILINE)
_PYTHON_KEYS = ("python", "build_dependencies", "dependencies", "name")


@dataclass(frozen=True, slots=True)
class Definition:
    """What is to be installed, and on which Python.

    Attributes:
        kind: What kind of file said so.
        file: That file, below the project's folder.
        python: The version asked for, as in `pythons.is_request`; None if any.
        lines: Requirements, to be put into a file.
        sources: Files below the folder that the installer reads as they are.
            Of a `pyproject.toml` or a script, `lines` say the same to an
            installer that can't read those.
        inputs: All that decides what is installed, by path.
        names: Normalized names of the packages asked for.
        constraints: Files of constraints, likewise.
        indexes: Options that say where packages are, as they are written.
        paths: Folders for `PYTHONPATH`, below the project's folder.
        notes: Sentences for the user.
        needs_uv: Whether only uv understands it.
    """

    kind: EnvironmentKind
    file: str
    python: str | None = None
    lines: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    indexes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    needs_uv: bool = False


def read_definition(spec: EnvironmentSpec, folder: Path) -> Definition:
    """Read what defines an environment of Python packages.

    A project with a `pyproject.toml` or `uv.lock` gets its dependencies; it is
    not installed itself: `src`, or its folder where there is none, is put on
    `PYTHONPATH`.

    Args:
        spec: Which file, of a kind that pip can install.
        folder: The project's folder.

    Raises:
        EnvironmentFileError: The file isn't there, or not as it should be.
        NotOnPyPIError: A conda file asks for what is not known to be on PyPI.
    """
    file = spec.file or ""
    readers = {
        EnvironmentKind.PYTHON: _python_env,
        EnvironmentKind.CONDA: _conda_env,
        EnvironmentKind.REQUIREMENTS: _requirements,
        EnvironmentKind.PYPROJECT: _pyproject,
        EnvironmentKind.UV_LOCK: _uv_lock,
        EnvironmentKind.SCRIPT: _script,
    }
    return readers[spec.kind](folder, file)


def read_conda_inputs(file: str, folder: Path) -> Mapping[str, bytes]:
    """Read all that decides what conda makes of its file.

    Raises:
        EnvironmentFileError: The file isn't there, or not as it should be.
    """
    from gitml.execution.environments.conda_file import read_conda_file

    data = read_file(folder, file)
    conda = read_conda_file(data, file)
    return {**read_lines(folder, file, conda.lines).inputs, file: data}


def _python_env(folder: Path, file: str) -> Definition:
    data = read_file(folder, file)
    node = Node.of(data, file, EnvironmentFileError)
    pairs = node.known_pairs(_PYTHON_KEYS) if node else {}
    lines: list[tuple[int, str]] = []
    for key in ("build_dependencies", "dependencies"):
        value = pairs.get(key)
        if value is not None and not value.is_null:
            lines += [(item.line, item.text("a requirement")) for item in value.items()]
    python = pairs.get("python")
    if python is not None and not pythons.is_request(python.text()):
        raise python.error(f"'{python.text():.40}' is not a version of Python", 'python: "3.11"')
    found = read_lines(folder, file, lines)
    request = python.text() if python is not None else None
    return _definition(EnvironmentKind.PYTHON, (file, data), found, python=request)


def _conda_env(folder: Path, file: str) -> Definition:
    from gitml.execution.environments.conda_file import read_conda_file

    data = read_file(folder, file)
    conda = read_conda_file(data, file)
    if conda.conda_only:
        raise NotOnPyPIError(file, conda.conda_only)
    found = read_lines(folder, file, conda.lines)
    return _definition(
        EnvironmentKind.CONDA, (file, data), found, python=conda.python, notes=_conda_notes(file, conda)
    )


def _conda_notes(file: str, conda: CondaFile) -> tuple[str, ...]:
    listed = len(conda.lines) - len(conda.pip)
    as_conda = f", {listed} of them listed as conda's" if listed else ""
    return (f"conda is not used; the packages of {file} are taken from PyPI{as_conda}",)


def _requirements(folder: Path, file: str) -> Definition:
    found = read_requirements_file(folder, file)
    return _definition(EnvironmentKind.REQUIREMENTS, (file, found.inputs[file]), found, sources=(file,))


def _pyproject(folder: Path, file: str) -> Definition:
    data = read_file(folder, file)
    document = _load_toml(data, file)
    project = _table(document, "project", file)
    found = read_lines(folder, file, _lines(project.get("dependencies", []), file))
    needs_uv = _read_sources(found, document, folder, file) or "dependencies" in project.get("dynamic", ())
    definition = _definition(
        EnvironmentKind.PYPROJECT, (file, data), found,
        python=_requires_python(project, file), sources=(file,), paths=_import_folder(folder, file),
    )  # fmt: skip
    return replace(definition, needs_uv=needs_uv)


def _read_sources(found: Requirements, document: Mapping[str, Any], folder: Path, file: str) -> bool:
    """Take in what `[tool.uv.sources]` says of folders; tell whether it says anything."""
    sources = _table(_table(_table(document, "tool", file), "uv", file), "sources", file)
    for source in sources.values():
        path = source.get("path") if isinstance(source, dict) else None
        if isinstance(path, str) and (inside := local_path(folder, str(PurePosixPath(file).parent / path))):
            found.inputs.update(setup_files(folder, inside))
    return bool(sources)


def _uv_lock(folder: Path, file: str) -> Definition:
    data = read_file(folder, file)
    # A lock can have a million characters, and uv reads it anyway.
    text = data.decode("utf-8", "replace")
    names = {normalize_name(name) for name in _LOCKED_NAME.findall(text)}
    request = _LOCKED_PYTHON.search(text)
    project = str(PurePosixPath(file).with_name("pyproject.toml"))
    found = Requirements(names=names, inputs={project: read_file(folder, project)})
    definition = _definition(
        EnvironmentKind.UV_LOCK, (file, data), found,
        python=_requires_python({"requires-python": request[1]} if request else {}, file),
        sources=(file,), paths=_import_folder(folder, file),
    )  # fmt: skip
    return replace(definition, needs_uv=True)


def _script(folder: Path, file: str) -> Definition:
    block = script_block(read_file(folder, file), file)
    data = block.encode()
    metadata = _load_toml(data, file)
    found = read_lines(folder, file, _lines(metadata.get("dependencies", []), file))
    needs_uv = "uv" in _table(metadata, "tool", file)
    _read_sources(found, metadata, folder, file)
    definition = _definition(
        EnvironmentKind.SCRIPT, (file, data), found, python=_requires_python(metadata, file), sources=(file,)
    )
    return replace(definition, needs_uv=needs_uv)


def script_block(data: bytes, file: str) -> str:
    """Return the TOML of a script's metadata block, as PEP 723 has it.

    Raises:
        EnvironmentFileError: There is none, or more than one, or it has no end.
    """
    lines = data.decode("utf-8", "replace").splitlines()
    starts = [number for number, line in enumerate(lines) if line.rstrip() == "# /// script"]
    if len(starts) != 1:
        raise EnvironmentFileError(file, 0, f"it has {len(starts)} blocks '# /// script', not one")
    kept: list[str] = []
    end = None
    for number, line in enumerate(lines[starts[0] + 1 :]):
        if not (line == "#" or line.startswith("# ")):
            break
        kept.append(line[2:])
        if line == "# ///":
            end = number
    if end is None:
        raise EnvironmentFileError(
            file, starts[0] + 1, "the block '# /// script' has no line '# ///' at its end"
        )
    return "".join(f"{line}\n" for line in kept[:end])


def _definition(
    kind: EnvironmentKind, file: tuple[str, bytes], found: Requirements, *, python: str | None = None,
    sources: tuple[str, ...] = (), paths: tuple[str, ...] = (), notes: tuple[str, ...] = (),
) -> Definition:  # fmt: skip
    return Definition(
        kind, file[0], python, tuple(found.lines), (*sources, *found.sources), tuple(found.constraints),
        {**found.inputs, file[0]: file[1]}, frozenset(found.names), tuple(dict.fromkeys(found.indexes)), paths, notes,
    )  # fmt: skip


def _load_toml(data: bytes, file: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise EnvironmentFileError(file, 0, f"it is not TOML: {err}") from None


def _table(document: Mapping[str, Any], name: str, file: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise EnvironmentFileError(file, 0, f"'{name}' must be a table")
    return table


def _lines(dependencies: object, file: str) -> Iterable[tuple[int, str]]:
    if not isinstance(dependencies, list) or not all(isinstance(line, str) for line in dependencies):
        raise EnvironmentFileError(file, 0, "'dependencies' must be a list of texts")
    for line in dependencies:
        if line.lstrip().startswith("-"):
            raise EnvironmentFileError(file, 0, f"'{line:.80}' is not a package")
    return [(0, line) for line in dependencies]


def _requires_python(table: Mapping[str, Any], file: str) -> str | None:
    request = table.get("requires-python")
    if request is None:
        return None
    if not isinstance(request, str) or not pythons.is_request(request):
        raise EnvironmentFileError(file, 0, f"'{request!s:.40}' is not a version of Python", '">=3.10"')
    return request


def _import_folder(folder: Path, file: str) -> tuple[str, ...]:
    root = PurePosixPath(file).parent
    return (str(root / "src") if (folder / root / "src").is_dir() else str(root),)


def local_inputs(folder: Path) -> Mapping[str, bytes]:
    """Read what else uv looks at in a project's folder."""
    settings = {"uv.toml": (folder / "uv.toml").read_bytes()} if (folder / "uv.toml").is_file() else {}
    return {**setup_files(folder, "."), **settings}
