"""Deployments on Vertex AI: Google's client against a stand-in of the API, and a model that really answers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gitml.errors import MissingExtraError, UsageError
from gitml.models.deployments import vertex_api
from gitml.models.deployments.contract import (
    DeployedModel,
    DeploymentError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentState,
    Place,
)
from gitml.models.deployments.local import LocalTarget
from gitml.models.deployments.requesting import make_place
from gitml.models.deployments.vertex import VertexTarget
from tests.models.shipping.test_deployments import churn
from tests.models.shipping.test_images import save_sum
from tests.needs import needs
from tests.servers.kubernetes_node import make_certificate

# Google's packages warn of Pythons, and of parts of themselves, that are to go.
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
__all__ = ["churn"]  # a fixture
IMAGE = "europe-docker.pkg.dev/project-a/models/churn@sha256:"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One for all tests: gRPC reads what it trusts once in a process."""
    return make_certificate(tmp_path_factory.mktemp("vertex"), "vertex")


@pytest.fixture
def vertex(tmp_path, monkeypatch, certificate):
    """The region europe-west1, and an account that may do all there."""
    needs("google.cloud.aiplatform_v1")
    from tests.servers.vertex import serving

    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vertex_api, "_PAUSE_S", 0.01)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", certificate[0])
    with serving(tmp_path, *certificate) as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials))
        yield server


def place(server: Any, **config: str) -> Place:
    given = {"region": "europe-west1", "api_endpoint": server.host, **config}
    return make_place(VertexTarget(), given, {})


def request(server: Any, version: int, **config: str) -> DeploymentRequest:
    model = DeployedModel(
        "churn#production",
        "churn",
        version,
        "Production",
        "ab" * 16,
        "sha256:" + "1" * 64,
        IMAGE + str(version) * 64,
    )
    return DeploymentRequest("churn", model, place(server, **config))


def test_an_endpoint_comes_and_goes_with_all_that_was_made_for_it(vertex):
    target = VertexTarget()
    options = {
        "env.GITML_SERVE_WORKERS": "4", "labels.team": "churn", "replicas": "2", "max_replicas": "5",
        "target_cpu": "70", "accelerator": "NVIDIA_TESLA_T4", "machine_type": "n1-standard-8", "start": "10m",
        "service_account": "models@project-a.iam.gserviceaccount.com",
        "kms_key": "projects/project-a/locations/europe-west1/keyRings/r/cryptoKeys/k",
    }  # fmt: skip
    asked = request(vertex, 1, **options)
    assert list(target.list(asked.place)) == []
    made = target.create(asked)
    assert (made.state, made.model, made.version, made.image) == (
        DeploymentState.READY, "churn#production", 1, IMAGE + "1" * 64,
    )  # fmt: skip
    [model], endpoint = vertex.models.values(), vertex.endpoints["churn"]
    container = model.container_spec
    assert {one.name: one.value for one in container.env} == {
        "GITML_SERVE_NAME": "churn",
        "GITML_SERVE_WORKERS": "4",
    }
    assert (container.predict_route, container.health_route) == ("/invocations", "/ping")
    assert [one.container_port for one in container.ports] == [8080]
    probe = container.startup_probe
    assert probe.period_seconds * probe.failure_threshold == 600
    assert dict(model.labels) == {
        "gitml_deployment": "churn", "gitml_version": "1", "gitml_run": "ab" * 16, "team": "churn",
    }  # fmt: skip
    [deployed] = endpoint.deployed_models
    resources = deployed.dedicated_resources
    assert (resources.min_replica_count, resources.max_replica_count) == (2, 5)
    assert resources.machine_spec.accelerator_type.name == "NVIDIA_TESLA_T4"
    assert resources.machine_spec.accelerator_count == 1
    assert resources.autoscaling_metric_specs[0].target == 70
    assert deployed.service_account == "models@project-a.iam.gserviceaccount.com"
    assert endpoint.encryption_spec.kms_key_name == model.encryption_spec.kms_key_name != ""
    with pytest.raises(DeploymentExistsError):
        target.create(asked)
    assert len(vertex.models) == 1
    assert [one.name for one in target.list(asked.place)] == ["churn"]
    assert target.get("churn", asked.place) == made
    target.delete("churn", asked.place)
    assert (vertex.endpoints, vertex.models) == ({}, {})
    with pytest.raises(DeploymentNotFoundError):
        target.get("churn", asked.place)


def test_an_update_moves_requests_over_and_only_then_takes_away_what_was_there(vertex):
    target = VertexTarget()
    target.create(request(vertex, 1))
    vertex.sent.clear()
    done = target.update(request(vertex, 2))
    assert (done.state, done.version, done.image) == (DeploymentState.READY, 2, IMAGE + "2" * 64)
    assert vertex.sent == ["UploadModel", "DeployModel", "UndeployModel", "DeleteModel"]
    [deployed] = vertex.endpoints["churn"].deployed_models
    assert dict(vertex.endpoints["churn"].traffic_split) == {deployed.id: 100}
    [model] = vertex.models.values()
    assert deployed.model == model.name
    with pytest.raises(DeploymentNotFoundError):
        target.update(
            DeploymentRequest("another", request(vertex, 1).model, place(vertex)),
        )


def test_an_update_that_fails_leaves_what_was_there_and_nothing_else(vertex):
    target = VertexTarget()
    target.create(request(vertex, 1))
    vertex.broken = "Model server never became ready"
    with pytest.raises(
        DeploymentError, match=r"churn v2: Model server never became ready; what was there answers on"
    ):
        target.update(request(vertex, 2))
    found = target.get("churn", place(vertex))
    assert (found.state, found.version) == (DeploymentState.READY, 1)
    assert len(vertex.models) == 1


def test_an_endpoint_that_does_not_come_up_leaves_nothing(vertex):
    vertex.broken = "quota exceeded"
    with pytest.raises(DeploymentError, match="churn v1: quota exceeded") as caught:
        VertexTarget().create(request(vertex, 1))
    assert caught.value.exit_code == 5
    assert (vertex.endpoints, vertex.models) == ({}, {})


def test_whoever_does_not_wait_learns_later_how_it_went(vertex):
    target = VertexTarget()
    vertex.hanging = True
    assert target.create(request(vertex, 1, wait="0s")).state is DeploymentState.STARTING
    vertex.begun[-1].finish()
    assert target.get("churn", place(vertex)).state is DeploymentState.READY
    found = target.update(request(vertex, 2, wait="0s"))
    assert (found.state, found.version) == (DeploymentState.STARTING, 1)
    assert "the one before answers" in str(found.reason)
    vertex.begun[-1].finish()
    assert len(vertex.endpoints["churn"].deployed_models) == 2
    vertex.hanging = False
    target.update(request(vertex, 3))  # it takes away all that the one before left
    assert [one.display_name for one in vertex.endpoints["churn"].deployed_models] == ["churn#production"]
    assert [dict(one.labels)["gitml_version"] for one in vertex.models.values()] == ["3"]


def test_one_that_failed_after_all_says_why(vertex):
    target = VertexTarget()
    vertex.hanging, vertex.broken = True, "no machine of that kind is free"
    target.create(request(vertex, 1, wait="0s"))
    vertex.begun[-1].finish()
    found = target.get("churn", place(vertex))
    assert (found.state, found.reason) == (DeploymentState.FAILED, "no machine of that kind is free")
    target.delete("churn", place(vertex))
    assert (vertex.endpoints, vertex.models) == ({}, {})


def test_a_model_that_gets_part_of_the_requests_can_be_taken_away(vertex):
    target = VertexTarget()
    target.create(request(vertex, 1))
    endpoint = vertex.endpoints["churn"]
    by_hand = type(endpoint.deployed_models[0])(id="77", model=endpoint.deployed_models[0].model)
    endpoint.deployed_models.append(by_hand)
    endpoint.traffic_split = {"1": 30, "77": 70}
    target.delete("churn", place(vertex))
    assert (vertex.endpoints, vertex.models) == ({}, {})


def test_an_endpoint_of_somebody_else_is_left_alone(vertex):
    from google.cloud.aiplatform_v1 import types

    target, where = VertexTarget(), place(vertex)
    name = "projects/123456789012/locations/europe-west1/endpoints/"
    vertex.endpoints["churn"] = types.Endpoint(name=f"{name}churn", display_name="churn")
    vertex.endpoints["copy"] = types.Endpoint(name=f"{name}copy", labels={"gitml_deployment": "churn"})
    assert list(target.list(where)) == []
    for call in (
        lambda: target.delete("churn", where),
        lambda: target.delete("copy", where),
        lambda: target.update(request(vertex, 1)),
        lambda: target.predict("churn", b"{}", "application/json", where),
    ):
        with pytest.raises(DeploymentNotFoundError):
            call()
    with pytest.raises(DeploymentExistsError):
        target.create(request(vertex, 1))
    assert vertex.sent == []


@pytest.mark.timeout(300)
def test_requests_of_vertex_are_answered_by_a_model_of_gitmls(vertex, tmp_path):
    from tests.servers.vertex import ask

    target, local = VertexTarget(), LocalTarget()
    target.create(request(vertex, 1))
    here = Place({}, dict(os.environ), tmp_path / "deployments")
    model = DeployedModel(str(save_sum(tmp_path / "sum")))
    made = local.create(DeploymentRequest("sums", model, here, trust=True))
    try:
        vertex.model = ask(str(made.address))

        def predict(body: bytes, kind: str = "application/json") -> bytes:
            return target.predict("churn", body, kind, place(vertex))

        assert json.loads(predict(b'{"instances": [[1, 2], [3, 4]]}')) == {"predictions": [3, 7]}
        assert json.loads(predict(b"a,b\n1,2\n", "text/csv")) == {"predictions": [{"0": 3}]}
        with pytest.raises(DeploymentError, match="instances") as caught:
            predict(b'{"rows": 1}')
        assert caught.value.exit_code == 5
    finally:
        local.delete("sums", here)


def test_what_the_cloud_says_of_a_request_is_told(vertex):
    VertexTarget().create(request(vertex, 1))
    inner = json.dumps({"error_code": "BAD_REQUEST", "message": "column 'a' is missing"})
    outer = {"error": {"code": 400, "message": inner, "status": "FAILED_PRECONDITION"}}
    vertex.model = lambda _kind, _body: (400, json.dumps(outer).encode())
    with pytest.raises(DeploymentError, match="^vertex: column 'a' is missing"):
        VertexTarget().predict("churn", b"{}", "application/json", place(vertex))


def test_without_credentials_it_says_how_to_get_some(vertex, monkeypatch, tmp_path, gitml):
    deploy = ("models", "deploy", "--list", "--target", "vertex", "-C", "region=europe-west1")
    nothing = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json"), "NO_GCE_CHECK": "true"}
    for name, value in nothing.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeploymentError, match=r"none.json was not found") as caught:
        VertexTarget().list(place(vertex))
    assert caught.value.exit_code == 5
    assert "gcloud auth application-default login" in str(caught.value.hint)
    said = gitml(tmp_path, *deploy, code=5).stderr
    assert "none.json was not found" in said
    assert "Traceback" not in said


def test_what_is_not_allowed_or_not_there_is_told(vertex):
    with pytest.raises(DeploymentError, match="no access to"):
        VertexTarget().list(place(vertex, project="project-b"))
    away = place(vertex, api_endpoint="127.0.0.1:9")
    with pytest.raises(DeploymentError, match="127.0.0.1:9"):
        VertexTarget().list(away)


def test_without_the_package_it_says_what_to_install(vertex, monkeypatch):
    monkeypatch.delitem(sys.modules, "google.cloud.aiplatform_v1", raising=False)
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform_v1", None)
    monkeypatch.delattr("google.cloud.aiplatform_v1", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        VertexTarget().list(place(vertex))
    assert caught.value.hint == "pip install 'gitml[vertex]'"
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"replicas": "3", "max_replicas": "2"}, "3 machines at least and 2 at most"),
        ({"replicas": "0"}, "0 machines at least"),
        ({"labels.team": "Churn"}, "can't be a label"),
        ({"labels.gitml_deployment": "x"}, "can't be a label"),
        ({"accelerator": "NVIDIA_TESLA_X"}, "there is no accelerator 'NVIDIA_TESLA_X'"),
        ({"accelerators": "2"}, "no kind of GPU"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_made(vertex, config, said):
    target, asked = VertexTarget(), request(vertex, 1, **config)
    for call in (target.create, target.update):
        with pytest.raises(UsageError, match=said):
            call(asked)
    assert vertex.sent == []


@pytest.mark.parametrize(
    "config",
    [
        {"region": "Europe"},
        {"api_endpoint": "https://example.org"},
        {"service_account": "models"},
        {"kms_key": "k"},
        {"machines": "2"},
    ],
)
def test_options_of_another_form_are_refused(vertex, config):
    with pytest.raises(UsageError):
        place(vertex, **config)


def test_a_region_must_be_known(vertex):
    given = {"api_endpoint": vertex.host}
    with pytest.raises(UsageError, match="no region"):
        VertexTarget().list(make_place(VertexTarget(), given, {}))
    region = {"GOOGLE_CLOUD_REGION": "europe-west1"}
    assert list(VertexTarget().list(make_place(VertexTarget(), given, region))) == []


def test_from_the_command_line(vertex, churn, gitml):
    deploy = ("models", "deploy", "churn#production", "--target", "vertex", "-C", f"api_endpoint={vertex.host}",
              "-C", "region=europe-west1")  # fmt: skip
    tag = gitml(churn, *deploy, "--image", "europe-docker.pkg.dev/project-a/models/churn:1", code=2)
    assert "by digest" in tag.stderr
    made = json.loads(gitml(churn, *deploy, "--json").stdout)["deployment"]
    assert (made["name"], made["state"], made["version"]) == ("churn", "ready", 1)
    assert "there is a deployment 'churn' on vertex already" in gitml(churn, *deploy, code=4).stderr
    (Path(churn) / "rows.json").write_text('{"instances": [[1, 2]]}')
    assert gitml(churn, *deploy, "--predict", "rows.json").stdout == '{"predictions": [3]}\n'
    gitml(churn, *deploy, "--delete")
    assert vertex.endpoints == {}
