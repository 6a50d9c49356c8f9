"""The folder of a result: what it is of, which parts are finished, and that all are.

`_gitml.json` is written first and `_SUCCESS` last. A part that has a footer, with the job's key in
it, is whole: it appeared when it was, and an upload that broke off has none.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from gitml.models.scoring.errors import OtherPredictionsError
from gitml.models.scoring.job import KEY
from gitml.models.scoring.pieces import Piece
from gitml.models.scoring.places import Place

MANIFEST = "_gitml.json"
SUCCESS = "_SUCCESS"
_FORMAT = 1
_AT_ONCE = 8  # footers read at the same time


@dataclass(frozen=True, slots=True)
class Record:
    """What a result is of.

    Attributes:
        key: Hashes the model, the data and the options: what decides about the result.
        said: These, for people.
        pieces: How the data are cut.
        schema: Arrow's schema of the parts, serialized; empty where there are no rows.
    """

    key: str
    said: dict[str, Any]
    pieces: tuple[Piece, ...]
    schema: bytes


def key_of(said: dict[str, Any]) -> str:
    """Hash what decides about a result."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_record(out: Place, key: str, said: Mapping[str, Any]) -> Record | None:
    """Read what an earlier start of the same job wrote; None if the folder is empty.

    Args:
        out: The folder.
        key: Hashes what decides about the result.
        said: The same for people, to tell what differs.

    Raises:
        OtherPredictionsError: The folder has something else.
    """
    data = out.read(MANIFEST)
    if data is None:
        if others := sorted(name for name in out.names() if not name.startswith(".gitml-")):
            raise OtherPredictionsError(out.url, f"has files of something else: {', '.join(others[:3])}")
        return None
    try:
        told = json.loads(data)
        pieces = tuple(Piece(**each) for each in told["pieces"])
        found = Record(str(told["key"]), dict(told["of"]), pieces, base64.b64decode(told["schema"]))
    except (ValueError, KeyError, TypeError) as err:
        raise OtherPredictionsError(out.url, f"has a {MANIFEST} that can't be read: {err}") from err
    if found.key != key:
        raise OtherPredictionsError(out.url, _difference(found.said, said))
    return found


def _difference(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Say how the job that a folder is of differs from the one that is asked for."""
    model, wanted = there.get("model"), asked["model"]
    told = []
    if not isinstance(model, Mapping) or model.get("digest") != wanted["digest"]:
        told.append(f"{_model(model)}, and {_model(wanted)} is asked for")
    else:
        told.append(_model(model))
    told += [f"other {word}" for word in ("data", "options") if there.get(word) != asked[word]]
    return f"has predictions of {'; of '.join(told)}"


def _model(said: object) -> str:
    """Name a model as people do; with its hash where nothing else tells two of the same name apart."""
    if not isinstance(said, Mapping):
        return "another model"
    if said.get("version") is not None:
        return f"{said.get('name')!r} v{said['version']}"
    return f"{said.get('name')!r} ({str(said.get('digest'))[:19]}…)"


def write_record(out: Place, record: Record) -> None:
    """Write what a result is of."""
    told = {
        "format": _FORMAT,
        "key": record.key,
        "of": record.said,
        "schema": base64.b64encode(record.schema).decode(),
        "pieces": [asdict(piece) for piece in record.pieces],
    }
    with out.writing(MANIFEST) as stream:
        stream.write(json.dumps(told, indent=1).encode() + b"\n")


def finished(out: Place, record: Record) -> dict[int, int]:
    """Tell which parts are whole: the numbers of their pieces, and how many rows they have."""
    names = out.names()
    there = [piece for piece in record.pieces if piece.part in names]
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        rows = list(readers.map(lambda piece: _rows_of(out, piece, record.key), there))
    return {piece.number: found for piece, found in zip(there, rows, strict=True) if found is not None}


def _rows_of(out: Place, piece: Piece, key: str) -> int | None:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(out.below(piece.part), filesystem=out.files) as part:
            said = (part.schema_arrow.metadata or {}).get(KEY)
            return int(part.metadata.num_rows) if said == key.encode() else None
    except (pa.ArrowInvalid, OSError):  # half a file, or gone: it is made anew
        return None


def write_success(out: Place, outcome: Sequence[int]) -> None:
    """Say that all parts are there, and how many rows they have."""
    with out.writing(SUCCESS) as stream:
        stream.write(json.dumps({"parts": len(outcome), "rows": sum(outcome)}).encode() + b"\n")
