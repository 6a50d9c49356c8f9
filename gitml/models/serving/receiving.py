"""A request's body: read within limits of size and time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gitml.models.serving.replies import RequestError, TooLargeError

Receive = Callable[[], Awaitable[dict[str, Any]]]
_LINGER_BYTES, _LINGER_S = 1024**3, 10.0


class GoneError(Exception):
    """Whoever asked has closed the connection."""


class Deadline:
    """Ends what the current task waits for when its time is over.

    A timer of the loop, since `asyncio.wait_for` costs a task.

    Attributes:
        passed: Whether it is over.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        self.passed = True
        if self._task is not None:
            self._task.cancel()

    def forgive(self) -> None:
        """Take back the cancelling, so that the task can answer."""
        if sys.version_info >= (3, 11) and self._task is not None:
            self._task.uncancel()

    def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Read a body.

    Args:
        headers: The headers of the request.
        receive: Gives what comes, as ASGI has it.
        limit: How many bytes are taken.

    Raises:
        TooLargeError: It is longer, or says that it is.
        RequestError: It is packed.
        GoneError: The other side has gone.
    """
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise TooLargeError(limit, unread=True)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestError("this server does not unpack bodies: send it without Content-Encoding", status=415)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise GoneError
    if not message.get("more_body"):
        if len(body) > limit:
            raise TooLargeError(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLargeError(limit, unread=True)
    return b"".join(parts)


async def discard(receive: Receive) -> None:
    """Read the rest of a body that is not wanted, for a while.

    Who sends a long body looks for an answer only afterwards; if the connection were closed
    before, it would see that, and not the answer.
    """

    async def drain() -> None:
        size = 0
        while size < _LINGER_BYTES:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return
            size += len(message.get("body", b""))

    try:
        await asyncio.wait_for(drain(), _LINGER_S)
    except asyncio.TimeoutError:
        return
