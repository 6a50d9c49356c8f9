"""A model as a function on columns of Spark's data frames."""

from __future__ import annotations

import functools
import os
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.entities.signature import Schema
from gitml.errors import UsageError
from gitml.models.loading import warn_of_other_versions
from gitml.models.pyfunc.code_model import read_config
from gitml.models.pyfunc.model import PyFuncModel
from gitml.models.scoring.checked import load_checked, locate_checked
from gitml.models.scoring.errors import NoEngineError
from gitml.models.scoring.predictions import framed
from gitml.models.scoring.spark_results import as_result, chosen_type
from gitml.models.scoring.spark_session import ship_model, shipped_model

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class _Settings:
    """What an executor is told."""

    name: str
    digest: str
    params: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    result_type: Any


def spark_udf(
    spark: Any,
    model_uri: str | os.PathLike[str],
    result_type: Any = None,
    env_manager: str | None = None,
    params: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | str | None = None,
    *,
    trust: bool | None = None,
) -> Callable[..., Any]:
    """Make a function of Spark SQL that predicts: `frame.withColumn("p", predict("a", "b"))`.

    It takes columns in the order of the model's signature, a struct of columns, or nothing: then the
    columns are those that the signature names. The model's files travel to the executors once; these
    need gitml and the model's packages.

    Args:
        spark: The session.
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `NAME@v3` …
        result_type: A type of Spark SQL, or its name: `double`, `array<float>`, `a double, b string`.
            None: what the signature says, or double if it says nothing. Of several predictions a number
            is the first that is one, a text the first of all.
        env_manager: `local`: what the executors have; there is nothing else yet.
        params: What each prediction is told besides.
        model_config: Values that stand over those of the model's own configuration.
        trust: Whether code in the model may run, as for `load_model`.

    Raises:
        NoEngineError: pyspark is not installed.
        UntrustedModelError: The model would run code, and nothing vouches for it.
        UsageError: There is no such type, or the session can't carry the model.
    """
    if env_manager not in (None, "local"):
        raise UsageError(
            f"env_manager={env_manager!r:.50} can't be had: executors run the model in what they have",
            hint="install the model's requirements there: gitml models env shows them",
        )
    try:
        from pyspark.sql import functions  # type: ignore[import-not-found,unused-ignore]
    except ImportError as err:
        raise NoEngineError("spark") from err
    located, digest = locate_checked(model_uri, trust)
    warn_of_other_versions(located)
    signature = located.model.signature
    kind = chosen_type(spark, result_type, signature.outputs if signature else None)
    ship_model(spark, located.folder, digest)
    config = None if model_config is None else read_config(model_config)
    settings = _Settings(located.origin.name, digest, params, config, kind)
    predict = functions.pandas_udf(_function(settings, functions), kind)
    return _with_columns(predict, located.model.get_input_schema(), functions)


def _function(settings: _Settings, functions: Any) -> Callable[[Iterator[Any]], Iterator[Any]]:
    import pandas as pd
    from pyspark.sql.types import StructType  # type: ignore[import-not-found,unused-ignore]

    del functions

    def predict(batches: Iterator[Any]) -> Iterator[Any]:
        return _predictions(settings, batches)

    given = pd.DataFrame if isinstance(settings.result_type, StructType) else pd.Series
    # Spark reads from them what sort of function it is; they are no text then.
    predict.__annotations__ = {
        "batches": typing.Iterator[tuple[pd.Series, ...]],
        "return": typing.Iterator[given],  # type: ignore[valid-type]
    }
    return predict


def _with_columns(predict: Any, schema: Schema | None, functions: Any) -> Callable[..., Any]:
    @functools.wraps(predict)
    def with_columns(*columns: Any) -> Any:
        if columns:
            return predict(*columns)
        if schema is None or not schema.has_input_names() or schema.optional_input_names():
            raise UsageError(
                "the model's signature does not say which columns it takes",
                hint='name them: predict("a", "b"), or predict(struct("a", "b"))',
            )
        return predict(*(functions.col(_quoted(str(name))) for name in schema.input_names()))

    return with_columns


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


# In an executor


_models: dict[str, PyFuncModel] = {}


def _predictions(settings: _Settings, batches: Iterator[Any]) -> Iterator[Any]:
    key = f"{settings.digest} {settings.config!r}"
    if key not in _models:
        _models[key] = load_checked(
            settings.name, shipped_model(settings.digest), settings.digest, model_config=settings.config
        )
    model = _models[key]
    for batch in batches:
        columns = batch if isinstance(batch, tuple) else (batch,)
        data = _input(columns, model.metadata.get_input_schema())
        predicted = framed(model.predict(data, settings.params), len(columns[0]))
        yield as_result(predicted, settings.result_type)


def _input(columns: Sequence[Any], schema: Schema | None) -> pd.DataFrame | Any:
    """Make a model's input of columns, or of a struct."""
    import numpy as np
    import pandas as pd

    if len(columns) == 1 and isinstance(columns[0], pd.DataFrame):
        return columns[0]
    if schema is not None and schema.is_tensor_spec() and not schema.has_input_names() and len(columns) == 1:
        return np.array(columns[0].tolist())
    names: list[Any] = [str(place) for place in range(len(columns))]
    if schema is not None and schema.has_input_names():
        names = [*schema.input_names()[: len(columns)], *names[len(schema) :]]
    cells = (
        column.to_dict(orient="records") if isinstance(column, pd.DataFrame) else column for column in columns
    )
    return pd.DataFrame(dict(zip(names, cells, strict=True)))
