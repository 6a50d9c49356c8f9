"""Objects of git for an inspection: read in bulk, and never fetched for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from gitml.errors import DamagedError
from gitml.git.repo import GitRepo

_Answer = TypeVar("_Answer", bytes, int)


class GitStoppedError(DamagedError):
    """git ended before it had answered: an object is damaged."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"git stopped reading at object '{oid[:12]}'", hint="git fsck names what is damaged")
        self.oid = oid


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
        present = self._present(asked)
        return _in_order(asked, present, self._git.process.cat_objects(present))

    def sizes(self, oids: Iterable[str]) -> Iterator[tuple[str, int] | None]:
        """Tell kind and length of objects, in order; None for what is not here.

        Raises:
            GitStoppedError: One is damaged.
        """
        asked = list(oids)
        present = self._present(asked)
        return _in_order(asked, present, self._git.process.cat_sizes(present))

    def _present(self, asked: Sequence[str]) -> Sequence[str]:
        return [oid for oid in asked if oid in self._here] if self.is_partial else asked

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
    asked: Sequence[str], present: Sequence[str], answers: Iterator[tuple[str, _Answer] | None]
) -> Iterator[tuple[str, _Answer] | None]:
    if len(asked) == len(present):
        yield from _complete(asked, answers)
        return
    found = zip(present, _complete(present, answers), strict=True)
    following = next(found, None)
    for oid in asked:
        if following is not None and following[0] == oid:
            yield following[1]
            following = next(found, None)
        else:
            yield None


def _complete(
    asked: Sequence[str], answers: Iterator[tuple[str, _Answer] | None]
) -> Iterator[tuple[str, _Answer] | None]:
    count = 0
    for answer in answers:
        count += 1
        yield answer
    if count < len(asked):
        raise GitStoppedError(asked[count])
