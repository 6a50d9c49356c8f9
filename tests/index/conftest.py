from __future__ import annotations

from pathlib import Path

import pytest

from gitml.git.repo import GitRepo
from gitml.index import Index
from tests.index.branch import Branch


@pytest.fixture
def repo(git_repo: Path):
    found = GitRepo.discover(git_repo)
    yield found
    found.close()


@pytest.fixture
def branch(repo: GitRepo) -> Branch:
    return Branch(repo)


@pytest.fixture
def path(repo: GitRepo) -> Path:
    return repo.common_dir / "gitml" / "index.sqlite"


@pytest.fixture
def index(repo: GitRepo, path: Path):
    opened = Index(path, repo)
    yield opened
    opened.close()
