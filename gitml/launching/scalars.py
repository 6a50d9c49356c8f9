"""Metrics from what a program prints, while it prints.

`auto` finds `loss: 0.31`, `acc=0.9` and `{'loss': 0.31}`, and takes the step from
`epoch 3`, `step: 120` or `iter=7` in the same line. Anything else is a regular
expression with groups: `(?P<loss>...)` names the metric, `(?P<key>...)` with
`(?P<value>...)` (or two groups without names) find the name in the text, and
`(?P<step>...)` is the step.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.entities.run import Number
from gitml.errors import GitmlError, UsageError

if TYPE_CHECKING:
    import regex

PATIENCE_S = 1.0  # what a rule may take for one line
AUTO = "auto"
MAX_LINE_CHARACTERS = 4096

_THOUSANDS = r"[1-9]\d{0,2}(?:,\d{3})+(?!\d)"
_NUMBER = rf"[-+]?(?:{_THOUSANDS}(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)"
# A colon needs a space or a decimal point after it: `localhost:8080` is no metric.
_AUTO_VALUE = re.compile(
    r"(?<![\w./@-])['\"]?(?P<key>[A-Za-z_][\w./@-]*)['\"]?\s*(?:=\s*|:\s+|:(?=[-+]?\d*\.\d))"
    rf"(?P<value>(?i:{_NUMBER}))(?=%?(?:[\s,;|)\]}}]|\.?$|\.\s))"
)
_STEP_WORDS = r"(?:global[_ ]step|step|iteration|iter|epoch)"
_AUTO_STEP = re.compile(
    rf"(?<![\w.])['\"]?(?i:{_STEP_WORDS})['\"]?[\s:=#\[(]{{0,4}}(?P<step>{_THOUSANDS}|\d+)\b(?!\.\d*[1-9])"
)
_WITH_THOUSANDS = re.compile(rf"\s*[-+]?{_THOUSANDS}(?:[.eE%\s].*)?")
_STEP_NAME = re.compile(_STEP_WORDS, re.IGNORECASE)
# Colours, cursor movements, window titles: ECMA-48 sequences.
_CONTROL_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number that was found; `step` is None where the line has none."""

    key: str
    value: Number
    step: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One `--scalars` option; `find` raises TimeoutError where a line takes it too long."""

    text: str
    find: Callable[[str], Iterator[Scalar]]


def compile_rule(text: str) -> Rule:
    """Make a rule of a `--scalars` option.

    Raises:
        UsageError: The regular expression is wrong or has no usable groups.
    """
    if text == AUTO:
        return Rule(text, _find_auto)
    pattern = _compiled(text)
    names = set(pattern.groupindex)
    if {"key", "value"} <= names:
        return Rule(text, lambda line: _find_named(pattern, line, "key", "value"))
    if names - {"step", "key", "value"}:
        metrics = tuple(name for name in pattern.groupindex if name != "step")
        return Rule(text, lambda line: _find_groups(pattern, line, metrics))
    unnamed = [number for number in range(1, pattern.groups + 1) if number not in pattern.groupindex.values()]
    if len(unnamed) == 2:
        return Rule(text, lambda line: _find_named(pattern, line, unnamed[0], unnamed[1]))
    raise UsageError(
        f"--scalars '{text}' does not say which part is the metric",
        hint=r"name it with a group: --scalars 'loss (?P<loss>[\d.]+)'",
    )


def _compiled(text: str) -> regex.Pattern[str]:
    import regex  # unlike Python's own it can be told to give up: `(x+x+)+y` takes that one for ever

    try:
        return regex.compile(text)
    except (regex.error, OverflowError, RecursionError) as err:
        position = getattr(err, "pos", None)
        at = f" at character {position + 1}" if position is not None else ""
        reason = getattr(err, "msg", err)
        raise UsageError(
            f"--scalars '{text}' is not a regular expression: {reason}{at}", hint="or use --scalars auto"
        ) from err


class ScalarScanner:
    """Finds scalars in a stream of output, line by line.

    Carriage returns end a line too, so each state of a progress bar is one.

    Args:
        rules: Tried in order on every line.
        record: Called with `key, value, step` for each scalar. A `GitmlError`
            from it (a name that can't be one) is counted and passed over.
    """

    def __init__(self, rules: Sequence[Rule], record: Callable[[str, Number, int | None], None]) -> None:
        self._rules = list(rules)
        self._given_up: list[str] = []
        self._record = record
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._refused: dict[str, str] = {}
        self._found = 0

    def feed(self, data: bytes) -> None:
        """Take a piece of output, cut anywhere."""
        *lines, last = re.split(r"[\r\n]+", self._line + self._decode.decode(data))
        self._line = last[:MAX_LINE_CHARACTERS]
        for line in lines:
            self._scan(line)

    def finish(self) -> list[str]:
        """Take the last line; returns sentences about what could not be recorded."""
        self._scan(self._line + self._decode.decode(b"", final=True))
        self._line = ""
        if self._rules and not self._found:
            return [*self._given_up, "nothing that was printed matches --scalars"]
        return [*self._given_up, *self._refused.values()]

    def _scan(self, line: str) -> None:
        if not line:
            return
        line = _CONTROL_SEQUENCES.sub("", line[:MAX_LINE_CHARACTERS])
        for rule in list(self._rules):
            started = time.monotonic()
            try:
                for scalar in rule.find(line):
                    self._found += 1
                    self._keep(scalar)
            except TimeoutError:
                self._give_up(rule)
            else:
                if time.monotonic() - started > 2 * PATIENCE_S and rule.text != AUTO:  # over many matches
                    self._give_up(rule)

    def _give_up(self, rule: Rule) -> None:
        """Use a rule no more: what is printed comes faster than it is done with a line."""
        self._rules.remove(rule)
        self._given_up.append(
            f"--scalars '{rule.text}' took more than {PATIENCE_S:g} s for a line and was switched off there"
        )

    def _keep(self, scalar: Scalar) -> None:
        try:
            self._record(scalar.key, scalar.value, scalar.step)
        except GitmlError as err:
            self._refused.setdefault(scalar.key, str(err))


def _find_auto(line: str) -> Iterator[Scalar]:
    found_step = _AUTO_STEP.search(line)
    step = _to_step(found_step["step"]) if found_step else None
    for match in _AUTO_VALUE.finditer(line):
        if not _STEP_NAME.fullmatch(match["key"]):
            value = _printed_number(match["value"])
            if value is not None:
                yield Scalar(match["key"], value, step)


def _find_named(pattern: regex.Pattern[str], line: str, key: str | int, value: str | int) -> Iterator[Scalar]:
    for match in pattern.finditer(line, timeout=PATIENCE_S, concurrent=True):
        number = _printed_number(match[value])
        if number is not None and match[key]:
            yield Scalar(match[key].strip(), number, _step_of(match))


def _find_groups(pattern: regex.Pattern[str], line: str, names: Sequence[str]) -> Iterator[Scalar]:
    for match in pattern.finditer(line, timeout=PATIENCE_S, concurrent=True):
        for name in names:
            number = _printed_number(match[name])
            if number is not None:
                yield Scalar(name, number, _step_of(match))


def _step_of(match: regex.Match[str]) -> int | None:
    return _to_step(match["step"]) if "step" in match.re.groupindex else None


def _to_step(text: str | None) -> int | None:
    number = _printed_number(text)
    return int(number) if number is not None and number == number // 1 and abs(number) < 1 << 63 else None


def _printed_number(text: str | None) -> Number | None:
    """Read a number that may have commas between its thousands, as text for people has."""
    if text and _WITH_THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    return to_number(text)


def to_number(text: str | None) -> Number | None:
    """Read a number as programs print it; None if it is none.

    Example:
        >>> to_number("3"), to_number("1e-3"), to_number("NaN"), to_number("12%"), to_number("n/a")
        (3, 0.001, nan, 12.0, None)
    """
    if not text:
        return None
    text = text.strip().rstrip("%").replace("_", "?")  # float() would take '1_000' for a number
    try:
        return int(text) if re.fullmatch(r"[-+]?[0-9]{1,18}", text) else float(text)
    except ValueError:
        return None
