"""Spark ML: pipelines as Spark writes them, JSON and Parquet."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.flavors.shared import (
    NotThisFrameworkError,
    class_name,
    file_of,
    import_module,
    warn_of_version,
)

_DATA = "sparkml"
_OWN = ("org.apache.spark.ml.", "pyspark.ml.")


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A pipeline that transforms tables."""

    model: Any

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Give the predictions of a table of pandas', as a list; lists of numbers become vectors."""
        import pandas as pd

        del params
        if not isinstance(data, pd.DataFrame):
            raise UsageError(
                f"a model of Spark predicts a table, not a {type(data).__name__}",
                hint="give a pandas.DataFrame",
            )
        frame = _with_vectors(_session().createDataFrame(data))
        column = _prediction_column(self.model)
        return [row[0] for row in self.model.transform(frame).select(column).collect()]


@dataclass(frozen=True, slots=True)
class SparkFlavor:
    """Models and pipelines of Spark ML."""

    name: str = "spark"
    loader_module: str = "mlflow.spark"
    packages: tuple[str, ...] = ("pyspark",)

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write the folder `sparkml`."""
        del options
        pyspark = import_module("pyspark", "a model of Spark", "pyspark")
        ml = import_module("pyspark.ml", "a model of Spark", "pyspark")
        if not isinstance(model, ml.Model):
            raise NotThisFrameworkError(model, "Spark ML", "give what fit() gave")
        if not isinstance(model, ml.PipelineModel):
            model = ml.PipelineModel(stages=[model])  # which is what is read again
        try:
            model.write().overwrite().save((folder / _DATA).absolute().as_uri())
        except Exception as err:
            raise UsageError(f"Spark can't write this {type(model).__name__}: {err!s:.300}") from err
        for path in (folder / _DATA).rglob(".*.crc"):
            path.unlink()  # they say nothing that hashes don't, and are twice as many files
        facts = {
            "model_class": class_name(model),
            "model_data": _DATA,
            "pyspark_version": str(pyspark.__version__),
        }
        return Written(facts, {"data": _DATA})

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Classes that are not Spark's own."""
        del options
        data = file_of(folder, facts, "model_data", _DATA)
        foreign = sorted({kind for kind in _classes(data) if not kind.startswith(_OWN)})
        return tuple(f"it makes an object of the class '{kind}'" for kind in foreign)

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the pipeline, in the session of Spark that there is, or a local one."""
        del options
        data = file_of(folder, facts, "model_data", _DATA)
        if str(facts.get("model_class")).startswith("pyspark.ml.connect."):
            raise UsageError("gitml can't load models of Spark Connect", hint="mlflow.spark.load_model can")
        ml = import_module("pyspark.ml", "a model of Spark", "pyspark")
        warn_of_version("pyspark", facts.get("pyspark_version"))
        _session()
        return ml.PipelineModel.load(data.absolute().as_uri())

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Transform a table, and give its column of predictions."""
        del facts, function
        return _Wrapped(model)


FLAVOR = SparkFlavor()


def _session() -> Any:
    sql = import_module("pyspark.sql", "a model of Spark", "pyspark")
    found = sql.SparkSession.getActiveSession()
    if found is not None:
        return found
    quiet = {"spark.ui.enabled": "false", "spark.driver.host": "localhost"}
    return sql.SparkSession.builder.master("local[*]").config(map=quiet).getOrCreate()


def _with_vectors(frame: Any) -> Any:
    """Make vectors of columns that are lists of numbers."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.types import ArrayType, DoubleType

    for field in frame.schema.fields:
        if isinstance(field.dataType, ArrayType) and isinstance(field.dataType.elementType, DoubleType):
            frame = frame.withColumn(field.name, array_to_vector(field.name))
    return frame


def _prediction_column(model: Any) -> str:
    last = model.stages[-1] if getattr(model, "stages", None) else model
    return str(last.getPredictionCol()) if hasattr(last, "getPredictionCol") else "prediction"


def _classes(data: Path) -> Iterator[str]:
    """The classes that a pipeline is made of, by what its files say."""
    for path in data.rglob("part-*"):
        if path.parent.name != "metadata" or path.suffix == ".crc":
            continue
        try:
            told = json.loads(path.read_bytes().partition(b"\n")[0] or b"{}")
            if told:
                yield str(told["class"])
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise DamagedError(f"'{path.name}' does not say what the model is made of: {err!s:.200}") from err


def save_model(
    spark_model: Any,
    path: str | os.PathLike[str],
    *,
    conda_env: Any = None,
    code_paths: Any = None,
    **common: Any,
) -> Model:
    """Save a model of Spark ML to a folder of this machine.

    Args:
        spark_model: What `fit` gave: a `PipelineModel`, or another, which becomes one.
        path: The folder, which must not exist or be empty.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no model of Spark, or can't be written.
    """
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, spark_model, path, {}, given)


def log_model(
    spark_model: Any,
    artifact_path: str | None = None,
    *,
    conda_env: Any = None,
    code_paths: Any = None,
    **common: Any,
) -> ModelInfo:
    """Keep a model of Spark ML with the current run.

    Args:
        spark_model: What `fit` gave: a `PipelineModel`, or another, which becomes one.
        artifact_path: The folder among the run's artifacts; `model` if not given.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, spark_model, {}, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None, *,
    trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a model of Spark ML, a `PipelineModel`.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust)
