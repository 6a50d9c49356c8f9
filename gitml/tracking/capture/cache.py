"""A small cache on disk for what is slow to find out and seldom changes.

One JSON file an entry. An entry is valid while its mark (any text) is the one it
was stored with. A cache that can't be read or written only costs time.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

_MOST_FILES = 64


def cache_name(kind: str, *identity: str) -> str:
    """Make a file name for what `identity` tells apart."""
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{kind}-{digest[:16]}"


class CaptureCache:
    """Entries in a folder, which is made when the first one is stored."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self._folder = folder

    def load(self, name: str, mark: str) -> object:
        """Return what was stored under a name with this mark, None if nothing was."""
        try:
            entry = json.loads((self._folder / f"{name}.json").read_bytes())
        except (OSError, ValueError):  # never stored, or damaged: find out anew
            return None
        if not isinstance(entry, dict) or entry.get("mark") != mark:
            return None
        return entry.get("value")

    def store(self, name: str, mark: str, value: object) -> None:
        """Keep a value that JSON can hold. Readers see the old entry or the new one."""
        data = json.dumps({"mark": mark, "value": value}).encode()
        with suppress(OSError):  # read-only or full: the next run finds out anew
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(self._folder / f"{name}.json", data)
            self._forget_old()

    def keep(self, data: bytes) -> Path | None:
        """Return a file with these bytes, which nobody changes; None where there can't be one."""
        path = self._folder / f"content-{hashlib.sha256(data).hexdigest()[:32]}"
        try:
            if path.read_bytes() == data:
                return path
        except OSError:  # it is not there yet
            pass
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(path, data, mode=0o444)
            self._forget_old()
        except OSError:
            return None
        return path

    def _write(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        temporary = self._folder / f".new-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with open(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb"
            ) as file:
                file.write(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _forget_old(self) -> None:
        files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[_MOST_FILES:]:
            path.unlink(missing_ok=True)
