"""Interpreters on this machine, and which of them fits a version that was asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, ...]

_PATIENCE_S = 20.0
_PROGRAM = re.compile(r"python(?:3(?:\.\d+)?)?")
_PLAIN = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,2}")
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*(\d{1,4}(?:\.\d{1,4}){0,5})(\.\*)?\s*")
_ASK = (
    "import sys; print('%d.%d.%d' % sys.version_info[:3], getattr(sys, '_base_executable', sys.executable))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that environments can be made of.

    Attributes:
        path: The program.
        version: Major, minor and micro.
    """

    path: Path
    version: Version

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def is_request(text: str) -> bool:
    """Say whether a text asks for a version: `3.11`, `3.11.4`, `>=3.10,<3.13`."""
    return bool(_PLAIN.fullmatch(text)) or all(_CLAUSE.fullmatch(part) for part in text.split(","))


def fits(version: Version, request: str) -> bool:
    """Say whether a version is what was asked for."""
    if _PLAIN.fullmatch(request):
        return _starts_with(version, _numbers(request))
    return all(_meets(version, clause) for clause in request.split(","))


def _meets(version: Version, clause: str) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        return False
    operator, wanted, any_after = match[1], _numbers(match[2]), bool(match[3])
    padded = (*wanted, 0, 0, 0)[: max(3, len(wanted))]
    if operator in ("==", "!="):
        same = _starts_with(version, wanted) if any_after else version == padded
        return same is (operator == "==")
    if operator == "~=":
        return version >= padded and _starts_with(version, wanted[:-1])
    if operator in (">=", "<"):
        return (version >= padded) is (operator == ">=")
    return (version > padded) is (operator == ">")


def _starts_with(version: Version, wanted: Version) -> bool:
    return version[: len(wanted)] == wanted


def _numbers(text: str) -> Version:
    return tuple(map(int, text.split(".")))


def running() -> Interpreter:
    """The interpreter that gitml itself runs on, below any virtual environment."""
    path = getattr(sys, "_base_executable", None) or sys.executable
    return Interpreter(Path(path), tuple(sys.version_info[:3]))


def find(request: str | None, environ: Mapping[str, str]) -> Interpreter | None:
    """Find an interpreter: the running one if it fits, otherwise the newest that does.

    Args:
        request: See `is_request`; None: any will do.
        environ: `PATH` says where to look, and `PYENV_ROOT`.
    """
    ours = running()
    if request is None or fits(ours.version, request):
        return ours
    found = [python for python in _installed(environ, request) if fits(python.version, request)]
    return max(found, key=lambda python: python.version, default=None)


def minor_of(request: str) -> str | None:
    """Return `3.11` for `3.11.4`; None for what leaves the micro version open."""
    match = re.fullmatch(r"(?:==)?(\d+\.\d+)\.\d+", request)
    return match[1] if match else None


def versions_here(environ: Mapping[str, str]) -> list[str]:
    """List the versions that are here, oldest first."""
    there = {python.version for python in (running(), *_installed(environ))}
    return [".".join(map(str, version)) for version in sorted(there)]


def _installed(environ: Mapping[str, str], request: str | None = None) -> Iterator[Interpreter]:
    """Yield interpreters, without those whose name says that they don't fit."""
    for path, said in _candidates(environ):
        if request and said and _PLAIN.fullmatch(request) and not _agree(said, _numbers(request)):
            continue
        python = ask(path)
        if python is not None:
            yield python


def _agree(first: Version, second: Version) -> bool:
    return all(one == other for one, other in zip(first, second, strict=False))


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, Version]]:
    """Yield programs, and what their name says of their version."""
    seen = set[str]()
    for folder in environ.get("PATH", "").split(os.pathsep):
        # A relative entry would let a project choose.
        for name in _names(folder) if os.path.isabs(folder) else ():
            path = os.path.join(folder, name)
            if os.path.realpath(path) not in seen and _is_binary(path):
                seen.add(os.path.realpath(path))
                yield Path(path), _numbers(name.removeprefix("python")) if name[-1].isdigit() else ()
    root = environ.get("PYENV_ROOT") or os.path.join(environ.get("HOME") or str(Path.home()), ".pyenv")
    for version in sorted(_listed(os.path.join(root, "versions"))):
        path = os.path.join(root, "versions", version, "bin", "python3")
        if _PLAIN.fullmatch(version) and os.path.realpath(path) not in seen and _is_binary(path):
            yield Path(path), _numbers(version)


def _names(folder: str) -> list[str]:
    return sorted(filter(_PROGRAM.fullmatch, _listed(folder)))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # PATH may name what isn't there
        return []


def _is_binary(path: str) -> bool:
    """Whether it is a program and no shim, such as pyenv's, that chooses anew each time."""
    try:
        with open(path, "rb") as file:
            return os.access(path, os.X_OK) and file.read(2) != b"#!"
    except OSError:
        return False


def ask(path: Path) -> Interpreter | None:
    """Ask a program which Python it is; None if it is none that works."""
    try:
        result = subprocess.run(
            [path, "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
        version, _, base = result.stdout.decode().strip().partition(" ")
        return Interpreter(Path(base), _numbers(version))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
