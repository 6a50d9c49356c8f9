"""Input examples: kept beside a model, read again, sent to a server."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gitml.errors import GitmlError, UsageError
from gitml.models.examples import (
    convert_input_example_to_serving_input,
    load_example,
    load_example_params,
    load_serving_example,
    save_example,
    split_example,
)
from gitml.models.signatures.infer import infer_schema
from tests.models import signature_cases as cases
from tests.needs import needed

pytestmark = pytest.mark.filterwarnings("ignore::gitml.models.signatures.problems.SchemaWarning")


@pytest.mark.parametrize("name", cases.EXAMPLES)
def test_an_example_comes_back_with_its_types(name, tmp_path) -> None:
    example = cases.EXAMPLES[name]
    data, params = split_example(example)
    saved = save_example(tmp_path, example)
    read = load_example(tmp_path, saved.info, infer_schema(data))
    expected = data.isoformat() if name == "moment" else data
    if name == "frame":  # times are nanoseconds in a signature
        expected = expected.astype({"d": "datetime64[ns]"})
    assert cases.described(read) == cases.described(expected)
    assert load_example_params(tmp_path, saved.info) == params
    assert cases.described(saved.data) == cases.described(data)
    request = load_serving_example(tmp_path, saved.info)
    assert request == convert_input_example_to_serving_input(example)
    json.loads(request, parse_constant=pytest.fail)  # JSON has no NaN


@pytest.mark.parametrize(
    ("example", "request_"),
    [
        (pd.DataFrame({"a": [1.5, None]}), {"dataframe_split": {"columns": ["a"], "data": [[1.5], [None]]}}),
        (pd.DataFrame([[1]]), {"dataframe_split": {"data": [[1]]}}),
        (np.eye(2), {"inputs": [[1.0, 0.0], [0.0, 1.0]]}),
        ({"a": float("nan")}, {"inputs": {"a": None}}),
        (({"prompt": "x"}, {"n": 1}), {"prompt": "x", "n": 1}),
        ((["x"], {"n": 1}), {"inputs": ["x"], "params": {"n": 1}}),
    ],
)
def test_requests_are_what_a_server_takes(example, request_) -> None:
    assert json.loads(convert_input_example_to_serving_input(example)) == request_


def test_what_a_model_does_to_its_example_stays_there(tmp_path) -> None:
    example = {"a": [1]}
    saved = save_example(tmp_path, example)
    saved.data["a"].append(2)
    assert example == {"a": [1]}


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        ([np.zeros(2)], "can't be a list of arrays"),
        ({"a": np.zeros(2), "b": 1}, "not of both"),
        (pd.Series([1]), "not Series"),
        (object(), "not object"),
        ({"a": [{"b": {1}}]}, r"can't hold set \(at '.a\[0\].b'\)"),
        (("x", {"k": b"x"}), "'k'"),
    ],
)
def test_what_cannot_be_kept_is_refused(example, complaint, tmp_path) -> None:
    with pytest.raises(UsageError, match=complaint):
        save_example(tmp_path, example)


def told(**changes: Any) -> dict[str, Any]:
    return {"artifact_path": "input_example.json", "type": "dataframe", **changes}


@pytest.mark.parametrize(
    ("info", "content", "complaint"),
    [
        (told(type="pickle"), "{}", "no input example of type 'pickle'"),
        (told(artifact_path="../../etc/passwd"), "{}", "can't be a file of it"),
        (told(artifact_path="/etc/passwd"), "{}", "it is absolute"),
        (told(artifact_path="other.json"), "{}", "lacks its file"),
        (told(), "{", "no JSON"),
        (told(), "[" * 100_000, "nested too deep"),
        (told(), "[1]", "no dataframe"),
        (told(), '{"columns": ["a"]}', "no dataframe"),
        (told(), '{"columns": ["a"], "data": [[1, 2]]}', "no dataframe"),
        (told(type="sparse_matrix_csr"), '{"data": [1]}', "no sparse_matrix_csr"),
        (told(params="true"), "[]", "lacks 'inputs' or 'params'"),
    ],
)
def test_what_is_no_example_is_refused(info, content, complaint, tmp_path) -> None:
    (tmp_path / "input_example.json").write_text(content)
    with pytest.raises(GitmlError, match=complaint):
        load_example(tmp_path, info)


def test_an_example_that_does_not_fit_names_the_column(tmp_path) -> None:
    saved = save_example(tmp_path, pd.DataFrame({"a": ["x"]}))
    with pytest.raises(GitmlError, match=r"column 'a' \(double\): got 'x'"):
        load_example(tmp_path, saved.info, infer_schema(pd.DataFrame({"a": [1.5]})))


def test_no_example_is_none(tmp_path) -> None:
    assert load_example(tmp_path, None) is load_example_params(tmp_path, None) is None
    assert load_serving_example(tmp_path, None) is convert_input_example_to_serving_input(None) is None


def test_polars(tmp_path) -> None:
    polars = needed("polars")
    saved = save_example(tmp_path, polars.DataFrame({"a": [1.5], "b": ["x"]}))
    assert saved.info["pandas_orient"] == "split"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_example(tmp_path, saved.info).to_dict("records") == [{"a": 1.5, "b": "x"}]
