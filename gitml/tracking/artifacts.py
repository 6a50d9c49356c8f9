"""Keeping files in a live run: small ones as they are, large ones as pointers."""

from __future__ import annotations

import errno
import os
import threading
import uuid
import warnings
from contextlib import suppress
from pathlib import Path

from gitml.errors import NotFoundError, UsageError
from gitml.formats.names import artifact_tree_path, check_artifact_path
from gitml.formats.pointer import decode_pointer, encode_pointer
from gitml.journal import MAX_KEPT, TEMPORARY, Trouble
from gitml.progress import Advance
from gitml.store.local import ObjectStore
from gitml.store.threads import open_pool

_PARALLEL_FROM = 8
_LISTED = 10


class LinkOutsideError(UsageError):
    """A link in a folder leads out of the folder."""

    def __init__(self, link: Path, target: Path) -> None:
        super().__init__(
            f"'{link}' is a link that leads out of the folder, to '{target}'",
            hint="log the file it points at by its own path, or copy it into the folder",
        )
        self.link = link
        self.target = target


class FilesLeftOutWarning(UserWarning):
    """A folder has what can't be kept as a file."""


class ArtifactWriter:
    """Puts files into the `artifacts/` of one live run."""

    def __init__(
        self, folder: Path, store: ObjectStore, inline_limit: int, report: Trouble, *, lfs: bool
    ) -> None:
        """Say where files go.

        Args:
            folder: The live run's `artifacts/`.
            store: Where large ones go.
            inline_limit: Bytes up to which a file stays as it is.
            report: Whom to tell of trouble with the disk.
            lfs: Which kind of pointer stands in for the others.
        """
        self._folder = folder
        self._store = store
        self._inline_limit = inline_limit
        self._report = report
        self._lfs = lfs
        self._waiting: dict[str, bytes] = {}
        self._mutex = threading.Lock()

    def add(self, source: Path, into: str, progress: Advance | None) -> None:
        """Add a file, or a folder under its own name."""
        into = check_artifact_path(into, allow_empty=True)
        if source.is_dir():
            name = source.resolve().name
            self.add_folder(source, f"{into}/{name}" if into else name, progress)
            return
        if not source.is_file():
            if os.path.lexists(source):
                raise UsageError(f"'{source}' is {_kind(source)}", hint="only files and folders can be kept")
            raise NotFoundError(
                f"there is no file '{source}'",
                hint="check the path; it is relative to where the program runs",
            )
        name = source.name
        self._add_file(source, check_artifact_path(f"{into}/{name}" if into else name), progress)

    def take(self, source: Path, into: str, progress: Advance | None) -> None:
        """Add a file that its writer has no more use for; a large one may become the object itself."""
        into = check_artifact_path(into, allow_empty=True)
        name = check_artifact_path(f"{into}/{source.name}" if into else source.name)
        if source.stat().st_size <= self._inline_limit:
            self.add_bytes(source.read_bytes(), name)
            return
        self._place(name, encode_pointer(self._store.take_file(source, lfs=self._lfs, progress=progress)))

    def add_folder(self, source: Path, into: str, progress: Advance | None) -> None:
        """Add all files below a folder; all paths are checked before the first is copied."""
        into = check_artifact_path(into, allow_empty=True)
        if not source.is_dir():
            raise NotFoundError(f"there is no folder '{source}'", hint="log_artifact keeps a single file")
        files = [
            (path, check_artifact_path(f"{into}/{relative}" if into else relative))
            for path, relative in _files(source)
        ]
        if len(files) < _PARALLEL_FROM:
            for path, name in files:
                self._try_to_add(path, name, progress)
            return
        with open_pool(min(8, os.cpu_count() or 2), "gitml-artifacts") as pool:
            for done in [pool.submit(self._try_to_add, path, name, progress) for path, name in files]:
                done.result()

    def add_bytes(self, data: bytes, name: str) -> None:
        """Add bytes under a path."""
        name = check_artifact_path(name)
        if self._stays_plain(data):
            self._place(name, data)
        else:
            pointer = self._store.put_bytes(data, lfs=self._lfs)
            self._place(name, encode_pointer(pointer))

    def flush(self) -> list[str]:
        """Try again to write what was kept in memory; name what still waits."""
        with self._mutex:
            waiting, self._waiting = self._waiting, {}
        for name, data in waiting.items():
            try:
                self._place(name, data)
            except (
                UsageError
            ) as err:  # something else took its place meanwhile; the run must end all the same
                self._report(OSError(errno.EEXIST, str(err)), f"artifact '{name}'", True)
        return [f"artifact '{name}'" for name in self._waiting]

    def _try_to_add(self, source: Path, name: str, progress: Advance | None) -> None:
        """Add one file of many; the others are kept if it can't be."""
        try:
            self._add_file(source, name, progress)
        except OSError as err:
            self._report(err, f"artifact '{name}'", True)

    def _add_file(self, source: Path, name: str, progress: Advance | None) -> None:
        if source.stat().st_size <= self._inline_limit:
            self.add_bytes(source.read_bytes(), name)
            return
        pointer = self._store.put_file(source, lfs=self._lfs, progress=progress)
        self._place(name, encode_pointer(pointer))

    def _stays_plain(self, data: bytes) -> bool:
        # What reads like a pointer is one, to gitml and to git-lfs: keep it behind a pointer.
        return len(data) <= self._inline_limit and decode_pointer(data) is None

    def _place(self, name: str, data: bytes) -> None:
        target = self._folder / artifact_tree_path(name)
        temporary = self._folder.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            temporary.write_bytes(data)
            _move_new(temporary, target)
            with self._mutex:
                self._waiting.pop(name, None)  # an older content that waits must not come over this one
        except OSError as err:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(err, NotADirectoryError | IsADirectoryError | FileExistsError):
                raise UsageError(
                    f"artifact '{name}' would be both a file and a folder", hint="log it under another path"
                ) from None
            self._keep(name, data, err)

    def _keep(self, name: str, data: bytes, err: OSError) -> None:
        """Keep what a full disk did not take, to try it again."""
        with self._mutex:
            room = MAX_KEPT - sum(map(len, self._waiting.values()))
            if len(data) <= room:
                self._waiting[name] = data
        self._report(err, f"artifact '{name}'", len(data) > room)


def _move_new(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """List the files below a folder with their relative paths, links checked.

    A link to a file within the folder is kept as that file; a link to a folder
    within it is not followed, since its files are there already. What is no
    file, such as a pipe or a link to nothing, is left out with a warning.

    Raises:
        LinkOutsideError: A link leads out of the folder.
    """
    top = folder.resolve()
    found: list[tuple[Path, str]] = []
    left: list[str] = []
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(here, name)
            # Not Path.resolve, which before Python 3.13 fails at links in a circle.
            if path.is_symlink() and not (target := Path(os.path.realpath(path))).is_relative_to(top):
                raise LinkOutsideError(path, target)
        folders.sort()
        for path in (Path(here, name) for name in sorted(files)):
            relative = path.relative_to(folder).as_posix()
            if path.is_file():
                found.append((path, relative))
            else:
                left.append(f"'{relative}' ({_kind(path)})")
    if left:
        more = f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
        warnings.warn(
            f"'{folder}' has what can't be kept: {', '.join(left[:_LISTED])}{more}",
            FilesLeftOutWarning,
            stacklevel=6,
        )
    return found


def _kind(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to nothing" if not os.path.lexists(os.path.realpath(path)) else "a link in a circle"
    if path.is_fifo():
        return "a pipe"
    return "a socket" if path.is_socket() else "no regular file"
