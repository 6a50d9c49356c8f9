"""Commands run in this process, in a real repository."""

from __future__ import annotations

import io
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # typer uses names that click will drop in 9
    from gitml.cli.app import run as gitml_run


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    out: str
    err: str


@pytest.fixture
def cli(in_repo: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a gitml command in the repository: `cli("tag", "@").out`; fails unless it gives `code`."""

    def run(*arguments: str, code: int | None = 0, stdin: str = "", cwd: Path | None = None) -> Done:
        monkeypatch.chdir(cwd or in_repo)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        status = gitml_run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert code is None or status == code, f"gitml {arguments} gave {status}: {out}{err}"
        return Done(status, out, err)

    return run


@pytest.fixture
def repo(in_repo: Path):
    opened = Repo.open(in_repo)
    yield opened
    opened.close()


@pytest.fixture
def recorded(repo: Repo):
    """Make a run that has ended; gives its id."""

    def make(name: str = "calm-otter", artifacts: dict[str, bytes] | None = None, **facts) -> str:
        live = start_run(repo, name=name, **facts)
        live.log_metric("acc", 0.9)
        for path, data in (artifacts or {}).items():
            live.log_bytes(data, path)
        finish_run(repo, live, RunStatus.FINISHED)
        return live.run_id

    return make


@pytest.fixture
def live_run(repo: Repo):
    """Make a run that is still being written; gives its handle."""
    made = []

    def make(name: str = "brisk-heron", **facts):
        live = start_run(repo, name=name, **facts)
        made.append(live)
        return live

    yield make
    for live in made:
        live.close()
