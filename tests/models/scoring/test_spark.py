"""On a real Spark of this machine: scoring, functions on columns, signatures of its data frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gitml
from gitml.entities.signature import ColSpec, DataType, ModelSignature, Schema
from gitml.entities.signature_types import Array, Map, Object, Property
from gitml.errors import UsageError
from gitml.models.signatures.enforce import enforce_schema
from gitml.models.signatures.infer import infer_schema
from gitml.models.signatures.problems import SchemaError
from tests.models.saved import QUICK, elsewhere
from tests.models.scoring.data import expected, save, table
from tests.needs import needs

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # Spark's own, of pandas and of sockets
]


@pytest.fixture(scope="module")
def spark():
    needs("pyspark")
    from gitml.models.scoring.spark_session import spark_session

    with spark_session(None, 2) as session:
        yield session


@pytest.fixture
def model(in_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))
    return save(tmp_path / "model")


def test_a_function_on_columns(spark, model: Path):
    frame = table(50)
    data = spark.createDataFrame(frame)
    predict = gitml.pyfunc.spark_udf(spark, model)
    assert predict.returnType.simpleString() == "double"
    for columns in ((), ("a", "word")):
        found = data.withColumn("p", predict(*columns)).toPandas()
        assert np.allclose(found["p"], expected(frame))
    from pyspark.sql.functions import struct

    found = data.select(predict(struct("word", "a")).alias("p")).toPandas()
    assert np.allclose(found["p"], expected(frame))
    spark.udf.register("predict", predict)
    data.createOrReplaceTempView("rows")
    assert np.allclose(spark.sql("select predict(a, word) p from rows").toPandas()["p"], expected(frame))
    with pytest.raises(Exception, match=r"column 'word' \(string\): is missing"):
        data.select(predict("a")).collect()


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("float", [1.0]),
        ("int", [2]),
        ("string", ["1.0"]),
        ("array<double>", [[1.0, 2.0]]),
        ("x float, y long", [(1.0, 2)]),
        ("struct<n:bigint>", None),
        ("boolean", None),
        (DataType.long, [2]),
    ],
)
def test_results_are_of_the_type_that_is_asked_for(spark, model: Path, tmp_path: Path, asked, wanted):
    def both(model_input):
        return type(model_input)({"x": model_input["a"], "y": [2] * len(model_input)})

    gitml.pyfunc.save_model(tmp_path / "both", python_model=both, **QUICK)
    from pyspark.sql.functions import struct

    data = spark.createDataFrame([(1.0,)], "a double")
    predict = gitml.pyfunc.spark_udf(spark, tmp_path / "both", asked)
    rows = data.select(predict(struct("a")).alias("p"))
    if wanted is None:
        with pytest.raises(Exception, match="of which nothing is"):
            rows.collect()
    else:
        assert [row["p"] for row in rows.collect()] == wanted


def test_a_function_needs_trust_and_a_type(spark, model: Path, tmp_path: Path, monkeypatch):
    with pytest.raises(UsageError, match="no type 'nothing'"):
        gitml.pyfunc.spark_udf(spark, model, "nothing")
    with pytest.raises(UsageError, match="env_manager"):
        gitml.pyfunc.spark_udf(spark, model, env_manager="conda")
    elsewhere(monkeypatch, tmp_path / "other")
    with pytest.raises(gitml.models.UntrustedModelError):
        gitml.pyfunc.spark_udf(spark, model)


def test_signatures_of_data_frames(spark):
    kinds = "b boolean, i int, l long, f float, d double, s string, y binary, t timestamp, a array<long>, o struct<x: double>"
    data = spark.createDataFrame([], kinds)
    schema = infer_schema(data)
    assert schema == Schema(
        [
            ColSpec(DataType.boolean, "b"),
            ColSpec(DataType.integer, "i"),
            ColSpec(DataType.long, "l"),
            ColSpec(DataType.float, "f"),
            ColSpec(DataType.double, "d"),
            ColSpec(DataType.string, "s"),
            ColSpec(DataType.binary, "y"),
            ColSpec(DataType.datetime, "t"),
            ColSpec(Array(DataType.long), "a"),
            ColSpec(Object([Property("x", DataType.double, required=False)]), "o"),
        ]
    )
    assert schema.as_spark_schema() == data.schema
    assert gitml.models.infer_signature(data) == ModelSignature(schema)
    assert Schema([ColSpec(Map(DataType.string))]).as_spark_schema().simpleString() == "map<string,string>"
    from pyspark.ml.linalg import Vectors

    assert "SparkML vector" in repr(infer_schema(spark.createDataFrame([(Vectors.dense(1.0),)], ["v"])))


def test_data_frames_are_held_against_signatures(spark):
    data = spark.createDataFrame([(1, 2.0, "x")], "i int, d double, s string")
    schema = Schema([ColSpec(DataType.double, "d"), ColSpec(DataType.integer, "i")])
    with pytest.warns(UserWarning, match="left out: 's'"):
        found = enforce_schema(data, schema)
    assert [tuple(row) for row in found.collect()] == [(2.0, 1)]
    with pytest.raises(SchemaError, match=r"'d' \(integer\)"):
        enforce_schema(data, Schema([ColSpec(DataType.integer, "d")]))
    with pytest.raises(SchemaError, match="'z' .*is missing"):
        enforce_schema(data, Schema([ColSpec(DataType.integer, "z")]))
