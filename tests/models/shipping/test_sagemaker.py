"""Deployments on SageMaker: against moto's emulator, and botocore's stubber for what that has not."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import ANY

from gitml.errors import UsageError
from gitml.models.deployments import sagemaker
from gitml.models.deployments.contract import (
    DeployedModel,
    DeploymentError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentState,
)
from gitml.models.deployments.requesting import make_place
from gitml.models.deployments.sagemaker import SageMakerTarget

pytestmark = pytest.mark.heavy
ROLE = "arn:aws:iam::123456789012:role/models"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/churn"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/churn@sha256:"
OURS = [
    {"Key": "gitml:deployment", "Value": "churn"},
    {"Key": "gitml:model", "Value": "models:/churn/Production"},
]


@pytest.fixture(autouse=True)
def _account(monkeypatch):
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sagemaker, "_PAUSE_S", 0.01)


def request(version: int, **config: str) -> DeploymentRequest:
    model = DeployedModel(
        "churn#production",
        "churn",
        version,
        "Production",
        "ab" * 16,
        "sha256:" + "1" * 64,
        IMAGE + str(version) * 64,
    )
    return DeploymentRequest("churn", model, make_place(SageMakerTarget(), {"role": ROLE, **config}, {}))


def test_an_endpoint_comes_and_goes_with_all_that_was_made_for_it():
    import boto3
    from moto import mock_aws

    target, asked = (
        SageMakerTarget(),
        request(1, instance_type="ml.c5.xlarge", **{"env.GITML_SERVE_WORKERS": "4"}),
    )
    with mock_aws():
        client = boto3.client("sagemaker")
        assert list(target.list(asked.place)) == []
        made = target.create(asked)
        assert (made.state, made.model, made.version) == (
            DeploymentState.READY,
            "models:/churn/Production",
            1,
        )
        container = client.describe_model(ModelName=client.list_models()["Models"][0]["ModelName"])[
            "PrimaryContainer"
        ]
        assert container["Image"] == IMAGE + "1" * 64
        assert container["Environment"] == {"GITML_SERVE_NAME": "churn", "GITML_SERVE_WORKERS": "4"}
        with pytest.raises(DeploymentExistsError):
            target.create(asked)
        assert [one.name for one in target.list(asked.place)] == ["churn"]
        assert target.get("churn", asked.place).address == made.address
        target.delete("churn", asked.place)
        assert client.list_models()["Models"] == []
        assert client.list_endpoint_configs()["EndpointConfigs"] == []
        with pytest.raises(DeploymentNotFoundError):
            target.get("churn", asked.place)


def test_an_endpoint_of_somebody_else_is_left_alone():
    import boto3
    from moto import mock_aws

    target, asked = SageMakerTarget(), request(1)
    with mock_aws():
        client = boto3.client("sagemaker")
        client.create_model(ModelName="m", PrimaryContainer={"Image": "x"}, ExecutionRoleArn=ROLE)
        variant = {
            "VariantName": "v",
            "ModelName": "m",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        client.create_endpoint(EndpointName="churn", EndpointConfigName="c")
        assert list(target.list(asked.place)) == []
        for call in (lambda: target.delete("churn", asked.place), lambda: target.update(asked)):
            with pytest.raises(DeploymentNotFoundError):
                call()
        assert client.describe_endpoint(EndpointName="churn")["EndpointStatus"] == "InService"


def test_without_a_role_nothing_is_made():
    from moto import mock_aws

    asked = request(1)
    place = make_place(SageMakerTarget(), {}, {})
    with mock_aws(), pytest.raises(UsageError, match="role"):
        SageMakerTarget().create(DeploymentRequest("churn", asked.model, place))


@pytest.fixture
def stubbed(monkeypatch):
    """Clients whose answers a test gives, and whose requests botocore checks by the service's description."""
    import boto3
    from botocore.stub import Stubber

    stubs: dict[str, Any] = {}
    for service in ("sagemaker", "sagemaker-runtime"):
        client = boto3.client(service)
        stubs[service] = Stubber(client)
        stubs[service].activate()
    monkeypatch.setattr(sagemaker, "_client", lambda _place, service: stubs[service].client)
    monkeypatch.setattr(sagemaker.uuid, "uuid4", lambda: SimpleNamespace(hex="0" * 32))
    yield stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def described(config: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "EndpointName": "churn", "EndpointArn": ARN, "EndpointConfigName": config, "EndpointStatus": status,
        "CreationTime": 0, "LastModifiedTime": 0, **more,
    }  # fmt: skip


def looked_at(stub: Any, *args: Any, **more: Any) -> None:
    stub.add_response("describe_endpoint", described(*args, **more), {"EndpointName": "churn"})
    stub.add_response("list_tags", {"Tags": OURS}, {"ResourceArn": ARN})


def forgotten(stub: Any, name: str) -> None:
    variant = {"VariantName": "model", "ModelName": name}
    found = {
        "EndpointConfigName": name,
        "EndpointConfigArn": ARN,
        "ProductionVariants": [variant],
        "CreationTime": 0,
    }
    stub.add_response("describe_endpoint_config", found, {"EndpointConfigName": name})
    stub.add_response("delete_endpoint_config", {}, {"EndpointConfigName": name})
    stub.add_response("delete_model", {}, {"ModelName": name})


def begin_update(stub: Any) -> None:
    looked_at(stub, "churn-old", "InService")
    stub.add_response("create_model", {"ModelArn": ARN}, {
        "ModelName": "churn-00000000", "PrimaryContainer": ANY, "ExecutionRoleArn": ROLE, "Tags": ANY,
    })  # fmt: skip
    stub.add_response("create_endpoint_config", {"EndpointConfigArn": ARN}, None)
    stub.add_response("update_endpoint", {"EndpointArn": ARN}, {
        "EndpointName": "churn", "EndpointConfigName": "churn-00000000",
        "DeploymentConfig": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "CANARY", "WaitIntervalInSeconds": 300,
                    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
                },
                "TerminationWaitInSeconds": 60,
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}, {"AlarmName": "slow"}]},
        },
    })  # fmt: skip


CANARY = {"canary": "10", "bake": "5m", "alarms": "errors,slow"}


def test_an_update_moves_requests_over_and_then_forgets_what_was_there(stubbed):
    stub = stubbed["sagemaker"]
    begin_update(stub)
    looked_at(stub, "churn-old", "Updating")
    looked_at(stub, "churn-00000000", "InService")
    stub.add_response("list_tags", {"Tags": OURS}, {"ResourceArn": ARN})
    stub.add_response("add_tags", {}, {"ResourceArn": ARN, "Tags": ANY})
    forgotten(stub, "churn-old")
    looked_at(stub, "churn-00000000", "InService")
    stub.add_response("list_tags", {"Tags": OURS}, {"ResourceArn": ARN})
    assert SageMakerTarget().update(request(2, **CANARY)).state is DeploymentState.READY


def test_an_update_that_was_rolled_back_is_a_failure(stubbed):
    stub = stubbed["sagemaker"]
    begin_update(stub)
    looked_at(stub, "churn-old", "InService", FailureReason="the alarm 'errors' rang")
    forgotten(stub, "churn-00000000")
    with pytest.raises(DeploymentError, match="the alarm 'errors' rang; what was there answers on"):
        SageMakerTarget().update(request(2, **CANARY))


def test_a_refused_endpoint_leaves_nothing_behind(stubbed):
    stub = stubbed["sagemaker"]
    missing = {
        "service_error_code": "ValidationException",
        "service_message": 'Could not find endpoint "churn".',
    }
    stub.add_client_error("describe_endpoint", **missing)
    stub.add_response("create_model", {"ModelArn": ARN})
    stub.add_response("create_endpoint_config", {"EndpointConfigArn": ARN})
    stub.add_client_error("create_endpoint", "ResourceLimitExceeded", "the limit is 0 instances")
    forgotten(stub, "churn-00000000")
    with pytest.raises(DeploymentError, match="the limit is 0 instances"):
        SageMakerTarget().create(request(1))


def test_an_endpoint_is_asked_and_says_what_was_wrong(stubbed):
    from botocore.response import StreamingBody

    stub, target, place = stubbed["sagemaker-runtime"], SageMakerTarget(), request(1).place
    answer = b'{"predictions": [3]}'
    stub.add_response(
        "invoke_endpoint",
        {"Body": StreamingBody(io.BytesIO(answer), len(answer))},
        {"EndpointName": "churn", "Body": b"{}", "ContentType": "application/json"},
    )
    assert target.predict("churn", b"{}", "application/json", place) == answer
    said = json.dumps({"error_code": "BAD_REQUEST", "message": "column 'a' is missing"})
    stub.add_client_error("invoke_endpoint", "ModelError", "long words", response_meta=None, service_error_meta=None,
                          modeled_fields={"OriginalMessage": said, "OriginalStatusCode": 400})  # fmt: skip
    with pytest.raises(DeploymentError, match="column 'a' is missing"):
        target.predict("churn", b"{}", "application/json", place)
