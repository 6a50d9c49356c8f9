"""Which store a remote's artifacts travel through.

| pointer | remote | store |
|---|---|---|
| Git LFS | a path, `file://` | `lfs/objects` of that repository, as git-lfs does |
| Git LFS | any other URL | the host's Git LFS server |
| Git LFS | any for which `lfs.url` or `remote.<name>.lfsurl` says so | there |
| gitml's own | any | `gitml.artifacts.url` |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitml.errors import UsageError
from gitml.git.lfsconfig import read_lfsconfig
from gitml.git.remote import Remote
from gitml.repo import Repo
from gitml.store.base import RemoteStore
from gitml.store.folder import FolderStore, local_path, remote_objects
from gitml.store.split import SplitStore


class NoArtifactStoreError(UsageError):
    """Pointers of gitml's own kind, and no word on where their objects are."""

    def __init__(self) -> None:
        super().__init__(
            "artifacts of these runs travel through a store of their own, and this repository does not say which",
            hint="ask whoever recorded them, then: gitml remote artifacts URL",
        )


def open_remote_store(repo: Repo, remote: str, *, lfs: bool, url: str | None = None) -> RemoteStore:
    """Open the store that a remote's artifacts travel through; the caller closes it.

    Args:
        repo: The repository.
        remote: The remote's name, or a URL or path.
        lfs: For pointers of Git LFS; else for gitml's own kind.
        url: Where the remote is, if that is known already (git tells it to hooks).

    Raises:
        NoArtifactStoreError: Nothing says where gitml's own objects are.
        StoreUnreachableError: It can't be used.
        MissingExtraError: What speaks its protocol is not installed.
    """
    base = repo.git.work_tree or repo.git.git_dir
    if not lfs:
        if repo.settings.artifacts_url is None:
            raise NoArtifactStoreError
        from gitml.store.cloud import open_store  # fsspec and clients of clouds: only who has such a store

        return open_store(repo.settings.artifacts_url, repo.settings.values)
    url = Remote(repo.git.process, remote).url if url is None else url
    lfsconfig = read_lfsconfig(repo.git.process, repo.git.work_tree)
    path = local_path(url, base)
    if path is not None and not _is_elsewhere(remote, repo.settings.values, lfsconfig):
        return FolderStore(remote_objects(path), remote)
    return _open_lfs(repo, remote, url, base, lfsconfig)


def _is_elsewhere(remote: str, *settings: Mapping[str, str]) -> bool:
    """Whether something is set that may lead away from a remote's own repository."""
    keys = {"lfs.url", "lfs.pushurl"}
    keys.update(f"remote.{remote}.{key}" for key in ("lfsurl", "lfspushurl", "pushurl"))
    return any(not keys.isdisjoint(values) for values in settings)


def _open_lfs(repo: Repo, remote: str, url: str, base: Path, lfsconfig: Mapping[str, str]) -> RemoteStore:
    from gitml.git.credentials import GitCredentials
    from gitml.store.lfs import Endpoint, LfsStore, find_place  # HTTP, only for who has such a remote

    def open_place(down: Endpoint | Path, up: Endpoint | Path | None = None) -> RemoteStore:
        if isinstance(down, Path):
            return FolderStore(remote_objects(down), remote)
        return LfsStore(
            down,
            up if isinstance(up, Endpoint) else None,
            values=repo.settings.values,
            credentials=GitCredentials(repo.git.process),
            extra_headers=repo.settings.extra_headers,
        )

    down, up = (
        find_place(repo.settings.values, remote, url, upload=upload, base=base, lfsconfig=lfsconfig)
        for upload in (False, True)
    )
    if down == up or (isinstance(down, Endpoint) and isinstance(up, Endpoint)):
        return open_place(down, up)
    return SplitStore(open_place(down), open_place(up))
