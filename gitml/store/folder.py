"""Objects in a folder of this machine: a disk that many mount, a git remote at a path."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from gitml.entities.artifact import Pointer
from gitml.errors import RemoteError
from gitml.progress import Advance
from gitml.store.base import StoreUnreachableError, TransferError, Transferred
from gitml.store.incoming import Block, receive
from gitml.store.local import ObjectStore, object_key
from gitml.store.moving import Stopping, move_all

_BLOCK = 4 * 1024**2
_WORKERS = 4  # a disk is quickest with few
_OID = re.compile("[0-9a-f]{64}")
_MAX_GITFILE = 64 * 1024
_BUNDLE = re.compile(rb"# v[0-9]+ git bundle\n")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FolderStore:
    """A folder of the layout `ab/cd/<oid>`.

    Objects are copied, with shared blocks where the file system can, never linked:
    others may write to what is in the folder.
    """

    def __init__(self, folder: Path, name: str, *, anchor: Path | None = None) -> None:
        """Name the folder; it is made by the first upload.

        Args:
            folder: The folder that has `ab/`.
            name: What messages call it.
            anchor: A folder that must be there already, so that a disk which is
                not mounted is not taken for an empty store.
        """
        self.folder = folder
        self.name = name
        self._anchor = anchor

    def missing(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """Tell which objects the folder lacks, or has in another size."""
        self._require()
        return [pointer for pointer in pointers if not self._has(pointer)]

    def upload(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Copy objects into the folder, checking their content on the way."""
        self._require()
        stopping = Stopping(progress)

        def send(pointer: Pointer) -> bool:
            if self._has(pointer):
                stopping(pointer.size)
                return False
            try:
                local.export(pointer, self._make_room(pointer), stopping, durable=True)
            except OSError as err:
                raise self._explain(pointer, err) from err
            return True

        return move_all(pointers, send, workers=_WORKERS, stopping=stopping)

    def download(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Copy objects out of the folder, checking their content on the way."""
        self._require()
        stopping = Stopping(progress)

        def fetch(pointer: Pointer) -> bool:
            return receive(local, pointer, lambda offset: self._read(pointer, offset), stopping)

        return move_all(pointers, fetch, workers=_WORKERS, stopping=stopping)

    def objects(self) -> Iterator[Pointer]:
        """List what is there; what has no object's name or place is passed over."""
        self._require()
        for first in _subfolders(self.folder):
            for second in _subfolders(self.folder / first):
                for name, size in _files(self.folder / first / second):
                    if _OID.fullmatch(name) and name.startswith(first + second):
                        yield Pointer(name, size)

    def delete(self, oid: str) -> bool:
        """Remove an object; says whether it was there."""
        self._require()
        try:
            self._path(oid).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as err:
            raise TransferError(self.name, oid, f"it can't be removed: {err.strerror}") from err
        return True

    def close(self) -> None:
        """Let go of nothing: there are no connections."""

    def _require(self) -> None:
        if self._anchor is not None and not self._anchor.is_dir():
            raise StoreUnreachableError(
                self.name,
                f"there is no folder '{self._anchor}'",
                hint="mount the disk that it is on, or make the folder",
            )

    def _path(self, oid: str) -> Path:
        return self.folder / object_key(oid)

    def _has(self, pointer: Pointer) -> bool:
        try:
            found = self._path(pointer.oid).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as err:
            raise StoreUnreachableError(self.name, str(err.strerror)) from err
        return stat.S_ISREG(found.st_mode) and found.st_size == pointer.size

    def _make_room(self, pointer: Pointer) -> Path:
        """Make the folders of an object; those that lead elsewhere are refused."""
        target = self._path(pointer.oid)
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in (target.parent, target.parent.parent):
            if folder.is_symlink():
                raise TransferError(
                    self.name, pointer.oid, f"'{folder}' is a link; gitml writes through none"
                )
        return target

    def _read(self, pointer: Pointer, offset: int) -> Iterator[Block]:
        try:
            # Not blocking: a pipe by an object's name must not hold us up.
            fd = os.open(self._path(pointer.oid), os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(fd, "rb", buffering=0) as stream:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise TransferError(
                        self.name,
                        pointer.oid,
                        "what has its name there is no file",
                        hint="ask who runs that store to remove it; then push the object again",
                    )
                stream.seek(offset)
                while block := stream.read(_BLOCK):
                    yield block
        except OSError as err:
            raise self._explain(pointer, err) from err

    def _explain(self, pointer: Pointer, error: OSError) -> RemoteError:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return TransferError(
                self.name,
                pointer.oid,
                "it is not there",
                hint="push it from where the run was recorded: gitml push",
            )
        if error.errno in _FULL:
            return StoreUnreachableError(
                self.name,
                f"{error.strerror}",
                hint="make room there and run the command again; what was sent is not sent again",
            )
        return TransferError(self.name, pointer.oid, str(error.strerror or error))


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if re.fullmatch("[0-9a-f]{2}", entry.name) and entry.is_dir(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def _files(folder: Path) -> list[tuple[str, int]]:
    with os.scandir(folder) as entries:
        return sorted(
            (entry.name, entry.stat(follow_symlinks=False).st_size)
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        )


# Where it is


def local_path(url: str, base: Path) -> Path | None:
    """Tell which folder of this machine a URL means, None if it is elsewhere.

    Args:
        url: As git has it: a path, `file://`, `https://`, `host:path`.
        base: What a relative path is relative to.

    Example:
        >>> local_path("file:///srv/my%20runs", Path("/"))
        PosixPath('/srv/my runs')
        >>> local_path("host:path", Path("/")) is None
        True
    """
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://").removeprefix("localhost")))
    # To git, a colon before the first slash makes it `host:path`.
    if not url or "://" in url or ":" in url.partition("/")[0]:
        return None
    return base / url


def remote_objects(path: Path) -> Path:
    """Find the folder in which Git LFS keeps the objects of the repository at a path.

    Raises:
        RemoteError: There is no repository.
    """
    for candidate in (path / ".git", path, Path(f"{path}.git") / ".git", Path(f"{path}.git")):
        git_dir = _follow(candidate)
        if (git_dir / "HEAD").is_file():
            shared = git_dir / "commondir"
            common = git_dir / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git_dir
            return common / "lfs" / "objects"
    raise RemoteError(
        f"there is no git repository at '{path}'", hint="git remote --verbose shows where it is"
    )


def _follow(path: Path) -> Path:
    """A linked worktree's and a submodule's `.git` is a file that names the folder."""
    if not path.is_file():
        return path
    with path.open("rb") as file:
        content = file.read(_MAX_GITFILE)
    if content.startswith(b"gitdir:"):
        return path.parent / os.fsdecode(content.removeprefix(b"gitdir:").strip())
    if _BUNDLE.match(content):
        raise RemoteError(
            f"'{path}' is a bundle of git's: it has the runs, and no artifacts",
            hint="ask for one that has them too: gitml bundle create",
        )
    raise RemoteError(
        f"'{path}' is a file, and no git repository", hint="git remote --verbose shows where it is"
    )
