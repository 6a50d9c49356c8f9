"""Files of a run put into a folder by their own names, as MLflow puts them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from gitml.entities.run import Run
    from gitml.repo import Repo


def export_by_name(repo: Repo, run: Run, path: str, folder: Path) -> Path:
    """Copy `d/sub` of a run to `sub` in a folder, where `export_artifacts` makes `d/sub`.

    Args:
        repo: The repository.
        run: The run.
        path: A file's or folder's path within the run; "" is everything.
        folder: Where to put it; made if needed. Files there are replaced.

    Returns:
        Where the file or folder is now.

    Raises:
        GitmlError: As of `export_artifacts`.
        UsageError: A file would replace a folder, or a folder a file.
    """
    from gitml.tracking.history import export_artifacts

    outer, _, name = path.rpartition("/")
    if not outer:
        return export_artifacts(repo, run, path, folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Within the folder, so that moving costs nothing.
    with tempfile.TemporaryDirectory(prefix=".gitml-", dir=folder) as aside:
        found = export_artifacts(repo, run, path, Path(aside))
        _move(found, folder / name, folder)
    return folder / name


def _move(source: Path, target: Path, top: Path) -> None:
    if not source.is_dir():
        try:
            os.replace(source, target)
        except (IsADirectoryError, NotADirectoryError, PermissionError) as err:
            if not target.is_dir():
                raise
            raise UsageError(f"'{target}' is a folder", hint="give another folder") from err
        return
    try:
        target.mkdir(exist_ok=True)
    except FileExistsError as err:
        raise UsageError(f"'{target}' is a file", hint="give another folder") from err
    if not target.resolve().is_relative_to(top.resolve()):
        raise DamagedError(f"'{target}' is a link that leads out of '{top}'", hint="remove the link")
    for entry in sorted(source.iterdir()):
        _move(entry, target / entry.name, top)
