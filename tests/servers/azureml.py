"""A stand-in for Azure Resource Manager: what online endpoints of a workspace answer by REST, with TLS.

It is NOT Azure: no machine is started. It keeps what it is sent, answers as the API's description says, with
operations that are asked for until they are done, and refuses what Azure is known to refuse. What it proves
is what Microsoft's client sends, and in which order.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
_BASE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/group/providers"
    "/Microsoft.MachineLearningServices/workspaces/space"
)
_PATH = re.compile(
    r"/environments/(?P<environment>[^/]+)/versions/(?P<version>[^/]+)"
    r"|/onlineEndpoints(?:/(?P<endpoint>[^/]+)(?P<keys>/listKeys)?"
    r"(?P<deployments>/deployments(?:/(?P<deployment>[^/]+)(?P<logs>/getLogs)?)?)?)?"
)
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
_KEY = "k3y"
Thing = dict[str, Any]


@contextlib.contextmanager
def serving(certificate: str, key: str) -> Iterator[Azure]:
    """A workspace, until the end."""
    with Azure(certificate, key) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Azure(ThreadingHTTPServer):
    """One workspace.

    Attributes:
        url: Where it is.
        endpoints: By their names; each has its deployments under `deployments`.
        environments: By name and version.
        sent: The requests that changed something, in order.
        broken: What making a deployment fails with; None: it does not.
        hanging: Whether making a deployment never comes to an end.
        unmovable: What moving requests to a deployment fails with; None: it does not.
        undeletable: What deleting a deployment fails with; None: it does not.
        model: What answers requests for predictions: gets content type and body, says status and body.
    """

    daemon_threads = True

    def __init__(self, certificate: str, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.RLock()
        self.endpoints: dict[str, Thing] = {}
        self.environments: dict[tuple[str, str], Thing] = {}
        self.operations: list[Callable[[], str | None]] = []
        self.sent: list[str] = []
        self.broken: str | None = None
        self.unmovable: str | None = None
        self.undeletable: str | None = None
        self.hanging = False
        self.model: Callable[[str, bytes], tuple[int, bytes]] = lambda _kind, _body: (
            200,
            b'{"predictions": [3]}',
        )

    def handle_error(self, *_args: object) -> None:
        """A client that does not trust us, or went, is no news."""

    def begin(self, act: Callable[[], str | None]) -> str:
        """Begin what takes long; says where to ask for it."""
        self.operations.append(act)
        return f"{self.url}/operations/{len(self.operations) - 1}"

    def make_deployment(self, deployment: Thing, found: dict[str, Thing]) -> str | None:
        if deployment["name"] not in found:
            raise _RefusedError(404, "NotFound", "it was deleted")
        if self.hanging:
            return "InProgress"
        if self.broken is not None:
            deployment["properties"]["provisioningState"] = "Failed"
            raise _RefusedError(400, "ResourceNotReady", self.broken)
        deployment["properties"]["provisioningState"] = "Succeeded"
        return None


class _Handler(BaseHTTPRequestHandler):
    server: Azure
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        pass

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        headers: dict[str, str] = {}
        try:
            if path == "/score":
                status, raw = self._score(body)
                return self._send(status, raw, headers)
            if path == "/identity":
                token = {
                    "access_token": "t0ken",
                    "expires_on": "9999999999",
                    "resource": "x",
                    "token_type": "Bearer",
                }
                return self._send(200, json.dumps(token).encode(), headers)
            with self.server.lock:
                self._check(path)
                status, answer, headers = self._answer(path, json.loads(body or b"{}"))
        except _RefusedError as err:
            status, answer = err.status, {"error": {"code": err.code, "message": str(err)}}
        return self._send(status, b"" if answer is None else json.dumps(answer).encode(), headers)

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _send(self, status: int, answer: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _score(self, body: bytes) -> tuple[int, bytes]:
        if self.headers.get("Authorization") != f"Bearer {_KEY}":
            return 401, b'{"message": "key_auth_access_denied"}'
        return self.server.model(self.headers["Content-Type"], body)

    def _check(self, path: str) -> None:
        if self.headers.get("Authorization") != "Bearer t0ken":
            raise _RefusedError(401, "AuthenticationFailed", "no credentials")
        if path.startswith(("/operations/", _BASE)):
            return
        if f"/subscriptions/{SUBSCRIPTION}/resourceGroups/group/" in path:
            kind = "Microsoft.MachineLearningServices/workspaces/other"
            message = f"The Resource '{kind}' under resource group 'group' was not found."
            raise _RefusedError(404, "ResourceNotFound", message)
        raise _RefusedError(404, "ResourceGroupNotFound", "Resource group 'other' could not be found.")

    def _answer(self, path: str, body: Thing) -> tuple[int, Thing | None, dict[str, str]]:
        if path.startswith("/operations/"):
            return self._operation(int(path.rpartition("/")[2]))
        if path == _BASE:
            return 200, {"id": _BASE, "name": "space", "location": "westeurope", "properties": {}}, {}
        asked = _PATH.fullmatch(path.removeprefix(_BASE))
        if asked is None:
            raise _RefusedError(400, "BadRequest", f"{self.command} {path}")
        if self.command in ("PUT", "DELETE"):
            what = "deployment" if asked["deployment"] else "endpoint" if asked["endpoint"] else "environment"
            self.server.sent.append(f"{self.command} {what}")
        if asked["environment"]:
            return 200, self._environment(path, asked, body), {}
        if asked["endpoint"] is None:
            return 200, {"value": [_shown(one) for one in self.server.endpoints.values()]}, {}
        if asked["deployments"]:
            return self._deployments(path, asked, body)
        return self._endpoint(path, asked, body)

    def _operation(self, number: int) -> tuple[int, Thing, dict[str, str]]:
        soon = {"Retry-After": "0.02"}
        try:
            status = self.server.operations[number]() or "Succeeded"
        except _RefusedError as err:
            error = {"code": err.code, "message": str(err)}
            return 200, {"status": "Failed", "error": error}, soon
        return 200, {"status": status}, soon

    def _began(self, status: int, answer: Thing | None, act: Callable[[], str | None]) -> Any:
        return status, answer, {"Azure-AsyncOperation": self.server.begin(act), "Retry-After": "0"}

    def _environment(self, path: str, asked: re.Match[str], body: Thing) -> Thing:
        made = {"id": path, "name": asked["version"], "type": "x", **body}
        self.server.environments[asked["environment"], asked["version"]] = made
        return made

    def _find(self, name: str) -> Thing:
        if name not in self.server.endpoints:
            kind = "Microsoft.MachineLearningServices/workspaces/space/onlineEndpoints"
            raise _RefusedError(404, "ResourceNotFound", f"The Resource '{kind}/{name}' was not found.")
        return self.server.endpoints[name]

    def _endpoint(self, path: str, asked: re.Match[str], body: Thing) -> Any:
        server, name = self.server, str(asked["endpoint"])
        if asked["keys"]:
            self._find(name)
            return 200, {"primaryKey": _KEY, "secondaryKey": "k3y2"}, {}
        if self.command == "GET":
            return 200, _shown(self._find(name)), {}
        if self.command == "DELETE":
            self._find(name)
            return self._began(202, None, lambda: server.endpoints.pop(name, None) and None)
        if not _NAME.fullmatch(name):
            raise _RefusedError(400, "BadArgument", f"the endpoint can't be called {name}")
        old = server.endpoints.get(name)
        made = {"deployments": {}, **(old or {}), "id": path, "name": name, "type": "x", **body}
        properties = made["properties"]
        traffic = properties.get("traffic") or {}
        ready = [
            key for key, one in made["deployments"].items()
            if one["properties"]["provisioningState"] == "Succeeded"
        ]  # fmt: skip
        if traffic and (sum(traffic.values()) not in (0, 100) or not traffic.keys() <= set(ready)):
            raise _RefusedError(400, "BadArgument", f"requests can't be sent to {traffic}")
        if traffic and server.unmovable is not None:
            raise _RefusedError(409, "Conflict", server.unmovable)
        properties |= {
            "provisioningState": "Succeeded",
            "scoringUri": f"{server.url}/score",
            "properties": {},
        }
        server.endpoints[name] = made
        return self._began(200 if old else 201, _shown(made), lambda: None)

    def _deployments(self, path: str, asked: re.Match[str], body: Thing) -> Any:
        server, endpoint, name = self.server, self._find(str(asked["endpoint"])), asked["deployment"]
        found = endpoint["deployments"]
        if name is None:
            return 200, {"value": list(found.values())}, {}
        if self.command == "PUT":
            if (
                not _NAME.fullmatch(name)
                or body["properties"]["environmentId"].rpartition("/versions/")[0] == ""
            ):
                raise _RefusedError(400, "BadArgument", f"the deployment {name} can't be made")
            made = {"id": path, "name": name, "type": "x", **body}
            made["properties"]["provisioningState"] = "Creating"
            found[name] = made
            return self._began(201, made, lambda: server.make_deployment(made, found))
        if name not in found:
            raise _RefusedError(404, "ResourceNotFound", f"there is no deployment {name}")
        if asked["logs"]:
            return 200, {"content": "Instance status:\nSystemSetup: Succeeded\n\nno module 'x'\n"}, {}
        if self.command == "DELETE":
            if (endpoint["properties"].get("traffic") or {}).get(name):
                raise _RefusedError(400, "BadArgument", f"{name} gets requests")
            if server.undeletable is not None:
                raise _RefusedError(409, "Conflict", server.undeletable)
            return self._began(202, None, lambda: found.pop(name, None) and None)
        return 200, found[name], {}


def _shown(endpoint: Thing) -> Thing:
    return {key: value for key, value in endpoint.items() if key != "deployments"}
