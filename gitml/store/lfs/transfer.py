"""One object up or down: the actions that the server gave, with patience.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/basic-transfers.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gitml.entities.artifact import Pointer
from gitml.store.base import StoreUnreachableError, TransferError
from gitml.store.incoming import receive
from gitml.store.lfs.access import Access
from gitml.store.lfs.batches import Batches, message_of
from gitml.store.lfs.http import BLOCK, Http, Limits, Reply
from gitml.store.lfs.protocol import MEDIA_TYPE, Action, Answer, encode_object
from gitml.store.lfs.trouble import AGAIN, Backoff, Trouble, trouble_of
from gitml.store.local import ObjectMissingError, ObjectStore
from gitml.store.moving import Stopping
from gitml.store.outgoing import blocks

_LONGEST_MESSAGE = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)")


class _Body:
    """An object on its way out, as often as it takes; what is sent again is told once."""

    def __init__(self, local: ObjectStore, pointer: Pointer, tell: Stopping) -> None:
        self._local = local
        self._pointer = pointer
        self._tell = tell
        self._told = 0
        self._position = 0

    def __iter__(self) -> Iterator[bytes]:
        self._position = 0
        return blocks(self._local, self._pointer, BLOCK, self._count)

    def _count(self, length: int) -> None:
        self._position += length
        self._tell(max(0, self._position - self._told))
        self._told = max(self._told, self._position)

    def finish(self) -> None:
        """Tell what was not told yet: the server had it, or did not want to see it all."""
        self._tell(self._pointer.size - self._told)
        self._told = self._pointer.size


class Transfers:
    """Moves objects one by one, from several threads, all against one server."""

    def __init__(
        self,
        http: Http,
        access: Access,
        limits: Limits,
        batches: Batches,
        local: ObjectStore,
        tell: Stopping,
    ) -> None:
        """Say between whom.

        Args:
            http: Connections.
            access: Who we are to the server.
            limits: How often to try.
            batches: What the server says about each object.
            local: The objects here.
            tell: Told the bytes done; ends it all when it raises.
        """
        self._http = http
        self._access = access
        self._limits = limits
        self._batches = batches
        self._local = local
        self._tell = tell
        self._name = access.endpoint.name
        self._lost_in_a_row = 0

    def upload(self, pointer: Pointer) -> bool:
        """Send an object, unless the server has it; says whether it was sent."""
        body = _Body(self._local, pointer, self._tell)
        answer = self._checked(pointer, self._batches.take(pointer))
        sent = "upload" in answer.actions
        if sent:
            if not self._local.has(pointer.oid, pointer.size):
                raise ObjectMissingError(pointer.oid, pointer.size)
            # Without that action, in an answer that was asked for anew, the server has it by now.
            patience = _Patience(self, pointer, answer)
            while patience.lasts:
                with patience:
                    if "upload" in patience.answer.actions:
                        self._put(pointer, self._action(patience.answer, "upload"), body)
            patience = _Patience(self, pointer, patience.answer)
            while patience.lasts:
                with patience:
                    if "verify" in patience.answer.actions:
                        self._verify(pointer, self._action(patience.answer, "verify"))
        body.finish()
        return sent

    def download(self, pointer: Pointer) -> bool:
        """Fetch an object, unless it is here; says whether it was fetched."""
        return receive(self._local, pointer, lambda offset: self._read(pointer, offset), self._tell)

    def _read(self, pointer: Pointer, offset: int) -> Iterator[bytes]:
        """Give the bytes of an object from an offset on, over as many connections as it takes."""
        patience = _Patience(self, pointer, self._checked(pointer, self._batches.take(pointer)))
        while patience.lasts:
            with patience:
                for block in self._get(pointer, self._action(patience.answer, "download"), offset):
                    offset += len(block)
                    patience.progress()
                    yield block

    # What the server says

    def renewed(self, pointer: Pointer) -> Answer:
        """Ask anew what may be done with an object."""
        return self._checked(pointer, self._batches.renew(pointer))

    def _checked(self, pointer: Pointer, answer: Answer) -> Answer:
        if answer.status is not None:
            words = self._access.redact(answer.message)
            trouble = trouble_of(answer.status, words, self._batches.operation)
            raise TransferError(self._name, pointer.oid, trouble.reason, hint=trouble.hint)
        return answer

    def _action(self, answer: Answer, kind: str) -> Action:
        action = answer.actions.get(kind)
        if action is None:
            raise Trouble(f"the server gives no way to {kind} it")
        if answer.authenticated or any(name.lower() == "authorization" for name in action.headers):
            return action
        return Action(
            action.href, {**action.headers, **self._access.headers_for(action.href)}, action.expires
        )

    def backoff(self) -> Backoff:
        """Begin to count attempts."""
        return Backoff(self._limits.retries, self._limits.longest_delay_s, self._tell)

    def lost(self, pointer: Pointer, trouble: Trouble) -> StoreUnreachableError | TransferError:
        """Give an object up; where one after the other is lost, the server is."""
        self._lost_in_a_row += trouble.transient
        if self._lost_in_a_row > self._limits.workers:
            return StoreUnreachableError(self._name, trouble.reason, hint=trouble.hint)
        return TransferError(self._name, pointer.oid, trouble.reason, hint=trouble.hint)

    def won(self) -> None:
        """Note that the server is there."""
        self._lost_in_a_row = 0

    # Requests

    def _put(self, pointer: Pointer, action: Action, body: _Body) -> None:
        headers = dict(action.headers)
        names = {name.lower(): name for name in headers}
        if "content-type" not in names:
            headers["Content-Type"] = "application/octet-stream"
        if headers.pop(names.get("transfer-encoding", ""), "").lower() != "chunked":
            headers["Content-Length"] = str(pointer.size)
        self._finish(self._http.send("PUT", action.href, headers, body))

    def _verify(self, pointer: Pointer, action: Action) -> None:
        headers = {**action.headers, "Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
        self._finish(self._http.send("POST", action.href, headers, encode_object(pointer)))

    def _finish(self, reply: Reply) -> None:
        data = reply.read(_LONGEST_MESSAGE)
        if not 200 <= reply.status < 300:
            raise self._trouble(reply, data)

    def _trouble(self, reply: Reply, data: bytes) -> Trouble:
        message = self._access.redact(message_of(data))
        return trouble_of(reply.status, message, self._batches.operation, reply.headers.get("Retry-After"))

    def _get(self, pointer: Pointer, action: Action, offset: int) -> Iterator[bytes]:
        """Fetch from an offset on; a server that can only send all is let, and what we have skipped."""
        headers = {**action.headers, "Accept-Encoding": "identity"}
        ranged = {**headers, "Range": f"bytes={offset}-"} if offset else headers
        reply = self._http.send("GET", action.href, ranged)
        try:
            wrong_range = reply.status == 206 and not _continues(reply.headers, offset, pointer)
            if offset and (wrong_range or reply.status == 416):
                reply.close()
                reply = self._http.send("GET", action.href, headers)
            if reply.status not in (200, 206):
                raise self._trouble(reply, reply.read(_LONGEST_MESSAGE))
            skip = offset if reply.status == 200 else 0
            come = 0
            for block in reply.blocks():
                come += len(block)
                if come > skip:
                    yield block[max(0, len(block) - (come - skip)) :]
                else:
                    self._tell(0)
            if come - skip < pointer.size - offset and not reply.tells_its_end:
                raise Trouble("the connection broke off", hint=AGAIN, transient=True)
        finally:
            reply.close()


class _Patience:
    """One object's attempts: a context manager for each, until one succeeds."""

    def __init__(self, transfers: Transfers, pointer: Pointer, answer: Answer) -> None:
        self.lasts = True
        self.answer = answer
        self._transfers = transfers
        self._pointer = pointer
        self._backoff = transfers.backoff()
        self._renewed = False
        if any(action.is_expired for action in answer.actions.values()):
            self.answer = transfers.renewed(pointer)

    def progress(self) -> None:
        """Some of it went well: patience begins anew."""
        self._backoff.reset()
        self._renewed = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is None:
            self.lasts = False
            self._transfers.won()
            return False
        if not isinstance(error, Trouble):
            return False
        if error.status in (401, 403) and not self._renewed:
            # Most often the link has expired, whatever the clocks say.
            self.answer, self._renewed = self._transfers.renewed(self._pointer), True
        elif not self._backoff.wait(error):
            raise self._transfers.lost(self._pointer, error) from None
        return True


def _continues(headers: Mapping[str, str], offset: int, pointer: Pointer) -> bool:
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == offset and match[2] in ("*", str(pointer.size))
