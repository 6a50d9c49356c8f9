"""A stand-in for Vertex AI's API: what endpoints and models of it answer by gRPC, with TLS.

It is NOT Vertex AI: no model is started. It reads and writes the messages of Google's client, checks the
signature of who asks, has operations that are done when they are asked for, and refuses what Vertex AI is
known to refuse. What it proves is what Google's client sends, and in which order.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import urllib3
from google.api import httpbody_pb2
from google.auth import jwt
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import code_pb2

NUMBER = "123456789012"  # of the project: answers have it in place of its name
ACCOUNT = "models@project-a.iam.gserviceaccount.com"
REGION = f"projects/{NUMBER}/locations/europe-west1"
_NAME = re.compile(
    r"(projects/(?:project-a|123456789012)/locations/europe-west1)(?:/(endpoints|models)/([^/]+))?(?:/.*)?"
)
_LABEL, _VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_ENDPOINTS = "google.cloud.aiplatform.v1.EndpointService"
_MODELS = "google.cloud.aiplatform.v1.ModelService"
_PREDICTIONS = "google.cloud.aiplatform.v1.PredictionService"


@contextlib.contextmanager
def serving(folder: Path, certificate: str, key: str) -> Iterator[Vertex]:
    """A region, until the end; the folder gets the credentials."""
    server = Vertex(folder, certificate, key)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _RefusedError(Exception):
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def _invalid(message: str) -> _RefusedError:
    return _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _too_early(message: str) -> _RefusedError:
    return _RefusedError(grpc.StatusCode.FAILED_PRECONDITION, message)


@dataclass
class Begun:
    """Something that takes long.

    Attributes:
        shown: As the API shows it.
        act: What is done when it is asked for.
        hangs: Whether it is under way whenever it is asked for.
    """

    shown: Any
    act: Callable[[], Any]
    hangs: bool = False

    def finish(self) -> None:
        """Do it."""
        if self.shown.done:
            return
        self.shown.done = True
        try:
            result = self.act()
        except _RefusedError as err:
            self.shown.error.code, self.shown.error.message = code_pb2.INVALID_ARGUMENT, str(err)
        else:
            self.shown.response.Pack(result if result is not None else empty_pb2.Empty())


class Vertex:
    """One region of the project `project-a`.

    Attributes:
        host: Where it is: what the option `api_endpoint` takes.
        credentials: A file as `GOOGLE_APPLICATION_CREDENTIALS` names one.
        endpoints: By their ids.
        models: By their ids.
        begun: All that took long, in order.
        sent: The methods that changed something, in order.
        broken: What deploying fails with; None: it does not.
        hanging: Whether deploying never comes to an end.
        model: What answers requests for predictions: gets content type and body, says status and body.
    """

    def __init__(self, folder: Path, certificate: str, key: str) -> None:
        self._certificate = Path(certificate).read_bytes()
        self._server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(tuple(self._services()))
        secret = grpc.ssl_server_credentials([(Path(key).read_bytes(), self._certificate)])
        self.host = f"127.0.0.1:{self._server.add_secure_port('127.0.0.1:0', secret)}"
        self.credentials = folder / "account.json"
        account = {
            "type": "service_account",
            "client_email": ACCOUNT,
            "project_id": "project-a",
            "private_key_id": "1",
            "private_key": Path(key).read_text(),
            "token_uri": "https://127.0.0.1:9/token",
        }
        self.credentials.write_text(json.dumps(account))
        self.endpoints: dict[str, Any] = {}
        self.models: dict[str, Any] = {}
        self.begun: list[Begun] = []
        self.sent: list[str] = []
        self.broken: str | None = None
        self.hanging = False
        self.model: Callable[[str, bytes], tuple[int, bytes]] = lambda _kind, _body: (
            200,
            b'{"predictions": [3]}',
        )
        self._deployed = 0

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop(None).wait()

    def _services(self) -> list[Any]:
        lro = operations_pb2
        methods: dict[str, dict[str, tuple[Callable[[Any], Any], Any]]] = {
            _ENDPOINTS: {
                "GetEndpoint": (self._get_endpoint, types.GetEndpointRequest),
                "ListEndpoints": (self._list_endpoints, types.ListEndpointsRequest),
                "CreateEndpoint": (self._create_endpoint, types.CreateEndpointRequest),
                "DeleteEndpoint": (self._delete, types.DeleteEndpointRequest),
                "DeployModel": (self._deploy, types.DeployModelRequest),
                "UndeployModel": (self._undeploy, types.UndeployModelRequest),
            },
            _MODELS: {
                "GetModel": (self._get_model, types.GetModelRequest),
                "ListModels": (self._list_models, types.ListModelsRequest),
                "UploadModel": (self._upload, types.UploadModelRequest),
                "DeleteModel": (self._delete, types.DeleteModelRequest),
            },
            _PREDICTIONS: {"RawPredict": (self._predict, types.RawPredictRequest)},
            "google.longrunning.Operations": {
                "GetOperation": (self._get_operation, lro.GetOperationRequest),
                "ListOperations": (self._list_operations, lro.ListOperationsRequest),
            },
        }
        return [
            grpc.method_handlers_generic_handler(
                service, {method: self._handler(method, *how) for method, how in offered.items()}
            )
            for service, offered in methods.items()
        ]

    def _handler(self, method: str, handle: Callable[[Any], Any], kind: Any) -> Any:
        def answer(request: Any, context: Any) -> Any:
            try:
                self._check(request, dict(context.invocation_metadata()))
                if not method.startswith(("Get", "List", "Raw")):
                    self.sent.append(method)
                return handle(request)
            except _RefusedError as err:
                context.abort(err.code, str(err))

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=getattr(kind, "deserialize", None) or kind.FromString,
            response_serializer=lambda one: (
                one.SerializeToString() if hasattr(one, "SerializeToString") else type(one).serialize(one)
            ),
        )

    def _check(self, request: Any, metadata: dict[str, str]) -> None:
        """See who asks, and what for."""
        token = metadata.get("authorization", "").removeprefix("Bearer ")
        if not token or jwt.decode(token, certs={"1": self._certificate})["iss"] != ACCOUNT:
            raise _RefusedError(grpc.StatusCode.UNAUTHENTICATED, "no credentials")
        names = (getattr(request, part, "") for part in ("name", "parent", "endpoint"))
        name = next(one for one in names if isinstance(one, str) and one)
        if not _NAME.fullmatch(name):
            raise _RefusedError(grpc.StatusCode.PERMISSION_DENIED, f"no access to {name}")

    def _find(self, name: str) -> Any:
        _, kind, key = _NAME.fullmatch(name).groups()
        things = self.endpoints if kind == "endpoints" else self.models
        if key not in things:
            raise _RefusedError(grpc.StatusCode.NOT_FOUND, f"there is no {name}")
        return things[key]

    def _begin(self, parent: str, kind: str, act: Callable[[], Any], *, hangs: bool = False) -> Any:
        shown = operations_pb2.Operation(name=f"{parent}/operations/{len(self.begun) + 1}")
        metadata = getattr(types, f"{kind}OperationMetadata")
        shown.metadata.Pack(metadata.pb(metadata()))
        self.begun.append(Begun(shown, act, hangs))
        return shown

    def _get_operation(self, request: Any) -> Any:
        begun = self.begun[int(request.name.rpartition("/")[2]) - 1]
        if not begun.hangs:
            begun.finish()
        return begun.shown

    def _list_operations(self, request: Any) -> Any:
        parent = request.name.replace("project-a", NUMBER)
        found = [one.shown for one in self.begun if one.shown.name.startswith(f"{parent}/")]
        return operations_pb2.ListOperationsResponse(operations=reversed(found))

    def _get_endpoint(self, request: Any) -> Any:
        return self._find(request.name)

    def _get_model(self, request: Any) -> Any:
        return self._find(request.name)

    def _list_endpoints(self, request: Any) -> Any:
        found = [one for one in self.endpoints.values() if _matches(one.labels, request.filter)]
        return types.ListEndpointsResponse(endpoints=found)

    def _list_models(self, request: Any) -> Any:
        found = [one for one in self.models.values() if _matches(one.labels, request.filter)]
        return types.ListModelsResponse(models=found)

    def _create_endpoint(self, request: Any) -> Any:
        endpoint, name = request.endpoint, request.endpoint_id
        if name in self.endpoints:
            raise _RefusedError(grpc.StatusCode.ALREADY_EXISTS, f"endpoint {name} exists")
        if not re.fullmatch(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", name) or not endpoint.display_name:
            raise _invalid("the endpoint can't be called that")
        _check_labels(endpoint.labels)
        endpoint.name = f"{REGION}/endpoints/{name}"
        self.endpoints[name] = endpoint
        made = types.Endpoint.pb(types.Endpoint(name=endpoint.name))
        return self._begin(endpoint.name, "CreateEndpoint", lambda: made)

    def _upload(self, request: Any) -> Any:
        name, model = request.model_id, request.model
        if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,62}", name) or not model.container_spec.image_uri:
            raise _invalid("the model can't be called that")
        _check_labels(model.labels)
        model.name = f"{REGION}/models/{name}"
        self.models[name] = model
        made = types.UploadModelResponse.pb(types.UploadModelResponse(model=model.name))
        return self._begin(model.name, "UploadModel", lambda: made)

    def _deploy(self, request: Any) -> Any:
        endpoint = self._find(request.endpoint)
        self._find(request.deployed_model.model)
        if not request.deployed_model.dedicated_resources.machine_spec.machine_type:
            raise _invalid("no machine type")
        return self._begin(
            endpoint.name, "DeployModel", lambda: self._do_deploy(endpoint, request), hangs=self.hanging
        )

    def _do_deploy(self, endpoint: Any, request: Any) -> Any:
        if self.broken is not None:
            raise _invalid(self.broken)
        self._deployed += 1
        model = request.deployed_model
        model.id = str(self._deployed)
        endpoint.deployed_models.append(model)
        split = {model.id if key == "0" else key: value for key, value in request.traffic_split.items()}
        _route(endpoint, split)
        return types.DeployModelResponse.pb(types.DeployModelResponse(deployed_model=model))

    def _undeploy(self, request: Any) -> Any:
        endpoint = self._find(request.endpoint)
        return self._begin(endpoint.name, "UndeployModel", lambda: self._do_undeploy(endpoint, request))

    def _do_undeploy(self, endpoint: Any, request: Any) -> Any:
        split = dict(request.traffic_split) or dict(endpoint.traffic_split)
        left = [one for one in endpoint.deployed_models if one.id != request.deployed_model_id]
        if left and split.get(request.deployed_model_id):
            raise _too_early("the model gets requests")
        endpoint.deployed_models = left
        _route(endpoint, split if left else {})
        return types.UndeployModelResponse.pb(types.UndeployModelResponse())

    def _delete(self, request: Any) -> Any:
        self._find(request.name)
        return self._begin(request.name, "Delete", lambda: self._do_delete(request.name))

    def _do_delete(self, name: str) -> None:
        thing, key = self._find(name), name.rpartition("/")[2]
        if "/endpoints/" in name:
            if thing.deployed_models:
                raise _too_early("models are deployed to it")
            del self.endpoints[key]
            return
        if thing.name in {
            one.model for endpoint in self.endpoints.values() for one in endpoint.deployed_models
        }:
            raise _too_early("it is deployed")
        del self.models[key]

    def _predict(self, request: Any) -> Any:
        self._find(request.endpoint)
        status, answer = self.model(request.http_body.content_type, request.http_body.data)
        if status >= 300:
            raise _invalid(answer.decode())
        return httpbody_pb2.HttpBody(content_type="application/json", data=answer)


def _route(endpoint: Any, split: dict[str, int]) -> None:
    known = {one.id for one in endpoint.deployed_models}
    if split and (sum(split.values()) != 100 or not split.keys() <= known):
        raise _invalid(f"the traffic split {split} is not of {known}")
    endpoint.traffic_split = split


def _check_labels(labels: Any) -> None:
    if not all(_LABEL.fullmatch(key) and _VALUE.fullmatch(value) for key, value in labels.items()):
        raise _invalid(f"labels {dict(labels)}")


def _matches(labels: Any, wanted: str) -> bool:
    found = re.fullmatch(r'labels\.(\w+)(?::\*|="([^"]*)")', wanted)
    assert found, wanted
    return found[1] in labels and found[2] in (None, labels[found[1]])


def ask(url: str) -> Callable[[str, bytes], tuple[int, bytes]]:
    """A model that is a server of gitml's at that address."""

    def asked(kind: str, body: bytes) -> tuple[int, bytes]:
        answer = urllib3.request("POST", url, body=body, headers={"Content-Type": kind})
        return answer.status, answer.data

    return asked
