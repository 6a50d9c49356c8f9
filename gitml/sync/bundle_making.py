"""Making a bundle: a push into a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, NotFoundError, RefusedError
from gitml.git.process import GitCommandFailedError
from gitml.progress import Advance
from gitml.repo import RUNS_REF, Repo
from gitml.sync.bundle_file import BundleFile, FileExistsHereError, write_bundle
from gitml.sync.bundle_manifest import Manifest, NeedsOlderRunsError
from gitml.sync.objects import missing_here, pointers_in
from gitml.sync.partial import completeness
from gitml.sync.purged import given_up
from gitml.sync.seen import TAGS, record_refs, seen
from gitml.sync.tags import local_tags, note_handed_out
from gitml.sync.workspace import temporary_beside, workspace

_HEADER_LINES = (b"# v2 git bundle\n", b"# v3 git bundle\n")


class NothingToBundleError(NotFoundError):
    """There are no runs and no tags."""

    def __init__(self) -> None:
        super().__init__("there are no runs to put into a bundle", hint="gitml log lists runs")


class IncompleteHistoryError(RefusedError):
    """This clone lacks history that the other side may need."""

    def __init__(self, notes: Sequence[str]) -> None:
        super().__init__(
            "a bundle can't be made from a clone that lacks a part of the runs on purpose",
            hint="; ".join(notes) or "make it in a full clone",
        )


class NoRoomForBundleError(RefusedError):
    """git's part of a bundle, which is made in the repository, does not fit there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"git can't write its part of the bundle into '{folder}': the disk is full",
            hint="make room on the disk of the repository, and run the command again",
        )
        self.folder = folder


class ArtifactsNotHereError(RefusedError):
    """Artifacts that a bundle should hold are not here."""

    def __init__(self, missing: Sequence[Pointer]) -> None:
        noun = "artifact is" if len(missing) == 1 else "artifacts are"
        super().__init__(
            f"{len(missing):,} {noun} not here ({sum(p.size for p in missing):,} bytes)",
            hint="bring them first: gitml pull --artifacts; or make the bundle with --filter, --run or --no-artifacts",
        )
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class Known:
    """What the other side has already, as far as that is known."""

    tips: tuple[str, ...] = ()
    objects: frozenset[str] = frozenset()


def known_of(repo: Repo, since: str | None) -> Known:
    """Find out what the other side has.

    Args:
        repo: The repository.
        since: A remote that was looked at, an earlier bundle, or a commit of runs.

    Raises:
        NotFoundError: It is none of these.
        NeedsOlderRunsError: The bundle holds runs that are not here.
    """
    if since is None:
        return Known()
    if since in repo.settings.remotes:
        return Known(tuple(tip for tip in seen(repo, since).tips if repo.git.has_object(tip)))
    if Path(since).is_file():
        with BundleFile(Path(since)) as file:
            manifest = file.manifest
        missing = [tip for tip in manifest.tips if not repo.git.has_object(tip)]
        if missing:
            raise NeedsOlderRunsError(since, missing)
        return Known(manifest.tips, frozenset(pointer.oid for pointer in manifest.objects))
    commit = repo.git.resolve_commit(since)
    if commit is None:
        raise NotFoundError(
            f"'{since}' is no remote, bundle or commit", hint="gitml bundle create FILE --since origin"
        )
    return Known((commit,))


def create(
    repo: Repo,
    target: Path,
    *,
    known: Known = Known(),
    artifacts_of: Sequence[str] | None = None,
    force: bool = False,
    progress: Advance | None = None,
) -> Manifest:
    """Write a bundle.

    Args:
        repo: The repository.
        target: The file.
        known: What the other side has; all else goes in.
        artifacts_of: The records whose artifacts go in; those of the runs that go in, if not given.
        force: Replace a file that is there.
        progress: Called with the number of bytes done since the last call.

    Returns:
        What is in it.

    Raises:
        FileExistsHereError: The file is there, and `force` is not set.
        ArtifactsNotHereError: An artifact that should go in is not here.
    """
    if target.exists() and not force:
        raise FileExistsHereError(target)
    complete = completeness(repo)
    if complete.shallow or complete.promisors:
        raise IncompleteHistoryError(complete.notes)
    tip, tags = repo.git.tip(RUNS_REF), local_tags(repo)
    if tip is None:
        raise NothingToBundleError
    new = [commit for commit, parents in repo.git.rev_list(tip, known.tips) if len(parents) < 2]
    objects = _objects(repo, new if artifacts_of is None else artifacts_of, known)
    with workspace(repo) as folder:
        git_part = folder / "runs.bundle"
        found = _make_git_part(repo, git_part, known.tips, tags)
        manifest = Manifest(
            object_format=repo.git.object_format,
            tips=(tip,),
            needs=tuple(_needs(git_part)) if found else known.tips,
            records=len(new),
            tags=tags,
            git=found,
            objects=objects,
        )
        write_bundle(
            target,
            temporary_beside(target, folder),
            manifest,
            git_part if found else None,
            repo.objects.open,
            progress or (lambda _: None),
        )
    note_handed_out(repo, tags.values())
    return manifest


def _objects(repo: Repo, records: Sequence[str], known: Known) -> tuple[Pointer, ...]:
    wanted = (
        {p.oid: p for p in pointers_in(repo.git, records) if p.oid not in known.objects} if records else {}
    )
    gone = given_up(repo.git, list(record_refs(repo).values()), wanted)
    objects = tuple(Pointer(oid, wanted[oid].size) for oid in sorted(wanted.keys() - gone))
    missing = missing_here(repo, objects)
    if missing:
        raise ArtifactsNotHereError(missing)
    return objects


def _make_git_part(repo: Repo, path: Path, known: Sequence[str], tags: Mapping[str, str]) -> Pointer | None:
    """Let git make its bundle; None if there is nothing to put in."""
    words = [RUNS_REF, *([f"--glob={TAGS}*"] if tags else []), *(f"^{commit}" for commit in known)]
    arguments = ["bundle", "create", "--quiet", str(path.absolute()), *words]
    # One thread, so that the same objects give the same pack.
    process = repo.git.process.start(arguments, configuration=("-c", "pack.threads=1"))
    _, err = process.communicate()
    if process.returncode != 0:
        told = err.decode("utf-8", "replace")
        if "empty bundle" in told:
            return None
        if any(sign in told for sign in ("No space left", "Disk quota", "unable to write", "write error")):
            raise NoRoomForBundleError(path.parent)
        raise GitCommandFailedError(arguments, process.returncode, told)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return Pointer(digest.hexdigest(), size)


def _needs(git_part: Path) -> Iterator[str]:
    """Read from git's bundle which commits it goes on from."""
    with git_part.open("rb") as stream:
        if stream.readline() not in _HEADER_LINES:
            raise DamagedError("git made a bundle of an unknown kind", hint="git version")
        for line in stream:
            if line.startswith(b"-"):
                yield line[1:].split(None, 1)[0].decode()
            elif not line.startswith(b"@"):
                return
