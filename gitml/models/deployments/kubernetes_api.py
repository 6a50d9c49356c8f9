"""Requests to a Kubernetes API server, for objects of any kind.

How it is reached, and as whom, is the official client's to say; requests are plain, since its own
functions for them differ from one release to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from gitml.execution.backends.kubernetes_cluster import Cluster
from gitml.models.deployments.contract import DeploymentError, DeploymentNotFoundError

_FIELD_MANAGER = "gitml"
_PATIENCE_S = 60.0
_NOT_FOUND = 404
_PATHS = {
    "Deployment": ("apis/apps/v1", "deployments"),
    "Service": ("api/v1", "services"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "InferenceService": ("apis/serving.kserve.io/v1beta1", "inferenceservices"),
}


class KubernetesApi:
    """One namespace of a cluster."""

    def __init__(self, target: str, config: Mapping[str, Any]) -> None:
        """Read how it is reached; nothing is sent yet.

        Args:
            target: The target, for messages.
            config: Values of the options `kubeconfig`, `kube_context` and `namespace`.

        Raises:
            MissingExtraError: The client is not installed.
            BackendError: There is no configuration, or it is wrong.
        """
        cluster = Cluster(
            kubeconfig=config.get("kubeconfig"),
            context=config.get("kube_context"),
            namespace=config.get("namespace"),
        )
        self._target = target
        self._api = cluster.api
        self.namespace = cluster.namespace

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Create an object, or make one that is there as it says; what others set of it stays."""
        metadata = {**manifest["metadata"], "namespace": self.namespace}
        query = {"fieldManager": _FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        self._json(
            "PATCH",
            self._path(str(manifest["kind"]), str(metadata["name"])),
            query,
            {**manifest, "metadata": metadata},
            "application/apply-patch+yaml",
        )

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Read an object; None if there is none."""
        return self._json("GET", self._path(kind, name))

    def list(self, kind: str, selector: str) -> list[dict[str, Any]]:
        """List the objects of a kind that have some labels."""
        found = self._json("GET", self._path(kind), {"labelSelector": selector})
        return list(found["items"]) if found else []

    def delete(self, kind: str, name: str) -> bool:
        """Delete an object and what it made; whether it was there."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        return self._json("DELETE", self._path(kind, name), body=body) is not None

    def ask_service(self, name: str, port: str, path: str, body: bytes, content_type: str) -> bytes:
        """Send a request to a service, through the API server.

        Raises:
            DeploymentNotFoundError: There is no such service.
            DeploymentError: It answered that it can't.
        """
        place = f"{self._path('Service', f'{name}:{port}')}/proxy/{path}"
        status, data = self._send("POST", place, {}, body, content_type)
        if status == _NOT_FOUND:
            raise DeploymentNotFoundError(self._target, name)
        if status >= 300:
            raise DeploymentError(self._target, _words(data, status))
        return data

    def _path(self, kind: str, name: str | None = None) -> str:
        group, plural = _PATHS[kind]
        path = f"{group}/namespaces/{quote(self.namespace, safe='')}/{plural}"
        return path if name is None else f"{path}/{quote(name, safe=':')}"

    def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None,
        content_type: str = "application/json",
    ) -> dict[str, Any] | None:  # fmt: skip
        sent = None if body is None else json.dumps(body).encode()
        status, data = self._send(method, path, query or {}, sent, content_type)
        if status == _NOT_FOUND and method != "PATCH":
            return None
        if status >= 300:
            hint = None
            if status == _NOT_FOUND:
                hint = "the cluster does not know this kind of object, or has no such namespace"
            raise DeploymentError(self._target, _words(data, status), hint=hint)
        found: dict[str, Any] = json.loads(data)
        return found

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, content_type: str
    ) -> tuple[int, bytes]:
        from urllib3.exceptions import HTTPError

        settings = self._api.configuration
        headers = {"Accept": "application/json", "Content-Type": content_type}
        for rule in settings.auth_settings().values():
            headers[rule["key"]] = rule["value"]
        url = f"{settings.host.rstrip('/')}/{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self._api.rest_client.pool_manager.request(
                method, url, body=body, headers=headers, timeout=_PATIENCE_S
            )
        except HTTPError as err:
            raise DeploymentError(
                self._target,
                f"the cluster can't be reached: {getattr(err, 'reason', None) or err}",
                hint="kubectl cluster-info; another cluster: -C kube-context=NAME",
            ) from err
        return int(answer.status), bytes(answer.data)


def _words(data: bytes, status: int) -> str:
    """What the server says went wrong: the message of its Status object, or of a model server's error."""
    try:
        found = json.loads(data)
        return str(found.get("message") or found.get("error") or found)
    except (ValueError, AttributeError):
        return data.decode("utf-8", "replace").strip()[:400] or f"the answer was {status}"
