"""What a rule asks, held against what is known of a version. Pure: facts in, checks out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Union

from gitml.entities.policy import Check, Comparison, Condition, Holder, Rule, Sum, Term
from gitml.entities.registry import ModelComment, ModelVersion
from gitml.entities.run import Number, Run, RunStatus
from gitml.formats.registry_names import stage_key

ANY_STAGE = "*"
_Exact = Union[Fraction, float]
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_JOIN: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
_STATISTICS = ("last", "min", "max")
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Rival:
    """The version that holds a stage; `run` is None if its record is not here."""

    version: int
    run: Run | None


# Metrics


def check_metrics(rule: Rule, run: Run, rival: Rival | None) -> Iterator[Check]:
    """Hold the metrics of a run against their conditions.

    Args:
        rule: The rule.
        run: The run that made the version, as the version's record has it.
        rival: The version that holds the stage, if that is another one.
    """
    for key, condition in rule.metrics.items():
        holds, why = _metric(rule.stage, key, condition, run, rival)
        yield Check(f"metrics.{key}", holds, why, rule.line)


def _metric(stage: str, key: str, condition: Condition, run: Run, rival: Rival | None) -> tuple[bool, str]:
    value = metric_value(run, key)
    if value is None:
        there = ", ".join(list(run.metrics)[:_SHOWN]) or "none"
        return False, f"the run has no metric '{key}'; it has: {there}"
    if value != value:
        return False, f"it is NaN, must be {condition}"
    results = [_compare(stage, key, value, one, rival) for one in condition.comparisons]
    failed = [why for holds, why in results if not holds]
    why = "; ".join(failed or [why for _, why in results])
    return not failed, f"{value!r}{', must be' if failed else ''} {why}"


def metric_value(run: Run, key: str) -> Number | None:
    """The value that a key means: a metric's last one, or `.min` or `.max` of its curve."""
    if key in run.metrics:
        return run.metrics[key].last
    name, _, statistic = key.rpartition(".")
    if name in run.metrics and statistic in _STATISTICS:
        return getattr(run.metrics[name], statistic)  # type: ignore[no-any-return]
    return None


def _compare(
    stage: str, key: str, value: Number, comparison: Comparison, rival: Rival | None
) -> tuple[bool, str]:
    held: Number | None = None
    told = ""
    if _asks_holder(comparison.term):
        if rival is None:
            return True, f"{comparison} (nothing else holds {stage} yet)"
        if rival.run is None:
            return (
                False,
                f"{comparison}, and the record of v{rival.version} in {stage} is not here: gitml pull",
            )
        held = metric_value(rival.run, key)
        if held is None:
            return False, f"{comparison}, and v{rival.version} in {stage} has no metric '{key}'"
        told = f" (v{rival.version} has {held!r})"
    try:
        limit = _value(comparison.term, held)
        holds = limit == limit and _COMPARE[comparison.operator](_exact(value), limit)
    except (ZeroDivisionError, OverflowError):
        return False, f"{comparison}{told}, which can't be computed"
    return holds, f"{comparison}{told}"


def _asks_holder(term: Term) -> bool:
    if isinstance(term, Sum):
        return _asks_holder(term.left) or _asks_holder(term.right)
    return isinstance(term, Holder)


def _exact(number: Number) -> _Exact:
    """A number as people read it: 0.3 + 0.01 is 0.31."""
    if isinstance(number, float) and (number != number or number in (float("inf"), float("-inf"))):
        return number
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def _value(term: Term, held: Number | None) -> Any:
    if isinstance(term, Sum):
        return _JOIN[term.sign](_value(term.left, held), _value(term.right, held))
    if isinstance(term, Holder):
        return _exact(held if held is not None else float("nan"))
    return term


# What was said


def check_tags(rule: Rule, version: ModelVersion) -> Iterator[Check]:
    """Look for the tags that a version must have."""
    for key, wanted in rule.tags.items():
        found = version.tags.get(key)
        asked = f"v{version.version} must have the tag '{key}'" + ("" if wanted is None else f" = '{wanted}'")
        if found is None:
            holds, why = False, f"{asked}, and has none"
        elif wanted is not None and found != wanted:
            holds, why = False, f"{asked}, and has '{found:.100}'"
        else:
            holds, why = True, f"it is '{found:.100}'"
        yield Check(f"tags.{key}", holds, why, rule.line)


def check_approvals(
    rule: Rule, version: ModelVersion, author: str, comments: Iterable[ModelComment]
) -> Check:
    """Count who approved a version for a stage: each person once, never the author of its run.

    Args:
        rule: The rule.
        version: The version.
        author: `Name <mail>` of whoever recorded the run.
        comments: What was said about the model.
    """
    approving = approvers(comments, version.version, rule.stage)
    own = approving.pop(person(author), None)
    people = ", ".join(approving.values())
    besides = f"; {own} is the author of the run, and does not count" if own else ""
    if len(approving) >= rule.approvals:
        return Check("approvals", True, f"by {people}", rule.line)
    have = f"it has {len(approving)}" + (f" (by {people})" if people else "")
    need = f"{rule.approvals} {'approval' if rule.approvals == 1 else 'approvals'}"
    hint = f"gitml models approve '{version.name}' {version.version} {rule.stage}"
    return Check("approvals", False, f"it needs {need}, {have}{besides}: {hint}", rule.line)


def approvers(comments: Iterable[ModelComment], version: int, stage: str) -> dict[str, str]:
    """Say who approves a version for a stage by their last word on it: mail to `Name <mail>`."""
    last: dict[str, ModelComment] = {}
    for said in sorted(comments, key=lambda one: (one.time_ms, one.withdrawn)):
        if said.version != version or said.approves is None:
            continue
        if said.approves == ANY_STAGE or stage_key(said.approves) == stage_key(stage):
            last[person(said.author)] = said
    return {mail: said.author for mail, said in last.items() if not said.withdrawn}


def person(author: str) -> str:
    """What people are told apart by: the mail, if there is one."""
    mail = author.rpartition("<")[2].rstrip(">") if "<" in author else ""
    return (mail.strip() or author).lower()


# What it is made of


def check_formats(rule: Rule, found: Mapping[str, str]) -> Check:
    """Look whether all files of a model have a format that is allowed.

    Args:
        rule: The rule.
        found: Path to format.
    """
    bad = [f"'{path:.100}' is {form}" for path, form in found.items() if form not in rule.formats]
    if bad:
        more = f", and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        return Check(
            "formats",
            False,
            f"{', '.join(bad[:_SHOWN])}{more}; allowed: {', '.join(rule.formats)}",
            rule.line,
        )
    there = ", ".join(dict.fromkeys(found.values()))
    return Check("formats", True, there or "it has no files but texts", rule.line)


def check_run(rule: Rule, run: Run) -> Iterator[Check]:
    """Look whether the run ended well, and came from committed code."""
    if rule.finished:
        holds = run.status is RunStatus.FINISHED and not run.incomplete
        why = (
            "something of the run could not be recorded"
            if run.incomplete
            else f"the run is {run.status.value}"
        )
        yield Check("finished", holds, why, rule.line)
    if rule.clean_code:
        if run.code.commit is None:
            holds, why = False, "the run has no commit of code"
        elif run.code.dirty:
            holds, why = (
                False,
                f"the code had changes on top of {run.code.commit[:12]}: commit them, and run again",
            )
        else:
            holds, why = True, f"the code is commit {run.code.commit[:12]}"
        yield Check("clean_code", holds, why, rule.line)
