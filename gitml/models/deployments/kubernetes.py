"""Deployments on Kubernetes: a Deployment, its Service, and what scales and spares it."""

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
from gitml.models.deployments.kubernetes_api import KubernetesApi
from gitml.models.deployments.kubernetes_manifests import (
    MANAGED,
    MODEL,
    SELECTOR,
    SHARED_OPTIONS,
    VERSION,
    objects,
)

NAME = "kubernetes"
_KINDS = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Deployment")
_WAIT_S = 600
_PAUSE_S = 1.0


class KubernetesTarget:
    """A cluster, by the official client."""

    name = NAME
    needs_image = True
    options: Mapping[str, Option] = {
        **SHARED_OPTIONS,
        "target_cpu": Option(Kind.INTEGER, "load in percent that pods are added at; 70 unless given"),
        "service_type": Option(
            Kind.TEXT, "type of the Service", choices=("ClusterIP", "NodePort", "LoadBalancer")
        ),
    }

    def manifests(self, request: DeploymentRequest) -> Mapping[str, Mapping[str, Any]]:
        """Write the objects, without reaching a cluster."""
        return objects(request)

    def create(self, request: DeploymentRequest) -> Deployment:
        """Create the objects, and wait until pods answer."""
        api = KubernetesApi(NAME, request.place.config)
        if api.get("Deployment", request.name) is not None:
            raise DeploymentExistsError(NAME, request.name)
        return _roll_out(api, request)

    def update(self, request: DeploymentRequest) -> Deployment:
        """Replace pods one by one; those that answer go when new ones do."""
        api = KubernetesApi(NAME, request.place.config)
        _own(api, request.name)
        done = _roll_out(api, request)
        if "hpa.yaml" not in objects(request):
            api.delete("HorizontalPodAutoscaler", request.name)
        return done

    def delete(self, name: str, place: Place) -> None:
        """Delete the objects; pods finish what is under way."""
        api = KubernetesApi(NAME, place.config)
        _own(api, name)
        for kind in _KINDS:
            found = api.get(kind, name)
            if found is not None and is_ours(found):
                api.delete(kind, name)

    def list(self, place: Place) -> Sequence[Deployment]:
        """List those of the namespace that gitml made."""
        api = KubernetesApi(NAME, place.config)
        return [_deployment(api, found) for found in api.list("Deployment", SELECTOR)]

    def get(self, name: str, place: Place) -> Deployment:
        """Say how the Deployment stands."""
        api = KubernetesApi(NAME, place.config)
        return _deployment(api, _own(api, name))

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Ask the Service, through the API server: nothing of it has to be reachable from here."""
        return KubernetesApi(NAME, place.config).ask_service(name, "http", "invocations", body, content_type)


def is_ours(found: Mapping[str, Any]) -> bool:
    """Whether gitml made an object, by its labels."""
    labels = found["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in MANAGED.items())


def _own(api: KubernetesApi, name: str) -> dict[str, Any]:
    found = api.get("Deployment", name)
    if found is None or not is_ours(found):
        raise DeploymentNotFoundError(NAME, name)
    return found


def _roll_out(api: KubernetesApi, request: DeploymentRequest) -> Deployment:
    for manifest in objects(request).values():
        api.apply(manifest)
    end = time.monotonic() + int(request.place.config.get("wait", _WAIT_S))
    while True:
        found = _deployment(api, _own(api, request.name))
        if found.state is DeploymentState.FAILED:
            raise DeploymentError(
                NAME,
                f"'{request.name}' does not come up with {request.model.label}: {found.reason}; what was there answers on",
                hint=f"kubectl rollout undo deployment/{request.name}; kubectl describe deployment/{request.name}",
            )
        if found.state is DeploymentState.READY or time.monotonic() >= end:
            return found
        time.sleep(_PAUSE_S)


def _deployment(api: KubernetesApi, found: Mapping[str, Any]) -> Deployment:
    metadata, status = found["metadata"], found.get("status") or {}
    notes = metadata.get("annotations") or {}
    state, reason = _state(found, status)
    name, version = str(metadata["name"]), str(notes.get(VERSION, ""))
    return Deployment(
        name,
        NAME,
        state,
        model=notes.get(MODEL),
        version=int(version) if version.isdigit() else None,
        image=found["spec"]["template"]["spec"]["containers"][0]["image"],
        address=f"http://{name}.{api.namespace}.svc/invocations",
        reason=reason,
    )


def _state(found: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[DeploymentState, str | None]:
    """How a rollout stands, by the rules of `kubectl rollout status`."""
    wanted = int(found["spec"].get("replicas", 1))
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return DeploymentState.FAILED, condition.get("message")
    updated, total, available = (
        int(status.get(key) or 0) for key in ("updatedReplicas", "replicas", "availableReplicas")
    )
    seen = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
    if seen and updated >= wanted and total <= updated and available >= updated:
        return DeploymentState.READY, None
    return DeploymentState.STARTING, f"{min(available, updated)} of {wanted} pods answer"
