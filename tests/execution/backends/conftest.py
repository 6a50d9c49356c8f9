"""Repositories that jobs are submitted from."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.execution.backends.harness import ROOT, Lab
from tests.servers.slurm import Cluster, running_cluster


@pytest.fixture
def lab(git_repo: Path) -> Lab:
    """A repository with a script that logs, and no remote."""
    return Lab(git_repo)


@pytest.fixture
def shared_lab(lab: Lab, git, tmp_path: Path) -> Lab:
    """The same with a remote."""
    git(tmp_path, "init", "--quiet", "--bare", "server.git")
    git(lab.folder, "remote", "add", "origin", str(tmp_path / "server.git"))
    return lab


@pytest.fixture(scope="session")
def _cluster():
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        with running_cluster(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def cluster(_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, with this process as a user's on its login node."""
    for name, value in _cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return _cluster
