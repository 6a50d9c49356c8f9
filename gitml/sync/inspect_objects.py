"""Objects of git for an inspection: read in bulk, and never fetched for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from gitml.git.bulk import GitStoppedError, measure_bulk, read_bulk
from gitml.git.repo import GitRepo

# Known by this name to who reads objects through `Objects`.
__all__ = ["GitStoppedError", "Objects"]


class Objects:
    """The objects of one repository.

    A partial clone lacks most objects on purpose, and git would fetch those that it
    is asked for, one by one: there nothing is asked for that is not here.
    """

    def __init__(self, git: GitRepo) -> None:
        """Read nothing yet."""
        self._git = git

    @cached_property
    def is_partial(self) -> bool:
        """Whether objects may be missing."""
        keys = r"^(extensions\.partialclone|remote\..*\.promisor)$"
        return self._git.process.run_status(["config", "--get-regexp", keys])[0] == 0

    @cached_property
    def _here(self) -> frozenset[str]:
        out = self._git.process.run(
            ["cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)"]
        )
        return frozenset(out.decode().split())

    def read(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes] | None]:
        """Read objects, in order: kind and content, None for what is not here.

        Raises:
            GitStoppedError: One is damaged.
        """
        asked = list(oids)
        if not self.is_partial:
            return read_bulk(self._git.process, asked)
        present = self._present(asked)
        return _in_order(asked, present, read_bulk(self._git.process, present))

    def sizes(self, oids: Iterable[str]) -> Sequence[tuple[str, int] | None]:
        """Tell kind and length of objects, in order; None for what is not here.

        Raises:
            GitStoppedError: One is damaged.
        """
        asked = list(oids)
        present = self._present(asked) if self.is_partial else asked
        found = measure_bulk(self._git.process, present)
        if len(present) == len(asked):
            return found
        known = dict(zip(present, found, strict=True))
        return [known.get(oid) for oid in asked]

    def _present(self, asked: Sequence[str]) -> list[str]:
        return [oid for oid in asked if oid in self._here]

    def on_branches(self, commits: Sequence[str]) -> list[str]:
        """Those of the commits that can be reached from a ref."""
        sizes = zip(commits, self.sizes(commits), strict=True)
        known = [commit for commit, found in sizes if found is not None and found[0] == "commit"]
        if not known:
            return []
        out = self._git.process.run(
            ["rev-list", "--stdin", "--not", "--all"],
            input="".join(f"{commit}\n" for commit in known).encode(),
        )
        loose = set(out.decode().split())
        return [commit for commit in known if commit not in loose]


def _in_order(
    asked: Sequence[str], present: Sequence[str], answers: Iterator[tuple[str, bytes] | None]
) -> Iterator[tuple[str, bytes] | None]:
    """Fill in None for what was not asked of git."""
    found = zip(present, answers, strict=True)
    following = next(found, None)
    for oid in asked:
        if following is not None and following[0] == oid:
            yield following[1]
            following = next(found, None)
        else:
            yield None
