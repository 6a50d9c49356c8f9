"""Requests to a served model: in this process, as ASGI has them, or over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.models.serving.app import App
from gitml.models.serving.metrics import Metrics
from gitml.models.serving.process import load_scorer
from gitml.models.serving.settings import ServeSettings

JSON = "application/json"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def make_app(model: Path | str, **settings: Any) -> App:
    """An application as `gitml models serve` makes it; `trust` is what a test may give it."""
    made = ServeSettings(str(model), **{"trust": True, **settings})
    return App(load_scorer(made), made, Metrics())


async def ask(
    app: App, method: str, path: str, body: bytes | list[bytes] = b"", headers: Mapping[str, str] | None = None
) -> Answer:  # fmt: skip
    """Ask an application in this process."""
    parts = [body] if isinstance(body, bytes) else list(body)
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": "localhost:5000", **(headers or {})}.items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.sleep(3600)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))


def score(app: App, value: Any, content_type: str | None = JSON) -> Answer:
    """Ask for predictions."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = {} if content_type is None else {"Content-Type": content_type}
    return asyncio.run(ask(app, "POST", "/invocations", body, headers))


def get(app: App, path: str, method: str = "GET") -> Answer:
    """Ask for something else."""
    return asyncio.run(ask(app, method, path))


def over_http(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """Ask a server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()
