"""Small curves as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gitml.entities.run import Number

_POINTS = 60


def svg_sparkline(values: Sequence[Number], *, width: int = 96, height: int = 20) -> str:
    """Draw a curve as an `<svg>` in the text's colour, without axes.

    Values that are not finite leave a gap.

    Args:
        values: The curve in step order; a long one is thinned.
        width: In CSS pixels.
        height: In CSS pixels.

    Returns:
        The element; empty text if nothing is finite.
    """
    thin = _thinned(values)
    finite = [value for value in thin if value is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)

    def y(value: float) -> float:
        # Halved first: the span of the largest doubles is not a double.
        share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return 1.5 + (height - 3) * (1 - share)

    step = (width - 3) / max(1, len(thin) - 1)
    commands, pen_down = [], False
    for i, value in enumerate(thin):
        if value is not None:
            commands.append(f"{'L' if pen_down else 'M'}{1.5 + i * step:.1f} {y(value):.1f}")
        pen_down = value is not None
    path = "".join(commands) + ("h0.1" if len(finite) == 1 else "")
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.3" stroke-linecap="round"/></svg>'
    )


def _thinned(values: Sequence[Number]) -> list[float | None]:
    """Keep lows and highs of a long curve; None where a value is not finite."""
    numbers = [float(value) if math.isfinite(value) else None for value in values]
    if len(numbers) <= _POINTS:
        return numbers
    kept: list[float | None] = []
    for part in range(_POINTS // 2):
        slice_ = numbers[part * len(numbers) // (_POINTS // 2) : (part + 1) * len(numbers) // (_POINTS // 2)]
        finite = [(value, i) for i, value in enumerate(slice_) if value is not None]
        if not finite:
            kept.append(None)
            continue
        ends = sorted({min(finite)[1], max(finite)[1]})
        kept += [slice_[i] for i in ends]
    return kept
