"""What holds for the autologging of every framework."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from gitml.models.autolog.training import AutologWarning
from gitml.tracking.live import LiveRun

Train = Callable[[], Any]
WRITES = ("log_params", "log_metrics", "set_tags", "log_bytes", "log_artifact", "log_input")
# What a module of such tests is marked with: frameworks warn of much, we of nothing unless a test expects it.
QUIET = pytest.mark.filterwarnings("ignore", "error::gitml.models.autolog.training.AutologWarning")


def all_runs(mlflow: Any) -> list[Any]:
    """All runs so far, oldest first."""
    return list(mlflow.search_runs(output_format="list"))[::-1]


def uses_the_run_that_is_active(mlflow: Any, train: Train) -> None:
    """It logs to the program's run, does not end it, and leaves no other."""
    with mlflow.start_run() as run:
        train()
        assert mlflow.active_run().info.run_id == run.info.run_id
    (found,) = all_runs(mlflow)
    assert found.info.run_id == run.info.run_id
    assert found.info.status == "FINISHED"
    assert found.data.params
    assert found.data.metrics
    assert "mlflow.autologging" not in found.data.tags


def is_off_by_one_call(mlflow: Any, flavor: str, train: Train, replaced: Iterable[tuple[Any, str]]) -> None:
    """Every function is the original again, whichever way it is switched off, and nothing is logged."""
    replaced = list(replaced)
    originals = [vars(owner).get(name) for owner, name in replaced]
    own = getattr(mlflow, flavor).autolog
    for off in (lambda: own(disable=True), lambda: mlflow.autolog(disable=True)):
        for on in (own, mlflow.autolog):
            on()
            ours = [vars(owner).get(name) for owner, name in replaced]
            assert all(new is not old for new, old in zip(ours, originals, strict=True))
            off()
            assert [vars(owner).get(name) for owner, name in replaced] == originals
    train()
    assert all_runs(mlflow) == []


def fails_as_ever(mlflow: Any, train: Callable[[Exception], Any]) -> None:
    """What the training raises comes out as it is, and the run has failed."""
    error = RuntimeError("the training's own")
    with pytest.raises(RuntimeError) as told:
        train(error)
    assert told.value is error
    assert mlflow.active_run() is None
    (run,) = all_runs(mlflow)
    assert run.info.status == "FAILED"
    assert run.data.params


def survives_writes_that_fail(mlflow: Any, train: Train) -> Any:
    """It ends well when nothing can be written; gives what the training gave."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no space left on the device")

    with pytest.MonkeyPatch.context() as patch, pytest.warns(AutologWarning, match="no space left") as told:
        for name in WRITES:
            patch.setattr(LiveRun, name, refuse)
        found = train()
    assert len([one for one in told if one.category is AutologWarning]) == 1
    assert mlflow.active_run() is None
    return found


def survives_without_a_repository(
    mlflow: Any, repository: Path, train: Train, *, is_gone: bool = False
) -> Any:
    """It ends well when the repository was removed before; gives what the training gave."""
    if not is_gone:
        shutil.rmtree(repository / ".git")
    with pytest.warns(AutologWarning) as told:
        found = train()
    assert len([one for one in told if one.category is AutologWarning]) == 1
    assert mlflow.active_run() is None
    return found


class Wordless:
    """A setting that can't be written as text."""

    def __str__(self) -> str:
        raise ValueError("no words for it")

    __repr__ = __str__
