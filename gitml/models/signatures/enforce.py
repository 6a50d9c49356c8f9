"""Whether an input fits a signature, by MLflow's rules; what loses nothing is converted.

Compile a schema once where it is used often: `check = compile_enforcer(schema)`, then
`check(data)`. A data frame that has the columns in order and of the right types comes
back as it is (a shallow copy), which takes some microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gitml.entities.data_type import DataType
from gitml.entities.signature import ColSpec, ParamSchema, Schema, SignatureError, TensorSpec
from gitml.entities.signature_types import Array, ValueType
from gitml.models.signatures.columns import fit_column
from gitml.models.signatures.problems import (
    Mismatch,
    Problem,
    SchemaError,
    extra_columns,
    listed,
    whole,
)
from gitml.models.signatures.tables import from_polars, is_polars, is_spark, to_frame
from gitml.models.signatures.telling import warn
from gitml.models.signatures.tensors import expected_tensor, fit_tensors

if TYPE_CHECKING:
    import pandas as pd


def enforce_schema(data: Any, schema: Schema, flavor: str | None = None) -> Any:  # noqa: ARG001 - MLflow's argument
    """Give an input as a signature wants it: a data frame for columns, arrays for tensors.

    Args:
        data: A data frame, series, array, sparse matrix, list, dictionary or value. Of a data frame of
            Spark, names and types are looked at, and it comes back as one.
        schema: The inputs of a signature.
        flavor: Not used; MLflow has it.

    Raises:
        SchemaError: It doesn't fit. One message names every column that doesn't, its type and what was given.
    """
    return compile_enforcer(schema)(data)


def compile_enforcer(schema: Schema) -> Callable[[Any], Any]:
    """Make the function that gives an input as a schema wants it; see `enforce_schema`."""
    return _Tensors(schema) if schema.is_tensor_spec() else _Table(schema)


def validate_schema(data: Any, expected_schema: Schema) -> None:
    """Check that an input fits a schema, as `enforce_schema` does.

    Raises:
        SchemaError: It doesn't.
    """
    enforce_schema(data, expected_schema)


def enforce_params(params: Mapping[str, Any] | None, schema: ParamSchema | None) -> dict[str, Any] | None:
    """Give the params of a call: checked, with defaults for those that aren't given.

    Args:
        params: What was given. A name that the model doesn't have is left out, with a warning.
        schema: The params of the signature; None: the model takes none, and gets what `params`
            is if that is empty.

    Raises:
        SchemaError: One is of the wrong type; names all such.
    """
    if schema is None:
        if not params:
            return dict(params) if params is not None else None
        warn(f"the model's signature has no params; left out: {listed(params)}")
        return {}
    if params is not None and not isinstance(params, Mapping):
        raise whole(type(params).__name__, "a dictionary of params")
    given = {str(name): value for name, value in (params or {}).items()}
    known = {each.name for each in schema.params}
    if unknown := [name for name in given if name not in known]:
        warn(f"params that the model's signature lacks are left out: {listed(unknown)}")
    taken: dict[str, Any] = {name: value for name, value in given.items() if name in known}
    problems = []
    for spec in schema.params:
        try:
            taken[spec.name] = spec.fit(taken[spec.name]) if spec.name in taken else spec.default
        except SignatureError as err:
            problems.append(Problem(None, "", err.message))
    if problems:
        raise SchemaError(problems)
    return taken


class _Tensors:
    """Checks inputs of a schema made of tensors."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names = schema.input_names() if schema.has_input_names() else []
        self.specs = [each for each in schema.inputs if isinstance(each, TensorSpec)]

    def __call__(self, data: Any) -> Any:
        import numpy as np
        import pandas as pd

        if isinstance(data, pd.Series):
            data = pd.DataFrame(data)
        elif is_polars(data):
            data = from_polars(data)
        if self.names:
            if len(self.names) == 1 and isinstance(data, np.ndarray):
                data = {self.names[0]: data}
            there = data.keys() if isinstance(data, Mapping) else getattr(data, "columns", None)
            if there is None:
                raise whole(type(data).__name__, f"a dictionary of arrays: {listed(self.names)}")
            self._check_names(there)
        return fit_tensors(data, self.schema)

    def _check_names(self, there: Iterable[Any]) -> None:
        found = list(there)
        extra = [name for name in found if name not in self.names]
        problems = [
            Problem(each.name, expected_tensor(each), "is missing")
            for each in self.specs
            if each.name not in found
        ]
        if problems:
            raise SchemaError(problems, extra=extra)
        if extra:
            warn(extra_columns(extra))


class _Table:
    """Checks inputs of a schema made of columns."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.named = schema.has_input_names()
        self.specs = [each for each in schema.inputs if isinstance(each, ColSpec)]
        self.names = schema.input_names()
        self.known = set(self.names)
        self._ready: _Ready | None = None

    def __call__(self, data: Any) -> Any:
        import pandas as pd

        if type(data) is pd.DataFrame:
            if self._ready is None:
                self._ready = _Ready(self.names if self.named else None, self.specs)
            if self._ready.is_as_wanted(data):
                return data.copy(deep=self._ready.deep)
            frame = data
        elif is_spark(data):
            return self._fit_spark(data)
        else:
            frame = to_frame(data, self.schema)
        return self._fit(frame)

    def _fit_spark(self, data: Any) -> Any:
        """Look at names and types; the rows stay where they are, and columns that are too many go."""
        empty = self._fit(data.limit(0).toPandas())
        return data.select([f"`{str(name).replace('`', '``')}`" for name in empty.columns])

    def _fit(self, frame: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        problems: list[Problem] = []
        extra: list[Any] = []
        fitted: dict[Any, Any] = {}
        for name, spec in self._pairs(frame, problems, extra):
            column = frame[name]
            if isinstance(column, pd.DataFrame):
                problems.append(Problem(name, type_name(spec.type), "is there more than once"))
                continue
            try:
                fitted[name] = fit_column(column, spec.type, spec.required)
            except Mismatch as err:
                problems.append(Problem(name, type_name(spec.type), err.given, err.hint))
        if problems:
            raise SchemaError(problems, extra=extra)
        if extra:
            warn(extra_columns(extra))
        return pd.DataFrame(fitted, index=frame.index)

    def _pairs(
        self, frame: pd.DataFrame, problems: list[Problem], extra: list[Any]
    ) -> Iterable[tuple[Any, ColSpec]]:
        """Give the columns that are there with what they should be; without names, the first ones."""
        there = list(frame.columns)
        if not self.named:
            problems.extend(
                Problem(place, type_name(self.specs[place].type), "is missing")
                for place in range(len(there), len(self.specs))
            )
            extra.extend(there[len(self.specs) :])
            return list(zip(there, self.specs, strict=False))
        found = set(there)
        extra.extend(name for name in there if name not in self.known)
        problems.extend(
            Problem(spec.name, type_name(spec.type), "is missing")
            for spec in self.specs
            if spec.required and spec.name not in found
        )
        return [(spec.name, spec) for spec in self.specs if spec.name in found]


class _Ready:
    """Knows a data frame that needs nothing done."""

    def __init__(self, names: list[Any] | None, specs: list[ColSpec]) -> None:
        import pandas as pd

        self.deep = (
            int(pd.__version__.partition(".")[0]) < 3
        )  # from then on, what writes to a copy copies first
        self.index = pd.Index(names) if names is not None else None
        kinds = [each.type for each in specs if isinstance(each.type, DataType)]
        self.dtypes = [_accepted(kind) for kind in kinds]
        self.possible = len(kinds) == len(specs)

    def is_as_wanted(self, frame: pd.DataFrame) -> bool:
        if not self.possible or frame.shape[1] != len(self.dtypes):
            return False
        columns = frame.columns
        if self.index is not None and not self.index.equals(columns):
            return False
        if self.index is None and not columns.is_unique:
            return False
        return all(dtype in wanted for dtype, wanted in zip(frame.dtypes.array, self.dtypes, strict=True))


def _accepted(kind: DataType) -> tuple[Any, ...]:
    """The dtypes of pandas of which nothing is to be converted."""
    import pandas as pd

    own = kind.to_pandas()
    return (own, pd.Series(["a"]).dtype, pd.StringDtype()) if kind is DataType.string else (own,)


def type_name(kind: ValueType) -> str:
    """Name a column's type for a message."""
    return repr(kind) if not isinstance(kind, Array) else f"list of {kind.dtype!r}"
