"""The environment that a model is served in: its own, and gitml with what serving needs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gitml.entities.project import EnvironmentKind, EnvironmentSpec
from gitml.errors import NotFoundError
from gitml.execution.environments import Environment, prepare
from gitml.models.directory import CONSTRAINTS_FILE, PYTHON_ENV_FILE, REQUIREMENTS_FILE
from gitml.models.locating import locate
from gitml.progress import ShowProgress, no_progress

_EXTRA = 'extra == "serve"'


def prepare_serving(
    uri: str, *, cache: Path, environ: Mapping[str, str], progress: ShowProgress = no_progress
) -> Environment:
    """Make it ready, from the cache if it was made before. Nothing of the model is loaded.

    gitml comes from where the running one came from: this machine, or the index.

    Args:
        uri: The model; see `locating.locate`.
        cache: The user's cache folder.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Raises:
        NotFoundError: There is no such model, or it does not say what it needs.
        EnvironmentNotMadeError: It can't be solved, fetched, built or installed.
    """
    folder = locate(uri).folder
    if not (folder / REQUIREMENTS_FILE).is_file():
        raise NotFoundError(
            f"'{uri}' does not say what it needs: it has no {REQUIREMENTS_FILE}", hint="log the model anew"
        )
    has_python = (folder / PYTHON_ENV_FILE).is_file()
    kind, file = (
        (EnvironmentKind.PYTHON, PYTHON_ENV_FILE)
        if has_python
        else (EnvironmentKind.REQUIREMENTS, REQUIREMENTS_FILE)
    )
    with tempfile.TemporaryDirectory(prefix="gitml-serve-") as name:
        scratch = Path(name)
        for known in (REQUIREMENTS_FILE, CONSTRAINTS_FILE, PYTHON_ENV_FILE):
            if (folder / known).is_file():
                shutil.copyfile(folder / known, scratch / known)
        lines = (scratch / REQUIREMENTS_FILE).read_text(encoding="utf-8").rstrip("\n")
        more = "".join(f"{line}\n" for line in _needed())
        (scratch / REQUIREMENTS_FILE).write_text(f"{lines}\n{more}", encoding="utf-8")
        return prepare(
            EnvironmentSpec(kind, file),
            scratch,
            manager="uv",
            cache=cache,
            environ=environ,
            progress=progress,
        )


def _needed() -> list[str]:
    """List gitml and what its extra `serve` names.

    Spelled out, since a gitml that comes from this machine is installed without extras.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        known = requires("gitml") or []
    except PackageNotFoundError:  # it runs from a folder
        return ["gitml[serve]"]
    return ["gitml", *(line.partition(";")[0].strip() for line in known if _EXTRA in line.replace("'", '"'))]
