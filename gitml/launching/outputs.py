"""Files that a program leaves behind, chosen by path or pattern.

Only files below the folder that the program ran in are taken: what is elsewhere
may be anything, and its name would say where. A link that leads out is followed
only where it is named itself, as when a file is logged by name; not where a
pattern or a folder led to it. Everything left out is named.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import InvalidNameError

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Output:
    """One file to keep.

    Attributes:
        path: Where it is.
        name: Its path below the folder, with '/' between parts.
    """

    path: Path
    name: str

    @property
    def folder(self) -> str:
        """The folder part of `name`, empty at the top."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What patterns found, and sentences about what was left out."""

    files: tuple[Output, ...]
    warnings: tuple[str, ...]


def check_pattern(pattern: str, base: Path) -> str:
    """Accept a path or pattern below `base`; absolute ones become relative.

    Raises:
        InvalidNameError: It leads out of `base`, or can't be a path.
    """
    if not pattern or "\0" in pattern:
        raise InvalidNameError("artifact", pattern, "it is no path")
    if os.path.isabs(pattern):
        for root in (base, base.resolve()):
            if Path(pattern).is_relative_to(root):
                pattern = str(Path(pattern).relative_to(root))
                break
        else:
            raise InvalidNameError(
                "artifact",
                pattern,
                f"it is not below '{base}', where the program runs",
                hint="copy it here first",
            )
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidNameError(
            "artifact",
            pattern,
            "it leads out of the folder that the program runs in",
            hint="copy the file here",
        )
    return "/".join(parts) or "."


def find_outputs(patterns: Sequence[str], base: Path) -> Outputs:
    """Find files; call when the program has ended.

    A folder is taken with all files below it, hidden ones included; in a
    pattern `**` is any number of folders, and `*` no hidden name, as in a shell.

    Args:
        patterns: As `check_pattern` gave them.
        base: The folder that the program ran in.
    """
    files: dict[str, Output] = {}
    warnings: list[str] = []
    real_base = Path(os.path.realpath(base))
    for pattern in patterns:
        found = False
        for name in _expand(pattern, base):
            found = True
            root = _target(base / name, real_base) if name == pattern else real_base
            for output in _below(base, name, root, warnings):
                files.setdefault(output.name, output)
        if not found:
            warnings.append(f"no file matches --artifact '{pattern}'")
    return Outputs(tuple(files.values()), tuple(dict.fromkeys(warnings)))


def _target(path: Path, real_base: Path) -> Path:
    """The folder that links of what was named itself may lead into."""
    real = Path(os.path.realpath(path))
    return real_base if real.is_relative_to(real_base) or ".git" in real.parts else real


def _expand(pattern: str, base: Path) -> Iterator[str]:
    """Name what a pattern matches; a file of exactly that name comes first."""
    if os.path.lexists(base / pattern):
        yield pattern
    elif _MAGIC.search(pattern):
        yield from sorted(set(_match(base, "", pattern.split("/"))))


def _match(base: Path, folder: str, parts: list[str]) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _match(base, folder, rest or ["*"])
        for name, is_folder in _entries(base / folder):
            if is_folder and not name.startswith("."):
                yield from _match(base, _join(folder, name), parts)
        return
    if not _MAGIC.search(part):
        if os.path.lexists(base / _join(folder, part)):
            yield from _go_on(base, _join(folder, part), rest)
        return
    for name, _ in _entries(base / folder):
        if fnmatch.fnmatchcase(name, part) and (not name.startswith(".") or part.startswith(".")):
            yield from _go_on(base, _join(folder, name), rest)


def _go_on(base: Path, path: str, rest: list[str]) -> Iterator[str]:
    if not rest:
        yield path
    elif (base / path).is_dir():
        yield from _match(base, path, rest)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """List names, and whether each is a real folder; nothing where it can't be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return []


def _below(base: Path, name: str, real_base: Path, warnings: list[str]) -> Iterator[Output]:
    """Give the file `name`, or the files below the folder `name`."""
    path = base / name
    if not _is_inside(path, name, real_base, warnings):
        return
    if not path.is_dir():
        if path.is_file():
            yield Output(path, name)
        else:
            warnings.append(f"'{name}' is not kept: it is neither a file nor a folder")
        return
    prefix = "" if name == "." else name
    unreadable: list[OSError] = []
    for here, folders, files in os.walk(path, onerror=unreadable.append):
        relative = os.path.relpath(here, path)
        at = prefix if relative == "." else _join(prefix, relative)
        folders[:] = sorted(folder for folder in folders if folder != ".git")
        warnings += (
            f"'{_join(at, folder)}' is not kept: it is a link to a folder"
            for folder in folders
            if Path(here, folder).is_symlink()
        )
        for file in sorted(files):
            inner = Path(here, file)
            if _is_inside(inner, _join(at, file), real_base, warnings) and inner.is_file():
                yield Output(inner, _join(at, file))
    warnings += (_unreadable(err, base) for err in unreadable)


def _is_inside(path: Path, name: str, real_base: Path, warnings: list[str]) -> bool:
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(real_base):
        warnings.append(f"'{name}' is not kept: it is a link that leads out of the folder, to '{real}'")
        return False
    if ".git" in real.relative_to(real_base).parts:
        warnings.append(f"'{name}' is not kept: git keeps '.git' for itself")
        return False
    if not real.exists():
        warnings.append(f"'{name}' is not kept: it is a link to nothing")
        return False
    return True


def _unreadable(error: OSError, base: Path) -> str:
    where = os.path.relpath(error.filename, base) if error.filename else str(base)
    return f"'{where}' is not kept: {error.strerror}"
