"""Signatures: their types, MLflow's JSON, and what samples and type hints say."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import gitml.pyfunc
from gitml.entities.signature import ModelSignature, SignatureError
from gitml.errors import GitmlError
from gitml.formats.model_schema import decode_signature, encode_signature
from gitml.models.signatures.hint_values import fit_hint, like_example
from gitml.models.signatures.hints import (
    TypeFromExample,
    hints_of,
    says_columns,
    schema_of_hint,
    schema_of_output_hint,
)
from gitml.models.signatures.infer import infer_params, infer_schema, infer_signature
from gitml.models.signatures.predicted import signature_by_predicting
from gitml.models.signatures.problems import SchemaError, SchemaWarning
from gitml.types import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    SparkMLVector,
    TensorSpec,
)
from tests.models.signatures import schema_of, schemas, signatures
from tests.needs import needed

quiet = pytest.mark.filterwarnings("ignore::gitml.models.signatures.problems.SchemaWarning")


@settings(max_examples=60, deadline=None)
@given(signatures)
def test_what_is_written_is_read_again(signature) -> None:
    assert decode_signature(encode_signature(signature)) == signature
    assert json.loads(json.dumps(encode_signature(signature))) == encode_signature(signature)


@settings(max_examples=30, deadline=None)
@given(schemas)
def test_schemas_are_values(schema) -> None:
    assert Schema.from_json(schema.to_json()) == schema
    assert hash(Schema.from_json(schema.to_json())) == hash(schema)
    assert len(schema.input_names()) == len(schema) == len(schema.input_types())


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ('[{"name": "x", "type": "double"}]', Schema([ColSpec("double", "x")])),
        (
            '[{"name": "x", "type": "double", "optional": true}]',
            Schema([ColSpec("double", "x", required=False)]),
        ),
        (
            '[{"name": "x", "type": "array", "items": {"type": "string"}}]',
            Schema([ColSpec(Array("string"), "x")]),
        ),
        (
            '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]',
            Schema([TensorSpec("float32", (-1, 3))]),
        ),
        (
            '[{"type": "tensor", "tensor-spec": {"dtype": "<f4", "shape": []}}]',
            Schema([TensorSpec("float32", ())]),
        ),
        ('[{"type": "sparkml_vector", "name": "v"}]', Schema([ColSpec(SparkMLVector(), "v")])),
    ],
)
def test_what_older_and_other_programs_wrote_is_read(text, schema) -> None:
    assert decode_signature({"inputs": text}) == ModelSignature(schema)


def test_old_params_say_dtype() -> None:
    text = '[{"name": "k", "dtype": "long", "default": 3, "shape": null}]'
    assert decode_signature({"params": text}) == ModelSignature(
        params=ParamSchema([ParamSpec("k", "long", 3)])
    )
    assert decode_signature({"inputs": None, "params": None}) is None


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"inputs": "{"}, "inputs .* no JSON"),
        ({"inputs": "[" * 100_000}, "inputs .* no JSON"),
        ({"inputs": '{"type": "long"}'}, "a list of objects"),
        ({"inputs": "[1]"}, "a list of objects"),
        ({"outputs": "[]"}, "outputs .* at least one column"),
        ({"inputs": '[{"name": "x"}]'}, "'type'"),
        ({"inputs": '[{"type": "int"}]'}, "no type 'int'"),
        ({"inputs": '[{"type": ["long"]}]'}, "a type is"),
        ({"inputs": '[{"type": "array"}]'}, "lacks 'items'"),
        ({"inputs": '[{"type": "object", "properties": {}}]'}, "at least one property"),
        ({"inputs": '[{"type": "object", "properties": {"a": 1}}]'}, "a type is an object"),
        ({"inputs": '[{"type": "tensor"}]'}, "'tensor-spec'"),
        ({"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "floaty", "shape": [1]}}]'}, "a dtype of numpy"),
        ({"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "int8", "shape": [-2]}}]'}, "-1 for any"),
        ({"inputs": '[{"type": "long", "name": ["x"]}]'}, "the name of a column"),
        ({"inputs": '[{"type": "long", "name": "x"}, {"type": "long", "name": "x"}]'}, "'x' is there twice"),
        ({"inputs": '[{"type": "long", "name": "x"}, {"type": "long"}]'}, "have a name, or none"),
        ({"inputs": '[{"type": "long", "required": false}]'}, "can't be optional"),
        ({"inputs": '[{"type":"array","items":' * 1 + '{"type":"array","items":' * 90 + '{"type":"long"}' + "}" * 91 + "]"}, "deep"),
        ({"params": '[{"name": "k", "type": "long"}]'}, "lacks 'default'"),
        ({"params": '[{"name": "k", "type": "long", "default": "x"}]'}, "'k' is of type long, not 'x'"),
        ({"params": '[{"name": "k", "type": "binary", "default": null}]'}, "can't be of type binary"),
        ({"inputs": 5}, "a JSON text"),
    ],
)  # fmt: skip
def test_what_is_no_signature_is_refused_in_words(said, complaint) -> None:
    with pytest.raises(SignatureError, match=complaint) as caught:
        decode_signature(said)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_schemas_answer_as_those_of_mlflow_do() -> None:
    schema = Schema([ColSpec("long", "a"), ColSpec(type=DataType.string, name="b", required=False)])
    assert repr(schema) == "['a': long (required), 'b': string (optional)]"
    assert (schema.input_names(), schema.required_input_names(), schema.optional_input_names()) == (
        ["a", "b"], ["a"], ["b"],
    )  # fmt: skip
    assert schema.input_types_dict() == {"a": DataType.long, "b": DataType.string}
    assert schema.numpy_types() == [np.dtype("int64"), np.dtype("str")]
    assert schema.pandas_types() == [np.dtype("int64"), np.dtype("O")]
    assert not schema.is_tensor_spec()
    tensor = Schema([TensorSpec(np.dtype("float32"), [-1, 2])])
    assert tensor.is_tensor_spec()
    assert not tensor.has_input_names()
    assert (tensor.inputs[0].type, tensor.inputs[0].shape) == (np.dtype("float32"), (-1, 2))
    with pytest.raises(SignatureError, match="no length: 'str', not 'str96'"):
        TensorSpec(np.dtype("<U3"), (-1,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.inputs[0].name = "z"


def test_a_dataclass_is_a_schema() -> None:
    @dataclasses.dataclass
    class Part:
        size: int

    @dataclasses.dataclass
    class Row:
        name: str
        parts: list[Part]
        weight: Optional[float] = None  # noqa: UP045 - the old way to write it

    part = Object([Property("size", "long")])
    columns = [
        ColSpec("string", "name"),
        ColSpec(Array(part), "parts"),
        ColSpec("float", "weight", required=False),
    ]
    Row.__annotations__ = {"name": str, "parts": list[Part], "weight": Optional[float]}  # noqa: UP045
    Part.__annotations__ = {"size": int}
    assert ModelSignature(inputs=Row).inputs == Schema(columns)
    assert infer_signature(Row("x", [])).inputs == Schema(columns)


def test_reading_a_signature_loads_no_numpy() -> None:
    program = (
        "import sys; from gitml.formats.model_schema import decode_signature; from gitml.types import Schema;"
        """decode_signature({"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}]'});"""
        "assert not {'numpy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_whole_numbers_are_warned_of() -> None:
    with pytest.warns(SchemaWarning, match="whole numbers, which can't hold missing values"):
        infer_schema(pd.DataFrame({"a": [1]}))


def test_warnings_name_the_line_that_asked(tmp_path: Path) -> None:
    def unreadable(model_input: Nothing):  # noqa: F821 - what can't be read
        return model_input

    frame = pd.DataFrame({"a": [1.5], "z": [2]})
    signature = infer_signature(frame[["a"]], params={"t": 0.5})
    gitml.pyfunc.save_model(
        tmp_path / "m", python_model=_same, signature=signature, pip_requirements=["numpy"]
    )
    model = gitml.pyfunc.load_model(tmp_path / "m")
    asked = (
        lambda: infer_schema(frame),
        lambda: infer_signature(frame),
        lambda: infer_signature(frame["a"].to_numpy(), np.array([1], "uint64").reshape(())),
        lambda: model.predict(frame),
        lambda: model.predict(frame[["a"]], {"x": 1}),
        lambda: hints_of(unreadable),
    )
    for ask in asked:
        with pytest.warns(SchemaWarning) as caught:
            ask()
        assert {(each.filename, each.lineno) for each in caught} == {(__file__, ask.__code__.co_firstlineno)}


def _same(model_input, params=None):
    return model_input


def test_what_nothing_can_be_said_of_is_anything() -> None:
    with pytest.warns(SchemaWarning, match="nothing can be said of model_input.*uint64 have no type"):
        signature = infer_signature(pd.DataFrame({"a": np.array([1], "uint64")}))
    assert signature.inputs == Schema([ColSpec(AnyType())])
    with pytest.raises(SignatureError, match="at least one of"):
        infer_signature()


@quiet
def test_samples_say_what_they_are() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [[1.5], []], "d": [{"k": 1}, {"l": "x"}]})
    assert infer_signature(frame, np.zeros((2, 3), "float32"), {"t": [0.5], "n": {"deep": True}}) == ModelSignature(
        schema_of(
            [
                ("long", "a", True),
                ("string", "b", False),
                ({"type": "array", "items": {"type": "double"}}, "c", True),
                (
                    {"type": "object", "properties": {"k": {"type": "long", "required": False}, "l": {"type": "string", "required": False}}},
                    "d",
                    True,
                ),
            ]
        ),
        Schema([TensorSpec("float32", (-1, 3))]),
        ParamSchema([ParamSpec("t", "double", [0.5], (-1,)), ParamSpec("n", Object([Property("deep", "boolean")]), {"deep": True})]),
    )  # fmt: skip


def test_params_that_have_no_type_are_named() -> None:
    with pytest.raises(SignatureError, match="'a': .*bytes|'a': .*binary.*'b': .*lists"):
        infer_params({"a": b"x", "b": [[1]], "c": 1})


def test_polars() -> None:
    polars = needed("polars")
    frame = polars.DataFrame(
        {"a": [1, None], "b": ["x", "y"], "c": [[1.5], []], "d": [{"k": True}, {"k": False}]}
    )
    with pytest.warns(SchemaWarning):
        schema = infer_schema(frame)
    kept = Object([Property("k", "boolean")])
    assert schema == Schema([
        ColSpec("long", "a", required=False), ColSpec("string", "b"), ColSpec(Array("double"), "c"), ColSpec(kept, "d"),
    ])  # fmt: skip


def test_predicting_an_example_says_what_comes_out() -> None:
    seen: list[Any] = []

    def predict(data, params):
        seen.append((data, params))
        return np.array([0.5])

    signature = signature_by_predicting({"a": 1.5, "b": "x"}, {"k": 3}, predict)
    assert signature.inputs == Schema([ColSpec("double", "a"), ColSpec("string", "b")])
    assert signature.outputs == Schema([ColSpec("double")])
    assert list(seen[0][0].columns) == ["a", "b"]
    assert seen[0][1] == {"k": 3}
    with pytest.warns(SchemaWarning):
        assert signature_by_predicting([1], None, lambda _data, _params: object()).outputs == Schema(
            [ColSpec(AnyType())]
        )


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (list[str], DataType.string),
        (list[int], DataType.long),
        (list[dt.datetime], DataType.datetime),
        (list[list[float]], Array("double")),
        (list[dict[str, bool]], Map("boolean")),
        (list[Any], AnyType()),
        (list[int | str], AnyType()),
    ],
)
def test_hints_say_what_a_list_is_of(hint, kind) -> None:
    assert schema_of_hint(hint) == Schema([ColSpec(kind)])


@pytest.mark.parametrize(
    ("hint", "complaint"),
    [
        (str, "str is no list"),
        (list, "doesn't say what it is a list of"),
        (list[dict], "no type"),
        (list[dict[int, str]], "keys of a dictionary are str"),
        (list[int | None], "can't be None"),
        (list[complex], "complex has no type"),
    ],
)
def test_hints_that_say_nothing_are_refused(hint, complaint) -> None:
    with pytest.raises(SignatureError, match=complaint):
        schema_of_hint(hint)


def test_hints_of_predict() -> None:
    class Model:
        def predict(
            self, context: Any, model_input: list[str], params: dict | None = None
        ) -> pd.DataFrame: ...

        def __call__(self, model_input: list[int]) -> list[float]: ...

    Model.predict.__annotations__ = {"context": Any, "model_input": list[str], "return": pd.DataFrame}
    assert hints_of(Model().predict, 1).input == list[str]
    assert not says_columns(hints_of(Model().predict, 1).output)
    assert not says_columns(TypeFromExample)
    assert says_columns(list[str])
    assert hints_of(len).input is None
    assert schema_of_output_hint(float) == Schema([ColSpec("double")])


def test_pydantic_models() -> None:
    pydantic = needed("pydantic")
    message = pydantic.create_model("Message", role=(str, ...), tokens=(Optional[int], None))  # noqa: UP045
    kind = Object([Property("role", "string"), Property("tokens", "long", required=False)])
    assert schema_of_hint(list[message]) == infer_schema([message(role="a")]) == Schema([ColSpec(kind)])
    assert fit_hint([{"role": "a"}], list[message]) == [message(role="a")]
    with pytest.raises(SchemaError, match=r"at \[1\] .*field 'role': Input should be a valid string"):
        fit_hint([{"role": "a"}, {"role": 5}], list[message])
    wrong = pydantic.create_model("Wrong", size=(Optional[int], ...))  # noqa: UP045
    with pytest.raises(SignatureError, match="'size' of Wrong may be None and has no default"):
        schema_of_hint(list[wrong])


def test_data_is_checked_against_a_hint() -> None:
    assert fit_hint(pd.DataFrame({"x": ["a", "b"]}), list[str]) == ["a", "b"]
    assert fit_hint(pd.DataFrame({"x": [1], "y": [2]}), list[dict[str, int]]) == [{"x": 1, "y": 2}]
    assert fit_hint(["YQ=="], list[bytes], from_json=True) == [b"a"]
    assert fit_hint({"a": [1, None]}, dict[str, list[int | None]]) == {"a": [1, None]}
    for data, hint, complaint in [
        (["a", 1], list[str], r"at \[1\] expected str, got 1 \(int\)"),
        ("a", list[str], r"got 'a' \(str\)"),
        ([{"k": "x"}], list[dict[str, int]], r"at \[0\] .*\['k'\] expected int, got 'x'"),
        (pd.DataFrame({"x": [1], "y": [2]}), list[int], "2 columns"),
    ]:
        with pytest.raises(SchemaError, match=complaint):
            fit_hint(data, hint)
    assert like_example(pd.DataFrame({0: ["a"]}), ["b"]) == ["a"]
    assert like_example(pd.DataFrame({"k": [1]}), {"k": 2}) == {"k": 1}
    assert like_example(pd.DataFrame({0: ["a"]}), "b") == "a"


def test_types_that_go_together_are_one() -> None:
    assert infer_schema([{"a": [None, {"x": "t"}]}]).inputs[0].type == Array(
        Object([Property("x", "string", required=False)])
    )
    with pytest.raises(GitmlError, match="in one list"):
        infer_schema([1, "a"])
