"""Deployments on Azure Machine Learning: Microsoft's client against a stand-in of the API, and a real model."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gitml.errors import InvalidNameError, MissingExtraError, UsageError
from gitml.models.deployments.azureml import AzureMLTarget
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
from tests.models.shipping.test_deployments import churn
from tests.models.shipping.test_images import save_sum
from tests.needs import needs
from tests.servers.azureml import SUBSCRIPTION, Azure, serving
from tests.servers.kubernetes_node import make_certificate

# Microsoft's packages use what other packages are to lose.
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
__all__ = ["churn"]  # a fixture
IMAGE = "models.azurecr.io/churn@sha256:"
WHERE = {"subscription": SUBSCRIPTION, "resource_group": "group", "workspace": "space"}
IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/group/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/models"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("azure"), "azure")


@pytest.fixture
def azure(monkeypatch, certificate):
    """A workspace, on a machine whose identity may do all there."""
    needs("azure.ai.ml", "azure.identity")
    with serving(*certificate) as server:
        for name, value in (
            ("AZUREML_DEV_URL_MFE", server.url),  # where Microsoft's client looks for the API of workspaces
            ("AZUREML_CURRENT_CLOUD", "AzureCloud"),
            ("IDENTITY_ENDPOINT", f"{server.url}/identity"),
            ("IDENTITY_HEADER", "x"),
            ("REQUESTS_CA_BUNDLE", certificate[0]),
            ("SSL_CERT_FILE", certificate[0]),
        ):
            monkeypatch.setenv(name, value)
        yield server


def place(**config: str) -> Place:
    return make_place(AzureMLTarget(), {**WHERE, **config}, {})


def request(version: int, name: str = "churn", **config: str) -> DeploymentRequest:
    model = DeployedModel(
        "churn#production",
        "churn",
        version,
        "Production",
        "ab" * 16,
        "sha256:" + "1" * 64,
        IMAGE + str(version) * 64,
    )
    return DeploymentRequest(name, model, place(**config))


def only(server: Azure) -> dict[str, Any]:
    """The one deployment of the one endpoint."""
    [endpoint] = server.endpoints.values()
    [deployment] = endpoint["deployments"].values()
    assert endpoint["properties"]["traffic"] == {deployment["name"]: 100}
    return deployment


def test_an_endpoint_comes_and_goes_with_all_that_was_made_for_it(azure, capsys):
    target = AzureMLTarget()
    options = {
        "env.GITML_SERVE_WORKERS": "4", "tags.team": "churn", "instances": "2", "identity": IDENTITY,
        "instance_type": "Standard_F4s_v2", "start": "10m", "timeout": "90s", "concurrency": "4",
        "auth": "key", "public": "false",
    }  # fmt: skip
    asked = request(1, **options)
    assert list(target.list(asked.place)) == []
    made = target.create(asked)
    assert (made.state, made.model, made.version, made.image, made.address) == (
        DeploymentState.READY, "churn#production", 1, IMAGE + "1" * 64, f"{azure.url}/score",
    )  # fmt: skip
    endpoint, deployment = azure.endpoints["churn"], only(azure)
    assert endpoint["tags"] == {"gitml.deployment": "churn", "team": "churn"}
    assert endpoint["identity"]["type"] == "UserAssigned"
    assert list(endpoint["identity"]["userAssignedIdentities"]) == [IDENTITY]
    assert endpoint["properties"]["publicNetworkAccess"] == "disabled"
    properties = deployment["properties"]
    assert properties["environmentVariables"] == {"GITML_SERVE_NAME": "churn", "GITML_SERVE_WORKERS": "4"}
    assert (properties["instanceType"], deployment["sku"]["capacity"]) == ("Standard_F4s_v2", 2)
    assert properties["requestSettings"] == {
        "maxConcurrentRequestsPerInstance": 4,
        "requestTimeout": "PT1M30S",
    }
    for probe in (properties["livenessProbe"], properties["readinessProbe"]):
        assert (probe["period"], probe["failureThreshold"]) == ("PT10S", 60)
    assert deployment["tags"] == {
        "gitml.deployment": "churn", "gitml.model": "churn#production", "gitml.version": "1",
        "gitml.image": IMAGE + "1" * 64, "gitml.run": "ab" * 16, "team": "churn",
    }  # fmt: skip
    [environment] = azure.environments.values()
    assert environment["properties"]["image"] == IMAGE + "1" * 64
    assert environment["properties"]["inferenceConfig"] == {
        "livenessRoute": {"port": 8080, "path": "/ping"},
        "readinessRoute": {"port": 8080, "path": "/health"},
        "scoringRoute": {"port": 8080, "path": "/invocations"},
    }
    with pytest.raises(DeploymentExistsError):
        target.create(asked)
    assert [one.name for one in target.list(asked.place)] == ["churn"]
    assert target.get("churn", asked.place) == made
    target.delete("churn", asked.place)
    assert azure.endpoints == {}
    with pytest.raises(DeploymentNotFoundError):
        target.get("churn", asked.place)
    assert capsys.readouterr().out == ""


def test_an_update_moves_requests_over_and_only_then_takes_away_what_was_there(azure):
    target = AzureMLTarget()
    target.create(request(1, identity=IDENTITY))
    azure.sent.clear()
    done = target.update(request(2, **{"tags.team": "churn"}))
    assert (done.state, done.version, done.image) == (DeploymentState.READY, 2, IMAGE + "2" * 64)
    assert azure.sent == ["PUT environment", "PUT deployment", "PUT endpoint", "DELETE deployment"]
    assert only(azure)["tags"]["gitml.version"] == "2"
    assert list(azure.endpoints["churn"]["identity"]["userAssignedIdentities"]) == [IDENTITY]  # as it was
    assert azure.endpoints["churn"]["tags"] == {"gitml.deployment": "churn", "team": "churn"}
    with pytest.raises(DeploymentNotFoundError):
        target.update(request(1, name="another"))


@pytest.mark.parametrize(
    ("what", "why"),
    [("broken", "ResourceNotReady: the container exits"), ("unmovable", "the endpoint is being changed")],
)
def test_an_update_that_fails_leaves_what_was_there_and_nothing_else(azure, what, why):
    target = AzureMLTarget()
    target.create(request(1))
    setattr(azure, what, why)
    with pytest.raises(
        DeploymentError, match=f"churn v2: {why}.*no module 'x'; what was there answers on(\\n|$)"
    ):
        target.update(request(2))
    assert only(azure)["tags"]["gitml.version"] == "1"
    found = target.get("churn", place())
    assert (found.state, found.version) == (DeploymentState.READY, 1)


def test_an_update_that_takes_too_long_is_taken_back(azure, capsys):
    target = AzureMLTarget()
    target.create(request(1))
    azure.hanging = True
    with pytest.raises(
        DeploymentError, match="not ready after 1 s; .*what was there answers on(\\n|$)"
    ) as caught:
        target.update(request(2, wait="1s"))
    assert "wait=1h" in str(caught.value.hint)
    assert only(azure)["tags"]["gitml.version"] == "1"
    assert capsys.readouterr().out == ""


def test_what_can_not_be_taken_back_goes_with_the_next_update(azure):
    target = AzureMLTarget()
    target.create(request(1))
    azure.broken, azure.undeletable = "no quota", "it is busy"
    with pytest.raises(DeploymentError, match=r"can't be deleted now \(it is busy\)"):
        target.update(request(2))
    azure.broken = None
    with pytest.raises(DeploymentError, match=r"answers with churn v3, but its old deployment .* it is busy"):
        target.update(request(3))
    assert target.get("churn", place()).version == 3
    azure.undeletable = None
    assert target.update(request(4)).version == 4
    assert only(azure)["tags"]["gitml.version"] == "4"


def test_an_endpoint_that_does_not_come_up_leaves_nothing(azure):
    azure.broken = "no quota for Standard_DS3_v2"
    with pytest.raises(DeploymentError, match="churn v1: no quota for Standard_DS3_v2") as caught:
        AzureMLTarget().create(request(1))
    assert caught.value.exit_code == 5
    assert azure.endpoints == {}


def test_how_an_endpoint_stands_is_told(azure):
    target = AzureMLTarget()
    target.create(request(1))
    endpoint, live = azure.endpoints["churn"], only(azure)
    more = {**live, "name": "v2-x", "id": live["id"].replace(live["name"], "v2-x")}
    endpoint["deployments"]["v2-x"] = {
        **more, "properties": {**live["properties"], "provisioningState": "Creating"},
    }  # fmt: skip

    def state() -> tuple[DeploymentState, str]:
        found = target.get("churn", place())
        return found.state, str(found.reason)

    assert state() == (DeploymentState.STARTING, "deployment 'v2-x' is being made")
    del endpoint["deployments"]["v2-x"]
    live["properties"]["provisioningState"] = "Failed"
    assert state() == (DeploymentState.FAILED, "the deployment is Failed")
    endpoint["properties"]["traffic"] = {}
    assert state()[0] is DeploymentState.FAILED
    assert "--update" in state()[1]
    endpoint["properties"]["provisioningState"] = "Deleting"
    assert state() == (DeploymentState.STOPPED, "the endpoint is Deleting")


def test_an_endpoint_of_somebody_else_is_left_alone(azure):
    target = AzureMLTarget()
    target.create(request(1))
    azure.endpoints["churn"]["tags"] = {"gitml.deployment": "a-copy"}
    azure.sent.clear()
    assert list(target.list(place())) == []
    for call in (
        lambda: target.delete("churn", place()),
        lambda: target.update(request(2)),
        lambda: target.predict("churn", b"{}", "application/json", place()),
    ):
        with pytest.raises(DeploymentNotFoundError):
            call()
    with pytest.raises(DeploymentExistsError):
        target.create(request(1))
    assert azure.sent == []


@pytest.mark.timeout(300)
def test_requests_of_azure_are_answered_by_a_model_of_gitmls(azure, tmp_path):
    import urllib3

    target, local = AzureMLTarget(), LocalTarget()
    target.create(request(1))
    here = Place({}, dict(os.environ), tmp_path / "deployments")
    model = DeployedModel(str(save_sum(tmp_path / "sum")))
    made = local.create(DeploymentRequest("sums", model, here, trust=True))

    def answer(kind: str, body: bytes) -> tuple[int, bytes]:
        found = urllib3.request("POST", str(made.address), body=body, headers={"Content-Type": kind})
        return found.status, found.data

    try:
        azure.model = answer

        def predict(body: bytes, kind: str = "application/json") -> bytes:
            return target.predict("churn", body, kind, place())

        assert json.loads(predict(b'{"inputs": [[1, 2], [3, 4]]}')) == {"predictions": [3, 7]}
        assert json.loads(predict(b"a,b\n1,2\n", "text/csv")) == {"predictions": [{"0": 3}]}
        with pytest.raises(DeploymentError, match="answered 400: .*inputs") as caught:
            predict(b'{"rows": 1}')
        assert caught.value.exit_code == 5
        assert "k3y" not in str(caught.value)
    finally:
        local.delete("sums", here)


def test_without_credentials_it_says_how_to_get_some(azure, monkeypatch, gitml, tmp_path):
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")  # the others look for programs
    with pytest.raises(DeploymentError, match="failed to retrieve a token") as caught:
        AzureMLTarget().list(place())
    assert caught.value.exit_code == 5
    assert str(caught.value.hint).startswith("az login")
    options = [word for key, value in WHERE.items() for word in ("-C", f"{key}={value}")]
    said = gitml(tmp_path, "models", "deploy", "--list", "--target", "azureml", *options, code=5).stderr
    assert "az login" in said
    assert "Traceback" not in said


def test_what_is_not_there_is_told(azure):
    target = AzureMLTarget()
    with pytest.raises(DeploymentError, match=r"workspaces/other' under resource group"):
        target.get("churn", place(workspace="other"))
    with pytest.raises(DeploymentError, match="Resource group 'other' could not be found"):
        target.create(request(1, resource_group="other"))


def test_without_the_package_it_says_what_to_install(azure, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.ai.ml", None)
    with pytest.raises(MissingExtraError) as caught:
        AzureMLTarget().list(place())
    assert caught.value.hint == "pip install 'gitml[azureml]'"
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("name", ["ab", "a" * 33])
def test_a_name_that_azure_refuses_is_refused_before_anything_is_made(azure, name):
    for call in (AzureMLTarget().create, AzureMLTarget().update):
        with pytest.raises(InvalidNameError, match="3 to 32"):
            call(request(1, name=name))
    assert azure.sent == []


@pytest.mark.parametrize(
    "config", [{"wait": "0s"}, {"timeout": "5m"}, {"instances": "0"}, {"concurrency": "0"}]
)
def test_options_that_make_no_sense_are_refused_before_anything_is_made(azure, config):
    [option] = config
    for call in (AzureMLTarget().create, AzureMLTarget().update):
        with pytest.raises(UsageError, match=f"option '{option}' can't be"):
            call(request(1, **config))
    assert azure.sent == []


@pytest.mark.parametrize(
    "config",
    [
        {"subscription": "mine"},
        {"identity": "models"},
        {"auth": "none"},
        {"workspace": "a/b"},
        {"region": "x"},
    ],
)
def test_options_of_another_form_are_refused(config):
    with pytest.raises(UsageError):
        place(**config)


def test_a_workspace_must_be_known(azure):
    with pytest.raises(UsageError, match="no workspace is given"):
        AzureMLTarget().list(make_place(AzureMLTarget(), {**WHERE, "workspace": None}, {}))
    variables = {
        "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
        "AZUREML_ARM_RESOURCEGROUP": "group",
        "AZUREML_ARM_WORKSPACE_NAME": "space",
    }
    assert list(AzureMLTarget().list(make_place(AzureMLTarget(), {}, variables))) == []


def test_a_folder_on_this_machine_is_not_told_to_the_cloud(azure):
    asked = request(1)
    model = dataclasses.replace(asked.model, uri="/home/somebody/model", name=None, version=None)
    made = AzureMLTarget().create(dataclasses.replace(asked, model=model))
    assert (made.model, made.version) == ("model", None)
    assert "somebody" not in json.dumps(azure.endpoints)


def test_from_the_command_line(azure, churn, gitml):
    options = [word for key, value in WHERE.items() for word in ("-C", f"{key}={value}")]
    deploy = ("models", "deploy", "churn#production", "--target", "azureml", *options)
    assert "by digest" in gitml(churn, *deploy, "--image", "models.azurecr.io/churn:1", code=2).stderr
    made = json.loads(gitml(churn, *deploy, "--json").stdout)["deployment"]
    assert (made["name"], made["state"], made["version"]) == ("churn", "ready", 1)
    assert "there is a deployment 'churn' on azureml already" in gitml(churn, *deploy, code=4).stderr
    (Path(churn) / "rows.json").write_text('{"inputs": [[1, 2]]}')
    assert gitml(churn, *deploy, "--predict", "rows.json").stdout == '{"predictions": [3]}\n'
    gitml(churn, *deploy, "--delete")
    assert azure.endpoints == {}
