"""What a run's program runs in: interpreter, exact packages, machine.

Everything comes from a cache on disk whose entries are valid while the folders
that packages are installed in have not changed, so that the second run costs a
few `stat` calls.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitml.tracking.capture import packages
from gitml.tracking.capture.cache import CaptureCache, cache_name
from gitml.tracking.capture.interpreter import find_python
from gitml.tracking.capture.system import capture_system
from gitml.tracking.secrets import redact_value, strip_url_credentials

REQUIREMENTS, _PYTHON, _SYSTEM = "requirements.txt", "python-version", "system.yaml"
_SELDOM_CHANGED = (REQUIREMENTS, _PYTHON, _SYSTEM)
_PROBE_PATIENCE_S = 20.0
# A folder that changed this recently may change again without its time showing it.
_RACY_NS = 2_000_000_000
# They decide which packages an interpreter sees.
_RELEVANT = ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "HOME", "VIRTUAL_ENV")


def capture_environment(cache_dir: Path, python: str | Path | None = None) -> dict[str, bytes]:
    """Record interpreter, packages and machine.

    Args:
        cache_dir: Folder for what is slow to find out; made when needed.
        python: Another interpreter than the running one. It is started, in
            isolated mode, only if the cache doesn't know its packages.

    Returns:
        `requirements.txt` (`name==version` a line, sorted; direct installs as
        `name @ url`, editable ones as comments), `python-version` and
        `system.yaml`. If the other interpreter can't be asked, a
        RuntimeWarning says so and only `system.yaml` is there.
    """
    cache = CaptureCache(cache_dir)
    found = _of_this_python(cache) if python is None else _of_other_python(cache, Path(python))
    files: dict[str, bytes] = {}
    if found is not None:
        files[REQUIREMENTS] = found["requirements"].encode()
        files[_PYTHON] = f"{found['version']}\n".encode()
    files[_SYSTEM] = capture_system(cache_dir)
    return {name: data for name, data in files.items() if data}


def capture_command_environment(
    cache_dir: Path, argv: Sequence[str], environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> dict[str, bytes]:
    """Record the environment of a command.

    That of its Python, if it is one; of a script or a program that may start one (a shell,
    `make`), that of the virtual or conda environment that is active; else only the machine.

    Args:
        cache_dir: As in `capture_environment`.
        argv: The command line.
        environ: The environment that it will run in; this process's if not given.
        cwd: The folder that it will run in.
    """
    python = find_python(argv, environ, cwd) or _active_python(os.environ if environ is None else environ)
    if python is None:
        return {_SYSTEM: capture_system(cache_dir)}
    return capture_environment(cache_dir, None if _is_this_python(python) else python)


def kept_files(cache_dir: Path, environment: Mapping[str, bytes]) -> dict[str, Path]:
    """Find or make, for the files that seldom differ from run to run, ones of that content that stay as they are.

    Args:
        cache_dir: As in `capture_environment`.
        environment: The files that describe an environment, by name.
    """
    cache = CaptureCache(cache_dir)
    kept = {name: cache.keep(environment[name]) for name in _SELDOM_CHANGED if name in environment}
    return {name: path for name, path in kept.items() if path is not None}


def _active_python(environ: Mapping[str, str]) -> Path | None:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(variable):
            python = Path(environ[variable], "bin", "python")
            if os.access(python, os.X_OK):
                return python
    return None


def environ_subset(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Pick the variables that the user allowed to be recorded; secrets in them are redacted.

    Returns:
        The variables that are set, in the order asked for.
    """
    return {name: str(redact_value(name, environ[name])[0]) for name in names if name in environ}


def _is_this_python(python: Path) -> bool:
    if not sys.executable or sys.flags.isolated:  # isolated, it doesn't see what the program will see
        return False
    # `python` and `python3` in one folder are one environment, if they are one file.
    return os.path.dirname(os.path.abspath(sys.executable)) == str(python.parent) and os.path.samefile(
        sys.executable, python
    )


def _of_this_python(cache: CaptureCache) -> dict[str, str]:
    folders = packages.search_folders()
    name = cache_name("python", sys.prefix, sys.executable or "", *folders)
    known = _load(cache, name, sys.version)
    return known if known is not None else _store(cache, name, sys.version, packages.describe())


def _of_other_python(cache: CaptureCache, python: Path) -> dict[str, str] | None:
    name = cache_name("python", str(python), *(os.environ.get(variable, "") for variable in _RELEVANT))
    mark = _interpreter_mark(python)
    known = _load(cache, name, mark) if mark else None
    if known is not None:
        return known
    description = _probe(python)
    return None if description is None else _store(cache, name, mark, description)


def _interpreter_mark(python: Path) -> str:
    """Return a text that changes with the interpreter; empty if its path doesn't settle which one it is."""
    try:
        with open(python, "rb") as file:
            if file.read(2) == b"#!":  # a shim, such as pyenv's, that chooses anew each time
                return ""
            status = os.fstat(file.fileno())
    except OSError:  # may be run but not read
        return ""
    config = _mtime_ns(str(python.parent.parent / "pyvenv.cfg"))
    return f"{packages.FORMAT} {os.path.realpath(python)} {status.st_mtime_ns} {status.st_size} {config}"


def _probe(python: Path) -> dict[str, Any] | None:
    """Ask another interpreter for its packages."""
    reason = "its answer can't be read"
    try:
        result = subprocess.run(
            [python, "-I", packages.__file__],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_PATIENCE_S,
            check=True,
        )
        return dict(json.loads(result.stdout.rpartition(b"\n")[2]))
    except subprocess.CalledProcessError as err:
        reason = f"it ended with status {err.returncode} (Python 3.8 or newer is needed)"
    except subprocess.TimeoutExpired:
        reason = f"it gave no answer within {_PROBE_PATIENCE_S:g} s"
    except OSError as err:
        reason = str(err.strerror)
    except ValueError:
        pass
    warnings.warn(f"the packages of '{python}' are not recorded: {reason}", RuntimeWarning, stacklevel=4)
    return None


def _load(cache: CaptureCache, name: str, mark: str) -> dict[str, str] | None:
    entry = cache.load(name, mark)
    if not isinstance(entry, dict) or any(
        _folder_mark(path) != mark for path, mark in entry["folders"].items()
    ):
        return None
    return {"version": entry["version"], "requirements": entry["requirements"]}


def _store(cache: CaptureCache, name: str, mark: str, description: dict[str, Any]) -> dict[str, str]:
    folders = {path: _folder_mark(path) for path in description["folders"]}
    found = {
        "version": str(description["version"]),
        "requirements": "".join(map(requirement_line, description["packages"])),
    }
    if mark and not any(map(_changed_just_now, folders)):
        cache.store(name, mark, {**found, "folders": folders})
    return found


def requirement_line(package: Mapping[str, Any]) -> str:
    """Return the line of `requirements.txt` for a package as `packages.py` describes it."""
    name, version, url = package["name"], package["version"], package.get("url")
    if not url:
        return f"{name}=={version}\n"
    source = strip_url_credentials(str(url))
    if package.get("editable"):
        return f"# {name}=={version}, editable install of {source}\n"
    commit = package.get("commit")
    return f"{name} @ {source}@{commit}\n" if commit else f"{name} @ {source}\n"


def _folder_mark(path: str) -> str:
    """Return a text that changes when packages are installed in a folder or removed from it."""
    if _is_for_packages(path):
        return str(_mtime_ns(path))
    # Source folders on PYTHONPATH change all the time; only metadata in them matters.
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith((".dist-info", ".egg-info")))
    except OSError:  # an archive, or not there
        return ""
    return " ".join(f"{name}:{_mtime_ns(os.path.join(path, name))}" for name in names)


def _changed_just_now(path: str) -> bool:
    mtime = _mtime_ns(path)
    return _is_for_packages(path) and mtime is not None and abs(time.time_ns() - mtime) < _RACY_NS


def _is_for_packages(path: str) -> bool:
    return os.path.basename(path).startswith(
        ("site-packages", "dist-packages", "python3", "pypy3", "lib-dynload")
    )


def _mtime_ns(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:  # isn't there
        return None
