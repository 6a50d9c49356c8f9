"""Canonical YAML: one text for one content.

Writing is ours, because the same content must give the same bytes: UTF-8, one
`key: value` a line in the order given, nested values in flow style on the same
line, floats as the shortest text that reads back exactly, strings quoted only
where YAML 1.1 or 1.2 would read something else.

Reading takes a fast path for that form (PyYAML needs 0.4 ms a run, this 20 µs)
and PyYAML with guards for what a person edited: the YAML 1.2 core schema, no
anchors, aliases or tags, bounded in size and depth.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from gitml.errors import DamagedError

MAX_BYTES = 64 << 20
MAX_DEPTH = 20

# What stays unquoted: words that need no thought in block or flow context.
_PLAIN = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_./@+=~%-]*(?: [A-Za-z0-9_./@+=~%()-]+)*")
# What YAML 1.1 (PyYAML, Ruby) or 1.2 would not read as a string.
_OTHER_TYPE = re.compile(
    r"""
    ~|null|true|false|yes|no|on|off|y|n            # null and booleans
    |[-+]?\.(?:inf|nan)
    |[-+]?0b[01_]+|[-+]?0x[0-9a-f_]+|[-+]?0o?[0-7_]+
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])*            # integers, also base 60
    |[-+]?(?:\.[0-9_]+|[0-9][0-9_]*\.?[0-9_]*)(?:e[-+]?[0-9]+)?
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*              # dates
    |=|<<
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?")
_WORDS: dict[str, Any] = {
    "null": None, "true": True, "false": False, ".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan,
}  # fmt: skip
# JSON leaves these alone; YAML double quotes must escape them.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


class Timestamp(str):
    """An RFC 3339 time in UTC with milliseconds, written without quotes."""

    __slots__ = ()


class _NotCanonicalError(Exception):
    """The fast path does not know this text; PyYAML decides."""


def dump_float(value: float) -> str:
    """Write a float so that every YAML reader gets exactly it back."""
    if value != value:
        return ".nan"
    if value in (math.inf, -math.inf):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    if "e" in text and "." not in text:  # 1e-05 is a string to YAML 1.1
        return text.replace("e", ".0e")
    return text


def dump_string(value: str) -> str:
    """Write a string, quoted only where it must be."""
    if type(value) is Timestamp:
        return str(value)
    if _PLAIN.fullmatch(value) and not _OTHER_TYPE.fullmatch(value):
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def dump_value(value: object) -> str:
    """Write any recordable value in flow style on one line.

    Raises:
        TypeError: The value is of a type that YAML has no plain form for.
    """
    if isinstance(value, str):
        return dump_string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return dump_float(float(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{dump_string(str(k))}: {dump_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ", ".join(map(dump_value, value)) + "]"
    raise TypeError(f"no YAML form for {type(value).__name__}")


def dump_line(key: str, value: object) -> str:
    """Write one `key: value` line of a mapping."""
    return f"{dump_string(key)}: {dump_value(value)}\n"


def dump_mapping(mapping: Mapping[str, object], *, block_depth: int = 1) -> str:
    """Write a mapping, the outer `block_depth` levels in block style."""
    lines: list[str] = []
    for key, value in mapping.items():
        if block_depth > 1 and isinstance(value, Mapping) and value:
            lines.append(f"{dump_string(key)}:\n")
            lines.extend("  " + dump_line(str(k), v) for k, v in value.items())
        else:
            lines.append(dump_line(key, value))
    return "".join(lines)


def dump_sequence(items: Sequence[object]) -> str:
    """Write a sequence, one item a line."""
    return "".join(f"- {dump_value(item)}\n" for item in items)


@lru_cache(maxsize=65536)
def _canonical_scalar(text: str) -> Any:
    if _INT.fullmatch(text) and len(text) <= 4000:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise _NotCanonicalError from None
    if _TIME.fullmatch(text):
        return text
    if _PLAIN.fullmatch(text) and not _OTHER_TYPE.fullmatch(text):
        return text
    raise _NotCanonicalError


_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*"|[^",\[\]{}:]+(?::[^",\[\]{}: ]+)*|[\[\]{},]|: )')


def _canonical_flow(text: str) -> Any:
    tokens = _TOKEN.findall(text)
    if len("".join(tokens)) != len(text):
        raise _NotCanonicalError
    value, end = _flow_at(tokens, 0, 0)
    if end != len(tokens):
        raise _NotCanonicalError
    return value


def _flow_at(tokens: list[str], at: int, depth: int) -> tuple[Any, int]:
    try:
        token = tokens[at]
        if depth > MAX_DEPTH:
            raise _NotCanonicalError
        if token == "[":
            return _flow_items(tokens, at + 1, depth)
        if token == "{":
            return _flow_pairs(tokens, at + 1, depth)
        return _canonical_scalar(token.strip(" ")), at + 1
    except IndexError:
        raise _NotCanonicalError from None


def _flow_items(tokens: list[str], at: int, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while tokens[at] != "]":
        value, at = _flow_at(tokens, at + (tokens[at] == " "), depth + 1)
        items.append(value)
        at = _after_comma(tokens, at, "]")
    return items, at + 1


def _flow_pairs(tokens: list[str], at: int, depth: int) -> tuple[dict[str, Any], int]:
    pairs: dict[str, Any] = {}
    while tokens[at] != "}":
        key = _canonical_scalar(tokens[at + (tokens[at] == " ")].strip(" "))
        at += 1 + (tokens[at] == " ")
        if type(key) is not str or tokens[at] != ": ":
            raise _NotCanonicalError
        pairs[key], at = _flow_at(tokens, at + 1, depth + 1)
        at = _after_comma(tokens, at, "}")
    return pairs, at + 1


def _after_comma(tokens: list[str], at: int, close: str) -> int:
    if tokens[at] == ",":
        return at + 1
    if tokens[at] == close:
        return at
    raise _NotCanonicalError


def _canonical_value(text: str) -> Any:
    return _canonical_flow(text) if text[:1] in ("[", "{") else _canonical_scalar(text)


_QUOTED_KEY = re.compile(r'("(?:[^"\\]|\\.)*")(?:: (.*)|:)$', re.DOTALL)


def _key_and_rest(line: str) -> tuple[str, str]:
    if line[:1] == '"':
        match = _QUOTED_KEY.match(line)
        if match is None:
            raise _NotCanonicalError
        return _canonical_scalar(match.group(1)), match.group(2) or ""
    key, colon, rest = line.partition(": ")
    if not colon:
        if line[-1:] != ":":
            raise _NotCanonicalError
        key = line[:-1]
    if type(_canonical_scalar(key)) is not str:
        raise _NotCanonicalError
    return key, rest


def _canonical_mapping(text: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    nested: dict[str, Any] | None = None
    blocks: list[dict[str, Any]] = []
    for line in text.split("\n"):
        if not line:
            continue
        if line[:2] == "  " and nested is not None:
            key, rest = _key_and_rest(line[2:])
            target = nested
        else:
            key, rest = _key_and_rest(line)
            target = result
            nested = None
        if key in target:
            raise _NotCanonicalError
        if rest:
            target[key] = _canonical_value(rest)
        else:
            if target is nested:
                raise _NotCanonicalError
            nested = result[key] = {}
            blocks.append(nested)
    if not all(blocks):  # 'key:' with nothing below is null
        raise _NotCanonicalError
    return result


def load_mapping(data: bytes, *, source: str) -> dict[str, Any]:
    """Read a mapping of string keys; an empty text is an empty mapping.

    Args:
        data: The file's bytes.
        source: What to call the file in an error.

    Raises:
        DamagedError: The text is no YAML mapping, or breaks a guard.
    """
    try:
        return _canonical_mapping(data.decode("utf-8"))
    except (_NotCanonicalError, UnicodeDecodeError):
        value = _load_guarded(data, source)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DamagedError(f"'{source}' must hold 'key: value' lines with text for keys")
    return value


def load_sequence(data: bytes, *, source: str) -> list[Any]:
    """Read a sequence; an empty text is an empty one.

    Raises:
        DamagedError: The text is no YAML sequence, or breaks a guard.
    """
    try:
        lines = [line for line in data.decode("utf-8").split("\n") if line]
        if all(line.startswith("- ") for line in lines):
            return [_canonical_value(line[2:]) for line in lines]
    except (_NotCanonicalError, UnicodeDecodeError):
        pass
    value = _load_guarded(data, source)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DamagedError(f"'{source}' must hold a list")
    return value


def load_journal(data: bytes, *, source: str) -> dict[str, Any]:
    """Read a mapping that was appended to line by line.

    A later line replaces an earlier one. A last line without its line end was
    torn by a crash and is dropped.
    """
    result: dict[str, Any] = {}
    for line in data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n"):
        if line:
            try:
                key, rest = _key_and_rest(line)
                result[key] = _canonical_value(rest)
            except _NotCanonicalError:
                with suppress(DamagedError):  # a line that a crash garbled loses itself, not the run
                    result.update(load_mapping(line.encode(), source=source))
    return result


def _load_guarded(data: bytes, source: str) -> Any:
    """Read YAML that somebody wrote by hand, with PyYAML."""
    if len(data) > MAX_BYTES:
        raise DamagedError(f"'{source}' has {len(data):,} bytes, more than the {MAX_BYTES:,} allowed")
    from yaml import YAMLError  # PyYAML costs 30 ms to import and is rarely needed

    from gitml.formats.unreadable import why_unreadable
    from gitml.formats.yaml_guard import load

    try:
        return load(data, max_depth=MAX_DEPTH)
    except (YAMLError, UnicodeDecodeError, RecursionError, ValueError) as err:
        where = getattr(err, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        problem = getattr(err, "problem", None) or why_unreadable(err)
        raise DamagedError(
            f"'{source}'{line} can't be read: {problem}", hint="correct the file, or record it again"
        ) from err
