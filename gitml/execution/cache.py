"""Where what can be had again is kept: environments, and repositories that projects come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gitml.errors import GitmlError

CACHE_VARIABLE = "GITML_CACHE_DIR"


class CacheError(GitmlError):
    """Nothing can be kept in the cache."""

    exit_code = 5

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"the cache '{folder}' can't be written: {reason}",
            hint=f"name another folder: {CACHE_VARIABLE}=FOLDER",
        )
        self.folder = folder


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Find the user's cache folder; it need not exist yet.

    Args:
        environ: `GITML_CACHE_DIR` names it; else `XDG_CACHE_HOME` says where caches are.
    """
    given = environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).absolute()
    caches = environ.get("XDG_CACHE_HOME", "")
    # The specification asks to ignore a relative one.
    home = Path(caches) if os.path.isabs(caches) else Path.home() / ".cache"
    return home / "gitml"


def cache_folder(folder: Path) -> Path:
    """Make a folder of the cache, if needed, and the cache; only their owner can look into them.

    Raises:
        CacheError: It can't be made, or not be written to.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as err:
        raise CacheError(folder, (err.strerror or str(err)).lower()) from err
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CacheError(folder, "you have no right to, or that disk can only be read")
    return folder
