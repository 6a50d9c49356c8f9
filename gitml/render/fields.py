"""Fields of a run by name: what `--columns`, `--order-by`, `--group-by` and `--format` ask for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gitml.entities.run import Run
from gitml.errors import UsageError
from gitml.index.expressions import Kind
from gitml.index.fields import ADDRESS_START, KINDS, STATS, SYSTEM_TAGS, attribute_named, qualified
from gitml.render.numbers import utc_text

SHORT_ID = 7

ATTRIBUTES: Mapping[str, Callable[[Run], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "experiment_id": lambda run: run.experiment_id,
    "status": lambda run: run.status.value,
    "start": lambda run: utc_text(run.start_ms),
    "end": lambda run: utc_text(run.end_ms) if run.end_ms is not None else None,
    "duration_s": lambda run: run.duration_s,
    "user": lambda run: run.user,
    "host": lambda run: run.host,
    "parent": lambda run: run.parent_id,
    "entry_point": lambda run: run.entry_point,
    "command": lambda run: run.command_line or None,
    "exit_code": lambda run: run.exit_code,
    "error": lambda run: run.error,
    "code.commit": lambda run: run.code.commit,
    "code.branch": lambda run: run.code.branch,
    "code.dirty": lambda run: run.code.dirty,
    "note": lambda run: run.note or None,
    "live": lambda run: run.live,
    "deleted": lambda run: utc_text(run.deleted_ms) if run.deleted_ms is not None else None,
    "commit": lambda run: run.commit,
    "artifact_uri": lambda run: ADDRESS_START + run.id,
    "datasets.name": lambda run: _listed(data.name for data in run.inputs),
    "datasets.digest": lambda run: _listed(data.digest for data in run.inputs),
    "datasets.context": lambda run: _listed(data.context for data in run.inputs),
}


def _listed(values: Iterable[str | None]) -> str | None:
    return ", ".join(value for value in values if value) or None


# Attributes that filters know by another name than JSON does.
_OF_FILTERS = {
    "run_id": "id",
    "run_name": "name",
    "start_time": "start",
    "end_time": "end",
    "duration": "duration_s",
    "user_id": "user",
    "branch": "code.branch",
    "dirty": "code.dirty",
    "parent_run_id": "parent",
}
_TO_FILTERS = {field: name for name, field in _OF_FILTERS.items()}
# What the headings of the table call them: for where nothing recorded has that name.
_HEADINGS = {"run": "id", "when": "start", "time": "duration_s"}
_SHORT_KINDS = {"m": Kind.METRIC, "p": Kind.PARAM, "t": Kind.TAG}
_KEYED = (Kind.METRIC, Kind.PARAM, Kind.TAG)
_IN_QUOTES = re.compile(
    rf"""(?P<quote>[`"'])(?P<name>.+)(?P=quote)(?:\.(?P<stat>{"|".join(STATS)}))?""", re.DOTALL
)


class UnknownColumnError(UsageError):
    """No run shown has a field of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        spelled: dict[str, str] = {}
        for field in known:
            spelled.setdefault(field.partition(".")[2] or field, field)
            spelled[field] = field
        close = [spelled[match] for match in difflib.get_close_matches(name, spelled, n=3)]
        super().__init__(
            f"no run here has '{name}'",
            hint=f"did you mean {', '.join(dict.fromkeys(close))}?"
            if close
            else "gitml log --all-columns shows what there is",
        )


class Names(NamedTuple):
    """The names of metrics, params and tags that there are."""

    metrics: Collection[str] = ()
    params: Collection[str] = ()
    tags: Collection[str] = ()


def find_field(name: str, runs: Sequence[Run], elsewhere: Names = Names()) -> str:  # noqa: B008  # immutable
    """Find the full name of a field by a name as filters have it, or by that of a metric, param or tag alone.

    A bare name is that of an attribute, as in a filter; else that of a metric, a param, a tag.

    Args:
        name: As written; quotes may stand around what is a name for sure.
        runs: The runs shown.
        elsewhere: Names that runs not shown have.

    Raises:
        UnknownColumnError: None of the runs has it.
    """
    name = name.strip()
    attribute = _attribute(_unquoted(name))
    if attribute is not None:
        return attribute
    known = {
        kind: dict.fromkeys(key for run in runs for key in getattr(run, kind.value)).keys()
        | getattr(elsewhere, kind.value)
        for kind in _KEYED
    }
    found = _of_kind(name, known) or _recorded(name, known) or _HEADINGS.get(name.lower())
    if found is None:
        recorded = (f"{kind.value}.{key}" for kind in known for key in sorted(known[kind]))
        raise UnknownColumnError(name, [*ATTRIBUTES, *recorded])
    return found


def kind_of_name(name: str) -> tuple[Kind | None, str]:
    """Split a name into its kind and the rest: 'params.lr' is a param; None where no kind is written."""
    prefix, dot, rest = name.strip().partition(".")
    kind = KINDS.get(prefix.lower()) or _SHORT_KINDS.get(prefix)
    return (kind, rest) if dot and rest and kind else (None, name)


def filter_name(field: str, metrics: Collection[str]) -> str | None:
    """Write the full name of a field as filters and sort keys take it; None of what they don't know.

    Args:
        field: As `find_field` gives it.
        metrics: The names of metrics that there are.
    """
    if field in ATTRIBUTES:
        name = _TO_FILTERS.get(field, field)
        return name if attribute_named(name) == name else None
    kind, key = kind_of_name(field)
    if kind is Kind.METRIC:
        name, stat = metric_and_stat(key, metrics)
        return qualified(kind, name, stat or "last")
    return None if kind is None else qualified(kind, key)


def _attribute(name: str) -> str | None:
    known = attribute_named(name)
    field = name if known is None else _OF_FILTERS.get(known, known)
    return field if field in ATTRIBUTES else None


def _of_kind(name: str, known: Mapping[Kind, Collection[str]]) -> str | None:
    kind, rest = kind_of_name(name)
    if kind is Kind.ATTRIBUTE:
        return _attribute(_unquoted(rest))
    if kind is Kind.DATASET:
        field = f"datasets.{_unquoted(rest)}"
        return field if field in ATTRIBUTES else None
    if kind is Kind.TAG and _unquoted(rest) in SYSTEM_TAGS:
        return _attribute(SYSTEM_TAGS[_unquoted(rest)])
    return None if kind is None else _recorded(rest, {kind: known[kind]})


def _recorded(name: str, known: Mapping[Kind, Collection[str]]) -> str | None:
    for kind, keys in known.items():
        if kind is Kind.METRIC:
            found = metric_field(name, keys)
            if found is not None:
                return found
        elif _unquoted(name) in keys:
            return f"{kind.value}.{_unquoted(name)}"
    return None


def _unquoted(name: str) -> str:
    quoted = _IN_QUOTES.fullmatch(name)
    return quoted["name"] if quoted and quoted["stat"] is None else name


def metric_field(key: str, metrics: Collection[str]) -> str | None:
    """Find the full name of a metric or of one of its statistics, as filters do.

    'loss.min' is the smallest value of 'loss' wherever there is such a metric, and else a
    metric of that name; '`loss.min`' is always the metric. Full names have backticks only
    where there are both.
    """
    name, stat = metric_and_stat(key, metrics)
    if name not in metrics:
        return None
    if stat is not None:
        return f"metrics.`{name}`.{stat}" if f"{name}.{stat}" in metrics else f"metrics.{name}.{stat}"
    base, suffix = _split(name)
    return f"metrics.`{name}`" if suffix is not None and base in metrics else f"metrics.{name}"


def metric_and_stat(key: str, metrics: Collection[str]) -> tuple[str, str | None]:
    """Split the name of a metric as written into that of the metric and the statistic that is meant."""
    quoted = _IN_QUOTES.fullmatch(key)
    name, stat = (quoted["name"], quoted["stat"]) if quoted else _split(key)
    if stat is None or name not in metrics:
        return (name if quoted and stat is None else key), None
    return name, stat


def _split(key: str) -> tuple[str, str | None]:
    name, dot, stat = key.rpartition(".")
    return (name, stat) if dot and stat in STATS else (key, None)


def known_fields(runs: Sequence[Run]) -> list[str]:
    """Name the metrics, params and tags that some run has, in the order logged."""
    metrics = dict.fromkeys(key for run in runs for key in run.metrics)
    found = [metric_field(f"`{key}`", metrics) or f"metrics.{key}" for key in metrics]
    for kind in ("params", "tags"):
        found += [f"{kind}.{key}" for key in dict.fromkeys(key for run in runs for key in getattr(run, kind))]
    return found


def field_title(field: str) -> str:
    """Name a field in a heading: without its kind."""
    kind, _, key = field.partition(".")
    if kind == "metrics":
        quoted = _IN_QUOTES.fullmatch(key)
        return f"{quoted['name']}.{quoted['stat']}" if quoted and quoted["stat"] else key
    return key if kind in ("params", "tags") else field


def field_value(run: Run, field: str) -> Any:
    """Read a field by its full name, as `find_field` gives it; None if the run lacks it."""
    if field in ATTRIBUTES:
        return ATTRIBUTES[field](run)
    kind, _, key = field.partition(".")
    if kind == "metrics":
        name, stat = split_metric(run, key)
        return getattr(run.metrics[name], stat) if name in run.metrics else None
    values: Mapping[str, Any] = getattr(run, kind)
    return values.get(key)


def split_metric(run: Run, key: str) -> tuple[str, str]:
    """Split 'loss.min' into metric and statistic where the run has such a metric; see `metric_field`."""
    quoted = _IN_QUOTES.fullmatch(key) if key.startswith("`") else None
    if quoted:
        return quoted["name"], quoted["stat"] or "last"
    name, stat = _split(key)
    return (name, stat) if stat is not None and name in run.metrics else (key, "last")
