"""Signatures, enforcement and examples beside the mlflow package's own."""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitml.errors import GitmlError
from gitml.formats.model_schema import decode_signature, encode_signature
from gitml.models.examples import load_example, load_example_params, save_example
from gitml.models.signatures.enforce import enforce_schema
from gitml.models.signatures.infer import infer_signature
from gitml.models.signatures.rows import compile_rows
from tests.models import signature_cases as cases
from tests.models.signatures import schema_of, signatures

PEER = os.environ.get("PEER_MLFLOW_PYTHON", "")
SCRIPT = Path(__file__).parent / "mlflow_signatures.py"
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not PEER, reason="PEER_MLFLOW_PYTHON names no interpreter with mlflow"),
    pytest.mark.filterwarnings("ignore::gitml.models.signatures.problems.SchemaWarning"),
]
# Where the answer is another one on purpose: MLflow takes any objects for flags.
COLUMNS_ELSE = {"bytes for boolean", "dates for boolean", "decimals for boolean"}
# Of JSON, MLflow makes True of whatever is not empty, cuts numbers off, and passes numbers on as texts ...
_NO_FLAGS = (
    "numbers", "whole numbers", "whole floats", "beyond 32 bits", "beyond 64 bits", "gaps", "texts", "texts with gaps",
    "texts of numbers", "texts of whole numbers", "base64", "times", "times of UTC", "times with gaps",
    "times in other words", "lists", "lists of texts", "objects", "numbers and texts",
)  # fmt: skip
_NO_TEXTS = (
    "numbers", "whole numbers", "whole floats", "zero and one", "beyond 32 bits", "beyond 64 bits", "gaps",
    "gaps among whole numbers", "flags", "flags with gaps", "lists", "objects", "numbers and texts",
)  # fmt: skip
REFUSED_HERE = {
    *(f"{name} for boolean" for name in _NO_FLAGS),
    *(f"{name} for string" for name in _NO_TEXTS),
    "numbers for integer", "numbers for long", "beyond 32 bits for integer", "beyond 64 bits for integer",
    "beyond 64 bits for long", "numbers for datetime", "whole floats for datetime", "gaps for datetime",
    "times of UTC for binary",
}  # fmt: skip
# ... and None is no False here, UTC is what a time with a zone becomes, and one column may mix ways to write times.
OTHERWISE_HERE = {
    "gaps among whole numbers for boolean", "only gaps for boolean", "flags with gaps for boolean",
    "only gaps for binary", "times for datetime", "times of UTC for datetime",
}  # fmt: skip


def peer(*arguments: object, stdin: str | None = None) -> Any:
    done = subprocess.run(
        [PEER, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, input=stdin, check=False
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert answers, done.stderr[-2000:]
    return json.loads(answers[0].removeprefix("ANSWER "))


@pytest.fixture(scope="module")
def answers() -> Any:
    return peer("answers")


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except GitmlError as err:
        return f"refused: {err}"


def differing(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    return {
        name: (ours[name], theirs[name])
        for name in theirs
        if ours[name] != theirs[name]
        and not (str(ours[name]).startswith("refused") and str(theirs[name]).startswith("refused"))
    }


def inputs_of(sample):
    return encode_signature(infer_signature(sample))["inputs"]


def params_of(params):
    return encode_signature(infer_signature(params=params))["params"]


def enforced(data, specs):
    return cases.described(enforce_schema(data, schema_of(specs)))


def parsed(values, kind):
    return cases.described(
        compile_rows(schema_of([(kind, "a", True)])).frame([{"a": value} for value in values])
    )


def test_samples_say_the_same(answers) -> None:
    ours = {name: attempt(inputs_of, sample) for name, sample in cases.SAMPLES.items()}
    assert differing(ours, answers["samples"]) == {}


def test_params_say_the_same(answers) -> None:
    ours = {name: attempt(params_of, params) for name, params in cases.PARAMS.items()}
    assert differing(ours, answers["params"]) == {}


def test_every_column_for_every_type(answers) -> None:
    ours = {
        f"{name} for {kind}": attempt(enforced, column.to_frame("a"), [(kind, "a", True)])
        for name, column in cases.COLUMNS.items()
        for kind in cases.EVERY
    }
    assert differing(ours, answers["columns"]).keys() == COLUMNS_ELSE


def test_json_becomes_the_same(answers) -> None:
    ours = {
        f"{name} for {kind}": attempt(parsed, values, kind)
        for name, values in cases.JSON.items()
        for kind in cases.EVERY
    }
    elsewise = differing(ours, answers["json"])
    refused = {name for name, (here, _) in elsewise.items() if isinstance(here, str)}
    assert refused == REFUSED_HERE
    assert elsewise.keys() - refused == OTHERWISE_HERE


def test_inputs_are_taken_the_same(answers) -> None:
    ours = {name: attempt(enforced, data, specs) for name, (specs, data) in cases.INPUTS.items()}
    assert differing(ours, answers["inputs"]) == {}


@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(signatures, min_size=200, max_size=200))
def test_texts_mean_the_same(many) -> None:
    texts = [encode_signature(each) for each in many]
    theirs = peer("texts", stdin=json.dumps(texts))
    assert [decode_signature(each) for each in theirs] == many
    assert theirs == texts


def test_examples_of_either_are_read_by_the_other(tmp_path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    infos = {}
    for name, example in cases.EXAMPLES.items():
        (ours / name).mkdir()
        infos[name] = save_example(ours / name, example).info
    (ours / "infos.json").write_text(json.dumps(infos))
    wrote = peer("write", theirs)
    assert infos == wrote
    (theirs / "infos.json").write_text(json.dumps(wrote))

    def read(folder: Path) -> dict[str, Any]:
        return {
            name: [
                cases.described(load_example(folder / name, info)),
                load_example_params(folder / name, info),
            ]
            for name, info in infos.items()
        }

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = read(ours)
        assert mine == read(theirs)
        said = peer("read", ours)
        said["array"][0]["dtype"] = "float64"  # None among numbers makes objects of them there
        assert mine == said
