"""Why a file can't be read, in words."""

from __future__ import annotations

import json

import pytest

from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.formats.unreadable import load_json_lines, why_unreadable


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("x", "it is no JSON: a value is missing, line 1, column 1"),
        ("{'a': 1}", "it is no JSON: a name in double quotes is missing, line 1, column 2"),
        ('{"a" 1}', "it is no JSON: ':' is missing, line 1, column 6"),
        ("[1\n2]", "it is no JSON: ',' or the closing bracket is missing, line 2, column 1"),
        ("1 2", "it is no JSON: more follows where it should end, line 1, column 3"),
        ('["a', "it is no JSON: a text has no closing quote, line 1, column 2"),
        ('["a\n"]', "it is no JSON: a text has a control character in it, line 1, column 4"),
    ],
)
def test_what_keeps_a_text_from_being_json(text, why):
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert why_unreadable(caught.value) == why


def test_a_line_of_many_is_named():
    with pytest.raises(json.JSONDecodeError) as caught:
        list(load_json_lines(["1", "", "[2", "3"]))
    assert why_unreadable(caught.value).endswith("line 3, column 3")
    assert list(load_json_lines(["1\n", " \n", "[2]\n"])) == [(1, 1), (3, [2])]


@pytest.mark.parametrize(
    ("err", "why"),
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not UTF-8 text (byte 0)"),
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deep"),
        (PermissionError(13, "Permission denied", "m.json"), "permission denied"),
        (ValueError("it is no list"), "it is no list"),
    ],
)
def test_other_reasons(err, why):
    assert why_unreadable(err) == why


def test_bytes_that_are_no_text_in_yaml():
    with pytest.raises(DamagedError, match=r"holds what no text can hold \(byte 3") as caught:
        yaml.load_mapping(b"a: \xff\n", source="x.yaml")
    assert "\n" not in caught.value.message
