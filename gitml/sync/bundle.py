"""Runs, tags and artifacts in one file, for a site that has no network.

Applying one is like a pull: what comes is inspected and joined like what comes from
a remote, after the whole file was found sound. `bundle_making` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import RefusedError
from gitml.progress import Advance, Reach
from gitml.repo import RUNS_REF, Repo
from gitml.store.base import Transferred
from gitml.store.incoming import receive
from gitml.sync.bundle_arrival import arrival
from gitml.sync.bundle_file import BundleFile, Member
from gitml.sync.bundle_manifest import Manifest, NeedsOlderRunsError
from gitml.sync.inspect import Commit, inspect_or_refuse
from gitml.sync.join import check_ours, join_runs
from gitml.sync.purged import given_up
from gitml.sync.receive_tags import is_registry_tag
from gitml.sync.seen import record_refs
from gitml.sync.tags import TagClash, adopt_tags, note_handed_out
from gitml.sync.workspace import workspace


class OtherObjectFormatError(RefusedError):
    """A bundle is of a repository with another hash."""

    def __init__(self, path: object, there: str, here: str) -> None:
        super().__init__(
            f"'{path}' is of a {there} repository, this one is {here}",
            hint=f"make a repository for it: git init --object-format={there}",
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """What a bundle brought.

    Attributes:
        manifest: What was in it.
        records: Records of runs and experiments that joined the branch.
        joined: Whether two histories were joined by a merge commit.
        objects: What became of the artifacts.
        purged: Artifacts that were left where they are: all runs that have them purged them.
        tags: Tags of the registry that were made here.
        clashes: Tags that are something else here; those were left as they are.
        tip: Where the branch is now.
    """

    manifest: Manifest
    records: int = 0
    joined: bool = False
    objects: Transferred = field(default_factory=Transferred)
    purged: tuple[Pointer, ...] = ()
    tags: tuple[str, ...] = ()
    clashes: tuple[TagClash, ...] = ()
    tip: str | None = None


def verify(path: Path, repo: Repo | None = None, progress: Advance | None = None) -> Manifest:
    """Read all of a bundle and make sure that it is what was made.

    Args:
        path: The file.
        repo: Where it would be applied: then it must have what the bundle goes on from.
        progress: Called with the number of bytes done since the last call.

    Raises:
        BundleDamagedError: It is not.
        NeedsOlderRunsError: It goes on from runs that are not in the repository.
    """
    with BundleFile(path) as file:
        if repo is not None:
            _check_fit(repo, file)
        for member in file.members():
            file.check(member, progress or (lambda _: None))
        return file.manifest


def apply(
    repo: Repo,
    path: Path,
    *,
    progress: Advance | None = None,
    inspected: Reach | None = None,
    dry_run: bool = False,
) -> Applied:
    """Take in what a bundle brings. Safe to repeat.

    Nothing joins before the whole file was read and its records were inspected.
    Artifacts that were found right may stay when another one is wrong. Those that
    were purged, as this repository or the bundle itself knows, do not come back.

    Args:
        repo: The repository.
        path: The file.
        progress: Called with the number of bytes done since the last call.
        inspected: Told how many of how many new commits are inspected.
        dry_run: Do all of that apart, and only tell what would come.

    Raises:
        BundleDamagedError: The file is not what was made.
        NeedsOlderRunsError: It goes on from runs that are not here.
        UnsoundRecordsError: Something in it is no sound record.
    """
    tell = progress or (lambda _: None)
    with BundleFile(path) as file, workspace(repo) as folder:
        _check_fit(repo, file)
        members = list(file.members())  # so a file that is cut off is told before anything is done
        git_part = _copy_git_part(file, members, folder, tell)
        with arrival(repo, path, git_part, folder) as arrived:
            new, tags = _inspect(arrived.repo, file, inspected)
            tips = [*record_refs(repo).values(), *file.manifest.tips]
            gone = given_up(arrived.repo.git, tips, {pointer.oid for pointer in file.manifest.objects})
            objects, purged = _receive(repo, file, members, gone, tell, dry_run=dry_run)
            records = sum(len(parents) < 2 for _, parents in new)
            if dry_run:
                return Applied(file.manifest, records, objects=objects, purged=purged)
            arrived.keep()
    before = repo.git.tip(RUNS_REF)
    after = join_runs(repo, file.manifest.tips)
    note_handed_out(repo, tags.values())
    made, clashes, _ = adopt_tags(repo, tags)
    joined = after != before and after not in file.manifest.tips
    return Applied(file.manifest, records, joined, objects, purged, tuple(made), tuple(clashes), after)


def _check_fit(repo: Repo, file: BundleFile) -> None:
    """Make sure that a bundle can be applied, before gigabytes are copied."""
    manifest = file.manifest
    if manifest.object_format != repo.git.object_format:
        raise OtherObjectFormatError(file.path, manifest.object_format, repo.git.object_format)
    missing = [commit for commit in manifest.needs if not repo.git.has_object(commit)]
    if missing:
        raise NeedsOlderRunsError(file.path, missing)


def _copy_git_part(file: BundleFile, members: Iterable[Member], folder: Path, tell: Advance) -> Path | None:
    for member in members:
        if member.is_git:
            target = folder / "runs.bundle"
            with target.open("xb") as stream:
                file.check(member, tell, stream)
            return target
    return None


def _inspect(
    arrived: Repo, file: BundleFile, inspected: Reach | None
) -> tuple[Sequence[Commit], Mapping[str, str]]:
    """Make sure that what came may join; gives the commits that are new, and the tags."""
    manifest, name, git = file.manifest, file.path.name, arrived.git
    missing = [tip for tip in manifest.tips if not git.has_object(tip)]
    if missing:
        raise NeedsOlderRunsError(file.path, missing)
    for tip in manifest.tips:
        check_ours(arrived, name, tip)
    before = git.tip(RUNS_REF)
    new = list(git.rev_list(manifest.tips, [before] if before else [])) if manifest.tips else []
    inspect_or_refuse(git, new, name, inspected)
    tags = {ref: oid for ref, oid in (manifest.tags or {}).items() if git.has_object(oid)}
    contents = zip(tags, git.process.cat_objects(tags.values()), strict=True)
    wrong = [ref for ref, found in contents if found is None or not is_registry_tag(ref, *found)]
    if wrong:
        raise RefusedError(
            f"'{file.path}' holds '{wrong[0]}', which is no tag of the registry",
            hint="nothing was joined; ask who made it to look at it: git show",
        )
    return new, tags


def _receive(
    repo: Repo, file: BundleFile, members: Iterable[Member], gone: set[str], tell: Advance, *, dry_run: bool
) -> tuple[Transferred, tuple[Pointer, ...]]:
    """Take in the artifacts, but for those that were given up; also of these each byte is checked."""
    moved: list[Pointer] = []
    present: list[Pointer] = []
    purged: list[Pointer] = []
    for member in members:
        pointer = member.pointer
        if member.is_git:
            continue
        if pointer.oid in gone:
            file.check(member, tell)
            purged.append(pointer)
        elif dry_run:
            file.check(member, tell)
            (present if repo.objects.has(pointer.oid, pointer.size) else moved).append(pointer)
        elif receive(repo.objects, pointer, partial(file.read, member), tell):
            moved.append(pointer)
        else:
            present.append(pointer)
    return Transferred(tuple(moved), tuple(present)), tuple(purged)
