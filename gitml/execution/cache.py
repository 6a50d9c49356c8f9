"""Where what can be had again is kept: environments, and repositories that projects come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CACHE_VARIABLE = "GITML_CACHE_DIR"


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
