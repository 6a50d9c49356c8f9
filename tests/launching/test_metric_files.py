"""Metrics from files that a program wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gitml.errors import InvalidNameError
from gitml.launching.metric_files import MetricFiles, read_metrics


def read(folder: Path, name: str, text: str) -> list[tuple[dict[str, Any], int | None]]:
    path = folder / name
    path.write_text(text)
    return list(read_metrics(path))


TABLE = [
    ("m.json", '{"acc": 0.9, "n": 3, "name": "x", "ok": true, "none": null}', [({"acc": 0.9, "n": 3}, None)]),
    ("m.json", '{"val": {"acc": 0.9, "top": {"1": 0.8}}, "step": 7}', [({"val.acc": 0.9, "val.top.1": 0.8}, 7)]),
    ("m.json", '[{"step": 1, "loss": 3.0}, {"step": 5, "loss": 2.0}]', [({"loss": 3.0}, 1), ({"loss": 2.0}, 5)]),
    ("m.json", '[{"loss": 3.0}, {"loss": 2.0}]', [({"loss": 3.0}, 0), ({"loss": 2.0}, 1)]),
    ("m.json", '{"loss": [3.0, 2.0], "best": 2.0}', [({"best": 2.0}, None), ({"loss": 3.0}, 0), ({"loss": 2.0}, 1)]),
    ("m.json", '{"epoch": [10, 20], "h": {"loss": [3.0, 2.0]}}', [({"h.loss": 3.0}, 10), ({"h.loss": 2.0}, 20)]),
    ("metrics", '{"a": 1}\n{"a": 2, "step": 9}\n', [({"a": 1}, 0), ({"a": 2}, 9)]),
    ("m.jsonl", '{"a": 1}\n\n{"a": 2, "step": 9}\n', [({"a": 1}, 0), ({"a": 2}, 9)]),
    ("m.yaml", "acc: 0.9\nval:\n  loss: 1e-3\n  name: x\n", [({"acc": 0.9, "val.loss": 0.001}, None)]),
    ("m.csv", "epoch,loss,acc\n1,0.5,\n2,0.25,0.9\n", [({"loss": 0.5}, 1), ({"loss": 0.25, "acc": 0.9}, 2)]),
    ("m.csv", "epoch;loss\n1;0.5\n", [({"loss": 0.5}, 1)]),
    ("m.csv", "Step,epoch,loss\n10,1,0.5\n", [({"epoch": 1, "loss": 0.5}, 10)]),
    ("m.csv", "loss,name\n0.5,a\n0.25,b\n", [({"loss": 0.5}, 0), ({"loss": 0.25}, 1)]),
    ("m.csv", ",loss\n0,0.5\n1,0.4\n", [({"loss": 0.5}, 0), ({"loss": 0.4}, 1)]),
    ("m.csv", ",epoch,loss\n0,3,0.5\n1,6,0.4\n", [({"loss": 0.5}, 3), ({"loss": 0.4}, 6)]),
    ("m.json", '{"": 2, "ok": 4, "in": {" ": 1, "x": 5}}', [({"ok": 4, "in.": 1, "in.x": 5}, None)]),
    ("m.json", '{"": [1, 2], "loss": [3.0, 2.0]}', [({"loss": 3.0}, 0), ({"loss": 2.0}, 1)]),
    ("m.tsv", "step\ttrain/loss\n3\t0.5\n", [({"train/loss": 0.5}, 3)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), TABLE, ids=[row[0] + " " + row[1] for row in TABLE])
def test_table(tmp_path: Path, name: str, text: str, expected: list[Any]) -> None:
    assert read(tmp_path, name, text) == expected


def test_special_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, "m.json", '{"a": NaN, "b": -Infinity, "c": 12345678901234567890}')
    assert repr(found) == "[({'a': nan, 'b': -inf, 'c': 12345678901234567890}, None)]"


def collect(files: MetricFiles) -> tuple[list[Any], list[str]]:
    found: list[Any] = []
    return found, files.record(lambda values, step: found.append((dict(values), step)))


def test_only_what_this_run_wrote(tmp_path: Path) -> None:
    for name in ("old.json", "new.json"):
        (tmp_path / name).write_text('{"acc": 1}')
    os.utime(tmp_path / "new.json", (1, 1))
    files = MetricFiles(["old.json", "new.json", "none.json", "fresh.json"], tmp_path)
    (tmp_path / "new.json").write_text('{"acc": 2}')
    (tmp_path / "fresh.json").write_text('{"acc": 3}')
    found, problems = collect(files)
    assert found == [({"acc": 2}, None), ({"acc": 3}, None)]
    assert problems == [
        "--metrics 'old.json' is not recorded: this run did not write it",
        "there is no file for --metrics 'none.json'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected", "said"),
    [
        (
            "m.csv", "step,loss\nx,2\n1,abc\n", [({"loss": 2}, 0)],
            [
                "line 2: step 'x' is no whole number; step 0 is recorded for it",
                "line 3: loss 'abc' is no number and is left out",
            ],
        ),
        ("m.csv", "step,loss,name\n1,2,a\n2,,b\n3,n/a,c\n", [({"loss": 2}, 1)], []),
        (
            "m.csv", "step,loss\n1,1\n2,bad\n3,worse\n4,4,7\n", [({"loss": 1}, 1), ({"loss": 4}, 4)],
            [
                "line 3: loss 'bad' is no number and is left out (and 1 more like it)",
                "line 5: '7' stands under no name and is left out",
            ],
        ),
        (
            "m.csv", "epoch,loss\n0.5,1\n1.0,2\n", [({"epoch": 0.5, "loss": 1}, 0), ({"loss": 2}, 1)],
            ["line 2: epoch 0.5 is no whole number; step 0 is recorded for it"],
        ),
        (
            "m.csv", "step,epoch,loss\nx,7,2\n", [({"loss": 2}, 7)],
            ["line 2: step 'x' is no whole number; step 7 is recorded for it"],
        ),
        (
            "m.jsonl", '{"loss": 1}\n\n{"loss": "bad", "acc": 2}\n', [({"loss": 1}, 0), ({"acc": 2}, 1)],
            ["line 3: loss 'bad' is no number and is left out"],
        ),
        (
            "m.json", '{"step": [4, "x"], "loss": [1, 2], "acc": [1, "bad"], "names": ["a", "b"]}',
            [({"loss": 1}, 4), ({"loss": 2}, 1), ({"acc": 1}, 4)],
            [
                "item 2: step 'x' is no whole number; step 1 is recorded for it",
                "item 2: acc 'bad' is no number and is left out",
            ],
        ),
    ],
)  # fmt: skip
def test_cells_that_do_not_fit_their_column_are_told(
    tmp_path: Path, name: str, text: str, expected: list[Any], said: list[str]
) -> None:
    files = MetricFiles([name], tmp_path)
    (tmp_path / name).write_text(text)
    found, problems = collect(files)
    assert found == expected
    assert problems == [f"--metrics '{name}', {one}" for one in said]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    files = MetricFiles(["old", "new", "pipe"], tmp_path)
    (tmp_path / "new").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert collect(files) == (
        [],
        [
            "--metrics 'old' is not recorded: it is a folder; name the files in it",
            "--metrics 'new' is not recorded: it is a folder; name the files in it",
            "--metrics 'pipe' is not recorded: it is no plain file",
        ],
    )


def test_a_refused_key_costs_nothing_else(tmp_path: Path) -> None:
    found: list[Any] = []

    def record(values: Any, step: int | None) -> None:
        for key in values:
            if key == "bad":
                raise InvalidNameError("metric", key, "it is refused")
        found.append((dict(values), step))

    files = MetricFiles(["m.json"], tmp_path)
    (tmp_path / "m.json").write_text('{"": 2, "bad": 3, "ok": 4}')
    assert files.record(record) == ["metric 'bad' can't be used: it is refused"]
    assert found == [({"ok": 4}, None)]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "m.json",
            b"{",
            "can't be read: it is no JSON: a name in double quotes is missing, line 1, column 2",
        ),
        ("m.json", b" \n", "can't be read: it is empty"),
        ("m.json", b'{\n"a": 1,\n2}', "a name in double quotes is missing, line 3, column 1"),
        ("m.json", b"3", "can't be read"),
        ("m.json", b"{}", "holds no numbers"),
        ("m.json", b"[" * 100_000, "can't be read: it is nested too deep"),
        ("m.yaml", b"a: &x [1]\nb: *x\n", "can't be read"),
        ("m.csv", b"", "holds no numbers"),
        ("m.csv", b"a,b\n" + b"x" * 200_000, "can't be read"),
        ("m.jsonl", b'{"a": 1}\n{"a"', "it is no JSON: ':' is missing, line 2, column 5"),
        ("m.txt", b"\xff\xfe\x00", "can't be read"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    files = MetricFiles([name], tmp_path)
    (tmp_path / name).write_bytes(content)
    _, problems = collect(files)
    assert len(problems) == 1
    assert problems[0].startswith(f"--metrics '{name}' ")
    assert problem in problems[0]


def test_one_bad_name_does_not_cost_the_others(tmp_path: Path) -> None:
    kept = {}

    def record(values: Any, step: int | None) -> None:
        if "bad" in values:
            raise InvalidNameError("metric", "bad", "it is bad")
        kept.update(values)

    files = MetricFiles(["m.json"], tmp_path)
    (tmp_path / "m.json").write_text(json.dumps({"a": 1, "bad": 2, "c": 3}))
    assert files.record(record) == ["metric 'bad' can't be used: it is bad"]
    assert kept == {"a": 1, "c": 3}
