"""Stores of artifacts by URL: folders, buckets, SFTP, and what else fsspec reaches."""

from __future__ import annotations

from gitml.store.cloud.opening import open_store

__all__ = ["open_store"]
