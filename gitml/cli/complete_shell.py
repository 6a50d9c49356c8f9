"""How shells ask for completions, and what they get: names as the shell needs them written.

In bash the script hands over the line as it was typed, because its own words break at `:`
and `@` too. What is offered goes on from where bash's word began, in the quotes that are open.
fish quotes by itself. zsh evaluates what it is given, so there a name that means something
to a shell is not offered.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    _is_incomplete_option,
    _resolve_context,
    _resolve_incomplete,
    add_completion_class,
)
from typer import _completion_shared
from typer._completion_classes import BashComplete, FishComplete, ZshComplete

from gitml.errors import GitmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Base = ShellComplete
else:
    _Base = object

ARGUMENTS = "gitml.arguments"
"""Where a context keeps the words before the one to complete."""

BASH_SCRIPT = """\
_gitml_completion() {
    local offer
    COMPREPLY=()
    while IFS= read -r offer; do
        [ -z "$offer" ] || COMPREPLY+=("$offer")
    done < <(_GITML_COMPLETE=complete_bash _GITML_WORD="$2" \\
             _GITML_LINE="${COMP_LINE:0:COMP_POINT}" "$1" 2>/dev/null)
}

complete -o default -F _gitml_completion gitml
"""

# A shell takes '#' for the beginning of a comment only where a word begins.
_PLAIN = re.compile(r"(?![-=#~])[\w@%+=:,./~#-]+")
_PIECE = re.compile(
    r"""(?P<single>')(?P<exact>[^']*)(?P<closed>'?)|(?P<double>")(?P<quoted>(?:[^"\\]|\\.)*\\?)(?P<shut>"?)"""
    r"""|\\(?P<escaped>.?)|(?P<bare>[^\s'"\\]+)|(?P<space>\s+)""",
    re.DOTALL,
)
_SPECIAL = re.compile(r"[^\w@%+=:,./~#{}^\x80-\U0010ffff-]", re.ASCII)
_SPECIAL_IN_LISTS = re.compile(f"{_SPECIAL.pattern}|[{{}}]", re.ASCII)  # {a,b} and {1..3}


class _Completing(_Base):
    """What all shells share."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Find what the word could go on with; nothing where the line before it is wrong."""
        try:
            context = _resolve_context(self.cli, self.ctx_args, self.prog_name, args)
            context.meta[ARGUMENTS] = tuple(args)
            return [item for item in self._found(context, args, incomplete) if self.takes(item.value)]
        except (GitmlError, click.ClickException):
            return []

    def _found(self, context: click.Context, args: list[str], incomplete: str) -> Sequence[CompletionItem]:
        if incomplete.startswith("-") and "--" not in args:
            # A value can begin with '-' too: -s -loss.
            for param in context.command.get_params(context):
                if _is_incomplete_option(context, args, param):
                    return param.shell_complete(context, incomplete)
        asked, incomplete = _resolve_incomplete(context, args, incomplete)
        return asked.shell_complete(context, incomplete)

    def takes(self, value: str) -> bool:
        """Whether the shell can be given a word."""
        return value.isprintable()


class _Bash(_Completing, BashComplete):
    def get_completion_args(self) -> tuple[list[str], str]:
        """Read the line that was typed."""
        if not self._line:
            return super().get_completion_args()
        words, _ = _split(self._line)
        names = [os.path.basename(word) for word in words]
        first = names.index(self.prog_name) if self.prog_name in names[:-1] else 0
        return words[first + 1 : -1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Write what bash puts in the place of its own idea of the word."""
        value = str(item.value)
        if not self._line:
            return value
        raw, word = _split(self._line)[1], os.environ.get("_GITML_WORD", "")
        before, quote = _unquote(raw[: len(raw) - len(word)] if raw.endswith(word) else "")
        begins = not before and not quote
        return _quoted(value.removeprefix(before), quote, begins=begins)

    def takes(self, value: str) -> bool:
        return super().takes(value) if self._line else _is_plain(value)

    @property
    def _line(self) -> str:
        return os.environ.get("_GITML_LINE", "")


class _Zsh(_Completing, ZshComplete):
    def takes(self, value: str) -> bool:
        return _is_plain(value)


class _Fish(_Completing, FishComplete):
    pass


def use() -> None:
    """Complete this way from now on, and give our script out where typer is asked for one."""
    for kind in (_Bash, _Zsh, _Fish):
        add_completion_class(kind)
    _completion_shared._completion_scripts["bash"] = BASH_SCRIPT.replace("%", "%%")  # noqa: SLF001


def script(shell: str) -> str:
    """Give the script that a shell is to read."""
    use()
    return _completion_shared.get_completion_script(
        prog_name="gitml", complete_var="_GITML_COMPLETE", shell=shell
    )


def _is_plain(value: str) -> bool:
    return value.startswith("-") or _PLAIN.fullmatch(value) is not None


def _split(line: str) -> tuple[list[str], str]:
    """Split a line as a shell does; the last word, which may be empty, as it was typed too."""
    starts: list[int] = []
    ends: list[int] = []
    in_word = False
    for piece in _PIECE.finditer(line):
        if piece["space"]:
            in_word = False
            continue
        if in_word:
            ends[-1] = piece.end()
        else:
            starts.append(piece.start())
            ends.append(piece.end())
        in_word = True
    raw = [line[start:end] for start, end in zip(starts, ends, strict=True)]
    raw += [] if in_word else [""]
    return [_unquote(word)[0] for word in raw], raw[-1]


def _unquote(word: str) -> tuple[str, str]:
    """Give what a word means, and the quote that is still open at its end."""
    text, quote = "", ""
    for piece in _PIECE.finditer(word):
        if piece["single"]:
            text += piece["exact"]
            quote = "" if piece["closed"] else "'"
        elif piece["double"]:
            text += re.sub(r'\\([$`"\\])', r"\1", piece["quoted"])
            quote = "" if piece["shut"] else '"'
        else:
            text += piece["escaped"] or piece["bare"] or ""
    return text, quote


def _quoted(text: str, quote: str, *, begins: bool) -> str:
    """Write text so that bash reads it as it is."""
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote == '"':
        return re.sub(r'([$`"\\])', r"\\\1", text)
    special = _SPECIAL_IN_LISTS if "," in text or ".." in text else _SPECIAL
    escaped = special.sub(r"\\\g<0>", text)
    return "\\" + escaped if begins and text[:1] in ("~", "#") else escaped
