"""Reading curves to be drawn small: thinned, and never in the way of what is shown beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gitml.entities.run import Number, Run
from gitml.errors import DamagedError, NotFoundError
from gitml.render.sparkline import min_max_buckets
from gitml.render.text import clean
from gitml.repo import Repo
from gitml.tracking.history import read_metric

_POINTS = 512


def read_curves(
    repo: Repo,
    run: Run,
    metrics: Sequence[str],
    tell: Callable[[str], None] | None = None,
    *,
    most_points: int | None = None,
) -> Mapping[str, Sequence[Number]]:
    """Read the curves of some metrics, thinned; one that is not here, or is damaged, is left out.

    Args:
        repo: The repository.
        run: The run.
        metrics: Which ones.
        tell: Told what is damaged.
        most_points: How many points may be read in all; a curve that is longer than what is left
            of them is left out.
    """
    found: dict[str, Sequence[Number]] = {}
    for key in metrics:
        count = run.metrics[key].count
        if count < 2 or (most_points is not None and count > most_points):
            continue
        try:
            points = read_metric(repo, run, key, fetch=False)
        except NotFoundError:  # a long history can be an object that was not fetched
            continue
        except DamagedError as err:
            if tell:
                tell(f"the curve of '{clean(key)}' is damaged: {clean(str(err))}")
            continue
        if most_points is not None:
            most_points -= len(points)
        found[key] = [point.value for point in min_max_buckets(points, _POINTS)]
    return found
