"""The command line of the running program, as a run records it."""

from __future__ import annotations

import os
import sys


def running_command() -> tuple[str, ...]:
    """Give the command line that this program was started with.

    The interpreter by its name alone, the script and its arguments as they
    were typed. A child of `multiprocessing` has its parent's; a notebook none.

    Example:
        >>> running_command()  # doctest: +SKIP
        ('python', 'train.py', '--lr', '0.1')
    """
    words = list(sys.orig_argv)
    if any("ipykernel" in word for word in words[:3]):
        return ()
    if any("multiprocessing" in word for word in words):
        words = [sys.executable, *sys.argv]
    if not words:
        return ()
    return (os.path.basename(words[0]), *words[1:])
