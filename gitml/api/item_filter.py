"""Filters and orderings of what there is little of: experiments, models, versions of models.

The grammar is that of runs, with other names; the conditions are checked in Python
rather than by SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from gitml.index.literals import parse_number
from gitml.index.syntax import Draft, FilterSyntaxError, Name, Predicate, Word, parse

Item = TypeVar("Item")

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
_MATCHES = ("~", "!~", "RLIKE", "REGEXP")


@dataclass(frozen=True, slots=True)
class Fields(Generic[Item]):
    """What things of one kind can be filtered and sorted by.

    Attributes:
        what: What they are called in messages, in the plural.
        texts: Name to how the text is read.
        numbers: Name to how the number is read.
        tags: How the tags are read.
        aliases: Other names of texts and numbers.
        examples: Name of a number to what is to be written for it.
    """

    what: str
    texts: Mapping[str, Callable[[Item], str]]
    numbers: Mapping[str, Callable[[Item], int]]
    tags: Callable[[Item], Mapping[str, str]]
    aliases: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)

    def select(self, items: Iterable[Item], filter_string: str | None, order_by: Sequence[str]) -> list[Item]:
        """Pick and sort; what is equal by the sort keys keeps its order.

        Raises:
            FilterSyntaxError: The filter or an ordering means nothing.
        """
        text = filter_string or ""
        found = list(items)
        if text.strip():
            matches = self._matcher(text, parse(text, "filter"))
            found = [item for item in found if matches(item)]
        for key in reversed([order_by] if isinstance(order_by, str) else order_by):
            minus, name, direction = parse(key, "order")
            down = minus is not None or (direction is not None and direction.upper() == "DESC")
            spelled = self._canonical(name.text)
            read = self.texts.get(spelled) or self.numbers.get(spelled)
            if read is None:
                raise FilterSyntaxError(
                    "sort key", key, name.at, f"{self.what} can't be sorted by '{name.text}'",
                    hint=f"use {', '.join([*self.texts, *self.numbers])}",
                )  # fmt: skip
            found.sort(key=read, reverse=down)
        return found

    def _matcher(self, text: str, draft: Draft) -> Callable[[Item], bool]:
        if isinstance(draft, Predicate):
            return self._predicate(text, draft)
        parts = [self._matcher(text, item) for item in draft.items]
        if draft.joint == "NOT":
            return lambda item: not parts[0](item)
        join = all if draft.joint == "ALL" else any
        return lambda item: join(part(item) for part in parts)

    def _predicate(self, text: str, predicate: Predicate) -> Callable[[Item], bool]:
        read = self._reader(text, predicate.name)
        holds = self._test(text, predicate)

        def check(item: Item) -> bool:
            value = read(item)
            if predicate.op == "NULL":
                return (value is None) != predicate.negated
            return value is not None and holds(value) != predicate.negated

        return check

    def _test(self, text: str, predicate: Predicate) -> Callable[[Any], bool]:
        op = predicate.op
        if op == "NULL":
            return lambda _: True
        spelled = self._canonical(predicate.name.text)
        if op in ("LIKE", "ILIKE", *_MATCHES):
            if spelled in self.numbers:
                problem = f"{op} compares text, and '{predicate.name.text}' is a number"
                raise FilterSyntaxError("filter", text, predicate.at, problem)
            return _pattern(text, predicate)
        if op != "IN" and op not in _COMPARE:
            raise FilterSyntaxError(
                "filter", text, predicate.at, f"{self.what} have no field that is true or false"
            )
        values = [_literal(word) for word in predicate.words]
        for value, word in zip(values, predicate.words, strict=True):
            if (spelled in self.numbers) != isinstance(value, int | float):
                kind = self.examples.get(spelled, "a number") if spelled in self.numbers else "text in quotes"
                hint = f"'{word.text}'" if word.type != "STRING" and spelled not in self.numbers else None
                raise FilterSyntaxError("filter", text, word.at, f"expected {kind}", hint=hint)
        if op == "IN":
            return lambda value: value in values
        compare = _COMPARE[op]
        return lambda value: compare(value, values[0])

    def _reader(self, text: str, name: Name) -> Callable[[Item], Any]:
        spelled = self._canonical(name.text)
        read = self.texts.get(spelled) or self.numbers.get(spelled)
        if read is not None:
            return read
        kind, dot, key = name.text.partition(".")
        if dot and kind.lower() in ("tag", "tags"):
            key = key[1:-1] if key[:1] in ("`", '"') else key
            return lambda item: self.tags(item).get(key)
        raise FilterSyntaxError(
            "filter", text, name.at, f"{self.what} have no '{name.text}'",
            hint=f"use {', '.join([*self.texts, *self.numbers])} or tags.<key>",
        )  # fmt: skip

    def _canonical(self, spelled: str) -> str:
        word = spelled.strip('`"').lower()
        kind, dot, rest = word.partition(".")
        word = rest if dot and kind in ("attribute", "attributes", "attr") else word
        return self.aliases.get(word, word)


def _pattern(text: str, predicate: Predicate) -> Callable[[Any], bool]:
    word = predicate.words[0]
    wanted = str(_literal(word))
    if predicate.op in ("LIKE", "ILIKE"):
        pattern = re.compile(_like(wanted), re.DOTALL | (re.IGNORECASE if predicate.op == "ILIKE" else 0))
        return lambda value: pattern.fullmatch(value) is not None
    try:
        found = re.compile(wanted)
    except re.error as err:
        raise FilterSyntaxError(
            "filter", text, word.at, f"the regular expression is wrong: {err.msg}"
        ) from None
    return lambda value: found.search(value) is not None


def _literal(word: Word) -> Any:
    if word.type == "STRING":
        quote = word.text[0]
        return word.text[1:-1].replace(quote * 2, quote)
    number = parse_number(word.text)
    return word.text if number is None else number


def _like(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
