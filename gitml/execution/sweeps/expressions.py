"""Read what values a parameter takes in a sweep: by a grammar, never by running anything."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from gitml.errors import UsageError
from gitml.execution.sweeps.space import (
    MAX_TRIALS,
    Choice,
    Dimension,
    Integers,
    LogUniform,
    Uniform,
    Values,
    number_text,
)

if TYPE_CHECKING:
    from lark import Lark, Token

MAX_LENGTH = 100_000
_HINT = "write '0.1,0.01', 'range(2,10,2)', 'loguniform(1e-5,1e-1)' or 'choice(adam,sgd)'; others: gitml sweep --help"
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


class SpaceSyntaxError(UsageError):
    """Values of a parameter that can't be read; `position` is where, counted from 0."""

    def __init__(self, name: str, text: str, position: int, problem: str) -> None:
        super().__init__(
            f"the values of '{name}' can't be read at character {position + 1} of {text!r:.220}: {problem}",
            hint=_HINT,
        )
        self.name = name
        self.text = text
        self.position = position
        self.problem = problem


class _ProblemError(Exception):
    """What is wrong, and where."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(problem)
        self.position = position
        self.problem = problem


class _Item(NamedTuple):
    text: str
    position: int


class _Expression(NamedTuple):
    function: _Item | None
    items: tuple[_Item, ...]


def parse_dimension(name: str, text: str) -> Dimension:
    """Read the values of one parameter.

    Args:
        name: The parameter, for messages.
        text: What follows the '='.

    Raises:
        SpaceSyntaxError: It means nothing.

    Example:
        >>> parse_dimension("depth", "range(2,8,2)")
        Values(texts=('2', '4', '6'))
    """
    if len(text) > MAX_LENGTH:
        raise SpaceSyntaxError(
            name, text, MAX_LENGTH, f"it has {len(text):,} characters, at most {MAX_LENGTH:,} are allowed"
        )
    from lark import UnexpectedInput

    try:
        expression: Any = _parser().parse(text)
    except UnexpectedInput as err:
        at: Any = err.pos_in_stream
        ended = at is None or getattr(getattr(err, "token", None), "type", None) == "$END"
        position = len(text) if ended else int(at)
        raise SpaceSyntaxError(name, text, position, _problem(text, position)) from None
    try:
        return _dimension(expression)
    except _ProblemError as err:
        raise SpaceSyntaxError(name, text, err.position, err.problem) from None


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark, Transformer, v_args  # 50 ms, and most commands are no sweeps

    @v_args(inline=True)
    class Built(Transformer[Any, _Expression]):
        """Builds an expression from the bottom up."""

        def listed(self, items: tuple[_Item, ...]) -> _Expression:
            return _Expression(None, items)

        def called(self, word: _Item, items: tuple[_Item, ...]) -> _Expression:
            return _Expression(word, items)

        def called_empty(self, word: _Item) -> _Expression:
            return _Expression(word, ())

        def items(self, *items: _Item) -> tuple[_Item, ...]:
            return items

        def WORD(self, token: Token) -> _Item:  # noqa: N802 - named as the terminal is
            return _Item(str(token), token.start_pos or 0)

        def QUOTED(self, token: Token) -> _Item:  # noqa: N802
            quote, inner = token[0], str(token[1:-1])
            return _Item(inner.replace(quote * 2, quote), token.start_pos or 0)

    return Lark.open_from_package(
        "gitml.execution.sweeps", "space.lark", parser="lalr", start="expression", transformer=Built()
    )


def _problem(text: str, position: int) -> str:
    rest = text[position:]
    if not rest.strip():
        return "it ends too early" if text.strip() else "there is none; an empty text is ''"
    letter = rest.lstrip()[0]
    if letter in "'\"" and letter not in rest.lstrip()[1:]:
        return "the quote is not closed"
    if letter == ",":
        return "a value is missing before ','; an empty text is ''"
    if letter in "[]{}()":
        return f"{letter!r} is not expected there; a text with brackets is written in quotes"
    return f"{letter!r} is not expected there"


def _dimension(expression: _Expression) -> Dimension:
    function, items = expression
    if function is None:
        return Values(_distinct(items))
    make = _FUNCTIONS.get(function.text)
    if make is None:
        raise _ProblemError(
            function.position,
            f"there is no '{function.text}', but {', '.join(_FUNCTIONS)}; a text with brackets is written in quotes",
        )
    return make(function, items)


def _distinct(items: Sequence[_Item]) -> tuple[str, ...]:
    seen: set[str] = set()
    for item in items:
        if item.text in seen:
            raise _ProblemError(item.position, f"'{item.text}' is given twice")
        seen.add(item.text)
    return tuple(item.text for item in items)


def _range(function: _Item, items: Sequence[_Item]) -> Values:
    numbers = _numbers(function, items, (1, 2, 3), "range(start, stop, step), the stop itself left out")
    start, stop = (Decimal(0), numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else Decimal(1)
    if step == 0:
        raise _ProblemError(items[2].position, "the step is 0")
    count = max(0, math.ceil((stop - start) / step))
    _check_count(function, count)
    return Values(tuple(_decimal_text(start + step * i) for i in range(count)))


def _linspace(function: _Item, items: Sequence[_Item]) -> Values:
    low, high, count = _spaced(function, items, "linspace(first, last, count)")
    return Values(_spread(function, [low * (1 - part) + high * part for part in _parts(count)]))


def _logspace(function: _Item, items: Sequence[_Item]) -> Values:
    low, high, count = _spaced(function, items, "logspace(first, last, count)")
    _check_positive(items[:2], (low, high))
    logs = math.log(low), math.log(high)
    inner = [math.exp(logs[0] * (1 - part) + logs[1] * part) for part in _parts(count)]
    return Values(_spread(function, [low, *inner[1:-1], high] if count > 1 else [low]))


def _spaced(function: _Item, items: Sequence[_Item], usage: str) -> tuple[float, float, int]:
    low, high, count = _numbers(function, items, (3,), usage)
    if count != int(count) or count < 1:
        raise _ProblemError(items[2].position, f"'{items[2].text}' is no count")
    _check_count(function, int(count))
    return float(low), float(high), int(count)


def _parts(count: int) -> list[float]:
    return [i / (count - 1) for i in range(count)] if count > 1 else [0.0]


def _spread(function: _Item, values: Sequence[float]) -> tuple[str, ...]:
    texts = tuple(map(number_text, values))
    if len(set(texts)) < len(texts):
        raise _ProblemError(function.position, "its values are not different ones")
    return texts


def _uniform(function: _Item, items: Sequence[_Item]) -> Uniform:
    low, high = _bounds(function, items, "uniform(low, high)")
    return Uniform(float(low), float(high))


def _loguniform(function: _Item, items: Sequence[_Item]) -> LogUniform:
    low, high = map(float, _bounds(function, items, "loguniform(low, high)"))
    _check_positive(items, (low, high))
    return LogUniform(low, high)


def _int(function: _Item, items: Sequence[_Item]) -> Integers:
    low, high = _bounds(function, items, "int(low, high), both included")
    for item, number in zip(items, (low, high), strict=True):
        if number != int(number):
            raise _ProblemError(item.position, f"'{item.text}' is no integer")
    return Integers(int(low), int(high))


def _choice(function: _Item, items: Sequence[_Item]) -> Choice:
    if not items:
        raise _ProblemError(function.position, "it has no values")
    return Choice(_distinct(items))


_FUNCTIONS: dict[str, Callable[[_Item, Sequence[_Item]], Dimension]] = {
    "range": _range,
    "linspace": _linspace,
    "logspace": _logspace,
    "uniform": _uniform,
    "loguniform": _loguniform,
    "int": _int,
    "choice": _choice,
}


def _bounds(function: _Item, items: Sequence[_Item], usage: str) -> tuple[Decimal, Decimal]:
    low, high = _numbers(function, items, (2,), usage)
    if low >= high:
        raise _ProblemError(items[1].position, f"{items[1].text} is not above {items[0].text}")
    return low, high


def _numbers(
    function: _Item, items: Sequence[_Item], counts: tuple[int, ...], usage: str
) -> tuple[Decimal, ...]:
    if len(items) not in counts:
        raise _ProblemError(function.position, f"it is {usage}")
    return tuple(map(_number, items))


def _number(item: _Item) -> Decimal:
    if not _NUMBER.fullmatch(item.text) or len(item.text) > 100:
        raise _ProblemError(item.position, f"{item.text!r:.40} is not a number")
    number = Decimal(item.text)
    if number and not -300 <= number.adjusted() <= 300:
        raise _ProblemError(item.position, f"{item.text} is too large or too small")
    return number


def _check_positive(items: Sequence[_Item], numbers: Sequence[float]) -> None:
    for item, number in zip(items, numbers, strict=True):
        if number <= 0:
            raise _ProblemError(
                item.position, f"{item.text} is not above 0 (the numbers are values, not exponents)"
            )


def _check_count(function: _Item, count: int) -> None:
    if not count:
        raise _ProblemError(function.position, "it has no values")
    if count > MAX_TRIALS:
        raise _ProblemError(function.position, f"it has {count:,} values, at most {MAX_TRIALS:,} are allowed")


def _decimal_text(number: Decimal) -> str:
    """Write a number of a range as a person would: 0.3, 1000, 1e-05."""
    if number == int(number) and number.adjusted() < 15:
        return str(int(number))
    text = format(number.normalize(), "f")
    return text if len(text) <= 20 else repr(float(number))
