"""The few requests to a Ray cluster that a job takes, by Ray's own client for jobs."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from gitml.errors import MissingExtraError
from gitml.execution.backends.contract import BackendError
from gitml.execution.backends.options import BackendConfigError
from gitml.tracking.secrets import strip_url_credentials

_Answer = TypeVar("_Answer")

NAME = "ray"

_DEFAULT = "http://127.0.0.1:8265"
_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")  # Ray's client takes the first one that is set
_HEADERS_VARIABLE = "RAY_JOB_HEADERS"  # as the command `ray job` has it
_PATIENCE_S = (10, 60)  # to connect, to answer
_NOT_FOUND = 404
_STATUS = re.compile(r"status code (\d{3})(?:: (.*))?", re.DOTALL)
_TALKATIVE = ("ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk")

_environment = threading.Lock()


def find_address(environ: Mapping[str, str]) -> str:
    """Say where the cluster is that this environment means.

    Raises:
        BackendConfigError: It names one by an address that no HTTP client can use.
    """
    for name in _VARIABLES:
        address = environ.get(name)
        if address and not address.startswith(("http://", "https://")):
            raise BackendConfigError(
                f"{name}={address!r:.80} is no HTTP address, and jobs are submitted by HTTP",
                hint="name the cluster's dashboard: -c address=http://HOST:8265",
            )
        if address:
            return address
    return _DEFAULT


class Cluster:
    """One cluster, as its dashboard is reached."""

    def __init__(self, address: str) -> None:
        """Make a client; nothing is sent yet.

        Raises:
            MissingExtraError: Ray is not installed.
            BackendError: Ray can't use the address.
        """
        self._shown = strip_url_credentials(address)
        make = _client_class()
        with _without_variables():
            self._client: Any = self._asked(lambda: make(address, headers=_headers()))

    def submit(self, job_id: str, words: Mapping[str, Any]) -> str:
        """Submit a job under an id, and return the id.

        Raises:
            IdTakenError: There is a job of that id.
            BackendError: It is not taken.
        """
        try:
            return str(self._asked(lambda: self._client.submit_job(submission_id=job_id, **words)))
        except _RefusedError as err:
            if "already exists" in err.answer:
                raise IdTakenError(job_id) from err
            raise

    def job(self, job_id: str) -> Any:
        """Ask how a job stands; None: the cluster has none of that id."""
        return self._unless_gone(lambda: self._client.get_job_info(job_id))

    def log(self, job_id: str) -> str | None:
        """Give all that a job printed; None: the cluster has none of that id."""
        found = self._unless_gone(lambda: self._client.get_job_logs(job_id))
        return None if found is None else str(found)

    def follow_log(self, job_id: str) -> Iterator[str]:
        """Give what a job printed and prints, until it is over or the connection is."""
        import aiohttp

        with suppress(aiohttp.ClientError, RuntimeError, OSError):  # who asks again is told why
            yield from _in_turn(self._client.tail_job_logs(job_id))

    def stop(self, job_id: str) -> None:
        """Ask a job to end; harmless if there is none."""
        self._unless_gone(lambda: self._client.stop_job(job_id))

    def _unless_gone(self, request: Callable[[], _Answer]) -> _Answer | None:
        try:
            return self._asked(request)
        except _RefusedError as err:
            if err.status == _NOT_FOUND:
                return None
            raise

    def _asked(self, request: Callable[[], _Answer]) -> _Answer:
        """Send a request; Ray's client has no error class of its own."""
        import requests

        try:
            return request()
        except (requests.RequestException, ConnectionError) as err:
            raise BackendError(
                NAME,
                f"the cluster at {self._shown} can't be reached: {_cause(err)}",
                hint="ray start --head begins one here; another one: -c address=http://HOST:8265",
            ) from err
        except (RuntimeError, ValueError, TypeError, OSError) as err:
            match = _STATUS.search(str(err))
            status = int(match[1]) if match else 0
            raise _RefusedError(status, str((match and match[2]) or err)) from err


class _RefusedError(BackendError):
    """The cluster, or Ray's client, won't."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(NAME, _last_line(answer))
        self.status = status
        self.answer = answer


class IdTakenError(BackendError):
    """The cluster has a job of that id already."""

    def __init__(self, job_id: str) -> None:
        super().__init__(NAME, f"there is a job '{job_id}' already")


def _client_class() -> Any:
    """Load Ray's client, made so that it goes where it is told, and gives up in time."""
    try:
        client: Any = importlib.import_module("ray.job_submission").JobSubmissionClient
        importlib.import_module("aiohttp")
        importlib.import_module("requests")
    except ImportError as err:
        raise MissingExtraError("the backend 'ray'", "ray") from err
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

    class Client(client):  # type: ignore[misc]
        def _check_connection_and_version(self, *_words: object, **_more: object) -> None:
            """Ask nothing beforehand: the first request shows what there is."""

        def _do_request(self, method: str, endpoint: str, **more: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": _PATIENCE_S, **more})

    return Client


@contextmanager
def _without_variables() -> Iterator[None]:
    """Keep Ray's client from preferring the environment's cluster to the one that it is given."""
    with _environment:
        before = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(before)


def _headers() -> dict[str, str]:
    text = os.environ.get(_HEADERS_VARIABLE)
    if not text:
        return {}
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):  # the text may hold a secret
        raise BackendConfigError(
            f"{_HEADERS_VARIABLE} is no JSON object of texts", hint='{"Authorization": "Bearer ..."}'
        ) from None


def _in_turn(pieces: AsyncIterator[str]) -> Iterator[str]:
    """Give what an asynchronous iterator gives, one after the other."""
    loop = asyncio.new_event_loop()

    async def next_one() -> str | None:
        return await anext(pieces, None)

    try:
        while True:
            task = loop.create_task(next_one())
            try:
                piece = loop.run_until_complete(task)
            finally:
                if not task.done():  # Ctrl-C
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        loop.run_until_complete(task)
            if piece is None:
                return
            yield piece
    finally:
        loop.run_until_complete(cast("Any", pieces).aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _cause(error: BaseException) -> str:
    """Find the words at the bottom of an error of `requests`, without what holds addresses of memory."""
    inner = error
    while (below := inner.__cause__ or inner.__context__) is not None:
        inner = below
    return getattr(inner, "strerror", None) or str(inner).rpartition(">: ")[2] or type(inner).__name__


def _last_line(text: str) -> str:
    """Take what went wrong from a traceback of the server's; Ray's client ends it with a full stop."""
    lines = [line.strip() for line in text.removesuffix(".").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it gave no reason"
