"""Names of fields on the command line, read in one way wherever they stand."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import UsageError
from gitml.render.text import clean

if TYPE_CHECKING:
    from gitml.entities.run import Run
    from gitml.render.fields import Names
    from gitml.repo import Repo


class SortKey(NamedTuple):
    """What runs are sorted by.

    Attributes:
        field: Its full name.
        key: The same in the language of filters, with the direction.
    """

    field: str
    key: str


class NotSortableError(UsageError):
    """Runs have no order by a field."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"runs can't be sorted by '{clean(name)}'",
            hint="sort by a metric, a param, a tag, or an attribute that filters know: gitml help filters",
        )


def recorded_names(repo: Repo) -> Names | None:
    """List what metrics, params and tags of all runs are called; None where there is no run yet.

    Where there is none, no name can be told from a mistake.
    """
    from gitml.index import Query
    from gitml.render.fields import Names

    index = repo.index
    if not index.count(Query(view="all")):
        return None
    return Names(
        frozenset(index.metric_names()), frozenset(index.param_names()), frozenset(index.tag_names())
    )


def read_fields(repo: Repo, runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Find fields by names that any run of the repository has; none where there are no runs at all.

    Raises:
        UnknownColumnError: No run has one of them.
    """
    from gitml.render.fields import find_field

    known = recorded_names(repo) if names else None
    return [] if known is None else [find_field(name, runs, known) for name in names]


def read_order(repo: Repo, keys: Sequence[str]) -> list[SortKey]:
    """Read sort keys: '-acc' and 'acc DESC' are one; none where there are no runs at all.

    Raises:
        UnknownColumnError: No run has one of the fields.
        NotSortableError: One of them has no order.
    """
    known = recorded_names(repo) if keys else None
    return [] if known is None else [_sort_key(key, known) for key in keys]


def _sort_key(key: str, known: Names) -> SortKey:
    from gitml.cli.output import warn
    from gitml.render.fields import ATTRIBUTES, filter_name, find_field

    name, direction = (key[1:], " DESC") if key.startswith("-") else (key, "")
    bare, _, last = name.rpartition(" ")
    if last.upper() in ("ASC", "DESC") and bare:
        name, direction = bare.strip(), f" {last.upper()}"
    field = find_field(name, (), known)
    if field in ATTRIBUTES and name in known.metrics:
        warn(f"sorted by the attribute '{name}' of runs; the metric is metrics.{name}")
    written = filter_name(field, known.metrics)
    if written is None:
        raise NotSortableError(name)
    return SortKey(field, written + direction)


def read_top(repo: Repo, name: str) -> tuple[str, list[SortKey]]:
    """Read what `--top` names: a metric or one of its statistics.

    Returns:
        The condition that a run has it, and what to sort by for the best first; neither where there are
        no runs at all.

    Raises:
        UnknownColumnError: No run has it.
        UsageError: It is no metric.
    """
    from gitml.index.expressions import Kind
    from gitml.index.fields import qualified
    from gitml.render.fields import kind_of_name, metric_and_stat, metric_field
    from gitml.tracking.direction import lower_is_better

    known = recorded_names(repo)
    if known is None:
        return "", []
    kind, rest = kind_of_name(name)
    key = rest if kind is Kind.METRIC else name
    field = metric_field(key, known.metrics)
    if field is None:
        raise _no_metric(name, known)
    metric, stat = metric_and_stat(key, known.metrics)
    written = qualified(Kind.METRIC, metric, stat or "last")
    direction = "ASC" if lower_is_better(metric) else "DESC"
    return f"{written} IS NOT NULL", [SortKey(field, f"{written} {direction}")]


def _no_metric(name: str, known: Names) -> UsageError:
    from gitml.render.fields import UnknownColumnError, find_field

    try:
        other = find_field(name, (), known)
    except UnknownColumnError:
        return UnknownColumnError(name, [f"metrics.{metric}" for metric in known.metrics])
    return UsageError(
        f"--top takes a metric, and '{clean(name)}' is {clean(other)}",
        hint=f"gitml log -n N -s {shlex.quote(f'-{name}')}",
    )
