"""MLflow's registry calls on models, versions, stages and aliases of a repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitml import MlflowException, ModelVersion, RegisteredModel
from gitml.registry.stages import history

# An interpreter with mlflow in an environment of its own: its requirements exclude ours.
PEER = os.environ.get("PEER_MLFLOW_PYTHON", "")
SCRIPT = Path(__file__).with_name("registry_script.py")
ROOT = SCRIPT.parents[2]
# MLflow raises these without a code, or with one that says nothing.
BETTER_CODES = {
    "set_model_version_tag ('churn', None, 'checked', 'x') {'stage': 'Staging'}",
    "transition_model_version_stage ('churn', 2, 'Archived') {'archive_existing_versions': True}",
    "get_model_version_by_alias ('churn', 'nobody') {}",
    "get_model_version_by_alias ('churn', 'champion') {}",
    "copy_model_version ('models:/churn/9', 'copied') {}",
    "copy_model_version ('runs:/RUN/model', 'copied') {}",
    "copy_model_version ('churn', 'copied') {}",
    "load_text models:/churn@Nobody",
}
# What gitml can and MLflow can't.
MORE = {
    "search_registered_models (\"name > 'a'\",) {}",
    "search_registered_models () {'order_by': ['creation_timestamp ASC', 'name']}",
    "search_model_versions (\"stage = 'Production'\",) {'order_by': ['name', 'version_number ASC']}",
    "search_model_versions () {'order_by': ['stage']}",
    "rename_registered_model ('fraud', 'scams') {}",
}
# What MLflow answers and gitml calls a mistake.
MISTAKES = {
    "search_registered_models (\"name = 'churn' AND\",) {}",
    "search_registered_models () {'max_results': 0}",
}


@pytest.fixture
def uri(mlflow):
    """The model that a run kept, as a URI."""
    with mlflow.start_run(run_name="trained") as run:
        mlflow.log_text("first\n", "model/MLmodel")
        mlflow.log_text("x" * 150_000, "model/data/weights.bin")
        mlflow.log_text("beside\n", "notes.txt")
    return f"runs:/{run.info.run_id}/model"


def test_a_live_run_is_registered_as_it_is_now_and_goes_on(mlflow, gitml, in_repo):
    client = mlflow.MlflowClient()
    with mlflow.start_run() as live:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_text("first", "model/MLmodel")
        uri = f"runs:/{live.info.run_id}/model"
        assert mlflow.register_model(uri, "churn").version == 1
        assert client.transition_model_version_stage("churn", 1, "Staging").current_stage == "Staging"
        assert mlflow.artifacts.load_text("models:/churn/Staging/MLmodel") == "first"
        assert client.get_run(live.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("loss", 0.25)
        mlflow.log_text("second", "model/MLmodel")
        assert client.create_model_version("churn", uri).version == 2
    assert client.get_run(live.info.run_id).info.status == "FINISHED"
    assert [point.value for point in client.get_metric_history(live.info.run_id, "loss")] == [0.5, 0.25]
    contents = [mlflow.artifacts.load_text(f"models:/churn/{number}/MLmodel") for number in (1, 2)]
    assert contents == ["first", "second"]
    assert len(mlflow.search_runs()) == 1
    gitml(in_repo, "verify", "churn@v1")
    gitml(in_repo, "fsck")


def test_a_version_names_content_that_stays(mlflow, uri, tmp_path):
    made = mlflow.register_model(uri, "churn", tags={"k": 1})
    assert (made.version, made.source, made.tags, made.current_stage) == (1, uri, {"k": "1"}, "None")
    client, run_id = mlflow.MlflowClient(), made.run_id
    client.log_text(run_id, "second\n", "model/MLmodel")  # the run goes on after it was registered
    assert mlflow.artifacts.load_text("models:/churn/1/MLmodel") == "first\n"
    assert client.create_model_version("churn", uri).version == 2  # it flushes what it logged itself
    assert mlflow.artifacts.load_text("models:/churn/latest/MLmodel") == "second\n"

    source = client.get_model_version_download_uri("churn", 1)
    listed = mlflow.artifacts.list_artifacts(source)
    assert [(f.path, f.is_dir, f.file_size) for f in listed] == [("MLmodel", False, 6), ("data", True, None)]
    assert [f.path for f in mlflow.artifacts.list_artifacts(f"{source}/data")] == ["data/weights.bin"]
    local = Path(mlflow.artifacts.download_artifacts(source, dst_path=tmp_path / "all"))
    assert local == tmp_path / "all"
    assert (local / "MLmodel").read_text() == "first\n"
    weights = mlflow.artifacts.download_artifacts(f"{source}/data/weights.bin", dst_path=tmp_path / "one")
    assert (Path(weights), Path(weights).stat().st_size) == (tmp_path / "one/data/weights.bin", 150_000)
    single = mlflow.register_model(f"runs:/{run_id}/notes.txt", "note")
    assert mlflow.artifacts.load_text(f"models:/note/{single.version}") == "beside\n"
    assert mlflow.artifacts.load_text("note@v1") == "beside\n"
    client.transition_model_version_stage("note", 1, "Production")
    assert [f.path for f in mlflow.artifacts.list_artifacts("note#production")] == ["notes.txt"]
    assert [run.name for run in mlflow.diff_runs("note@v1", "churn@v1").entity.runs] == [
        mlflow.get_run(run_id).info.run_name
    ] * 2
    with pytest.raises(MlflowException, match="is a folder"):
        mlflow.artifacts.load_text("models:/churn/1/data")
    with pytest.raises(MlflowException, match="has nothing at 'none'"):
        mlflow.artifacts.list_artifacts("models:/churn/1/none")

    copied = client.copy_model_version("models:/churn/1", "copy")
    assert (copied.source, copied.tags, copied.entity.digest) == (
        "models:/churn/1", {"k": "1"}, made.entity.digest,
    )  # fmt: skip
    plain = client.create_model_version("churn", "models:/copy/1", run_id, description="d", model_id="m-1")
    assert (plain.version, plain.tags, plain.description, plain.model_id) == (3, {}, "d", "m-1")


def test_what_can_not_be_registered_says_what_to_do(mlflow, uri):
    run_id = uri.split("/")[1]
    with pytest.raises(MlflowException, match="names what a run kept") as caught:
        mlflow.register_model("./model", "churn")
    assert "register 'runs:/RUN/model'" in caught.value.hint
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match="it has|nothing at 'other'"):
        mlflow.register_model(f"runs:/{run_id}/other", "churn")
    client = mlflow.MlflowClient()
    with pytest.raises(MlflowException, match="there is no model 'churn'"):
        client.create_model_version("churn", uri)
    client.create_registered_model("churn")
    with pytest.raises(MlflowException, match="run_id is 'abc'"):
        client.create_model_version("churn", uri, "abc")
    with mlflow.start_run() as live:
        mlflow.log_text("m", "model/MLmodel")
    assert mlflow.register_model(f"runs:/{live.info.run_id}/model", "churn").version == 1
    with pytest.raises(MlflowException, match="a part of a version"):
        client.copy_model_version("models:/churn/1/data", "copy")
    for version in (True, "1.0", "-1", None):
        with pytest.raises(MlflowException, match="is no number of a version"):
            client.get_model_version("churn", version)
    mlflow.set_registry_uri(mlflow.get_registry_uri())
    with pytest.raises(MlflowException, match="server"):
        mlflow.set_registry_uri("sqlite:///mlflow.db")


def test_stages_and_aliases(mlflow, uri):
    client = mlflow.MlflowClient()
    for _ in range(3):
        mlflow.register_model(uri, "churn")
    client.transition_model_version_stage("churn", 1, "production", comment="first")
    client.transition_model_version_stage("churn", "2", "Production", archive_existing_versions=True)
    assert [(v.version, v.current_stage) for v in client.get_latest_versions("churn")] == [
        (1, "Archived"), (2, "Production"), (3, "None"),
    ]  # fmt: skip
    assert [v.version for v in client.get_latest_versions("churn", ["none", "production"])] == [2, 3]
    events = len(history(client.repo, "churn"))
    assert client.transition_model_version_stage("churn", 3, "None").current_stage == "None"
    assert len(history(client.repo, "churn")) == events == 2  # nothing moved, so no event
    assert history(client.repo, "churn")[0].comment == "first"
    with pytest.raises(MlflowException, match="can't make room"):
        client.transition_model_version_stage("churn", 3, "archived", archive_existing_versions=True)
    with pytest.raises(MlflowException, match="there are Staging, Production, Archived"):
        client.transition_model_version_stage("churn", 3, "Canary")
    client.set_registered_model_alias("churn", "champion", "2")
    assert client.get_model_version_by_alias("churn", "champion").aliases == ["champion"]
    assert client.get_model_version_by_alias("churn", "latest").version == 3
    client.set_model_version_tag("churn", stage="Production", key="by", value="stage")
    assert client.get_model_version("churn", 2).tags == {"by": "stage"}
    with pytest.raises(MlflowException, match="either 'version' or 'stage'"):
        client.set_model_version_tag("churn", 2, "a", "b", stage="Production")
    client.delete_model_version("churn", 2)
    with pytest.raises(MlflowException, match="has no alias") as caught:
        client.get_model_version_by_alias("churn", "champion")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert mlflow.register_model(uri, "churn").version == 4


def test_searching(mlflow, uri):
    client = mlflow.MlflowClient()
    for name, size in {"churn": "big", "Fraud": "small", "scoring": "big"}.items():
        client.create_registered_model(name, tags={"size": size, "odd key": name})
        mlflow.register_model(uri, name, tags={"of": name})
    mlflow.register_model(uri, "churn")

    def models(text, **named):
        return [model.name for model in client.search_registered_models(text, **named)]

    assert models(None) == ["Fraud", "churn", "scoring"]
    assert models("tags.size = 'big' AND name ILIKE '%C%'") == ["churn", "scoring"]
    assert models("NOT (name IN ('churn')) OR tags.`odd key` = 'churn'") == ["Fraud", "churn", "scoring"]
    assert models("tags.size IS NULL") == []
    assert models("name != 'churn'", order_by=["name DESC"]) == ["scoring", "Fraud"]
    page = client.search_registered_models(max_results=2)
    assert [m.name for m in client.search_registered_models(max_results=2, page_token=page.token)] == [
        "scoring"
    ]

    def versions(text, *order):
        found = client.search_model_versions(text, order_by=order)
        return [(version.name, version.version) for version in found]

    run_id = uri.split("/")[1]
    assert versions(None, "name", "version_number DESC")[:3] == [("Fraud", 1), ("churn", 2), ("churn", 1)]
    assert versions(f"run_id = '{run_id}' and version_number > 1") == [("churn", 2)]
    assert versions("tags.of LIKE '%c%' AND version_number IN (1, 7)", "name") == [
        ("churn", 1), ("scoring", 1),
    ]  # fmt: skip
    assert versions("source_path = 'nowhere'") == []
    for call, text, at, problem in (
        (client.search_registered_models, "name = churn", 7, "text in quotes|expected a value"),
        (client.search_registered_models, "name = 'a' AND owner = 'me'", 15, "models have no 'owner'"),
        (client.search_model_versions, "version_number = 'x'", 17, "expected a number"),
        (client.search_model_versions, "version_number LIKE '1'", 15, "is a number"),
        (client.search_model_versions, "name = 'a' OR", 13, "found the end"),
    ):
        with pytest.raises(MlflowException, match=problem) as caught:
            call(text)
        assert (caught.value.position, caught.value.error_code) == (at, "INVALID_PARAMETER_VALUE")
    with pytest.raises(MlflowException, match="can't be sorted by 'tags.of'"):
        client.search_model_versions(order_by=["name", "tags.of"])


def test_handles_in_python_and_notebooks(mlflow, uri):
    client = mlflow.MlflowClient()
    client.create_registered_model("churn", description="<script>alert(1)</script>")
    version = mlflow.register_model(uri, "churn")
    client.transition_model_version_stage("churn", 1, "Staging")
    client.set_registered_model_alias("churn", "best", 1)
    model, version = client.get_registered_model("churn"), client.get_model_version("churn", 1)
    assert mlflow.entities.model_registry.ModelVersion is ModelVersion
    assert repr(model) == "<RegisteredModel 'churn' latest=v1 Staging=v1>"
    assert repr(version) == f"<ModelVersion 'churn' v1 Staging @best run={version.run_id[:12]}>"
    assert dict(version)["status"] == "READY"
    assert json.loads(json.dumps(model.to_dictionary()))["latest_versions"] == [version.to_dictionary()]
    assert (model, version) == (client.search_registered_models()[0], model.latest_versions[0])
    assert isinstance(model, RegisteredModel)
    assert len({model, client.get_registered_model("churn")}) == 1
    for handle in (model, version):
        drawn = handle._repr_mimebundle_()["text/html"]
        assert "@best" in drawn
        assert "<script>" not in drawn
    assert "&lt;script&gt;" in model._repr_html_()


def answers_of(python: str, which: str, folder: Path) -> dict:
    shutil.copy(SCRIPT, folder / "models.py")
    done = subprocess.run(
        [python, "models.py", which],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT) if which == "gitml" else ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    return json.loads(line[len("ANSWER ") :])


@pytest.mark.heavy
@pytest.mark.timeout(400)
@pytest.mark.skipif(not PEER, reason="PEER_MLFLOW_PYTHON names no interpreter with mlflow")
def test_mlflow_itself_gives_the_same_answers(in_repo):
    ours = answers_of(sys.executable, "gitml", in_repo)
    theirs = answers_of(PEER, "mlflow", in_repo)
    assert [call for call, _ in ours] == [call for call, _ in theirs]
    pairs = [(call, mine, other) for (call, mine), (_, other) in zip(ours, theirs, strict=True)]
    differing = [(call, mine, other) for call, mine, other in pairs if alike(mine) != alike(other)]
    assert {call for call, _, _ in differing} == BETTER_CODES | MORE | MISTAKES
    for call, mine, other in differing:
        failed = [str(answer).startswith("error ") for answer in (mine, other)]
        assert failed == [call not in MORE, call in BETTER_CODES or failed[1]], call


def alike(answer):
    """Leave out what is meant to differ: of a copy gitml knows the run, in lists MLflow leaves out aliases."""
    if isinstance(answer, dict) and "items" in answer:
        # MLflow sorts by milliseconds, tags of gitml have seconds.
        return {**answer, "items": sorted(map(listed, answer["items"]), key=json.dumps)}
    return listed(answer)


def listed(item):
    if isinstance(item, dict) and "latest" in item:
        return {**item, "latest": sorted(map(listed, item["latest"]), key=json.dumps)}
    if isinstance(item, dict) and item.get("name") == "promoted":
        return {**item, "run": None}
    return {**item, "aliases": []} if isinstance(item, dict) and "version" in item else item
