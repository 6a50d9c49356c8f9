"""What a project asks of promotions: the file, its conditions, and the formats of models."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.policy import Comparison, Condition, Holder, Policy, Sum
from gitml.errors import DamagedError
from gitml.formats.condition import ConditionError, parse_condition
from gitml.formats.policy import decode_policy
from gitml.formats.policy_file import PolicyFileError
from gitml.formats.serialization import formats_of

_numbers = st.builds(Fraction, st.decimals(-(10**9), 10**9, places=6))
_terms = st.recursive(
    st.one_of(_numbers, st.just(Holder())),
    lambda inner: st.builds(Sum, inner, st.sampled_from("+-*/"), inner),
    max_leaves=6,
)
_conditions = st.builds(
    Condition,
    st.lists(
        st.builds(Comparison, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _terms),
        min_size=1,
        max_size=2,
    ).map(tuple),
).filter(lambda condition: len(str(condition)) <= 200)


@given(_conditions)
def test_a_condition_is_read_as_it_is_written(condition: Condition):
    assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0.9", "begins with none of"),
        (">=", "ends too early"),
        (">= 0.9 and", "ends too early"),
        (">= best", "'best' is not expected"),
        (">= __import__('os')", "'__import__' is not expected"),
        (">= holder.loss", "'.loss' is not expected"),
        (">= 1e999", "'1e999' is not expected"),  # would be as large as the memory
        (">= 0x10", "is not expected"),
        (">= " + "(" * 300, "at most 200"),
    ],
)
def test_what_is_no_condition_is_told_where(text: str, problem: str):
    with pytest.raises(ConditionError, match=problem):
        parse_condition(text)


WHOLE = b"""\
stages: [Shadow, Canary]
transitions:
  production: [staging, CANARY]
  canary: [none]
models:
  "*":
    production: {clean_code: true, finished: false}
  churn:
    Canary:
      metrics: {loss.min: "<= holder + 0.01"}
      tags: [reviewed, {risk: 1.0}]
      signers: [ada@example.org]
      approvals: 2
      formats: [skops]
"""


def test_a_policy_says_what_it_says():
    policy = decode_policy(WHOLE)
    assert policy.stages == ("Shadow", "Canary")
    assert policy.transitions == {"production": ("Staging", "Canary"), "canary": ("None",)}
    everywhere, churn = policy.rules
    assert (everywhere.model, everywhere.clean_code, everywhere.finished) == ("*", True, False)
    assert (churn.stage, churn.line, churn.approvals) == ("Canary", 9, 2)
    assert churn.tags == {"reviewed": None, "risk": "1.0"}
    assert str(churn.metrics["loss.min"]) == "<= holder + 0.01"
    assert (churn.signers, churn.formats) == (("ada@example.org",), ("skops",))
    assert decode_policy(b"# nothing yet\n") == Policy(source=".gitml.yaml")


@pytest.mark.parametrize(
    ("text", "line", "problem", "hint"),
    [
        ("model: {}", 1, "'model' is no key", "did you mean 'models'?"),
        ("models:\n  a:\n    production: {metrcs: {}}", 3, "no key of 'production'", "'metrics'"),
        ("models:\n  a:\n    prodction: {}", 3, "'prodction' is no stage", "'Production'"),
        ("models: {a: {production: {}, PRODUCTION: {}}}", 1, "stands twice", ""),
        ("models:\n  a: {}\n  a: {}", 3, "'a' stands twice", "once in line 2"),
        ("models: {a: {archived: {finished: true}}}", 1, "comes into Archived", ""),
        ("models: {a: {production: {metrics: {loss: 0.5}}}}", 1, "begins with none of", "'>= 0.9'"),
        ("models: {a: {production: {approvals: -1}}}", 1, "a whole number from 0", ""),
        ("models: {a: {production: {finished: 'true'}}}", 1, "must be true or false", ""),
        ("models: {a: {production: {formats: [pikle]}}}", 1, "no format", "'pickle'"),
        ("models: {a: {production: {signers: []}}}", 1, "nothing could meet it", ""),
        ("models: {a: }", 1, "'a' must have keys", ""),
        ("stages: [Production]", 1, "is there already", ""),
        ("stages: ['a/b']", 1, "it has a '/'", ""),
        ("stages: [latest]", 1, "has a meaning already", ""),
        ("transitions: {production: [nowhere]}", 1, "'nowhere' is no stage", ""),
        ("models: &a {}\nstages: *a", 1, "anchors and aliases are not allowed", ""),
        ("stages: !!python/object/apply:os.system [id]", 1, "tags are not allowed", ""),
        ("a:\n - " + "[" * 30, 2, "levels", ""),
        ("models: [}", 1, "", ""),
        ("{}\n---\n{}", 2, "another document", ""),
        ("models: {\x07: {}}", 0, "", ""),
        ("#" * (1 << 18) + "#", 0, "more than", ""),
    ],
)
def test_what_a_policy_can_t_say_is_told_with_its_line(text: str, line: int, problem: str, hint: str):
    with pytest.raises(PolicyFileError) as caught:
        decode_policy(text.encode(), "main:.gitml.yaml")
    assert problem in caught.value.problem
    assert caught.value.line == line
    assert hint in (caught.value.hint or "")
    assert caught.value.message.startswith("'main:.gitml.yaml'")


@given(st.binary(max_size=200) | st.text("{}[]:,-*&!>|'\"#% \nabmodels", max_size=60).map(str.encode))
def test_any_bytes_are_a_policy_or_an_error_that_is_explained(data: bytes):
    before = time.process_time()
    try:
        decode_policy(data)
    except PolicyFileError as err:
        assert err.problem
    assert time.process_time() - before < 5


def test_formats_are_told_by_names_and_by_what_mlmodel_says_of_pickles():
    paths = [
        "model.pkl",
        "MLmodel",
        "conda.yaml",
        "code/net.py",
        "w.safetensors",
        "w.bin",
        "LICENSE",
        "a.pkl",
    ]
    by_name = {
        "model.pkl": "pickle", "code/net.py": "python", "w.safetensors": "safetensors", "w.bin": "other", "a.pkl": "pickle",
    }  # fmt: skip
    assert formats_of(paths) == by_name
    said = b"flavors:\n  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}\n"
    assert formats_of(paths, said) == {**by_name, "model.pkl": "cloudpickle"}
    # It can't talk a pickle into something harmless.
    lie = b"flavors:\n  sklearn: {pickled_model: model.pkl, serialization_format: skops}\n"
    assert formats_of(paths, lie) == by_name
    function = b"flavors:\n  python_function: {python_model: a.pkl, loader_module: x}\n"
    assert formats_of(paths, function) == {**by_name, "a.pkl": "cloudpickle"}
    assert formats_of(["x.PKL"], b"flavors: [1]\n") == {"x.PKL": "pickle"}
    with pytest.raises(DamagedError):
        formats_of(paths, b"flavors: &a [*a]\n")
