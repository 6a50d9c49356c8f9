"""Files cut into pieces, each of which becomes one part of the result."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from gitml.errors import InvalidValueError, NotFoundError, UsageError
from gitml.models.scoring.places import File, Place, explained, open_place
from gitml.models.tables.csv_rows import row_ends

PART_ROWS = 1_000_000
_PART_BYTES = 64 << 20
_FORMATS = {"csv": "csv", "parquet": "parquet", "pq": "parquet"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a file that are scored together.

    Attributes:
        number: Its place among all.
        place: The path or URL whose file system has the file.
        path: The file, as that calls it.
        kind: `csv` or `parquet`.
        begin: The first byte of a CSV file, or the first row group.
        end: Behind the last one.
        head: How many bytes of a CSV file are its header.
        first_row: How many rows of the file are before it.
        rows: How many rows it has.
    """

    number: int
    place: str
    path: str
    kind: str
    begin: int
    end: int
    head: int
    first_row: int
    rows: int

    @property
    def part(self) -> str:
        """The file that its predictions go to."""
        return f"part-{self.number:05d}.parquet"

    @property
    def file(self) -> str:
        """What messages call the file."""
        scheme, separator, _ = self.place.partition("://")
        return f"{scheme}{separator}{self.path}" if separator else self.path


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file to be scored: where it is, and its format."""

    place: str
    file: File
    kind: str

    def said(self) -> dict[str, Any]:
        """Say which file it is, for the record."""
        return {"path": self.file.path, "size": self.file.size, "changed_ns": self.file.changed}


def find_files(sources: Sequence[str]) -> list[DataFile]:
    """Find the CSV and Parquet files that paths, folders, patterns and URLs mean; each once.

    Raises:
        NotFoundError: One of them has none.
        UsageError: A file is of another format.
    """
    found: dict[tuple[str, str], DataFile] = {}
    for source in sources:
        place = open_place(source)
        listed = place.found()
        known = [file for file in listed if _kind(file.path)]
        if not known:
            if len(listed) == 1 and listed[0].path == place.path:
                raise UsageError(f"'{source}' is no .csv or .parquet file", hint="convert it to Parquet")
            raise NotFoundError(f"there are no .csv or .parquet files in '{source}'")
        for file in known:
            key = (place.url.partition("://")[0] if not place.here else "", file.path)
            found.setdefault(key, DataFile(place.url, file, str(_kind(file.path))))
    return list(found.values())


def _kind(path: str) -> str | None:
    return _FORMATS.get(path.rpartition(".")[2].lower())


def cut(files: Sequence[DataFile], part_rows: int) -> list[Piece]:
    """Cut files into pieces: at the ends of rows, or of Parquet's row groups.

    Raises:
        InvalidValueError: A file is not in its format.
    """
    pieces: list[Piece] = []
    for each in files:
        place = open_place(each.place)
        cutter = _cut_csv if each.kind == "csv" else _cut_parquet
        with explained(each.place), _told(each):
            for begin, end, head, first, rows in cutter(place, each.file, part_rows):
                pieces.append(
                    Piece(len(pieces), each.place, each.file.path, each.kind, begin, end, head, first, rows)
                )
    return pieces


@contextmanager
def _told(file: DataFile) -> Iterator[None]:
    try:
        yield
    except ValueError as err:  # Arrow's are of that kind
        raise InvalidValueError("file", file.file.path, f"it can't be read as {file.kind}: {err}") from err


_Cut = Iterator[tuple[int, int, int, int, int]]


def _cut_csv(place: Place, file: File, part_rows: int) -> _Cut:
    with _reading(place, file.path) as stream:
        ends = row_ends(stream)
        begin = head = next(ends, 0)
        first = rows = end = 0
        for end in ends:
            rows += 1
            if rows >= part_rows or end - begin >= _PART_BYTES:
                yield begin, end, head, first, rows
                begin, first, rows = end, first + rows, 0
        if rows:
            yield begin, end, head, first, rows


def _reading(place: Place, path: str) -> IO[bytes]:
    if place.here:
        return open(path, "rb", buffering=1 << 20)
    return io.BufferedReader(place.files.open_input_file(path), 4 << 20)


def _cut_parquet(place: Place, file: File, part_rows: int) -> _Cut:
    from pyarrow import parquet  # type: ignore[import-untyped]

    with parquet.ParquetFile(file.path, filesystem=place.files) as opened:
        metadata = opened.metadata
    begin = first = rows = size = 0
    for group in range(metadata.num_row_groups):
        said = metadata.row_group(group)
        rows += said.num_rows
        size += said.total_byte_size
        if rows >= part_rows or size >= _PART_BYTES or group == metadata.num_row_groups - 1:
            if rows:
                yield begin, group + 1, 0, first, rows
            begin, first, rows, size = group + 1, first + rows, 0, 0


def to_json(piece: Piece) -> str:
    """Write a piece for a worker elsewhere."""
    return json.dumps(asdict(piece))


def from_json(text: str) -> Piece:
    """Read `to_json` again."""
    return Piece(**json.loads(text))
