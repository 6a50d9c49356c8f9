"""A stand-in for a Kubernetes API server, as far as deployments of models need one.

It is NOT Kubernetes. It answers the requests that `gitml models deploy` sends as the API's description
says: server-side apply, reading, listing by labels, deleting, and the proxy to a service. It validates
what is applied by the schemas of a released Kubernetes (unknown fields are errors), and plays the
controller of Deployments: pods of an image are there at once, unless its name has `broken` in it.
Server-side apply is what it is for fields of one manager: what others set stays, what the manager no
longer says goes. What tests prove with it is what is sent, not that a cluster would do the same.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import secrets
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import kubernetes_validate
import urllib3

from tests.servers.kubernetes import Api
from tests.servers.kubernetes_node import make_certificate

Thing = dict[str, Any]
_PATH = re.compile(
    r"/(?P<group>api/v1|apis/[^/]+/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<kind>\w+)"
    r"(?:/(?P<name>[^/]+))?(?:/proxy/(?P<proxied>.*))?"
)
_KINDS = {
    "deployments": ("apps/v1", "Deployment"),
    "services": ("v1", "Service"),
    "horizontalpodautoscalers": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
    "inferenceservices": ("serving.kserve.io/v1beta1", "InferenceService"),
}


class Cluster:
    """What tests see of it."""

    def __init__(self, api: Api, server: _Server) -> None:
        self.api = api
        self._server = server

    def find(self, kind: str, name: str) -> Thing | None:
        """An object as it is now."""
        return self._server.things.get((kind, "team", name))

    def edit(self, kind: str, name: str, change) -> None:
        """What others do to an object."""
        with self._server.lock:
            change(self._server.things[kind, "team", name])

    def answer_with(self, url: str) -> None:
        """Let pods answer as a server does that runs here."""
        self._server.backend = url


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """One that serves until the end."""
    server = _Server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        api = Api(f"https://127.0.0.1:{server.server_address[1]}", server.token, folder / "server.crt")
        (folder / "kubeconfig").write_text(api.kubeconfig("team"))
        yield Cluster(api, server)
    finally:
        server.shutdown()
        server.server_close()


class _RefusedError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = secrets.token_hex()
        self.lock = threading.Lock()
        self.things: dict[tuple[str, str, str], Thing] = {}
        self.applied: dict[tuple[str, str, str], Thing] = {}
        self.backend = ""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*make_certificate(folder, "server"))
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def apply(self, key: tuple[str, str, str], body: Thing) -> Thing:
        check(body)
        found = self.things.setdefault(key, {"metadata": {"generation": 0}})
        before = json.dumps(found.get("spec"))
        _leave(found, self.applied.get(key, {}), body)
        _merge(found, body)
        self.applied[key] = body
        if json.dumps(found["spec"]) != before:
            found["metadata"]["generation"] += 1
        if key[0] == "deployments":
            _control(found)
        if key[0] == "inferenceservices":
            found["status"] = {
                "url": self.backend or "http://none", "observedGeneration": found["metadata"]["generation"],
                "conditions": [{"type": "Ready", "status": "True"}],
            }  # fmt: skip
        return found


def check(manifest: Thing) -> None:
    """Validate it by the schemas, where there are any."""
    if manifest["apiVersion"].startswith("serving.kserve.io/"):
        return
    try:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as err:
        raise _RefusedError(422, f"{'.'.join(map(str, err.path))}: {err.message}") from err


def _merge(old: Thing, new: Thing) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        else:
            old[key] = copy.deepcopy(value)


def _leave(old: Thing, before: Thing, new: Thing) -> None:
    for key, value in before.items():
        if key not in new:
            old.pop(key, None)
        elif isinstance(value, dict) and isinstance(new[key], dict) and isinstance(old.get(key), dict):
            _leave(old[key], value, new[key])


def _control(deployment: Thing) -> None:
    spec = deployment["spec"]
    count = spec.setdefault("replicas", 1)
    image = spec["template"]["spec"]["containers"][0]["image"]
    status = deployment.setdefault("status", {})
    status["observedGeneration"] = deployment["metadata"]["generation"]
    if "broken" in image:
        status |= {"updatedReplicas": 1, "replicas": count + 1, "availableReplicas": count}
        status["conditions"] = [
            {
                "type": "Progressing",
                "status": "False",
                "reason": "ProgressDeadlineExceeded",
                "message": "timed out",
            }
        ]
        return
    status |= {"updatedReplicas": count, "replicas": count, "availableReplicas": count, "conditions": []}


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        try:
            if self.headers.get("Authorization") != f"Bearer {self.server.token}":
                raise _RefusedError(401, "Unauthorized")
            match = _PATH.fullmatch(parts.path)
            if match is None or match["kind"] not in _KINDS:
                raise _RefusedError(404, "the server could not find the requested resource")
            if match["proxied"]:
                self._send(*self._proxied(match, sent))
                return
            with self.server.lock:
                code, data = 200, json.dumps(self._do(match, query, sent)).encode()
        except _RefusedError as err:
            status = {"kind": "Status", "status": "Failure", "code": err.code, "message": str(err)}
            code, data = err.code, json.dumps(status).encode()
        self._send(code, data)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _do(self, match: re.Match[str], query: dict[str, str], sent: bytes) -> Thing:
        kind, namespace, name = match["kind"], match["namespace"], match["name"]
        if name is None:
            wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
            things = [
                thing
                for (one, place, _), thing in self.server.things.items()
                if (one, place) == (kind, namespace)
            ]
            return {
                "items": [
                    one for one in things if wanted.items() <= one["metadata"].get("labels", {}).items()
                ]
            }
        key = (kind, namespace, name)
        if self.command == "PATCH":
            assert self.headers["Content-Type"] == "application/apply-patch+yaml"
            assert query == {"fieldManager": "gitml", "force": "true", "fieldValidation": "Strict"}
            body = json.loads(sent)
            group = match["group"].removeprefix("apis/").removeprefix("api/")
            assert (body["apiVersion"], body["kind"]) == _KINDS[kind]
            assert (group, name, namespace) == (
                body["apiVersion"],
                body["metadata"]["name"],
                body["metadata"]["namespace"],
            )
            return self.server.apply(key, body)
        if key not in self.server.things:
            raise _RefusedError(404, f'{kind} "{name}" not found')
        if self.command == "DELETE":
            self.server.applied.pop(key, None)
            return self.server.things.pop(key)
        return self.server.things[key]

    def _proxied(self, match: re.Match[str], sent: bytes) -> tuple[int, bytes]:
        name, _, port = unquote(match["name"]).partition(":")
        service = self.server.things.get(("services", match["namespace"], name))
        if service is None:
            raise _RefusedError(404, f'services "{name}" not found')
        assert port in [one["name"] for one in service["spec"]["ports"]]
        headers = {"Content-Type": self.headers["Content-Type"]}
        answer = urllib3.request(
            "POST", f"{self.server.backend}/{match['proxied']}", body=sent, headers=headers
        )
        return answer.status, answer.data

    def _send(self, code: int, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
