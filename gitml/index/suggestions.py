"""What a name that means nothing may have been meant to be, by what is recorded."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from gitml.index.expressions import Kind
from gitml.index.fields import ATTRIBUTES, STATS, qualified

_MOST = 3


def suggest(name: str, recorded: Mapping[Kind, Collection[str]]) -> list[str]:
    """Find what to write in place of a name without its kind, or of a mistyped one.

    Args:
        name: As written, without quotes.
        recorded: The metrics, params and tags that there are.

    Returns:
        Names as a filter takes them: those that are recorded by just this name, or else similar ones.
    """
    exact = [qualified(kind, name) for kind, names in recorded.items() if name in names]
    base, _, stat = name.rpartition(".")
    if stat in STATS and base in recorded.get(Kind.METRIC, ()):
        exact.insert(0, qualified(Kind.METRIC, base, stat))
    if exact:
        return exact
    spelled: dict[str, list[str]] = {attribute: [attribute] for attribute in ATTRIBUTES}
    for kind, names in recorded.items():
        for key in names:
            spelled.setdefault(key, []).append(qualified(kind, key))
    close = difflib.get_close_matches(name, spelled, n=_MOST, cutoff=0.7)
    return [written for key in close for written in spelled[key]][:_MOST]
