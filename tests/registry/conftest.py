"""Repositories with runs that have models, and clones that share them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.entities.registry import ModelVersion
from gitml.entities.run import Run, RunStatus
from gitml.registry.versions import register
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.history import get_run
from gitml.tracking.hooks import PRE_RECEIVE, install_hook
from gitml.tracking.start import start_run
from tests import forked_gitml
from tests.quick import QuickGitml
from tests.registry.keys import SshKeys, close_gpg, need, open_gpg
from tests.sync.conftest import Clone
from tests.sync.conftest import clone as clone  # noqa: PLC0414
from tests.sync.conftest import server as server  # noqa: PLC0414

FILES = {"model/MLmodel": b"flavors: {}\n", "model/weights.bin": bytes(range(256)) * 1000, "plot.png": b"png"}


def record(repo: Repo, name: str = "brisk-heron", files: dict[str, bytes] | None = None) -> Run:
    """Make a run that has ended, with a model."""
    live = start_run(repo, name=name)
    for path, data in (FILES if files is None else files).items():
        live.log_bytes(data, path)
    finish_run(repo, live, RunStatus.FINISHED)
    return get_run(repo, live.run_id)


@pytest.fixture
def repo(git_repo: Path):
    opened = Repo.open(git_repo)
    yield opened
    opened.close()


@pytest.fixture
def churn(repo: Repo) -> Callable[..., ModelVersion]:
    """Make the next version of the model `churn`, or of another one."""
    run = record(repo)

    def make(name: str = "churn", **facts) -> ModelVersion:
        return register(repo, run, name, "model", **facts)

    return make


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    """SSH keys by name."""
    need("ssh-keygen")
    return SshKeys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def gpg():
    """A home of gpg that has the key of ada@example.org, which it trusts."""
    need("gpg")
    home = open_gpg()
    home.make("Ada Example <ada@example.org>")
    yield home
    close_gpg(home)


@pytest.fixture
def hooked(server: Path, quick: QuickGitml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git) -> Path:
    """The server, with gitml's hook."""
    program = tmp_path / "bin/gitml"
    program.parent.mkdir()
    run = f'exec "{sys.executable}" -I -S "{forked_gitml.__file__}" run "{quick.socket}" "$@"'
    program.write_text(f"#!/bin/sh\n{run}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with Clone(server).open() as repo:
        install_hook(repo, PRE_RECEIVE)
    return server
