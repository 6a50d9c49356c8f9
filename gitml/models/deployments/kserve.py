"""Deployments on KServe: one InferenceService, with the image as a container of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

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
from gitml.models.deployments.http import post
from gitml.models.deployments.kubernetes import is_ours
from gitml.models.deployments.kubernetes_api import KubernetesApi
from gitml.models.deployments.kubernetes_manifests import (
    MODEL,
    SELECTOR,
    SHARED_OPTIONS,
    VERSION,
    inference_service,
)

NAME = "kserve"
_KIND = "InferenceService"
_WAIT_S = 600
_PAUSE_S = 1.0


class KServeTarget:
    """A cluster that has KServe, by the official client of Kubernetes."""

    name = NAME
    needs_image = True
    options: Mapping[str, Option] = {
        **SHARED_OPTIONS,
        "scale_to_zero": Option(Kind.FLAG, "have no pod where no requests come, in KServe's serverless mode"),
        "canary": Option(Kind.INTEGER, "percent of requests that go to what is new"),
        "deployment_mode": Option(
            Kind.TEXT,
            "KServe's way to run it; the cluster's default unless given",
            choices=("RawDeployment", "Serverless", "Standard", "Knative"),
        ),
    }

    def manifests(self, request: DeploymentRequest) -> Mapping[str, Mapping[str, Any]]:
        """Write the object, without reaching a cluster."""
        return {"inferenceservice.yaml": inference_service(request)}

    def create(self, request: DeploymentRequest) -> Deployment:
        """Create the object, and wait until it is ready."""
        api = KubernetesApi(NAME, request.place.config)
        if api.get(_KIND, request.name) is not None:
            raise DeploymentExistsError(NAME, request.name)
        return _roll_out(api, request)

    def update(self, request: DeploymentRequest) -> Deployment:
        """Let KServe go over to another image, wholly or for some percent of requests."""
        api = KubernetesApi(NAME, request.place.config)
        _own(api, request.name)
        return _roll_out(api, request)

    def delete(self, name: str, place: Place) -> None:
        """Delete the object, and so what KServe made of it."""
        api = KubernetesApi(NAME, place.config)
        _own(api, name)
        api.delete(_KIND, name)

    def list(self, place: Place) -> Sequence[Deployment]:
        """List those of the namespace that gitml made."""
        return [_deployment(found) for found in KubernetesApi(NAME, place.config).list(_KIND, SELECTOR)]

    def get(self, name: str, place: Place) -> Deployment:
        """Say how the InferenceService stands."""
        return _deployment(_own(KubernetesApi(NAME, place.config), name))

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Ask it where KServe says that it is."""
        found = self.get(name, place)
        if found.address is None:
            raise DeploymentError(NAME, f"'{name}' has no address yet: {found.reason or found.state.value}")
        return post(NAME, found.address, body, content_type)


def _own(api: KubernetesApi, name: str) -> dict[str, Any]:
    found = api.get(_KIND, name)
    if found is None or not is_ours(found):
        raise DeploymentNotFoundError(NAME, name)
    return found


def _roll_out(api: KubernetesApi, request: DeploymentRequest) -> Deployment:
    api.apply(inference_service(request))
    end = time.monotonic() + int(request.place.config.get("wait", _WAIT_S))
    while True:
        found = _deployment(_own(api, request.name))
        if found.state is DeploymentState.READY or time.monotonic() >= end:
            return found
        time.sleep(_PAUSE_S)


def _deployment(found: Mapping[str, Any]) -> Deployment:
    metadata, status = found["metadata"], found.get("status") or {}
    notes = metadata.get("annotations") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    ready = conditions.get("Ready", {})
    seen = int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0)
    version, url = str(notes.get(VERSION, "")), status.get("url")
    return Deployment(
        str(metadata["name"]),
        NAME,
        DeploymentState.READY if ready.get("status") == "True" and seen else DeploymentState.STARTING,
        model=notes.get(MODEL),
        version=int(version) if version.isdigit() else None,
        image=found["spec"]["predictor"]["containers"][0]["image"],
        address=f"{str(url).rstrip('/')}/invocations" if url else None,
        reason=ready.get("message") or ready.get("reason"),
    )
