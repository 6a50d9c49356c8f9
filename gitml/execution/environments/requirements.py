"""Lines that name packages, as pip and uv read them, and the files that hold such lines.

They are read here to know everything that defines an environment, and to refuse
what leads out of the project; what they mean is for pip and uv to say.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitml.execution.environments.errors import EnvironmentFileError

_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|(?<=^-[rcefi]))(.*)|(--?[A-Za-z][A-Za-z-]*)")
_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?:[@=<>!~;(].*)?$")
_DIRECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*(\S.*)")
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_REQUIREMENT = ("-r", "--requirement")
_CONSTRAINT = ("-c", "--constraint", "--constraints")
_EDITABLE = ("-e", "--editable")
INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_FILE_OPTIONS = (
    "--no-index", "--pre", "--prefer-binary", "--no-binary", "--only-binary", "--require-hashes", "--trusted-host",
)  # fmt: skip
_SETUP_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_MAX_DEPTH = 20


def normalize_name(name: str) -> str:
    """Return the one form in which names of packages are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(slots=True)
class Requirements:
    """What lines of requirements say.

    Attributes:
        lines: Those given that name packages or say where they are.
        sources: Files that those lines include, below the project's folder.
        constraints: Likewise, of constraints.
        names: Normalized names of the packages asked for, in included files too.
        inputs: Everything below the project that decides what is installed:
            contents by path; of archives, their digest.
        indexes: Options that say where packages are.
    """

    lines: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    inputs: dict[str, bytes] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)


def read_file(folder: Path, name: str) -> bytes:
    """Read a file below a project.

    Raises:
        EnvironmentFileError: It isn't there, or its path leads out.
    """
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, name))
    if os.path.commonpath((root, path)) != root:
        raise EnvironmentFileError(name, 0, "the file is outside of the project")
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as err:
        raise EnvironmentFileError(name, 0, f"it can't be read: {err.strerror}") from None


def read_requirements_file(folder: Path, name: str) -> Requirements:
    """Read a requirements file and all that it includes."""
    found = Requirements()
    _read_into(found, folder, name, depth=0, constraint=False)
    return found


def read_lines(folder: Path, file: str, lines: Iterable[tuple[int, str]]) -> Requirements:
    """Read requirements that are items of another file.

    Args:
        folder: The project's folder.
        file: The file that they are in, for messages.
        lines: Line number, 0 if not known, and text.

    Raises:
        EnvironmentFileError: One is an option other than `-r`, `-c`, `-e` and
            where packages are, or leads out of the project, or is no package.
    """
    found = Requirements()
    for number, line in lines:
        text = line.strip()
        if "\n" in text or "\r" in text:
            raise EnvironmentFileError(file, number, f"{text!r:.80} is more than one line")
        text = _COMMENT.sub("", text).strip()
        if text:
            _read_line(found, folder, file, (number, text), depth=0, strict=True)
    return found


def _read_into(found: Requirements, folder: Path, name: str, *, depth: int, constraint: bool) -> None:
    name = os.path.normpath(name)
    if name in found.inputs:
        return
    if depth > _MAX_DEPTH:
        raise EnvironmentFileError(name, 0, f"files include each other more than {_MAX_DEPTH} deep")
    data = read_file(folder, name)
    found.inputs[name] = data
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EnvironmentFileError(name, 0, "it is not UTF-8 text") from None
    asked = set(found.names)
    for number, line in logical_lines(text):
        _read_line(found, folder, name, (number, line), depth=depth, strict=False)
    if constraint:  # names no package to be installed
        found.names = asked


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines without comments, those that go on with a backslash as one, with the number of the first."""
    start, parts = 1, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if not parts:
            start = number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        whole = _COMMENT.sub("", "".join((*parts, line))).strip()
        parts = []
        if whole:
            yield start, whole
    if parts and (whole := _COMMENT.sub("", "".join(parts)).strip()):
        yield start, whole


def _read_line(
    found: Requirements, folder: Path, file: str, line: tuple[int, str], *, depth: int, strict: bool
) -> None:
    number, text = line
    match = _OPTION.fullmatch(text)
    option, value = (match[1] or match[3], (match[2] or "").strip()) if match else (text, "")
    if option in (*_REQUIREMENT, *_CONSTRAINT):
        if "://" in value:
            raise EnvironmentFileError(
                file, number, f"'{text:.80}' includes a file from elsewhere", "put it into the project"
            )
        included = os.path.normpath(os.path.join(os.path.dirname(file), value))
        if local_path(folder, included) is None or not (folder / included).is_file():
            raise EnvironmentFileError(file, number, f"'{value:.80}' is no file of the project")
        if strict:
            (found.constraints if option in _CONSTRAINT else found.sources).append(included)
        _read_into(found, folder, included, depth=depth + 1, constraint=option in _CONSTRAINT)
        return
    if not text.startswith("-"):
        _read_package(found, folder, file, line)
    elif option in _EDITABLE:
        _read_package(found, folder, file, (number, value))
    elif option in INDEX_OPTIONS:
        found.indexes.append(f"{option} {_place(folder, file, value)}")
    elif strict or option not in _FILE_OPTIONS:
        raise EnvironmentFileError(
            file,
            number,
            f"'{text:.80}' is not a package",
            "options that are understood: -r, -c, -e, --index-url, --extra-index-url, --find-links",
        )
    if strict:
        found.lines.append(text)


def _place(folder: Path, file: str, value: str) -> str:
    """Return a place of packages; a folder is one beside the file or below the project, as for pip."""
    beside = os.path.join(os.path.dirname(file), value)
    return beside if ":" not in value and (folder / beside).is_dir() else value


def _read_package(found: Requirements, folder: Path, file: str, line: tuple[int, str]) -> None:
    number, text = line
    name = _NAME.match(text)
    target = text.split(" --", 1)[0].split(";", 1)[0].strip()
    if direct := _DIRECT.match(target):
        target = direct[1]
    elif name and not _is_path(folder, target):
        found.names.add(normalize_name(name[1]))
        return
    if name:
        found.names.add(normalize_name(name[1]))
    if _VCS.match(target) or target.startswith(("https://", "http://")):
        return
    path = target.removeprefix("file://").removeprefix("file:").partition("#")[0]
    path = re.sub(r"\[[^\]]*\]$", "", path)
    if not _is_path(folder, path) and not target.startswith("file:"):
        raise EnvironmentFileError(file, number, f"'{text:.80}' is not a package")
    _read_local(found, folder, (file, number), path)


def _is_path(folder: Path, text: str) -> bool:
    return text.startswith((".", "/")) or ("/" in text and (folder / text).exists())


def _read_local(found: Requirements, folder: Path, where: tuple[str, int], path: str) -> None:
    relative = local_path(folder, path)
    if relative is None:
        raise EnvironmentFileError(
            *where, f"'{path:.80}' is outside of the project", "name the package instead"
        )
    full = folder / relative
    if full.is_file():
        found.inputs[relative] = hashlib.sha256(full.read_bytes()).hexdigest().encode()
    elif full.is_dir():
        found.inputs.update(setup_files(folder, relative))
    else:
        raise EnvironmentFileError(*where, f"'{path:.80}' isn't there")


def setup_files(folder: Path, relative: str) -> Mapping[str, bytes]:
    """Read the files that say what a package in a folder needs."""
    names = (os.path.normpath(os.path.join(relative, name)) for name in _SETUP_FILES)
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def local_path(folder: Path, path: str) -> str | None:
    """Return a path relative to the project, None if it is outside of it."""
    root = os.path.realpath(folder)
    full = os.path.realpath(os.path.join(root, path))
    return os.path.relpath(full, root) if os.path.commonpath((root, full)) == root else None
