"""Plots of what a model does, drawn from numbers; matplotlib is imported when one is drawn.

Figures are made without pyplot: the program's own figures and its backend stay as they are, and threads
don't meet.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

Numbers = Union[Sequence[float], "np.ndarray[Any, Any]"]
_DASHED = {"color": "gray", "alpha": 0.4, "linestyle": "dashed", "linewidth": 1}


def has_matplotlib() -> bool:
    """Tell whether plots can be drawn."""
    return importlib.util.find_spec("matplotlib") is not None


def confusion_matrix(shares: np.ndarray[Any, Any], labels: Sequence[object]) -> Figure:
    """Draw a confusion matrix.

    Args:
        shares: A row for each true class, what was predicted of it: shares of 1.
        labels: The classes.
    """
    figure, axes = _new()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = max(3, min(9, math.ceil(60 / len(labels))))
    if len(labels) <= 30:
        for row, values in enumerate(shares):
            for column, value in enumerate(values):
                colour = "white" if value > 0.5 else "black"
                axes.text(column, row, f"{value:.2g}", ha="center", va="center", color=colour, fontsize=size)
    ticks = range(len(labels))
    axes.set_xticks(ticks, [str(label) for label in labels], rotation=45, ha="right", fontsize=size)
    axes.set_yticks(ticks, [str(label) for label in labels], fontsize=size)
    axes.set(title="Normalized confusion matrix", xlabel="Predicted label", ylabel="True label")
    return figure


def curves(
    lines: Mapping[str, tuple[Numbers, Numbers]], title: str, x_label: str, y_label: str,
    chance: tuple[tuple[float, float], tuple[float, float]] | None = None, *, steps: bool = False,
    marker: str | None = None,
) -> Figure:  # fmt: skip
    """Draw lines with a legend.

    Args:
        lines: Their names, with what is along x and along y.
        title: What it shows.
        x_label: What is along x.
        y_label: What is along y.
        chance: A dashed line to compare with, from x to x and y to y.
        steps: Draw steps rather than slopes.
        marker: How to mark the points.
    """
    figure, axes = _new()
    style = "steps-post" if steps else "default"
    for name, (x, y) in lines.items():
        axes.plot(x, y, label=name, linewidth=1.2, drawstyle=style, marker=marker, markersize=3)
    if chance is not None:
        axes.plot(*chance, **_DASHED)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    if len(lines) > 4:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    else:
        axes.legend(loc="best", fontsize=7)
    return figure


def residuals(predicted: Numbers, errors: Numbers) -> Figure:
    """Draw the errors of a regressor over what it predicted."""
    figure, axes = _new()
    axes.scatter(predicted, errors, s=8, alpha=0.6)
    axes.axhline(0, **_DASHED)
    axes.set(title="Residuals", xlabel="Predicted", ylabel="True − predicted")
    return figure


def predicted_and_true(predicted: Numbers, true: Numbers) -> Figure:
    """Draw what a regressor predicted over what is true."""
    figure, axes = _new()
    axes.scatter(true, predicted, s=8, alpha=0.6)
    low, high = min(*axes.get_xlim(), *axes.get_ylim()), max(*axes.get_xlim(), *axes.get_ylim())
    axes.plot([low, high], [low, high], **_DASHED)
    axes.set(title="Predicted and true", xlabel="True", ylabel="Predicted")
    return figure


def importance(scores: Mapping[str, float], kind: str) -> Figure:
    """Draw how important features are, the most important ones on top; at most 50."""
    first = sorted(scores.items(), key=lambda item: item[1])[-50:]
    figure, axes = _new(height=max(4.0, 0.22 * len(first)))
    axes.barh(range(len(first)), [float(score) for _, score in first], height=0.6)
    axes.set_yticks(range(len(first)), [name for name, _ in first], fontsize=7)
    axes.set(title=f"Feature importance ({kind})", xlabel="Importance")
    return figure


def _new(height: float = 4.0) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, height), dpi=100, layout="constrained")
    return figure, figure.subplots()
