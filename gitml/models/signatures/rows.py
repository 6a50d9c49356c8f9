"""Rows of parsed JSON as columns of a signature, without pandas: the quick way from a request to a model.

JSON has fewer types than a signature, so more is converted than for a data frame: numbers
into every type of number that holds them, texts of numbers and times, base64 into bytes,
None into NaN. What MLflow would cut off in silence (1.5 for a `long`) is refused.

    read = compile_rows(schema)
    read.matrix(rows)            # all numbers, one array
    read.frame(rows)             # a data frame
    read.columns(rows)           # a dictionary of arrays
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, Schema
from gitml.entities.signature_values import described
from gitml.models.signatures.enforce import type_name
from gitml.models.signatures.json_columns import converter
from gitml.models.signatures.problems import Mismatch, Problem, SchemaError, extra_columns, whole
from gitml.models.signatures.telling import warn

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NUMBERS = (DataType.double, DataType.float)


def cast_records(rows: Sequence[Mapping[str, Any]], schema: Schema) -> dict[Any, np.ndarray[Any, Any]]:
    """Make columns of rows; see `RowReader.columns`. Where it is done often, `compile_rows` once.

    Raises:
        SchemaError: The rows don't fit the schema.
    """
    return compile_rows(schema).columns(rows)


def compile_rows(schema: Schema) -> RowReader:
    """Make the reader of rows for a schema made of columns.

    Raises:
        SchemaError: The schema is made of tensors.
    """
    if schema.is_tensor_spec():
        raise whole("a schema of tensors", "a schema of columns")
    return RowReader(schema)


class RowReader:
    """Reads rows for one schema.

    Attributes:
        names: The columns in order; places from 0 where they have no names.
        dtype: The one dtype of all columns, if they are all `double` or all `float`; such rows
            can be read by `matrix`.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.named = schema.has_input_names()
        self.names = schema.input_names()
        self._known = frozenset(self.names)
        self._specs = [each for each in schema.inputs if isinstance(each, ColSpec)]
        self._convert = [converter(each.type, each.required) for each in self._specs]
        kinds = {each.type for each in self._specs}
        kind = next(iter(kinds))
        flat = len(kinds) == 1 and isinstance(kind, DataType) and kind in NUMBERS
        self.dtype: np.dtype[Any] | None = kind.to_numpy() if flat and isinstance(kind, DataType) else None
        self._names_index: pd.Index[Any] | None = None
        self._pick: Callable[[Any], Any] | None = None
        if self.named:
            get = itemgetter(*self.names)
            self._pick = get if len(self.names) > 1 else lambda row: (get(row),)

    def matrix(self, rows: Sequence[Any], columns: Sequence[Any] | None = None) -> np.ndarray[Any, Any]:
        """Make one array of rows and columns, for a schema that has a `dtype`.

        Args:
            rows: Dictionaries; lists, if `columns` are given or the schema has no names.
            columns: What the values of a row are called.

        Raises:
            SchemaError: The rows don't fit; the message is that of `columns`.
        """
        if self.dtype is not None and (quick := self._quick(rows, columns)) is not None:
            return quick
        import numpy as np

        read = self.columns(rows, columns)
        if self.dtype is None:
            raise whole(
                "columns of several types, or of one that is no floating point number", "one type of number"
            )
        absent = np.full(len(rows), np.nan, self.dtype)
        return np.column_stack([read.get(name, absent) for name in (self.names if self.named else read)])

    def frame(self, rows: Sequence[Any], columns: Sequence[Any] | None = None) -> pd.DataFrame:
        """Make a data frame that fits the schema; see `columns`."""
        import pandas as pd

        if self.dtype is not None and self.named and (quick := self._quick(rows, columns)) is not None:
            return pd.DataFrame(quick, columns=self._index(), copy=False)
        return pd.DataFrame(self.columns(rows, columns), index=range(len(rows)))

    def columns(
        self, rows: Sequence[Any], columns: Sequence[Any] | None = None
    ) -> dict[Any, np.ndarray[Any, Any]]:
        """Make an array of each column.

        An optional column that no row has is left out. Columns that the schema lacks are left
        out with a warning.

        Args:
            rows: Dictionaries; lists, if `columns` are given or the schema has no names.
            columns: What the values of a row are called.

        Raises:
            SchemaError: The rows don't fit; names every column that doesn't. Its `error_code` is
                MLflow's: BAD_REQUEST for values that can't be converted.
        """
        if not isinstance(rows, (list, tuple)):
            raise whole(described(rows), "a list of rows")
        by_name, extra = self._by_name(rows, columns)
        names = self.names if self.named else list(by_name)[: len(self._specs)]
        problems = self._missing(by_name)
        fitted: dict[Any, np.ndarray[Any, Any]] = {}
        code = None
        for name, spec, convert in zip(names, self._specs, self._convert, strict=False):
            if name not in by_name:
                continue
            try:
                fitted[name] = convert(by_name[name])
            except Mismatch as err:
                code = "BAD_REQUEST"
                problems.append(Problem(name, type_name(spec.type), err.given, err.hint))
        if problems:
            raise SchemaError(problems, extra=extra, error_code=code)
        if extra:
            warn(extra_columns(extra))
        return fitted

    def _quick(self, rows: Sequence[Any], columns: Sequence[Any] | None) -> np.ndarray[Any, Any] | None:
        """Read what needs no message; None where something is to be said, or converted one by one."""
        import numpy as np

        if columns is None and self._pick is not None:
            try:
                if max(map(len, rows)) > len(self.names):
                    return None
                rows = [self._pick(row) for row in rows]
            except (KeyError, TypeError, ValueError, IndexError):
                return None
        elif self.named and list(columns or ()) != self.names:
            return None
        try:
            with np.errstate(over="ignore"):
                array = np.array(rows, dtype=self.dtype)
        except (ValueError, TypeError, OverflowError):
            return None
        if array.dtype == np.float32 and np.isinf(array).any():
            return None  # one by one: was it infinite before?
        return array if array.ndim == 2 and array.shape[1] == len(self.names) else None

    def _index(self) -> pd.Index[Any]:
        import pandas as pd

        if self._names_index is None:
            self._names_index = pd.Index(self.names)
        return self._names_index

    def _by_name(
        self, rows: Sequence[Any], columns: Sequence[Any] | None
    ) -> tuple[dict[Any, list[Any]], list[Any]]:
        if columns is not None or (not self.named and not (rows and isinstance(rows[0], Mapping))):
            return self._by_place(rows, columns)
        there: dict[Any, None] = {}
        for place, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise whole(f"{described(row)} as row {place}", "an object as every row")
            there.update(dict.fromkeys(row))
        if not self.named:
            wanted: Iterable[Any] = list(there)[: len(self._specs)]
            extra = list(there)[len(self._specs) :]
        else:
            wanted = [name for name in self.names if name in there]
            extra = [name for name in there if name not in self._known]
        return {name: [row.get(name) for row in rows] for name in wanted}, extra

    def _by_place(
        self, rows: Sequence[Any], columns: Sequence[Any] | None
    ) -> tuple[dict[Any, list[Any]], list[Any]]:
        if columns is None:
            width = len(rows[0]) if rows and isinstance(rows[0], (list, tuple)) else 1
            columns = range(width)
            rows = [row if isinstance(row, (list, tuple)) else (row,) for row in rows]
        names = list(columns)
        for place, row in enumerate(rows):
            if not isinstance(row, (list, tuple)):
                raise whole(f"{described(row)} as row {place}", "a list as every row")
            if len(row) != len(names):
                raise whole(f"{len(row)} values in row {place}", f"{len(names)} values, one a column")
        if len(set(map(str, names))) != len(names):
            raise whole("a column name that is there twice", "columns of different names")
        places = {name: place for place, name in enumerate(names)}
        wanted = [name for name in self.names if name in places] if self.named else names[: len(self._specs)]
        extra = (
            [name for name in names if name not in self._known] if self.named else names[len(self._specs) :]
        )
        return {name: [row[places[name]] for row in rows] for name in wanted}, extra

    def _missing(self, there: Mapping[Any, Any]) -> list[Problem]:
        if not self.named:
            return [
                Problem(place, type_name(self._specs[place].type), "is missing")
                for place in range(len(there), len(self._specs))
            ]
        return [
            Problem(each.name, type_name(each.type), "is missing")
            for each in self._specs
            if each.required and each.name not in there
        ]
