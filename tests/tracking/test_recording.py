"""From start to record: what a run keeps, and what wrong use gets."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time

import numpy as np
import pytest

from gitml.entities.run import DatasetInput, RunStatus
from gitml.errors import InvalidNameError, InvalidValueError, NotFoundError, RefusedError, UsageError
from gitml.index import Query
from gitml.repo import RUNS_REF
from gitml.tracking import edit, experiments, history
from gitml.tracking.commit import finish_run
from gitml.tracking.live import RunEndedError
from gitml.tracking.params_file import ParamChangedError
from gitml.tracking.redaction import SecretRedactedWarning
from gitml.tracking.start import attach_run, resume_run, start_run


def finished(repo, **facts):
    live = start_run(repo, **facts)
    finish_run(repo, live, RunStatus.FINISHED)
    return history.get_run(repo, live.run_id)


def content(repo, run, path):
    with history.open_artifact(repo, run, path) as stream:
        return stream.read()


def test_everything_logged_is_in_the_record(repo, tmp_path):
    (tmp_path / "big.bin").write_bytes(os.urandom(300_000))
    (tmp_path / "small.txt").write_text("hello")
    live = start_run(
        repo,
        experiment="churn",
        name="brisk-heron",
        tags={"team": "a"},
        note="why",
        command=("python", "train.py"),
    )
    live.log_params({"lr": 0.1, "net": {"depth": 3, "act": "relu"}, "none": None, "seeds": [1, 2]})
    for step in range(5):
        live.log_metric("val/loss", 1 / (step + 1))
    live.log_input(DatasetInput("train", "abc123"))
    live.log_artifact(tmp_path / "big.bin", "model")
    live.log_artifact(tmp_path / "small.txt")
    live.append_output(b"epoch 1\n")
    commit = finish_run(repo, live, RunStatus.FINISHED, exit_code=0)

    run = history.get_run(repo, live.run_id)
    assert run.commit == commit == repo.git.tip(RUNS_REF)
    assert (run.name, run.experiment, run.status, run.exit_code) == (
        "brisk-heron",
        "churn",
        RunStatus.FINISHED,
        0,
    )
    assert run.params == {"lr": 0.1, "net.depth": 3, "net.act": "relu", "none": None, "seeds": [1, 2]}
    assert run.tags == {"team": "a"}
    assert run.note == "why"
    assert run.inputs == (DatasetInput("train", "abc123"),)
    assert run.metrics["val/loss"].last == 0.2
    assert run.metrics["val/loss"].count == 5
    assert run.code.commit == repo.git.tip("refs/heads/main")
    assert not run.code.dirty
    assert [(point.step, point.value) for point in history.read_metric(repo, run, "val/loss")] == [
        (step, 1 / (step + 1)) for step in range(5)
    ]
    assert history.read_output(repo, run) == b"epoch 1\n"
    assert "requirements.txt" in history.read_environment(repo, run)
    sizes = {
        artifact.path: (artifact.size, artifact.pointer is not None)
        for artifact in history.list_artifacts(repo, run)
    }
    assert sizes == {"model/big.bin": (300_000, True), "small.txt": (5, False)}
    out = history.export_artifacts(repo, run, "model", tmp_path / "out")
    assert (out / "big.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    assert repo.journal.ids() == []
    assert repo.git.entry_at(commit, "code").oid == repo.git.commit_info(run.code.commit).tree


def test_a_live_run_answers_like_a_finished_one(repo, tmp_path):
    (tmp_path / "big.bin").write_bytes(b"x" * 200_000)
    live = start_run(repo, name="calm-otter")
    live.log_metric("loss", 0.5)
    live.log_param("lr", 1)
    live.log_artifact(tmp_path / "big.bin")
    before = history.get_run(repo, live.run_id)
    artifacts = [(a.path, a.size, a.pointer) for a in history.list_artifacts(repo, before)]
    points = history.read_metric(repo, before, "loss")
    assert before.live
    finish_run(repo, live, RunStatus.FINISHED)
    after = history.get_run(repo, live.run_id)
    assert not after.live
    assert (before.params, before.metrics, before.name) == (after.params, after.metrics, after.name)
    assert [(a.path, a.size, a.pointer) for a in history.list_artifacts(repo, after)] == artifacts
    assert history.read_metric(repo, after, "loss") == points


def test_special_numbers_come_back_exactly(repo):
    values = [
        math.nan,
        math.inf,
        -math.inf,
        2**63 - 1,
        -(2**63),
        0.1 + 0.2,
        -0.0,
        5e-324,
        np.float32(0.1),
        np.int64(7),
        True,
    ]
    live = start_run(repo)
    for value in values:
        live.log_metric("m", value)
    live.log_params({"nan": math.nan, "big": 2**63 - 1, "tiny": 5e-324, "text": "1e-5"})
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    back = [point.value for point in history.read_metric(repo, run, "m")]
    expected = [value.item() if isinstance(value, np.generic) else value for value in values]
    assert [repr(value) for value in back[:-1]] == [repr(value) for value in expected[:-1]]
    assert back[-1] == 1
    assert repr(run.params["nan"]) == "nan"
    assert (run.params["big"], run.params["tiny"], run.params["text"]) == (2**63 - 1, 5e-324, "1e-5")
    frame = history.metric_frame(repo, run, "m")
    assert frame["value"].iloc[3] == 2**63 - 1
    assert len(frame) == len(values)


def test_a_frame_has_types_one_can_compute_with(repo):
    live = start_run(repo)
    for step in range(3):
        live.log_metric("f", step / 3)
        live.log_metric("i", step)
    live.log_metric("n", float("nan"))
    live.log_metric("n", float("inf"))
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    frame = history.metric_frame(repo, run, "f")
    assert frame["value"].tolist() == [0.0, 1 / 3, 2 / 3]
    assert str(frame["timestamp"].dt.tz) == "UTC"
    assert history.metric_frame(repo, run, "i")["value"].dtype == "int64"
    special = history.metric_frame(repo, run, "n")["value"]
    assert special.dtype == "float64"
    assert math.isnan(special[0])
    assert special[1] == math.inf


def test_steps_count_up_by_themselves_and_go_on_after_given_ones(repo):
    live = start_run(repo)
    live.log_metric("m", 0.0)
    live.log_metric("m", 0.1)
    live.log_metric("m", 0.2, step=10)
    live.log_metric("m", 0.3)
    assert [p.step for p in history.read_metric(repo, live.to_run(), "m")] == [0, 1, 10, 11]
    finish_run(repo, live, RunStatus.FINISHED)
    again = resume_run(repo, live.run_id)
    again.log_metric("m", 0.4)
    finish_run(repo, again, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert [p.step for p in history.read_metric(repo, run, "m")] == [0, 1, 10, 11, 12]


def test_threads_log_to_one_run_without_losing_or_mixing_a_point(repo):
    live = start_run(repo)

    def work(name):
        for _ in range(500):
            live.log_metric("shared", 1.0)
            live.log_metric(name, 2.0)

    threads = [threading.Thread(target=work, args=(f"own{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert sorted(p.step for p in history.read_metric(repo, run, "shared")) == list(range(4000))
    assert run.metrics["own3"].count == 500


def test_more_metrics_than_a_process_may_open_files(repo):
    live = start_run(repo)
    for i in range(2000):
        live.log_metric(f"m{i}", float(i))
    live.log_metric("m0", 5.0)
    assert len(os.listdir("/proc/self/fd")) < 600
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert len(run.metrics) == 2000
    assert list(run.metrics)[:3] == ["m0", "m1", "m2"], "in the order first logged"
    assert run.metrics["m0"].count == 2


def test_a_param_is_set_once(repo):
    live = start_run(repo)
    live.log_param("lr", 0.1)
    live.log_param("lr", 0.1)
    live.log_param("nan", math.nan)
    live.log_param("nan", math.nan)
    with pytest.raises(ParamChangedError, match="lr"):
        live.log_params({"new": 1, "lr": 0.2})
    with pytest.raises(ParamChangedError):
        live.log_param("lr", "0.1")
    with pytest.raises(ParamChangedError):
        attach_run(repo, live.run_id).log_param("lr", 0.3)
    assert "new" not in live.to_run().params, "all or none"
    finish_run(repo, live, RunStatus.FINISHED)


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 251, "a\x00", "\u202e"])
def test_bad_names_raise_at_once_and_write_nothing(repo, key):
    live = start_run(repo)
    for log in (
        lambda: live.log_metric(key, 1),
        lambda: live.log_param(key, 1),
        lambda: live.set_tag(key, 1),
    ):
        with pytest.raises(InvalidNameError):
            log()
    run = live.to_run()
    assert (run.params, run.metrics, run.tags) == ({}, {}, {})
    finish_run(repo, live, RunStatus.FINISHED)


@pytest.mark.parametrize(
    "value", ["0.5", None, [1], np.zeros(3), object(), 1 + 2j, pytest.param(10**5000, id="huge")]
)
def test_what_is_no_number_is_no_metric(repo, value):
    live = start_run(repo)
    with pytest.raises(InvalidValueError, match="loss"):
        live.log_metric("loss", value)
    finish_run(repo, live, RunStatus.FINISHED)


def test_many_and_huge_params(repo):
    live = start_run(repo)
    live.log_params({f"p{i}": i for i in range(10_000)})
    with pytest.raises(InvalidValueError, match="log it as an artifact|bytes") as caught:
        live.log_param("huge", "x" * 10_000_000)
    assert "artifact" in caught.value.hint
    finish_run(repo, live, RunStatus.FINISHED)
    assert len(history.get_run(repo, live.run_id).params) == 10_000


def test_nothing_can_be_logged_after_the_end(repo):
    live = start_run(repo)
    live.log_metric("m", 1.0)
    finish_run(repo, live, RunStatus.FINISHED)
    for log in (
        lambda: live.log_metric("m", 1),
        lambda: live.log_param("a", 1),
        lambda: live.set_tag("a", 1),
    ):
        with pytest.raises(RunEndedError):
            log()


def test_secrets_are_redacted_before_they_reach_the_disk(repo, tmp_path):
    token = "ghp_" + "a1B2" * 9
    with pytest.warns(SecretRedactedWarning, match="looks like a secret"):
        live = start_run(
            repo, command=("python", "train.py", "--password", "hunter2hunter2"), params={"api_key": token}
        )
        live.set_tag("url", "https://ada:hunter2hunter2@example.org/x")
    finish_run(repo, live, RunStatus.FINISHED)
    everything = b"".join(
        repo.git.read_blob(entry.oid)
        for entry in repo.git.list_tree(history.get_run(repo, live.run_id).commit)
    )
    assert token.encode() not in everything
    assert b"hunter2" not in everything


def test_a_folder_is_kept_as_a_tree_and_links_out_of_it_are_refused(repo, tmp_path):
    folder = tmp_path / "model"
    (folder / "weights").mkdir(parents=True)
    for i in range(20):
        (folder / "weights" / f"{i}.bin").write_bytes(bytes([i]) * 150_000)
    (folder / "config.json").write_text("{}")
    (folder / "latest.json").symlink_to("config.json")
    live = start_run(repo)
    live.log_artifacts(folder, "kept")
    (folder / "evil").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="leads out of the folder"):
        live.log_artifacts(folder, "refused")
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    found = [artifact.path for artifact in history.list_artifacts(repo, run)]
    assert len(found) == 22
    assert not [path for path in found if path.startswith("refused")]
    for artifact in history.list_artifacts(repo, run, "kept/weights"):
        data = content(repo, run, artifact.path)
        assert hashlib.sha256(data).hexdigest() == artifact.pointer.oid


@pytest.mark.parametrize("path", ["/abs", "../up", "a/../../b", ".git", "a\\b"])
def test_artifact_paths_that_leave_the_run_are_refused(repo, tmp_path, path):
    (tmp_path / "f").write_text("x")
    live = start_run(repo)
    with pytest.raises(InvalidNameError):
        live.log_artifact(tmp_path / "f", path)
    with pytest.raises(InvalidNameError):
        live.log_bytes(b"x", path)
    with pytest.raises(NotFoundError):
        live.log_artifact(tmp_path / "missing")
    finish_run(repo, live, RunStatus.FINISHED)


def test_an_artifact_can_be_replaced_from_large_to_small_and_back(repo):
    live = start_run(repo)
    for data in (b"x" * 200_000, b"small", b"y" * 200_000, b"z"):
        live.log_bytes(data, "a/b")
    live.log_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 5\n", "fake"
    )
    with pytest.raises(UsageError, match="both a file and a folder"):
        live.log_bytes(b"x", "a/b/c")
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert content(repo, run, "a/b") == b"z"
    assert content(repo, run, "fake").endswith(b"size 5\n")


def test_files_of_gits_own_rules_do_not_rule_the_run(repo, git, git_repo, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / ".gitattributes").write_text(
        "*.safetensors -filter\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
    )
    (folder / ".gitmodules").write_text('[submodule "x"]\n\tpath = -x\n\turl = --evil\n')
    (folder / "w.safetensors").write_bytes(b"w" * 200_000)
    (folder / "s.bin").write_bytes(b"small")
    (folder / "%2Eodd").write_text("odd")
    live = start_run(repo)
    live.log_artifacts(folder, "model")
    names = [artifact.path for artifact in history.list_artifacts(repo, live.to_run())]
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert [artifact.path for artifact in history.list_artifacts(repo, run)] == names
    assert content(repo, run, "model/.gitattributes") == (folder / ".gitattributes").read_bytes()
    out = history.export_artifacts(repo, run, "model", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    git(git_repo, "fsck", "--strict")
    tree = [entry.path for entry in repo.git.list_tree(run.commit)]
    assert [path for path in tree if path.endswith((".gitattributes", ".gitmodules"))] == [".gitattributes"]


def test_a_name_that_begins_like_our_temporary_files_is_kept(repo):
    live = start_run(repo)
    live.log_bytes(b"mine", ".gitml-notes")
    finish_run(repo, live, RunStatus.FINISHED)
    assert content(repo, history.get_run(repo, live.run_id), ".gitml-notes") == b"mine"


def test_secrets_in_errors_and_names_are_redacted(repo):
    token = "ghp_" + "a1B2" * 9
    with pytest.warns(SecretRedactedWarning):
        live = start_run(repo, name=f"try {token}")
        finish_run(repo, live, RunStatus.FAILED, error=f"connect failed: postgres://u:hunter2pw@h/x {token}")
    message = repo.git.commit_info(history.get_run(repo, live.run_id).commit).message
    run = history.get_run(repo, live.run_id)
    assert token not in f"{run.error}{run.name}{message}"
    assert "hunter2pw" not in run.error


def test_a_large_history_stands_behind_a_pointer_and_reads_the_same(repo, git, git_repo):
    git(git_repo, "config", "gitml.historyLimit", "1k")
    live = start_run(repo)
    for i in range(500):
        live.log_metric("long", i / 7)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert repo.git.read_path(run.commit, "history/long.tsv").startswith(b"version https://git-lfs")
    assert [p.value for p in history.read_metric(repo, run, "long")] == [i / 7 for i in range(500)]
    again = resume_run(repo, run.id)
    again.log_metric("long", 1.0)
    finish_run(repo, again, RunStatus.FINISHED)
    assert history.get_run(repo, run.id).metrics["long"].count == 501


def test_secrets_in_later_changes_are_redacted_with_a_notice(repo):
    run = finished(repo)
    token = "ghp_" + "a1B2" * 9
    with pytest.warns(SecretRedactedWarning, match="note"):
        edit.set_note(repo, run.id, f"use {token}")
    with pytest.warns(SecretRedactedWarning, match="tag 'auth'"):
        edit.set_tags(repo, run.id, {"auth": token})
    now = history.get_run(repo, run.id)
    assert token not in now.note + now.tags["auth"]


def test_tags_notes_and_names_change_by_new_records(repo):
    run = finished(repo, tags={"a": "1"})
    edit.set_tags(repo, run.id, {"b": 2})
    edit.delete_tag(repo, run.id, "a")
    edit.set_note(repo, run.id, "looks good")
    edit.rename_run(repo, run.id, "better")
    now = history.get_run(repo, run.id)
    assert (now.tags, now.note, now.name) == ({"b": "2"}, "looks good", "better")
    assert len(repo.index.records(run.id)) == 5
    edit.rename_run(repo, run.id, "better")
    repo.index.catch_up()
    assert len(repo.index.records(run.id)) == 5, "nothing changed, nothing recorded"
    with pytest.raises(NotFoundError):
        edit.delete_tag(repo, run.id, "a")
    edit.delete_run(repo, run.id)
    assert history.get_run(repo, run.id).deleted_ms
    with pytest.raises(RefusedError, match="deleted"):
        resume_run(repo, run.id)
    edit.restore_run(repo, run.id)
    assert history.get_run(repo, run.id).deleted_ms is None
    assert history.read_environment(repo, now) == history.read_environment(repo, run), (
        "the rest of the tree stays"
    )


def test_live_runs_change_in_place(repo):
    live = start_run(repo)
    edit.set_tags(repo, live.run_id, {"b": 2})
    edit.rename_run(repo, live.run_id, "other")
    with pytest.raises(RefusedError, match="live"):
        edit.delete_run(repo, live.run_id)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert (run.tags, run.name) == ({"b": "2"}, "other")
    assert repo.index.records(run.id) == [run.commit]


def test_experiments_come_and_go(repo):
    first = experiments.create_experiment(repo, "churn", {"owner": "ada"})
    with pytest.raises(RefusedError, match="already"):
        experiments.create_experiment(repo, "churn")
    run = finished(repo, experiment="churn")
    assert run.experiment_id == first.id
    experiments.rename_experiment(repo, "churn", "attrition")
    assert history.get_run(repo, run.id).experiment == "attrition"
    second = experiments.create_experiment(repo, "churn")
    assert second.id != first.id
    other = finished(repo, experiment="churn")
    assert {found.id for found in history.search(repo, Query())} == {run.id, other.id}
    experiments.delete_experiment(repo, second.id)
    assert [found.id for found in history.search(repo, Query())] == [run.id]
    assert [found.id for found in history.search(repo, Query(view="deleted"))] == [other.id]
    with pytest.raises(RefusedError, match="deleted"):
        start_run(repo, experiment="churn")
    experiments.restore_experiment(repo, second.id)
    assert {e.name for e in experiments.list_experiments(repo)} == {"Default", "churn", "attrition"}
    with pytest.raises(RefusedError, match="default"):
        experiments.rename_experiment(repo, "Default", "x")
    with pytest.raises(NotFoundError):
        experiments.get_experiment(repo, "nope")


def test_two_clones_agree_on_an_experiments_id(repo, git, git_repo, tmp_path):
    from gitml.repo import Repo

    git(tmp_path, "clone", "--quiet", str(git_repo), "clone")
    other = Repo.open(tmp_path / "clone")
    assert experiments.experiment_named(other, "churn").id == experiments.create_experiment(repo, "churn").id
    other.close()


def test_a_clock_that_runs_backwards(repo, monkeypatch):
    first = finished(repo)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    live = start_run(repo)
    monkeypatch.setattr(time, "time_ns", lambda: real() - 7_200_000_000_000)
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert run.end_ms >= run.start_ms
    assert run.duration_s >= 0
    assert repo.git.commit_info(run.commit).time_ms >= repo.git.commit_info(first.commit).time_ms


def test_a_dirty_work_tree_is_snapshotted_and_survives_gc(repo, git, git_repo):
    (git_repo / "train.py").write_text("print('changed')\n")
    (git_repo / "new.py").write_text("x = 1\n")
    live = start_run(repo)
    git(git_repo, "gc", "--quiet", "--prune=now")
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    assert run.code.dirty
    assert repo.git.read_path(run.commit, "code/train.py") == b"print('changed')\n"
    assert repo.git.read_path(run.commit, "code/new.py") == b"x = 1\n"
    assert git(git_repo, "for-each-ref", "refs/gitml") == ""
    assert git(git_repo, "status", "--porcelain") == " M train.py\n?? new.py\n"
