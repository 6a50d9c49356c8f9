"""Which store a remote's artifacts travel through.

| pointer | remote | store |
|---|---|---|
| Git LFS | a path, `file://` | `lfs/objects` of that repository, as git-lfs does |
| Git LFS | any other URL | the host's Git LFS server |
| gitml's own | any | `gitml.artifacts.url` |
"""

from __future__ import annotations

from gitml.errors import UsageError
from gitml.git.remote import Remote
from gitml.repo import Repo
from gitml.store.base import RemoteStore
from gitml.store.folder import FolderStore, local_path, remote_objects


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
    path = local_path(url, base)
    if path is not None:
        return FolderStore(remote_objects(path), remote)
    from gitml.git.credentials import GitCredentials
    from gitml.git.lfsconfig import read_lfsconfig
    from gitml.store.lfs import open_lfs_store  # HTTP, only for who has such a remote

    return open_lfs_store(
        repo.settings.values,
        remote,
        url,
        GitCredentials(repo.git.process),
        lfsconfig=read_lfsconfig(repo.git.process, repo.git.work_tree),
        extra_headers=repo.settings.extra_headers,
    )
