"""Whether the values of a filter fit the fields they are compared with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from gitml.entities.run import RunStatus
from gitml.index.expressions import Compare, Condition, Field, In, Kind, Like, Match, Missing, Value
from gitml.index.fields import ATTRIBUTES, Type, UnknownFieldError, resolve
from gitml.index.literals import parse_duration, parse_moment, parse_number
from gitml.index.syntax import FilterSyntaxError, Name, Predicate, Word

_SYNONYMS = {"==": "=", "<>": "!="}
_ORDERING = ("<", "<=", ">", ">=")
_STATUSES = tuple(status.value for status in RunStatus)


class Checker:
    """Turns predicates as written into conditions that make sense."""

    def __init__(
        self,
        text: str,
        now_ms: int,
        is_metric: Callable[[str], bool],
        suggest: Callable[[str], Sequence[str]] = lambda _: (),
        *,
        what: str = "filter",
    ) -> None:
        """Keep what is needed to explain a mistake.

        Args:
            text: The whole expression.
            now_ms: What '7d ago' counts from.
            is_metric: Tells whether there is a metric of that name.
            suggest: Tells what a name that means nothing may have been meant to be.
            what: What to call the expression.
        """
        self._text = text
        self._now_ms = now_ms
        self._is_metric = is_metric
        self._suggest = suggest
        self._what = what

    def condition(self, predicate: Predicate) -> Condition:
        """Check one predicate.

        Raises:
            FilterSyntaxError: The name is unknown, or the value does not fit.
        """
        field = self._field(predicate.name)
        words = predicate.words
        if predicate.op == "NULL":
            return Missing(field, predicate.negated)
        if predicate.op == "TRUE":
            if not _is_boolean(field):
                raise self._error(
                    predicate.name.at + len(predicate.name.text),
                    f"expected a comparison after '{predicate.name.text}'",
                )
            return Compare(field, "=", value=True)
        if predicate.op == "IN":
            return self._contained(predicate, field)
        if predicate.op in ("LIKE", "ILIKE", "~", "!~", "RLIKE", "REGEXP"):
            return self._pattern(predicate, field, words[0])
        op = _SYNONYMS.get(predicate.op, predicate.op)
        self._check_operator(predicate, field, op)
        return Compare(field, op, self._value(field, words[0], ordering=op in _ORDERING))

    def sortable(self, name: Name) -> Field:
        """Check the field of a sort key.

        Raises:
            FilterSyntaxError: It is unknown, or has no order.
        """
        field = self._field(name)
        if field.kind is Kind.DATASET:
            raise self._error(name.at, f"'{name.text}' has no order to sort by")
        return field

    def _error(self, at: int, problem: str, *, hint: str | None = None) -> FilterSyntaxError:
        return FilterSyntaxError(self._what, self._text, at, problem, hint=hint)

    def _field(self, name: Name) -> Field:
        try:
            return resolve(name.text, self._is_metric)
        except UnknownFieldError as err:
            close = self._suggest(err.name) or err.close
            hint = f"did you mean {_alternatives(close)}?" if close else _NAMES
            raise self._error(name.at, err.problem, hint=hint) from None

    def _check_operator(self, predicate: Predicate, field: Field, op: str) -> None:
        kind = ATTRIBUTES[field.key].type if field.kind is Kind.ATTRIBUTE else None
        allowed: tuple[str, ...] = ("=", "!=", *_ORDERING)
        is_truth = predicate.words[0].type == "BOOLEAN" and field.kind is not Kind.METRIC
        if kind in (Type.ADDRESS, Type.BOOLEAN) or is_truth:
            allowed = ("=", "!=")
        if op not in allowed:
            raise self._error(
                predicate.at, f"'{predicate.name.text}' can be compared by {', '.join(allowed)} only"
            )

    def _contained(self, predicate: Predicate, field: Field) -> Condition:
        values = tuple(self._value(field, word, ordering=False) for word in predicate.words)
        return In(field, values, predicate.negated)

    def _pattern(self, predicate: Predicate, field: Field, word: Word) -> Condition:
        if _type(field) not in (Type.TEXT, Type.STATUS, Type.COMMIT, Type.ADDRESS):
            raise self._error(
                predicate.at,
                f"{predicate.op} compares text, and '{predicate.name.text}' is {_type(field).value}",
            )
        pattern = _unquoted(word.text)
        if predicate.op in ("LIKE", "ILIKE"):
            any_case = predicate.op == "ILIKE" or _type(field) is Type.STATUS
            return Like(field, pattern, any_case, predicate.negated)
        import regex  # 15 ms, only for who searches

        try:
            re.compile(pattern)  # points at the mistake better
            regex.compile(pattern)
        except (re.error, regex.error, OverflowError, RecursionError) as err:
            inside = getattr(err, "pos", None) or 0
            raise self._error(
                word.at + 1 + inside, f"the regular expression is wrong: {_reason(err)}"
            ) from None
        if _type(field) is Type.STATUS:
            pattern = f"(?i:{pattern})" if not pattern.startswith("(?") else pattern
        return Match(field, pattern, predicate.negated)

    def _value(self, field: Field, word: Word, *, ordering: bool) -> Value:
        kind = _type(field)
        value: Value | None
        if kind is Type.NUMBER:
            value = None if word.type in ("BOOLEAN", "DURATION") else _number(word)
        elif kind is Type.BOOLEAN:
            value = {"true": True, "1": True, "false": False, "0": False}.get(_plain(word).lower())
        elif kind is Type.TIME:
            value = self._moment(word)
        elif kind is Type.DURATION:
            seconds = parse_duration(_plain(word))
            value = None if seconds is None or math.isnan(seconds) else seconds
        elif kind is Type.STATUS:
            value = _plain(word).lower() if _plain(word).lower() in _STATUSES else None
        else:
            return _text_or_number(field, word, ordering=ordering)
        if value is None:
            raise self._error(word.at, f"{word.text} is not {kind.value}", hint=_EXAMPLES.get(kind))
        return value

    def _moment(self, word: Word) -> Value | None:
        number = _number(word)
        if number is None or word.type == "STRING":
            return parse_moment(_plain(word), self._now_ms)
        return number if math.isfinite(number) else None


_NAMES = "names are metrics.X, params.X, tags.X, datasets.name or an attribute: gitml help filters"
_EXAMPLES = {
    Type.TIME: "write '2026-11-01', '2026-11-01 14:30', '7d ago' or milliseconds since 1970",
    Type.DURATION: "write 90, 5m or '1h 30m'",
    Type.STATUS: "one of " + ", ".join(_STATUSES),
    Type.BOOLEAN: "write true or false",
}


def _alternatives(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _type(field: Field) -> Type:
    if field.kind is Kind.ATTRIBUTE:
        return ATTRIBUTES[field.key].type
    return Type.NUMBER if field.kind is Kind.METRIC else Type.TEXT


def _is_boolean(field: Field) -> bool:
    return field.kind is Kind.ATTRIBUTE and _type(field) is Type.BOOLEAN


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _plain(word: Word) -> str:
    return _unquoted(word.text) if word.type == "STRING" else word.text


def _number(word: Word) -> int | float | None:
    return parse_number(_plain(word).strip())


def _text_or_number(field: Field, word: Word, *, ordering: bool) -> Value:
    """A param is compared as a number with a number, and in order also with a number in quotes."""
    plain = _plain(word)
    if word.type == "BOOLEAN" and field.kind in (Kind.PARAM, Kind.TAG):
        return plain.lower() == "true"
    if field.kind is Kind.PARAM and (ordering or word.type in ("NUMBER", "SPECIAL")):
        number = parse_number(plain)
        if number is not None:
            return number
    return plain


def _reason(err: Exception) -> str:
    return str(getattr(err, "msg", err))
