"""A Git LFS server for tests: the batch API with basic uploads, objects in memory.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LfsServer(ThreadingHTTPServer):
    """Takes uploads, unless it is told to refuse them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/repo.git"


class _Handler(BaseHTTPRequestHandler):
    server: LfsServer

    def do_POST(self) -> None:
        request = json.loads(self._body() or b"{}")
        if not self.path.endswith("/objects/batch"):
            self._answer(404, {"message": "no locks here"})
        elif self.server.refuses:
            self._answer(403, {"message": "you may not write here"})
        else:
            self._answer(
                200,
                {
                    "transfer": "basic",
                    "objects": [self._object(request["operation"], wanted) for wanted in request["objects"]],
                },
            )

    def _object(self, operation: str, wanted: dict[str, object]) -> dict[str, object]:
        is_here = wanted["oid"] in self.server.objects
        if operation == "download":
            found = {"actions": {"download": {"href": f"{self.server.url}/get/{wanted['oid']}"}}}
            return {**wanted, **(found if is_here else {"error": {"code": 404, "message": "not here"}})}
        if is_here:
            return wanted
        return {**wanted, "actions": {"upload": {"href": f"{self.server.url}/put/{wanted['oid']}"}}}

    def do_PUT(self) -> None:
        self.server.objects[self.path.rsplit("/", 1)[1]] = self._body()
        self._answer(200, {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.git-lfs+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def lfs_server() -> Iterator[LfsServer]:
    with LfsServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
