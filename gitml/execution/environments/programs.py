"""Programs that make environments: where they are."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

_LIKE_CONDA = ("conda", "mamba", "micromamba")


def find_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """Find a program on PATH, or next to our interpreter; relative entries of PATH are skipped."""
    folders = [folder for folder in environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    found = shutil.which(
        name, path=os.pathsep.join((*folders, os.path.dirname(os.path.abspath(sys.executable))))
    )
    return Path(found) if found else None


def find_uv(environ: Mapping[str, str]) -> Path | None:
    """Find uv: on PATH, or that of the package `uv` beside gitml."""
    return find_program("uv", environ)


def find_conda(environ: Mapping[str, str]) -> Path | None:
    """Find conda, or what works like it."""
    return next(filter(None, (find_program(name, environ) for name in _LIKE_CONDA)), None)
