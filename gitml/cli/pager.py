"""Long output goes through the reader's pager, as git's does."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

from gitml.cli.terminal import Screen

TABLE = "FRXS"  # chops long lines instead of wrapping them
TEXT = "FRX"
_NONE = ("", "cat")


def show(
    text: str, screen: Screen, *, less: str = TEXT, config: Callable[[], Mapping[str, str]] = dict,
    config_keys: tuple[str, ...] = ("core.pager",),
) -> None:  # fmt: skip
    """Write text to standard output, through a pager if it is longer than the screen.

    Args:
        text: What to write; ends in a line end.
        screen: What standard output is.
        less: The options for `less` where the reader set none.
        config: Gives git's configuration; asked only when a pager is needed.
        config_keys: The keys that may name a pager, the first one found wins.
    """
    if not screen.paging or screen.lines is None or text.count("\n") < screen.lines:
        sys.stdout.write(text)
        return
    command = _choose(config, config_keys)
    if command is None or not _run(command, text, less):
        sys.stdout.write(text)


def _choose(config: Callable[[], Mapping[str, str]], keys: tuple[str, ...]) -> list[str] | None:
    wanted = os.environ.get("GITML_PAGER")
    if wanted is None:
        values = config()
        wanted = next((values[key] for key in keys if key in values), None)
    if wanted is None:
        wanted = os.environ.get("PAGER", "less")
    if wanted.strip() in _NONE:
        return None
    words = shlex.split(wanted)
    found = shutil.which(words[0])
    return [found, *words[1:]] if found else None


def _run(command: list[str], text: str, less: str) -> bool:
    """Feed the pager; False if it could not be started."""
    sys.stdout.flush()
    environ = {**os.environ, "LESS": os.environ.get("LESS", less), "LV": os.environ.get("LV", "-c")}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)
    except OSError:
        return False
    # The reader may leave before the end, and Ctrl-C belongs to the pager.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        process.communicate(text.encode("utf-8", "replace"))
    while process.poll() is None:
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
    return True
