"""Clones that lack some of the history on purpose, and what they then don't know.

A shallow clone ends before history does; a partial one (`--filter=blob:none`) has all
commits and folders, and git fetches the content of a file when something reads it,
one by one. Runs would be slow that way, so theirs come together: all but the code
that they pin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitml.formats import run_tree
from gitml.git.remote import Remote
from gitml.git.repo import TREE_MODE
from gitml.repo import Repo

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a repository lacks on purpose.

    Attributes:
        shallow: Its history of runs or code ends early.
        promisors: Remotes that git asks for content that is not here.
    """

    shallow: bool
    promisors: tuple[str, ...]

    @property
    def notes(self) -> list[str]:
        """What to tell a person who looks at runs."""
        notes = []
        if self.shallow:
            notes.append("a shallow clone: older runs may not be here; git fetch --unshallow brings them")
        if self.promisors:
            notes.append(
                f"a partial clone: files of the code that runs pin come from '{self.promisors[0]}' when they are read"
            )
        return notes


def completeness(repo: Repo) -> Completeness:
    """Find out what a repository lacks on purpose."""
    promisors = tuple(
        key[len("remote.") : -len(".promisor")]
        for key, value in repo.settings.values.items()
        if key.startswith("remote.") and key.endswith(".promisor") and value == "true"
    )
    shallow = repo.git.common_dir / "shallow"
    return Completeness(shallow.is_file() and shallow.stat().st_size > 0, promisors)


def bring_contents(repo: Repo, remote: str, commits: Sequence[str]) -> int:
    """Fetch the files of runs that a partial clone lacks, all at once; code stays away.

    Returns:
        How many came; 0 in any other clone.
    """
    if remote not in completeness(repo).promisors or not commits:
        return 0
    if repo.settings.values.get(f"remote.{remote}.partialclonefilter", "").startswith("tree:"):
        # A folder comes with all that are below it, those of code too.
        bring_objects(repo, remote, (repo.git.commit_info(commit).tree for commit in commits))
    return bring_objects(repo, remote, _blobs(repo, commits))


def bring_objects(repo: Repo, remote: str, oids: Iterable[str]) -> int:
    """Fetch objects that a partial clone lacks, all at once; says how many came."""
    lacking = [oid for oid in dict.fromkeys(oids) if not repo.git.has_object(oid)]
    for start in range(0, len(lacking), _BATCH):
        Remote(repo.git.process, remote).fetch_objects(lacking[start : start + _BATCH])
    return len(lacking)


def _blobs(repo: Repo, commits: Sequence[str]) -> Iterator[str]:
    """List the files of runs; folders that several have in common are read once."""
    read: set[str] = set()
    for commit in commits:
        for entry in repo.git.list_tree(commit, recursive=False):
            if entry.path == run_tree.CODE:
                continue
            if entry.mode != TREE_MODE:
                yield entry.oid
            elif entry.oid not in read:
                read.add(entry.oid)
                yield from (inner.oid for inner in repo.git.list_tree(entry.oid))
