"""Filters and orderings of experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitml.api.item_filter import Fields
from gitml.api.values import ViewType
from gitml.entities.run import Experiment

_MILLISECONDS = "a number of milliseconds"
_FIELDS: Fields[Experiment] = Fields(
    "experiments",
    texts={"name": lambda experiment: experiment.name, "experiment_id": lambda experiment: experiment.id},
    numbers={
        "creation_time": lambda experiment: experiment.created_ms,
        "last_update_time": lambda experiment: experiment.updated_ms,
    },
    tags=lambda experiment: experiment.tags,
    aliases={
        "experiment_name": "name",
        "id": "experiment_id",
        "created": "creation_time",
        "updated": "last_update_time",
    },
    examples={"creation_time": _MILLISECONDS, "last_update_time": _MILLISECONDS},
)


def select_experiments(
    experiments: Iterable[Experiment], view_type: int, filter_string: str, order_by: Sequence[str]
) -> list[Experiment]:
    """Pick and sort experiments; without an order the newest is first.

    Raises:
        FilterSyntaxError: The filter or an ordering means nothing.
        UsageError: There is no such view type.
    """
    view = ViewType.to_string(view_type)
    wanted = {"active_only": (False,), "deleted_only": (True,), "all": (False, True)}[view]
    found = [experiment for experiment in experiments if (experiment.deleted_ms is not None) in wanted]
    found.sort(key=lambda experiment: (-experiment.created_ms, experiment.id))
    return _FIELDS.select(found, filter_string, order_by)
