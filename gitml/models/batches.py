"""Tables through a model a batch of rows at a time, so that memory stays constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gitml.errors import InvalidValueError, UsageError
from gitml.models.failures import model_at_work
from gitml.models.signatures.problems import SchemaError, counted_from
from gitml.models.tables.sinks import Sink
from gitml.models.tables.sources import Source, csv_frames, json_document, json_lines, parquet_frames
from gitml.progress import Advance

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.signature import Schema
    from gitml.models.pyfunc.model import PyFuncModel
    from gitml.models.serving.jobs import Job
    from gitml.models.serving.scoring_request import ScoringReader

FORMATS = ("csv", "json", "jsonl", "parquet")
BATCH_ROWS = 10_000
# What goes to the model: the rows, which fit its signature, and the params.
_Fitted = tuple[Any, dict[str, Any] | None]


def format_of(path: Path, given: str | None = None) -> str:
    """Tell the format of a table: as given, or by the ending of its name.

    Raises:
        UsageError: It is none that is known.
    """
    found = (given or path.suffix.lstrip(".")).lower()
    if found not in FORMATS:
        raise UsageError(
            f"'{path.name}' has no format that is known",
            hint=f"there are {', '.join(FORMATS)}; name one of them",
        )
    return found


def predict_file(
    model: PyFuncModel,
    source: Path | IO[bytes],
    kind: str,
    sink: Sink,
    *,
    rows: int = BATCH_ROWS,
    advance: Advance,
) -> int:
    """Predict a table, a batch of rows at a time; a document of JSON is read as a whole.

    Args:
        model: What predicts.
        source: The file, or a stream of its bytes.
        kind: Its format.
        sink: Where the predictions go.
        rows: How many rows a batch has.
        advance: Called with the number of rows done since the last call.

    Returns:
        How many rows there were.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is not in the format.
        MissingExtraError: The format needs a package that is not installed.
        ModelFailedError: The model raised something.
        SchemaError: A row does not fit the model; says which, counted from 1.
    """
    done = 0
    for data, params in _READERS[kind](model, Source(source), rows):
        frame = as_frame(_predicted(model, data, params, done))
        sink.write(frame)
        count = len(data) if hasattr(data, "iloc") else len(frame)
        done += count
        advance(count)
    return done


def _predicted(model: PyFuncModel, data: Any, params: dict[str, Any] | None, done: int) -> Any:
    rows = (
        f"rows {done + 1:,} to {done + len(data):,}" if hasattr(data, "iloc") else f"row {done + 1:,} and on"
    )
    with model_at_work(f"predict {rows}", hint="--batch-rows 1 finds the row"):
        return model.predict_fitted(data, params)


def _csv(model: PyFuncModel, source: Source, rows: int) -> Iterator[_Fitted]:
    schema = model.metadata.get_input_schema()
    for first, frame in csv_frames(source, schema, rows):
        with _rows_from(first, source):
            fitted = model.fit(as_tensor(frame, schema))
        yield fitted, model.fit_params(None)


def _parquet(model: PyFuncModel, source: Source, rows: int) -> Iterator[_Fitted]:
    schema = model.metadata.get_input_schema()
    for first, frame in parquet_frames(source, rows):
        with _rows_from(first, source):
            fitted = model.fit(as_tensor(frame, schema))
        yield fitted, model.fit_params(None)


def _jsonl(model: PyFuncModel, source: Source, rows: int) -> Iterator[_Fitted]:
    reader = _reader(model)
    for first, batch in json_lines(source, rows):
        with _rows_from(first, source):
            job = reader.read_document(_request(batch, model))
        yield job.data, job.params


def _json(model: PyFuncModel, source: Source, rows: int) -> Iterator[_Fitted]:
    """Read what MLflow's server is asked with, or a list of rows."""
    content = json_document(source)
    if isinstance(content, list):
        content = _request(content, model)
    elif not _is_request(content):
        keys = ", ".join(map(repr, content)) if isinstance(content, dict) else ""
        got = f"an object with {keys or 'no keys':.200}" if isinstance(content, dict) else f"{content!r:.40}"
        raise source.wrong(
            "json",
            "it must be a list of records, or an object with one of dataframe_split, dataframe_records, "
            f"instances, inputs; got {'null' if content is None else got}",
            'such as [{"age": 40}, {"age": 30}]',
        )
    with _rows_from(1, source):
        job = _reader(model).read_document(content)
    yield from _parts(job, model.metadata.get_input_schema(), rows)


_READERS: dict[str, Callable[[PyFuncModel, Source, int], Iterator[_Fitted]]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def _reader(model: PyFuncModel) -> ScoringReader:
    from gitml.models.serving.scoring_request import ScoringReader

    return ScoringReader(model, 0, tables=True)


def _is_request(content: Any) -> bool:
    from gitml.models.serving.scoring_request import FORMATS, WHOLE

    if not isinstance(content, dict):
        return False
    return any(name in content for name in WHOLE) or sum(name in content for name in FORMATS) == 1


def _request(rows: list[Any], model: PyFuncModel) -> dict[str, Any]:
    """Make the request that a list of rows stands for."""
    schema = model.metadata.get_input_schema()
    columns = schema is not None and not schema.is_tensor_spec() and schema.has_input_names()
    typed = model.metadata.is_signature_from_type_hint
    records = bool(rows) and all(isinstance(each, dict) for each in rows)
    is_table = not typed and (records or (columns and len(schema or ()) > 1))
    return {"dataframe_records" if is_table else "inputs": rows}


def _parts(job: Job, schema: Schema | None, rows: int) -> Iterator[_Fitted]:
    """Give a batch of rows at a time, where they can be told apart."""
    import numpy as np
    import pandas as pd

    data = job.data
    by_row = isinstance(data, pd.DataFrame) or (
        isinstance(data, np.ndarray)
        and data.ndim > 0
        and (schema is None or (schema.is_tensor_spec() and schema.inputs[0].shape[0] == -1))  # type: ignore[union-attr]
    )
    if not by_row:
        yield data, job.params
        return
    for start in range(0, len(data), rows):
        part = data[start : start + rows]
        yield part.reset_index(drop=True) if isinstance(part, pd.DataFrame) else part, job.params


@contextmanager
def _rows_from(first: int, source: Source) -> Iterator[None]:
    """Let messages count rows as the file does."""
    from gitml.models.serving.columnar import ColumnError
    from gitml.models.serving.replies import RequestError

    try:
        yield
    except SchemaError as err:
        raise err.counted_from(first) from err
    except ColumnError as err:
        raise UsageError(counted_from(err.message, first)) from err
    except RequestError as err:
        raise InvalidValueError("file", source.name, err.message, hint=err.hint) from err


def as_tensor(frame: pd.DataFrame, schema: Schema | None) -> Any:
    """Give a table whose columns are the values of one tensor as that; any other as it is."""
    if schema is None or not schema.is_tensor_spec() or len(schema) != 1 or not len(frame):
        return frame
    (spec,) = schema.inputs
    shape: Sequence[int] = spec.shape  # type: ignore[union-attr]
    if spec.name in frame.columns or shape[:1] != (-1,) or -1 in shape[1:] or len(shape) < 2:
        return frame
    if len(frame.columns) == 1 or math.prod(shape[1:]) != len(frame.columns):
        return frame
    array = frame.to_numpy().reshape(shape)
    return array if spec.name is None else {spec.name: array}


def column_types(schema: Schema | None) -> dict[Any, str]:
    """Name the types of a schema's columns; nothing if it has tensors, or columns without names."""
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return {}
    return {spec.name: getattr(spec.type, "name", "") for spec in schema}


# Predictions


def as_frame(predicted: Any) -> pd.DataFrame:
    """Give predictions as a table: what has no columns gets `prediction`, several get a number.

    Raises:
        InvalidValueError: They are no table.
    """
    import pandas as pd

    if isinstance(predicted, pd.DataFrame):
        return predicted.reset_index(drop=True)
    if isinstance(predicted, pd.Series):
        name = "prediction" if predicted.name is None else str(predicted.name)
        return predicted.reset_index(drop=True).to_frame(name)
    if hasattr(predicted, "toarray"):
        predicted = predicted.toarray()
    if isinstance(predicted, dict):
        tabular = all(hasattr(each, "__len__") and not isinstance(each, str) for each in predicted.values())
        cells = {name: _cells(each) for name, each in predicted.items()}
        return pd.DataFrame(cells if tabular else [predicted])
    if isinstance(predicted, (str, bytes)):
        return pd.DataFrame({"prediction": [predicted]})
    if getattr(predicted, "ndim", 1) == 2:
        return pd.DataFrame(predicted, columns=[f"prediction_{place}" for place in range(predicted.shape[1])])
    if getattr(predicted, "ndim", 1) > 2:
        predicted = predicted.tolist()
    try:
        listed = list(predicted)
    except TypeError as err:
        raise InvalidValueError("prediction", type(predicted).__name__, "it is no table") from err
    if listed and all(isinstance(each, dict) for each in listed):
        return pd.DataFrame(listed)
    return pd.DataFrame({"prediction": pd.Series(listed)})


def _cells(values: Any) -> Any:
    """Give the rows of a tensor as lists, each of which is a cell."""
    return values.tolist() if getattr(values, "ndim", 1) > 1 else values
