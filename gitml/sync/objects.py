"""Artifacts between this repository and where they travel: needed, sent, fetched.

Runs come without their large files; an object is fetched when it is read. Which
store an object travels through follows from its pointer and from the remote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError, RemoteError
from gitml.formats import run_tree
from gitml.formats.commit_message import RUN_ID, trailers
from gitml.formats.pointer import decode_attributes, decode_pointer
from gitml.formats.purge import FOLDER as PURGED
from gitml.formats.purge import purged_oids
from gitml.git.repo import GitRepo
from gitml.progress import Advance
from gitml.repo import RUNS_REF, Repo
from gitml.store.base import Failure, RemoteStore, Transferred
from gitml.store.local import ObjectMissingError


class ArtifactsNotSentError(RemoteError):
    """Some artifacts can't reach the remote, so what points at them must not either."""

    def __init__(self, remote: str, failed: Sequence[Failure], needed_by: str = "") -> None:
        noun = "artifact" if len(failed) == 1 else "artifacts"
        first = failed[0].error
        alone = "no run that needs them was sent; to send the runs alone: gitml push --no-artifacts"
        super().__init__(
            f"{len(failed):,} {noun} could not be sent to '{remote}': {first}"
            + (f"; needed by {needed_by}" if needed_by else ""),
            hint=f"{first.hint}; {alone}" if first.hint else alone,
        )
        self.remote = remote
        self.failed = tuple(failed)


@dataclass(frozen=True, slots=True)
class Held:
    """A pointer in a record; `path` is in the record's tree."""

    commit: str
    path: str
    pointer: Pointer


def pointers_in(git: GitRepo, commits: Sequence[str]) -> list[Pointer]:
    """List the objects that records point at, each once; without those that their run purged."""
    return list(dict.fromkeys(one.pointer for one in kept_by(git, commits)))


def kept_by(git: GitRepo, commits: Sequence[str]) -> list[Held]:
    """List the pointers of records, without those that their run purged in one of these."""
    held = held_by(git, commits)
    gone = purged_by(git, list(dict.fromkeys(one.commit for one in held)))
    if not gone:
        return held
    runs = run_ids(git, list(dict.fromkeys(one.commit for one in held)))
    purged = {(runs[commit], oid) for commit, oids in gone.items() for oid in oids}
    return [one for one in held if (runs[one.commit], one.pointer.oid) not in purged]


def held_by(git: GitRepo, commits: Sequence[str]) -> list[Held]:
    """List the pointers of records, in the order of the records."""
    attributes = git.cat_paths(f"{commit}:{run_tree.ATTRIBUTES_FILE}" for commit in commits)
    paths = [
        (commit, path)
        for commit, data in zip(commits, attributes, strict=True)
        for path in decode_attributes(data or b"")
        if "\n" not in path
    ]
    found = git.cat_paths(f"{commit}:{path}" for commit, path in paths) if paths else ()
    pointers = (decode_pointer(data or b"") for data in found)
    return [
        Held(commit, path, pointer)
        for (commit, path), pointer in zip(paths, pointers, strict=True)
        if pointer is not None
    ]


def purged_by(git: GitRepo, commits: Sequence[str]) -> dict[str, list[str]]:
    """Tell which records have tombstones, and of which objects."""
    trees = git.cat_paths(f"{commit}:{PURGED}" for commit in commits) if commits else ()
    found = ((commit, purged_oids(tree)) for commit, tree in zip(commits, trees, strict=True))
    return {commit: oids for commit, oids in found if oids}


def run_ids(git: GitRepo, commits: Sequence[str]) -> dict[str, str]:
    """Read which run each record is of; "" for one of something else."""
    bodies = git.cat_paths(commits) if commits else ()
    messages = ((body or b"").partition(b"\n\n")[2].decode("utf-8", "replace") for body in bodies)
    return {
        commit: trailers(message).get(RUN_ID, "") for commit, message in zip(commits, messages, strict=True)
    }


def send(
    repo: Repo,
    remote: str,
    pointers: Iterable[Pointer],
    progress: Advance | None = None,
    *,
    url: str | None = None,
) -> Transferred:
    """Send objects to where a remote's artifacts are, all that it lacks.

    Args:
        repo: The repository.
        remote: The remote's name, or a URL.
        pointers: The objects.
        progress: Called with the number of bytes done since the last call.
        url: Where the remote is, if that is known already.

    Returns:
        What went; `failed` are those that did not, all of a store that can't be used.
    """
    done = Transferred()
    for store, group in _by_store(repo, remote, pointers, url):
        with closing(store):
            try:
                done += store.upload(repo.objects, group, progress)
            except RemoteError as err:  # the store as a whole: none of them can go
                done += Transferred(failed=tuple(Failure(pointer, err) for pointer in group))
    return done


def missing_there(
    repo: Repo, remote: str, pointers: Iterable[Pointer], *, url: str | None = None
) -> list[Pointer]:
    """Tell which objects a remote lacks, without sending any."""
    lacking: list[Pointer] = []
    for store, group in _by_store(repo, remote, pointers, url):
        with closing(store):
            lacking += store.missing(group)
    return lacking


def missing_here(repo: Repo, pointers: Iterable[Pointer]) -> list[Pointer]:
    """Tell which objects this repository lacks, each once."""
    return [p for p in dict.fromkeys(pointers) if not repo.objects.has(p.oid, p.size)]


def fetch_objects(
    repo: Repo, pointers: Iterable[Pointer], *, remotes: Sequence[str] | None = None,
    progress: Advance | None = None,
) -> Transferred:  # fmt: skip
    """Bring objects that are not here, from the first remote that has them.

    Args:
        repo: The repository.
        pointers: The objects.
        remotes: Where to look, in this order; if not given, where the runs come
            from, then `origin`, then the others.
        progress: Called with the number of bytes done since the last call.

    Returns:
        What came; `failed` are those that no remote gave, each with the first
        remote's reason.
    """
    wanted = missing_here(repo, pointers)
    own = [pointer for pointer in wanted if not pointer.lfs]
    done = _fetch_from(repo, "", own, progress) if own else Transferred()
    reasons = {failure.pointer: failure.error for failure in done.failed}
    lfs = [pointer for pointer in wanted if pointer.lfs]
    for remote in likely_remotes(repo) if remotes is None else remotes:
        if not lfs:
            break
        part = _fetch_from(repo, remote, lfs, progress)
        done += part
        for failure in part.failed:
            reasons.setdefault(failure.pointer, failure.error)
        lfs = missing_here(repo, lfs)
    failed = [
        Failure(p, reasons.get(p) or ObjectMissingError(p.oid, p.size)) for p in missing_here(repo, wanted)
    ]
    return Transferred(done.moved, done.present, tuple(failed))


def _fetch_from(
    repo: Repo, remote: str, pointers: Sequence[Pointer], progress: Advance | None
) -> Transferred:
    """Fetch objects of one kind; those of gitml's own are in one store, whatever the remote."""
    from gitml.sync.stores import open_remote_store

    try:
        with closing(open_remote_store(repo, remote, lfs=pointers[0].lfs)) as store:
            return store.download(repo.objects, pointers, progress)
    except GitmlError as err:  # another remote may do
        return Transferred(failed=tuple(Failure(pointer, err) for pointer in pointers))


def ensure_here(repo: Repo, pointers: Iterable[Pointer], progress: Advance | None = None) -> Transferred:
    """Fetch what is about to be read and is not here.

    Raises:
        ObjectMissingError: No remote has it; there is none to ask.
        GitmlError: Why the first object did not come.
    """
    done = fetch_objects(repo, pointers, progress=progress)
    if done.failed:
        raise done.failed[0].error
    return done


def likely_remotes(repo: Repo) -> list[str]:
    """Order the remotes by how likely they have what a run points at."""
    known = list(repo.settings.remotes)
    upstream = repo.settings.values.get(f"branch.{RUNS_REF.removeprefix('refs/heads/')}.remote")
    return sorted(known, key=lambda name: (name != upstream, name != "origin", known.index(name)))


def _by_store(
    repo: Repo, remote: str, pointers: Iterable[Pointer], url: str | None = None
) -> Iterator[tuple[RemoteStore, list[Pointer]]]:
    from gitml.sync.stores import open_remote_store  # 10 ms, and most runs have no artifacts

    unique = list(dict.fromkeys(pointers))
    for lfs in (True, False):
        group = [pointer for pointer in unique if pointer.lfs == lfs]
        if group:
            yield open_remote_store(repo, remote, lfs=lfs, url=url), group
