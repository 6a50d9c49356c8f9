"""The `.lfsconfig` of a repository: settings that come with its files.

It is others' content: read by git as configuration, without following includes;
who uses it decides which of its keys are harmless.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gitml.git.process import GitCommandFailedError, GitProcess

_NAME = ".lfsconfig"
_LARGEST = 64 * 1024


def read_lfsconfig(process: GitProcess, work_tree: Path | None) -> dict[str, str]:
    """Read it from where git-lfs would: the work tree, else the index, else HEAD.

    Raises:
        GitCommandFailedError: It is there and makes no sense.
    """
    if work_tree is not None:
        path = work_tree / _NAME
        try:
            status = path.lstat()
        except FileNotFoundError:
            pass
        else:
            fits = stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST
            return _read(process, ["--file", str(path)]) if fits else {}
    return _read(process, ["--blob", f":{_NAME}"]) or _read(process, ["--blob", f"HEAD:{_NAME}"])


def _read(process: GitProcess, where: list[str]) -> dict[str, str]:
    command = ["config", *where, "--null", "--list"]
    status, out, err = process.run_status(command)
    if status != 0 and "bad config" in err:
        raise GitCommandFailedError(command, status, err)
    pairs = (item.partition("\n") for item in os.fsdecode(out).split("\0") if item)
    return {key: value if newline else "true" for key, newline, value in pairs}
