"""Who asks for JSON gets errors as JSON too, from the commands that share and care."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "words",
    [
        ("push",), ("pull",), ("fetch",), ("sync",), ("fsck",), ("gc",), ("du",), ("purge", "x", "--yes"),
        ("bundle", "create", "x"), ("bundle", "apply", "x"), ("bundle", "verify", "x"), ("bundle", "list", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_error_is_one_document_on_standard_error(cli, tmp_path, monkeypatch, words):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "empty").mkdir()
    done = cli(*words, "--json", code=None, cwd=tmp_path / "empty")
    told = json.loads(done.err)
    assert done.status == told["error"]["exit_code"] != 0
    assert told["error"]["message"]
    assert done.out == ""
