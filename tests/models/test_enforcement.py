"""Inputs that are made to fit a signature, and what is said of those that don't."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.errors import UsageError
from gitml.models.signatures.enforce import compile_enforcer, enforce_params, enforce_schema
from gitml.models.signatures.problems import SchemaError, SchemaWarning
from gitml.models.signatures.rows import cast_records, compile_rows
from gitml.types import Array, ColSpec, Map, Object, ParamSchema, ParamSpec, Property, Schema, TensorSpec
from tests.models import signature_cases as cases
from tests.models.signatures import schema_of

# Which columns become which types: of signature_cases.COLUMNS, as the mlflow package has it (test_like_mlflow asks it).
TAKEN = {
    "boolean": {"bool", "bool objects"},
    "integer": {"int8", "int32", "uint16", "Int32"},
    "long": {"int8", "int32", "int64", "int64 of 0 and 1", "int64 beyond doubles", "uint16", "uint32", "Int64", "Int32"},
    "float": {"float32", "int64 of 0 and 1"},
    "double": {
        "int8", "int32", "int64 of 0 and 1", "uint16", "uint32", "float32", "float64", "whole float64",
        "float64 with gaps", "Int32", "decimals", "no rows", "bool objects",
    },
    "string": {"str", "text objects", "bool objects", "bytes", "dates", "decimals"},
    "binary": {"str", "text objects", "bool objects", "bytes", "dates", "decimals"},
    "datetime": {"datetime64", "datetime64[s]", "dates"},
}  # fmt: skip


@pytest.mark.parametrize("kind", cases.EVERY)
def test_what_loses_nothing_is_taken(kind) -> None:
    check = compile_enforcer(Schema([ColSpec(kind, "a")]))
    taken = set()
    for name, column in cases.COLUMNS.items():
        try:
            fitted = check(column.to_frame("a"))["a"]
        except SchemaError as err:
            assert f"column 'a' ({kind}): " in err.message
        else:
            taken.add(name)
            assert len(fitted) == len(column)
            if kind not in ("string", "binary", "boolean"):
                assert fitted.dtype == schema_of([(kind, "a", True)]).pandas_types()[0]
    assert taken == TAKEN[kind]


def test_one_message_names_every_problem() -> None:
    schema = Schema(
        [
            ColSpec("long", "age"),
            ColSpec("double", "fare"),
            ColSpec("string", "sex"),
            ColSpec("boolean", "alone"),
        ]
    )
    frame = pd.DataFrame({"age": [1.5, 2.0], "fares": [1.0, 2.0], "sex": [1, 2], "alone": [2, 3]})
    with pytest.raises(UsageError) as caught:
        enforce_schema(frame, schema)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert caught.value.message == (
        "the input doesn't fit the model's signature: column 'fare' (double): is missing; "
        "column 'age' (long): got float64, which long can't hold without loss; "
        "column 'sex' (string): got int64, 1 (int64) in row 0; column 'alone' (boolean): got int64, 2 (int64) in row 0"
    )
    assert (
        caught.value.hint
        == "the input has columns that the signature lacks: 'fares'; perhaps 'fares' for 'fare'"
    )


def test_long_lists_of_problems_are_cut() -> None:
    schema = Schema([ColSpec("double", f"c{index}") for index in range(25)])
    with pytest.raises(SchemaError, match="'c9'.* is missing; and 15 more(\\n|$)"):
        enforce_schema(pd.DataFrame({"x": [1]}), schema)


def test_gaps_among_whole_numbers_get_a_hint() -> None:
    for frame in (pd.DataFrame({"a": [1, None]}), pd.DataFrame({"a": pd.array([1, None], "Int64")})):
        with pytest.raises(SchemaError, match="missing values") as caught:
            enforce_schema(frame, Schema([ColSpec("long", "a")]))
        assert "declare the column double" in str(caught.value.hint)


def test_extra_columns_are_left_out_with_one_warning() -> None:
    frame = pd.DataFrame({"z": [1], "a": [1.5], "y": [2]}, index=[9])
    with pytest.warns(SchemaWarning, match="left out: 'z', 'y'$") as caught:
        fitted = enforce_schema(
            frame, Schema([ColSpec("double", "a"), ColSpec("string", "b", required=False)])
        )
    assert len(caught) == 1
    assert (list(fitted.columns), list(fitted.index)) == (["a"], [9])


def test_a_model_that_changes_its_input_does_not_change_the_callers() -> None:
    frame = pd.DataFrame({"a": [1.5]})
    fitted = enforce_schema(frame, Schema([ColSpec("double", "a")]))
    fitted.loc[0, "a"] = 9.0
    fitted["b"] = 1
    assert frame.to_dict("list") == {"a": [1.5]}


@pytest.mark.parametrize(
    "name", ["objects", "arrays", "maps", "numpy in an array", "object for a dictionary", "tensors"]
)
def test_what_fits_is_taken(name) -> None:
    specs, data = cases.INPUTS[name]
    enforce_schema(data, schema_of(specs))


DEEP = Schema(
    [ColSpec(Array(Object([Property("x", "long"), Property("y", Map("double"), required=False)])), "a")]
)


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ([{"x": 1}, {"x": "2"}], r"row 0: at '\[1\].x': expected long, got '2' \(str\)"),
        ([{"x": 1, "y": {"k": "v"}}], r"at '\[0\].y.k': expected double, got 'v'"),
        ([{}], r"at '\[0\].x': expected a long, got nothing: it is missing"),
        ([{"x": 1, "z": 1}], r"at '\[0\].z': expected only the keys 'x', 'y'"),
        ([{"x": None}], r"expected long, got None"),
        ([{"x": 2**63}], r"expected long, got 9223372036854775808"),
        ("x", r"expected a list .* got 'x'"),
    ],
)
def test_what_is_wrong_inside_a_value_is_found(cell, complaint) -> None:
    with pytest.raises(SchemaError, match=complaint):
        enforce_schema(pd.DataFrame({"a": [cell]}), DEEP)
    with pytest.raises(SchemaError, match=complaint):
        cast_records([{"a": cell}], DEEP)


def test_plain_numbers_go_where_they_fit() -> None:
    schema = Schema([ColSpec(Array("double"), "a"), ColSpec(Map("integer"), "b")])
    fitted = enforce_schema({"a": [1, 2.5], "b": {"k": 3}}, schema)
    assert fitted["a"].tolist() == [[1.0, 2.5]]
    with pytest.raises(SchemaError, match="expected integer, got 2147483648"):
        enforce_schema({"a": [1], "b": {"k": 2**31}}, schema)


def test_tensors_say_type_and_shape() -> None:
    with pytest.raises(
        SchemaError, match=r"expected float32 of shape \(-1, 2\), got float64 of shape \(3, 3\)"
    ):
        enforce_schema(np.zeros((3, 3)), Schema([TensorSpec("float32", (-1, 2))]))
    named = Schema([TensorSpec("float32", (-1,), "x"), TensorSpec("int64", (-1,), "y")])
    with pytest.raises(SchemaError, match=r"'x' \(float32 of shape \(-1,\)\): is missing.*'y' \(int64"):
        enforce_schema({"z": np.zeros(1)}, named)


# ---------------------------------------------------------------- params


PARAMS = ParamSchema(
    [ParamSpec("k", "long", 3), ParamSpec("t", "double", [0.5], (-1,)), ParamSpec("s", "string", None)]
)


def test_params_get_defaults_and_types() -> None:
    assert enforce_params(None, PARAMS) == {"k": 3, "t": [0.5], "s": None}
    assert enforce_params({"t": np.array([1, 2]), "k": np.int32(4)}, PARAMS) == {
        "k": 4,
        "t": [1.0, 2.0],
        "s": None,
    }
    assert enforce_params(None, None) is None
    assert enforce_params({}, None) == {}


def test_unknown_params_are_left_out_with_a_warning() -> None:
    with pytest.warns(SchemaWarning, match="left out: 'x'"):
        assert enforce_params({"x": 1, "k": 1}, PARAMS) == {"k": 1, "t": [0.5], "s": None}
    with pytest.warns(SchemaWarning, match="no params; left out: 'x'"):
        assert enforce_params({"x": 1}, None) == {}


def test_wrong_params_are_all_named() -> None:
    with pytest.raises(
        SchemaError,
        match="'k' is of type long, not 1.5.*'t' is a list of double, not 1.*'s' is of type string",
    ):
        enforce_params({"k": 1.5, "t": 1, "s": True}, PARAMS)
    with pytest.raises(SchemaError, match="a dictionary of params"):
        enforce_params([1], PARAMS)


# ---------------------------------------------------------------- rows of JSON


FLAT = Schema([ColSpec("double", "a"), ColSpec("double", "b")])
MIXED = Schema(
    [ColSpec("long", "i"), ColSpec("double", "d"), ColSpec("string", "s"), ColSpec("boolean", "f"),
     ColSpec("datetime", "t"), ColSpec("binary", "r"), ColSpec("integer", "o", required=False)]
)  # fmt: skip
GOOD = {"i": 1, "d": 2, "s": "x", "f": True, "t": "2024-05-17T12:30:00Z", "r": "YWJj\n", "o": 5}


def test_rows_become_columns_of_their_types() -> None:
    read = compile_rows(MIXED)
    frame = read.frame([GOOD, {**GOOD, "d": None, "s": None, "t": None, "i": 2.0}])
    assert cases.described(frame.iloc[0].to_dict()) == {
        "i": "1", "d": "2.0", "s": "'x'", "f": "True", "t": "2024-05-17T12:30:00", "r": "b'abc'", "o": "5",
    }  # fmt: skip
    assert cases.described(frame.iloc[1].to_dict()) == {
        "i": "2", "d": "missing", "s": "missing", "f": "True", "t": "missing", "r": "b'abc'", "o": "5",
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pd.testing.assert_frame_equal(enforce_schema(frame, MIXED), frame)
    assert list(read.columns([{key: GOOD[key] for key in "idsftr"}])) == list("idsftr")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"i": 1.5}, r"'i' \(long\): got 1.5 \(float\) in row 1"),
        ({"i": None}, r"'i' \(long\): row 1: expected long, got None"),
        ({"i": 2**63}, r"'i' \(long\): got 9223372036854775808"),
        ({"o": 2**31}, r"'o' \(integer\): got 2147483648"),
        ({"i": "one"}, r"'i' \(long\): got 'one' \(str\)"),
        ({"d": "one"}, r"'d' \(double\): got 'one'"),
        ({"d": [1]}, r"'d' \(double\): got a list of 1"),
        ({"d": {"x": 1}}, r"'d' \(double\): got an object with 'x'"),
        ({"s": 5}, r"'s' \(string\): got 5 \(int\)"),
        ({"f": "true"}, r"'f' \(boolean\): got 'true'"),
        ({"f": 2}, r"'f' \(boolean\): got 2"),
        ({"t": "soon"}, r"'t' \(datetime\): got 'soon'"),
        ({"t": True}, r"'t' \(datetime\): got True"),
        ({"t": 1.5}, r"'t' \(datetime\): got 1.5"),
        ({"t": "9999-12-31"}, r"'t' \(datetime\): got '9999-12-31'"),
        ({"r": "%"}, r"'r' \(binary\): row 1: expected bytes in base64, got '%'"),
    ],
)
def test_values_that_do_not_fit_are_shown(change, complaint) -> None:
    with pytest.raises(SchemaError, match=complaint) as caught:
        cast_records([GOOD, {**GOOD, **change}], MIXED)
    assert caught.value.error_code == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("rows", "columns", "complaint"),
    [
        ([{"a": 1}], None, "column 'b' .*is missing"),
        ([{"a": 1, "b": "x", "c": 1}], None, "column 'b' .*got 'x'"),
        ([], None, "'a' .*is missing; column 'b' .*is missing"),
        ([[1, 2]], None, "an object as every row"),
        ([1], None, "an object as every row"),
        ({"a": 1}, None, "a list of rows"),
        ([[1]], ["a", "b"], "expected 2 values, one a column, got 1 values in row 0"),
        ([1], ["a", "b"], "a list as every row"),
        ([[1, 2]], ["a", "a"], "twice"),
        ([[1]], ["a"], "column 'b' .*is missing"),
        ([[1, [2]]], ["a", "b"], "'b' .*got a list of 1"),
    ],
)
def test_matrix_frame_and_columns_say_the_same(rows, columns, complaint) -> None:
    read = compile_rows(FLAT)
    said = set()
    for way in (read.matrix, read.frame, read.columns):
        with pytest.raises(SchemaError, match=complaint) as caught:
            way(rows, columns)
        said.add((caught.value.message, caught.value.error_code))
    assert len(said) == 1


def test_rows_without_names_are_taken_by_place() -> None:
    read = compile_rows(Schema([ColSpec("double"), ColSpec("double")]))
    assert read.matrix([[1, 2], [3, None]]).tolist()[0] == [1.0, 2.0]
    assert read.matrix([{"x": 1, "y": 2}]).tolist() == [[1.0, 2.0]]
    assert list(read.frame([[1, 2]], ["x", "y"]).columns) == ["x", "y"]
    with pytest.raises(SchemaError, match=r"column 1 \(double\): is missing"):
        read.matrix([[1]])
    assert compile_rows(Schema([ColSpec("double")])).matrix([1, 2]).tolist() == [[1.0], [2.0]]


def test_extra_keys_are_left_out_with_a_warning() -> None:
    with pytest.warns(SchemaWarning, match="left out: 'z'"):
        assert compile_rows(FLAT).matrix([{"a": 1, "b": 2, "z": 3}]).tolist() == [[1.0, 2.0]]
    with pytest.warns(SchemaWarning, match="left out: 'z'"):
        assert compile_rows(FLAT).matrix([[3, 2, 1]], ["z", "b", "a"]).tolist() == [[1.0, 2.0]]


values = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False), st.sampled_from(["1", "1.5", "x", " 2 "]), st.just([1]))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"a": values, "b": values}), min_size=1, max_size=3),
    st.sampled_from(["double", "float"]),
)
def test_the_quick_way_gives_what_the_thorough_one_gives(rows, kind) -> None:
    read = compile_rows(Schema([ColSpec(kind, "a"), ColSpec(kind, "b")]))

    def attempt(way):
        try:
            with np.errstate(over="ignore"):
                return way(rows)
        except SchemaError as err:
            return err.message

    matrix, columns = attempt(read.matrix), attempt(read.columns)
    if isinstance(columns, str):
        assert matrix == columns
    else:
        np.testing.assert_array_equal(matrix, np.column_stack([columns["a"], columns["b"]]))
        np.testing.assert_array_equal(attempt(read.frame).to_numpy(), matrix)
