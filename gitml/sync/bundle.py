"""Runs, tags and artifacts in one file, for a site that has no network.

Applying one is like a pull: what comes is inspected and joined like what comes from
a remote, after the whole file was found sound. `bundle_making` makes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, RefusedError
from gitml.git.remote import Remote
from gitml.repo import RUNS_REF, Repo
from gitml.store.base import Transferred
from gitml.store.incoming import receive
from gitml.sync.bundle_file import BundleFile, Member
from gitml.sync.bundle_manifest import Manifest, NeedsOlderRunsError
from gitml.sync.inspect import inspect_or_refuse
from gitml.sync.join import check_ours, join_runs
from gitml.sync.receive_tags import is_registry_tag
from gitml.sync.seen import TAGS, list_refs
from gitml.sync.tags import TagClash, adopt_tags

Progress = Callable[[int], None]
Counted = Callable[[int, int], None]
_INCOMING = "refs/gitml/incoming/"


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
        records: Records of runs and experiments that joined the branch; of a dry
            run those that the bundle says it brings.
        joined: Whether two histories were joined by a merge commit.
        objects: What became of the artifacts.
        tags: Tags of the registry that were made here.
        clashes: Tags that are something else here; those were left as they are.
        tip: Where the branch is now.
    """

    manifest: Manifest
    records: int = 0
    joined: bool = False
    objects: Transferred = field(default_factory=Transferred)
    tags: tuple[str, ...] = ()
    clashes: tuple[TagClash, ...] = ()
    tip: str | None = None


def verify(path: Path, repo: Repo | None = None, progress: Progress | None = None) -> Manifest:
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
    repo: Repo, path: Path, *, progress: Progress | None = None, inspected: Counted | None = None
) -> Applied:
    """Take in what a bundle brings. Safe to repeat.

    Nothing joins before the whole file was read and its records were inspected.
    Artifacts that were found right may stay when something else is wrong.

    Args:
        repo: The repository.
        path: The file.
        progress: Called with the number of bytes done since the last call.
        inspected: Told how many of how many new commits are inspected.

    Raises:
        BundleDamagedError: The file is not what was made.
        NeedsOlderRunsError: It goes on from runs that are not here.
        UnsoundRecordsError: Something in it is no sound record.
    """
    tell = progress or (lambda _: None)
    git_part = repo.root / f".incoming-{uuid.uuid4().hex}"
    try:
        with BundleFile(path) as file:
            _check_fit(repo, file)
            moved: list[Pointer] = []
            present: list[Pointer] = []
            for member in file.members():
                if member.is_git:
                    git_part.parent.mkdir(parents=True, exist_ok=True)
                    with git_part.open("xb") as target:
                        file.check(member, tell, target)
                else:
                    came = _receive(repo, file, member, tell)
                    (moved if came else present).append(member.pointer)
            objects = Transferred(tuple(moved), tuple(present))
            return _take_in(repo, file, git_part if file.manifest.git else None, objects, inspected)
    finally:
        git_part.unlink(missing_ok=True)


def _receive(repo: Repo, file: BundleFile, member: Member, tell: Progress) -> bool:
    return receive(repo.objects, member.pointer, lambda offset: file.read(member, offset), tell)


def _check_fit(repo: Repo, file: BundleFile) -> None:
    """Make sure that a bundle can be applied, before gigabytes are copied."""
    manifest = file.manifest
    if manifest.object_format != repo.git.object_format:
        raise OtherObjectFormatError(file.path, manifest.object_format, repo.git.object_format)
    missing = [commit for commit in manifest.needs if not repo.git.has_object(commit)]
    if missing:
        raise NeedsOlderRunsError(file.path, missing)


def _take_in(
    repo: Repo, file: BundleFile, git_part: Path | None, objects: Transferred, inspected: Counted | None
) -> Applied:
    manifest, name = file.manifest, file.path.name
    with _fetched(repo, file, git_part) as tags:
        tips = [tip for tip in manifest.tips if repo.git.has_object(tip)]
        if len(tips) < len(manifest.tips):
            raise NeedsOlderRunsError(file.path, [tip for tip in manifest.tips if tip not in tips])
        for tip in tips:
            check_ours(repo, name, tip)
        before = repo.git.tip(RUNS_REF)
        new = list(repo.git.rev_list(tips, [before] if before else []))
        inspect_or_refuse(repo.git, new, name, inspected)
        _check_tags(repo, file, tags)
        after = join_runs(repo, tips)
        made, clashes = adopt_tags(repo, tags)
    records = sum(len(parents) < 2 for _, parents in new)
    joined = after != before and after not in tips
    return Applied(manifest, records, joined, objects, tuple(made), tuple(clashes), after)


@contextmanager
def _fetched(repo: Repo, file: BundleFile, git_part: Path | None) -> Iterator[dict[str, str]]:
    """Bring git's part into refs of its own for as long as it is looked at; gives the tags."""

    def tags() -> dict[str, str]:
        found = (file.manifest.tags or {}).items()
        return {ref: oid for ref, oid in found if repo.git.has_object(oid)}

    if git_part is None:
        yield tags()
        return
    folder = f"{_INCOMING}{uuid.uuid4().hex}/"
    _verify_git_part(repo, file, git_part)
    try:
        Remote(repo.git.process, str(git_part.absolute())).fetch(
            {"refs/heads/gitml/*": f"{folder}heads/*", f"{TAGS}*": f"{folder}tags/*"}
        )
        yield tags()
    finally:
        for ref, oid in list_refs(repo, folder).items():
            repo.git.move_ref(ref, oid, None)


def _verify_git_part(repo: Repo, file: BundleFile, git_part: Path) -> None:
    status, _, err = repo.git.process.run_status(["bundle", "verify", "--quiet", str(git_part.absolute())])
    if status == 0:
        return
    lacking = [word for line in err.splitlines() for word in line.split() if len(word) in (40, 64)]
    if "prerequisite" in err and lacking:
        raise NeedsOlderRunsError(file.path, lacking)
    told = next((line for line in err.splitlines() if line), "git does not say why")
    raise DamagedError(f"'{file.path}' can't be used: {told.removeprefix('error: ')}", hint="make it again")


def _check_tags(repo: Repo, file: BundleFile, tags: Mapping[str, str]) -> None:
    contents = zip(tags, repo.git.process.cat_objects(tags.values()), strict=True)
    wrong = [ref for ref, found in contents if found is None or not is_registry_tag(ref, *found)]
    if wrong:
        raise RefusedError(
            f"'{file.path}' holds '{wrong[0]}', which is no tag of the registry",
            hint="nothing was joined; ask who made it to look at it: git show",
        )
