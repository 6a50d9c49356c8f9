"""A stand-in for a Kubernetes API server, where the real one is not installed.

It is NOT Kubernetes. It answers the few requests that jobs take, as the API's
description says: it keeps objects, validates Jobs by the schemas of a released
Kubernetes (unknown fields are errors), makes one pod a Job, and sets the Job's
conditions from its pods. What tests of jobs prove with it is what the official client
sends, and the way of a job through a node that really runs its command; not that
a cluster would do the same. `kubernetes.control_plane` is for that.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import urllib3

from tests.servers.kubernetes import Api
from tests.servers.kubernetes_node import Node, make_certificate

_PATH = re.compile(
    r"/(?:api/v1|apis/batch/v1)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<kind>\w+)(?:/(?P<name>[^/]+))?(?:/(?P<part>\w+))?"
)
Thing = dict[str, Any]


@contextlib.contextmanager
def stand_in() -> Iterator[Api]:
    """One that serves until the end, with our node."""
    with tempfile.TemporaryDirectory(prefix="kube-") as name:
        folder = Path(name)
        server = _Server(folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = Api(f"https://127.0.0.1:{server.server_address[1]}", server.token, folder / "server.crt")
        with contextlib.closing(Node(api, folder)):
            yield api
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
        self.things: dict[tuple[str, str, str], Thing] = {("namespaces", "", "default"): {}}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*make_certificate(folder, "server"))
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def create(self, kind: str, namespace: str, body: Thing) -> Thing:
        if namespace and ("namespaces", "", namespace) not in self.things:
            raise _RefusedError(404, f'namespaces "{namespace}" not found')
        key = (kind, namespace, body["metadata"]["name"])
        if key in self.things:
            raise _RefusedError(409, f'{kind} "{key[2]}" already exists')
        if kind == "jobs":
            _check_job(body)
        body["metadata"] |= {"creationTimestamp": _now(), "uid": secrets.token_hex(16)}
        if namespace:
            body["metadata"]["namespace"] = namespace
        body.setdefault("status", {})
        self.things[key] = body
        if kind == "jobs":
            self._add_pod(body)
        return body

    def _add_pod(self, job: Thing) -> None:
        template = json.loads(json.dumps(job["spec"]["template"]))
        name = f"{job['metadata']['name']}-{secrets.token_hex(3)}"
        labels = {**template.get("metadata", {}).get("labels", {}), "job-name": job["metadata"]["name"]}
        pod = {"metadata": {"name": name, "labels": labels}, "spec": template["spec"]}
        self.create("pods", job["metadata"]["namespace"], {**pod, "status": {"phase": "Pending"}})
        job["status"] = {"startTime": _now(), "active": 1}

    def settle(self, pod: Thing) -> None:
        """What the Job's controller does when a pod has news."""
        labels, phase = pod["metadata"]["labels"], pod["status"]["phase"]
        job = self.things.get(("jobs", pod["metadata"]["namespace"], labels.get("job-name", "")))
        if job is None or phase not in ("Succeeded", "Failed"):
            return
        status = job["status"]
        status["active"] = 0
        if phase == "Succeeded":
            status |= {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
            return
        status["failed"] = status.get("failed", 0) + 1
        if status["failed"] <= job["spec"].get("backoffLimit", 6):
            self._add_pod(job)
            return
        message = "Job has reached the specified backoff limit"
        status["conditions"] = [
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": message}
        ]

    def delete(self, key: tuple[str, str, str], options: Thing) -> None:
        thing = self.things[key]
        if key[0] == "pods" and options.get("gracePeriodSeconds") != 0:
            thing["metadata"]["deletionTimestamp"] = _now()
            return
        del self.things[key]
        for (kind, namespace, _), pod in list(self.things.items()):
            if (kind, namespace) == ("pods", key[1]) and pod["metadata"]["labels"].get("job-name") == key[2]:
                pod["metadata"]["deletionTimestamp"] = _now()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        parts = urlsplit(self.path)
        try:
            if self.headers.get("Authorization") != f"Bearer {self.server.token}":
                raise _RefusedError(401, "Unauthorized")
            match = _PATH.fullmatch(parts.path)
            if match is None:
                raise _RefusedError(404, "the server could not find the requested resource")
            if match["part"] == "log":
                self._log(match, parts.query)
                return
            with self.server.lock:
                answer = self._do(
                    match, {key: values[0] for key, values in parse_qs(parts.query).items()}, body
                )
            code = 201 if self.command == "POST" else 200
        except _RefusedError as err:
            code, answer = (
                err.code,
                {"kind": "Status", "status": "Failure", "code": err.code, "message": str(err)},
            )
        self._send(code, json.dumps(answer).encode())

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _do(self, match: re.Match[str], query: dict[str, str], body: Thing) -> Thing:
        kind, namespace, name = match["kind"], match["namespace"] or "", match["name"]
        if self.command == "POST" and match["part"] == "binding":
            self._found((kind, namespace, name))["spec"]["nodeName"] = body["target"]["name"]
            return {"kind": "Status", "status": "Success"}
        if self.command == "POST":
            return self.server.create(kind, namespace, body)
        if name is None:
            return self._list(kind, namespace, query.get("labelSelector", ""))
        key = (kind, namespace, name)
        found = self._found(key)
        if self.command == "PATCH":
            before = found["status"].get("phase")
            found["status"] |= body["status"]
            if kind == "pods" and found["status"].get("phase") != before:
                self.server.settle(found)
        elif self.command == "DELETE":
            self.server.delete(key, {**query, **body})
        return found

    def _found(self, key: tuple[str, str, str]) -> Thing:
        found = self.server.things.get(key)
        if found is None:
            raise _RefusedError(404, f'{key[0]} "{key[2]}" not found')
        return found

    def _list(self, kind: str, namespace: str, selector: str) -> Thing:
        label, _, value = selector.partition("=")
        items = [
            thing
            for (one, place, _), thing in self.server.things.items()
            if one == kind
            and namespace in ("", place)
            and (not label or thing["metadata"].get("labels", {}).get(label) == value)
        ]
        return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}

    def _log(self, match: re.Match[str], query: str) -> None:
        with self.server.lock:
            pod = self._found(("pods", match["namespace"], match["name"]))
            node = next(thing for (kind, *_), thing in self.server.things.items() if kind == "nodes")
        port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        container = pod["spec"]["containers"][0]["name"]
        url = (
            f"https://127.0.0.1:{port}/containerLogs/{match['namespace']}/{match['name']}/{container}?{query}"
        )
        with urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False) as pool:
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", urllib3.exceptions.InsecureRequestWarning
                )  # as API servers do
                answer = pool.request("GET", url, preload_content=False)
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in answer.stream(None):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, code: int, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _check_job(job: Thing) -> None:
    try:
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as err:
        raise _RefusedError(422, f"{'.'.join(map(str, err.path))}: {err.message}") from err
    if job["spec"].get("backoffLimit", 0) < 0:
        raise _RefusedError(422, "spec.backoffLimit: Invalid value: must be greater than or equal to 0")


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
