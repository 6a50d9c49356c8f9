"""A repository with models: two versions and one more of `churn`, which changed places over a spring."""

from __future__ import annotations

import contextlib
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from gitml.registry import aliases, stages, versions
from gitml.repo import Repo
from gitml.tracking.resolve import resolve_run
from tests.cli.look.conftest import Answer as Answer  # noqa: PLC0414
from tests.cli.look.conftest import Look as Look  # noqa: PLC0414
from tests.cli.look.conftest import _looked_at as _looked_at  # noqa: PLC0414
from tests.cli.look.conftest import look as look  # noqa: PLC0414
from tests.cli.look.conftest import on_terminal as on_terminal  # noqa: PLC0414


def at(text: str) -> int:
    """A local time in milliseconds."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture(scope="session")
def _shelf(tmp_path_factory: pytest.TempPathFactory, _looked_at: Path) -> Path:
    """What happened: v1 to Production in February, v2 on 1 March, back to v1 on 2 March."""
    folder = Path(shutil.copytree(_looked_at, tmp_path_factory.mktemp("shelf") / "repo", symlinks=True))
    with contextlib.closing(Repo.open(folder)) as repo, pytest.MonkeyPatch.context() as clock:

        def it_is(text: str) -> None:
            for module in (aliases, stages, versions):
                clock.setattr(module, "now_ms", lambda: at(text))

        it_is("2026-02-01T09:00")
        brisk, quiet = resolve_run(repo, "brisk-heron"), resolve_run(repo, "quiet-fox")
        versions.register(repo, brisk, "churn", "model.bin", description="the first", tags={"team": "growth"})
        stages.promote(repo, "churn", 1, "Production", comment="all there is")
        it_is("2026-03-01T14:00")
        versions.register(repo, quiet, "churn", "model.bin")
        stages.promote(repo, "churn", 2, "Production", comment="fewer misses", archive_existing=True)
        it_is("2026-03-02T08:00")
        stages.rollback(repo, "churn", "Production", comment="p95 latency doubled")
        aliases.set_alias(repo, "churn", "champion", 1)
        it_is("2026-03-03T08:00")
        versions.register(repo, brisk, "churn")
        stages.promote(repo, "churn", 3, "Staging")
    return folder


@pytest.fixture
def project(tmp_path: Path, _shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`churn`: v1 (Production, @champion) and v3 (Staging) of brisk-heron, v2 of quiet-fox."""
    folder = Path(shutil.copytree(_shelf, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(folder)
    return folder
