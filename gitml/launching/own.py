"""How gitml starts itself in another process."""

from __future__ import annotations

import sys

# `-m` would look for every module in the current folder first, which is a project's: its `yaml.py` is not ours.
_START = "import sys; sys.path[:1] == [''] and sys.path.pop(0); from gitml.__main__ import main; main()"


def own_command() -> tuple[str, ...]:
    """The words that start this gitml, by this Python."""
    return (sys.executable, "-c", _START)
