"""Deployments on Google's Vertex AI: an endpoint, by google-cloud-aiplatform.

Each version is a model of its own that is deployed to the endpoint. An update deploys the new one beside the
old one; requests move over when it answers, and only then does the old one go.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from gitml.errors import UsageError
from gitml.execution.backends.options import Kind, Option
from gitml.models.deployments.contract import (
    Deployment,
    DeploymentError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentState,
    Place,
)
from gitml.models.deployments.vertex_api import LABEL, NAME, VertexApi, id_of
from gitml.models.shipping.health import DEFAULT_PORT

_VERSION, _RUN = "gitml_version", "gitml_run"
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_CPU = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
_LONGEST_S = 7200  # what Vertex AI takes
_PROBE_S = 10
_WAIT_S = 1800


class VertexTarget:
    """A project and region of Google Cloud."""

    name = NAME
    needs_image = True
    options: Mapping[str, Option] = {
        "project": Option(
            Kind.TEXT, "project; that of the credentials unless given", pattern=r"[a-z0-9.:-]+"
        ),
        "region": Option(
            Kind.TEXT, "region; GOOGLE_CLOUD_REGION unless given", pattern=r"[a-z]+-[a-z]+[0-9]+"
        ),
        "api_endpoint": Option(
            Kind.TEXT,
            "host of the API, where it is not the region's own",
            pattern=r"[A-Za-z0-9.-]+(:[0-9]+)?",
        ),
        "allow_tag": Option(Kind.FLAG, "take an image by tag as it is"),
        "machine_type": Option(
            Kind.TEXT, "kind of machine; n1-standard-4 unless given", pattern=r"[a-z0-9-]+"
        ),
        "accelerator": Option(Kind.TEXT, "kind of GPU: NVIDIA_TESLA_T4", pattern=r"[A-Z0-9_]+"),
        "accelerators": Option(Kind.INTEGER, "GPUs of a machine; 1 unless given"),
        "replicas": Option(Kind.INTEGER, "machines at least; 1 unless given"),
        "max_replicas": Option(Kind.INTEGER, "machines at most; as replicas unless given"),
        "target_cpu": Option(Kind.INTEGER, "load in percent that machines are added at; 60 unless given"),
        "service_account": Option(
            Kind.TEXT, "service account that the model runs as", pattern=r"[^\s/@]+@[A-Za-z0-9.-]+"
        ),
        "kms_key": Option(
            Kind.TEXT,
            "key that a new endpoint and its models are encrypted with",
            pattern=r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+",
        ),
        "env": Option(Kind.MAPPING, "variables of the container: -C env.GITML_SERVE_WORKERS=2"),
        "labels": Option(Kind.MAPPING, "labels of what is made: -C labels.team=churn"),
        "start": Option(Kind.TIME, "how long it may take to load the model; 5m unless given"),
        "wait": Option(Kind.TIME, "how long to wait until it is ready; 0s: not at all; 30m unless given"),
    }

    def create(self, request: DeploymentRequest) -> Deployment:
        """Create an endpoint, deploy the model to it, and wait until it answers."""
        _check(request.place.config)
        api = VertexApi(request.place)
        if api.endpoint(request.name) is not None:
            raise DeploymentExistsError(NAME, request.name)
        deployed = _deployed(api, request)
        api.create_endpoint(request.name, _endpoint(api, request))
        try:
            _start(api, request, deployed)
        except DeploymentError:
            with contextlib.suppress(DeploymentError):
                api.delete_endpoint(request.name)
            raise
        return self.get(request.name, request.place)

    def update(self, request: DeploymentRequest) -> Deployment:
        """Deploy the new model beside the old one, which goes when the new one answers."""
        _check(request.place.config)
        api = VertexApi(request.place)
        deployed = _deployed(api, request)
        _own(api, request.name)
        made = _start(api, request, deployed, also="; what was there answers on")
        if made is not None:
            endpoint = _own(api, request.name)
            try:
                api.undeploy(endpoint, [one for one in endpoint.deployed_models if id_of(one.model) != made])
                _forget(api, request.name, but=made)
            except DeploymentError as err:
                raise DeploymentError(
                    NAME,
                    f"'{request.name}' answers with {request.model.label}, but what was there stays: {_words(err)}",
                    hint="the next --update takes it away",
                ) from err
        return self.get(request.name, request.place)

    def delete(self, name: str, place: Place) -> None:
        """Delete the endpoint, and the models that were made for it."""
        api = VertexApi(place)
        endpoint = _own(api, name)
        api.undeploy(endpoint, endpoint.deployed_models)
        api.delete_endpoint(name)
        _forget(api, name)

    def list(self, place: Place) -> Sequence[Deployment]:
        """List the endpoints that gitml made."""
        api = VertexApi(place)
        return [_deployment(api, endpoint) for endpoint in api.endpoints() if _is_ours(endpoint)]

    def get(self, name: str, place: Place) -> Deployment:
        """Say how the endpoint stands."""
        api = VertexApi(place)
        return _deployment(api, _own(api, name))

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Send the request through the endpoint to the model, as it is."""
        api = VertexApi(place)
        _own(api, name)
        return api.ask(name, body, content_type)


def _check(config: Mapping[str, Any]) -> None:
    for key, value in config.get("labels", {}).items():
        if not (_LABEL.fullmatch(key) and _VALUE.fullmatch(value)) or key.startswith("gitml_"):
            raise UsageError(
                f"{key}={value!r:.80} can't be a label there",
                hint="lower-case letters, digits, '_' and '-', 63 at most; names with 'gitml_' are gitml's",
            )
    least, most = _replicas(config)
    if least < 1 or most < least:
        raise UsageError(
            f"there can't be {least} machines at least and {most} at most",
            hint="-C replicas=1 -C max_replicas=4",
        )
    if "accelerators" in config and "accelerator" not in config:
        raise UsageError("no kind of GPU is given", hint="-C accelerator=NVIDIA_TESLA_T4")


def _replicas(config: Mapping[str, Any]) -> tuple[int, int]:
    least = int(config.get("replicas", 1))
    return least, int(config.get("max_replicas", least))


def _is_ours(endpoint: Any) -> bool:
    return bool(endpoint.labels.get(LABEL) == id_of(endpoint.name))


def _own(api: VertexApi, name: str) -> Any:
    found = api.endpoint(name)
    if found is None or not _is_ours(found):
        raise DeploymentNotFoundError(NAME, name)
    return found


def _start(api: VertexApi, request: DeploymentRequest, deployed: Any, *, also: str = "") -> str | None:
    """Make the model and deploy it; says its id, or None if it is still on its way after all the waiting."""
    end = time.monotonic() + int(request.place.config.get("wait", _WAIT_S))
    made = f"{request.name[:53]}-{uuid.uuid4().hex[:8]}"
    try:
        deployed.model = api.upload(made, _model(api, request))
        return made if api.is_done(api.deploy(request.name, deployed), end) else None
    except DeploymentError as err:
        with contextlib.suppress(DeploymentError):
            _forget(api, request.name, only=made)
        raise DeploymentError(
            NAME,
            f"'{request.name}' does not answer with {request.model.label}: {_words(err)}{also}",
            hint=err.hint or f"its words: gcloud logging read 'resource.labels.endpoint_id={request.name}'",
        ) from err


def _words(err: DeploymentError) -> str:
    return err.message.removeprefix(f"{NAME}: ")


def _forget(api: VertexApi, name: str, *, but: str | None = None, only: str | None = None) -> None:
    for model in api.models_of(name):
        if id_of(model) != but and only in (None, id_of(model)):
            api.delete_model(model)


def _labels(request: DeploymentRequest) -> dict[str, str]:
    return {**request.place.config.get("labels", {}), LABEL: request.name}


def _encryption(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"encryption_spec": {"kms_key_name": config["kms_key"]}} if "kms_key" in config else {}


def _endpoint(api: VertexApi, request: DeploymentRequest) -> Any:
    described = {"display_name": request.name, "labels": _labels(request)}
    return api.types.Endpoint({**described, **_encryption(request.place.config)})


def _model(api: VertexApi, request: DeploymentRequest) -> Any:
    config, model = request.place.config, request.model
    facts = {_VERSION: None if model.version is None else str(model.version), _RUN: model.run_id}
    start_s = int(config.get("start", 300))
    env = {"GITML_SERVE_NAME": request.name, **config.get("env", {})}
    return api.types.Model(
        {
            "display_name": model.title[:128],
            "description": f"{model.label} {model.digest or ''}".strip(),
            "labels": {**_labels(request), **{key: value for key, value in facts.items() if value}},
            "container_spec": {
                "image_uri": model.image,
                "env": [{"name": key, "value": value} for key, value in env.items()],
                "ports": [{"container_port": DEFAULT_PORT}],
                "predict_route": "/invocations",
                "health_route": "/ping",
                "startup_probe": {
                    "http_get": {"path": "/ping", "port": DEFAULT_PORT},
                    "period_seconds": _PROBE_S,
                    "failure_threshold": max(1, math.ceil(start_s / _PROBE_S)),
                },
                "deployment_timeout": {
                    "seconds": min(_LONGEST_S, start_s + 1800)
                },  # machines take time as well
            },
            **_encryption(config),
        }
    )


def _deployed(api: VertexApi, request: DeploymentRequest) -> Any:
    config = request.place.config
    least, most = _replicas(config)
    machine: dict[str, Any] = {"machine_type": config.get("machine_type", "n1-standard-4")}
    if "accelerator" in config:
        known = api.types.AcceleratorType.__members__
        if config["accelerator"] not in known:
            raise UsageError(
                f"there is no accelerator '{config['accelerator']}'",
                hint=f"there are: {', '.join(list(known)[1:])}",
            )
        machine |= {
            "accelerator_type": known[config["accelerator"]],
            "accelerator_count": config.get("accelerators", 1),
        }
    resources: dict[str, Any] = {
        "machine_spec": machine,
        "min_replica_count": least,
        "max_replica_count": most,
    }
    if "target_cpu" in config:
        resources["autoscaling_metric_specs"] = [{"metric_name": _CPU, "target": config["target_cpu"]}]
    return api.types.DeployedModel(
        display_name=request.model.title[:128],
        dedicated_resources=resources,
        service_account=config.get("service_account", ""),
    )


def _deployment(api: VertexApi, endpoint: Any) -> Deployment:
    name = id_of(endpoint.name)
    split = dict(endpoint.traffic_split)
    live = max(endpoint.deployed_models, key=lambda one: split.get(one.id, 0), default=None)
    live = live if live is not None and split.get(live.id) else None
    model = None if live is None else api.model(live.model)
    version = "" if model is None else model.labels.get(_VERSION, "")
    state, reason = _state(api.operations(name), answers=live is not None)
    return Deployment(
        name,
        NAME,
        state,
        model=None if live is None else live.display_name,
        version=int(version) if version.isdigit() else None,
        image=None if model is None else model.container_spec.image_uri,
        address=str(endpoint.name),
        reason=reason,
    )


def _state(operations: Sequence[Any], *, answers: bool) -> tuple[DeploymentState, str | None]:
    deploying = [one for one in operations if one.metadata.type_url.endswith(".DeployModelOperationMetadata")]
    if any(not one.done for one in deploying):
        also = "; the one before answers, and goes with the next --update" if answers else ""
        return DeploymentState.STARTING, f"a model is being deployed{also}"
    if answers:
        return DeploymentState.READY, None
    failed = next((one.error.message for one in deploying if one.HasField("error")), None)
    return DeploymentState.FAILED, failed or "no model is deployed to it"
