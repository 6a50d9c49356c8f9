"""Vertex AI by Google's client: requests, what takes long, and what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

from gitml.errors import MissingExtraError, UsageError
from gitml.models.deployments.contract import DeploymentError, DeploymentExistsError, Place
from gitml.models.deployments.http import words

NAME = "vertex"
LABEL = "gitml_deployment"  # what marks things as ours, and says whose they are
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_REGION_VARIABLES = ("GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION")
_PATIENCE_S = 60.0  # of a request
_PREDICT_S = 300.0
_SETTLE_S = 1800.0  # of what is not starting a model
_PAUSE_S = 5.0
_Answer = TypeVar("_Answer")


class VertexApi:
    """A project and region of Google Cloud.

    Its methods raise `DeploymentError` if it can't be reached or refuses.

    Attributes:
        types: The messages of the API.
    """

    def __init__(self, place: Place) -> None:
        """Find out who we are there.

        Raises:
            MissingExtraError: The client is not installed.
            UsageError: Project or region are not known.
            DeploymentError: There are no credentials.
        """
        try:
            import google.auth
            from google.auth.exceptions import GoogleAuthError
            from google.cloud import aiplatform_v1
        except ImportError as err:
            raise MissingExtraError("the target 'vertex'", "vertex") from err
        variables = (place.environ.get(name) for name in _REGION_VARIABLES)
        region = place.config.get("region") or next(filter(None, variables), None)
        if region is None:
            raise UsageError("no region is given", hint="-C region=europe-west1")
        try:
            self._credentials, project = google.auth.default(scopes=[_SCOPE])
        except GoogleAuthError as err:
            raise _no_credentials(err) from err
        project = place.config.get("project") or project
        if not project:
            raise UsageError("no project is given", hint="-C project=PROJECT")
        self._sdk = aiplatform_v1
        self.types = aiplatform_v1.types
        self._parent = f"projects/{project}/locations/{region}"
        self._host = place.config.get("api_endpoint", f"{region}-aiplatform.googleapis.com")

    @cached_property
    def _endpoints(self) -> Any:
        return self._client(self._sdk.EndpointServiceClient)

    @cached_property
    def _models(self) -> Any:
        return self._client(self._sdk.ModelServiceClient)

    @cached_property
    def _predictions(self) -> Any:
        return self._client(self._sdk.PredictionServiceClient)

    def _client(self, kind: Any) -> Any:
        # By gRPC: by REST the client asks for operations at addresses that are not of the documented API.
        return kind(credentials=self._credentials, client_options={"api_endpoint": self._host})

    def endpoint(self, name: str) -> Any | None:
        """Read an endpoint; None if there is none."""
        from google.api_core.exceptions import NotFound

        try:
            return asked(partial(self._endpoints.get_endpoint, name=self._named(name), timeout=_PATIENCE_S))
        except DeploymentError as err:
            if isinstance(err.__cause__, NotFound):
                return None
            raise

    def endpoints(self) -> list[Any]:
        """List the endpoints that have our label."""
        request = {"parent": self._parent, "filter": f"labels.{LABEL}:*"}
        return asked(lambda: list(self._endpoints.list_endpoints(request=request, timeout=_PATIENCE_S)))

    def create_endpoint(self, name: str, endpoint: Any) -> Any:
        """Create an endpoint of that name.

        Raises:
            DeploymentExistsError: There is one.
        """
        from google.api_core.exceptions import AlreadyExists

        request = {"parent": self._parent, "endpoint": endpoint, "endpoint_id": name}
        try:
            return self._settled(partial(self._endpoints.create_endpoint, request=request))
        except DeploymentError as err:
            if isinstance(err.__cause__, AlreadyExists):
                raise DeploymentExistsError(NAME, name) from err
            raise

    def delete_endpoint(self, name: str) -> None:
        """Delete an endpoint that no model is deployed to."""
        self._settled(partial(self._endpoints.delete_endpoint, name=self._named(name)))

    def upload(self, model_id: str, model: Any) -> str:
        """Make a model known; says its full name."""
        request = {"parent": self._parent, "model": model, "model_id": model_id}
        return str(self._settled(partial(self._models.upload_model, request=request)).model)

    def model(self, name: str) -> Any | None:
        """Read a model; None if it is gone."""
        from google.api_core.exceptions import NotFound

        try:
            return asked(partial(self._models.get_model, name=name, timeout=_PATIENCE_S))
        except DeploymentError as err:
            if isinstance(err.__cause__, NotFound):
                return None
            raise

    def models_of(self, name: str) -> list[str]:
        """List the models that were made for a deployment."""
        request = {"parent": self._parent, "filter": f'labels.{LABEL}="{name}"'}
        return asked(
            lambda: [str(one.name) for one in self._models.list_models(request=request, timeout=_PATIENCE_S)]
        )

    def delete_model(self, name: str) -> None:
        """Delete a model that is not deployed."""
        self._settled(partial(self._models.delete_model, name=name))

    def deploy(self, name: str, deployed: Any) -> Any:
        """Begin to deploy a model; it gets all requests as soon as it answers, and none if it doesn't."""
        request = {"endpoint": self._named(name), "deployed_model": deployed, "traffic_split": {"0": 100}}
        return asked(partial(self._endpoints.deploy_model, request=request, timeout=_PATIENCE_S))

    def undeploy(self, endpoint: Any, models: Sequence[Any]) -> None:
        """Take models from an endpoint, one by one: those first that get no requests."""
        split = dict(endpoint.traffic_split)
        left = sorted(models, key=lambda one: split.get(one.id, 0))
        kept = [one.id for one in endpoint.deployed_models if one not in left]
        while left:
            gone = left.pop(0)
            others = [*kept, *(one.id for one in left)]
            # One that gets requests can go only if another one gets them, or if it is the last.
            moved = {others[-1]: 100} if split.get(gone.id) and others else {}
            split = moved or split
            request = {
                "endpoint": self._named(id_of(endpoint.name)),
                "deployed_model_id": gone.id,
                "traffic_split": moved,
            }
            self._settled(partial(self._endpoints.undeploy_model, request=request))

    def operations(self, name: str) -> list[Any]:
        """List what was begun at an endpoint, the newest first; nothing where that can't be read."""
        request = {"name": self._named(name)}
        try:
            found = asked(partial(self._endpoints.list_operations, request=request, timeout=_PATIENCE_S))
        except DeploymentError:  # for information only
            return []
        return list(found.operations)

    def is_done(self, operation: Any, end: float) -> bool:
        """Wait for what was begun; False if it is still under way at that time.

        Raises:
            DeploymentError: It failed.
        """
        from google.api_core.retry import Retry

        while not asked(partial(operation.done, retry=Retry(timeout=120))):
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_S)
        asked(operation.result)
        return True

    def ask(self, name: str, body: bytes, content_type: str) -> bytes:
        """Send a request to the model as it is, and say what it answered."""
        from google.api.httpbody_pb2 import HttpBody

        request = {"endpoint": self._named(name), "http_body": HttpBody(content_type=content_type, data=body)}
        return bytes(asked(partial(self._predictions.raw_predict, request=request, timeout=_PREDICT_S)).data)

    def _named(self, name: str) -> str:
        return f"{self._parent}/endpoints/{name}"

    def _settled(self, begin: Callable[..., Any]) -> Any:
        operation = asked(partial(begin, timeout=_PATIENCE_S))
        if not self.is_done(operation, time.monotonic() + _SETTLE_S):
            raise DeploymentError(NAME, f"{operation.operation.name} takes longer than it should")
        return operation.result()


def id_of(name: str) -> str:
    """The last part of a full name: projects are numbers in it, or names."""
    return name.rpartition("/")[2].partition("@")[0]


def asked(request: Callable[[], _Answer]) -> _Answer:
    """Send a request; what Google's client raises becomes a `DeploymentError`."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        return request()
    except GoogleAuthError as err:
        raise _no_credentials(err) from err
    except GoogleAPIError as err:
        raise DeploymentError(NAME, words(str(getattr(err, "message", None) or err).encode())) from err


def _no_credentials(err: Exception) -> DeploymentError:
    said = str(err).partition("\n")[0]
    return DeploymentError(
        NAME, said, hint="gcloud auth application-default login; or: GOOGLE_APPLICATION_CREDENTIALS=FILE"
    )
