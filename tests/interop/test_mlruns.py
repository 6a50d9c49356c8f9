"""`gitml import mlruns`: MLflow's file store, without MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from gitml.entities.run import RunStatus
from gitml.errors import GitmlError
from gitml.index import Query
from gitml.interop import importing
from gitml.interop.mlruns_reader import MlrunsSource
from gitml.registry.content import list_files
from gitml.registry.lookup import get_state
from gitml.registry.models import delete_model, describe_model, list_models
from gitml.registry.stages import promote
from gitml.registry.versions import register
from gitml.sync.inspect import inspect
from gitml.tracking import edit, experiments, history
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run

ONE, TWO, THREE, FOUR, FIVE, SIX = (f"c{number:031x}" for number in range(1, 7))


@pytest.fixture
def churn(store):
    return store.experiment("churn", "819569111588590845", team="growth")


def take(repo, store, **options):
    return importing.import_from(repo, MlrunsSource(store.root), **options)


def content(repo, run, path):
    with history.open_artifact(repo, run, path) as stream:
        return stream.read()


def test_a_run_comes_with_everything(cli, repo, store, churn, git):
    folder = store.run(
        churn, ONE, "first run",
        params={"lr": "0.1", "depth": "6", "opt/name": "adam", "flag": "True", "id": "007", "exp": "1e-3"},
        metrics={
            "val/loss": "1795616938851 0.1 0\n1795616938853 0.30000000000000004 1\n1795616938853 5e-324 1\n",
            "odd": "5 nan 3\n6 inf -1\n7 -inf -1\n",
            "old": "5 1.5\n",
            "of data": "1 2.5 7 train 91ab\n",
        },
        tags={
            "team": "growth", "mlflow.note.content": "why\nand how", "mlflow.parentRunId": TWO,
            "mlflow.source.name": "train.py", "mlflow.source.git.commit": "ab" * 20,
            "mlflow.source.git.branch": "main", "mlflow.project.entryPoint": "main",
        },
        files={"notes/a.txt": b"hello", "big.bin": b"x" * 200_000, "model/.gitattributes": b"* text\n"},
    )  # fmt: skip
    store.write(
        folder / "inputs" / "a1" / "meta.yaml",
        "destination_id: c3\ndestination_type: RUN\nsource_id: c3\nsource_type: DATASET\n"
        "tags:\n  k: v\n  mlflow.data.context: training\n",
    )
    store.write(
        churn / "datasets" / "c3" / "meta.yaml",
        "digest: 2981c147\nname: train\nprofile: '{\"num_rows\": 2}'\nschema: null\n"
        'source: \'{"uri": "/data/train.parquet"}\'\nsource_type: local\n',
    )
    done = cli("import", "mlruns", store.root, "--json").report
    assert (done["new"], done["experiments"], done["problems"]) == (1, 2, [])
    run = history.get_run(repo, ONE)
    assert (run.name, run.experiment, run.status, run.user) == (
        "first run",
        "churn",
        RunStatus.FINISHED,
        "ada",
    )
    assert (run.start_ms, run.end_ms, run.duration_s) == (1795616938832, 1795616939590, 0.758)
    assert run.params == {
        "lr": 0.1, "depth": 6, "opt/name": "adam", "flag": True, "id": "007", "exp": "1e-3",
    }  # fmt: skip
    assert run.tags == {"team": "growth", "mlflow.source.name": "train.py"}
    assert (run.note, run.parent_id, run.entry_point) == ("why\nand how", TWO, "main")
    assert (run.code.commit, run.code.branch) == ("ab" * 20, "main")
    points = history.read_metric(repo, run, "val/loss")
    assert points == [
        (0, 1795616938851, 0.1),
        (1, 1795616938853, 0.30000000000000004),
        (1, 1795616938853, 5e-324),
    ]
    assert [repr(p.value) for p in history.read_metric(repo, run, "odd")] == ["nan", "inf", "-inf"]
    assert history.read_metric(repo, run, "old") == [(0, 5, 1.5)]
    assert history.read_metric(repo, run, "of data") == [(7, 1, 2.5)]  # MLflow itself reads step 0 here
    (data,) = run.inputs
    assert (data.name, data.digest, data.source, data.context) == (
        "train", "2981c147", "/data/train.parquet", "training",
    )  # fmt: skip
    assert (data.tags, data.profile, data.schema) == ({"k": "v"}, '{"num_rows": 2}', None)
    found = {a.path: (a.size, a.pointer is not None) for a in history.list_artifacts(repo, run)}
    assert found == {
        "notes/a.txt": (5, False),
        "big.bin": (200_000, True),
        "model/.gitattributes": (7, False),
    }
    assert content(repo, run, "big.bin") == b"x" * 200_000
    assert "train 91ab" in git(repo.git.work_tree, "show", f"{run.commit}:imported/source.yaml")
    git(repo.git.work_tree, "fsck", "--strict")


def test_experiments_and_deleted_runs(repo, store, churn):
    gone = store.experiment("gone", "467846599507568193", deleted=True)
    store.run(gone, ONE, deleted=True)
    store.run(churn, TWO, "1e5", deleted=True, status=4)
    store.run(churn, THREE, status=1)
    report = take(repo, store)
    assert (report.new, report.problems) == (3, [])
    found = {experiment.name: experiment for experiment in experiments.list_experiments(repo)}
    assert set(found) == {"Default", "churn", "gone"}
    assert found["churn"].tags["team"] == "growth"
    assert found["churn"].tags["mlflow.experiment_id"] == "819569111588590845"
    assert found["churn"].created_ms == 1795616938721
    assert found["churn"].deleted_ms is None
    assert found["gone"].deleted_ms == 1795616939620
    run = history.get_run(repo, TWO)
    assert (run.name, run.status, run.deleted_ms) == ("1e5", RunStatus.FAILED, 1795616949620)
    assert history.get_run(repo, THREE).status is RunStatus.RUNNING
    assert [r.id for r in repo.index.search(Query())] == [THREE]


def test_importing_again_adds_nothing(cli, repo, store, churn, git):
    store.run(churn, ONE, metrics={"acc": "1 0.5 0\n"}, files={"big.bin": b"x" * 200_000, "a.txt": b"a"})
    store.model("net", {1: ONE})
    cli("import", "mlruns", store.root)
    before = repo.git.tip("refs/heads/gitml/runs")
    again = cli("import", "mlruns", store.root.parent, "--json").report  # the folder that it is in will do
    assert (again["new"], again["updated"], again["unchanged"], again["experiments"]) == (0, 0, 1, 0)
    assert repo.git.tip("refs/heads/gitml/runs") == before
    git(repo.git.work_tree, "gc", "--quiet", "--prune=now")
    cli("import", "mlruns", store.root)
    assert repo.git.tip("refs/heads/gitml/runs") == before
    assert git(repo.git.work_tree, "count-objects").startswith("0 objects")


def test_what_changed_there_comes_and_what_changed_here_stays(repo, store, churn):
    folder = store.run(
        churn, ONE, params={"lr": "0.1"}, metrics={"acc": "1 0.5 0\n"}, tags={"a": "1", "b": "1"},
        files={"a.txt": b"1", "gone.txt": b"1"},
    )  # fmt: skip
    take(repo, store)
    edit.set_tags(repo, ONE, {"a": "mine", "new": "mine"})
    edit.set_note(repo, ONE, "my note")
    store.write(folder / "tags" / "b", "2")
    store.write(folder / "metrics" / "acc", "1 0.5 0\n2 0.75 1\n")
    store.write(folder / "artifacts" / "b.txt", "new")
    (folder / "artifacts" / "gone.txt").unlink()
    report = take(repo, store)
    assert (report.new, report.updated, report.unchanged) == (0, 1, 0)
    run = history.get_run(repo, ONE)
    assert run.tags == {"a": "mine", "b": "2", "new": "mine"}
    assert run.note == "my note"
    assert run.metrics["acc"].last == 0.75
    assert [p.value for p in history.read_metric(repo, run, "acc")] == [0.5, 0.75]
    assert [a.path for a in history.list_artifacts(repo, run)] == ["a.txt", "b.txt"]
    assert len(repo.index.records(ONE)) == 4
    assert take(repo, store).unchanged == 1


def test_registered_models_are_kept_with_their_runs(cli, repo, store, churn, git):
    store.run(churn, ONE)
    store.run(churn, TWO)
    store.model("net", {1: ONE, 2: TWO, 3: "f" * 32}, {"prod": 1})
    store.model("empty", {})
    done = cli("import", "mlruns", store.root).out
    assert "registered model net: 0 versions" in done  # the runs have no files

    def kept(run_id):
        run = history.get_run(repo, run_id)
        return json.loads(git(repo.git.work_tree, "show", f"{run.commit}:imported/models.json"))["registered"]

    (entry,) = kept(ONE)
    assert (entry["name"], [v["version"] for v in entry["versions"]]) == ("net", [1])
    assert entry["versions"][0]["tags"] == {"checked": "yes"}
    assert entry["versions"][0]["current_stage"] == "Production"
    (last,) = repo.index.search(Query(filter="run_name = 'model net'"))
    (entry,) = kept(last.id)
    assert [v["version"] for v in entry["versions"]] == [3]  # its run is not in the store
    assert entry["model"]["aliases"] == {"prod": "1"}
    assert (entry["model"]["tags"], entry["model"]["description"]) == ({"owner": "ada"}, "what net is for")
    (alone,) = repo.index.search(Query(filter="run_name = 'model empty'"))
    assert kept(alone.id)[0]["versions"] == []
    edit.set_tags(repo, ONE, {"a": "b"})
    assert kept(ONE)[0]["name"] == "net"  # a later record keeps it


def test_registered_models_become_models(repo, store, churn, git):
    files = {"model/w.bin": b"w", "model/MLmodel": b"m"}
    for run_id in (ONE, TWO):
        store.run(churn, run_id, files=files)
    # The runs of version 1 and 4 are not in the store, version 3 was deleted in MLflow.
    store.model("net", {1: "f" * 32, 2: ONE, 4: "e" * 32, 5: TWO}, {"prod": 2, "gone": 4})
    store.model("empty", {})
    report = take(repo, store)
    assert report.models == {"empty": "0 versions", "net": "2 versions"}
    assert [problem.what for problem in report.problems] == [
        "version 1 of registered model 'net'", "version 4 of registered model 'net'",
    ]  # fmt: skip
    state = get_state(repo, "net")
    assert (list(state.tags), sorted(state.deleted)) == ([1, 2, 3, 4, 5], [1, 3, 4])
    model = state.model()
    assert (model.description, model.tags, model.aliases) == (
        "what net is for",
        {"owner": "ada"},
        {"prod": 2},
    )
    assert (model.holders, model.created_ms // 1000) == ({"Production": 5}, 1795616939)
    version = state.version(2)
    assert (version.run_id, version.path, version.tags) == (ONE, "model", {"checked": "yes"})
    assert version.created_ms == 1795616939000  # when it was registered in MLflow, to the second
    assert [event.time_ms for event in state.events] == [1795616939000] * 3
    assert get_state(repo, "empty").model().description == "what empty is for"
    assert list_files(repo, version)[0].path == "model/MLmodel"
    git(repo.git.work_tree, "fsck", "--strict")

    def refs():
        return git(repo.git.work_tree, "for-each-ref", "--format=%(refname) %(objectname)")

    before = refs()
    again = take(repo, store)
    assert (again.models, again.problems, refs()) == ({}, [], before)


def test_what_changed_in_mlflows_registry_comes_and_what_was_done_here_stays(repo, store, churn):
    for run_id in (ONE, TWO):
        store.run(churn, run_id, files={"model/w.bin": b"w"})
    store.model("net", {1: ONE}, {"prod": 1, "old": 1})
    take(repo, store)
    promote(repo, "net", 1, "Staging")
    describe_model(repo, "net", "said here")
    store.model("net", {1: ONE, 2: TWO}, {"prod": 2})
    (store.root / "models/net/aliases/old").unlink()
    version = store.root / "models/net/version-1"
    store.write(version / "tags" / "late", "1")
    (version / "tags" / "checked").unlink()
    assert take(repo, store).models == {"net": "1 version"}
    state = get_state(repo, "net")
    model = state.model()
    assert (model.holders, model.aliases) == ({"Staging": 1, "Production": 2}, {"prod": 2})
    assert model.description == "said here"
    assert state.version(1).tags == {"late": "1"}
    meta = version / "meta.yaml"
    store.write(meta, meta.read_text().replace("Production", "Archived"))
    take(repo, store)
    assert get_state(repo, "net").stage_of(1) == "Archived"
    delete_model(repo, "net")
    store.model("net", {1: ONE, 2: TWO, 3: TWO})
    take(repo, store)
    assert list_models(repo) == []


def test_a_name_that_is_taken_here_is_told(repo, store, churn):
    store.run(churn, ONE, files={"model/w.bin": b"w"})
    store.run(churn, TWO, files={"model/w.bin": b"w"})
    take(repo, store)
    register(repo, history.get_run(repo, TWO), "net", "model")
    store.model("net", {1: ONE}, {"prod": 1})
    (problem,) = take(repo, store).problems
    assert "there is a version of this number here" in problem.reason
    state = get_state(repo, "net")
    assert (list(state.tags), state.events, state.version(1).run_id) == ([1], [], TWO)


def test_logged_models_come_with_their_files(repo, store, churn):
    store.run(churn, ONE, files={"a.txt": b"a"})
    for number, model in ((1, "m-1"), (2, "m-2")):
        folder = churn / "models" / model
        store.write(
            folder / "meta.yaml",
            f"artifact_location: file://{folder}/artifacts\ncreation_timestamp: {number}\n"
            f"experiment_id: '{churn.name}'\nmodel_id: {model}\nname: net\nsource_run_id: {ONE}\nstatus: 2\n",
        )
        store.write(folder / "artifacts" / "MLmodel", f"model {number}")
    lone = churn / "models" / "m-3"
    store.write(
        lone / "meta.yaml", "creation_timestamp: 5\nmodel_id: m-3\nname: alone\nsource_run_id: null\n"
    )
    store.write(lone / "params" / "depth", "3")
    store.write(lone / "artifacts" / "MLmodel", "alone")
    report = take(repo, store)
    assert (report.new, report.problems) == (2, [])
    run = history.get_run(repo, ONE)
    paths = [a.path for a in history.list_artifacts(repo, run)]
    assert paths == ["a.txt", "net/MLmodel", "net~m-1/MLmodel"]
    assert content(repo, run, "net/MLmodel") == b"model 2"  # runs:/RUN/net is the newest
    assert content(repo, history.get_run(repo, "m-3"), "MLmodel") == b"alone"


def test_damaged_runs_stop_nobody(cli, repo, store, churn):
    store.run(churn, ONE, metrics={"acc": "1 0.5 0\nnonsense\n2 0.6 1\n"})
    (store.run(churn, TWO) / "meta.yaml").write_text("run_id: [")
    (store.run(churn, THREE) / "meta.yaml").write_text("a: &x !!python/object:os.system {}\n")
    (store.run(churn, FOUR) / "meta.yaml").unlink()
    store.run(churn, FIVE).joinpath("meta.yaml").write_text(f"run_id: {ONE}\n")
    store.run(churn, SIX)
    done = cli("import", "mlruns", store.root, "--json", code=6)
    report = done.report
    assert (report["new"], report["skipped"]) == (2, 4)
    reasons = " ".join(problem["reason"] for problem in report["problems"])
    assert "'metrics/acc', line 2" in reasons
    assert "anchors" in reasons or "tags are not allowed" in reasons
    assert f"that of run '{ONE}'" in reasons
    assert json.loads(done.err.splitlines()[-1])["error"]["type"] == "IncompleteImportError"
    run = history.get_run(repo, ONE)
    assert [p.value for p in history.read_metric(repo, run, "acc")] == [0.5, 0.6]
    assert run.incomplete
    assert cli("import", "mlruns", store.root, code=6).out.startswith("imported 0 new runs")


def test_nothing_outside_of_the_folder_is_read(repo, store, churn, tmp_path):
    secret = tmp_path / "secret"
    (secret / "deep").mkdir(parents=True)
    (secret / "key.txt").write_text("outside")
    folder = store.run(churn, ONE, params={"lr": "1"}, files={"own.txt": b"own"}, uri=f"file://{secret}")
    (folder / "params" / "stolen").symlink_to(secret / "key.txt")
    (folder / "artifacts" / "stolen.txt").symlink_to(secret / "key.txt")
    (folder / "artifacts" / "again.txt").symlink_to(folder / "artifacts" / "own.txt")
    (folder / "artifacts" / "loop").symlink_to(folder / "artifacts")
    (folder / "artifacts" / "deep").symlink_to(secret)
    (churn / TWO).symlink_to(secret)
    os.mkfifo(folder / "tags" / "pipe")
    store.write(folder / "inputs" / "x" / "meta.yaml", "source_id: ../../../secret\nsource_type: DATASET\n")
    report = take(repo, store)
    assert (report.new, report.skipped_runs) == (0, 1)
    assert "'../../../secret'" in report.problems[-1].reason
    (folder / "inputs" / "x" / "meta.yaml").unlink()
    report = take(repo, store)
    run = history.get_run(repo, ONE)
    assert run.params == {"lr": 1}
    assert [a.path for a in history.list_artifacts(repo, run)] == ["again.txt", "own.txt"]
    told = sorted(problem.reason for problem in report.problems)
    assert [text for text in told if "'artifacts/stolen.txt'" in text]
    assert [text for text in told if "'params/stolen'" in text]
    assert [text for text in told if "'artifacts/deep'" in text]


def test_artifacts_elsewhere_are_listed_or_read_when_allowed(cli, repo, store, churn, tmp_path):
    outside = tmp_path / "artifacts-elsewhere"
    store.write(outside / "run" / "a.txt", "outside")
    served = tmp_path / "mlartifacts"
    store.write(served / "1" / TWO / "artifacts" / "b.txt", "served")
    store.run(churn, ONE, uri=f"file://{outside}/run")
    store.run(churn, TWO, uri=f"mlflow-artifacts:/1/{TWO}/artifacts")
    store.run(churn, THREE, uri="s3://ada:hunter2secret@bucket/run/artifacts")
    store.run(churn, FOUR, uri=f"file:///another/machine/mlruns/{churn.name}/{FOUR}/artifacts")
    report = cli("import", "mlruns", store.root, "--json").report
    told = {problem["what"] for problem in report["problems"]}
    assert len(told) == 3
    assert any(f"at 'file://{outside}/run'" in what for what in told)
    assert not any("hunter2secret" in what for what in told)
    roots = ["--artifacts-root", outside, "--artifacts-root", served]
    report = cli("import", "mlruns", store.root, *roots, "--json").report
    assert (report["updated"], report["unchanged"], len(report["problems"])) == (2, 2, 0)
    assert content(repo, history.get_run(repo, ONE), "a.txt") == b"outside"
    assert content(repo, history.get_run(repo, TWO), "b.txt") == b"served"


def test_names_that_gitml_refuses_are_changed_visibly(cli, repo, store, churn):
    long = "n" * 251
    store.run(
        churn, ONE, " spaced\tname ",
        params={" lr ": "1", "lr": "2", "a\u202eb": "3", long: "4"},
        metrics={"m" * 245: "1 2.0 0\n"},
        tags={"tab\there": "x"},
        files={"a\\b.txt": b"x", "sub/.git": b"y", "new\nline": b"z"},
    )  # fmt: skip
    report = cli("import", "mlruns", store.root, "--json").report
    assert report["new"] == 1
    run = history.get_run(repo, ONE)
    assert {run.params[key] for key in run.params} == {1, 2, 3, 4}
    assert run.params["%20lr%20"] == 1
    assert run.params["a%E2%80%AEb"] == 3
    assert len(run.metrics) == 1
    assert run.tags["tab%09here"] == "x"
    assert sorted(a.path for a in history.list_artifacts(repo, run)) == [
        "a%5Cb.txt",
        "new%0Aline",
        "sub/_git",
    ]
    assert all(not problem["lost"] for problem in report["problems"])
    assert any("'a\\\\b.txt' is called 'a%5Cb.txt'" in problem["reason"] for problem in report["problems"])


def test_secrets_are_not_recorded(cli, repo, store, churn, git):
    token = "ghp_" + "a1B2" * 9
    store.run(
        churn, ONE, params={"api_key": "abcd1234efgh5678"}, tags={"mlflow.note.content": f"use {token}"}
    )  # fmt: skip
    done = cli("import", "mlruns", store.root)
    assert "looks like a secret" in done.err
    run = history.get_run(repo, ONE)
    assert run.params["api_key"] == "[redacted: api key]"
    assert token not in git(repo.git.work_tree, "show", f"{run.commit}:note.md")


def test_a_long_value_becomes_a_file(cli, repo, store, churn, git):
    text = "word " * 300_000
    store.run(churn, ONE, tags={"mlflow.data": text})
    report = cli("import", "mlruns", store.root, "--json").report
    (problem,) = report["problems"]
    assert not problem["lost"]
    path = problem["reason"].split("'")[3]
    run = history.get_run(repo, ONE)
    assert git(repo.git.work_tree, "show", f"{run.commit}:{path}") == text
    assert len(run.tags["mlflow.data"]) < 100


def test_a_dry_run_writes_nothing(cli, repo, store, churn):
    store.run(churn, ONE, files={"big.bin": b"x" * 200_000})
    report = cli("import", "mlruns", store.root, "--dry-run", "--json").report
    assert (report["dry_run"], report["new"], report["experiments"]) == (True, 1, 2)
    assert repo.git.tip("refs/heads/gitml/runs") is None
    assert not list(repo.objects.root.glob("objects/*/*/*"))
    assert cli("import", "mlruns", store.root, "-n").out.startswith("would import 1 new runs")


def test_what_is_no_store_is_refused(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    done = cli("import", "mlruns", tmp_path / "empty", code=3)
    assert "is no MLflow file store" in done.err
    assert "gitml import mlflow sqlite:///FILE" in done.err
    assert "is no MLflow file store" in cli("import", "mlruns", tmp_path / "none", code=3).err


def test_runs_of_our_own_with_the_same_id_are_left_alone(repo, store, churn):
    live = start_run(repo, name="mine", run_id=ONE)
    store.run(churn, ONE)
    store.run(churn, TWO)
    try:
        report = take(repo, store)
    finally:
        live.close()
    assert (report.new, report.skipped_runs) == (1, 1)
    assert "it is live here" in report.problems[0].reason


def test_many_batches_and_a_lost_race(repo, store, churn, monkeypatch):
    """Another process records a run between our objects and our commits: both are there."""
    monkeypatch.setattr(importing, "BATCH", 2)
    for number in range(5):
        store.run(churn, f"c{number:031x}", f"run {number}")
    real = importing.append_records
    moved = []

    def late(repo, records, reason):
        def move(ref, old, new, message="gitml"):
            if not moved:  # somebody else was faster, once
                moved.append(experiments.create_experiment)
                monkeypatch.setattr(repo.git, "move_ref", actual)
                tree = repo.git.write_tree({})
                other = repo.git.write_commit(
                    tree, [old] if old else [], "joined\n\nRun-Id: x\n", author="B <b@c>", time_s=1
                )
                assert actual(ref, old, other)
                return False
            return actual(ref, old, new, message)

        actual = repo.git.move_ref
        monkeypatch.setattr(repo.git, "move_ref", move)
        real(repo, records, reason)

    monkeypatch.setattr(importing, "append_records", late)
    report = take(repo, store)
    assert report.new == 5
    assert moved
    assert len(repo.index.search(Query(view="all"))) == 5


def test_a_branch_of_somebody_else_is_refused(repo, store, churn, git):
    git(repo.git.work_tree, "branch", "gitml/runs")
    store.run(churn, ONE)
    with pytest.raises(GitmlError, match="gitml did not make"):
        take(repo, store)


def test_importing_and_recording_at_the_same_time(repo, store, churn, tmp_path, gitml):
    """Three imports and twenty runs of our own at once: nothing is lost, and git is content."""
    stores = []
    for letter in "abc":
        copy = type(store)(tmp_path / letter)
        home = copy.experiment(f"of {letter}", "81956911158859084" + str("abc".index(letter)))
        for number in range(40):
            copy.run(home, f"{letter}{number:031x}", f"run {number}", metrics={"acc": "1 0.5 0\n"})
        stores.append(copy.root)
    root = repo.git.work_tree
    imports = [
        subprocess.Popen([sys.executable, "-m", "gitml", "import", "mlruns", path], cwd=root)
        for path in stores
    ]
    for _ in range(20):
        finish_run(repo, start_run(repo, name="mine", code="off"), RunStatus.FINISHED)
    assert [process.wait(60) for process in imports] == [0, 0, 0]
    history.refresh(repo)
    assert repo.index.count(Query()) == 140
    for path in stores:
        assert "40 here already" in gitml(root, "import", "mlruns", path).stdout


def test_what_is_imported_is_well_formed_to_a_server(repo, store, churn):
    """The inspection that the pre-receive hook makes, on everything an import can write."""
    name = "colon: \tin a name"
    store.run(
        churn, ONE, name, params={" odd ": "1"}, metrics={"a/b": "1 nan 0\n", "m%": "1 2 3\n"},
        tags={"mlflow.note.content": "x", "mlflow.source.git.commit": "not a commit"},
        files={".gitattributes": b"*", "big.bin": b"x" * 200_000, "a\\b": b"1"},
    )  # fmt: skip
    store.model("net", {1: ONE, 2: None})
    assert take(repo, store).new == 2
    tip = repo.git.tip("refs/heads/gitml/runs")
    assert list(inspect(repo.git, list(repo.git.rev_list(tip)))) == []
