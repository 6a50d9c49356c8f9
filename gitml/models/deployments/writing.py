"""Manifests in a folder, for whoever applies them: written anew as a whole, and nothing of others touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.errors import UsageError
from gitml.formats.yaml_block import dump_document

_SUFFIX = ".yaml"
_HEADER = "# Written by gitml models deploy --output, for '{}'; the next call replaces it.\n"
_WRITTEN = re.compile(re.escape(_HEADER).replace(r"\{\}", r"([a-z0-9-]{1,253})"))
_HEADER_BYTES = 512


class ForeignManifestError(UsageError):
    """A file that would be written is there already, and is not of that deployment."""

    def __init__(self, path: Path, owner: str | None) -> None:
        whose = "was not written by gitml" if owner is None else f"is of the deployment '{owner}'"
        super().__init__(
            f"'{path}' {whose}, and is not overwritten", hint="give another folder, or remove that file"
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class WrittenManifests:
    """What became of a folder.

    Attributes:
        written: The manifests of the deployment.
        removed: Those of an earlier call that are no part of it any more.
    """

    written: tuple[Path, ...]
    removed: tuple[Path, ...]


def write_manifests(folder: Path, name: str, manifests: Mapping[str, Mapping[str, Any]]) -> WrittenManifests:
    """Write the manifests of a deployment, and remove those that an earlier call wrote for it.

    Args:
        folder: Where they go; it is made if there is none. Other files may be in it.
        name: What the deployment is called.
        manifests: Name of a file to what is in it.

    Raises:
        ForeignManifestError: A file of that name is of something else; nothing is written then.
    """
    written = tuple(folder / file for file in manifests)
    for path in written:
        there = path.is_symlink() or path.exists()
        if there and (owner := _owner(path)) != name:
            raise ForeignManifestError(path, owner)
    stale = () if not folder.is_dir() else sorted(set(folder.glob(f"*{_SUFFIX}")) - set(written))
    removed = tuple(path for path in stale if _owner(path) == name)
    folder.mkdir(parents=True, exist_ok=True)
    for path, manifest in zip(written, manifests.values(), strict=True):
        path.write_text(_HEADER.format(name) + dump_document(manifest), encoding="utf-8")
    for path in removed:
        path.unlink()
    return WrittenManifests(written, removed)


def _owner(path: Path) -> str | None:
    """The deployment that a file was written for; None if it was not written by us."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        line = stream.readline(_HEADER_BYTES)
    found = _WRITTEN.fullmatch(line.decode("utf-8", "replace"))
    return found and found[1]
