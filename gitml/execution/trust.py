"""Which commits of projects from elsewhere the user has agreed to run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from gitml.execution.cache import cache_dir, cache_folder


def is_trusted(environ: Mapping[str, str], uri: str, commit: str) -> bool:
    """Whether running this commit of a project was agreed to before."""
    return _mark(environ, uri, commit).is_file()


def remember_trust(environ: Mapping[str, str], uri: str, commit: str) -> None:
    """Remember that the user agreed to run this commit."""
    mark = _mark(environ, uri, commit)
    cache_folder(mark.parent)
    os.close(os.open(mark, os.O_CREAT | os.O_WRONLY, 0o600))


def _mark(environ: Mapping[str, str], uri: str, commit: str) -> Path:
    # A commit's id covers its code; the place is in it so that an answer is for what was shown.
    name = hashlib.sha256(f"{uri}\0{commit}".encode()).hexdigest()
    return cache_dir(environ) / "trusted" / name
