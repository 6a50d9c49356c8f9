"""Deployments on Azure Machine Learning: a managed online endpoint, by azure-ai-ml.

Each version is a deployment of the endpoint. An update makes the new one beside the old one, sends all
requests to it when it answers, and only then deletes the old one.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from gitml.errors import InvalidNameError, UsageError
from gitml.execution.backends.options import Kind, Option
from gitml.models.deployments.azureml_api import NAME, AzureMLApi
from gitml.models.deployments.contract import (
    Deployment,
    DeploymentError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentState,
    Place,
)
from gitml.models.deployments.http import post
from gitml.models.shipping.health import DEFAULT_PORT

_OURS, _MODEL, _VERSION, _IMAGE, _RUN = (
    "gitml.deployment",
    "gitml.model",
    "gitml.version",
    "gitml.image",
    "gitml.run",
)
_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
_WAIT_S = 1800
_PROBE_S = 10
_LONGEST_REQUEST_S = 180  # what Azure takes
_STATES = {
    "Creating": DeploymentState.STARTING,
    "Updating": DeploymentState.STARTING,
    "Scaling": DeploymentState.READY,
    "Succeeded": DeploymentState.READY,
    "Failed": DeploymentState.FAILED,
    "Canceled": DeploymentState.FAILED,
    "Deleting": DeploymentState.STOPPED,
}


class AzureMLTarget:
    """A workspace of Azure Machine Learning."""

    name = NAME
    needs_image = True
    options: Mapping[str, Option] = {
        "subscription": Option(
            Kind.TEXT,
            "id of the subscription; AZURE_SUBSCRIPTION_ID unless given",
            pattern=r"[0-9a-fA-F-]{36}",
        ),
        "resource_group": Option(Kind.TEXT, "resource group", pattern=r"[\w().-]{1,90}"),
        "workspace": Option(Kind.TEXT, "workspace", pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{1,32}"),
        "allow_tag": Option(Kind.FLAG, "take an image by tag as it is"),
        "instance_type": Option(
            Kind.TEXT, "kind of machine; Standard_DS3_v2 unless given", pattern=r"[A-Za-z0-9_]+"
        ),
        "instances": Option(Kind.INTEGER, "machines; 1 unless given"),
        "identity": Option(
            Kind.TEXT,
            "resource id of the identity that a new endpoint runs as; one of its own unless given",
            pattern=r"/subscriptions/\S+/userAssignedIdentities/[^/\s]+",
        ),
        "auth": Option(
            Kind.TEXT,
            "what requests to a new endpoint carry; key unless given",
            choices=("key", "aad_token", "aml_token"),
        ),
        "public": Option(
            Kind.FLAG, "whether a new endpoint answers outside of the workspace's network; true unless given"
        ),
        "env": Option(Kind.MAPPING, "variables of the container: -C env.GITML_SERVE_WORKERS=2"),
        "tags": Option(Kind.MAPPING, "tags of what is made: -C tags.team=churn"),
        "timeout": Option(Kind.TIME, "how long a request may take: 3m at most; 1m unless given"),
        "concurrency": Option(Kind.INTEGER, "requests at once for a machine; 8 unless given"),
        "start": Option(Kind.TIME, "how long it may take to load the model; 5m unless given"),
        "wait": Option(Kind.TIME, "how long it may take until it is ready; 30m unless given"),
    }

    def create(self, request: DeploymentRequest) -> Deployment:
        """Create an endpoint, a deployment of it, and send all requests there when it answers."""
        _check(request)
        with AzureMLApi(request.place).changing() as api:
            if api.endpoint(request.name) is not None:
                raise DeploymentExistsError(NAME, request.name)
            _create_endpoint(api, request)
            try:
                _start(api, request)
            except DeploymentError:
                with contextlib.suppress(DeploymentError):
                    api.delete_endpoint(request.name)
                raise
            return _deployment(api, _own(api, request.name))

    def update(self, request: DeploymentRequest) -> Deployment:
        """Make a deployment of the new model beside the old one, which goes when the new one answers."""
        _check(request)
        with AzureMLApi(request.place).changing() as api:
            _own(api, request.name)
            made = _start(api, request, is_update=True)
            for old in api.deployments(request.name):
                if old.name != made:
                    _retire(api, request, old.name)
            return _deployment(api, _own(api, request.name))

    def delete(self, name: str, place: Place) -> None:
        """Delete the endpoint, with its deployment."""
        with AzureMLApi(place).changing() as api:
            _own(api, name)
            api.delete_endpoint(name)

    def list(self, place: Place) -> Sequence[Deployment]:
        """List the endpoints that gitml made."""
        api = AzureMLApi(place)
        return [_deployment(api, endpoint) for endpoint in api.endpoints() if _is_ours(endpoint)]

    def get(self, name: str, place: Place) -> Deployment:
        """Say how the endpoint stands."""
        api = AzureMLApi(place)
        return _deployment(api, _own(api, name))

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Send the request to the endpoint, with its key or token."""
        api = AzureMLApi(place)
        found = _own(api, name)
        headers = {"Authorization": f"Bearer {api.secret(name)}"}
        return post(NAME, str(found.scoring_uri), body, content_type, headers=headers)


def _check(request: DeploymentRequest) -> None:
    config = request.place.config
    if not _NAME.fullmatch(request.name):
        raise InvalidNameError(
            "deployment", request.name, "Azure takes names of 3 to 32 characters", hint="--name churn"
        )
    for option, least, most in (("instances", 1, None), ("concurrency", 1, None), ("wait", 1, None),
                                ("timeout", 1, _LONGEST_REQUEST_S)):  # fmt: skip
        value = int(config.get(option, least))
        if value < least or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"{least} to {most}"
            raise UsageError(f"option '{option}' can't be {value}: {bounds}", hint=_HINTS.get(option))


_HINTS = {"wait": "requests are moved to the new deployment from here, so it has to be waited for"}


def _is_ours(endpoint: Any) -> bool:
    return bool((endpoint.tags or {}).get(_OURS) == endpoint.name)


def _own(api: AzureMLApi, name: str) -> Any:
    found = api.endpoint(name)
    if found is None or not _is_ours(found):
        raise DeploymentNotFoundError(NAME, name)
    return found


def _create_endpoint(api: AzureMLApi, request: DeploymentRequest) -> None:
    config, made = request.place.config, api.entities
    more: dict[str, Any] = {}
    if "identity" in config:
        one = made.ManagedIdentityConfiguration(resource_id=config["identity"])
        more["identity"] = made.IdentityConfiguration(type="user_assigned", user_assigned_identities=[one])
    if not config.get("public", True):
        more["public_network_access"] = "disabled"
    endpoint = made.ManagedOnlineEndpoint(
        name=request.name, auth_mode=config.get("auth", "key"), tags=_endpoint_tags(request), **more
    )
    try:
        api.put_endpoint(endpoint)
    except DeploymentError:
        with contextlib.suppress(DeploymentError):
            left = api.endpoint(request.name)
            # Not one that somebody else is making at this moment.
            if left is not None and _is_ours(left) and _stands(left) == "Failed":
                api.delete_endpoint(request.name)
        raise


def _endpoint_tags(request: DeploymentRequest) -> dict[str, str]:
    return {**request.place.config.get("tags", {}), _OURS: request.name}


def _start(api: AzureMLApi, request: DeploymentRequest, *, is_update: bool = False) -> str:
    """Make a deployment and send all requests to it; one of an update that can't answer goes again."""
    end = time.monotonic() + int(request.place.config.get("wait", _WAIT_S))
    version = request.model.version
    made = f"{'m' if version is None else f'v{version}'[:20]}-{uuid.uuid4().hex[:8]}"
    try:
        api.put_deployment(_version(api, request, made), max(1.0, end - time.monotonic()))
        endpoint = _own(api, request.name)
        endpoint.traffic = {made: 100}
        endpoint.tags = {**(endpoint.tags or {}), **_endpoint_tags(request)}
        api.put_endpoint(endpoint)
    except DeploymentError as err:
        log = api.last_words(made, request.name)
        parts = [_words(err)]
        parts += [f"its log ends: {log}"] if log else []
        parts += ["what was there answers on", *_removed(api, made, request.name)] if is_update else []
        raise DeploymentError(
            NAME,
            f"'{request.name}' does not answer with {request.model.label}: {'; '.join(parts)}",
            hint=err.hint,
        ) from err
    return made


def _words(err: DeploymentError) -> str:
    return err.message.removeprefix(f"{NAME}: ")


def _removed(api: AzureMLApi, made: str, name: str) -> list[str]:
    """Delete what failed; says what is left of it, if that is refused."""
    if made not in {one.name for one in _known(api, name)}:
        return []
    try:
        api.delete_deployment(made, name)
    except DeploymentError as err:
        return [f"its deployment '{made}' can't be deleted now ({_words(err)}); the next --update does"]
    return []


def _retire(api: AzureMLApi, request: DeploymentRequest, old: str) -> None:
    try:
        api.delete_deployment(old, request.name)
    except DeploymentError as err:
        raise DeploymentError(
            NAME,
            f"'{request.name}' answers with {request.model.label}, but its old deployment '{old}' stays: {_words(err)}",
            hint=f"az ml online-deployment delete --name {old} --endpoint-name {request.name}",
        ) from err


def _known(api: AzureMLApi, name: str) -> list[Any]:
    try:
        return api.deployments(name)
    except DeploymentError:
        return []


def _version(api: AzureMLApi, request: DeploymentRequest, made: str) -> Any:
    config, model, entities = request.place.config, request.model, api.entities
    tries = max(1, math.ceil(int(config.get("start", 300)) / _PROBE_S))
    probe = {"initial_delay": _PROBE_S, "period": _PROBE_S, "timeout": 5, "failure_threshold": tries}
    facts = {
        _OURS: request.name,
        _MODEL: model.title,
        _VERSION: None if model.version is None else str(model.version),
        _IMAGE: model.image,
        _RUN: model.run_id,
    }
    return entities.ManagedOnlineDeployment(
        name=made,
        endpoint_name=request.name,
        description=model.label,
        tags={**config.get("tags", {}), **{key: value[:256] for key, value in facts.items() if value}},
        environment=_environment(entities, str(model.image)),
        environment_variables={"GITML_SERVE_NAME": request.name, **config.get("env", {})},
        instance_type=config.get("instance_type", "Standard_DS3_v2"),
        instance_count=config.get("instances", 1),
        scale_settings=entities.DefaultScaleSettings(),
        liveness_probe=entities.ProbeSettings(**probe),
        readiness_probe=entities.ProbeSettings(**probe),
        request_settings=entities.OnlineRequestSettings(
            max_concurrent_requests_per_instance=config.get("concurrency", 8),
            request_timeout_ms=1000 * int(config.get("timeout", 60)),
        ),
    )


def _environment(entities: Any, image: str) -> Any:
    """The image as Azure wants it described; without a name it is made for this deployment alone."""
    routes = {"liveness": "/ping", "readiness": "/health", "scoring": "/invocations"}
    config = {f"{use}_route": {"port": DEFAULT_PORT, "path": path} for use, path in routes.items()}
    return entities.Environment(image=image, inference_config=config)


def _deployment(api: AzureMLApi, endpoint: Any) -> Deployment:
    deployed = {one.name: one for one in api.deployments(endpoint.name)}
    shares = {name: share for name, share in (endpoint.traffic or {}).items() if share and name in deployed}
    live = deployed[max(shares, key=lambda name: shares[name])] if shares else None
    others = [one for name, one in deployed.items() if name not in shares]
    state, reason = _state(endpoint, live, others)
    tags = {} if live is None else live.tags or {}
    version = tags.get(_VERSION, "")
    return Deployment(
        str(endpoint.name),
        NAME,
        state,
        model=tags.get(_MODEL),
        version=int(version) if version.isdigit() else None,
        image=tags.get(_IMAGE),
        address=endpoint.scoring_uri,
        reason=reason,
    )


def _state(endpoint: Any, live: Any, others: Sequence[Any]) -> tuple[DeploymentState, str | None]:
    stands = _stands(endpoint)
    state = _STATES.get(stands, DeploymentState.STARTING)
    if state in (DeploymentState.FAILED, DeploymentState.STOPPED):
        return state, f"the endpoint is {stands}"
    starting = [one.name for one in others if _STATES.get(_stands(one)) is DeploymentState.STARTING]
    if starting:
        return DeploymentState.STARTING, f"deployment '{starting[0]}' is being made"
    if live is None:
        return DeploymentState.FAILED, "no deployment of it gets requests; --update makes one"
    state = _STATES.get(_stands(live), state)
    return state, None if state is DeploymentState.READY else f"the deployment is {_stands(live)}"


def _stands(thing: Any) -> str:
    state = thing.provisioning_state
    return str(getattr(state, "value", state))
