"""The grammar at work: the text of a filter → what is written there, unjudged.

One grammar, `grammar.lark`, says what is well formed, and every error points at
a character. What names stand for and whether values fit is for `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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

    def __init__(self, what: str, expression: str, position: int, problem: str, *, hint: str | None = None) -> None:
        start = max(0, position - _WINDOW)
        shown = expression[start : position + _WINDOW]
        line = "".join(character if character.isprintable() else " " for character in shown)
        caret = " " * (position - start) + "^"
        super().__init__(f"the {what} can't be read: {problem}\n  {line}\n  {caret}", hint=hint)
        self.expression = expression
        self.position = position
        self.problem = problem


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


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark, Transformer, v_args  # 50 ms, and most commands have no filter

    @v_args(inline=True)
    class Drafts(Transformer["Token", Any]):
        """Runs while parsing, so that no depth of input can exhaust the stack."""

        def key(self, token: Token) -> Name:
            return Name(str(token), _start(token))

        def value(self, token: Token) -> Word:
            return Word(token.type, str(token), _start(token))

        def compare(self, name: Name, op: Token, word: Word) -> _Nested:
            return _leaf(name, op, (word,), negated=False)

        def like(self, name: Name, negated: Token | None, op: Token, pattern: Token) -> _Nested:
            return _leaf(name, op, (self.value(pattern),), negated=negated is not None)

        rlike = like

        def match(self, name: Name, op: Token, pattern: Token) -> _Nested:
            return _leaf(name, op, (self.value(pattern),), negated=op == "!~")

        def contained(self, name: Name, negated: Token | None, start: Token, *words: Word | None) -> _Nested:
            values = tuple(word for word in words if isinstance(word, Word))
            return _Nested(Predicate(name, "IN", values, negated is not None, _start(start)), 1)

        def null(self, name: Name, negated: Token | None) -> _Nested:
            return _Nested(Predicate(name, "NULL", (), negated is not None, name.at), 1)

        def truth(self, name: Name) -> _Nested:
            return _Nested(Predicate(name, "TRUE", (), negated=False, at=name.at), 1)

        def negate(self, _word: Token, item: _Nested) -> _Nested:
            return _deeper(Group("NOT", (item.draft,)), item.depth)

        def group(self, _open: Token, item: _Nested) -> _Nested:
            return _deeper(item.draft, item.depth)

        def all(self, *items: _Nested) -> _Nested:
            return _joined("ALL", items)

        def any(self, *items: _Nested) -> _Nested:
            return _joined("ANY", items)

        def order(self, minus: Token | None, name: Name, direction: Token | None) -> tuple[Any, ...]:
            return minus, name, direction

    return Lark.open_from_package(
        __package__ or "gitml.index",
        "grammar.lark",
        parser="lalr",
        start=["filter", "order"],
        transformer=Drafts(),
        maybe_placeholders=True,
    )


def _start(token: Token) -> int:
    return token.start_pos or 0


def _leaf(name: Name, op: Token, words: tuple[Word, ...], *, negated: bool) -> _Nested:
    return _Nested(Predicate(name, op.upper(), words, negated, _start(op)), 1)


def _joined(joint: str, items: Iterable[_Nested]) -> _Nested:
    items = tuple(items)
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
            what, text, _deepest(text), f"it is nested more than {MAX_NESTING} deep", hint="leave out parentheses"
        ) from None
    except UnexpectedInput as err:
        raise _explained(what, text, err) from None
    return result.draft if isinstance(result, _Nested) else result


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


def _explained(what: str, text: str, err: UnexpectedInput) -> FilterSyntaxError:
    from lark import UnexpectedToken

    position = err.pos_in_stream if isinstance(err.pos_in_stream, int) else len(text)
    at_end = isinstance(err, UnexpectedToken) and err.token.type == "$END"
    position = len(text.rstrip()) if at_end else position
    names = set(getattr(err, "accepts", None) or getattr(err, "allowed", None) or getattr(err, "expected", ()) or ())
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
