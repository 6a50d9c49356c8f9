"""Which run of the second time is which of the first: they, and the runs that are part of them.

A step can be given what an earlier one made by that one's id (`runs:/<id>/table`).
The second time it is another id, and means the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace

from gitml.entities.run import ParamValue, Run
from gitml.execution.reproduction.planning import REPRODUCES
from gitml.repo import Repo

_MOST_PARTS = 10_000
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Counterparts:
    """A run, and the one that was to come out as it did.

    Attributes:
        original: The first one.
        again: The second one.
        parts: Runs that are part of them, in pairs.
        alone: Runs that are part of one of them and have no counterpart:
            the run, and whether it is the first one's.
    """

    original: Run
    again: Run
    parts: tuple[Counterparts, ...]
    alone: tuple[tuple[Run, bool], ...]


def find_counterparts(repo: Repo, original: Run, again: Run, ids: MutableMapping[str, str]) -> Counterparts:
    """Pair two runs and all that are part of them.

    Args:
        repo: Where they are.
        original: The first one.
        again: The second one.
        ids: Gets the id of each first run, with that of its counterpart.
    """
    ids[original.id] = again.id
    pairs, alone = _pair(_parts(repo, original), _parts(repo, again), ids)
    parts = tuple(find_counterparts(repo, one, other, ids) for one, other in pairs)
    return Counterparts(original, again, parts, alone)


def in_other_words(run: Run, other: Run, ids: Mapping[str, str]) -> Run:
    """Name other runs in a run by their counterparts where it then says what its own counterpart says.

    Args:
        run: The first one.
        other: Its counterpart.
        ids: As `find_counterparts` gave them.
    """
    params = {name: _agreed(value, other.params.get(name), ids) for name, value in run.params.items()}
    tags = {name: str(_agreed(text, other.tags.get(name), ids)) for name, text in run.tags.items()}
    there = {(data.name, data.context) for data in other.inputs}
    inputs = []
    for data in run.inputs:
        name, source = (str(_renamed(text, ids)) for text in (data.name, data.source))
        known = (name, data.context) in there
        inputs.append(replace(data, name=name, source=source) if known else data)
    return replace(run, params=params, tags=tags, inputs=tuple(inputs))


def _agreed(value: ParamValue, other: ParamValue, ids: Mapping[str, str]) -> ParamValue:
    renamed = _renamed(value, ids)
    return renamed if renamed == other else value


def _renamed(value: ParamValue, ids: Mapping[str, str]) -> ParamValue:
    if isinstance(value, list):
        return [_renamed(item, ids) for item in value]
    if isinstance(value, str):
        return _ID.sub(lambda match: ids.get(match[0], match[0]), value)
    return value


def _parts(repo: Repo, run: Run) -> list[Run]:
    """List the runs that a run's program made, oldest first."""
    found = repo.index.children(run.id, _MOST_PARTS)
    return sorted(
        (child for child in found if REPRODUCES not in child.tags),
        key=lambda child: (child.start_ms, child.id),
    )


def _pair(
    first: list[Run], second: list[Run], ids: MutableMapping[str, str]
) -> tuple[list[tuple[Run, Run]], tuple[tuple[Run, bool], ...]]:
    """Find counterparts: runs with the same params, in the order of their start; else those left in order."""
    left = list(second)
    pairs: list[tuple[Run, Run]] = []
    unlike = []
    for one in first:
        params = {name: _renamed(value, ids) for name, value in one.params.items()}
        other = next((run for run in left if run.params == params), None)
        if other is None:
            unlike.append(one)
        else:
            left.remove(other)
            pairs.append((one, other))
            ids[one.id] = other.id
    pairs += zip(unlike, left, strict=False)
    paired = min(len(unlike), len(left))
    alone = (*((run, True) for run in unlike[paired:]), *((run, False) for run in left[paired:]))
    order = {run.id: at for at, run in enumerate(first)}
    return sorted(pairs, key=lambda pair: order[pair[0].id]), alone
