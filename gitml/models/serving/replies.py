"""Answers to requests, and what is answered where something is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gitml.errors import GitmlError

Headers = tuple[tuple[bytes, bytes], ...]

CLOSE = (b"connection", b"close")  # after an answer to what was not read
JSON, TEXT, HTML = b"application/json", b"text/plain; charset=utf-8", b"text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        body: Its bytes.
        status: The HTTP code.
        media_type: What the bytes are.
        headers: More headers, with names in lower case.
    """

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: Headers = ()


class RequestError(GitmlError):
    """A request that gets no prediction; says why, with the HTTP code.

    Attributes:
        status: The HTTP code.
        headers: Headers that belong to it.
        plain: Whether MLflow answers this with text, not with JSON.
    """

    def __init__(
        self, message: str, *, status: int = 400, code: str = "BAD_REQUEST", headers: Headers = (),
        plain: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.error_code = code
        self.headers = headers
        self.plain = plain


class TooLargeError(RequestError):
    """A request whose body is longer than the server takes, or that holds more; `unread` if it was not read."""

    def __init__(self, limit: int, what: str = "the body", *, unread: bool = False) -> None:
        super().__init__(
            f"{what} is longer than the {limit:,} bytes that this server takes; "
            "send fewer rows at once, or serve with a larger --max-request-size",
            status=413,
            code="REQUEST_LIMIT_EXCEEDED",
            headers=(CLOSE,) if unread else (),
        )


def as_reply(err: GitmlError) -> Reply:
    """Say what is wrong as MLflow's server does: a code and a message, and nothing of the server."""
    status = err.status if isinstance(err, RequestError) else 400
    headers = err.headers if isinstance(err, RequestError) else ()
    if isinstance(err, RequestError) and err.plain:
        return Reply(err.message.encode(), status, TEXT, headers)
    return Reply(
        json_bytes({"error_code": err.error_code, "message": message_of(err)}), status, JSON, headers
    )


def message_of(err: GitmlError) -> str:
    """Give the message, with what helps if there is something."""
    return f"{err.message} ({err.hint})" if err.hint else err.message


def json_bytes(value: object) -> bytes:
    """Write JSON."""
    return json.dumps(value).encode()
