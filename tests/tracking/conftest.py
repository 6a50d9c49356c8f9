"""A repository opened by gitml, and what to look at it with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitml.repo import Repo


@pytest.fixture
def repo(git_repo: Path):
    opened = Repo.open(git_repo)
    yield opened
    opened.close()


@pytest.fixture
def python(git_repo: Path):
    """Run Python text in the repository: `python(code, *arguments)` gives the finished process."""

    def run(code: str, *arguments: str, **options):
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=git_repo,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    return run
