"""The few requests to a Kubernetes API server that a job takes, by the official client."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from gitml.errors import MissingExtraError
from gitml.execution.backends.contract import BackendError
from gitml.execution.backends.kubernetes_manifest import RUN_LABEL

_Answer = TypeVar("_Answer")

NAME = "kubernetes"

_PATIENCE_S = (10, 60)  # to connect, to answer
_FOLLOWED_S = (10, 7 * 86400)  # a program may be silent for long
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NOT_FOUND = 404
_CONFLICT = 409


class Cluster:
    """One cluster, as one of the user's contexts reaches it.

    `api` is the client's own way to it, with the user's certificates and tokens.
    """

    def __init__(self, *, kubeconfig: str | None, context: str | None, namespace: str | None) -> None:
        """Read the configuration; nothing is sent yet.

        Args:
            kubeconfig: The file; None: where kubectl looks.
            context: The context in it; None: its current one.
            namespace: Where jobs are; None: the context's, or `default`.

        Raises:
            MissingExtraError: The client is not installed.
            BackendError: There is no configuration, or it is wrong.
        """
        client, config = _package()
        try:
            settings = client.Configuration()
            if kubeconfig is None and context is None and _in_a_pod():
                config.load_incluster_config(client_configuration=settings)
                found = _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
            else:
                config.load_kube_config(
                    config_file=kubeconfig, context=context, client_configuration=settings
                )
                contexts, current = config.list_kube_config_contexts(config_file=kubeconfig)
                chosen = next((one for one in contexts if one["name"] == context), current)
                found = chosen["context"].get("namespace")
        except (config.ConfigException, OSError) as err:
            raise BackendError(
                NAME,
                f"it is not known how to reach the cluster: {err}",
                hint="kubectl config get-contexts; -c kube-context=NAME",
            ) from err
        settings.retries = 1
        api = client.ApiClient(settings)
        self.namespace = namespace or found or "default"
        self.api: Any = api
        self._batch: Any = client.BatchV1Api(api)
        self._core: Any = client.CoreV1Api(api)

    def create(self, manifest: dict[str, Any]) -> str:
        """Create a Job and return its name; one that is there already is the same, since the name is the run's."""
        try:
            made = _asked(
                lambda: self._batch.create_namespaced_job(
                    self.namespace, manifest, field_validation="Strict", _request_timeout=_PATIENCE_S
                )
            )
        except _RefusedError as err:
            if err.status == _CONFLICT:
                return str(manifest["metadata"]["name"])
            raise
        return str(made.metadata.name)

    def job(self, name: str) -> Any:
        """Read a Job; None if there is none of that name."""
        return _unless_gone(
            lambda: self._batch.read_namespaced_job(name, self.namespace, _request_timeout=_PATIENCE_S)
        )

    def pods(self, run_id: str) -> list[Any]:
        """List the pods of a run's Job, oldest first."""
        found = _asked(
            lambda: self._core.list_namespaced_pod(
                self.namespace, label_selector=f"{RUN_LABEL}={run_id}", _request_timeout=_PATIENCE_S
            )
        )
        return sorted(found.items, key=lambda pod: str(pod.metadata.creation_timestamp))

    def log(self, pod: str, container: str, *, follow: bool) -> Iterator[bytes]:
        """Give what a container of a pod printed; nothing if the pod is gone."""
        response = _unless_gone(
            lambda: self._core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=container,
                follow=follow,
                _preload_content=False,
                _request_timeout=_FOLLOWED_S if follow else _PATIENCE_S,
            )
        )
        if response is None:
            return
        try:
            yield from response.stream(amt=None)
        finally:
            response.release_conn()

    def delete(self, name: str) -> None:
        """Delete a Job and its pods, which are asked to end first."""
        _unless_gone(
            lambda: self._batch.delete_namespaced_job(
                name, self.namespace, propagation_policy="Background", _request_timeout=_PATIENCE_S
            )
        )


def _package() -> tuple[Any, Any]:
    """Load the client: what it says of its own types is not what it takes and gives."""
    try:
        from kubernetes import client, config
    except ImportError as err:
        raise MissingExtraError("the backend 'kubernetes'", "kubernetes") from err
    return client, config


class _RefusedError(BackendError):
    """The API server answered that it won't."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(NAME, what)
        self.status = status


def _asked(request: Callable[[], _Answer]) -> _Answer:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return request()
    except ApiException as err:
        raise _RefusedError(err.status or 0, _words(err.body, err.reason)) from err
    except HTTPError as err:
        raise BackendError(
            NAME,
            f"the cluster can't be reached: {getattr(err, 'reason', None) or err}",
            hint="kubectl cluster-info; another cluster: -c kube-context=NAME",
        ) from err


def _unless_gone(request: Callable[[], _Answer]) -> _Answer | None:
    try:
        return _asked(request)
    except _RefusedError as err:
        if err.status == _NOT_FOUND:
            return None
        raise


def _words(body: str | bytes | None, reason: str | None) -> str:
    """What the server says went wrong: the message of its Status object."""
    try:
        message = cast("dict[str, Any]", json.loads(body or "")).get("message")
    except (ValueError, AttributeError):
        message = None
    return str(message or reason or "the request was refused")


def _in_a_pod() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG")
