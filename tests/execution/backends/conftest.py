"""Repositories that jobs are submitted from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execution.backends.harness import Lab


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
