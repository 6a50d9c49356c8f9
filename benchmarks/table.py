"""Results as a plain table."""

from __future__ import annotations

from collections.abc import Sequence

from measure import Result

_HEADINGS = ("what", "gitml", "low … high", "target", "met", "floor", "MLflow", "ratio")


def table(results: Sequence[Result]) -> str:
    """Lay results out in columns."""
    rows = [_HEADINGS, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(["", lines[0], "-" * max(map(len, lines)), *lines[1:], ""])


def _row(result: Result) -> tuple[str, ...]:
    unit = f" {result.unit}"
    target = result.target
    return (
        result.what,
        number(result.value) + unit,
        f"{number(result.low)} … {number(result.high)}" if result.repeats > 1 else "",
        "" if target is None else ("≥ " if target.at_least else "≤ ") + number(target.limit) + unit,
        "" if result.met is None else ("yes" if result.met else "NO"),
        "" if result.reference is None else number(result.reference) + unit,
        "" if result.peer is None else number(result.peer) + unit,
        "" if result.ratio is None else f"{number(result.ratio)} ×",
    )


def number(value: float) -> str:
    """Write a number with three significant digits and no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"
