"""How runs begin and end: blocks, errors, parts, resuming, the end of the process."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from gitml import MlflowException


def test_runs_become_commits(mlflow, git, git_repo):
    with mlflow.start_run(run_name="one"):
        mlflow.log_metric("acc", 0.5)
    assert "one: acc=0.5" in git(git_repo, "log", "--format=%s", "gitml/runs")
    git(git_repo, "fsck", "--strict")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ValueError("bad batch"), "FAILED", "ValueError: bad batch"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (SystemExit(3), "FAILED", "the program ended itself with exit code 3"),
        (SystemExit(0), "FINISHED", None),
        (SystemExit("no data"), "FAILED", "SystemExit: no data"),
    ],
)
def test_what_leaves_the_block_tells_the_status(mlflow, error, status, text):
    with pytest.raises(type(error)), mlflow.start_run() as run:
        raise error
    found = mlflow.get_run(run.run_id)
    assert (found.info.status, found.entity.error) == (status, text)


def test_active_and_last_active(mlflow):
    assert mlflow.active_run() is None
    with mlflow.start_run() as run:
        assert mlflow.active_run() is run
        assert mlflow.last_active_run() is run
    assert mlflow.active_run() is None
    assert mlflow.last_active_run().info.run_id == run.run_id


def test_second_run_must_be_nested(mlflow):
    with mlflow.start_run() as parent:
        with pytest.raises(MlflowException, match="active already") as caught:
            mlflow.start_run()
        assert "nested=True" in caught.value.hint
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("m", 1)
        mlflow.log_metric("m", 2)
    assert mlflow.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    assert mlflow.get_parent_run(child.run_id).info.run_id == parent.run_id
    assert mlflow.get_parent_run(parent.run_id) is None
    assert mlflow.get_run(child.run_id).data.metrics == {"m": 1}
    assert mlflow.get_run(parent.run_id).data.metrics == {"m": 2}


def test_parent_by_id(mlflow):
    with mlflow.start_run() as parent:
        pass
    with mlflow.start_run(parent_run_id=parent.run_id) as child:
        pass
    assert mlflow.get_parent_run(child.run_id).info.run_id == parent.run_id


def test_a_part_of_another_run_than_the_active_one_is_refused(mlflow):
    with mlflow.start_run() as other:
        pass
    with mlflow.start_run() as parent:
        with pytest.raises(MlflowException, match="can't be part of"):
            mlflow.start_run(nested=True, parent_run_id=other.run_id)
        assert mlflow.active_run() is parent
        with mlflow.start_run(nested=True, parent_run_id=parent.run_id) as child:
            pass
    assert mlflow.get_parent_run(child.run_id).info.run_id == parent.run_id


def test_the_active_run_can_be_entered_again(mlflow):
    with mlflow.start_run() as run:
        with mlflow.start_run(run_id=run.run_id, nested=True) as again:
            mlflow.log_metric("m", 1)
        assert (again.run_id, mlflow.active_run(), run.info.status) == (run.run_id, run, "RUNNING")
        mlflow.log_metric("m", 2)
        with pytest.raises(MlflowException, match="active already"):
            mlflow.start_run(run_id=run.run_id)
    found = mlflow.get_run(run.run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"m": 2})


def test_a_run_of_another_experiment_than_the_chosen_one_is_not_resumed(mlflow):
    with mlflow.start_run() as run:
        pass
    mlflow.set_experiment("other")
    with pytest.raises(MlflowException, match="is in experiment 'Default', which is not the chosen one"):
        mlflow.start_run(run_id=run.run_id)
    assert mlflow.active_run() is None
    mlflow.set_experiment("Default")
    with mlflow.start_run(run_id=run.run_id):
        pass


def test_a_part_left_open_ends_with_its_parent(mlflow):
    with pytest.raises(RuntimeError), mlflow.start_run() as parent:
        child = mlflow.start_run(nested=True)
        raise RuntimeError
    assert mlflow.active_run() is None
    assert [mlflow.get_run(run.run_id).info.status for run in (parent, child)] == ["FAILED", "FAILED"]


def test_end_run_with_a_status(mlflow):
    run = mlflow.start_run()
    mlflow.end_run("KILLED")
    assert run.info.status == "KILLED"
    mlflow.end_run()  # nothing to end


def test_logging_starts_a_run(mlflow):
    mlflow.log_metric("m", 1)
    run = mlflow.active_run()
    assert run is not None
    mlflow.end_run()
    assert mlflow.get_run(run.run_id).data.metrics == {"m": 1}


def test_resuming_goes_on(mlflow):
    with mlflow.start_run(run_name="long") as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_metric("loss", 1.0)
        mlflow.log_text("one", "a.txt")
    start = run.info.start_time
    with mlflow.start_run(run_id=run.run_id) as again:
        assert again.info.status == "RUNNING"
        with pytest.raises(MlflowException, match="already"):
            mlflow.log_param("lr", 0.2)
        mlflow.log_metric("loss", 0.5)
        mlflow.log_text("two", "b.txt")
    found = mlflow.get_run(run.run_id)
    assert (found.info.status, found.info.run_name, found.info.start_time) == ("FINISHED", "long", start)
    assert [(p.step, p.value) for p in mlflow.get_metric_history(run.run_id, "loss")] == [(0, 1.0), (1, 0.5)]
    assert [file.path for file in mlflow.artifacts.list_artifacts(run_id=run.run_id)] == ["a.txt", "b.txt"]


def test_resuming_what_is_not_there(mlflow):
    with pytest.raises(MlflowException, match="there is no run 'nope'"):
        mlflow.start_run(run_id="nope")
    with mlflow.start_run() as run:
        pass
    mlflow.delete_run(run.run_id)
    with pytest.raises(MlflowException, match="was deleted"):
        mlflow.start_run(run_id=run.run_id)
    assert mlflow.active_run() is None


def test_handle_shows_the_present(mlflow):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1)
        assert run.data.metrics == {"m": 1}
        mlflow.set_tag("mlflow.runName", "other")
        assert run.info.run_name == "other"
        assert run.info.status == "RUNNING"
    assert run.info.status == "FINISHED"


def test_runs_are_ended_at_exit(mlflow, run_script):
    run_script("import gitml; gitml.log_metric('m', 1)")
    (run,) = mlflow.search_runs(output_format="list")
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"m": 1})


def test_a_run_that_ends_at_exit_keeps_its_large_files(mlflow, run_script):
    """Python starts no threads at exit, and they hash what is large."""
    done = run_script("""
        import os
        from pathlib import Path
        import gitml
        os.mkdir("out")
        for number in range(40):
            Path("out", f"{number}.txt").write_text(str(number))
        gitml.start_run(run_name="large")
        live = Path(".git/gitml/live", gitml.active_run().info.run_id)
        gitml.log_metric("loss", 1.0)
        gitml.log_metric("loss", 1.0)
        with open(live / "history" / "loss.tsv", "ab") as file:
            file.write(b"".join(b"%d\\t1700000000000\\t0.5\\n" % step for step in range(2, 400_000)))
        import atexit
        atexit.register(gitml.log_artifacts, "out")
    """)
    assert done.stderr == ""
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status == "FINISHED"
    assert len(mlflow.get_metric_history(run.info.run_id, "loss")) == 400_000
    assert len(mlflow.artifacts.list_artifacts(run_id=run.info.run_id)) == 40


def test_an_uncaught_error_fails_the_run(mlflow, run_script):
    done = run_script("import gitml; gitml.log_metric('m', 1); raise ValueError('bad batch')", code=1)
    assert "ValueError: bad batch" in done.stderr
    (run,) = mlflow.search_runs(output_format="list")
    assert (run.info.status, run.entity.error) == ("FAILED", "ValueError: bad batch")


def test_a_killed_process_loses_nothing(mlflow, run_script):
    done = run_script(
        """
        import os, signal, gitml
        gitml.start_run(run_name="shot")
        gitml.log_param("lr", 0.1)
        for i in range(1000):
            gitml.log_metric("m", i)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        code=None,
    )
    assert done.returncode == -signal.SIGKILL
    (run,) = mlflow.search_runs(output_format="list")
    assert (run.info.status, run.info.run_name, run.data.params) == ("KILLED", "shot", {"lr": 0.1})
    assert [p.value for p in mlflow.get_metric_history(run.info.run_id, "m")] == list(range(1000))


def test_a_wrapper_owns_its_run(mlflow, run_script):
    """What `gitml run` does: the environment names a live run, which its owner ends."""
    with mlflow.start_run(run_name="wrapper") as run:
        run_script(
            """
            import gitml
            gitml.log_metric("m", 1)
            gitml.end_run()
            """,
            GITML_RUN_ID=run.run_id,
        )
        run_script(
            """
            import gitml as mlflow
            with mlflow.start_run(tags={"k": "v"}) as run:
                mlflow.log_metric("m", 2)
            with mlflow.start_run() as part:
                mlflow.log_metric("part", 1)
            mlflow.log_metric("m", 3)
            """,
            MLFLOW_RUN_ID=run.run_id,
        )
        assert run.info.status == "RUNNING"
    found = mlflow.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.tags["k"] == "v"
    assert [point.value for point in mlflow.get_metric_history(run.run_id, "m")] == [1, 2, 3]
    parts = mlflow.search_runs(output_format="list", filter_string="metrics.part = 1")
    assert [mlflow.get_parent_run(part.info.run_id).info.run_id for part in parts] == [run.run_id]


def test_a_run_that_the_environment_names_anew_is_joined(mlflow, run_script):
    done = run_script(
        """
        import os
        import gitml as mlflow

        def begin():
            with mlflow.start_run() as run:
                return run.info.run_id

        a, b = begin(), begin()
        for run_id in (a, b, a):
            os.environ["MLFLOW_RUN_ID"] = run_id
            print(begin() == run_id, begin() == run_id)
        """
    )
    assert done.stdout == "True False\n" * 3


def test_the_repository_of_a_wrapper(mlflow, git_repo, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-c", "import gitml; gitml.log_metric('m', 1)"],
        cwd=elsewhere,
        env={**__import__("os").environ, "GITML_REPO": str(git_repo), "PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert len(mlflow.search_runs(output_format="list")) == 1


def test_system_metrics(mlflow):
    pytest.importorskip("psutil")
    mlflow.set_system_metrics_sampling_interval(0.05)
    with mlflow.start_run(log_system_metrics=True) as run:
        assert run.monitor.is_running
        import time

        time.sleep(0.3)
    names = mlflow.get_run(run.run_id).data.metrics
    assert "system/cpu_utilization_percentage" in names
    assert "system/system_memory_usage_megabytes" in names
    mlflow.enable_system_metrics_logging()
    with mlflow.start_run() as run:
        assert run.monitor is not None
    mlflow.disable_system_metrics_logging()
    with mlflow.start_run() as run:
        assert run.monitor is None


def test_a_machine_that_cannot_be_measured_stops_no_run(mlflow, monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.warns(RuntimeWarning, match=r"not recorded.*gitml\[system\]"):  # noqa: SIM117
        with mlflow.start_run(log_system_metrics=True) as run:
            mlflow.log_metric("m", 1)
    assert mlflow.active_run() is None
    found = mlflow.get_run(run.run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"m": 1})
