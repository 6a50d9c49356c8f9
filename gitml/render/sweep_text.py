"""What a sweep looks like: while it runs, at its end, and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitml.entities.run import RunStatus
from gitml.execution.sweeps.optimizers import TrialResult
from gitml.execution.sweeps.plan import Goal
from gitml.execution.sweeps.record import ranked_trials
from gitml.execution.sweeps.state import SweepResult, SweepState
from gitml.formats.scalars import parse_scalar
from gitml.render.fields import SHORT_ID
from gitml.render.ink import STATUS_STYLE, Ink
from gitml.render.numbers import MISSING, format_duration, format_number
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, plural

_BAR_CELLS = 24
_DOT = " · "
_LONG = 10


def sweep_lines(state: SweepState, ink: Ink) -> list[str]:
    """Write how far a sweep is, and its best trial, for a place that is drawn again and again."""
    done, total = len(state.results), state.plan.trials
    filled = _BAR_CELLS * done // max(total, 1)
    bar = (
        "━" * filled + "─" * (_BAR_CELLS - filled)
        if ink.unicode
        else "#" * filled + "-" * (_BAR_CELLS - filled)
    )
    parts = [f"{done:,}/{total:,} done"]
    if state.failed:
        parts.append(f"{state.failed:,} failed")
    if state.pending:
        parts.append(f"{len(state.pending):,} pending")
    if state.running:
        parts.append(f"{len(state.running)} running")
    if state.remaining_s is not None and done < total:
        parts.append(f"{format_duration(state.remaining_s)} left")
    lines = [ink.sign(f"{clean(state.name)}  {bar}  {_DOT.join(parts)}")]
    if state.plan.goal is not None:
        lines.append(ink.sign(_best_line(state.plan.goal, state.best)))
    return lines


def trial_line(result: TrialResult, state: SweepState, ink: Ink) -> str:
    """Write what came of a trial in a line."""
    number = f"{result.trial.number}/{state.plan.trials}"
    parts = [f"trial {number} {result.status.value} in {format_duration(result.duration_s)}"]
    parts += filter(None, [values_text(result.trial.values)])
    if state.plan.goal is not None and result.status is RunStatus.FINISHED:
        best = " (best so far)" if state.best is result else ""
        parts.append(f"{clean(state.plan.goal.metric)} {format_number(result.value)}{best}")
    if result.error:
        parts.append(f"({clean(result.error)})")
    return ink.sign("  ".join(parts))


def values_text(values: Mapping[str, str]) -> str:
    """Write values in a line: 'lr=0.1 depth=2'."""
    return " ".join(f"{clean(name)}={clean(text)}" for name, text in values.items())


def _best_line(goal: Goal, best: TrialResult | None) -> str:
    arrow = "↑" if goal.maximize else "↓"
    if best is None:
        return f"best {clean(goal.metric)} {arrow}  {MISSING}"
    return (
        f"best {clean(goal.metric)} {arrow}  {format_number(best.value)}  trial {best.trial.number}"
        f"  {(best.run_id or '')[:SHORT_ID]}  {values_text(best.trial.values)}"
    )


def sweep_summary(result: SweepResult) -> str:
    """Write what came of a sweep in a line."""
    state = result.state
    short = state.run_id[:SHORT_ID]
    reason = f" ({clean(result.error)})" if result.error else ""
    done = f"{len(state.results):,} of " if len(state.results) < state.plan.trials else ""
    return (
        f"sweep {short} {clean(state.name)} {result.status.value}{reason}: "
        f"{done}{plural(state.plan.trials, 'trial')} in {format_duration(result.duration_s)}{_DOT}gitml show {short}"
    )


def best_table(state: SweepState, count: int, ink: Ink, cells: int | None) -> str:
    """Set a table of the best trials, the best one first; empty if none has a value."""
    goal = state.plan.goal
    ranked = [] if goal is None else ranked_trials(goal, state.results)[:count]
    if goal is None or not ranked:
        return ""
    names = list(dict.fromkeys(name for result in ranked for name in result.trial.values))
    columns = (
        Column("trial", right=True),
        Column("run"),
        Column(clean(goal.metric), right=True),
        *(Column(clean(name), drop=2, narrowest=4, name=clean(name)) for name in names),
        Column("took", right=True, drop=1, name="took"),
    )
    rows = tuple(
        (
            Cell(str(result.trial.number)),
            Cell((result.run_id or "")[:SHORT_ID], "yellow"),
            Cell(format_number(result.value), "bold" if place == 0 else ""),
            *(Cell(_short(result.trial.values.get(name, MISSING))) for name in names),
            Cell(format_duration(result.duration_s), STATUS_STYLE[RunStatus.SCHEDULED]),
        )
        for place, result in enumerate(ranked)
    )
    return "".join(f"{line}\n" for line in draw(Table(columns, rows), cells=cells, ink=ink).lines)


def _short(text: str) -> str:
    """Write a value for a table, a long number with fewer digits."""
    value = parse_scalar(text)
    return format_number(value) if isinstance(value, float) and len(text) > _LONG else clean(text)


def sweep_document(result: SweepResult) -> dict[str, Any]:
    """Describe a sweep for programs."""
    state, plan = result.state, result.state.plan
    goal = plan.goal
    return {
        "id": state.run_id,
        "name": state.name,
        "status": result.status.value,
        "error": result.error,
        "exit_code": result.exit_code,
        "duration_s": round(result.duration_s, 3),
        "optimizer": plan.optimizer,
        "space": dict(plan.space),
        "seed": plan.seed,
        "goal": None if goal is None else {"metric": goal.metric, "maximize": goal.maximize},
        "planned": plan.trials,
        "best": None if state.best is None else _trial(state.best),
        "trials": [_trial(each) for each in sorted(state.results, key=lambda each: each.trial.number)],
    }


def _trial(result: TrialResult) -> dict[str, Any]:
    return {
        "trial": result.trial.number,
        "run": result.run_id,
        "status": result.status.value,
        "values": dict(result.trial.values),
        "value": result.value,
        "duration_s": round(result.duration_s, 3),
        "error": result.error,
    }
