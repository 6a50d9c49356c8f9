"""Locks: exact packages with hashes, one file for pip and uv, and what is recorded of it.

What is recorded leads to the same packages on another machine: it has no
credentials and no path of this one. A package that is part of the project is
not installed but put on `PYTHONPATH`, because it comes with the code.
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gitml.execution.environments.errors import EnvironmentNotMadeError
from gitml.execution.environments.own import NAME, OwnGitml
from gitml.execution.environments.requirements import INDEX_OPTIONS, local_path, logical_lines, normalize_name
from gitml.tracking.secrets import strip_url_credentials

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(==|@)\s*(\S+)")
_PATHS = "# PYTHONPATH: "
_OWN = "# the gitml that recorded this was installed from a folder"
_HASH = " --hash="


@dataclass(frozen=True, slots=True)
class Entry:
    """A package of a lock.

    Attributes:
        name: Normalized; empty if only a path says what it is.
        text: Its line, hashes included.
        path: Where it lies on this machine, None if it comes from elsewhere.
    """

    name: str
    text: str
    path: str | None = None

    @property
    def is_hashed(self) -> bool:
        """Whether what is installed is checked."""
        return _HASH in self.text


@dataclass(frozen=True, slots=True)
class Lock:
    """What is to be installed.

    Attributes:
        entries: The packages.
        indexes: Options that say where they are.
        paths: Folders for `PYTHONPATH`, below the project's folder.
    """

    entries: tuple[Entry, ...]
    indexes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def text(self, *, hashed: bool) -> str:
        """Return the lines of what has hashes, or of what has none."""
        chosen = (entry.text for entry in self.entries if entry.is_hashed is hashed)
        return "".join(f"{line}\n" for line in chosen)


def read_lock(text: str) -> Lock:
    """Read what a solver wrote, or what was recorded."""
    paths = [line.removeprefix(_PATHS) for line in text.splitlines() if line.startswith(_PATHS)]
    lines = [re.sub(r"\s+", " ", line) for _, line in logical_lines(text)]
    options = [line for line in lines if line.startswith(tuple(f"{option} " for option in INDEX_OPTIONS))]
    entries = tuple(_entry(line) for line in lines if not line.startswith("-") or _editable(line))
    return Lock(entries, tuple(options), tuple(paths))


def _editable(line: str) -> str:
    for option in ("-e ", "--editable "):
        if line.startswith(option):
            return line.removeprefix(option)
    return ""


def _entry(line: str) -> Entry:
    match = _NAMED.match(line)
    if match and match[2] == "==":
        return Entry(normalize_name(match[1]), line)
    target = match[3] if match else (_editable(line) or line).split(" ", 1)[0]
    return Entry(normalize_name(match[1]) if match else "", line, _path_of(target))


def _path_of(target: str) -> str | None:
    if re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*:", target):
        return None
    path = unquote(urlsplit(target).path) if target.startswith("file:") else target
    return re.sub(r"\[[^\]]*\]$", "", path.partition("#")[0])


def settle(lock: Lock, folder: Path, own: OwnGitml | None) -> Lock:
    """Replace what lies on this machine.

    Args:
        lock: As a solver made it, or as it was recorded.
        folder: The project's folder.
        own: The running gitml where it has to be installed from its folder.

    Raises:
        EnvironmentNotMadeError: A package is neither of the project nor from elsewhere.
    """
    entries: list[Entry] = []
    paths = [_of_project(folder, path) for path in lock.paths]
    for entry in lock.entries:
        if own is not None and _is_own(entry, own):
            entries.append(Entry(NAME, own.requirement, str(own.path)))
        elif entry.path is None:
            entries.append(entry)
        else:
            relative = _of_project(folder, entry.path)
            if (folder / relative).is_dir():
                src = os.path.join(relative, "src")
                paths.append(os.path.normpath(src if (folder / src).is_dir() else relative))
            else:
                entries.append(Entry(entry.name, f"./{relative}", str(folder / relative)))
    return Lock(tuple(entries), lock.indexes, tuple(dict.fromkeys(paths)))


def _is_own(entry: Entry, own: OwnGitml) -> bool:
    if entry.path is not None:
        return own.lies_at(entry.path)
    return entry.name == NAME and not entry.is_hashed  # with a hash it is one that an index has


def _of_project(folder: Path, path: str) -> str:
    relative = local_path(folder, path)
    if relative is None:
        raise EnvironmentNotMadeError(
            f"a package lies outside of the project: {path}", hint="put it into the project"
        )
    return relative


def recorded_lock(
    lock: Lock, *, python: str, tool: str, own: OwnGitml | None, indexes: Sequence[str], folder: Path
) -> str:
    """Return `requirements.lock` as it is recorded.

    Args:
        lock: A settled lock.
        python: The exact version of Python.
        tool: What solved it.
        own: As in `settle`.
        indexes: Options of the definition that say where packages are.
        folder: The project's folder.
    """
    lines = [
        "# The exact packages of this environment; hashes are checked when it is made again.",
        f"# Python {python} on {sysconfig.get_platform()}, solved by {tool}",
        *(f"{_PATHS}{path}" for path in lock.paths),
        *indexes,
    ]
    for entry in lock.entries:
        if own is not None and _is_own(entry, own):
            lines += [_OWN, f"{NAME}=={own.version}"]
        else:
            lines.append(_shown(entry, folder))
    return "".join(f"{line}\n" for line in lines)


def _shown(entry: Entry, folder: Path) -> str:
    if entry.path is not None:
        return f"./{local_path(folder, entry.path)}"
    text, *hashes = entry.text.split(_HASH)
    return " \\\n   ".join((strip_url_credentials(text), *(f"{_HASH}{digest}" for digest in sorted(hashes))))


def exact_lock(requirements: str) -> tuple[str, tuple[str, ...]]:
    """Make a lock without hashes of a recorded `requirements.txt`.

    Returns:
        The lock's text, and what it can't have: installs from folders.
    """
    lines: list[str] = []
    missing: list[str] = []
    for line in requirements.splitlines():
        editable = re.match(r"# (\S+), editable install of ", line)
        name = _NAMED.match(line)
        if editable or (name and _path_of(name[3]) and name[2] == "@"):
            missing.append(editable[1] if editable else line.strip())
        elif name:
            lines.append(line.strip())
    return "".join(f"{line}\n" for line in lines), tuple(missing)


def names_of(entries: Iterable[Entry]) -> frozenset[str]:
    """Return the names of some packages."""
    return frozenset(entry.name for entry in entries)
