"""A repository with real runs, and what gitml says about it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gitml.entities.run import RunStatus
from gitml.index import Query
from gitml.repo import Repo
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.live import LiveRun
from gitml.tracking.start import start_run

BIG = bytes(range(256)) * 1000


class Recorded(NamedTuple):
    """A repository and the commits of its two runs, made from different code."""

    folder: Path
    first: str
    second: str


@contextlib.contextmanager
def opened(folder: Path):
    repo = Repo.open(folder)
    try:
        yield repo
    finally:
        repo.close()


def fill(live: LiveRun, scale: float) -> None:
    live.log_params({"lr": 0.1 * scale, "depth": 8, "optimizer": "adam"})
    for step in range(20):
        live.log_metric("val/loss", scale / (step + 1))
    live.log_metric("acc", 0.9 * scale)
    live.log_bytes(BIG[: int(200_000 * scale)], "model/weights.bin")
    live.log_bytes(b"a,b\n1,2\n", "eval.csv")
    live.append_output(b"epoch 1\n")


@pytest.fixture(scope="session")
def _recorded(tmp_path_factory: pytest.TempPathFactory, _template: Path, git: Callable[..., str]) -> Recorded:
    folder = tmp_path_factory.mktemp("native") / "repo"
    shutil.copytree(_template, folder, symlinks=True)
    commits = []
    for name, scale in (("quiet-fox", 1.0), ("brisk-heron", 0.5)):
        with opened(folder) as repo:
            live = start_run(repo, experiment="churn", name=name, note=f"about {name}", tags={"team": "a"})
            fill(live, scale)
            commits.append(finish_run(repo, live, RunStatus.FINISHED, exit_code=0))
        (folder / "train.py").write_text("print('deeper trees')\n")
        git(folder, "commit", "--quiet", "--all", "--message", "deeper trees", "--allow-empty")
    return Recorded(folder, *commits)


@pytest.fixture
def recorded(_recorded: Recorded, tmp_path: Path) -> Recorded:
    """A repository of one's own with two runs."""
    return replace_folder(
        _recorded, Path(shutil.copytree(_recorded.folder, tmp_path / "repo", symlinks=True))
    )


def replace_folder(recorded: Recorded, folder: Path) -> Recorded:
    return recorded._replace(folder=folder)


def answers(folder: Path, *, objects: bool = True, fresh: bool = True) -> list[dict[str, Any]]:
    """Everything that gitml says about the runs of a repository.

    Args:
        folder: Where to ask.
        objects: Whether large files are read as well; a clone has none.
        fresh: Whether to forget the index first, so that git itself is asked.
    """
    with opened(folder) as repo:
        if fresh:
            for file in repo.root.glob("index.sqlite*"):
                file.unlink()
        found = []
        for run in history.search(repo, Query(view="all")):
            files = [replace(artifact, blob=None) for artifact in history.list_artifacts(repo, run)]
            found.append(
                {
                    "run": run,
                    "points": {key: history.read_metric(repo, run, key) for key in run.metrics},
                    "files": files,
                    "contents": [
                        _digest(repo, run, file.path) for file in files if objects or file.pointer is None
                    ],
                    "output": history.read_output(repo, run),
                    "environment": history.read_environment(repo, run),
                    "code": repo.git.list_tree(run.commit, "code") if run.commit else None,
                }
            )
        return found


def _digest(repo: Repo, run: Any, path: str) -> str:
    with history.open_artifact(repo, run, path) as stream:
        return hashlib.sha256(stream.read()).hexdigest()


@pytest.fixture
def git_lfs() -> None:
    """git-lfs is there. CI installs it, so there its absence is an error."""
    if shutil.which("git-lfs") is None:
        if "CI" in os.environ:
            pytest.fail("git-lfs is not installed")
        pytest.skip("git-lfs is not installed")
