"""Canonical YAML: writing and reading are inverse, and every other YAML reader agrees."""

from __future__ import annotations

import math

import pytest
import yaml as pyyaml
from hypothesis import example, given
from hypothesis import strategies as st

from gitml.errors import DamagedError
from gitml.formats import yaml, yaml_guard
from tests.strategies import param_values, texts

mappings = st.dictionaries(
    texts, st.recursive(param_values, lambda v: st.dictionaries(texts, v, max_size=3)), max_size=6
)


def same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@given(mappings)
@example(
    {
        "a": 1e-5,
        "b": "1e-5",
        "c": "yes",
        "d": -0.0,
        "e": "",
        "~": None,
        "n": "null",
        "t": "12:30:45",
        "=": "<<",
    }
)
@example(
    {"a: b": "x: y", "#": "# no comment", "- ": "- ", "'": '"', "line\nbreak": "\x85\u2028\x07", "é🎉": "🎉"}
)
def test_what_is_written_is_read_back(mapping):
    for depth in (1, 2):
        data = yaml.dump_mapping(mapping, block_depth=depth).encode()
        assert same(yaml.load_mapping(data, source="x"), mapping)


@given(mappings)
@example(
    {
        "a": 1e-5,
        "b": "1e-5",
        "c": "yes",
        "d": -0.0,
        "e": "",
        "~": None,
        "n": "null",
        "t": "12:30:45",
        "=": "<<",
    }
)
def test_pyyaml_reads_the_same(mapping):
    data = yaml.dump_mapping(mapping, block_depth=2).encode()
    assert same(yaml_guard.load(data, max_depth=30) or {}, mapping)
    assert same(pyyaml.load(data, Loader=pyyaml.SafeLoader) or {}, mapping)


@given(mappings)
def test_a_mapping_is_one_line_a_key(mapping):
    assert yaml.dump_mapping(mapping).count("\n") == len(mapping)


@given(st.lists(param_values, max_size=5))
def test_sequences_are_read_back(items):
    assert same(yaml.load_sequence(yaml.dump_sequence(items).encode(), source="x"), items)


@given(st.binary(max_size=200) | st.text(":{}[]\"', \n-#&*!|>ab01.", max_size=60).map(str.encode))
def test_any_bytes_give_a_mapping_or_a_clear_error(data):
    try:
        assert isinstance(yaml.load_mapping(data, source="params.yaml"), dict)
    except DamagedError as err:
        assert "params.yaml" in str(err)


@given(st.text(":{}[]\"', \n-#ab01.e+_~", max_size=60))
def test_the_fast_path_never_disagrees_with_the_guarded_reader(text):
    data = text.encode()
    try:
        fast = yaml._canonical_mapping(text)
    except yaml._NotCanonicalError:
        return
    assert same(fast, yaml_guard.load(data, max_depth=30) or {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x [1]\nb: *x\n", "anchors"),
        ("a: !!python/object/apply:os.system [echo]\n", "tags"),
        ("a: " + "[" * 50 + "]" * 50 + "\n", "levels"),
        ("- 1\n- 2\n", "key: value"),
        ("1: x\n", "text for keys"),
        ("a: [\n", "can't be read"),
        ("a: 'x\n", "can't be read"),
    ],
)
def test_tricks_are_refused_with_the_file_named(text, problem):
    with pytest.raises(DamagedError, match=problem) as caught:
        yaml.load_mapping(text.encode(), source="run.yaml")
    assert "run.yaml" in str(caught.value)


def test_a_billion_laughs_are_refused_at_once():
    bomb = 'a: &a ["x","x"]\n' + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
    )
    with pytest.raises(DamagedError, match="anchors and aliases"):
        yaml.load_mapping(bomb.encode(), source="params.yaml")


def test_hand_written_yaml_is_read_by_the_core_schema():
    text = (
        "lr: 1e-3\nyes: no\nname: 'it''s'\nlist:\n  - 1\n  - two\ntime: 12:30\nday: 2026-01-01\n# a comment\n"
    )
    assert yaml.load_mapping(text.encode(), source="x") == {
        "lr": 0.001,
        "yes": "no",
        "name": "it's",
        "list": [1, "two"],
        "time": "12:30",
        "day": "2026-01-01",
    }


def test_a_journal_keeps_the_last_line_of_a_key_and_drops_a_torn_one():
    assert yaml.load_journal(b'a: 1\nb: x\na: 2\n"c: d": [1', source="x") == {"a": 2, "b": "x"}
    assert yaml.load_journal(b"", source="x") == {}
