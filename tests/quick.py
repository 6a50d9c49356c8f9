"""Commands of gitml for tests, each a process, none of which has to load anything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import forked_gitml
from tests.forked_gitml import Forked


class QuickGitml:
    """A process that has gitml loaded.

    Args:
        folder: A new folder with a short path.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "s")
        self._process = subprocess.Popen(
            [sys.executable, forked_gitml.__file__, "serve", self.socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.close()
            raise ImportError("gitml can't be loaded")

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)

    def start(
        self, arguments: Sequence[Path | str], streams: Sequence[int], *, cwd: Path | str,
        env: Mapping[str, str] | None = None, start_new_session: bool = False,
    ) -> Forked:  # fmt: skip
        """Start a command that reads from and writes to the descriptors given."""
        return forked_gitml.fork(
            self.socket, [os.fspath(word) for word in arguments], os.fspath(cwd), streams, os.environ if env is None else env,
            new_session=start_new_session,
        )  # fmt: skip

    def run(
        self, arguments: Sequence[Path | str], *, cwd: Path | str, input: str = "",  # noqa: A002 - as subprocess has it
        timeout: float = 60, **options,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a command to its end, as `subprocess.run` does; what it reads and writes are files."""
        with contextlib.ExitStack() as stack:
            given, out, err = (
                stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline=newline))
                for newline in ("", None, None)
            )
            given.write(input)
            given.seek(0)
            streams = [file.fileno() for file in (given, out, err)]
            code = self.start(arguments, streams, cwd=cwd, **options).wait(timeout)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(["gitml", *arguments], code, out.read(), err.read())
