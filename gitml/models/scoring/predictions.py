"""Predictions as columns of Arrow: the same ones in every part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitml.errors import ExecutionError, UsageError
from gitml.models.batches import as_frame
from gitml.models.scoring.arrow_types import types_of_columns, types_of_outputs
from gitml.models.scoring.job import KEY
from gitml.models.scoring.reading import Batch

if TYPE_CHECKING:
    import pandas as pd

    from gitml.entities.signature import ModelSignature


class PredictionsError(ExecutionError):
    """Predictions that do not go with the rows, or with those before."""

    def __init__(self, why: str, hint: str | None = None) -> None:
        super().__init__(f"the model's predictions can't be kept: {why}", hint=hint)


def framed(predicted: Any, rows: int) -> pd.DataFrame:
    """Give predictions as a table with a row for each row of the input.

    Raises:
        PredictionsError: There are more or fewer.
    """
    frame = as_frame(predicted)
    if len(frame) != rows:
        raise PredictionsError(
            f"there are {len(frame):,} for {rows:,} rows",
            "a model that is scored in batches gives one for each row",
        )
    frame.columns = [str(name) for name in frame.columns]
    return frame


def schema_of(
    batch: Batch, frame: pd.DataFrame, signature: ModelSignature | None, *, text: bool, key: str
) -> Any:
    """Find the schema of all parts: from the signature where that says it, else from the first rows.

    Args:
        batch: The first rows.
        frame: Their predictions.
        signature: The model's.
        text: Whether the rows came from text, so that the signature knows better what they are.
        key: Says which job it is.

    Raises:
        UsageError: A column is to be kept that is called as a prediction.
    """
    import pyarrow as pa  # type: ignore[import-untyped]

    both = [name for name in batch.ids.column_names if name in frame.columns]
    if both:
        raise UsageError(
            f"the model predicts a column {both[0]!r}, and the data have one of that name",
            hint="leave it out of --id-columns, or rename it in the data",
        )
    inputs = types_of_columns(signature.inputs) if text and signature else {}
    kept = [_typed(field, inputs) for field in batch.ids.schema]
    outputs = types_of_outputs(signature.outputs if signature else None, list(frame.columns))
    predicted = pa.Table.from_pandas(frame, preserve_index=False).schema
    fields = [*kept, *(_typed(field, outputs) for field in predicted)]
    return pa.schema([field.with_nullable(True).remove_metadata() for field in fields], {KEY: key.encode()})


def table_of(batch: Batch, frame: pd.DataFrame, schema: Any) -> Any:
    """Put what is kept and the predictions side by side.

    Raises:
        PredictionsError: They have other columns than those before, or of another type.
    """
    import pyarrow as pa

    ids = batch.ids.column_names
    wanted = pa.schema([field for field in schema if field.name not in ids])
    if list(frame.columns) != wanted.names:
        raise PredictionsError(f"their columns were {wanted.names}, and are now {list(frame.columns)}")
    columns = []
    for field in schema:
        try:
            if field.name in ids:
                columns.append(batch.ids[field.name].cast(field.type))
            else:
                columns.append(pa.chunked_array([pa.Array.from_pandas(frame[field.name], type=field.type)]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as err:
            raise PredictionsError(
                f"column {field.name!r} is {field.type}, and here are other values: {err!s:.200}",
                "give the model a signature with outputs, or the data one type",
            ) from err
    return pa.Table.from_arrays(columns, schema=schema)


def _typed(field: Any, said: dict[str, Any]) -> Any:
    return field.with_type(said.get(field.name, field.type))
