"""File systems as Arrow and fsspec have them: folders here, and S3, Google, Azure, HDFS and others by URL."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from gitml.errors import MissingExtraError, NotFoundError, UsageError
from gitml.models.scoring.errors import PlaceError
from gitml.tracking.secrets import strip_url_credentials

_BLOCK = 1 << 20
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class File:
    """A file that was found.

    Attributes:
        path: Where it is, as its file system says.
        size: How many bytes it has.
        changed: When it changed last, in nanoseconds; None if the file system does not say.
    """

    path: str
    size: int
    changed: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder, and the file system that it is in.

    Attributes:
        url: What the user called it; an absolute path if it is here.
        files: Arrow's file system.
        path: What that calls it.
        here: Whether it is a folder of this machine.
    """

    url: str
    files: Any
    path: str
    here: bool

    def found(self) -> list[File]:
        """List the file, the files below the folder, or what the pattern fits, by name.

        Names that begin with `.` or `_` are no data, as Spark has it.

        Raises:
            NotFoundError: There is nothing.
            PlaceError: It can't be listed.
        """
        from pyarrow import fs  # type: ignore[import-untyped]

        with explained(self.url):
            base, pattern = self.path, None
            info = self.files.get_file_info(base)
            if info.type == fs.FileType.NotFound and _MAGIC.search(base):
                base, pattern = _split_pattern(base)
                info = self.files.get_file_info(base)
            if info.type == fs.FileType.NotFound:
                raise NotFoundError(f"there is no file or folder '{strip_url_credentials(self.url)}'")
            if info.type == fs.FileType.File:
                return [_file(info)]
            listed = self.files.get_file_info(fs.FileSelector(base, recursive=True))
        below = len(base.rstrip("/")) + 1
        return sorted(
            (
                _file(each)
                for each in listed
                if each.type == fs.FileType.File and _is_data(each.path[below:], pattern)
            ),
            key=lambda file: file.path,
        )

    def below(self, name: str) -> str:
        """Give the path of a file in the folder."""
        return f"{self.path.rstrip('/')}/{name}"

    def read(self, name: str) -> bytes | None:
        """Read a small file in the folder; None if there is none."""
        with explained(self.url):
            try:
                with self.files.open_input_file(self.below(name)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

    def names(self) -> set[str]:
        """Name what is in the folder; nothing if there is no such folder.

        Raises:
            UsageError: It is a file.
        """
        from pyarrow import fs

        with explained(self.url):
            if self.files.get_file_info(self.path).type == fs.FileType.File:
                raise UsageError(f"'{self.url}' is a file", hint="give a folder: -o predictions")
            listed = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return {each.base_name for each in listed}

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file in the folder; it appears when it is whole."""
        if self.here:
            folder = Path(self.path)
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f".gitml-{uuid.uuid4().hex}"
            try:
                with temporary.open("xb") as stream:
                    yield stream
                os.replace(temporary, folder / name)
            finally:
                temporary.unlink(missing_ok=True)
            return
        # Closing an upload that broke off would leave half a file: nothing goes out before all of it is there.
        with tempfile.TemporaryFile() as stream:
            yield stream
            stream.seek(0)
            with explained(self.url):
                with suppress(NotImplementedError):  # buckets have no folders
                    self.files.create_dir(self.path, recursive=True)
                with self.files.open_output_stream(self.below(name)) as target:
                    while block := stream.read(_BLOCK):
                        target.write(block)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Say what a file system could not do.

    Raises:
        PlaceError: What it raised.
    """
    try:
        yield
    except FileNotFoundError as err:
        raise NotFoundError(f"'{strip_url_credentials(url)}': {err}") from err
    except OSError as err:
        raise PlaceError(url, str(err)) from err


@lru_cache(maxsize=64)
def open_place(url: str) -> Place:
    """Find the file system of a path or URL.

    Raises:
        MissingExtraError: A package for it is not installed.
        UsageError: There is no such file system, or the URL has a password.
        PlaceError: It can't be reached.
    """
    try:
        from pyarrow import fs
    except ImportError as err:
        raise MissingExtraError("scoring files", "parquet") from err
    if "://" not in url or url.startswith("file://"):
        path = os.path.abspath(url.removeprefix("file://") or ".")
        return Place(path, fs.LocalFileSystem(), path, here=True)
    if strip_url_credentials(url) != url:
        raise UsageError(
            f"'{strip_url_credentials(url)}' was given with a password, which would be recorded",
            hint="credentials come from the environment or the provider's usual files",
        )
    with explained(url):
        files, path = _by_arrow(url, fs) or _by_fsspec(url, fs)
    return Place(url, files, path.rstrip("/"), here=False)


def _by_arrow(url: str, fs: Any) -> tuple[Any, str] | None:
    import pyarrow as pa

    # A pattern is no URI to Arrow; what it means is looked at later.
    base = _MAGIC.split(url.partition("?")[0], maxsplit=1)[0] if _MAGIC.search(_without_query(url)) else None
    try:
        if base is None:
            files, path = fs.FileSystem.from_uri(url)
            return files, str(path)
        query = url[len(_without_query(url)) :]
        files, path = fs.FileSystem.from_uri(base + query)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ImportError):
        return None
    return files, str(path).rstrip("/") + _without_query(url)[len(base.rstrip("/")) :]


def _without_query(url: str) -> str:
    """Leave out options such as `?region=…`; a `?` of a pattern has no `=` after it."""
    found = re.search(r"\?[a-z_]+=[^?]*$", url)
    return url[: found.start()] if found else url


def _by_fsspec(url: str, fs: Any) -> tuple[Any, str]:
    scheme = url.partition("://")[0]
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError as err:
        raise MissingExtraError(f"{scheme}://", "cloud") from err
    try:
        files, path = fsspec.url_to_fs(url)
    except (ValueError, ImportError) as err:
        raise UsageError(
            f"nothing here reads {scheme}://: {err}", hint="give a path, s3://, gs://, abfs:// or hdfs://"
        ) from err
    return fs.PyFileSystem(fs.FSSpecHandler(files)), str(path)


def _file(info: Any) -> File:
    return File(str(info.path), int(info.size or 0), info.mtime_ns)


def _split_pattern(path: str) -> tuple[str, Callable[[str], object]]:
    """Split a pattern at the last `/` before its first `*`, `?` or `[`."""
    found = _MAGIC.search(path)
    base = path[: path.rindex("/", 0, found.start()) + 1] if found else path
    return base.rstrip("/") or "/", re.compile(_translated(path[len(base) :])).fullmatch


def _translated(pattern: str) -> str:
    """Make a regular expression of a pattern: `**/` is any folders, `*` and `?` stay in one name."""
    made = []
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\])", pattern):
        if part.startswith("[") and part.endswith("]") and len(part) > 2:
            made.append(
                "["
                + ("^" if part[1] == "!" else "")
                + re.escape(part[1:-1].lstrip("!")).replace(r"\-", "-")
                + "]"
            )
        else:
            made.append({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)))
    return "".join(made)


def _is_data(name: str, fits: Callable[[str], object] | None) -> bool:
    return not any(part.startswith((".", "_")) for part in name.split("/")) and (
        fits is None or bool(fits(name))
    )
