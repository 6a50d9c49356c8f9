"""Artifacts through a git host's own Git LFS server, by its batch API.

What the words mean is in Git LFS's own specification:
https://github.com/git-lfs/git-lfs/tree/main/docs/api
"""

from gitml.store.lfs.access import CredentialSource
from gitml.store.lfs.endpoint import Endpoint, NoLfsServerError, find_endpoint, find_place
from gitml.store.lfs.store import LfsStore, open_lfs_store

__all__ = [
    "CredentialSource",
    "Endpoint",
    "LfsStore",
    "NoLfsServerError",
    "find_endpoint",
    "find_place",
    "open_lfs_store",
]
