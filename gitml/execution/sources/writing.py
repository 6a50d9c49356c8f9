"""New files below a folder, each made through handles on its folders, so that no link is ever followed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import RefusedError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class HostileTreeError(RefusedError):
    """Code has a path that can't be laid out."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"the code can't be laid out: {path!r:.200} {why}",
            hint="nothing of it was run; whoever made that commit must rename it",
        )
        self.path = path


class NewFiles:
    """Makes files, folders and links below a folder; a context manager.

    Paths are relative, checked by the caller, with '/' between parts. What exists is
    never replaced or written to: on a disk that takes two names for one, the second
    is refused.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder, which is there."""
        self._handles = [os.open(folder, _FOLDER)]
        self._names: list[str] = []
        self._made: set[str] = set()

    def file(self, path: str, blocks: Iterable[bytes], *, executable: bool = False) -> None:
        """Make a file; the user's umask says who else may read it."""
        *folders, name = path.split("/")
        handle = self._enter(folders)
        try:
            file = os.open(name, _FILE, 0o777 if executable else 0o666, dir_fd=handle)
        except FileExistsError:
            raise _twice(path) from None
        try:
            for block in blocks:
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)

    def folder(self, path: str) -> None:
        """Make a folder."""
        self._enter(path.split("/"))

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        *folders, name = path.split("/")
        try:
            os.symlink(target, name, dir_fd=self._enter(folders))
        except FileExistsError:
            raise _twice(path) from None

    def _enter(self, names: list[str]) -> int:
        """Go to a folder, from where we are; what is not there yet is made."""
        common = 0
        while common < min(len(names), len(self._names)) and names[common] == self._names[common]:
            common += 1
        while len(self._names) > common:
            self._names.pop()
            os.close(self._handles.pop())
        for name in names[common:]:
            path = "/".join([*self._names, name])
            if path not in self._made:
                try:
                    os.mkdir(name, 0o777, dir_fd=self._handles[-1])
                except FileExistsError:
                    raise _twice(path) from None
                self._made.add(path)
            self._handles.append(os.open(name, _FOLDER, dir_fd=self._handles[-1]))
            self._names.append(name)
        return self._handles[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            os.close(handle)


def _twice(path: str) -> HostileTreeError:
    return HostileTreeError(path, "is on this disk the same as another path of it")
