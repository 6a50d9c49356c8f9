"""Record files → facts, without building a run: a third of the decoder's time.

Knows only the canonical text that gitml itself writes, and of that only what is
common. Everything else is None here and goes through `formats.run_tree`, which
decides what a record means; a property test holds the two together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

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
from gitml.index.facts import DatasetRow, Facts, MetricRow
from gitml.index.values import BOOLEAN, NULL, NUMBER, TEXT, ParamRow, number_in

_WORD = r"[A-Za-z_/][A-Za-z0-9_./@+=~%-]*(?: [A-Za-z0-9_./@+=~%()-]+)*"
# A letter other than e keeps it from being a number to anybody.
_HASH = r"(?=[0-9a-f]*[abcdf])[0-9a-f]{8,64}"
_QUOTED = r'"(?:[^"\\\n\x00-\x1f\x7f-\x9f]|\\["\\/bfnrt])*"'
_INT = r"-?(?:0|[1-9][0-9]{0,17})"
_FLOAT = r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?"

_IS_INT = re.compile(_INT).fullmatch
_IS_NUMBER = re.compile(rf"{_FLOAT}|{_INT}").fullmatch
_IS_WORD = re.compile(rf"{_WORD}|{_HASH}").fullmatch
_IS_QUOTED = re.compile(_QUOTED).fullmatch
_IS_LIST = re.compile(rf"\[(?:(?:{_WORD}|{_QUOTED})(?:, (?:{_WORD}|{_QUOTED}))*)?\]").fullmatch
_METRIC_LINE = re.compile(
    rf"^({_WORD}): {{last: ({_FLOAT}|{_INT}), step: ({_INT}), time: ({_INT}), min: ({_FLOAT}|{_INT}), "
    rf"min_step: ({_INT}), max: ({_FLOAT}|{_INT}), max_step: ({_INT}), count: ({_INT})}}\n",
    re.MULTILINE,
)
_PARAM_LINE = re.compile(rf"^({_WORD}): (?:({_FLOAT})|({_INT})|({_WORD})|({_QUOTED}))\n", re.MULTILINE)
_TAG_LINE = re.compile(rf"^({_WORD}): (?:({_WORD})|({_QUOTED}))\n", re.MULTILINE)

# Words that some version of YAML reads as something other than text.
_RESERVED = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_SPECIAL: dict[str, ParamRow] = {
    "true": (BOOLEAN, None, "true"),
    "false": (BOOLEAN, None, "false"),
    "null": (NULL, None, "null"),
}
_RUN_KEYS = frozenset(
    (
        "id",
        "name",
        "experiment",
        "experiment_id",
        "parent",
        "status",
        "start",
        "end",
        "duration_s",
        "user",
        "host",
    )
) | {"entry_point", "command", "exit_code", "error", "deleted"}
_CODE_KEYS = frozenset(("  commit", "  tree", "  branch", "  dirty", "  remote", "  left_out"))
_STATUSES = frozenset(("running", "scheduled", "finished", "failed", "killed"))


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


def _check_names(names: Mapping[str, object], text: str) -> None:
    """Every line was read, no name stands twice, none is another type in disguise."""
    if len(names) != text.count("\n") or text[-1] != "\n":
        raise _NotCommonError
    for name in names:
        if len(name) <= 5 and name.lower() in _RESERVED:
            raise _NotCommonError


def _metrics(data: bytes | None) -> dict[str, MetricRow]:
    if not data:
        return {}
    text = data.decode()
    rows: dict[str, MetricRow] = {}
    for name, last, step, time, low, low_step, high, high_step, count in _METRIC_LINE.findall(text):
        # SQLite reads the digits of integers as well as Python does, and sooner or later has to.
        rows[name] = (
            float(last) if "." in last else int(last),
            step,
            time,
            float(low) if "." in low else int(low),
            low_step,
            float(high) if "." in high else int(high),
            high_step,
            count,
        )
    _check_names(rows, text)
    return rows


def _params(data: bytes | None) -> dict[str, ParamRow]:
    if not data:
        return {}
    text = data.decode()
    rows: dict[str, ParamRow] = {}
    for name, decimal, integer, word, quoted in _PARAM_LINE.findall(text):
        if decimal:
            number = float(decimal)
            rows[name] = (NUMBER, number, repr(number))
        elif integer:
            whole = int(integer)
            rows[name] = (NUMBER, whole, str(whole))
        elif word in _SPECIAL:
            rows[name] = _SPECIAL[word]
        else:
            value = _plain(word) if word else json.loads(quoted)
            rows[name] = (TEXT, number_in(value), value)
    _check_names(rows, text)
    return rows


def _tags(data: bytes | None) -> dict[str, str]:
    if not data:
        return {}
    text = data.decode()
    rows = {
        name: _plain(word) if word else json.loads(quoted) for name, word, quoted in _TAG_LINE.findall(text)
    }
    _check_names(rows, text)
    return rows


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
    head, has_code, tail = text[:-1].partition("\ncode:\n")
    lines = head.split("\n")
    values: dict[str, str] = dict([line.split(": ", 1) for line in lines])
    get = values.get
    code = _code(tail) if has_code else (None, None, 0)
    if text[-1] != "\n" or len(values) != len(lines) or not values.keys() <= _RUN_KEYS:
        raise _NotCommonError
    if values["status"] not in _STATUSES or not _is_list(get("command", "[]")):
        raise _NotCommonError
    run_id = _text(values["id"])
    exit_code, duration = get("exit_code"), get("duration_s")
    return (
        run_id,
        _text(values["name"]) if "name" in values else run_id[:8],
        _repeated(get("experiment_id", DEFAULT_EXPERIMENT_ID)),
        _repeated(get("experiment", DEFAULT_EXPERIMENT)),
        values["status"],
        _time(values["start"]),
        _time(get("end")),
        None if duration is None else _number(duration),
        _repeated(get("parent")),
        _repeated(get("user")),
        _repeated(get("host")),
        _repeated(get("entry_point")),
        None if exit_code is None else _integer(exit_code),
        _repeated(get("error")),
        _time(get("deleted")),
        *code,
        0,
    )


def _code(text: str) -> tuple[str | None, str | None, int]:
    lines = text.split("\n")
    values: dict[str, str] = dict([line.split(": ", 1) for line in lines])
    dirty = values.get("  dirty", "false")
    if len(values) != len(lines) or not values.keys() <= _CODE_KEYS or dirty not in ("true", "false"):
        raise _NotCommonError
    if not _is_list(values.get("  left_out", "[]")):
        raise _NotCommonError
    if "  tree" in values:
        _text(values["  tree"])
    _repeated(values.get("  remote"))
    commit = values.get("  commit")
    return (
        (None if commit is None else _text(commit)),
        _repeated(values.get("  branch")),
        int(dirty == "true"),
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
    if written is None or written == DEFAULT_EXPERIMENT_ID:
        return written
    return _text(written) or None


@lru_cache(maxsize=1024)
def _is_list(written: str) -> bool:
    return _IS_LIST(written) is not None


def _time(written: str | None) -> int | None:
    if written is None:
        return None
    if len(written) != 24 or written[-1] != "Z" or written[4] != "-":
        raise _NotCommonError
    return parse_time(written)


def _number(written: str) -> int | float:
    if not _IS_NUMBER(written):
        raise _NotCommonError
    return float(written) if "." in written else int(written)


def _integer(written: str) -> int:
    if not _IS_INT(written):
        raise _NotCommonError
    return int(written)
