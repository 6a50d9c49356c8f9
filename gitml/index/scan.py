"""Record files → facts, without building a run: a third of the decoder's time.

Knows only the canonical text that gitml itself writes, and of that only what is
common. Everything else is None here and goes through `formats.run_tree`, which
decides what a record means; a property test holds the two together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

from gitml.entities.run import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID
from gitml.formats.run_tree import (
    INPUTS_FILE,
    METRICS_FILE,
    NOTE_FILE,
    PARAMS_FILE,
    RUN_FILE,
    TAGS_FILE,
    decode_inputs,
    parse_time,
)
from gitml.index.facts import DatasetRow, Facts, Keyed, MetricRow
from gitml.index.values import BOOLEAN, NULL, NUMBER, TEXT, ParamRow, number_in

_WORD = r"[A-Za-z_/][A-Za-z0-9_./@+=~%-]*(?: [A-Za-z0-9_./@+=~%()-]+)*"
# A letter other than e keeps it from being a number to anybody.
_HASH = r"(?=[0-9a-f]*[abcdf])[0-9a-f]{8,64}"
_QUOTED = r'"(?:[^"\\\n\x00-\x1f\x7f-\x9f]|\\["\\/bfnrt])*"'
_INT = r"-?(?:0|[1-9][0-9]{0,17})"
_NUMBER = rf"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?|{_INT}"

_IS_WORD = re.compile(rf"{_WORD}|{_HASH}").fullmatch
_IS_QUOTED = re.compile(_QUOTED).fullmatch
_IS_LIST = re.compile(rf"\[(?:(?:{_WORD}|{_QUOTED})(?:, (?:{_WORD}|{_QUOTED}))*)?\]").fullmatch
# Comparing repeated digits is four times as fast as capturing them again.
_POINTS = re.compile(
    rf"^({_WORD}): {{last: ({_NUMBER}), step: ({_INT}), time: ({_INT}), "
    r"min: \2, min_step: \3, max: \2, max_step: \3, count: 1}\n",
    re.MULTILINE,
).findall
_SUMMARIES = re.compile(
    rf"^({_WORD}): {{last: ({_NUMBER}), step: ({_INT}), time: ({_INT}), min: ({_NUMBER}), "
    rf"min_step: ({_INT}), max: ({_NUMBER}), max_step: ({_INT}), count: ({_INT})}}\n",
    re.MULTILINE,
).findall
_PARAM_LINE = re.compile(rf"({_WORD}): (?:({_NUMBER})|({_WORD})|({_QUOTED}))").fullmatch
_TAG_LINE = re.compile(rf"({_WORD}): (?:({_WORD})|({_QUOTED}))").fullmatch
_TIME = r"([0-9]{4}-[^\n]{18}Z)"
_RUN = re.compile(
    r"id: ([^\n]+)\n"
    r"(?:name: ([^\n]+)\n)?"
    r"(?:experiment: ([^\n]+)\n)?"
    r"(?:experiment_id: ([^\n]+)\n)?"
    r"(?:parent: ([^\n]+)\n)?"
    r"status: (running|scheduled|finished|failed|killed)\n"
    rf"start: {_TIME}\n"
    rf"(?:end: {_TIME}\n)?"
    rf"(?:duration_s: ({_NUMBER})\n)?"
    r"(?:user: ([^\n]+)\n)?"
    r"(?:host: ([^\n]+)\n)?"
    r"(?:entry_point: ([^\n]+)\n)?"
    r"(?:command: ([^\n]+)\n)?"
    rf"(?:exit_code: ({_INT})\n)?"
    r"(?:error: ([^\n]+)\n)?"
    rf"(?:deleted: {_TIME}\n)?"
    r"(?:code:\n"
    r"(?:  commit: ([^\n]+)\n)?"
    r"(?:  tree: ([^\n]+)\n)?"
    r"(?:  branch: ([^\n]+)\n)?"
    r"(?:  dirty: (true|false)\n)?"
    r"(?:  remote: ([^\n]+)\n)?"
    r"(?:  left_out: ([^\n]+)\n)?"
    r")?"
    # How it can be run again is asked of the record itself.
    r"(?:directory: [^\n]+\n)?"
    r"(?:project:\n(?:  [^\n]+\n)+)?"
).fullmatch

# Words that some version of YAML reads as something other than text.
_RESERVED = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_SPECIAL: dict[str, ParamRow] = {
    "true": (BOOLEAN, None, "true"),
    "false": (BOOLEAN, None, "false"),
    "null": (NULL, None, "null"),
}
# Lines that are remembered, and how long one may be: at most some 10 MB.
_MOST_LINES, _LONG = 20_000, 200
T = TypeVar("T")


class _NotCommonError(Exception):
    """The text is not of the common kind; the decoder decides."""


def scan(files: Mapping[str, bytes]) -> Facts | None:
    """Read the facts of a committed record; None if its text is not of the common kind.

    Raises:
        DamagedError: The list of data sets can't be read.
    """
    try:
        return Facts(
            _run_row(files[RUN_FILE].decode()),
            _metrics(files.get(METRICS_FILE)),
            _params(files.get(PARAMS_FILE)),
            _tags(files.get(TAGS_FILE)),
            _datasets(files.get(INPUTS_FILE)),
            files.get(NOTE_FILE, b"").decode("utf-8", "replace"),
        )
    except (_NotCommonError, ValueError, LookupError, TypeError, AttributeError):
        return None


class _Lines(dict[str, tuple[str, T]]):
    """Line → name and value, as far as seen: runs of a sweep have most of their lines in common."""

    def __init__(self, read: Callable[[str], tuple[str, T]]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, line: str) -> tuple[str, T]:
        found = self._read(line)
        if len(line) <= _LONG:
            if len(self) >= _MOST_LINES:
                self.clear()
            self[line] = found
        return found

    def keyed(self, data: bytes | None) -> Keyed[T]:
        """Read a file of such lines."""
        if not data:
            return (), ()
        lines = data.decode().split("\n")
        if lines.pop():
            raise _NotCommonError
        names, values = zip(*[self[line] for line in lines], strict=True)
        return _checked(names), values


def _param(line: str) -> tuple[str, ParamRow]:
    match = _PARAM_LINE(line)
    if match is None:
        raise _NotCommonError
    name, digits, word, quoted = match.groups()
    if digits is not None:
        number = _number(digits)
        return name, (NUMBER, number, repr(number))
    if word in _SPECIAL:
        return name, _SPECIAL[word]
    value = json.loads(quoted) if word is None else _plain(word)
    return name, (TEXT, number_in(value), value)


def _tag(line: str) -> tuple[str, str]:
    match = _TAG_LINE(line)
    if match is None:
        raise _NotCommonError
    name, word, quoted = match.groups()
    return name, json.loads(quoted) if word is None else _plain(word)


_params, _tags = _Lines(_param).keyed, _Lines(_tag).keyed


class _Integers(dict[str, int]):
    """Digits → integer, as far as seen: the metrics of a run share steps and times."""

    def __missing__(self, digits: str) -> int:
        if len(self) >= _MOST_LINES:
            self.clear()
        self[digits] = number = int(digits)
        return number


_integers = _Integers()


def _metrics(data: bytes | None) -> Keyed[MetricRow]:
    if not data:
        return (), ()
    text = data.decode()
    lines = text.count("\n")
    found = _POINTS(text) if text.count(", count: 1}\n") == lines else ()
    if len(found) == lines:
        integer = _integers
        rows: list[MetricRow] = [
            (float(last) if "." in last else int(last), integer[step], integer[time])
            for _, last, step, time in found
        ]
    else:
        found = _SUMMARIES(text)
        rows = _summaries(found)
    # Every line was read; names that stand twice are found with the names.
    if len(rows) != lines or text[-1] != "\n":
        raise _NotCommonError
    return _checked(tuple([line[0] for line in found])), rows


def _summaries(found: Iterable[tuple[str, ...]]) -> list[MetricRow]:
    integer = _integers
    rows: list[MetricRow] = []
    for _, last, step, time, low, low_step, high, high_step, count in found:
        value = float(last) if "." in last else int(last)
        if count == "1" and low == last == high and low_step == step == high_step:
            rows.append((value, integer[step], integer[time]))
        else:
            rows.append(
                (
                    value,
                    integer[step],
                    integer[time],
                    float(low) if "." in low else int(low),
                    integer[low_step],
                    float(high) if "." in high else int(high),
                    integer[high_step],
                    integer[count],
                )
            )
    return rows


@lru_cache(maxsize=1024)
def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    """Take names if none stands twice and none is another type in disguise; equal ones become the same."""
    if len(set(names)) != len(names):
        raise _NotCommonError
    for name in names:
        _plain(name)
    return names


def _plain(word: str) -> str:
    if len(word) <= 5 and word.lower() in _RESERVED:
        raise _NotCommonError
    return word


def _datasets(data: bytes | None) -> list[DatasetRow]:
    if not data:
        return []
    return [
        (str(item.name) or None, str(item.digest) or None, str(item.context) if item.context else None)
        for item in decode_inputs(data, source=INPUTS_FILE)
    ]


def _run_row(text: str) -> tuple[object, ...]:
    match = _RUN(text)
    if match is None:
        raise _NotCommonError
    (
        run_id, name, experiment, experiment_id, parent, status, start, end, duration, user, host, entry_point,
        command, exit_code, error, deleted, commit, tree, branch, dirty, remote, left_out,
    ) = match.groups()  # fmt: skip
    if not (_is_list(command) and _is_list(left_out)):
        raise _NotCommonError
    # Looked at although nobody asks for them: a record that is damaged must be found damaged.
    _repeated(tree)
    _repeated(remote)
    run_id = _text(run_id)
    return (
        run_id,
        run_id[:8] if name is None else _text(name) or None,
        DEFAULT_EXPERIMENT_ID if experiment_id is None else _repeated(experiment_id),
        DEFAULT_EXPERIMENT if experiment is None else _repeated(experiment),
        status,
        parse_time(start),
        None if end is None else parse_time(end),
        None if duration is None else _number(duration),
        _repeated(parent),
        _repeated(user),
        _repeated(host),
        _repeated(entry_point),
        None if exit_code is None else int(exit_code),
        _repeated(error),
        None if deleted is None else parse_time(deleted),
        _repeated(commit),
        _repeated(branch),
        int(dirty == "true"),
        0,
    )


def _text(written: str) -> str:
    if _IS_WORD(written):
        return _plain(written)
    if not _IS_QUOTED(written):
        raise _NotCommonError
    value: str = json.loads(written)
    return value


@lru_cache(maxsize=4096)
def _repeated(written: str | None) -> str | None:
    """Read a text that many runs have in common."""
    # The id of the default experiment is a quoted number.
    return None if written is None else _text(written) or None


@lru_cache(maxsize=1024)
def _is_list(written: str | None) -> bool:
    return written is None or _IS_LIST(written) is not None


def _number(digits: str) -> int | float:
    return float(digits) if "." in digits else int(digits)
