"""Filters and orderings of experiments: the grammar of runs, other names.

There are few experiments, so they are filtered in Python rather than by SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gitml.api.values import ViewType
from gitml.entities.run import Experiment
from gitml.index.literals import parse_number
from gitml.index.syntax import Draft, FilterSyntaxError, Name, Predicate, Word, parse

_FIELDS: dict[str, Callable[[Experiment], Any]] = {
    "name": lambda experiment: experiment.name,
    "experiment_id": lambda experiment: experiment.id,
    "creation_time": lambda experiment: experiment.created_ms,
    "last_update_time": lambda experiment: experiment.updated_ms,
}
_ALIASES = {
    "experiment_name": "name",
    "id": "experiment_id",
    "created": "creation_time",
    "updated": "last_update_time",
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def select_experiments(
    experiments: Iterable[Experiment], view_type: int, filter_string: str, order_by: Sequence[str]
) -> list[Experiment]:
    """Pick and sort experiments; without an order the newest is first.

    Raises:
        FilterSyntaxError: The filter or an ordering means nothing.
        UsageError: There is no such view type.
    """
    view = ViewType.to_string(view_type)
    wanted = {"active_only": (False,), "deleted_only": (True,), "all": (False, True)}[view]
    draft = parse(filter_string, "filter") if filter_string.strip() else None
    matches = _matcher(filter_string, draft) if draft is not None else (lambda _: True)
    found = [item for item in experiments if (item.deleted_ms is not None) in wanted and matches(item)]
    found.sort(key=lambda item: (-item.created_ms, item.id))
    for text in reversed(order_by):
        minus, name, direction = parse(text, "order")
        down = minus is not None or (direction is not None and direction.upper() == "DESC")
        if _canonical(name.text) not in _FIELDS:
            raise FilterSyntaxError("sort key", text, name.at, f"use {', '.join(_FIELDS)}")
        found.sort(key=_FIELDS[_canonical(name.text)], reverse=down)
    return found


def _matcher(text: str, draft: Draft) -> Callable[[Experiment], bool]:
    if isinstance(draft, Predicate):
        return _predicate(text, draft)
    parts = [_matcher(text, item) for item in draft.items]
    if draft.joint == "NOT":
        return lambda item: not parts[0](item)
    join = all if draft.joint == "ALL" else any
    return lambda item: join(part(item) for part in parts)


def _predicate(text: str, predicate: Predicate) -> Callable[[Experiment], bool]:
    read = _field("filter", text, predicate.name)
    holds = _test(text, predicate)

    def check(item: Experiment) -> bool:
        value = read(item)
        if predicate.op == "NULL":
            return (value is None) != predicate.negated
        return value is not None and holds(value) != predicate.negated

    return check


def _test(text: str, predicate: Predicate) -> Callable[[Any], bool]:
    values = [_literal(word) for word in predicate.words]
    op = predicate.op
    if op == "NULL":
        return lambda _: True
    if op == "IN":
        return lambda value: value in values
    if op in ("LIKE", "ILIKE"):
        pattern = re.compile(_like(str(values[0])), re.DOTALL | (re.IGNORECASE if op == "ILIKE" else 0))
        return lambda value: pattern.fullmatch(str(value)) is not None
    if op in ("~", "!~", "RLIKE", "REGEXP"):
        try:
            found = re.compile(str(values[0]))
        except re.error as err:
            raise FilterSyntaxError(
                "filter", text, predicate.words[0].at, f"no regular expression: {err}"
            ) from None
        return lambda value: found.search(str(value)) is not None
    if op in _COMPARE:
        return _comparison(text, predicate, values[0])
    raise FilterSyntaxError("filter", text, predicate.at, "experiments have no field that is true or false")


def _comparison(text: str, predicate: Predicate, wanted: Any) -> Callable[[Any], bool]:
    numeric = _canonical(predicate.name.text) in ("creation_time", "last_update_time")
    if numeric != isinstance(wanted, int | float):
        kind = "a number of milliseconds" if numeric else "text in quotes"
        raise FilterSyntaxError("filter", text, predicate.words[0].at, f"expected {kind}")
    compare = _COMPARE[predicate.op]
    return lambda value: compare(value, wanted)


def _literal(word: Word) -> Any:
    if word.type == "STRING":
        quote = word.text[0]
        return word.text[1:-1].replace(quote * 2, quote)
    number = parse_number(word.text)
    return word.text if number is None else number


def _like(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)


def _field(what: str, text: str, name: Name) -> Callable[[Experiment], Any]:
    spelled = _canonical(name.text)
    if spelled in _FIELDS:
        return _FIELDS[spelled]
    kind, dot, key = name.text.partition(".")
    if dot and kind.lower() in ("tag", "tags"):
        key = key[1:-1] if key[:1] in ("`", '"') else key
        return lambda item: item.tags.get(key)
    raise FilterSyntaxError(
        what,
        text,
        name.at,
        f"experiments have no '{name.text}'",
        hint=f"use {', '.join(_FIELDS)} or tags.<key>",
    )


def _canonical(spelled: str) -> str:
    word = spelled.strip('`"').lower()
    kind, dot, rest = word.partition(".")
    word = rest if dot and kind in ("attribute", "attributes", "attr") else word
    return _ALIASES.get(word, word)
