"""Text that is safe to show, and how wide it is on a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Controls, line and paragraph separators, and marks that reorder or hide what follows.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile(r"[ \t]*(?:\r\n|[\n\r\t\x0b\x0c\x85\u2028\u2029])[ \t]*")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_OTHER_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")

_ZERO_WIDTH_JOINER = "\u200d"
_EMOJI_PRESENTATION = "\ufe0f"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_REGIONAL = range(0x1F1E6, 0x1F200)


def clean(text: str) -> str:
    r"""Make one line of text that can't move the cursor, change colours or reorder its neighbours.

    Line ends and tabs become one space; other control characters and direction marks
    are shown as escapes, so nothing is hidden.

    Example:
        >>> clean("a\x1b[31mb\nc")
        'a\\x1b[31mb c'
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escape, _LINE_ENDS.sub(" ", text))


def clean_block(text: str) -> str:
    """Make several lines safe: as `clean`, but line ends and tabs stay."""
    return _UNSAFE.sub(_escape, text.replace("\r\n", "\n"))


def clean_data(text: str) -> str:
    """Make data for programs safe to look at: as `clean_block`, but the NULs that end records stay."""
    return "\0".join(map(clean_block, text.split("\0")))


def clean_json(text: str) -> str:
    """Make JSON safe to look at, by JSON's own escapes: it stays the same document."""
    return _UNSAFE.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def clean_output(text: str, *, colour: bool) -> str:
    """Make what a program printed safe to show again.

    A progress bar that redrew its line with carriage returns is shown as it ended.

    Args:
        text: The output as it was recorded.
        colour: Whether colours may stay; any other control sequence goes.
    """
    lines = (_last_drawn(line) for line in text.replace("\r\n", "\n").split("\n"))
    if not colour:
        return "\n".join(clean_block(_OTHER_SEQUENCE.sub("", line)) for line in lines)
    return "\n".join(_keep_colours(line) for line in lines)


def _last_drawn(line: str) -> str:
    parts = line.rstrip("\r").split("\r")
    return next((part for part in reversed(parts) if part), "")


def _keep_colours(line: str) -> str:
    kept: list[str] = []
    position = 0
    for match in _COLOUR.finditer(line):
        kept += [clean_block(_OTHER_SEQUENCE.sub("", line[position : match.start()])), match.group()]
        position = match.end()
    kept.append(clean_block(_OTHER_SEQUENCE.sub("", line[position:])))
    return "".join(kept) + ("\x1b[0m" if position else "")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Count the terminal cells that cleaned text takes: 2 for wide letters and emoji, 0 for marks."""
    if text.isascii():
        return len(text)
    return sum(cells for _, cells in _clusters(text))


def clip(text: str, cells: int) -> str:
    """Shorten text to a number of cells, with '…' where something was cut."""
    if width(text) <= cells:
        return text
    if text.isascii():
        return text[: cells - 1] + "…" if cells > 0 else ""
    kept: list[str] = []
    room = cells - 1
    for cluster, size in _clusters(text):
        if size > room:
            break
        kept.append(cluster)
        room -= size
    return "".join(kept) + "…" if cells > 0 else ""


def shorten(text: str, cells: int | None) -> str:
    """As `clip`; None is for where nothing is cut, such as a pipe."""
    return text if cells is None else clip(text, cells)


def clip_apart(texts: Sequence[str], cells: int) -> list[str]:
    """Clip texts; those that differ only in what would be cut are shown from near there on.

    Example:
        >>> clip_apart(["/data/runs/2026/a.csv", "/data/runs/2026/b.csv"], 12)
        ['…26/a.csv', '…26/b.csv']
    """
    clipped = [clip(text, cells) for text in texts]
    looks: dict[str, set[str]] = {}
    for text, look in zip(texts, clipped, strict=True):
        looks.setdefault(look, set()).add(text)
    alike = next((sorted(group) for group in looks.values() if len(group) > 1), None)
    if alike is None:
        return clipped
    # Of sorted texts the first and the last have the least in common.
    start = max(0, _in_common(alike[0], alike[-1]) - cells // 4)
    return [
        clip("…" + text[start:], cells) if start < len(text) and start else clip(text, cells)
        for text in texts
    ]


def _in_common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other))  # noqa: B905  # one may be the beginning of the other
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Fill text with spaces up to a number of cells; `right` aligns it to the right."""
    space = " " * (cells - width(text))
    return space + text if right else text + space


def _clusters(text: str) -> list[tuple[str, int]]:
    """Split text into what a terminal draws as one, each with its width."""
    found: list[tuple[str, int]] = []
    joins = False
    for letter in text:
        code = ord(letter)
        cells = _letter_width(letter)
        if found:
            before, size = found[-1]
            pairs_flag = code in _REGIONAL and len(before) == 1 and ord(before) in _REGIONAL
            if letter == _EMOJI_PRESENTATION and size == 1:
                size = 2
            if cells == 0 or joins or code in _SKIN_TONES or pairs_flag:
                found[-1] = (before + letter, max(size, cells))
                joins = letter == _ZERO_WIDTH_JOINER
                continue
        found.append((letter, cells))
        joins = False
    return found


def _letter_width(letter: str) -> int:
    if letter == _ZERO_WIDTH_JOINER or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    if ord(letter) in _REGIONAL:
        return 2
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def plural(count: int, noun: str, *, many: str | None = None) -> str:
    """Write a count with its noun.

    Example:
        >>> plural(1, "run"), plural(10240, "run")
        ('1 run', '10,240 runs')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
