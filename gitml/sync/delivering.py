"""Artifacts of records go to a remote before the records, and after them where they were left behind.

Records that the remote does not have yet wait for their artifacts. Those that it has
already, by `--no-artifacts` or a plain `git push`, keep nothing back: what can be sent
of theirs is sent, and what can't is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError, RemoteError
from gitml.progress import Advance
from gitml.repo import Repo
from gitml.store.base import Failure, Transferred
from gitml.store.local import ObjectMissingError
from gitml.sync.delivered import Lacking, Mark, place_of, read_mark, write_mark
from gitml.sync.objects import (
    ArtifactsNotSentError,
    Held,
    kept_by,
    missing_here,
    missing_there,
    run_ids,
    send,
)
from gitml.sync.purged import of_older_runs, purged_of

_NAMED = 3


class ArtifactsLeftError(RemoteError):
    """Artifacts of runs that a remote has already did not get there, although they are here."""

    def __init__(self, remote: str, failed: Sequence[Failure], needed_by: str) -> None:
        noun = "artifact" if len(failed) == 1 else "artifacts"
        first = failed[0].error
        again = "the next gitml push tries again"
        super().__init__(
            f"{len(failed):,} {noun} of {needed_by}, which '{remote}' has, could not be sent: {first}",
            hint=f"{first.hint}; {again}" if first.hint else again,
        )
        self.remote = remote
        self.failed = tuple(failed)


@dataclass(frozen=True, slots=True)
class Left:
    """Artifacts that the remote's runs lack after a push, none of which kept a run here.

    Attributes:
        missing: Objects that are neither here nor there.
        missing_of: The runs that need them, in words.
        failed: Objects that are here, and could not be sent.
        failed_of: The runs that need those.
        known: How many more were missing when the remote was asked last, and are not here.
    """

    missing: tuple[Failure, ...] = ()
    missing_of: str = ""
    failed: tuple[Failure, ...] = ()
    failed_of: str = ""
    known: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the artifacts of a push.

    Attributes:
        objects: What went and what was there; `failed` is in `left` too.
        left: What did not go.
        lacking: Records with objects that are missing, for the mark.
    """

    objects: Transferred = field(default_factory=Transferred)
    left: Left = field(default_factory=Left)
    lacking: tuple[Lacking, ...] = ()


class Delivery:
    """Artifacts on their way to one remote."""

    def __init__(
        self,
        repo: Repo,
        remote: str,
        tips: Callable[[], Sequence[str]],
        *,
        look_again: Callable[[], None] | None = None,
        url: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Say where to.

        Args:
            repo: The repository.
            remote: The remote's name, or a URL.
            tips: Gives the commits that the remote's histories end in, as far as is known.
            look_again: Fetches what the remote has now; what was purged may be among it.
            url: Where it is, if git told.
            dry_run: Only tell what would go.
        """
        self._repo = repo
        self._remote = remote
        self._tips = tips
        self._look_again = None if dry_run else look_again
        self._url = url
        self._dry_run = dry_run
        self._name = remote if url is None else f"{remote}\0{url}"  # git may push to several URLs of a remote
        self._place = place_of(repo, remote, url)
        self._mark = read_mark(repo, self._name, self._place)

    @property
    def is_known(self) -> bool:
        """Whether something went to this very place before."""
        return self._mark is not None

    def forget(self) -> None:
        """Ask about everything again."""
        self._mark = None

    def uncovered(self, tips: Collection[str], new: Sequence[str], known: Sequence[str]) -> list[str]:
        """List the records whose artifacts are not known to be there.

        Args:
            tips: Where the histories end that are pushed.
            new: The records that they have beside `known`.
            known: Commits that the remote has.
        """
        covered = [self._mark.tip] if self._mark and self._mark.tip else []
        if set(covered) == set(known):
            commits = new
        elif set(tips) <= set(covered):
            commits = []
        else:
            walked = self._repo.git.rev_list(list(tips), covered)
            commits = [commit for commit, parents in walked if len(parents) < 2]
        here_now = (one.commit for one in self._lacking() if self._is_here(one.pointer))
        return list(dict.fromkeys([*filter(self._repo.git.has_object, here_now), *commits]))

    def deliver(
        self, commits: Sequence[str], new: Collection[str], progress: Advance | None = None
    ) -> Delivered:
        """Send what records point at and the remote lacks.

        Args:
            commits: The records.
            new: Those that the remote does not have yet.
            progress: Called with the number of bytes done since the last call.

        Raises:
            ArtifactsNotSentError: One of a record that the remote does not have yet could not be sent.
        """
        held = kept_by(self._repo.git, commits) if commits else []
        waiting = {one.pointer for one in held if one.commit in set(new)}
        try:
            objects = self._send(held, waiting, new, progress) if held else Transferred()
        except GitmlError as err:  # there is no such store, or it can't be asked
            if waiting and not isinstance(err, RemoteError):
                raise
            objects = Transferred(failed=tuple(Failure(p, err) for p in dict.fromkeys(_pointers(held))))
        blocking = [failure for failure in objects.failed if failure.pointer in waiting]
        if blocking:
            raise ArtifactsNotSentError(self._remote, blocking, self._runs(held, blocking))
        missing = [failure for failure in objects.failed if isinstance(failure.error, ObjectMissingError)]
        failed = [failure for failure in objects.failed if failure not in missing]
        gone = {failure.pointer for failure in missing}
        lacking = tuple(Lacking(one.commit, one.pointer) for one in held if one.pointer in gone)
        earlier = {one.pointer for one in self._lacking() if not self._is_here(one.pointer)} - gone
        left = Left(
            tuple(missing), self._runs(held, missing), tuple(failed), self._runs(held, failed), len(earlier)
        )
        return Delivered(objects, left, lacking)

    def note(self, tip: str | None, done: Delivered) -> None:
        """Remember that the remote has the artifacts of all records up to a tip; None if it was not asked."""
        if self._dry_run:
            return
        if tip is None or done.left.failed:
            if self._mark is None:
                self._write(Mark(self._place))
            return
        earlier = (one for one in self._lacking() if not self._is_here(one.pointer))
        self._write(Mark(self._place, tip, tuple(dict.fromkeys([*earlier, *done.lacking]))))

    def _write(self, mark: Mark) -> None:
        if mark != self._mark:
            write_mark(self._repo, self._name, mark)
            self._mark = mark

    def _lacking(self) -> tuple[Lacking, ...]:
        return self._mark.lacking if self._mark else ()

    def _is_here(self, pointer: Pointer) -> bool:
        return self._repo.objects.has(pointer.oid, pointer.size)

    def _send(
        self,
        held: Sequence[Held],
        waiting: set[Pointer],
        new: Collection[str],
        progress: Advance | None,
    ) -> Transferred:
        """Send what is not purged.

        A remote that lacks what a run had that it knows is asked for tombstones first.
        """
        pointers = list(dict.fromkeys(_pointers(held)))
        unsure = of_older_runs(self._repo, held, new).union(missing_here(self._repo, pointers))
        purged = self._purged(held, unsure)
        asked = unsure - purged
        lacking = set(missing_there(self._repo, self._remote, asked, url=self._url)) if asked else set()
        if self._look_again and any(one in waiting or self._is_here(one) for one in lacking):
            self._look_again()
            purged |= self._purged(held, lacking)
        there = asked - lacking
        going = [pointer for pointer in pointers if pointer not in purged and pointer not in there]
        present = Transferred(present=tuple(pointer for pointer in pointers if pointer in there))
        if self._dry_run:
            return present + self._tried(going, lacking)
        return present + send(self._repo, self._remote, going, progress, url=self._url)

    def _tried(self, going: Sequence[Pointer], lacking: Collection[Pointer]) -> Transferred:
        """Tell what would go."""
        unasked = [pointer for pointer in going if pointer not in lacking]
        away = set(missing_there(self._repo, self._remote, unasked, url=self._url)).union(lacking)
        absent = [pointer for pointer in going if pointer in away]
        return Transferred(
            moved=tuple(pointer for pointer in absent if self._is_here(pointer)),
            present=tuple(pointer for pointer in going if pointer not in away),
            failed=tuple(
                Failure(pointer, ObjectMissingError(pointer.oid, pointer.size))
                for pointer in absent
                if not self._is_here(pointer)
            ),
        )

    def _purged(self, held: Sequence[Held], pointers: Collection[Pointer]) -> set[Pointer]:
        concerned = [one for one in held if one.pointer in pointers]
        return purged_of(self._repo, concerned, self._tips()) if concerned else set()

    def _runs(self, held: Sequence[Held], failed: Sequence[Failure]) -> str:
        """Name the runs that need objects, the first few of them."""
        if not failed:
            return ""
        pointers = {failure.pointer for failure in failed}
        commits = dict.fromkeys(one.commit for one in held if one.pointer in pointers)
        ids = list(dict.fromkeys(run_ids(self._repo.git, list(commits)).values()))
        named = []
        for run_id in ids[:_NAMED]:
            run = self._repo.index.get(run_id)
            named.append(f"{run_id[:7]} '{run.name}'" if run else run_id[:7])
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        return f"run{'s' if len(ids) > 1 else ''} {', '.join(named)}{more}"


def _pointers(held: Iterable[Held]) -> Iterable[Pointer]:
    return (one.pointer for one in held)
