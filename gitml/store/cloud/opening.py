"""From a URL to a store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import MissingExtraError, UsageError
from gitml.store.base import ManagedStore
from gitml.store.cloud.address import Address, parse_address, shown
from gitml.store.folder import FolderStore, local_path

if TYPE_CHECKING:
    from gitml.store.cloud.place import Place

_BUCKETS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "google",
    "gcs": "google",
    "az": "azure",
    "azure": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
_SFTP = ("sftp", "ssh")
_KNOWN = "a path, file://, s3://, gs://, az://, abfs://, sftp://"
# Of fsspec: views of other file systems, and what has no place of its own to write to.
_NO_STORES = (
    "arrow_hdfs", "asynclocal", "async_wrapper", "blockcache", "cached", "data", "dir", "file", "filecache",
    "generic", "git", "github", "gitlab", "http", "https", "jlab", "jupyter", "libarchive", "local", "reference",
    "simplecache", "tar", "zip",
)  # fmt: skip


def open_store(
    url: str,
    settings: Mapping[str, str],
    name: str | None = None,
    *,
    base: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> ManagedStore:
    """Open the store that a URL means.

    Args:
        url: A path, `file://`, `s3://`, `gs://`, `az://`, `abfs://`, `sftp://`, or of
            another protocol that fsspec has a package for; a folder in it may follow.
        settings: git's configuration; `gitml.artifacts.option.NAME` are the store's options.
        name: What messages call it; the URL if not given.
        base: What a relative path is relative to; without it one is refused.
        environ: Where providers' tools look for endpoints and credentials; the process's if not given.

    Raises:
        UsageError: The URL or an option means nothing, or has a secret in it.
        MissingExtraError: A package for it is not installed.
        RemoteError: It can't be reached; most stores are only reached when they are used.
    """
    path = local_path(url, base or Path())
    if path is not None:
        if not path.is_absolute():
            raise UsageError(f"the store '{url}' is a relative path", hint=f"write it as '{path.absolute()}'")
        return FolderStore(path, name or url, anchor=path.parent)
    if "://" not in url and ":" in url:
        host, _, rest = url.partition(":")
        raise UsageError(
            f"the store '{shown(url)}' is no URL", hint=f"write it as sftp://{host}/{rest.lstrip('/')}"
        )
    address = parse_address(url)
    from gitml.store.cloud.store import CloudStore

    return CloudStore(
        open_place(address, settings, os.environ if environ is None else environ, name or address.url)
    )


def open_place(address: Address, settings: Mapping[str, str], environ: Mapping[str, str], name: str) -> Place:
    """Open what a URL means that is no folder of this machine.

    Args:
        address: The URL.
        settings: As for `open_store`.
        environ: As for `open_store`.
        name: What messages call it.

    Raises:
        UsageError: The URL or an option means nothing, or has a secret in it.
        MissingExtraError: A package for it is not installed.
        RemoteError: It can't be reached.
    """
    if address.scheme in _BUCKETS:
        return _bucket(address, settings, environ, name)
    if address.scheme in _SFTP:
        try:
            from gitml.store.cloud.ssh import open_sftp
        except ImportError as err:
            raise MissingExtraError(f"the store '{name}'", "sftp") from err
        return open_sftp(address, settings, name)
    return _other(address, settings, name)


def _bucket(address: Address, settings: Mapping[str, str], environ: Mapping[str, str], name: str) -> Place:
    try:
        from gitml.store.cloud import providers
    except ImportError as err:
        raise MissingExtraError(f"the store '{name}'", "cloud") from err
    opener = getattr(providers, _BUCKETS[address.scheme])
    place: Place = opener(address, settings, environ, name)
    return place


def _other(address: Address, settings: Mapping[str, str], name: str) -> Place:
    """A file system that fsspec has, or that an installed package gives it."""
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError as err:
        raise MissingExtraError(f"the store '{name}'", "cloud") from err
    from gitml.store.cloud.failures import Help, explain, summary
    from gitml.store.cloud.files import FilePlace
    from gitml.store.cloud.options import Options

    if address.scheme in _NO_STORES or address.scheme not in fsspec.available_protocols():
        raise UsageError(
            f"gitml knows no store '{address.scheme}://'",
            hint=f"it knows {_KNOWN}, and what fsspec has packages for, such as webdav://",
        )
    options = Options(settings, f"'{address.scheme}'", None).others()
    advice = Help(
        f"folder '{address.path}'",
        f"see how fsspec's '{address.scheme}' signs in; its own configuration and FSSPEC_* variables are read",
        "read and write the folder",
    )
    try:
        files, root = fsspec.url_to_fs(address.url, **options)
    except ImportError as err:
        raise UsageError(f"'{address.scheme}://' needs a package: {summary(err)}") from err
    except (TypeError, ValueError) as err:
        raise UsageError(
            f"the store '{name}' can't be used: {summary(err)}", hint=advice.credentials
        ) from err
    except OSError as err:
        raise explain(name, advice, err, None) from err
    files.use_listings_cache = False
    return FilePlace(files, str(root), name, advice)
