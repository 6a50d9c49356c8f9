"""Data sets by name and digest: `gitml.data.from_pandas`, `from_numpy`, `from_file`.

A run records what a data set is called, a digest of its content, where it came
from, its columns and its size; never the content itself. Log one with
`gitml.log_input(dataset, context="training")`.

The digest is the first 32 hexadecimal digits of a SHA-256 over

* files: the bytes; of a folder, a line `<digest of the file>  <path>` for every
  file below it, in path order;
* NumPy arrays: the dtype in little-endian form, the shape, then the values in
  C order and little-endian; of a dictionary, each key before its array;
* data frames: the column names, then pandas' 64-bit hash of each row and its
  index, little-endian.

Same content, same digest, on every machine and in every process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitml.api.data_sources import DatasetSource, get_source
from gitml.errors import InvalidValueError, NotFoundError
from gitml.tracking.digest import DIGEST_LENGTH, files_below, path_digest

if TYPE_CHECKING:
    import os

    import numpy as np
    import pandas as pd

__all__ = [
    "ArrayDataset",
    "Dataset",
    "DatasetSource",
    "FrameDataset",
    "frame_digest",
    "from_file",
    "from_numpy",
    "from_pandas",
    "get_source",
]

_CHUNK = 1024**2
_SCHEMES = {
    "": "local",
    "file": "local",
    "http": "http",
    "https": "http",
    "gs": "gs",
    "s3": "s3",
    "hf": "hugging_face",
}
_COLUMN_TYPES = {
    "bool": "boolean",
    "boolean": "boolean",
    "int8": "integer",
    "int16": "integer",
    "int32": "integer",
    "uint8": "integer",
    "uint16": "integer",
    "int64": "long",
    "uint32": "long",
    "float16": "float",
    "float32": "float",
    "float64": "double",
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set described: what is recorded never has its content.

    `schema` and `profile` are plain dictionaries in MLflow's layout: columns
    or tensor shapes; numbers of rows, elements or bytes.
    """

    name: str
    digest: str
    source: str = ""
    source_type: str = "local"
    schema: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give what a run records; schema and profile as JSON texts."""
        return {
            "name": self.name,
            "digest": self.digest,
            "source": self.source,
            "source_type": self.source_type,
            "schema": None if self.schema is None else json.dumps(self.schema),
            "profile": None if self.profile is None else json.dumps(self.profile),
        }

    def to_json(self) -> str:
        """Give `to_dict` as JSON."""
        return json.dumps(self.to_dict())


@dataclass(frozen=True, slots=True)
class FrameDataset(Dataset):
    """A data frame described, and the frame itself, which stays in this process."""

    df: pd.DataFrame | None = field(default=None, repr=False, compare=False)
    targets: str | None = None
    predictions: str | None = None


@dataclass(frozen=True, slots=True)
class ArrayDataset(Dataset):
    """Arrays described, and the arrays themselves, which stay in this process."""

    features: Any = field(default=None, repr=False, compare=False)
    targets: Any = field(default=None, repr=False, compare=False)


def from_pandas(
    df: pd.DataFrame,
    source: str | os.PathLike[str] | None = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> FrameDataset:
    """Describe a data frame.

    Args:
        df: The data.
        source: Where it came from: a path or a URL.
        targets: The column with what is to be learned.
        name: What to call it; 'dataset' if not given.
        digest: A digest that you have already, up to 36 characters.
        predictions: The column with a model's predictions.

    Raises:
        InvalidValueError: `targets` or `predictions` is not a column.
    """
    for role, column in (("targets", targets), ("predictions", predictions)):
        if column is not None and column not in df.columns:
            raise InvalidValueError(
                "data set", name or "dataset", f"{role} {column!r} is not one of its columns"
            )
    # By position: several columns may have one name.
    columns = [
        {"type": _column_type(column), "name": str(name), "required": not bool(column.hasnans)}
        for name, column in ((name, df.iloc[:, position]) for position, name in enumerate(df.columns))
    ]
    profile: dict[str, Any] = {"num_rows": len(df), "num_elements": int(df.size)}
    roles = {"targets": targets, "predictions": predictions}
    profile.update({role: column for role, column in roles.items() if column is not None})
    where, kind = _source(source)
    return FrameDataset(
        name or "dataset", digest or frame_digest(df), where, kind, {"mlflow_colspec": columns}, profile,
        df, targets, predictions,
    )  # fmt: skip


def from_numpy(
    features: np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]],
    source: str | os.PathLike[str] | None = None,
    targets: np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]] | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> ArrayDataset:
    """Describe arrays.

    Args:
        features: One array, or several by name.
        source: Where they came from: a path or a URL.
        targets: What is to be learned, in the same form.
        name: What to call it; 'dataset' if not given.
        digest: A digest that you have already, up to 36 characters.
    """
    parts = {"features": features} if targets is None else {"features": features, "targets": targets}
    profile: dict[str, Any] = {}
    for role, arrays in parts.items():
        profile[f"{role}_shape"] = _per_array(arrays, lambda array: list(array.shape))
        profile[f"{role}_size"] = _per_array(arrays, lambda array: int(array.size))
        profile[f"{role}_nbytes"] = _per_array(arrays, lambda array: int(array.nbytes))
    schema = {
        "mlflow_tensorspec": {role: json.dumps(_tensor_specs(arrays)) for role, arrays in parts.items()}
    }
    where, kind = _source(source)
    return ArrayDataset(
        name or "dataset", digest or _arrays_digest(parts), where, kind, schema, profile, features, targets
    )


def from_file(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str] | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> Dataset:
    """Describe a file, or a folder with everything below it.

    The content is read once, in pieces, to work out the digest.

    Args:
        path: The file or folder.
        source: Where it came from; `path` as you wrote it if not given.
        name: What to call it; the file's own name if not given.
        digest: A digest that you have already, up to 36 characters.

    Raises:
        NotFoundError: There is no such file or folder.
    """
    place = Path(path)
    if not place.exists():
        raise NotFoundError(f"there is no file or folder '{path}'", hint="check the path of the data set")
    files = files_below(place) if place.is_dir() else [place]
    profile: dict[str, Any] = {"num_bytes": sum(file.stat().st_size for file in files)}
    if place.is_dir():
        profile["num_files"] = len(files)
    where, kind = _source(source if source is not None else path)
    return Dataset(name or place.resolve().name, digest or path_digest(place), where, kind, None, profile)


def frame_digest(df: pd.DataFrame) -> str:
    """Work out the digest of a data frame; the module says how."""
    from pandas.util import hash_pandas_object

    total = hashlib.sha256(json.dumps([str(column) for column in df.columns]).encode())
    try:
        rows = hash_pandas_object(df, index=True)
    except TypeError:  # cells that can't be hashed, such as lists
        rows = hash_pandas_object(df.map(repr), index=True)
    total.update(rows.to_numpy().astype("<u8").tobytes())
    return total.hexdigest()[:DIGEST_LENGTH]


def _arrays_digest(parts: Mapping[str, Any]) -> str:
    total = hashlib.sha256()
    for role, arrays in parts.items():
        named = arrays if isinstance(arrays, Mapping) else {"": arrays}
        for key, array in named.items():
            total.update(f"{role}/{key}\n".encode())
            _add_array(total, array)
    return total.hexdigest()[:DIGEST_LENGTH]


def _add_array(total: hashlib._Hash, array: Any) -> None:
    import numpy as np

    array = np.asarray(array)
    if array.dtype.hasobject:
        total.update(f"object {array.shape}\n".encode())
        for item in array.flat:
            total.update(f"{item!r}\n".encode())
        return
    little = array.dtype.newbyteorder("<")
    total.update(f"{little.str} {array.shape}\n".encode())
    whole = np.ascontiguousarray(array, dtype=little).reshape(-1)
    for start in range(0, whole.size, _CHUNK):
        total.update(whole[start : start + _CHUNK].tobytes())


def _source(source: str | os.PathLike[str] | None) -> tuple[str, str]:
    if source is None:
        return "", "code"
    text = str(source)
    scheme = urlsplit(text).scheme if "://" in text else ""
    return text, _SCHEMES.get(scheme.lower(), scheme.lower())


def _column_type(column: pd.Series[Any]) -> str:
    kind = str(column.dtype)
    known = _COLUMN_TYPES.get(kind) or _COLUMN_TYPES.get(kind.lower())
    if known:
        return known
    if kind.startswith("datetime64"):
        return "datetime"
    if kind == "object" and len(column) and all(isinstance(value, bytes) for value in column):
        return "binary"
    return "string"


def _per_array(arrays: Any, describe: Any) -> Any:
    if isinstance(arrays, Mapping):
        return {key: describe(array) for key, array in arrays.items()}
    return describe(arrays)


def _tensor_specs(arrays: Any) -> list[dict[str, Any]]:
    named = arrays if isinstance(arrays, Mapping) else {None: arrays}
    return [
        {
            **({"name": key} if key is not None else {}),
            "type": "tensor",
            "tensor-spec": {"dtype": str(array.dtype), "shape": [-1, *array.shape[1:]]},
        }
        for key, array in named.items()
    ]
