"""Asking the server about objects, a hundred at a time and only when it is their turn.

Actions expire, so they are asked for late: by the first thread that comes to an
object of a hundred, while the others still move those before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.progress import Advance
from gitml.store.base import StoreUnreachableError, TransferError
from gitml.store.lfs.access import Access
from gitml.store.lfs.endpoint import NoLfsServerError
from gitml.store.lfs.http import Http, Limits
from gitml.store.lfs.protocol import (
    BATCH,
    MEDIA_TYPE,
    Answer,
    Operation,
    UnusableAnswerError,
    check,
    decode_batch,
    decode_document,
    encode_batch,
    plain,
)
from gitml.store.lfs.trouble import Backoff, Trouble, trouble_of

_LONGEST_ANSWER = 16 * 1024**2
_LONGEST_MESSAGE = 64 * 1024
_ELSEWHERE = "git config lfs.url URL sets where the server is; gitml remote artifacts URL sets another place"


class BatchApi:
    """The batch API of one server."""

    def __init__(
        self, http: Http, access: Access, limits: Limits, ref: str | None, tell: Advance | None = None
    ) -> None:
        """Say how to reach it.

        Args:
            http: Connections.
            access: Who we are there.
            limits: How often to try.
            ref: The ref that the objects belong to, for servers whose rights depend on it.
            tell: Called now and then while waiting; ends it when it raises.
        """
        self._http = http
        self._access = access
        self._limits = limits
        self._ref = ref
        self._tell = tell
        self.name = access.endpoint.name

    def ask(self, operation: Operation, pointers: Sequence[Pointer]) -> dict[Pointer, Answer]:
        """Ask about objects, each id once.

        Raises:
            StoreUnreachableError: The server can't be used for that.
        """
        try:
            return self._ask(operation, pointers)
        except Trouble as trouble:
            if trouble.status == 413 and len(pointers) > 1:
                middle = len(pointers) // 2
                return self.ask(operation, pointers[:middle]) | self.ask(operation, pointers[middle:])
            raise StoreUnreachableError(self.name, trouble.reason, hint=trouble.hint) from None

    def _ask(self, operation: Operation, pointers: Sequence[Pointer]) -> dict[Pointer, Answer]:
        for pointer in pointers:
            check(pointer)
        body = encode_batch(operation, pointers, self._ref)
        backoff = Backoff(self._limits.retries, self._limits.longest_delay_s, self._tell)
        while True:
            try:
                return self._post(operation, pointers, body)
            except Trouble as trouble:
                if not backoff.wait(trouble):
                    raise

    def _post(self, operation: Operation, pointers: Sequence[Pointer], body: bytes) -> dict[Pointer, Answer]:
        while True:  # ends, since `renew` gives no way in twice
            way = self._access.get(operation)
            headers = {**way.headers, "Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
            response = self._http.send("POST", f"{way.href.rstrip('/')}/objects/batch", headers, body)
            if response.status != 401:
                break
            challenge = response.headers.get("LFS-Authenticate") or response.headers.get("WWW-Authenticate")
            response.read(_LONGEST_MESSAGE)
            self._access.renew(operation, way, response.url, challenge)
        if response.status != 200:
            data = response.read(_LONGEST_MESSAGE)
            return self._refused(
                operation, pointers, response.status, data, response.headers.get("Retry-After")
            )
        self._access.works()
        data = response.read(_LONGEST_ANSWER)
        try:
            return decode_batch(data, pointers, response.url)
        except UnusableAnswerError as err:
            kind = plain(response.headers.get("Content-Type", "")).partition(";")[0]
            reason = f"it answered {err}" + (f" ({kind})" if "JSON" in str(err) and kind else "")
            raise StoreUnreachableError(self.name, reason, hint=_ELSEWHERE) from None

    def _refused(
        self,
        operation: Operation,
        pointers: Sequence[Pointer],
        status: int,
        data: bytes,
        retry_after: str | None,
    ) -> dict[Pointer, Answer]:
        """Some servers refuse all at once what they would refuse one by one; what they say tells."""
        message = self._access.redact(message_of(data))
        if message and (status == 422 or (status == 404 and operation == "download")):
            return {pointer: Answer(status=status, message=message) for pointer in pointers}
        if status in (404, 405):
            said = f"status {status}: {message}" if message else f"status {status}"
            raise NoLfsServerError(self.name, f"there is no Git LFS for you there ({said})")
        raise trouble_of(status, message, operation, retry_after)


def message_of(data: bytes) -> str:
    """Find what a server says about an error, safe to show."""
    try:
        return plain(decode_document(data).get("message"))
    except UnusableAnswerError:
        return ""


@dataclass(slots=True)
class _Hundred:
    pointers: list[Pointer]
    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: dict[Pointer, Answer | None] | None = None  # None: was taken


class Batches:
    """What the server says about many objects."""

    def __init__(self, api: BatchApi, operation: Operation, pointers: Sequence[Pointer]) -> None:
        """Ask nothing yet."""
        self.operation: Operation = operation
        self._api = api
        self._of = {p: hundred for hundred in map(_Hundred, in_hundreds(pointers)) for p in hundred.pointers}
        self._broken: GitmlError | None = None

    def begin(self) -> None:
        """Ask about the first ones: what is wrong with the server as a whole shows here.

        Raises:
            StoreUnreachableError: It can't be used.
        """
        first = next(iter(self._of.values()), None)
        if first is not None:
            first.answers = {**self._api.ask(self.operation, first.pointers)}

    def take(self, pointer: Pointer) -> Answer:
        """Give the answer about an object; it is kept once, after that the server is asked again.

        Raises:
            GitmlError: The server can't be used any more, or said nothing about it.
        """
        hundred = self._of[pointer]
        with hundred.lock:
            if hundred.answers is None:
                hundred.answers = {**self._ask(hundred.pointers)}
            if pointer not in hundred.answers:
                raise self._silence(pointer)
            answer, hundred.answers[pointer] = hundred.answers[pointer], None
        return answer or self.renew(pointer)

    def renew(self, pointer: Pointer) -> Answer:
        """Ask about one object again: what was allowed has expired."""
        answer = self._ask([pointer]).get(pointer)
        if answer is None:
            raise self._silence(pointer)
        return answer

    def _silence(self, pointer: Pointer) -> TransferError:
        return TransferError(self._api.name, pointer.oid, "the server says nothing about it", hint=_ELSEWHERE)

    def _ask(self, pointers: Sequence[Pointer]) -> dict[Pointer, Answer]:
        if self._broken is not None:  # not again for each hundred, with all its patience
            raise self._broken
        try:
            return self._api.ask(self.operation, pointers)
        except GitmlError as err:
            self._broken = err
            raise


def in_hundreds(pointers: Sequence[Pointer]) -> Iterator[list[Pointer]]:
    """Cut into batches, none of which has an object id twice."""
    rest = list(dict.fromkeys(pointers))
    while rest:
        unique: dict[str, Pointer] = {}
        for pointer in rest:
            unique.setdefault(pointer.oid, pointer)
        layer = list(unique.values())
        for start in range(0, len(layer), BATCH):
            yield layer[start : start + BATCH]
        rest = [pointer for pointer in rest if unique[pointer.oid] is not pointer]
