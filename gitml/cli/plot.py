"""`gitml plot`: the curve of a metric, in the terminal or as a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitml.cli import complete
from gitml.cli.named import named_run
from gitml.cli.opened import open_repo
from gitml.cli.output import warn
from gitml.cli.terminal import Screen, screen
from gitml.errors import MissingExtraError, NotFoundError, UsageError

if TYPE_CHECKING:
    from gitml.entities.run import MetricPoint, Run
    from gitml.render.chart import Chart, Curve
    from gitml.repo import Repo

_MAX_RUNS = 20
_HEIGHT = 24
# As in the documentation of the interface: readable for the colour-blind, in this order.
_COLOURS = (
    "#0072B2", "#D55E00", "#00855F", "#B5489A", "#946200", "#6B5BD2", "#2B8AA8", "#C4314B", "#4F7A00", "#5C636B",
)  # fmt: skip
_PICTURES = (".svg", ".png", ".pdf")
# Without a date, so that the same curves give the same bytes.
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
_PICTURE_POINTS = 4000
_WIDTH = 80


class Axis(str, Enum):
    """What runs along the bottom."""

    STEP = "step"
    TIME = "time"
    RELATIVE = "relative"


_X_LABELS = {Axis.STEP: "step", Axis.TIME: "time", Axis.RELATIVE: "seconds since the run began"}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart, and how much of what was logged is in it."""

    chart: Chart
    axis: Axis
    shown: int
    logged: int


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("plot", no_args_is_help=True)(plot)


def plot(
    metric: Annotated[str, typer.Argument(help="The metric to draw.", autocompletion=complete.metrics)],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", help="The runs; the newest if none is given.", autocompletion=complete.runs
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write a picture: FILE.svg, FILE.png or FILE.pdf."
        ),
    ] = None,
    axis: Annotated[Axis, typer.Option("--x", help="What runs along the bottom.")] = Axis.STEP,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic values.")] = False,
    smooth: Annotated[
        float,
        typer.Option(
            "--smooth",
            min=0.0,
            max=0.999,
            metavar="WEIGHT",
            help="Smooth by an exponential mean: 0 not at all, 0.9 a lot.",
        ),
    ] = 0.0,
) -> None:
    """Draw a metric of one or more runs.

    Examples:
      gitml plot loss
      gitml plot val/acc brisk-heron quiet-fox --smooth 0.6
      gitml plot loss @ @~1 --log -o loss.svg
    """
    if output is not None and output.suffix.lower() not in _PICTURES:
        raise UsageError(
            f"'{output}' is no picture gitml can write", hint=f"end its name in {', '.join(_PICTURES)}"
        )
    target = screen()
    if output is None:
        drawing = _read(
            metric, names or ["@"], axis, log=log, smooth=smooth, points=4 * (target.cells or _WIDTH)
        )
        _print_chart(drawing, target)
    else:
        mpl = _require_matplotlib()
        drawing = _read(metric, names or ["@"], axis, log=log, smooth=smooth, points=_PICTURE_POINTS)
        _write_picture(mpl, drawing, output)
        print(f"wrote {output}", file=sys.stderr)


def _require_matplotlib() -> Any:
    try:
        import matplotlib as mpl  # an extra, and slow to load
    except ImportError:
        raise MissingExtraError("drawing pictures", "plot") from None
    mpl.use("Agg")  # never a window
    return mpl


def _read(metric: str, names: Sequence[str], axis: Axis, *, log: bool, smooth: float, points: int) -> Drawing:
    from gitml.render.chart import Chart

    if len(names) > _MAX_RUNS:
        raise UsageError(
            f"{len(names)} runs are too many to tell apart in one chart, at most {_MAX_RUNS} fit",
            hint="give fewer",
        )
    repo = open_repo()
    curves, left_out, logged, shown = [], [], 0, 0
    for run in [named_run(repo, name) for name in names]:
        history = [point for point in _history(repo, run, metric) if not log or point.value > 0]
        curve = _curve(run, history, axis, smooth, points)
        logged, shown = logged + len(history), shown + len(curve.x)
        if curve.x:
            curves.append(curve)
        else:
            left_out.append(curve.label)
    what = "positive values, so no logarithm" if log else "finite values"
    if curves and left_out:
        warn(f"left out, '{metric}' has no {what}: {', '.join(left_out)}")
    if not curves:
        raise NotFoundError(
            f"'{metric}' has no {what}, in these runs", hint="gitml log lists runs and metrics"
        )
    return Drawing(Chart(metric, tuple(curves), log, _X_LABELS[axis]), axis, shown, logged)


def _history(repo: Repo, run: Run, metric: str) -> list[MetricPoint]:
    from gitml.tracking.history import read_metric

    points = read_metric(repo, run, metric)
    finite = [point for point in points if point.value - point.value == 0]
    return sorted(finite, key=lambda point: (point.step, point.timestamp_ms))


def _curve(run: Run, history: Sequence[MetricPoint], axis: Axis, smooth: float, points: int) -> Curve:
    from gitml.entities.run import MetricPoint
    from gitml.render.chart import Curve
    from gitml.render.sparkline import min_max_buckets
    from gitml.render.text import clean

    smoothed = [
        MetricPoint(point.step, point.timestamp_ms, value)
        for point, value in zip(history, smoothen([point.value for point in history], smooth), strict=True)
    ]
    thin = min_max_buckets(smoothed, max(1, points // 2))
    start = run.start_ms
    scale: Callable[[MetricPoint], float] = {
        Axis.STEP: lambda point: float(point.step),
        Axis.TIME: lambda point: point.timestamp_ms / 1000,
        Axis.RELATIVE: lambda point: (point.timestamp_ms - start) / 1000,
    }[axis]
    label = f"{run.id[:7]} {clean(run.name)}"
    return Curve(label, [scale(p) for p in thin], [float(p.value) for p in thin])


def smoothen(values: Sequence[float], weight: float) -> list[float]:
    """Smooth by an exponential moving mean whose start is corrected, as TensorBoard does.

    Args:
        values: Finite numbers, in order.
        weight: From 0 (unchanged) to less than 1.

    Example:
        >>> smoothen([0.0, 3.0], 0.5)
        [0.0, 2.0]
    """
    if not weight:
        return list(values)
    smoothed, mean, share = [], 0.0, 1.0
    for value in values:
        mean = mean * weight + value * (1 - weight)
        share *= weight
        smoothed.append(mean / (1 - share))
    return smoothed


def _print_chart(drawing: Drawing, target: Screen) -> None:
    from gitml.render.chart import draw_chart
    from gitml.render.numbers import format_number

    chart = replace(
        drawing.chart,
        title=_title(drawing),
        x_text=_clock if drawing.axis is Axis.TIME else format_number,
    )
    height = min(_HEIGHT, (target.lines or _HEIGHT) - 2)
    lines = draw_chart(chart, target.ink, cells=target.cells or _WIDTH, lines=height)
    sys.stdout.write("".join(line + "\n" for line in lines))


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, tz=timezone.utc).astimezone():%m-%d %H:%M:%S}"


def _title(drawing: Drawing) -> str:
    from gitml.render.text import clean

    thinned = f"  ({drawing.shown:,} of {drawing.logged:,} points)" if drawing.shown < drawing.logged else ""
    return clean(drawing.chart.title) + thinned


def _write_picture(mpl: Any, drawing: Drawing, file: Path) -> None:
    from matplotlib.figure import Figure

    options = {"svg.hashsalt": "gitml", "svg.fonttype": "none", "text.parse_math": False}
    with mpl.rc_context(options):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.set_prop_cycle(color=_COLOURS)
        for curve in drawing.chart.curves:
            x: list[Any] = list(curve.x)
            if drawing.axis is Axis.TIME:
                x = [datetime.fromtimestamp(value, tz=timezone.utc) for value in x]
            marker = "o" if len(x) == 1 else None  # a line needs two
            axes.plot(x, curve.y, label=curve.label, linewidth=1.4, marker=marker, markersize=5)
        if drawing.chart.log:
            axes.set_yscale("log")
        axes.set_title(_title(drawing), loc="left", fontsize=11)
        axes.set_xlabel(drawing.chart.x_label)
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
        figure.savefig(file, dpi=144, metadata=_UNDATED.get(file.suffix.lower()))
