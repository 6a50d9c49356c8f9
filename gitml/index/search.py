"""Questions to the index, and their answers as runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gitml.entities.run import Run
from gitml.index.lookups import key_names
from gitml.index.reading import load_runs
from gitml.index.schema import METRIC, NEWEST_FIRST, PARAM, TAG

View = Literal["active", "deleted", "all"]
# A deleted experiment takes its runs with it.
_GONE = "r.experiment_id IN (SELECT experiment_id FROM experiment WHERE deleted)"
_VIEWS = {
    "active": f"r.deleted_ms IS NULL AND NOT {_GONE}",
    "deleted": f"(r.deleted_ms IS NOT NULL OR {_GONE})",
    "all": "1",
}


@dataclass(frozen=True)
class Query:
    """Which runs are wanted, and in which order.

    `filter` and `order_by` are in the language of docs/reference/filters.md.
    Without `order_by` the runs that started last come first.
    """

    filter: str = ""
    experiment_ids: tuple[str, ...] | None = None
    order_by: tuple[str, ...] = ()
    limit: int | None = None
    offset: int = 0
    view: View = "active"


def search(connection: sqlite3.Connection, query: Query) -> list[Run]:
    """Find runs.

    Raises:
        FilterSyntaxError: The filter or a sort key can't be read.
    """
    return list(load_runs(connection, find_numbers(connection, query)))


def count(connection: sqlite3.Connection, query: Query) -> int:
    """Count the runs that a query matches, whatever its limit.

    Raises:
        FilterSyntaxError: The filter can't be read.
    """
    if query == Query(limit=query.limit, offset=query.offset):
        simple = _count_active(connection)
        if simple is not None:
            return simple
    where, values = _where(connection, query)
    found = connection.execute(f"SELECT count(*) FROM run r WHERE {where}", values)  # noqa: S608
    return int(found.fetchone()[0])


def code_commits(connection: sqlite3.Connection, query: Query) -> frozenset[str]:
    """Find the commits of the code that the runs were made from which a query matches, whatever its limit.

    Raises:
        FilterSyntaxError: The filter can't be read.
    """
    where, values = _where(connection, query)
    found = connection.execute(f"SELECT DISTINCT r.code_commit FROM run r WHERE {where}", values)  # noqa: S608
    return frozenset(commit for (commit,) in found if commit)


def _count_active(connection: sqlite3.Connection) -> int | None:
    """Count the runs that are not deleted by two indexes; None where experiments are deleted."""
    if connection.execute("SELECT 1 FROM experiment WHERE deleted").fetchone() is not None:
        return None
    found = connection.execute(
        "SELECT (SELECT count(*) FROM run) - (SELECT count(*) FROM run WHERE deleted_ms IS NOT NULL)"
    )
    return int(found.fetchone()[0])


def find_numbers(connection: sqlite3.Connection, query: Query) -> list[int]:
    """Find runs by their numbers, in the order wanted.

    Raises:
        FilterSyntaxError: The filter or a sort key can't be read.
    """
    where, values = _where(connection, query)
    joins, order, join_values = _ordering(connection, query.order_by)
    limit = -1 if query.limit is None else max(0, query.limit)
    rows = connection.execute(
        f"SELECT r.run_n FROM run r {joins} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
        [*join_values, *values, limit, max(0, query.offset)],
    )
    return [number for (number,) in rows]


def _where(connection: sqlite3.Connection, query: Query) -> tuple[str, list[object]]:
    parts: list[str] = [_VIEWS[query.view]]
    values: list[object] = []
    if query.experiment_ids is not None:
        parts.append(f"r.experiment_id IN ({', '.join('?' * len(query.experiment_ids))})")
        values += query.experiment_ids
    if query.filter.strip():
        # The language costs 30 ms to load, and most lists need none of it.
        from gitml.index.filters import parse_filter
        from gitml.index.sql import condition_sql

        names = _Names(connection)
        condition = parse_filter(query.filter, is_metric=names.has_metric, suggest=names.suggest)
        if condition is not None:
            sql, parameters = condition_sql(condition)
            parts.append(sql)
            values += parameters
    return " AND ".join(parts), values


def _ordering(connection: sqlite3.Connection, keys: Sequence[str]) -> tuple[str, str, list[object]]:
    if not keys:
        return "", NEWEST_FIRST, []
    from gitml.index.filters import parse_order
    from gitml.index.sql import order_sql

    names = _Names(connection)
    return order_sql([parse_order(key, is_metric=names.has_metric, suggest=names.suggest) for key in keys])


class _Names:
    """What metrics, params and tags of any run are called."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def has_metric(self, name: str) -> bool:
        """Tell whether any run has a metric of that name."""
        found = self._connection.execute(
            "SELECT 1 FROM key WHERE kind = ? AND name = ?", (METRIC, name)
        ).fetchone()
        return found is not None

    def suggest(self, name: str) -> list[str]:
        """Tell what a name that means nothing may have been meant to be."""
        from gitml.index.expressions import Kind
        from gitml.index.suggestions import suggest

        recorded = {
            Kind.METRIC: key_names(self._connection, "metric", METRIC),
            Kind.PARAM: key_names(self._connection, "param", PARAM),
            Kind.TAG: key_names(self._connection, "tag", TAG),
        }
        return suggest(name, recorded)
