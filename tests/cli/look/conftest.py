"""A repository with a few real runs, and a way to look at it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gitml.cli.app import run
from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.quick import QuickGitml


class Answer(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


Look = Callable[..., Answer]


def record(
    repo: Repo, name: str, curve: dict[str, list[float]], *, status: RunStatus = RunStatus.FINISHED,
    exit_code: int = 0, error: str | None = None, files: dict[str, bytes] | None = None, **facts: Any,
) -> str:  # fmt: skip
    """Record a run and give its id."""
    live = start_run(repo, name=name, **facts)
    for key, values in curve.items():
        for step, value in enumerate(values):
            live.log_metric(key, value, step=step)
    for path, data in (files or {}).items():
        live.log_bytes(data, path)
    finish_run(repo, live, status, exit_code=exit_code, error=error)
    return live.run_id


@pytest.fixture(scope="session")
def _looked_at(tmp_path_factory: pytest.TempPathFactory, _template: Path, git: Callable[..., str]) -> Path:
    folder = tmp_path_factory.mktemp("look") / "repo"
    shutil.copytree(_template, folder, symlinks=True)
    repo = Repo.open(folder)
    rising = [i / 40 for i in range(40)]
    record(
        repo,
        "early-lark",
        {"acc": [*rising, 0.929]},
        params={"lr": 0.003, "depth": 6, "seed": 7},
        note="first try\nmore",
    )
    record(
        repo, "odd-newt", {}, params={"lr": 0.1, "depth": 6, "seed": 7}, status=RunStatus.FAILED, exit_code=1,
        error="loss is nan \x1b[31m",
    )  # fmt: skip
    (folder / "train.py").write_text("import sys\n\nprint('a better script')\n")
    git(folder, "commit", "--quiet", "--all", "--message", "deeper trees, class weights")
    record(
        repo, "brisk-heron", {"acc": [*rising, 0.9471], "loss": [1.0, 0.181, 0.183]},
        params={"lr": 0.001, "depth": 8, "seed": 7}, tags={"team": "vision"}, experiment="churn",
        files={"model.bin": b"m" * 5000, "eval.csv": b"a,b\n1,2\n"},
    )  # fmt: skip
    record(
        repo, "quiet-fox", {"acc": [*rising, 0.9455], "loss": [1.0, 0.187]},
        params={"lr": 0.003, "depth": 8, "seed": 7}, experiment="churn", files={"model.bin": b"n" * 6000},
    )  # fmt: skip
    repo.close()
    return folder


@pytest.fixture
def project(tmp_path: Path, _looked_at: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four runs on two commits: early-lark, odd-newt (failed), brisk-heron and quiet-fox in 'churn'."""
    folder = Path(shutil.copytree(_looked_at, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def repo(project: Path) -> Iterator[Repo]:
    """The opened repository of `project`."""
    with contextlib.closing(Repo.open(project)) as opened:
        yield opened


@pytest.fixture
def look(capfd: pytest.CaptureFixture[str]) -> Look:
    """Run a command in this process: `look("log", "--json").out`."""

    def command(*arguments: str, code: int | None = 0) -> Answer:
        capfd.readouterr()
        status = run(list(arguments))
        sys.stdout.flush()
        answer = Answer(status, *capfd.readouterr())
        assert code is None or status == code, answer
        return answer

    return command


@pytest.fixture
def on_terminal(quick: QuickGitml) -> Callable[..., str]:
    """Run a command on a real pseudo-terminal and give everything it wrote.

    `watching` is called with all that was written so far, whenever there is more.
    """

    def command(
        folder: Path, *arguments: str, columns: int = 80, lines: int = 40,
        watching: Callable[[str], None] | None = None, **environ: str,
    ) -> str:  # fmt: skip
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", **environ}
        process = quick.start(arguments, [theirs] * 3, cwd=folder, env=env)
        os.close(theirs)
        written = bytearray()
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
                if watching is not None:
                    watching(written.decode("utf-8", "replace"))
        except OSError:  # the other end is closed
            pass
        process.wait(60)
        os.close(ours)
        return written.decode().replace("\r\n", "\n")

    return command
