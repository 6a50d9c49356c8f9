"""The server as an ASGI application: which request goes where, and nothing that it can't answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from gitml.errors import GitmlError
from gitml.models.serving import inference_routes, metrics
from gitml.models.serving.dispatching import Dispatcher
from gitml.models.serving.hosts import HostCheck
from gitml.models.serving.inference_request import LENGTH_HEADER
from gitml.models.serving.jobs import Job
from gitml.models.serving.openapi import describe
from gitml.models.serving.page import page
from gitml.models.serving.receiving import Deadline, GoneError, Receive, discard, read_body
from gitml.models.serving.replies import CLOSE, HTML, TEXT, Reply, RequestError, as_reply, json_bytes
from gitml.models.serving.scorer import Scorer
from gitml.models.serving.settings import ServeSettings

Scope = MutableMapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Refuse = Callable[[GitmlError], Reply]

_log = logging.getLogger("gitml.serving")
_LONG = 256 * 1024  # bytes of a body that is read in a thread, so that others need not wait
_SCORE, _INFER = "/invocations", "/v2/models/{model}/infer"


class App:
    """Answers requests for one model.

    Attributes:
        scorer: Who answers.
    """

    def __init__(self, scorer: Scorer, settings: ServeSettings, counted: metrics.Metrics) -> None:
        """Make it for a model that is loaded."""
        self._settings = settings
        self._metrics = counted
        self._dispatcher: Dispatcher | None = None
        self._hosts = HostCheck(settings.host, settings.hosts)
        self._plain: Mapping[str, Callable[[], Reply]] = {
            "/ping": _alive,
            "/health": _alive,
            "/version": _version,
            "/metrics": lambda: Reply(counted.text(), media_type=metrics.CONTENT_TYPE),
            "/openapi.json": lambda: Reply(json_bytes(describe(self.scorer.served))),
            "/docs": lambda: Reply(page(self.scorer.served), media_type=HTML, headers=_PAGE_HEADERS),
            "/": lambda: Reply(b"", 307, TEXT, ((b"location", b"/docs"),)),
            "/v2": inference_routes.server_metadata,
            "/v2/health/live": lambda: Reply(b'{"live": true}'),
            "/v2/health/ready": lambda: Reply(b'{"ready": true}'),
        }
        served = scorer.served
        marks = [(b"x-content-type-options", b"nosniff"), (b"x-gitml-model", _header(served.name))]
        if served.version is not None:
            marks.append((b"x-gitml-model-version", str(served.version).encode()))
        self.scorer, self._marks = scorer, tuple(marks)
        counted.loaded(served.name, served.version)

    def retire(self) -> None:
        """Ask every connection to go once it has its answer."""
        self._marks = (*self._marks, CLOSE)

    @property
    def busy(self) -> int:
        """How many calls of models are under way in threads."""
        return self._dispatcher.busy if self._dispatcher else 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "http":
            return
        since = self._metrics.request()
        endpoint, reply = "other", None
        deadline = Deadline(self._settings.timeout_s)
        try:
            endpoint, reply = await self._reply(scope, receive)
        except GoneError:
            reply = None
        except asyncio.CancelledError:
            if not deadline.passed:
                raise
            deadline.forgive()
            endpoint, reply = _timed_out(scope["path"])
        finally:
            deadline.close()
            self._metrics.answered(endpoint, 499 if reply is None else reply.status, since)
        if reply is not None:
            await _send(reply, self._marks, scope["method"] != "HEAD", receive, send)

    async def _reply(self, scope: Scope, receive: Receive) -> tuple[str, Reply]:
        path, method = scope["path"], scope["method"]
        if path == _SCORE and method == "POST":
            return _SCORE, await self._guarded(self._score, scope, receive, as_reply)
        is_inference = path.startswith("/v2/models/")
        refuse = inference_routes.refused if is_inference else as_reply
        endpoint = (
            "/v2/models/{model}"
            if is_inference
            else path
            if path in self._plain or path == _SCORE
            else "other"
        )
        try:
            self._hosts.check(dict(scope["headers"]))
            if is_inference:
                operation = self._inference_operation(path)
                endpoint = f"{endpoint}{'/' * bool(operation)}{operation}"
                if operation == "infer":
                    _only(method, "POST")
                    return _INFER, await self._guarded(self._infer, scope, receive, refuse)
                _only(method, "GET", "HEAD")
                return endpoint, self._about_model(operation)
            plain = self._plain.get(path)
            if plain is None and path != _SCORE:
                raise RequestError(
                    f"there is nothing at {path!r:.100}; see /docs", status=404, code="ENDPOINT_NOT_FOUND"
                )
            if plain is None:
                raise _not_possible(method, "POST")
            _only(method, "GET", "HEAD")
            return endpoint, plain()
        except RequestError as err:
            return endpoint, refuse(err)

    async def _guarded(
        self, handle: Callable[[Mapping[bytes, bytes], bytes, Scorer], Job], scope: Scope, receive: Receive, refuse: Refuse
    ) -> Reply:  # fmt: skip
        """Read a request, check it and let it be predicted; whatever goes wrong becomes an answer."""
        scorer = self.scorer
        if self._dispatcher is None:
            self._dispatcher = Dispatcher(self._settings.threads, self._settings.batch_wait_s, self._metrics)
        try:
            headers = dict(scope["headers"])
            self._hosts.check(headers)
            body = await read_body(headers, receive, self._settings.max_bytes)
            if len(body) > _LONG:
                job = await self._dispatcher.in_thread(lambda: handle(headers, body, scorer))
            else:
                job = handle(headers, body, scorer)
            return await self._dispatcher.answer(scorer, job)
        except GitmlError as err:
            return refuse(err)
        except GoneError:
            raise
        except Exception:  # noqa: BLE001 - the outermost frame: nothing of the server is told
            _log.exception("a request could not be answered")
            return refuse(
                RequestError(
                    "the server could not answer; its log says why", status=500, code="INTERNAL_ERROR"
                )
            )

    def _score(self, headers: Mapping[bytes, bytes], body: bytes, scorer: Scorer) -> Job:
        return scorer.reader.read(headers.get(b"content-type"), body)

    def _infer(self, headers: Mapping[bytes, bytes], body: bytes, scorer: Scorer) -> Job:
        return scorer.inference.read(body, headers.get(LENGTH_HEADER))

    def _inference_operation(self, path: str) -> str:
        """Read `/v2/models/NAME[/versions/V][/ready|/infer]`, and see that this is the model."""
        served = self.scorer.served
        words = path.split("/")[3:]
        name, rest = words[0], words[1:]
        if rest[:1] == ["versions"] and len(rest) > 1:
            version, rest = rest[1], rest[2:]
            if version != str(served.version):
                raise _not_here(f"version {version!r:.40} of '{served.name}' is not served here")
        if name != served.name:
            raise _not_here(f"model {name!r:.80} is not served here; '{served.name}' is")
        if rest not in ([], ["ready"], ["infer"]):
            raise _not_here(f"there is nothing at {path!r:.100}")
        return rest[0] if rest else ""

    def _about_model(self, operation: str) -> Reply:
        served = self.scorer.served
        if operation == "ready":
            return Reply(json_bytes({"name": served.name, "ready": True}))
        return inference_routes.model_metadata(served)


_PAGE_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


def _alive() -> Reply:
    return Reply(b"\n", media_type=TEXT)


def _version() -> Reply:
    from gitml import __version__

    return Reply(__version__.encode(), media_type=TEXT)


def _header(text: str) -> bytes:
    return text.encode("ascii", "backslashreplace").replace(b"\r", b"").replace(b"\n", b"")


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise _not_possible(method, *allowed)


def _not_possible(method: str, *allowed: str) -> RequestError:
    return RequestError(
        f"{method!r:.20} is not possible here; {' and '.join(allowed)} is",
        status=405, code="BAD_REQUEST", headers=((b"allow", ", ".join(allowed).encode()),),
    )  # fmt: skip


def _not_here(message: str) -> RequestError:
    return RequestError(message, status=404, code="RESOURCE_DOES_NOT_EXIST")


def _timed_out(path: str) -> tuple[str, Reply]:
    err = RequestError("Request processing time exceeded limit", status=504, code="DEADLINE_EXCEEDED")
    return (_INFER, inference_routes.refused(err)) if path.startswith("/v2") else (_SCORE, as_reply(err))


async def _send(
    reply: Reply, marks: tuple[tuple[bytes, bytes], ...], with_body: bool, receive: Receive, send: Send
) -> None:  # fmt: skip
    headers = [
        (b"content-type", reply.media_type),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
        *marks,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = reply.body if with_body else b""
    if CLOSE in reply.headers:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await discard(receive)
        body = b""
    await send({"type": "http.response.body", "body": body})
