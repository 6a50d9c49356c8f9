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
        ("m.json", b"{", "can't be read"),
        ("m.json", b"3", "can't be read"),
        ("m.json", b"{}", "holds no numbers"),
        ("m.json", b"[" * 100_000, "can't be read"),
        ("m.yaml", b"a: &x [1]\nb: *x\n", "can't be read"),
        ("m.csv", b"", "holds no numbers"),
        ("m.csv", b"a,b\n" + b"x" * 200_000, "can't be read"),
        ("m.jsonl", b'{"a": 1}\n{"a"', "can't be read"),
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
