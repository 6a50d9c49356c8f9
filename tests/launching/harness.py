"""Terminals and wrapped programs for tests of `gitml run`: all of it real."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

from gitml.entities.run import Run
from gitml.formats.run_tree import decode_run
from gitml.repo import Repo
from tests.quick import QuickGitml

GITML = (sys.executable, "-m", "gitml")
FILES = ("run.yaml", "params.yaml", "metrics.yaml", "tags.yaml", "inputs.yaml", "note.md")
WRAPPER = str(Path(__file__).with_name("wrapper.py"))
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 30.0


def child_environment(**more: str) -> dict[str, str]:
    """The environment for processes that import gitml from this source tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


class Wrapped:
    """How to wrap a command with `run_process`, and what came of it."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.result_file = folder / "result.json"
        self.log_file = folder / "output.log"
        self._options = options

    def command(self, *command: str) -> list[str]:
        """The whole command line."""
        options = json.dumps(self._options)
        return [sys.executable, WRAPPER, str(self.result_file), str(self.log_file), options, *command]

    def run(self, *command: str, **popen: Any) -> subprocess.CompletedProcess[bytes]:
        """Run it with pipes and wait, in a session without a terminal."""
        return subprocess.run(
            self.command(*command),
            env=child_environment(),
            capture_output=True,
            start_new_session=True,
            timeout=TIMEOUT_S,
            check=False,
            **popen,
        )

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start it with pipes in a session without a terminal."""
        return subprocess.Popen(
            self.command(*command),
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def result(self) -> dict[str, Any]:
        """What `run_process` returned."""
        found: dict[str, Any] = json.loads(self.result_file.read_text())
        return found

    @property
    def log(self) -> bytes:
        """What was recorded of the output."""
        return self.log_file.read_bytes() if self.log_file.exists() else b""


class Project:
    """A git repository that programs are run in."""

    def __init__(self, folder: Path, quick: QuickGitml) -> None:
        self.folder = folder
        self.quick = quick
        self.environment = child_environment(
            GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_SYSTEM=os.devnull, HOME=str(folder.parent)
        )
        for name in ("GITML_RUN_ID", "GITML_REPO", "PYTHONUNBUFFERED", "MLFLOW_TRACKING_URI"):
            self.environment.pop(name, None)

    def git(self, *arguments: str) -> bytes:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True
        ).stdout

    def command(self, *arguments: str) -> list[str]:
        return [*GITML, "run", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.quick.run(
            ["run", *arguments],
            cwd=self.folder,
            env=self.environment,
            timeout=TIMEOUT_S,
            start_new_session=True,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*arguments), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    @property
    def commits(self) -> list[str]:
        """Commits of runs, newest first."""
        if not self.git("for-each-ref", "refs/heads/gitml/runs"):
            return []
        return self.git("rev-list", "--no-merges", "gitml/runs").decode().split()

    def read(self, path: str, commit: str = "gitml/runs") -> bytes:
        return self.git("cat-file", "blob", f"{commit}:{path}")

    def files(self, commit: str = "gitml/runs") -> list[str]:
        return self.git("ls-tree", "-r", "--name-only", commit).decode().split("\n")[:-1]

    def record(self, commit: str = "gitml/runs") -> Run:
        """The run of a commit."""
        there = set(self.files(commit))
        return decode_run({name: self.read(name, commit) for name in FILES if name in there}, commit=commit)

    @property
    def live(self) -> list[str]:
        """Ids of live runs."""
        return Repo.open(self.folder).journal.ids()


class Screen:
    """A terminal with a program in it, as a person would have it."""

    def __init__(
        self, command: list[str], *, rows: int = 31, columns: int = 97, cwd: Path | None = None,
        redirect: dict[str, Any] | None = None, environment: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.seen = b""
        streams: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave, **(redirect or {})}
        self.process = subprocess.Popen(
            command,
            env=environment or child_environment(),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            **streams,
        )
        self.slave = slave

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def wait_for(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until the screen shows `pattern`; what came up to there is forgotten."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            found = re.search(pattern, self.seen, re.DOTALL)
            if found:
                self.seen = self.seen[found.end() :]
                return found
            assert time.monotonic() < end, f"{pattern!r} did not appear in {self.seen!r}"
            self._read(0.1)

    def wait(self) -> int:
        """Wait for the program's end; `seen` then holds the rest of the output."""
        end = time.monotonic() + TIMEOUT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running, screen: {self.seen!r}"
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    def settings(self) -> list[Any]:
        """The terminal's settings now."""
        return termios.tcgetattr(self.slave)

    def close(self) -> None:
        """End what still runs, and the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(TIMEOUT_S)
        os.close(self.slave)
        os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, patience_s: float) -> bool:
        if not select.select([self.master], [], [], patience_s)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)


def wait_until(condition: Any, what: str) -> None:
    """Wait until `condition()` holds."""
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
