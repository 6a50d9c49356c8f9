"""Find the Python of `uv run`, `conda run` and their like, without running any of them.

They choose an environment of their own, which is not the one on PATH. Only what
can be told for sure from files is told: with an option that may change the
environment, or one that is about to be brought up to date, nothing is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_HARMLESS = frozenset((
    "-q", "--quiet", "-v", "--verbose", "--no-cache", "--frozen", "--locked", "--offline", "--no-sync",
    "--no-progress", "--no-capture-output", "--live-stream", "-s", "--no-interaction", "--no-ansi",
))  # fmt: skip
_INLINE_METADATA = b"# /// script"
_CONDA = frozenset(("conda", "mamba", "micromamba"))
_UNKNOWN = frozenset(("hatch", "pipx"))  # where their environments are, only they know
MANAGERS = _CONDA | _UNKNOWN | {"uv", "poetry", "pipenv", "pdm", "rye", "pixi"}


def managed_python(argv: Sequence[str], environ: Mapping[str, str], folder: Path) -> Path | None:
    """Find the interpreter of the environment that a manager's `run` uses.

    Args:
        argv: The command line, the manager first.
        environ: The environment that it will run in.
        folder: The folder that it will run in.

    Returns:
        Its path; None where it can't be told for sure.
    """
    name = os.path.basename(argv[0])
    if name in _UNKNOWN or list(argv[1:2]) != ["run"]:
        return None
    words = argv[2:]
    if name in _CONDA:
        return _python_in(_conda_prefix(words, environ))
    program = next((at for at, word in enumerate(words) if word not in _HARMLESS), None)
    # Any other option may choose another environment.
    if program is None or (words[program].startswith("-") and words[program] not in ("--", "-m")):
        return None
    if name == "uv":
        return _uv(words, words[program], environ, folder)
    if name == "pixi":
        return _up_to_date(_above(folder, "pixi.toml", "pyproject.toml"), ".pixi/envs/default", "pixi.lock")
    return _other(name, environ, folder)


def _uv(words: Sequence[str], program: str, environ: Mapping[str, str], folder: Path) -> Path | None:
    if program.endswith(".py") and _has_metadata(folder / program):
        return None  # a script with an environment of its own
    root = _above(folder, "pyproject.toml")
    place = environ.get("UV_PROJECT_ENVIRONMENT") or ".venv"
    if "--no-sync" in words or environ.get("UV_NO_SYNC"):
        return _python_in(root and root / place)
    return _up_to_date(root, place, "uv.lock")


def _other(name: str, environ: Mapping[str, str], folder: Path) -> Path | None:
    root = _above(folder, "Pipfile" if name == "pipenv" else "pyproject.toml")
    if root is None:
        return None
    if name == "pdm":
        try:
            chosen = Path((root / ".pdm-python").read_text("utf-8").strip())
        except OSError:
            return None
        return chosen if chosen.is_file() else None
    active = environ.get("VIRTUAL_ENV")
    if active and name in ("poetry", "pipenv"):
        return _python_in(Path(active))
    return _python_in(root / ".venv")


def _above(folder: Path, *names: str) -> Path | None:
    return next((f for f in (folder, *folder.parents) if any((f / name).is_file() for name in names)), None)


def _up_to_date(root: Path | None, place: str, lock: str) -> Path | None:
    """Find an environment's Python, unless its manager will change its packages before it runs."""
    python = _python_in(root and root / place)
    if root is None or python is None:
        return None
    try:
        locked = (root / lock).stat().st_mtime_ns
        installed = [
            path.stat().st_mtime_ns for path in python.parent.parent.glob("lib/python3*/site-packages")
        ]
    except OSError:  # nothing is locked yet
        return None
    return python if installed and max(installed) >= locked else None


def _has_metadata(script: Path) -> bool:
    try:
        return _INLINE_METADATA in script.read_bytes()
    except OSError:
        return True  # it can't be told


def _conda_prefix(words: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word, _, attached = words[at].partition("=")
        if word in ("-p", "--prefix", "-n", "--name"):
            value = attached or "".join(words[at + 1 : at + 2])
            if word in ("-p", "--prefix"):
                return Path(os.path.abspath(value))
            return next((prefix for prefix in _conda_prefixes(value, environ) if prefix.is_dir()), None)
        if word not in _HARMLESS:
            return None
        at += 1
    return Path(environ["CONDA_PREFIX"]) if environ.get("CONDA_PREFIX") else None


def _conda_prefixes(name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    if not name or "/" in name:
        return
    program = environ.get("CONDA_EXE")
    root = environ.get("MAMBA_ROOT_PREFIX") or (
        os.path.dirname(os.path.dirname(program)) if program else None
    )
    for folder in environ.get("CONDA_ENVS_PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder) / name
    if root:
        yield Path(root) if name == "base" else Path(root) / "envs" / name
    home = environ.get("HOME")
    if home:
        yield Path(home) / ".conda" / "envs" / name


def _python_in(prefix: Path | None) -> Path | None:
    if prefix is None:
        return None
    python = Path(os.path.abspath(prefix)) / "bin" / "python"
    return python if python.is_file() and os.access(python, os.X_OK) else None
