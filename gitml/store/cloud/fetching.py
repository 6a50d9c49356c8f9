"""Files and folders of a bucket or machine as they are there, not as objects by content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from gitml.errors import NotFoundError
from gitml.formats.names import check_artifact_path
from gitml.progress import Advance
from gitml.store.cloud.address import parse_address
from gitml.store.cloud.opening import open_place
from gitml.store.incoming import Block


def fetch(
    url: str, settings: Mapping[str, str], environ: Mapping[str, str], folder: Path, progress: Advance
) -> Path:
    """Copy the file or folder that a URL means.

    Args:
        url: `s3://`, `gs://`, `az://`, `abfs://`, `sftp://`, or another one that `open_store` knows.
        settings: git's configuration, for the options of the store.
        environ: Where credentials are looked for.
        folder: An empty one, to put it into by its own name.
        progress: Called with the number of bytes done since the last call.

    Returns:
        Where the file or folder is now.

    Raises:
        NotFoundError: There is nothing.
        InvalidNameError: A name there can't be one here.
        RemoteError: It can't be reached.
        UsageError: The URL means no store.
    """
    address = parse_address(url)
    target = folder / check_artifact_path(address.path.rpartition("/")[2] or address.host)
    with closing(open_place(address, settings, environ, address.url)) as place:
        found = False
        for name, _ in place.files():
            found = True
            path = target / check_artifact_path(name) if name else target
            write_new(path, place.content(name), progress)
    if not found:
        raise NotFoundError(f"there is nothing at '{address.url}'", hint="correct the URL")
    return target


def write_new(path: Path, content: Iterable[Block], progress: Advance) -> None:
    """Write a file that is not there yet; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        for block in content:
            stream.write(block)
            progress(len(block))
