"""A Git LFS server for tests, over real HTTP, that does what it is told: also what no server should."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[["Handler"], None]


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    lines: list[tuple[str, str]] = field(default_factory=list)  # headers, also those that stand twice

    @property
    def is_batch(self) -> bool:
        return self.path.endswith("/objects/batch")


class LfsServer(ThreadingHTTPServer):
    """Objects in memory; what it does can be changed for the next request, or for every batch answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.seen: list[Seen] = []
        self.login: tuple[str, str] | None = None
        self.connections = 0
        self.ranges = True
        self.verify = False
        self.action: dict[str, Any] = {}  # added to every action
        self.change: Callable[[dict[str, Any]], Any] = lambda answer: answer
        self._scripts: list[tuple[str, str, Script]] = []
        self._lock = threading.Lock()

    def process_request(self, request, client_address) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ada/churn.git"

    @property
    def lfs_url(self) -> str:
        return f"{self.url}/info/lfs"

    def script(self, method: str, fragment: str, script: Script, times: int = 1) -> None:
        """Answer the next requests of that kind by `script`."""
        self._scripts += [(method, fragment, script)] * times

    def answer(
        self, method: str, fragment: str, status: int, document: Any = None, times: int = 1, **headers: str
    ):
        """Answer the next requests of that kind by a status."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script(method, fragment, lambda handler: handler.answer(status, document or {}, named), times)

    def scripted(self, method: str, path: str) -> Script | None:
        with self._lock:
            for number, (wanted, fragment, script) in enumerate(self._scripts):
                if wanted == method and fragment in path:
                    del self._scripts[number]
                    return script
        return None

    def count(self, method: str, fragment: str = "") -> int:
        return sum(seen.method == method and fragment in seen.path for seen in self.seen)


class Handler(BaseHTTPRequestHandler):
    server: LfsServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client had enough
            self.close_connection = True

    def do_POST(self) -> None:
        self.body = self._body()
        if self._is_done():
            return
        request = json.loads(self.body)
        if self.path.endswith("/verify"):
            stored = self.server.objects.get(request["oid"])
            good = stored is not None and len(stored) == request["size"]
            self.answer(200 if good else 404, {})
        elif self._may_enter():
            objects = [self._object(request["operation"], wanted) for wanted in request["objects"]]
            self.answer(200, self.server.change({"transfer": "basic", "objects": objects}))

    def _object(self, operation: str, wanted: dict[str, Any]) -> dict[str, Any]:
        stored = self.server.objects.get(wanted["oid"])
        link = {"href": f"{self.server.lfs_url}/bytes/{wanted['oid']}", **self.server.action}
        answer = {**wanted, "authenticated": True}
        if operation == "download":
            if stored is None:
                return {**wanted, "error": {"code": 404, "message": "Object does not exist"}}
            if len(stored) != wanted["size"]:
                return {**wanted, "error": {"code": 422, "message": "another size"}}
            return {**answer, "actions": {"download": link}}
        if stored is not None and len(stored) == wanted["size"]:
            return answer
        verify = {"verify": {"href": f"{self.server.lfs_url}/verify", **self.server.action}}
        return {**answer, "actions": {"upload": link, **(verify if self.server.verify else {})}}

    def do_PUT(self) -> None:
        self.body = self._body()
        if not self._is_done():
            self.server.objects[self.path.partition("?")[0].rsplit("/", 1)[1]] = self.body
            self.answer(200, {})

    def do_GET(self) -> None:
        self.body = b""
        if self._is_done():
            return
        data = self.server.objects[self.path.partition("?")[0].rsplit("/", 1)[1]]
        match = re.fullmatch("bytes=([0-9]+)-", self.headers.get("Range", ""))
        if match and self.server.ranges:
            start = int(match[1])
            self.send(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        else:
            self.send(200, data)

    def _is_done(self) -> bool:
        self.server.seen.append(
            Seen(self.command, self.path, dict(self.headers), self.body, self.headers.items())
        )
        script = self.server.scripted(self.command, self.path)
        if script is not None:
            script(self)
        return script is not None

    def _may_enter(self) -> bool:
        if self.server.login is None:
            return True
        expected = base64.b64encode(":".join(self.server.login).encode()).decode()
        if self.headers.get("Authorization") == f"Basic {expected}":
            return True
        self.answer(401, {"message": "Credentials needed"}, {"LFS-Authenticate": 'Basic realm="test"'})
        return False

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                raise ConnectionResetError  # a server takes an object when it is whole
            return body
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send(status, data, {"Content-Type": "application/vnd.git-lfs+json", **(headers or {})})

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def lfs_server() -> Iterator[LfsServer]:
    with LfsServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
