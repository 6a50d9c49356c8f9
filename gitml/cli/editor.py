"""Writing text in the user's editor, the one that git would start."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitml.cli.output import warn
from gitml.errors import GitmlError, RefusedError

if TYPE_CHECKING:
    from gitml.repo import Repo


class EditorFailedError(RefusedError):
    """The editor could not be started, or said that the text is not to be used."""

    def __init__(self, editor: str, reason: str) -> None:
        super().__init__(
            f"the editor '{editor}' {reason}; nothing was changed",
            hint="git config core.editor chooses another; -m TEXT needs none",
        )
        self.editor = editor


@contextmanager
def edited(repo: Repo, text: str, *, name: str) -> Iterator[str]:
    """Let the user change a text; gives it without empty lines at its end.

    What was written is kept in its file if it could not be used.

    Args:
        repo: Whose editor (`git var GIT_EDITOR`) to start.
        text: What to begin with.
        name: The file's name, whose ending tells the editor what it is.

    Raises:
        EditorFailedError: The editor did not end well.
    """
    editor = os.fsdecode(repo.git.process.run(["var", "GIT_EDITOR"])).strip()
    words = shlex.split("true" if editor == ":" else editor)  # ':' is the shell's own `true`
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise EditorFailedError(editor, "was not found")
    repo.root.mkdir(parents=True, exist_ok=True)
    file = repo.root / name
    file.write_text(f"{text.rstrip()}\n" if text.strip() else "", encoding="utf-8")
    status = subprocess.run([program, *words[1:], str(file)], check=False).returncode
    if status != 0:
        file.unlink()
        raise EditorFailedError(editor, f"ended with {status}")
    try:
        yield file.read_text(encoding="utf-8", errors="replace").rstrip()
    except (GitmlError, OSError):
        warn(f"what you wrote is in '{file}'")
        raise
    file.unlink()
