"""Read the conditions of a policy: by a grammar, never by running anything."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gitml.entities.policy import Comparison, Condition, Holder, Sum, Term
from gitml.errors import UsageError

if TYPE_CHECKING:
    from lark import Lark

MAX_LENGTH = 200
_HINT = "write '>= 0.9', '<= holder + 0.01', '>= 1.02 * holder' or '> 0.5 and >= holder'"


class ConditionError(UsageError):
    """A condition that can't be read; `position` is where."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"the condition {text!r:.220} can't be read: {problem}", hint=_HINT)
        self.text = text
        self.position = position
        self.problem = problem


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark, Transformer, v_args  # 50 ms, and most commands read no conditions

    @v_args(inline=True)
    class Built(Transformer[Any, Condition]):
        """Builds a condition from the bottom up."""

        def condition(self, *comparisons: Comparison) -> Condition:
            return Condition(comparisons)

        def comparison(self, operator: str, term: Term) -> Comparison:
            return Comparison(str(operator), term)

        def joined(self, left: Term, sign: str, right: Term) -> Sum:
            return Sum(left, str(sign), right)

        def number(self, *parts: str) -> Fraction:
            return Fraction("".join(parts))

        def holder(self, _word: str) -> Holder:
            return Holder()

    return Lark.open_from_package(
        "gitml.formats", "condition.lark", parser="lalr", start="condition", transformer=Built()
    )


@lru_cache(maxsize=1024)
def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConditionError: It is none, or too long.

    Example:
        >>> str(parse_condition(">=1.020*holder and < .99"))
        '>= 1.02 * holder and < 0.99'
    """
    if len(text) > MAX_LENGTH:
        raise ConditionError(
            text, MAX_LENGTH, f"it has {len(text):,} characters, at most {MAX_LENGTH} are allowed"
        )
    from lark import UnexpectedInput

    try:
        return _parser().parse(text)  # type: ignore[return-value]  # what the transformer makes of it
    except UnexpectedInput as err:
        at: Any = err.pos_in_stream
        position = len(text) if at is None or _at_end(err) else int(at)
        raise ConditionError(text, position, _problem(text, position)) from None


def _at_end(err: Any) -> bool:
    return getattr(getattr(err, "token", None), "type", None) == "$END"


def _problem(text: str, position: int) -> str:
    rest = text[position:].lstrip()
    if not text[:position].strip():
        return "it begins with none of <=, >=, <, >, ==, !="
    if not rest:
        return "it ends too early"
    word = re.match(r"[\w.]{1,40}|.", rest, re.DOTALL)
    return f"{word.group() if word else rest!r} is not expected there"
