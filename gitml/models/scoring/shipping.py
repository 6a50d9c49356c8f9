"""A model's folder on its way to other machines: one archive, whose name says which model it is."""

from __future__ import annotations

import zipfile
from pathlib import Path

from gitml.models.directory import list_files


def archive_name(digest: str) -> str:
    """Name the archive of a model."""
    return f"gitml-model-{digest.removeprefix('sha256:')[:40]}"


def pack(folder: Path, digest: str, below: Path) -> Path:
    """Put a model's files into an archive; weights hardly get smaller, so nothing is compressed."""
    archive = below / f"{archive_name(digest)}.zip"
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_STORED) as target:
        for name, path in list_files(folder):
            if not name.endswith(".pyc"):
                target.write(path, name)
    return archive
