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
    for number in range(300):
        gitml.log_param(f"early{number}", number)
        gitml.set_tag(f"tag{number}", number)
    gitml.log_text("kept", "early.txt")
    gitml.log_text("x" * 5000, "text.txt")
    try:
        gitml.log_param("early299", -1)
    except gitml.MlflowException:
        pass
    else:
        sys.exit("a param was changed")
    assert len(caught) == 1, caught
    assert "the program goes on" in str(caught[0].message)
allow(None)
gitml.log_metric("loss", 1000)
gitml.log_param("after", 1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    gitml.end_run()
    assert not caught, caught
print(run.run_id)
"""
    )
    found = mlflow.get_run(done.stdout.strip())
    assert [p.value for p in mlflow.get_metric_history(found.info.run_id, "loss")] == list(range(1001))
    assert found.data.params == {**{f"early{number}": number for number in range(300)}, "after": 1}
    assert [found.data.tags[f"tag{number}"] for number in range(300)] == list(map(str, range(300)))
    assert mlflow.artifacts.load_text(f"{found.info.artifact_uri}/text.txt") == "x" * 5000
    assert (found.info.status, found.entity.incomplete) == ("FINISHED", False)


def test_a_disk_that_stays_full_is_told_once_and_by_name(mlflow, run_script):
    run_script(
        SMALL_FILES_ONLY
        + """
gitml.start_run(run_name="full")
gitml.log_param("first", 1)
open("source.bin", "wb").write(b"x" * 300_000)
allow(9000)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for number in range(1000):
        gitml.set_tag(f"tag{number}", number)
    gitml.log_artifact("source.bin")
    gitml.log_text("x" * 200_000, "long.txt")
    gitml.end_run()
said = [str(warning.message) for warning in caught]
assert len(said) == 2, said
assert "tags.yaml" in said[0] and "kept in memory" in said[0], said
for word in ("is incomplete", "tags.yaml", "artifact 'source.bin'", "artifact 'long.txt'"):
    assert word in said[1], said
"""
    )
    (run,) = mlflow.search_runs(output_format="list")
    assert (run.info.run_name, run.entity.incomplete) == ("full", True)
    assert mlflow.artifacts.list_artifacts(run_id=run.info.run_id) == []


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
