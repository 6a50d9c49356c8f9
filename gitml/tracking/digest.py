"""What tells the content of a file or folder from another's, for data sets.

The digest is the first 32 hexadecimal digits of a SHA-256 over the bytes of a
file; of a folder, over a line `<SHA-256 of the file>  <path>` for every file
below it, in path order.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

DIGEST_LENGTH = 32
_CHUNK = 1024**2


def path_digest(path: Path) -> str:
    """Work out the digest of a file or folder; the module says how.

    Raises:
        OSError: A file can't be read.
    """
    if not path.is_dir():
        return _file_hash(path)[:DIGEST_LENGTH]
    total = hashlib.sha256()
    for file in files_below(path):
        total.update(
            f"{_file_hash(file)}  {file.relative_to(path).as_posix()}\n".encode("utf-8", "surrogateescape")
        )
    return total.hexdigest()[:DIGEST_LENGTH]


def files_below(folder: Path) -> list[Path]:
    """List the files of a folder and of those in it, in path order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _file_hash(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
