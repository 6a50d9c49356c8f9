"""Line charts made of letters: Braille dots, or plain signs where those can't be told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gitml.render.ink import Ink
from gitml.render.numbers import format_number
from gitml.render.text import clip, pad, width

STYLES = ("cyan", "yellow", "green", "magenta", "blue", "red")
_SIGNS = "*+xo#@%&=~"
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column within a letter
_Y_TICKS = 5
_SMALLEST = 8


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a chart: x and y of equal length, finite, in the order they are joined."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        title: Its heading, clean already.
        curves: The lines.
        log: Whether y is logarithmic; values that are not positive are left out.
        x_label: What runs along the bottom.
        x_text: Writes a value of x.
    """

    title: str
    curves: tuple[Curve, ...]
    log: bool = False
    x_label: str = "step"
    x_text: Callable[[float], str] = format_number


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps a range of values to dots 0 … count - 1."""

    low: float
    high: float
    count: int

    def dot(self, value: float) -> int:
        # Halved first: the span of the largest doubles is not a double.
        span = self.high / 2 - self.low / 2
        share = 0.5 if span == 0 else (value / 2 - self.low / 2) / span
        return min(self.count - 1, max(0, round(share * (self.count - 1))))

    def value(self, share: float) -> float:
        return self.low * (1 - share) + self.high * share


@dataclass(slots=True)
class _Canvas:
    """Dots and signs on a grid of letters; the last curve that touches a letter colours it."""

    columns: int
    rows: int
    braille: bool
    dots: dict[tuple[int, int], int] = field(default_factory=dict)
    owner: dict[tuple[int, int], int] = field(default_factory=dict)

    def put(self, x: int, y: int, curve: int) -> None:
        """Set the dot at x from the left and y from the top."""
        cell = (x // 2, y // 4) if self.braille else (x, y)
        self.dots[cell] = self.dots.get(cell, 0) | (_DOTS[y % 4][x % 2] if self.braille else 0)
        self.owner[cell] = curve

    def line(self, row: int, ink: Ink) -> str:
        """Write one row."""
        letters = []
        for column in range(self.columns):
            curve = self.owner.get((column, row))
            if curve is None:
                letters.append(" ")
            elif self.braille:
                letters.append(ink.paint(chr(_BRAILLE + self.dots[column, row]), STYLES[curve % len(STYLES)]))
            else:
                letters.append(ink.paint(_SIGNS[curve % len(_SIGNS)], STYLES[curve % len(STYLES)]))
        return "".join(letters).rstrip()


def draw_chart(chart: Chart, ink: Ink, *, cells: int, lines: int) -> list[str]:
    """Draw a chart.

    Args:
        chart: What to draw; at least one point can be shown.
        ink: How to write.
        cells: How wide it may be.
        lines: How high it may be, title and legend included.
    """
    curves = [_visible(curve, log=chart.log) for curve in chart.curves]
    braille = ink.unicode and (ink.colour or len(curves) == 1)
    legend = _legend(chart, ink, cells, braille=braille)
    rows = max(_SMALLEST, lines - len(legend) - 3)
    ys = [value for _, values in curves for value in values]
    labels = _y_labels(min(ys), max(ys), chart, rows)
    margin = max(width(label) for label in labels.values())
    columns = max(_SMALLEST, cells - margin - 2)
    canvas = _Canvas(columns, rows, braille)
    _plot(canvas, curves)
    body = [
        f"{pad(labels.get(row, ''), margin, right=True)} {_axis(row in labels, ink)}{canvas.line(row, ink)}"
        for row in range(rows)
    ]
    return [
        ink.paint(clip(chart.title, cells), "bold"),
        *legend,
        *body,
        *_foot(chart, curves, margin, columns, ink),
    ]


def _visible(curve: Curve, *, log: bool) -> tuple[list[float], list[float]]:
    pairs = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if not log or y > 0]
    return [x for x, _ in pairs], [math.log10(y) if log else y for _, y in pairs]


def _plot(canvas: _Canvas, curves: Sequence[tuple[list[float], list[float]]]) -> None:
    fine = (2, 4) if canvas.braille else (1, 1)
    xs = [x for line, _ in curves for x in line]
    ys = [y for _, line in curves for y in line]
    across = _Scale(min(xs), max(xs), canvas.columns * fine[0])
    down = _Scale(max(ys), min(ys), canvas.rows * fine[1])
    for number, (x_values, y_values) in enumerate(curves):
        dots = [(across.dot(x), down.dot(y)) for x, y in zip(x_values, y_values, strict=True)]
        for i, dot in enumerate(dots):
            for x, y in _between(dots[i - 1] if i else dot, dot):
                canvas.put(x, y, number)


def _between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Give the dots of a straight line, both ends included."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for i in range(steps + 1):
        yield (
            start[0] + round((end[0] - start[0]) * i / steps),
            start[1] + round((end[1] - start[1]) * i / steps),
        )


def _y_labels(low: float, high: float, chart: Chart, rows: int) -> dict[int, str]:
    scale = _Scale(high, low, rows)
    labels = {}
    for tick in range(_Y_TICKS):
        row = round(tick * (rows - 1) / (_Y_TICKS - 1))
        value = scale.value(row / (rows - 1))
        labels[row] = format_number(float(10**value if chart.log else value))
    if low == high:
        middle = rows // 2
        return {middle: labels[0]}
    return labels


def _axis(is_tick: bool, ink: Ink) -> str:
    if not ink.unicode:
        return "+" if is_tick else "|"
    return "┤" if is_tick else "│"


def _foot(
    chart: Chart, curves: Sequence[tuple[list[float], list[float]]], margin: int, columns: int, ink: Ink
) -> list[str]:
    xs = [x for line, _ in curves for x in line]
    low, high = chart.x_text(min(xs)), chart.x_text(max(xs))
    corner, rule = ("└", "─") if ink.unicode else ("+", "-")
    room = columns - width(low) - width(high)
    middle = ink.sign(clip(chart.x_label, max(0, room - 2))).center(max(1, room))
    return [f"{' ' * margin} {corner}{rule * columns}", f"{' ' * margin}  {low}{middle}{high}".rstrip()]


def _legend(chart: Chart, ink: Ink, cells: int, *, braille: bool) -> list[str]:
    lines = []
    for number, curve in enumerate(chart.curves):
        sign = "━" if braille else _SIGNS[number % len(_SIGNS)]
        text = ink.sign(clip(curve.label, max(1, cells - 3)))
        lines.append(f"{ink.paint(sign, STYLES[number % len(STYLES)])} {text}")
    return lines
