"""What uv and virtualenv do alike: choose a Python, install a lock, and say what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from gitml.entities.project import EnvironmentKind
from gitml.execution.environments import pythons
from gitml.execution.environments.definition import Definition
from gitml.execution.environments.errors import PythonNotFoundError
from gitml.execution.environments.lock import Lock, read_lock, recorded_lock
from gitml.execution.environments.own import NAME, OwnGitml, own_gitml
from gitml.execution.environments.pythons import Interpreter
from gitml.execution.environments.recorded import LOCK, PACKAGES, VERSION
from gitml.execution.environments.store import Made
from gitml.execution.environments.tools import Workshop
from gitml.tracking.capture import packages
from gitml.tracking.capture.environment import requirement_line
from gitml.tracking.secrets import strip_url_credentials


def choose_python(
    request: str | None, environ: Mapping[str, str]
) -> tuple[Interpreter | None, tuple[str, ...]]:
    """Choose an interpreter; of another micro version, with a note, where only such a one is here."""
    found = pythons.find(request, environ)
    minor = pythons.minor_of(request) if request and found is None else None
    if minor is None:
        return found, ()
    found = pythons.find(minor, environ)
    return found, (f"Python {request} is not here; {found} is used",) if found else ()


def no_python(request: str, environ: Mapping[str, str], reason: str = "") -> PythonNotFoundError:
    """Say that no interpreter fits."""
    return PythonNotFoundError(request, pythons.versions_here(environ), reason=reason)


def own_if_named(names: frozenset[str]) -> OwnGitml | None:
    """Return the running gitml if it is asked for and has to come from this machine."""
    return own_gitml() if NAME in names else None


def write_sources(definition: Definition, shop: Workshop, *, reads_toml: bool) -> list[Path]:
    """Put requirements into a file where the installer can't read their own; return the files to read."""
    has_toml = definition.kind in (EnvironmentKind.PYPROJECT, EnvironmentKind.SCRIPT)
    if definition.kind is EnvironmentKind.SCRIPT and not definition.needs_uv:
        reads_toml = False  # older ones take a script for a file of comments
    files = [shop.folder / name for name in definition.sources if reads_toml or not has_toml]
    if definition.lines and not (has_toml and reads_toml):
        written = shop.scratch / f"{Path(definition.file).name}.in"
        written.write_text("".join(f"{line}\n" for line in definition.lines), encoding="utf-8")
        files.append(written)
    return files


def install(lock: Lock, shop: Workshop, run: Callable[[Path, bool], object]) -> None:
    """Install a lock: first what is checked, then the rest.

    Args:
        lock: A settled lock.
        shop: Where to work.
        run: Is given a file, and whether everything in it has a hash.
    """
    for hashed in (True, False):
        text = lock.text(hashed=hashed)
        if text:
            places = "".join(f"{_placed(option, shop.folder)}\n" for option in lock.indexes)
            file = shop.scratch / f"install-{'checked' if hashed else 'rest'}.txt"
            file.write_text(places + text, encoding="utf-8")
            run(file, hashed)


def _placed(option: str, folder: Path) -> str:
    name, _, place = option.partition(" ")
    return option if ":" in place else f"{name} {folder / place}"


def finish(
    prefix: Path,
    shop: Workshop,
    lock: Lock,
    definition: Definition,
    *,
    manager: str,
    tool: str,
    notes: tuple[str, ...],
) -> Made:
    """Look at what was made and describe it, as any run's environment is described."""
    own = own_if_named(frozenset(entry.name for entry in lock.entries))
    version, listed = describe_packages(prefix, shop)
    # pip and setuptools, which `venv` brings along unasked.
    named = {entry.name for entry in lock.entries}
    brought = [entry for entry in read_lock(listed).entries if entry.path is None and entry.name not in named]
    paths = tuple(dict.fromkeys((*definition.paths, *lock.paths)))
    lock = Lock((*lock.entries, *brought), lock.indexes, paths)
    indexes = [strip_url_credentials(option) for option in definition.indexes]
    files = {
        LOCK: recorded_lock(lock, python=version, tool=tool, own=own, indexes=indexes, folder=shop.folder),
        PACKAGES: listed,
        VERSION: f"{version}\n",
    }
    return Made(prefix, manager, version, files, paths, notes=notes)


def describe_packages(prefix: Path, shop: Workshop) -> tuple[str, str]:
    """Return an environment's version of Python and its packages, as they are recorded of any run."""
    answer = shop.run([prefix / "bin" / "python", "-I", packages.__file__], "looking at the environment")
    found = json.loads(answer.strip().rpartition("\n")[2])
    return str(found["version"]), "".join(map(requirement_line, found["packages"]))
