"""What is wrong with an input, column by column, in one message."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gitml.errors import UsageError

SHOWN = 10  # problems named in one message
# Where `given` names a row: first or last, so that what a cell holds is never taken for it.
_ROW = re.compile(
    r"(?<=\Arow )(?P<first>\d+)(?=: )|(?<= (?:in|as) row )(?P<last>\d+)(?=(?:, which \w+ can't hold)?$)"
)


class SchemaWarning(UserWarning):
    """An input, or a sample of one, is used, but perhaps not as it was meant."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        column: Name or place of the column, None for the input as a whole.
        expected: Of what type it should be.
        given: What it is.
        hint: What may help.
    """

    column: object
    expected: str
    given: str
    hint: str | None = None

    def __str__(self) -> str:
        if self.column is None:
            return self.given if not self.expected else f"expected {self.expected}, got {self.given}"
        return f"column {self.column!r:.80} ({self.expected:.200}): {self.given}"

    def counted_from(self, first: int) -> Problem:
        """Give it with the number that the row has elsewhere, where row 0 is `first`."""
        return replace(self, given=counted_from(self.given, first))


class Mismatch(Exception):  # noqa: N818 - it never leaves this package
    """A column that can't be made what it should be."""

    def __init__(self, given: str, hint: str | None = None) -> None:
        super().__init__(given)
        self.given = given
        self.hint = hint


class SchemaError(UsageError):
    """An input that doesn't fit a model's signature; names every column that doesn't.

    Attributes:
        problems: What is wrong.
        extra: Columns that the signature lacks.
    """

    def __init__(
        self, problems: Iterable[Problem], *, extra: Sequence[object] = (), error_code: str | None = None
    ) -> None:
        self.problems = tuple(problems)
        self.extra = tuple(extra)
        said = "; ".join(map(str, self.problems[:SHOWN]))
        more = len(self.problems) - SHOWN
        super().__init__(
            f"the input doesn't fit the model's signature: {said}{f'; and {more} more' if more > 0 else ''}",
            hint=next((each.hint for each in self.problems if each.hint), None) or _about_extra(self),
        )
        if error_code is not None:
            self.error_code = error_code

    def counted_from(self, first: int) -> SchemaError:
        """Give it with the numbers that rows have elsewhere, where row 0 is `first`."""
        told = [each.counted_from(first) for each in self.problems]
        return SchemaError(told, extra=self.extra, error_code=self.error_code)


def counted_from(given: str, first: int) -> str:
    """Give the row that a text names at its begin or end another number: row 0 becomes `first`.

    Example:
        >>> counted_from("got 'in row 7' (str) in row 1", 10)
        "got 'in row 7' (str) in row 11"
    """
    return _ROW.sub(lambda found: str(int(found[0]) + first), given)


def split_row(given: str) -> tuple[str, int | None]:
    """Take the row out of a text that names one.

    Example:
        >>> split_row("got 'x' (str) in row 1")
        ("got 'x' (str)", 1)
    """
    found = _ROW.search(given)
    if found is None:
        return given, None
    if found["first"]:
        return given[found.end() + 2 :], int(found[0])
    return given[: found.start()].removesuffix(" in row ") + given[found.end() :], int(found[0])


def whole(given: str, expected: str = "", hint: str | None = None) -> SchemaError:
    """Say what is wrong with an input as a whole."""
    return SchemaError([Problem(None, expected, given, hint)])


def listed(names: Iterable[object]) -> str:
    """Name columns, the first ten.

    Example:
        >>> listed(["a", "b"])
        "'a', 'b'"
    """
    found = list(names)
    more = len(found) - SHOWN
    return ", ".join(f"{name!r:.80}" for name in found[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def extra_columns(names: Iterable[object]) -> str:
    """Say that columns are left out."""
    return f"columns that the model's signature lacks are left out: {listed(names)}"


def _about_extra(err: SchemaError) -> str | None:
    """Say what is there instead of what is missing."""
    if not err.extra:
        return None
    near = [
        f"{close[0]!r} for {each.column!r}"
        for each in err.problems
        if (close := difflib.get_close_matches(str(each.column), list(map(str, err.extra)), 1))
    ]
    meant = f"; perhaps {', '.join(near[:3])}" if near else ""
    return f"the input has columns that the signature lacks: {listed(err.extra)}{meant}"
