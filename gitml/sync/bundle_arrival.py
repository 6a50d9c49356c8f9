"""git's part of a bundle, apart from the repository until it was found sound.

Its objects are unpacked into a store of their own beside the repository's, as git does
with what is pushed to it; no ref leads there. What is not kept was never here.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gitml.errors import DamagedError
from gitml.git.repo import GitRepo
from gitml.git.unpack import UnsoundPackError, unpack
from gitml.repo import Repo
from gitml.sync.bundle_manifest import BundleDamagedError, NeedsOlderRunsError
from gitml.sync.partial import completeness

_BLOCK = 1024**2
# As git itself does: an index is there only when the pack is.
_ORDER = (".pack", ".rev", ".idx")


class Arrival:
    """What came.

    Attributes:
        repo: The repository, which also sees what came.
    """

    def __init__(self, repo: Repo, objects: Path | None, target: Path) -> None:
        """Say where it is, and where it will belong."""
        self.repo = repo
        self._objects = objects
        self._target = target

    def keep(self) -> None:
        """Let the repository have it; refs can point at it then."""
        if self._objects is None:
            return
        packs = list((self._objects / "pack").glob("pack-*"))
        for suffix in _ORDER:
            for path in (path for path in packs if path.suffix == suffix):
                _move(path, self._target / "pack" / path.name)


@contextmanager
def arrival(repo: Repo, bundle: Path, git_part: Path | None, folder: Path) -> Iterator[Arrival]:
    """Unpack git's part of a bundle.

    Args:
        repo: The repository.
        bundle: The bundle, for messages.
        git_part: git's own bundle in it; None if there is none.
        folder: Where there is room.

    Raises:
        NeedsOlderRunsError: It goes on from commits that are not here.
        BundleDamagedError: git holds something in it for malformed.
    """
    git = repo.git
    target = git.common_dir / "objects"
    if git_part is None:
        yield Arrival(repo, None, target)
        return
    _verify(repo, bundle, git_part)
    objects = folder / "objects"
    (objects / "pack").mkdir(parents=True)
    (target / "pack").mkdir(exist_ok=True)
    both = GitRepo(git.git_dir, git.common_dir, git.work_tree, git.object_format, quarantine=objects)
    try:
        unpack(both.process, _pack(git_part), links=not completeness(repo).promisors)
    except UnsoundPackError as err:
        raise BundleDamagedError(bundle, f"git finds it unsound ({err.reason})") from err
    with closing(Repo(both)) as seeing:
        yield Arrival(seeing, objects, target)


def _verify(repo: Repo, bundle: Path, git_part: Path) -> None:
    status, _, err = repo.git.process.run_status(["bundle", "verify", "--quiet", str(git_part.absolute())])
    if status == 0:
        return
    lacking = [word for line in err.splitlines() for word in line.split() if len(word) in (40, 64)]
    if "prerequisite" in err and lacking:
        raise NeedsOlderRunsError(bundle, lacking)
    told = next((line for line in err.splitlines() if line), "git does not say why")
    raise DamagedError(f"'{bundle}' can't be used: {told.removeprefix('error: ')}", hint="make it again")


def _pack(git_part: Path) -> Iterator[bytes]:
    """Read the pack behind the header, which an empty line ends."""
    with git_part.open("rb") as stream:
        while stream.readline(_BLOCK) not in (b"\n", b""):
            pass
        while block := stream.read(_BLOCK):
            yield block


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as err:
        if err.errno != errno.EXDEV:
            raise
        temporary = target.with_name(f"tmp_pack_{uuid.uuid4().hex}")  # git's own prune removes such
        shutil.copy(source, temporary)
        os.replace(temporary, target)
