"""YAML for people and for tools that show differences: a line for each value, nothing in flow style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitml.formats.yaml import dump_string, dump_value


def dump_document(mapping: Mapping[str, object]) -> str:
    """Write a document in block style; keys stay in the order given.

    Raises:
        TypeError: A value is of a type that YAML has no plain form for.

    Example:
        >>> dump_document({"a": {"b": [1, {"c": "x", "d": {}}]}}).splitlines()
        ['a:', '  b:', '  - 1', '  - c: x', '    d: {}']
    """
    return "".join(f"{line}\n" for line in _mapping(mapping))


def _mapping(mapping: Mapping[str, object]) -> list[str]:
    lines = []
    for key, value in mapping.items():
        lines += _placed(f"{dump_string(str(key))}:", value)
    return lines


def _placed(start: str, value: object) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [start, *(f"  {line}" for line in _mapping(value))]
    if _is_list(value) and value:
        return [start, *_items(value)]
    return [f"{start} {dump_value(value)}"]


def _items(items: object) -> list[str]:
    lines: list[str] = []
    for item in items if isinstance(items, Sequence) else ():
        if isinstance(item, Mapping) and item:
            inner = _mapping(item)
        elif _is_list(item) and item:
            inner = _items(item)
        else:
            inner = [dump_value(item)]
        lines += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
    return lines


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)
