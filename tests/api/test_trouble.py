"""A disk that fails: training goes on, the run says what is missing, strict raises."""

from __future__ import annotations

import pytest

from gitml import MlflowException

SMALL_FILES_ONLY = """
import resource, sys, warnings
import gitml

def allow(size):
    # No file may grow beyond this, as on a full disk; None lifts it.
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
"""


def test_a_full_disk_warns_once_and_keeps_everything(mlflow, run_script):
    done = run_script(
        SMALL_FILES_ONLY
        + """
run = gitml.start_run()
gitml.log_metric("loss", 0)
allow(2000)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for value in range(1, 1000):
        gitml.log_metric("loss", value)
    assert len(caught) == 1, caught
    assert "the program goes on" in str(caught[0].message)
allow(None)
gitml.log_metric("loss", 1000)
gitml.log_param("after", 1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    gitml.end_run()
    assert ["is incomplete" in str(warning.message) for warning in caught] == [True], caught
print(run.run_id)
"""
    )
    found = mlflow.get_run(done.stdout.strip())
    assert [p.value for p in mlflow.get_metric_history(found.info.run_id, "loss")] == list(range(1001))
    assert found.data.params == {"after": 1}
    assert found.info.status == "FINISHED"
    assert found.entity.incomplete


def test_strict_raises(mlflow, run_script):
    run_script(
        SMALL_FILES_ONLY
        + """
gitml.strict = True
gitml.start_run(run_name="strict")
gitml.log_metric("loss", 0)
allow(1000)
try:
    for value in range(1000):
        gitml.log_metric("loss", value)
except OSError as err:
    print(err.strerror)
else:
    sys.exit(3)
allow(None)
"""
    )
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status == "FINISHED"


def test_a_run_that_cannot_be_committed_is_kept(mlflow, git, git_repo):
    """The runs branch belongs to somebody else: loud, nothing lost, done later."""
    with pytest.warns(UserWarning, match="could not be committed"):  # noqa: SIM117
        with mlflow.start_run() as run:
            mlflow.log_metric("m", 1)
            git(git_repo, "branch", "gitml/runs", "main")
    with pytest.raises(MlflowException, match="did not make"):
        mlflow.start_run()
    git(git_repo, "branch", "-m", "gitml/runs", "mine")
    assert mlflow.get_run(run.run_id).data.metrics == {"m": 1}
    (found,) = mlflow.search_runs(output_format="list")
    assert (found.info.status, found.entity.live) == ("FINISHED", False)


def test_strict_raises_what_cannot_be_committed(mlflow, git, git_repo):
    mlflow.strict = True
    with pytest.raises(MlflowException, match="did not make"), mlflow.start_run():
        git(git_repo, "branch", "gitml/runs", "main")
    assert mlflow.active_run() is None


def test_a_disk_that_is_full_at_the_end_loses_nothing(mlflow, run_script):
    run_script(
        SMALL_FILES_ONLY
        + """
run = gitml.start_run()
gitml.log_metric("m", 1)
allow(0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    gitml.end_run()
    assert "could not be committed" in str(caught[-1].message), caught
"""
    )
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.metrics == {"m": 1}
    assert not run.entity.live
