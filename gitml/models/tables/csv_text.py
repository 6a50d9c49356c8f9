"""CSV with a line of names first, as columns of the types that a signature says.

pandas' reader does it at once where it can. Where it can't, column by column is read as text and made
what it should be, so that whole numbers may be written `1.0` and the first cell that does not fit is named.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, Schema, TensorSpec
from gitml.entities.signature_types import AnyType, Array, Map, Object
from gitml.errors import UsageError
from gitml.models.signatures.columns import MISSING_HINT
from gitml.models.signatures.enforce import type_name
from gitml.models.signatures.json_columns import converter
from gitml.models.signatures.problems import Mismatch, Problem, SchemaError

if TYPE_CHECKING:
    import pandas as pd

Specs = Mapping[Any, ColSpec | TensorSpec]
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_WHOLE = (DataType.integer, DataType.long)
_EXACT = 2**53  # every whole number up to here is a float of its own
_SHOWN = 200
_HEAD = 1 << 20  # characters in which the first lines are looked for


class CsvError(UsageError):
    """Text that is no table of CSV; says why, and in which row."""


def read_csv(text: str, schema: Schema | None, *, first_row: int = 0) -> pd.DataFrame:
    """Read a table.

    Args:
        text: A line of names, then the rows.
        schema: What the columns should be; None: whatever they look like.
        first_row: What the first row is called in messages.

    Raises:
        CsvError: It is no table.
        SchemaError: A column is not of its type; says which, and what is in it.
    """
    import pandas as pd

    specs = _specs(text, schema)
    _require_no_index(text, first_row)
    try:
        frame = pd.read_csv(io.StringIO(text), dtype=_dtypes(specs) or None)
    except (ValueError, TypeError, OverflowError) as err:  # pandas' own errors are ValueErrors
        frame = _as_texts(text, first_row, str(err))
        late = specs
    else:
        late = {name: spec for name, spec in specs.items() if _is_late(spec.type)}
    return _converted(frame, late, first_row) if late else frame


def require_same_widths(text: str, first_row: int) -> None:
    """Check that each row has as many values as there are names.

    Raises:
        CsvError: One has more or fewer; says which.
    """
    try:
        rows = csv.reader(io.StringIO(text, newline=""))
        names = len(next(rows, []))
        number = first_row
        for row in rows:
            if row and len(row) != names:
                raise CsvError(
                    f"row {number:,} has {len(row)} values, and the first line {names} names",
                    hint="give each row a value for each name; one with a comma in it stands in quotes",
                )
            number += bool(row)
    except csv.Error:  # it has limits that pandas lacks
        return


def _specs(text: str, schema: Schema | None) -> Specs:
    """Say by name what columns should be."""
    if schema is None:
        return {}
    if schema.has_input_names():
        return dict(schema.input_dict())
    names = next(csv.reader(io.StringIO(text[:_HEAD], newline="")), [])
    specs = schema.inputs * len(names) if schema.is_tensor_spec() else schema.inputs
    return dict(zip(names, specs, strict=False))


def _dtypes(specs: Specs) -> dict[Any, Any]:
    """Say what pandas' reader should make of columns; what it can't make, stays text."""
    import numpy as np

    found = {}
    for name, spec in specs.items():
        kind = spec.type
        if isinstance(kind, np.dtype):
            found[name] = kind if kind.kind in "biuf" else np.dtype(object)
        else:
            found[name] = (
                kind.to_pandas() if isinstance(kind, DataType) and not _is_late(kind) else np.dtype(object)
            )
    return found


def _is_late(kind: Any) -> bool:
    """Whether a column is read as text and made what it is afterwards."""
    return kind is DataType.datetime or isinstance(kind, (Array, Object, Map, AnyType))


def _as_texts(text: str, first_row: int, why: str) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(io.StringIO(text), dtype=object)
    except (ValueError, TypeError, OverflowError) as err:
        require_same_widths(text, first_row)
        raise CsvError(f"{why:.{_SHOWN}}") from err
    return frame


def _require_no_index(text: str, first_row: int) -> None:
    """Refuse a first row that is longer than the line of names: pandas makes an index of what is too much."""
    head, line = (*text[:_HEAD].split("\n", 2), "")[:2]
    if '"' not in head and '"' not in line and line.strip() and line.count(",") <= head.count(","):
        return
    rows = (row for row in csv.reader(io.StringIO(text[:_HEAD], newline="")) if row)
    try:
        names, row = next(rows, []), next(rows, [])
    except csv.Error:  # pandas says it
        return
    if len(row) > len(names):
        require_same_widths(text, first_row)


def _converted(frame: pd.DataFrame, specs: Specs, first_row: int) -> pd.DataFrame:
    problems = []
    for name, spec in specs.items():
        if name not in frame.columns:
            continue
        values = [None if value != value else value for value in list(frame[name])]
        try:
            frame[name] = _typed(values, spec)
        except Mismatch as err:
            expected = type_name(spec.type) if isinstance(spec, ColSpec) else spec.dtype
            problems.append(Problem(name, expected, err.given, err.hint))
    if problems:
        raise SchemaError(problems, error_code="BAD_REQUEST").counted_from(first_row)
    return frame


def _typed(values: list[Any], spec: ColSpec | TensorSpec) -> Any:
    if isinstance(spec, TensorSpec):
        return _tensor(values, spec)
    kind = spec.type
    if not isinstance(kind, DataType):
        return _objects(converter(kind, spec.required)(_each(values, _parsed)))
    if kind in (DataType.string, DataType.binary):
        return _objects(values)
    if kind is DataType.boolean:
        return converter(kind, spec.required)(_filled(_each(values, _flag), spec.required))
    if kind in _WHOLE:
        return converter(kind, spec.required)(_each(_filled(values, True), _whole))
    if kind is not DataType.datetime:
        values = _each(values, _number)
    return converter(kind, spec.required)(values)


def _tensor(values: list[Any], spec: TensorSpec) -> Any:
    import numpy as np

    kind = spec.type
    if kind.kind in "iu":
        values = _each(_filled(values, True), _whole)
    elif kind.kind == "b":
        values = _each(_filled(values, True), _flag)
    elif kind.kind == "f":
        values = _each(values, _number)
    else:
        return _objects(values)
    try:
        return np.array(values, dtype=kind)
    except (ValueError, TypeError, OverflowError) as err:
        raise Mismatch(f"{err!s:.100}") from err


def _filled(values: list[Any], required: bool) -> list[Any]:
    """Refuse a gap where there is nothing that could stand for one."""
    if required and None in values:
        raise Mismatch(f"got nothing in row {values.index(None)}", MISSING_HINT)
    return values


def _each(values: list[Any], take: Callable[[Any], Any]) -> list[Any]:
    taken = []
    for row, value in enumerate(values):
        try:
            taken.append(None if value is None else take(value))
        except (ValueError, KeyError, OverflowError) as err:
            raise Mismatch(f"got {value!r:.60} in row {row}") from err
    return taken


def _number(text: Any) -> float:
    if "_" in str(text):  # which Python takes
        raise ValueError(text)
    return float(text)


def _whole(text: Any) -> int:
    if "_" in str(text):
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer() or abs(number) > _EXACT:
            raise
        return int(number)


def _flag(text: Any) -> bool:
    return _FLAGS[str(text).strip().lower()]


def _parsed(text: Any) -> Any:
    """Read what a list or an object is written as: JSON."""
    return json.loads(text) if isinstance(text, str) else text


def _objects(values: Any) -> Any:
    import pandas as pd

    return pd.Series(list(values), dtype=object)
