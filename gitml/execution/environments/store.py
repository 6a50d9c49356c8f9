"""Environments that were made, by the hash of what defines them.

    environments/<key>/       the environment, never changed once it is ready
    environments/<key>.json   what is in it; renamed into place when it is ready
    environments/<key>.lock   held while it is made
    environments/<key>.work/  files for the tools that make it, meanwhile

Scripts of an environment name its folder, so it is made where it will stay; the
description decides whether it is one. What a killed process left has none and
is made anew. A key of the definition and one of the lock that came of it can
lead to the same environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.execution.cache import cache_folder
from gitml.progress import ShowProgress

if TYPE_CHECKING:
    from gitml.execution.environments.tools import Workshop

FORMAT = 1
_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Made:
    """An environment that is ready, apart from any project.

    Attributes:
        prefix: Its folder.
        manager: What made it.
        python: The version of its Python; empty if it has none.
        files: What to record of it, by name.
        paths: Folders for `PYTHONPATH`, below the project's folder.
        variables: More variables that programs in it get.
        notes: Sentences for the user.
    """

    prefix: Path
    manager: str
    python: str
    files: Mapping[str, str]
    paths: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.prefix / "bin" / "python"


Make = Callable[[Path, "Workshop"], Made]


def key_of(*facts: str, inputs: Mapping[str, bytes]) -> str:
    """Return the key of what is defined by some facts and the contents of files, on this platform."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in inputs.items()}
    everything = [
        FORMAT,
        sys.platform,
        os.uname().machine,
        sys.implementation.name,
        facts,
        sorted(digests.items()),
    ]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()[:32]


class EnvironmentStore:
    """The environments below a cache folder.

    Args:
        cache: The user's cache folder.
    """

    def __init__(self, cache: Path) -> None:
        self._root = cache.absolute() / "environments"  # tools run in the project

    def find(self, key: str) -> Made | None:
        """Return an environment if it is ready and its interpreter is still there."""
        description = self._root / f"{key}.json"
        try:
            made = _read(description.read_bytes(), self._root)
            if made is not None and made.python:
                os.stat(made.interpreter)  # a link, and what it leads to can have been removed
            os.utime(description)  # when it was last used
        except OSError:
            return None
        return made

    def make(
        self, key: str, make: Make, folder: Path, environ: Mapping[str, str], progress: ShowProgress
    ) -> tuple[Made, bool]:
        """Make an environment, unless another process does so meanwhile.

        Returns:
            The environment, and whether another process made it.
        """
        cache_folder(self._root)
        prefix = self._root / key
        with _alone(self._root / f"{key}.lock", progress) as lock:
            made = self.find(key)
            if made is not None:
                return made, True
            self._forget(key)
            from gitml.execution.environments.tools import Workshop

            try:
                scratch = self._root / f"{key}.work"
                scratch.mkdir(mode=0o700)
                made = make(prefix, Workshop(folder, scratch, environ, progress, lock))
                shutil.rmtree(scratch)
            except BaseException:
                self._forget(key)
                raise
            self.describe(key, made)
        return made, False

    def describe(self, key: str, made: Made) -> None:
        """Let a key lead to an environment."""
        with tempfile.NamedTemporaryFile(
            "w", dir=self._root, prefix=".", delete=False, encoding="utf-8"
        ) as file:
            json.dump(_fields(made), file)
        os.replace(file.name, self._root / f"{key}.json")

    def _forget(self, key: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._root / f"{key}.json")
        for folder in (self._root / key, self._root / f"{key}.work"):
            if os.path.lexists(folder):
                shutil.rmtree(folder)


def _fields(made: Made) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "prefix": made.prefix.name,
        "manager": made.manager,
        "python": made.python,
        "files": dict(made.files),
        "paths": made.paths,
        "variables": dict(made.variables),
        "notes": made.notes,
    }


def _read(data: bytes, root: Path) -> Made | None:
    try:
        fields = json.loads(data)
        if fields["format"] != FORMAT or "/" in fields["prefix"]:
            return None
        return Made(
            root / fields["prefix"], fields["manager"], fields["python"], fields["files"],
            tuple(fields["paths"]), fields["variables"], tuple(fields["notes"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):  # of another version, or damaged: made anew
        return None


@contextmanager
def _alone(path: Path, progress: ShowProgress) -> Iterator[int]:
    """Hold a lock; give its descriptor."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not _try_lock(fd):
            _wait(fd, progress)
        yield fd
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(fd: int, progress: ShowProgress) -> None:
    import time

    began, shown = time.monotonic(), 0
    with progress("waiting for another gitml that makes this environment", None, "s") as seconds:
        while not _try_lock(fd):
            time.sleep(_WAIT_S)
            now = int(time.monotonic() - began)
            seconds(now - shown)
            shown = now
