"""Waiting until the file system is as fast as it is when nobody uses it."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

_FOLDERS, _FILES = 50, 4  # ext4 spreads folders over the disk, and keeps files near theirs
_QUIET_MS = 0.1
_PATIENCE_S = 420.0
_PAUSE_S = 10.0
_IN_A_ROW = 3  # one lucky folder says little


def wait_until_quiet(folder: Path) -> None:
    """Wait, for seven minutes at the most, until making a file costs less than 0.1 ms.

    ext4 gives no inode away again that was freed in the last minutes, and looks past
    all of them whenever a file is made: after a hundred thousand were removed, making
    one costs several times as much for five minutes, without any I/O
    (`recently_deleted` in the kernel's fs/ext4/ialloc.c).

    Args:
        folder: Where files are made to see; they stay there.
    """
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_S:
        cost = max(_cost_of_a_file_ms(folder) for _ in range(_IN_A_ROW))
        if cost < _QUIET_MS:
            return
        print(f"making a file costs {cost:.2f} ms; waiting …", file=sys.stderr, flush=True)
        time.sleep(_PAUSE_S)


def _cost_of_a_file_ms(folder: Path) -> float:
    inside = Path(tempfile.mkdtemp(prefix="quiet-", dir=folder))
    start = time.perf_counter()
    for number in range(_FOLDERS):
        (inside / str(number)).mkdir()
        for name in range(_FILES):
            (inside / str(number) / str(name)).write_bytes(b"x")
    return (time.perf_counter() - start) * 1000 / (_FOLDERS * (_FILES + 1))
