"""The real MLflow on the other side: what it wrote is read, what gitml writes it reads."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from gitml.entities.registry import MODEL_ID_TAG
from gitml.index import Query
from gitml.interop.importing import import_from
from gitml.interop.mapping import param_text
from gitml.interop.mlflow_reader import MlflowSource
from gitml.interop.mlflow_words import mlflow_tags
from gitml.interop.mlruns_reader import MlrunsSource
from gitml.interop.mlruns_writer import export_mlruns
from gitml.registry.lookup import get_state
from gitml.tracking import history
from gitml.tracking.experiments import list_experiments

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]
SCRIPT = Path(__file__).with_name("mlflow_peer.py")
ADDED = ("mlflow.source.type", "mlflow.user", "mlflow.source.name", "mlflow.source.git.dirty")


@pytest.fixture(scope="module")
def peer():
    """An interpreter with mlflow in an environment of its own: its requirements exclude ours."""
    python = os.environ.get("PEER_MLFLOW_PYTHON", "")
    if not python and "CI" not in os.environ:
        pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
    assert python, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
    return python


def ask(peer, what, uri, folder):
    done = subprocess.run(
        [peer, str(SCRIPT), what, uri], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    return json.loads(lines[0][len("ANSWER ") :]) if lines else None


@pytest.fixture(scope="module")
def file_store(peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    ask(peer, "write", f"file://{folder}/mlruns", folder)
    return folder / "mlruns", ask(peer, "read", f"file://{folder}/mlruns", folder)


@pytest.fixture(scope="module")
def database(peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("database")
    uri = f"sqlite:///{folder}/mlflow.db"
    ask(peer, "write", uri, folder)
    return uri, ask(peer, "read", uri, folder)


@pytest.fixture
def server(peer, tmp_path):
    """An MLflow server with an empty database, serving artifacts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination", str(tmp_path / "served"),
    ]  # fmt: skip
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen([peer, *words], cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except OSError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        log.close()


def check(repo, answer, *, in_order=True):
    """Compare what gitml has with what MLflow says."""
    found = {run.id: run for run in repo.index.search(Query(view="all"))}
    assert set(answer["runs"]) <= set(found)
    for run_id, theirs in answer["runs"].items():
        run = found[run_id]
        assert (run.name, run.experiment) == (theirs["name"], theirs["experiment"])
        assert (run.status.name, run.start_ms, run.end_ms) == (theirs["status"], *theirs["times"])
        assert (run.deleted_ms is not None) == (theirs["stage"] == "deleted")
        assert {key: param_text(value) for key, value in run.params.items()} == theirs["params"]
        tags = mlflow_tags(run)
        assert {key: tags[key] for key in theirs["tags"]} == theirs["tags"]
        assert set(tags) - set(theirs["tags"]) <= set(ADDED)
        points = {
            key: [[p.step, p.timestamp_ms, repr(p.value)] for p in history.read_metric(repo, run, key)]
            for key in run.metrics
        }
        order = (lambda found: found) if in_order else sorted
        assert {key: order(p) for key, p in points.items()} == {
            key: order(p) for key, p in theirs["metrics"].items()
        }
        for data, (name, digest, source, profile, schema, data_tags) in zip(
            run.inputs, theirs["inputs"], strict=True
        ):
            assert (data.name, data.digest, data.profile, data.schema) == (name, digest, profile, schema)
            assert source == {"uri": data.source}
            assert {"mlflow.data.context": data.context, **data.tags} == data_tags
        files = {}
        for artifact in history.list_artifacts(repo, run):
            with history.open_artifact(repo, run, artifact.path) as stream:
                files[artifact.path] = stream.read().hex()[:400]
        files.pop("model/registered_model_meta", None)  # MLflow adds it to what it hands out
        theirs["files"].pop("model/registered_model_meta", None)
        assert files == theirs["files"]
    experiments = {e.name: ["deleted" if e.deleted_ms else "active", e.tags] for e in list_experiments(repo)}
    for name, (stage, tags) in answer["experiments"].items():
        assert experiments[name][0] == stage
        assert tags.items() <= experiments[name][1].items()


def check_models(repo, answer, git):
    """Compare the registry with what MLflow says."""
    refs = git(repo.git.work_tree, "for-each-ref", "--format=%(refname)", "refs/tags").split()
    assert refs == [
        "refs/tags/gitml/aliases/churn-model/champion/1",
        "refs/tags/gitml/models/churn-model/v1",
        "refs/tags/gitml/stages/churn-model/staging/1",
    ]
    for name, theirs in answer["models"].items():
        state = get_state(repo, name)
        assert (state.model().description, state.model().aliases) == (
            theirs["description"],
            theirs["aliases"],
        )
        found = {
            str(v.version): [
                v.run_id, v.description, {k: t for k, t in v.tags.items() if k != MODEL_ID_TAG}, v.stage,
                v.tags.get(MODEL_ID_TAG),
            ]
            for v in state.versions()
        }  # fmt: skip
        assert found == {number: [*facts[:4], facts[5]] for number, facts in theirs["versions"].items()}


def test_mlflows_file_store_is_read_and_written(peer, file_store, repo, tmp_path, git):
    root, answer = file_store
    report = import_from(repo, MlrunsSource(root))
    assert report.problems == []
    assert set(report.models) == {"churn-model", "empty"}
    check(repo, answer)
    check_models(repo, answer, git)
    git(repo.git.work_tree, "fsck", "--strict")
    assert import_from(repo, MlrunsSource(root)).unchanged == report.new
    out = export_mlruns(repo, tmp_path / "out", Query(view="all"))
    assert out.problems == []
    again = ask(peer, "read", f"file://{tmp_path}/out", tmp_path)
    check(repo, again)
    assert again["models"] == answer["models"]
    assert set(answer["runs"]) <= set(again["runs"])
    for run_id, run in answer["runs"].items():
        for fact in ("params", "metrics", "inputs", "files", "times", "status", "stage", "name"):
            assert again["runs"][run_id][fact] == run[fact], fact


def test_a_database_is_read(peer, database, repo, git):
    uri, answer = database
    with MlflowSource(uri, python=peer) as source:
        report = import_from(repo, source)
    assert report.problems == []
    assert set(report.models) == {"churn-model", "empty"}
    check(repo, answer, in_order=False)
    check_models(repo, answer, git)
    with MlflowSource(uri, python=peer) as source:
        assert (again := import_from(repo, source)).unchanged == report.new, again


def test_a_server_is_read(peer, server, cli, repo, tmp_path):
    ask(peer, "write", server, tmp_path)
    report = cli("import", "mlflow", server, "--python", peer, "--json").report
    assert report["problems"] == []
    check(repo, ask(peer, "read", server, tmp_path), in_order=False)
    assert cli("import", "mlflow", server, "--python", peer, "--json").report["new"] == 0


def test_a_server_that_is_not_there(peer, cli, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = cli("import", "mlflow", "http://127.0.0.1:9", "--python", peer, code=5)
    assert "mlflow can't read 'http://127.0.0.1:9'" in done.err
