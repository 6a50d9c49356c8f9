"""The MLmodel file: all of it is kept, it can be moved, and it never leads out of its folder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.model import Model
from gitml.entities.signature import ColSpec, ModelSignature, Schema
from gitml.errors import DamagedError
from gitml.formats.mlmodel import UnsafePathError, decode_model, encode_model, member_path

BY_MLFLOW_1 = b"""\
artifact_path: model
flavors:
  python_function:
    data: model.pkl
    env: conda.yaml
    loader_module: mlflow.sklearn
    python_version: 3.7.3
  sklearn:
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 0.22
run_id: 0123456789abcdef0123456789abcdef
signature:
  inputs: '[{"name": "a", "type": "double"}]'
  outputs: '[{"type": "long"}]'
utc_time_created: '2020-06-01 10:00:00.000000'
"""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
FACTS = st.dictionaries(TEXTS, PLAIN, max_size=4)
SIGNATURES = st.builds(
    lambda names: ModelSignature(Schema([ColSpec("double", name) for name in names])),
    st.lists(TEXTS.filter(bool), min_size=1, max_size=3, unique=True),
)
MODELS = st.builds(
    Model,
    flavors=st.dictionaries(TEXTS, FACTS, max_size=3),
    signature=st.none() | SIGNATURES,
    saved_input_example_info=st.none() | FACTS,
    metadata=st.none() | FACTS,
    artifact_path=st.none() | st.just("models/churn"),
    run_id=st.none() | TEXTS,
    utc_time_created=st.none() | st.just("2026-01-01 10:00:00.000000"),
    model_uuid=st.none() | TEXTS,
    model_size_bytes=st.none() | st.integers(0, 2**60),
    extra=st.dictionaries(TEXTS.map("x-".__add__), PLAIN, max_size=3),
)


@given(MODELS)
def test_what_is_written_is_read_again_by_gitml_and_by_any_yaml(model: Model):
    data = encode_model(model)
    assert decode_model(data) == model
    plain = pyyaml.safe_load(data)
    assert plain["flavors"] == {name: dict(facts) for name, facts in model.flavors.items()}
    assert {key: plain[key] for key in model.extra} == dict(model.extra)


def test_a_model_of_mlflow_1_is_read_and_keeps_what_is_not_known():
    old = decode_model(BY_MLFLOW_1)
    assert old.flavors["sklearn"]["pickled_model"] == "model.pkl"
    assert old.signature is not None
    assert old.signature.inputs == Schema([ColSpec("double", "a")])
    new = decode_model(BY_MLFLOW_1 + b"prompts: [a]\nmodel_id: null\nauth_policy: {system: {}}\n")
    assert new == replace(old, extra={"prompts": ["a"], "auth_policy": {"system": {}}})
    assert decode_model(encode_model(new)) == new


@pytest.mark.parametrize(
    "place", ["/home/ada/mlruns/0/models/m-1/artifacts", "file:///tmp/m", "s3://bucket/m", "C:\\m"]
)
def test_where_a_store_has_it_is_not_written(place: str):
    assert b"artifact_path" not in encode_model(Model(artifact_path=place))


@pytest.mark.parametrize(
    "data",
    [
        b"run_id: x\n",
        b"flavors: [sklearn]\n",
        b"flavors: {sklearn: model.pkl}\n",
        b"flavors: {a: &x {}, b: *x}\n",
        b"flavors: !!python/object/apply:os.system [ls]\n",
        b"flavors: {}\nrun_id: [1]\n",
        b"flavors: {}\nsignature: {inputs: '[{]'}\n",
        b"\xff\xfe",
    ],
)
def test_what_is_no_model_is_said_to_be_none(data: bytes):
    with pytest.raises(DamagedError, match="MLmodel"):
        decode_model(data)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/../../x", "a\\b", "C:/x", "", ".", "a\x00b", ".git/config", None, 5, ["a"]],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: object):
    with pytest.raises(UnsafePathError, match="pickled_model"):
        member_path("pickled_model", name)
