"""The grammar at work: the text of a filter → what is written there, unjudged.

One grammar, `grammar.lark`, says what is well formed, and every error points at
a character. What names stand for and whether values fit is for `checks`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union

from gitml.errors import UsageError

if TYPE_CHECKING:
    from lark import Lark, Token, UnexpectedInput

MAX_LENGTH = 10_000
MAX_NESTING = 100
_WINDOW = 60


class FilterSyntaxError(UsageError):
    """A filter or a sort key that can't be read.

    `position` counts characters of `expression` from 0.
    """

    def __init__(
        self, what: str, expression: str, position: int, problem: str, *, hint: str | None = None
    ) -> None:
        start = max(0, position - _WINDOW)
        shown = expression[start : position + _WINDOW]
        line = "".join(character if character.isprintable() else " " for character in shown)
        caret = " " * sum(map(_cells, line[: position - start])) + "^"
        super().__init__(f"the {what} can't be read: {problem}\n  {line}\n  {caret}", hint=hint)
        self.expression = expression
        self.position = position
        self.problem = problem


def _cells(letter: str) -> int:
    """Count the terminal cells that a printable letter takes."""
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


@dataclass(frozen=True, slots=True)
class Name:
    """A field as written."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Word:
    """A value as written; `type` is its terminal in the grammar."""

    type: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition as written; `op` is in upper case, `at` where it stands."""

    name: Name
    op: str
    words: tuple[Word, ...]
    negated: bool
    at: int


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by ALL (AND), ANY (OR) or NOT."""

    joint: str
    items: tuple[Draft, ...]


Draft = Union[Predicate, Group]


class _TooDeepError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Nested:
    draft: Draft
    depth: int


class _Drafts:
    """What the parser calls for each rule, with the rule's parts.

    It runs while parsing, so no depth of input can exhaust the stack. It is no
    lark.Transformer, because that would have to be imported first.
    """

    def key(self, parts: list[Any]) -> Name:
        return Name(str(parts[0]), _start(parts[0]))

    def value(self, parts: list[Any]) -> Word:
        return Word(parts[0].type, str(parts[0]), _start(parts[0]))

    def compare(self, parts: list[Any]) -> _Nested:
        name, op, word = parts
        return _leaf(name, op, (word,), negated=False)

    def like(self, parts: list[Any]) -> _Nested:
        name, negated, op, pattern = parts
        return _leaf(name, op, (self.value([pattern]),), negated=negated is not None)

    rlike = like

    def match(self, parts: list[Any]) -> _Nested:
        name, op, pattern = parts
        return _leaf(name, op, (self.value([pattern]),), negated=op == "!~")

    def contained(self, parts: list[Any]) -> _Nested:
        name, negated, start, *words = parts
        values = tuple(word for word in words if isinstance(word, Word))
        return _Nested(Predicate(name, "IN", values, negated is not None, _start(start)), 1)

    def null(self, parts: list[Any]) -> _Nested:
        name, negated = parts
        return _Nested(Predicate(name, "NULL", (), negated is not None, name.at), 1)

    def truth(self, parts: list[Any]) -> _Nested:
        return _Nested(Predicate(parts[0], "TRUE", (), negated=False, at=parts[0].at), 1)

    def negate(self, parts: list[Any]) -> _Nested:
        return _deeper(Group("NOT", (parts[1].draft,)), parts[1].depth)

    def group(self, parts: list[Any]) -> _Nested:
        return _deeper(parts[1].draft, parts[1].depth)

    def all(self, parts: list[Any]) -> _Nested:
        return _joined("ALL", parts)

    def any(self, parts: list[Any]) -> _Nested:
        return _joined("ANY", parts)

    def order(self, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(parts)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark  # 50 ms, and most commands have no filter

    return Lark.open_from_package(
        "gitml.index",
        "grammar.lark",
        parser="lalr",
        start=["filter", "order"],
        transformer=_Drafts(),
        maybe_placeholders=True,
    )


def _start(token: Token) -> int:
    return token.start_pos or 0


def _leaf(name: Name, op: Token, words: tuple[Word, ...], *, negated: bool) -> _Nested:
    return _Nested(Predicate(name, op.upper(), words, negated, _start(op)), 1)


def _joined(joint: str, items: Sequence[_Nested]) -> _Nested:
    return _Nested(Group(joint, tuple(item.draft for item in items)), max(item.depth for item in items))


def _deeper(draft: Draft, depth: int) -> _Nested:
    if depth >= MAX_NESTING:
        raise _TooDeepError
    return _Nested(draft, depth + 1)


def parse(text: str, start: str) -> Any:
    """Read an expression by the grammar.

    Args:
        text: What was written.
        start: `filter`, which gives a draft, or `order`, which gives the minus
            sign or None, the name, and the direction or None.

    Raises:
        FilterSyntaxError: It is not well formed, too long or too deep.
    """
    what = "filter" if start == "filter" else "sort key"
    if len(text) > MAX_LENGTH:
        raise FilterSyntaxError(
            what, text, MAX_LENGTH, f"it has {len(text):,} characters, at most {MAX_LENGTH:,} are allowed"
        )
    from lark import UnexpectedInput

    try:
        result = _parser().parse(text, start=start)
    except _TooDeepError:
        raise FilterSyntaxError(
            what,
            text,
            _deepest(text),
            f"it is nested more than {MAX_NESTING} deep",
            hint="leave out parentheses",
        ) from None
    except UnexpectedInput as err:
        raise _explained(what, text, err, _accepted(text, start, err)) from None
    return result.draft if isinstance(result, _Nested) else result


def _accepted(text: str, start: str, err: UnexpectedInput) -> set[str]:
    """Name the terminals that could stand where the parser stopped."""
    from lark import UnexpectedToken

    if isinstance(err, UnexpectedToken):
        return set(err.accepts or err.expected)
    # Of a letter that begins no word lark only tells what its tables, made for both languages, allow.
    before = _parser().parse_interactive(text[: err.pos_in_stream], start=start)
    before.exhaust_lexer()
    return set(before.accepts())  # type: ignore[no-untyped-call]


def _deepest(text: str) -> int:
    levels = [found.start() for found in re.finditer(r"\(|\bnot\b", text, re.IGNORECASE)]
    return levels[min(MAX_NESTING, len(levels)) - 1]


_EXPECTED = {
    "NAME": "a name such as metrics.acc, params.lr or status",
    "COMPARISON": "a comparison (=, !=, <, <=, >, >=, ~, LIKE, IN, IS NULL)",
    "NUMBER": "a value",
    "STRING": "a text in quotes",
    "LIST_START": "a list in parentheses",
    "_NULL": "NULL",
    "_AND": "AND or OR",
    "COMMA": "a comma",
    "DIRECTION": "ASC or DESC",
    "LIKE": "LIKE or IN",
    "_RPAR": "')'",
    "$END": "the end",
}


def _explained(what: str, text: str, err: UnexpectedInput, names: set[str]) -> FilterSyntaxError:
    from lark import UnexpectedToken

    at_end = isinstance(err, UnexpectedToken) and err.token.type == "$END"
    at: Any = err.pos_in_stream  # lark's annotation leaves out the integer
    position = len(text.rstrip()) if at_end else int(at)
    wanted = [phrase for terminal, phrase in _EXPECTED.items() if terminal in names]
    if "NUMBER" in names and "STRING" in names:
        wanted.remove(_EXPECTED["STRING"])
    if "COMPARISON" in names and "LIKE" in names:
        wanted.remove(_EXPECTED["LIKE"])
    problem = "expected " + (" or ".join(wanted) or "something else")
    problem += ", found the end" if at_end else f", found {_found(text, position)}"
    return FilterSyntaxError(what, text, position, problem, hint=_value_hint(text[position:], names))


def _found(text: str, position: int) -> str:
    word = re.match(r"[\w.]{1,40}|.", text[position:], re.DOTALL)
    return repr(word.group()) if word else "the end"


def _value_hint(rest: str, names: set[str]) -> str | None:
    word = rest.split(maxsplit=1)[0].rstrip("),") if rest.split() else ""
    if rest[:1] in ("'", '"', "`") and rest.count(rest[0]) % 2:
        return f"the quote {rest[0]} is not closed"
    if "STRING" not in names or not word[:1].isalpha():
        return None
    if word.lower() in ("null", "none"):
        return "for what is missing write IS NULL"
    return f"text goes in quotes: '{word}'"
