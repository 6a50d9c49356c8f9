"""Deployments on Amazon SageMaker: an endpoint, by boto3.

Each version is a model and an endpoint configuration of their own; an update starts the new one beside the
old one, moves requests over and, if alarms ring or it does not come up, moves them back.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from gitml.errors import MissingExtraError, UsageError
from gitml.execution.backends.options import Kind, Option
from gitml.models.deployments.contract import (
    DeployedModel,
    Deployment,
    DeploymentError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentState,
    Place,
)
from gitml.models.deployments.http import words

NAME = "sagemaker"
_Answer = TypeVar("_Answer")
_VARIANT = "model"
_OURS, _MODEL, _VERSION = "gitml:deployment", "gitml:model", "gitml:version"
_WAIT_S = 1800
_PAUSE_S = 5.0
_STATES = {
    "InService": DeploymentState.READY,
    "Failed": DeploymentState.FAILED,
    "UpdateRollbackFailed": DeploymentState.FAILED,
    "OutOfService": DeploymentState.STOPPED,
    "Deleting": DeploymentState.STOPPED,
}


class SageMakerTarget:
    """An account and region of AWS."""

    name = NAME
    needs_image = True
    options: Mapping[str, Option] = {
        "role": Option(
            Kind.TEXT,
            "ARN of the role that the endpoint runs as",
            pattern=r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+",
        ),
        "region": Option(Kind.TEXT, "region; the profile's unless given", pattern=r"[a-z0-9-]+"),
        "profile": Option(Kind.TEXT, "profile of AWS's settings"),
        "allow_tag": Option(Kind.FLAG, "take an image by tag as it is"),
        "instance_type": Option(
            Kind.TEXT, "kind of machine; ml.m5.large unless given", pattern=r"ml\.[a-z0-9-]+\.[a-z0-9-]+"
        ),
        "instances": Option(Kind.INTEGER, "machines; 1 unless given"),
        "serverless_memory": Option(Kind.SIZE, "be serverless, with so much memory: 1G to 6G, whole ones"),
        "max_concurrency": Option(Kind.INTEGER, "calls at once of a serverless endpoint; 5 unless given"),
        "kms_key": Option(Kind.TEXT, "key that the machines' disks are encrypted with"),
        "subnets": Option(Kind.TEXTS, "subnets of a VPC", pattern=r"subnet-[0-9a-z]+"),
        "security_groups": Option(Kind.TEXTS, "security groups in it", pattern=r"sg-[0-9a-z]+"),
        "env": Option(Kind.MAPPING, "variables of the container: -C env.GITML_SERVE_WORKERS=2"),
        "tags": Option(Kind.MAPPING, "tags of what is made: -C tags.team=churn"),
        "canary": Option(Kind.INTEGER, "percent of machines that an update tries first"),
        "bake": Option(Kind.TIME, "how long an update is watched before it goes on; 10m unless given"),
        "alarms": Option(Kind.TEXTS, "CloudWatch alarms that send an update back"),
        "start": Option(Kind.TIME, "how long it may take to load the model; 5m unless given"),
        "wait": Option(Kind.TIME, "how long to wait until it is ready; 0s: not at all; 30m unless given"),
    }

    def create(self, request: DeploymentRequest) -> Deployment:
        """Create model, configuration and endpoint, and wait until it is in service."""
        client = _client(request.place, "sagemaker")
        if _described(client, request.name) is not None:
            raise DeploymentExistsError(NAME, request.name)
        made = _configured(client, request)
        tags = _tags(request)
        _undone_by(
            client,
            made,
            lambda: client.create_endpoint(EndpointName=request.name, EndpointConfigName=made, Tags=tags),
        )
        return _settled(client, request, made)

    def update(self, request: DeploymentRequest) -> Deployment:
        """Start machines with the new model, and move requests over to them."""
        client = _client(request.place, "sagemaker")
        old = _own(client, request.name)
        made = _configured(client, request)
        config = request.place.config
        extra = {} if "serverless_memory" in config else {"DeploymentConfig": _blue_green(config)}
        _undone_by(
            client,
            made,
            lambda: client.update_endpoint(EndpointName=request.name, EndpointConfigName=made, **extra),
        )
        try:
            done = _settled(client, request, made)
        except _RolledBackError:
            _forget(client, made)
            raise
        _asked(lambda: client.add_tags(ResourceArn=old["EndpointArn"], Tags=_tags(request)))
        if done.state is DeploymentState.READY:
            _forget(client, old["EndpointConfigName"])
        return self.get(request.name, request.place)

    def delete(self, name: str, place: Place) -> None:
        """Delete endpoint, configuration and model."""
        client = _client(place, "sagemaker")
        found = _own(client, name)
        _asked(lambda: client.delete_endpoint(EndpointName=name))
        _forget(client, found["EndpointConfigName"])

    def list(self, place: Place) -> Sequence[Deployment]:
        """List the endpoints that gitml made."""
        client = _client(place, "sagemaker")
        pages = client.get_paginator("list_endpoints").paginate(SortBy="Name", SortOrder="Ascending")
        names = _asked(lambda: [one["EndpointName"] for page in pages for one in page["Endpoints"]])
        found = ((name, _described(client, name)) for name in names)
        return [
            _deployment(one, tags)
            for _, one in found
            if one and _OURS in (tags := _tags_of(client, one["EndpointArn"]))
        ]

    def get(self, name: str, place: Place) -> Deployment:
        """Say how the endpoint stands."""
        client = _client(place, "sagemaker")
        found = _own(client, name)
        return _deployment(found, _tags_of(client, found["EndpointArn"]))

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Invoke the endpoint."""
        client = _client(place, "sagemaker-runtime")
        answer = _asked(
            lambda: client.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type), name=name
        )
        data: bytes = answer["Body"].read()
        return data


class _RolledBackError(DeploymentError):
    """What was there before answers again."""


def _client(place: Place, service: str) -> Any:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError as err:
        raise MissingExtraError("the target 'sagemaker'", "sagemaker") from err
    try:
        session = boto3.Session(
            profile_name=place.config.get("profile"), region_name=place.config.get("region")
        )
        return session.client(service)
    except BotoCoreError as err:
        raise DeploymentError(
            NAME, str(err), hint="aws configure; or: -C region=REGION -C profile=NAME"
        ) from err


def _asked(request: Callable[[], _Answer], *, name: str | None = None) -> _Answer:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return request()
    except ClientError as err:
        error = err.response.get("Error", {})
        said = str(error.get("Message") or err)
        if name is not None and _is_missing(error):
            raise DeploymentNotFoundError(NAME, name) from err
        if error.get("Code") == "ModelError":  # what the container answered
            said = words(str(err.response.get("OriginalMessage") or said).encode())
        raise DeploymentError(NAME, said) from err
    except BotoCoreError as err:
        raise DeploymentError(
            NAME, str(err), hint="aws sts get-caller-identity says who you are there"
        ) from err


def _is_missing(error: Mapping[str, Any]) -> bool:
    said = str(error.get("Message", "")).lower()
    return error.get("Code") == "ValidationException" and ("could not find" in said or "not found" in said)


def _described(client: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = _asked(lambda: client.describe_endpoint(EndpointName=name), name=name)
    except DeploymentNotFoundError:
        return None
    return found


def _own(client: Any, name: str) -> dict[str, Any]:
    found = _described(client, name)
    if found is None or _OURS not in _tags_of(client, found["EndpointArn"]):
        raise DeploymentNotFoundError(NAME, name)
    return found


def _tags_of(client: Any, arn: str) -> dict[str, str]:
    listed = _asked(lambda: client.list_tags(ResourceArn=arn))["Tags"]
    return {str(tag["Key"]): str(tag["Value"]) for tag in listed}


def _tags(request: DeploymentRequest) -> list[dict[str, str]]:
    model = request.model
    facts = {
        **request.place.config.get("tags", {}),
        _OURS: request.name,
        _MODEL: _named(model),
        _VERSION: "-" if model.version is None else str(model.version),
    }
    # What AWS takes in tags.
    return [{"Key": key, "Value": re.sub(r"[^\w .:/=+@-]", "_", value)[:256]} for key, value in facts.items()]


def _named(model: DeployedModel) -> str:
    """Name a model in MLflow's way, which has no character that a tag can't."""
    if model.name is None:
        return model.title
    return f"models:/{model.name}/{model.stage or model.version}"


def _configured(client: Any, request: DeploymentRequest) -> str:
    """Make model and configuration, under one name of their own."""
    config = request.place.config
    if "role" not in config:
        raise UsageError("an endpoint runs as a role of yours", hint="-C role=arn:aws:iam::ACCOUNT:role/NAME")
    name = f"{request.name[:53]}-{uuid.uuid4().hex[:8]}"
    tags = _tags(request)
    container = {
        "Image": request.model.image,
        "Environment": {"GITML_SERVE_NAME": request.name, **config.get("env", {})},
    }
    network: dict[str, Any] = {}
    if "subnets" in config or "security_groups" in config:
        network = {
            "VpcConfig": {
                "Subnets": config.get("subnets", []), "SecurityGroupIds": config.get("security_groups", []),
            }
        }  # fmt: skip
    _asked(
        lambda: client.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=config["role"], Tags=tags, **network
        )
    )
    key = {"KmsKeyId": config["kms_key"]} if "kms_key" in config else {}
    try:
        _asked(
            lambda: client.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[_variant(name, config)], Tags=tags, **key
            )
        )
    except DeploymentError:
        _asked(lambda: client.delete_model(ModelName=name))
        raise
    return name


def _variant(model: str, config: Mapping[str, Any]) -> dict[str, Any]:
    variant: dict[str, Any] = {"VariantName": _VARIANT, "ModelName": model}
    if "serverless_memory" in config:
        return {
            **variant,
            "ServerlessConfig": {
                "MemorySizeInMB": config["serverless_memory"],
                "MaxConcurrency": config.get("max_concurrency", 5),
            },
        }
    return {
        **variant,
        "InstanceType": config.get("instance_type", "ml.m5.large"),
        "InitialInstanceCount": config.get("instances", 1),
        "ContainerStartupHealthCheckTimeoutInSeconds": max(60, int(config.get("start", 300))),
    }


def _blue_green(config: Mapping[str, Any]) -> dict[str, Any]:
    bake = int(config.get("bake", 600))
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": bake}
    if "canary" in config:
        size = {"Type": "CAPACITY_PERCENT", "Value": config["canary"]}
        routing = {"Type": "CANARY", "WaitIntervalInSeconds": bake, "CanarySize": size}
    policy: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 60}
    }
    if "alarms" in config:
        policy["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm} for alarm in config["alarms"]]}
    return policy


def _undone_by(client: Any, made: str, request: Callable[[], object]) -> None:
    """Send a request; if it is refused, what was made for it goes."""
    try:
        _asked(request)
    except DeploymentError:
        _forget(client, made)
        raise


def _forget(client: Any, configuration: str) -> None:
    found = _asked(lambda: client.describe_endpoint_config(EndpointConfigName=configuration))
    _asked(lambda: client.delete_endpoint_config(EndpointConfigName=configuration))
    for variant in found["ProductionVariants"]:
        _asked(partial(client.delete_model, ModelName=variant["ModelName"]))


def _settled(client: Any, request: DeploymentRequest, made: str) -> Deployment:
    end = time.monotonic() + int(request.place.config.get("wait", _WAIT_S))
    while True:
        found = _own(client, request.name)
        status = found["EndpointStatus"]
        rolled_back = status == "InService" and found["EndpointConfigName"] != made
        if rolled_back or _STATES.get(status) is DeploymentState.FAILED:
            kind = _RolledBackError if rolled_back else DeploymentError
            raise kind(
                NAME,
                f"'{request.name}' does not answer with {request.model.label}: {found.get('FailureReason') or status}"
                + ("; what was there answers on" if rolled_back else ""),
                hint=f"aws logs tail /aws/sagemaker/Endpoints/{request.name}",
            )
        if status == "InService" or time.monotonic() >= end:
            return _deployment(found, _tags_of(client, found["EndpointArn"]))
        time.sleep(_PAUSE_S)


def _deployment(found: Mapping[str, Any], tags: Mapping[str, str]) -> Deployment:
    version = tags.get(_VERSION, "")
    variants = found.get("ProductionVariants") or [{}]
    images = variants[0].get("DeployedImages") or [{}]
    return Deployment(
        str(found["EndpointName"]),
        NAME,
        _STATES.get(found["EndpointStatus"], DeploymentState.STARTING),
        model=tags.get(_MODEL),
        version=int(version) if version.isdigit() else None,
        image=images[0].get("SpecifiedImage"),
        address=str(found["EndpointArn"]),
        reason=found.get("FailureReason"),
    )
