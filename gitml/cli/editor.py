"""Writing text in the user's editor, the one that git would start.

git has a shell start it. No shell is started here: quotes, `~` and variables are read as a
shell reads them, and what only a shell can do (pipes, redirections, commands within commands)
is refused.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitml.cli.output import warn
from gitml.errors import GitmlError, RefusedError

if TYPE_CHECKING:
    from gitml.repo import Repo

_PIECE = re.compile(
    r"""'(?P<exact>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)"""
    r"""|(?P<space>\s+)|(?P<bare>[^\s'"\\;&|<>()`#*?\[]+|(?<=\S)\#)""",
    re.DOTALL,
)
_VARIABLE = re.compile(r"""\\(?P<escaped>[$`"\\])|\$(?:(?P<name>\w+)|\{(?P<braced>\w+)\})""")
_OF_A_SHELL = ("`", "$(", "${")


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
    words = editor_words("true" if editor == ":" else editor)  # ':' is the shell's own `true`
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


def editor_words(editor: str) -> list[str]:
    """Split the text that names an editor into its program and arguments.

    Raises:
        EditorFailedError: Only a shell could start it.
    """
    words: list[str] = []
    at, in_word = 0, False
    while at < len(editor):
        piece = _PIECE.match(editor, at)
        read = _read_piece(piece, starts=not in_word) if piece else None
        if piece is None or read is None:
            raise EditorFailedError(
                editor, f"has what only a shell reads ({editor[at : at + 10]!r}): put it in a script"
            )
        at = piece.end()
        if piece["space"]:
            in_word = False
            continue
        words = [*words[:-1], words[-1] + read] if in_word else [*words, read]
        in_word = True
    return words


def _read_piece(piece: re.Match[str], *, starts: bool) -> str | None:
    """Give what a shell makes of a part of a word; None where only a shell can tell."""
    text = next(text for text in piece.groups() if text is not None)
    if piece.lastgroup not in ("quoted", "bare"):
        return text
    if any(sign in _VARIABLE.sub("", text) for sign in _OF_A_SHELL):
        return None
    if starts and piece.lastgroup == "bare":
        text = os.path.expanduser(text)
    return _VARIABLE.sub(_variable, text)


def _variable(match: re.Match[str]) -> str:
    return match["escaped"] or os.environ.get(match["name"] or match["braced"], "")
