"""Whether a run came out as another one did: identical, close enough, or different and where.

What decides: how they ended, params, data sets, metrics (the whole curve where
both are at hand) and artifacts by their hashes. Times, packages and the machine
are compared too, but only told: they can be why two runs differ, and are no result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from gitml.entities.run import MetricPoint, MetricSummary, Number, Run
from gitml.execution.reproduction.tolerance import Tolerance, Tolerances, is_same
from gitml.tracking.diff import ABSENT, Row, RunDiff

ReadCurve = Callable[[Run, str], "Sequence[MetricPoint] | None"]


class Verdict(str, Enum):
    """How two runs, or two values of them, compare. The values are recorded."""

    IDENTICAL = "identical"
    WITHIN_TOLERANCE = "within tolerance"
    DIFFERENT = "different"


_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric in two runs.

    Attributes:
        name: Its name.
        verdict: How its values compare.
        before: What its curve comes to in the first run, None if it is not there.
        after: Likewise of the second run.
        reason: Why it is different, in a few words; empty if it is not.
        distance: The greatest difference of two values that belong together,
            in the metric's unit; None where one is missing, or is not finite
            and the other is not the same.
        step: Where values are first different, or else first not identical;
            None if they are, or where no step of theirs is known.
        whole_curve: Whether all points were compared, not only the last,
            the least and the greatest.
        counts: Whether it takes part in the verdict on the run.
    """

    name: str
    verdict: Verdict
    before: MetricSummary | None
    after: MetricSummary | None
    reason: str = ""
    distance: float | None = None
    step: int | None = None
    whole_curve: bool = True
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """One respect in which two runs differ, and in a few words how.

    `run` is the id of the part of the first run that it is about, and empty
    where it is about that run itself.
    """

    kind: Literal["status", "param", "data", "metric", "artifact", "run"]
    name: str
    how: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run and the run that was to come out as it did.

    Attributes:
        diff: What differs between them in general.
        metrics: Their metrics, in the order of the first run.
        outcome: How they ended: status and exit code.
        artifacts: What they have at each path that counts.
        ignored_artifacts: At each path that was said not to count.
        changed_on_purpose: Params that were asked to differ.
        tolerances: What the metrics were held to.
        children: Runs that are part of them, in pairs.
        alone: Runs that are part of one of them and have no counterpart:
            the run, and whether it is the first one's.
    """

    diff: RunDiff
    metrics: tuple[MetricComparison, ...]
    outcome: tuple[Row, ...]
    artifacts: tuple[Row, ...]
    ignored_artifacts: tuple[Row, ...]
    changed_on_purpose: frozenset[str]
    tolerances: Tolerances
    children: tuple[Comparison, ...] = ()
    alone: tuple[tuple[Run, bool], ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All that makes them different, causes before results."""
        params = [row for row in self.diff.params if row.key not in self.changed_on_purpose]
        return (
            *(Difference("status", row.key, _change(row)) for row in _unequal(self.outcome)),
            *(Difference("param", row.key, _change(row)) for row in _unequal(params)),
            *(Difference("data", row.key, _presence(row)) for row in _unequal(self.diff.data)),
            *(
                Difference("metric", one.name, one.reason)
                for one in self.metrics
                if one.counts and one.verdict is Verdict.DIFFERENT
            ),
            *(Difference("artifact", row.key, _presence(row)) for row in _unequal(self.artifacts)),
            *(
                replace(one, run=one.run or child.diff.runs[0].id)
                for child in self.children
                for one in child.differences
            ),
            *(
                Difference("run", run.name, f"only in the {'first' if first else 'second'} run", run.id)
                for run, first in self.alone
            ),
        )

    @property
    def verdict(self) -> Verdict:
        """Whether the second run came out as the first one did."""
        if self.differences:
            return Verdict.DIFFERENT
        metrics = (one.verdict for one in self.metrics if one.counts)
        return worst((*metrics, *(child.verdict for child in self.children)))

    @property
    def duration_ratio(self) -> float | None:
        """How long the second took, in durations of the first; None where one is not known."""
        first, second = (run.duration_s for run in (self.diff.runs[0], self.diff.runs[-1]))
        return second / first if first and second is not None else None


def compare_outcomes(
    diff: RunDiff,
    read_curve: ReadCurve,
    tolerances: Tolerances | None = None,
    *,
    changed_on_purpose: Collection[str] = (),
) -> Comparison:
    """Judge whether the last run of a comparison came out as the first one did.

    Args:
        diff: What differs between the two in general.
        read_curve: Gives a metric's points in a run, in the order logged;
            None where they can't be had.
        tolerances: What metrics are held to.
        changed_on_purpose: Params that were asked to differ.
    """
    tolerances = tolerances or Tolerances()
    before, after = diff.runs[0], diff.runs[-1]
    names = dict.fromkeys((*before.metrics, *after.metrics))
    return Comparison(
        diff=diff,
        metrics=tuple(_compare_metric(name, (before, after), read_curve, tolerances) for name in names),
        outcome=_outcome(before, after),
        artifacts=tuple(row for row in diff.files if not tolerances.is_ignored(row.key)),
        ignored_artifacts=tuple(row for row in diff.files if tolerances.is_ignored(row.key)),
        changed_on_purpose=frozenset(changed_on_purpose),
        tolerances=tolerances,
    )  # fmt: skip


def _outcome(before: Run, after: Run) -> tuple[Row, ...]:
    """Say how they ended; a run that nothing was wrapped around has no exit code."""
    status = Row("status", (before.status.value, after.status.value))
    if before.exit_code is None or after.exit_code is None:
        return (status,)
    return status, Row("exit code", (before.exit_code, after.exit_code))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Give the worst of some verdicts; of none, `IDENTICAL`."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.IDENTICAL)


def _compare_metric(
    name: str, runs: tuple[Run, Run], read_curve: ReadCurve, tolerances: Tolerances
) -> MetricComparison:
    before, after = (run.metrics.get(name) for run in runs)
    counts = tolerances.counts(name)
    if before is None or after is None:
        where = "first" if after is None else "second"
        return MetricComparison(
            name, Verdict.DIFFERENT, before, after, f"only in the {where} run", counts=counts
        )
    if before.count != after.count:
        reason = f"{before.count:,} points, then {after.count:,}"
        return MetricComparison(name, Verdict.DIFFERENT, before, after, reason, counts=counts)
    curves = [_summary_points(before), _summary_points(after)]
    whole = before.count == 1
    if not whole:
        read = [read_curve(run, name) for run in runs]
        if read[0] is not None and read[1] is not None:
            # Points of one step stay in the order logged; those of several threads come as they may.
            curves = [sorted(points, key=_step) for points in read if points is not None]
            whole = True
    return _compare_curves(name, (before, after), curves, tolerances.of(name), whole=whole, counts=counts)


def _compare_curves(
    name: str, summaries: tuple[MetricSummary, MetricSummary], curves: Sequence[Sequence[MetricPoint]],
    tolerance: Tolerance, *, whole: bool, counts: bool,
) -> MetricComparison:  # fmt: skip
    before, after = summaries
    # Of a summary only the last value has a step that must agree: the least and greatest may be ties.
    compared = curves if whole else [points[:1] for points in curves]
    for one, other in zip(*compared, strict=True):
        if one.step != other.step:
            reason = f"other steps, from {one.step:,} and {other.step:,} on"
            return MetricComparison(
                name, Verdict.DIFFERENT, before, after, reason, None, min(one.step, other.step), whole, counts
            )
    verdicts = [_judge(one.value, other.value, tolerance) for one, other in zip(*curves, strict=True)]
    verdict = worst(verdicts)
    step = None
    if verdict is not Verdict.IDENTICAL and whole:
        step = curves[0][verdicts.index(verdict)].step
    distances = [_distance(one.value, other.value) for one, other in zip(*curves, strict=True)]
    distance = None if None in distances else max((d for d in distances if d is not None), default=0.0)
    reason = ""
    if verdict is Verdict.DIFFERENT:
        reason = (
            "other values" if step is None or before.count == 1 else f"other values from step {step:,} on"
        )
    return MetricComparison(name, verdict, before, after, reason, distance, step, whole, counts)


def _summary_points(summary: MetricSummary) -> list[MetricPoint]:
    """Stand for a curve that can't be read: its last, least and greatest value."""
    return [
        MetricPoint(summary.step, 0, summary.last),
        MetricPoint(summary.min_step, 0, summary.min),
        MetricPoint(summary.max_step, 0, summary.max),
    ]


def _step(point: MetricPoint) -> int:
    return point.step


def _judge(one: Number, other: Number, tolerance: Tolerance) -> Verdict:
    if is_same(one, other):
        return Verdict.IDENTICAL
    return Verdict.WITHIN_TOLERANCE if tolerance.allows(one, other) else Verdict.DIFFERENT


def _distance(one: Number, other: Number) -> float | None:
    if is_same(one, other):
        return 0.0
    try:
        distance = abs(float(one) - float(other))
    except OverflowError:  # an integer that no float can hold
        return None
    return distance if math.isfinite(distance) else None


def _unequal(rows: Iterable[Row]) -> Iterable[Row]:
    return (row for row in rows if not row.same)


def _change(row: Row) -> str:
    before, after = ("nothing" if value is ABSENT else str(value) for value in row.values)
    return f"{before}, then {after}"


def _presence(row: Row) -> str:
    before, after = row.values
    if before is ABSENT:
        return "only in the second run"
    return "only in the first run" if after is ABSENT else "other content"
