"""Tables that are read, predicted and written a batch at a time, so that memory stays constant."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from gitml.errors import InvalidValueError, MissingExtraError, NotFoundError, UsageError
from gitml.models.example_values import plain

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.signature import Schema
    from gitml.models.pyfunc.model import PyFuncModel

FORMATS = ("csv", "json", "jsonl", "parquet")
BATCH_ROWS = 10_000
Advance = Callable[[int], None]


class Sink(Protocol):
    """Where predictions go."""

    def write(self, frame: pd.DataFrame) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Write what ends the file."""
        ...


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
    model: PyFuncModel, source: Path, kind: str, sink: Sink, *, rows: int = BATCH_ROWS, advance: Advance
) -> int:
    """Predict a table, a batch of rows at a time.

    Args:
        model: What predicts.
        source: The table.
        kind: Its format.
        sink: Where the predictions go.
        rows: How many rows a batch has.
        advance: Called with the number of rows done since the last call.

    Returns:
        How many rows there were.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is not in the format.
        SchemaError: A row does not fit the model.
    """
    done = 0
    for batch in read_batches(source, kind, model.metadata.get_input_schema(), rows):
        frame = as_frame(model.predict(batch))
        sink.write(frame)
        done += len(batch)
        advance(len(batch))
    return done


def read_batches(source: Path, kind: str, schema: Schema | None, rows: int) -> Iterator[pd.DataFrame]:
    """Read a table as data frames of so many rows; one that has no rows gives none.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is not in the format.
        MissingExtraError: The format needs a package that is not installed.
    """
    if not source.is_file():
        raise NotFoundError(f"there is no file '{source}'")
    readers = {"csv": _csv, "json": _json, "jsonl": _jsonl, "parquet": _parquet}
    try:
        yield from readers[kind](source, schema, rows)
    except (
        ValueError,
        UnicodeDecodeError,
    ) as err:  # what pandas, json and Arrow raise for what they can't read
        raise InvalidValueError("file", str(source), f"it can't be read as {kind}: {err}") from err


def _csv(source: Path, schema: Schema | None, rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    # What the model takes as text stays text: '007' is no number.
    texts = {name: str for name, kind in column_types(schema).items() if kind in ("string", "binary")}
    times = [name for name, kind in column_types(schema).items() if kind == "datetime"]
    if times:
        head = pd.read_csv(source, nrows=0).columns
        times = [name for name in times if name in head]
    with pd.read_csv(source, dtype=texts or None, parse_dates=times or False, chunksize=rows) as chunks:
        yield from (chunk.reset_index(drop=True) for chunk in chunks if len(chunk))


def column_types(schema: Schema | None) -> dict[Any, str]:
    """Name the types of a schema's columns; nothing if it has tensors, or columns without names."""
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return {}
    return {spec.name: getattr(spec.type, "name", "") for spec in schema}


def _jsonl(source: Path, schema: Schema | None, rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    del schema
    batch: list[Any] = []
    with source.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                batch.append(json.loads(line))
            if len(batch) == rows:
                yield pd.DataFrame(batch)
                batch = []
    if batch:
        yield pd.DataFrame(batch)


def _json(source: Path, schema: Schema | None, rows: int) -> Iterator[pd.DataFrame]:
    """Read a list of records, or MLflow's `dataframe_split` and `dataframe_records`."""
    import pandas as pd

    del schema
    content = json.loads(source.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        known = [key for key in ("dataframe_split", "dataframe_records") if key in content]
        if len(known) != 1:
            raise ValueError(
                "it is a list of records, or has one of 'dataframe_split' and 'dataframe_records'"
            )
        content = content[known[0]]
    if isinstance(content, dict):
        frame = pd.DataFrame(content.get("data"), index=content.get("index"), columns=content.get("columns"))
    else:
        frame = pd.DataFrame(content)
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows].reset_index(drop=True)


def _parquet(source: Path, schema: Schema | None, rows: int) -> Iterator[pd.DataFrame]:
    del schema
    parquet = _arrow()
    with parquet.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield batch.to_pandas()


def _arrow() -> Any:
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as err:
        raise MissingExtraError("Parquet files", "parquet") from err
    return pyarrow.parquet


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
        return pd.DataFrame(predicted)
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


@contextmanager
def open_sink(target: Path | None, kind: str, stdout: IO[str]) -> Iterator[Sink]:
    """Open where predictions go; a file appears when it is whole.

    Args:
        target: The file; None is the stream.
        kind: The format.
        stdout: The stream.

    Raises:
        UsageError: The format can't go to the stream.
    """
    if target is None:
        if kind == "parquet":
            raise UsageError("Parquet is no text", hint="-o predictions.parquet")
        sink = _text_sink(kind, stdout)
        yield sink
        sink.close()
        return
    temporary = target.with_name(f".gitml-{uuid.uuid4().hex}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if kind == "parquet":
            yield (sink := _ParquetSink(temporary))
            sink.close()
        else:
            with temporary.open("x", encoding="utf-8", newline="") as stream:
                sink = _text_sink(kind, stream)
                yield sink
                sink.close()
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _text_sink(kind: str, stream: IO[str]) -> Sink:
    sinks: dict[str, Callable[[IO[str]], Sink]] = {"csv": _CsvSink, "json": _JsonSink, "jsonl": _LinesSink}
    return sinks[kind](stream)


class _CsvSink:
    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._begun = stream, False

    def write(self, frame: pd.DataFrame) -> None:
        frame.to_csv(self._stream, index=False, header=not self._begun, lineterminator="\n")
        self._begun = True

    def close(self) -> None:
        """Nothing ends it."""


class _LinesSink:
    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, frame: pd.DataFrame) -> None:
        for record in frame.to_dict(orient="records"):
            self._stream.write(json.dumps(plain(record, gaps=True), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Nothing ends it."""


class _JsonSink:
    """MLflow's answer to a request: `{"predictions": […]}`."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._begun = stream, False

    def write(self, frame: pd.DataFrame) -> None:
        bare = list(frame.columns) == ["prediction"]
        rows = frame["prediction"].tolist() if bare else frame.to_dict(orient="records")
        for row in rows:
            self._stream.write(", " if self._begun else '{"predictions": [')
            self._stream.write(json.dumps(plain(row, gaps=True), ensure_ascii=False))
            self._begun = True

    def close(self) -> None:
        self._stream.write("]}\n" if self._begun else '{"predictions": []}\n')


class _ParquetSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet = _arrow()
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa

        if self._writer is None:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            self._writer = self._parquet.ParquetWriter(self._path, table.schema)
        else:
            table = pa.Table.from_pandas(frame, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is None:  # no rows: a table without columns
            import pandas as pd

            self.write(pd.DataFrame())
        self._writer.close()
