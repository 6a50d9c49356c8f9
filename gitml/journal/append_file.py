"""A file of a live run that only grows, and outlives a full disk."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

from gitml.journal.folder import read_file

MAX_KEPT = 256 * 1024**2

Trouble = Callable[[OSError, str, bool], None]  # why, of which file, and whether it is lost


class AppendFile:
    """A file of a live run that only grows.

    What can't be written (a full disk) is kept in memory in order and tried
    again with each later write, so that nothing is lost while there is room.

    Attributes:
        path: The file.
        write: The file's own unbuffered `write` while all is well (one system
            call, no lock: the system appends atomically), else a slow one. May
            write less than it was given or raise; then `append_rest` goes on.
    """

    __slots__ = ("_file", "_kept", "_lock", "_report", "folder", "path", "write")

    def __init__(self, folder: Path, name: str, report: Trouble) -> None:
        """Name the live run's folder, the file in it and whom to tell of trouble; it is opened at the first write."""
        self.folder = folder
        self.path = folder / name
        self.write: Callable[[bytes], int | None] = self._write_slowly
        self._file: io.FileIO | None = None
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._report = report

    def append(self, data: bytes) -> None:
        """Write bytes at the end, in one call where the system lets it."""
        try:
            written = self.write(data) or 0
        except (OSError, ValueError):  # ValueError: another thread closed it just now
            written = 0
        if written != len(data):
            self.append_rest(data[written:])

    def _write_slowly(self, data: bytes) -> int:
        self.append_rest(data)
        return len(data)

    def append_rest(self, data: bytes) -> None:
        """Write what is not written yet, after what waits already."""
        with self._lock:
            before = len(self._kept)
            room = MAX_KEPT - before
            self._kept += data[:room]
            try:
                self._write_kept()
            except OSError as err:
                self.write = self._write_slowly
                try:
                    self._report(err, self.path.name, len(data) > room)
                except OSError:
                    if len(self._kept) == before + len(data):  # whoever is told that it failed may try again
                        del self._kept[before:]
                    raise

    def _write_kept(self) -> None:
        if self._file is None:
            self._file = self._open()
        while self._kept:
            written = self._file.write(self._kept)
            del self._kept[:written]
        self.write = self._file.write

    def _open(self) -> io.FileIO:
        try:
            return io.FileIO(self.path, "a")
        except FileNotFoundError:
            if (
                not self.folder.exists()
            ):  # it was moved away, or ended by another: nothing made anew would count
                raise
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return io.FileIO(self.path, "a")

    def read(self) -> bytes | None:
        """Read what is in the file; None if there is none, or (as is reported) it can't be read."""
        try:
            return read_file(os.fspath(self.path))
        except FileNotFoundError:
            return None
        except OSError as err:
            self._report(err, self.path.name, False)
            return None

    def flush(self) -> bool:
        """Try again to write what was kept; say whether all is written."""
        if self._kept:
            self.append_rest(b"")
        return not self._kept

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        with self._lock:
            self.write = self._write_slowly
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def is_open(self) -> bool:
        """Whether it holds a file open."""
        return self._file is not None
