"""A request of MLflow's scoring protocol, from bytes to what the model is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from gitml.entities.signature import Schema
from gitml.models.serving import columnar
from gitml.models.serving.encoding import scored, scored_unwrapped
from gitml.models.serving.jobs import MATRIX, Job, key_of
from gitml.models.serving.media import Media, media_of
from gitml.models.serving.replies import RequestError
from gitml.models.serving.tables import read_csv_body, read_parquet
from gitml.models.signatures.problems import SchemaError
from gitml.models.signatures.rows import RowReader, compile_rows

if TYPE_CHECKING:
    from gitml.models.pyfunc.model import PyFuncModel

SPLIT, RECORDS, INSTANCES, INPUTS = "dataframe_split", "dataframe_records", "instances", "inputs"
FORMATS = (SPLIT, RECORDS, INSTANCES, INPUTS)
# What chats, completions and embeddings are asked with: such an object is the input as a whole.
WHOLE = ("messages", "prompt", "input")
_SPLIT_KEYS = {"columns", "data", "index"}


class ScoringReader:
    """Reads requests for one model."""

    def __init__(self, model: PyFuncModel, max_bytes: int, *, tables: bool = False) -> None:
        """Make one.

        Args:
            model: What predicts.
            max_bytes: How large a body may be.
            tables: Whether rows of numbers become a table at once, not when others joined them.
        """
        self._model = model
        self._schema = model.metadata.get_input_schema()
        self._typed = model.metadata.is_signature_from_type_hint
        self._limit = max_bytes
        columns = self._schema is not None and not self._schema.is_tensor_spec() and not self._typed
        self._rows: RowReader | None = compile_rows(self._schema) if columns and self._schema else None
        numbers = self._rows is not None and self._rows.dtype is not None and self._rows.named
        self._matrices = self._rows if numbers and not tables else None
        schema = model.metadata.get_params_schema()
        self._param_names = frozenset(each.name for each in schema.params) if schema else frozenset()

    def read(self, content_type: bytes | None, body: bytes) -> Job:
        """Read a request.

        Raises:
            GitmlError: It can't be read, or does not fit the signature; says what, and where.
        """
        media = media_of(content_type)
        if media is Media.JSON:
            return self.read_document(parse_json(body))
        frame = read_csv_body(body, self._schema) if media is Media.CSV else read_parquet(body, self._limit)
        return self._job(self._model.fit(frame), None, scored)

    def read_document(self, asked: Any) -> Job:
        """Read what the JSON of a request holds.

        Raises:
            GitmlError: It is no request, or does not fit the signature; says what, and where.
        """
        if not isinstance(asked, dict):
            raise RequestError(f"{_required()}; got {_json_type(asked)}")
        if any(name in asked for name in WHOLE):
            data = {name: value for name, value in asked.items() if name not in self._param_names}
            told = {name: value for name, value in asked.items() if name in self._param_names}
            return self._job(self._model.fit(data), told, scored_unwrapped)
        params = asked.get("params")
        if params is not None and not isinstance(params, dict):
            raise RequestError(
                f"'params' must be a JSON object; got {_json_type(params)}", code="INVALID_PARAMETER_VALUE"
            )
        there = [name for name in FORMATS if name in asked]
        if self._typed:
            if INPUTS not in asked:
                raise RequestError(
                    f"this model has a type hint, so its input stands under 'inputs'; got {_names(asked)}",
                    code="INVALID_PARAMETER_VALUE",
                )
            return self._job(self._model.fit(asked[INPUTS]), params, scored)
        if len(there) != 1:
            raise RequestError(f"{_required()}; got {_names(asked)}")
        name = there[0]
        if self._matrices is not None and name in (SPLIT, RECORDS):
            return self._numbers(self._matrices, name, asked[name], params)
        return self._job(self._fitted(name, asked[name]), params, scored)

    def _numbers(self, reader: RowReader, name: str, value: Any, params: dict[str, Any] | None) -> Job:
        """Read rows of numbers of one type: no table is made before others joined them."""
        rows, columns = _rows_of(name, value)
        if not rows:  # whether nothing fits depends on what columns it has
            return self._job(reader.frame(rows, columns), params, scored)
        matrix = _told_as_mlflow(lambda: reader.matrix(rows, columns))
        told = self._model.fit_params(params)
        return Job(matrix, told, scored, len(matrix), MATRIX if not told else None)

    def _fitted(self, name: str, value: Any) -> Any:
        if name in (INSTANCES, INPUTS):
            return self._model.fit(columnar.convert(value, self._schema, by_row=name == INSTANCES))
        rows, columns = _rows_of(name, value)
        if self._rows is not None:
            reader = self._rows
            return _told_as_mlflow(lambda: reader.frame(rows, columns))
        return self._model.fit(_frame(rows, columns, value, self._schema))

    def _job(self, data: Any, params: Mapping[str, Any] | None, write: Callable[[Any], Any]) -> Job:
        told = self._model.fit_params(params or None)
        key, rows = key_of(data) if not told else (None, 1)
        return Job(data, told, write, rows, key)


def parse_json(body: bytes) -> Any:
    """Read JSON, and NaN and infinity besides, as MLflow's server does.

    Raises:
        RequestError: It is none.
    """
    if not body.strip():
        raise RequestError("the body is empty; it must be a JSON object")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as err:
        problem = str(err)
    if b"NaN" in body or b"Infinity" in body:
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as err:
            problem = str(err)
    raise RequestError(f"the body is no valid JSON: {problem:.200}")


def _rows_of(name: str, value: Any) -> tuple[list[Any], list[Any] | None]:
    """Give the rows of a table in JSON, and what their values are called if that is said apart."""
    if name == RECORDS:
        if not isinstance(value, list):
            raise RequestError(f"'{RECORDS}' must be a list of records; got {_json_type(value)}")
        return value, None
    if not isinstance(value, dict):
        raise RequestError(f"'{SPLIT}' must be a JSON object; got {_json_type(value)}")
    if "data" not in value or value.keys() - _SPLIT_KEYS:
        raise RequestError(f"'{SPLIT}' must have 'data', perhaps 'columns' and 'index'; got {_names(value)}")
    rows, columns, index = value["data"], value.get("columns"), value.get("index")
    if not isinstance(rows, list):
        raise RequestError(f"'data' of '{SPLIT}' must be a list of rows; got {_json_type(rows)}")
    if columns is not None and not _is_list_of_names(columns):
        raise RequestError(f"'columns' of '{SPLIT}' must be a list of names")
    if columns is None and rows and isinstance(rows[0], list):
        columns = list(range(len(rows[0])))  # so it is told which columns are missing
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise RequestError(f"'index' of '{SPLIT}' must be a list with a label for each of {len(rows)} rows")
    return rows, columns


def _told_as_mlflow(read: Callable[[], Any]) -> Any:
    """Read rows; what makes no table has the code that MLflow gives it."""
    try:
        return read()
    except SchemaError as err:
        if all(each.column is None for each in err.problems):
            err.error_code = "BAD_REQUEST"
        raise


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str | int | float) for each in value)


def _frame(rows: list[Any], columns: list[Any] | None, value: Any, schema: Schema | None) -> Any:
    """Make a table of rows where no signature says what their columns are."""
    import pandas as pd

    index = value.get("index") if isinstance(value, dict) else None
    try:
        frame = pd.DataFrame(rows, columns=columns, index=index)
    except (ValueError, TypeError, AttributeError) as err:
        raise RequestError(f"the rows make no table: {err!s:.200}") from err
    return columnar.cast_tensors(frame, schema) if schema is not None else frame


def _required() -> str:
    return f"the body must be a JSON object with exactly one of {', '.join(FORMATS)}"


def _names(value: Mapping[Any, Any]) -> str:
    return f"{', '.join(map(repr, value)) or 'no field'!s:.200}"


def _json_type(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")
