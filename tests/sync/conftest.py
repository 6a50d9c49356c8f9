"""A bare repository that a team shares, and clones of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitml.entities.run import Run, RunStatus
from gitml.index import Query
from gitml.repo import Repo
from gitml.sync import pulling, pushing
from gitml.sync.pushing import PushOptions
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.start import attach_run, start_run

BIG = bytes(range(256)) * 1000


@dataclass(frozen=True)
class Clone:
    """One person's repository."""

    folder: Path

    def open(self) -> closing[Repo]:
        """Open it, to be closed."""
        return closing(Repo.open(self.folder))

    def record(self, name: str, artifacts: dict[str, bytes] | None = None, loss: float = 0.5, **facts) -> str:
        """Make a run that has ended; gives its id."""
        with self.open() as repo:
            live = start_run(repo, name=name, **facts)
            live.log_metric("loss", loss)
            for path, data in (artifacts or {}).items():
                live.log_bytes(data, path)
            finish_run(repo, live, RunStatus.FINISHED)
            return live.run_id

    def resume(self, run_id: str, losses: list[float], artifacts: dict[str, bytes] | None = None) -> None:
        """Log more to a run that has ended."""
        with self.open() as repo:
            live = attach_run(repo, run_id)
            for step, loss in enumerate(losses, 100):
                live.log_metric("loss", loss, step=step)
            for path, data in (artifacts or {}).items():
                live.log_bytes(data, path)
            finish_run(repo, live, RunStatus.FINISHED)

    def push(self, remote: str = "origin", **options) -> pushing.Pushed:
        with self.open() as repo:
            return pushing.push(repo, remote, PushOptions(**options))

    def pull(self, remote: str = "origin", **options) -> pulling.Pulled:
        with self.open() as repo:
            return pulling.pull(repo, remote, **options)

    def runs(self) -> dict[str, Run]:
        """All runs by id, without the commits that hold them."""
        with self.open() as repo:
            return {run.id: run for run in history.search(repo, Query(view="all"))}

    def states(self) -> dict[str, str]:
        """What every run is, but for which of its records is the last."""
        from dataclasses import replace

        return {run_id: repr(replace(run, commit=None)) for run_id, run in self.runs().items()}


@pytest.fixture
def server(tmp_path: Path, git_repo: Path, git) -> Path:
    """The shared bare repository, with the code but no runs."""
    folder = tmp_path / "server.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), str(folder))
    return folder


@pytest.fixture
def clone(tmp_path: Path, server: Path, git_repo: Path, git) -> Callable[[str], Clone]:
    """Make a person's clone of the shared repository."""

    def make(name: str, url: str | None = None) -> Clone:
        folder = Path(shutil.copytree(git_repo, tmp_path / name, symlinks=True))
        git(folder, "config", "user.name", name.capitalize())
        git(folder, "config", "user.email", f"{name}@example.org")
        git(folder, "remote", "add", "origin", url or str(server))
        return Clone(folder)

    return make
