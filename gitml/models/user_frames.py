"""Where on the stack the user's own code is, so that a warning names a line of theirs."""

from __future__ import annotations

import sys

_BETWEEN = frozenset({"contextlib", "functools", "gitml", "importlib"})


def levels_to_user() -> int:
    """Say which `stacklevel` a warning of the function that calls this has, so that it names the user's line.

    Python 3.12 has `skip_file_prefixes` for that.
    """
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - warnings count frames, too
    while frame.f_back is not None and _is_between(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    return level


def _is_between(module: str) -> bool:
    return module.partition(".")[0] in _BETWEEN
