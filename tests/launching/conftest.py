"""Projects that programs are run in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launching.harness import Project
from tests.quick import QuickGitml


@pytest.fixture(scope="session")
def _started(tmp_path_factory: pytest.TempPathFactory, quick: QuickGitml) -> Path:
    folder = tmp_path_factory.mktemp("started") / "project"
    folder.mkdir()
    (folder / "train.py").write_text("import sys\nprint('loss: 0.5')\nprint(*sys.argv[1:])\n")
    project = Project(folder, quick)
    for command in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "ada@example.org"],
        ["add", "-A"],
        ["commit", "-qm", "start"],
    ):
        project.git(*command)
    return folder


@pytest.fixture
def make_project(tmp_path: Path, _started: Path, quick: QuickGitml) -> Callable[[str], Project]:
    """Make a git repository with a script in it, in a folder of that name."""

    def make(name: str) -> Project:
        return Project(Path(shutil.copytree(_started, tmp_path / name, symlinks=True)), quick)

    return make


@pytest.fixture
def project(make_project: Callable[[str], Project]) -> Project:
    """A git repository with a script in it."""
    return make_project("project")
