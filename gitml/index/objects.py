"""Many objects of the branch, by their content alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitml.git.bulk import read_bulk
from gitml.git.repo import GitRepo


def read_objects(git: GitRepo, oids: Sequence[str]) -> Iterator[bytes | None]:
    """Read objects in the order asked for; None for what git lacks.

    Raises:
        GitStoppedError: One is damaged.
    """
    return (None if found is None else found[1] for found in read_bulk(git.process, oids))
