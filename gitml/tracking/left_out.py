"""What a snapshot of the code left out, as the record says it: `data.bin (3 MiB, over 1 MiB)`."""

from __future__ import annotations

import re
from collections.abc import Sequence

MADE_BY_TOOLS = {
    b"__pycache__": "compiled Python",
    b"node_modules": "installed packages",
    b".ipynb_checkpoints": "notebook backups",
}
VIRTUAL_ENVIRONMENT = "a virtual environment"
_MOST = 100

_NOBODY_MISSES = tuple(f"/ ({reason})" for reason in (*MADE_BY_TOOLS.values(), VIRTUAL_ENVIRONMENT))
_MORE = re.compile(r"([0-9]+) more files")


def entry(path: bytes, reason: str) -> str:
    """Name a path that was not taken, and why."""
    return f"{path.decode('utf-8', 'backslashreplace')} ({reason})"


def cut(entries: list[str]) -> list[str]:
    """Keep as many entries as a record holds, the last one saying how many more there were."""
    return entries if len(entries) <= _MOST else [*entries[:_MOST], f"{len(entries) - _MOST} more files"]


def missed(entries: Sequence[str]) -> list[str]:
    """Choose what somebody may miss: not what tools made and can make again."""
    return [text for text in entries if not text.endswith(_NOBODY_MISSES)]


def first_of(entries: Sequence[str], most: int) -> tuple[Sequence[str], int]:
    """Choose the first entries to show, and count the files beyond them."""
    shown, beyond = entries[:most], entries[most:]
    uncounted = _MORE.fullmatch(beyond[-1]) if beyond else None
    return shown, len(beyond) - 1 + int(uncounted[1]) if uncounted else len(beyond)
