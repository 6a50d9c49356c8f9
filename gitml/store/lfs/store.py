"""The store that a git host offers itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.progress import Advance
from gitml.store.base import Failure, RemoteStore, StoreUnreachableError, Transferred
from gitml.store.lfs.access import Access, CredentialSource
from gitml.store.lfs.endpoint import Endpoint, find_endpoint
from gitml.store.lfs.protocol import Answer, Operation, check
from gitml.store.lfs.trouble import trouble_of
from gitml.store.local import ObjectStore
from gitml.store.moving import Stopping, move_all

if TYPE_CHECKING:
    from gitml.store.lfs.batches import BatchApi
    from gitml.store.lfs.http import Http, Limits

_LACKS = (404, 410, 422)  # 422: it has it in another size
_QUESTIONS = 4


class LfsStore(RemoteStore):
    """A Git LFS server; opens no connection before it is used."""

    def __init__(
        self,
        download: Endpoint,
        upload: Endpoint | None = None,
        *,
        values: Mapping[str, str] | None = None,
        credentials: CredentialSource | None = None,
        ref: str | None = None,
        environ: Mapping[str, str] | None = None,
        extra_headers: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """Say where the server is; `find_endpoint` finds it.

        Args:
            download: Where objects are fetched.
            upload: Where they are sent, if that is not the same.
            values: git's configuration: proxies, certificates, ssh, limits.
            credentials: Where names and passwords come from.
            ref: The ref whose runs the objects belong to, for servers whose rights depend on it.
            environ: The environment that ssh runs in.
            extra_headers: The settings of `http.extraHeader` and `http.<url>.extraHeader`,
                which may stand several times; those of `values` if not given.
        """
        self.name = download.name if upload is None else upload.name
        self._values = values or {}
        self._environ = os.environ if environ is None else environ
        self._extra_headers = extra_headers
        self._ref = ref
        self._endpoints: dict[Operation, Endpoint] = {"download": download, "upload": upload or download}
        ways = {e: Access(e, credentials, self._values, self._environ) for e in self._endpoints.values()}
        self._ways = {operation: ways[endpoint] for operation, endpoint in self._endpoints.items()}
        self._opened: dict[Endpoint, Http] = {}

    def missing(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """Tell which objects the server lacks, or has in another size; nothing moves.

        Asks as someone who wants to read, so that who may not write can ask too.

        Raises:
            StoreUnreachableError: The server can't be used.
        """
        from gitml.store.lfs.batches import in_hundreds

        api, _ = self._api("download")
        batches = list(in_hundreds(pointers))
        if not batches:
            return []
        with ThreadPoolExecutor(min(_QUESTIONS, len(batches)), "gitml-batch") as pool:
            found = list(pool.map(lambda batch: api.ask("download", batch), batches))
        answers = {pointer: answer for part in found for pointer, answer in part.items()}
        return [p for p in dict.fromkeys(pointers) if self._lacks(p, answers.get(p))]

    def _lacks(self, pointer: Pointer, answer: Answer | None) -> bool:
        if answer is None or answer.status in _LACKS:
            return True
        if answer.status is None:
            return "download" not in answer.actions
        trouble = trouble_of(answer.status, self._ways["download"].redact(answer.message), "download")
        raise StoreUnreachableError(
            self.name,
            f"it won't tell whether it has '{pointer.oid[:12]}': {trouble.reason}",
            hint=trouble.hint,
        )

    def upload(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Send objects that the server lacks.

        One that is not here is a failure only if the server lacks it, too.

        Args:
            local: Where they are.
            pointers: Which ones.
            progress: Called, from several threads, with the number of bytes done
                since the last call.

        Raises:
            StoreUnreachableError: The server can't be used.
        """
        return self._move("upload", local, pointers, progress)

    def download(
        self, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None = None
    ) -> Transferred:
        """Fetch objects that `local` lacks; one that broke off before continues.

        Raises:
            StoreUnreachableError: The server can't be used.
        """
        return self._move("download", local, pointers, progress)

    def _move(
        self, operation: Operation, local: ObjectStore, pointers: Sequence[Pointer], progress: Advance | None
    ) -> Transferred:
        from gitml.store.lfs.batches import Batches
        from gitml.store.lfs.transfer import Transfers

        sound, unsound = _sorted_out(pointers)
        wanted = sound
        if operation == "download":
            wanted = [pointer for pointer in sound if not local.has(pointer.oid, pointer.size)]
        stopping = Stopping(progress)
        api, limits = self._api(operation, stopping)
        batches = Batches(api, operation, wanted)
        batches.begin()
        transfers = Transfers(
            self._http(operation, limits), self._ways[operation], limits, batches, local, stopping
        )
        move = transfers.upload if operation == "upload" else transfers.download
        return Transferred(failed=unsound) + move_all(sound, move, workers=limits.workers, stopping=stopping)

    def _api(self, operation: Operation, tell: Advance | None = None) -> tuple[BatchApi, Limits]:
        from gitml.store.lfs.batches import BatchApi
        from gitml.store.lfs.http import Limits

        limits = Limits.of(self._values)
        return BatchApi(self._http(operation, limits), self._ways[operation], limits, self._ref, tell), limits

    def _http(self, operation: Operation, limits: Limits) -> Http:
        from gitml.store.lfs.http import Http  # takes 50 ms to load

        endpoint = self._endpoints[operation]
        if endpoint not in self._opened:
            self._opened[endpoint] = Http(
                self._values, self._environ, limits, endpoint.url, self._extra_headers
            )
        return self._opened[endpoint]

    def close(self) -> None:
        """Let go of connections."""
        while self._opened:
            self._opened.popitem()[1].close()


def open_lfs_store(
    values: Mapping[str, str],
    remote: str,
    url: str,
    credentials: CredentialSource | None,
    *,
    lfsconfig: Mapping[str, str] | None = None,
    ref: str | None = None,
    extra_headers: Sequence[tuple[str, str]] | None = None,
) -> LfsStore:
    """Open the store that belongs to a git remote.

    Args:
        values: git's configuration.
        remote: The remote's name, or a URL.
        url: Where git fetches from it.
        credentials: Where names and passwords come from.
        lfsconfig: What stands in the repository's `.lfsconfig`.
        ref: The ref whose runs the objects belong to.
        extra_headers: The settings of `extraHeader`, in their order.

    Raises:
        NoLfsServerError: No server belongs to it.
    """
    return LfsStore(
        find_endpoint(values, remote, url, upload=False, lfsconfig=lfsconfig),
        find_endpoint(values, remote, url, upload=True, lfsconfig=lfsconfig),
        values=values,
        credentials=credentials,
        ref=ref,
        extra_headers=extra_headers,
    )


def _sorted_out(pointers: Sequence[Pointer]) -> tuple[list[Pointer], tuple[Failure, ...]]:
    """Tell pointers from what only looks like some; a server is not asked about those."""
    sound: list[Pointer] = []
    unsound: list[Failure] = []
    for pointer in dict.fromkeys(pointers):
        try:
            check(pointer)
            sound.append(pointer)
        except GitmlError as err:
            unsound.append(Failure(pointer, err))
    return sound, tuple(unsound)
