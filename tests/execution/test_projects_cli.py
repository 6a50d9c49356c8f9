"""`gitml projects`: checked and shown as a person, and as a program, would read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Gitml

ODD = """\
name: churn
python_env: python_env.yaml
entry_point: main
entry_points:
  main:
    parameters:
      data: path
      alpha: {type: float, default: 0.5, min: 0, max: 1}
      loss: {choices: [rmse, mae], default: mae}
      unused: {default: "a b"}
    command: python train.py "{data}" {alpha} {loss}
  my check:
    command: python check.py
"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    (tmp_path / "MLproject").write_text(ODD)
    (tmp_path / "python_env.yaml").touch()
    return tmp_path


def test_what_is_odd_is_told_and_can_be_run(odd: Path, gitml: Gitml):
    found = json.loads(gitml(odd, "projects", "validate", "--json").stdout)["validation"]
    assert found["valid"]
    assert [(problem["severity"], problem["line"]) for problem in found["problems"]] == [
        ("warning", 3),
        ("warning", 10),
        ("warning", 11),
    ]
    lines = gitml(odd.parent, "projects", "validate", odd.name).stdout.splitlines()
    assert lines[0] == "MLproject, line 3: warning: 'entry_point' is no key"
    assert lines[1].startswith("  hint: did you mean 'entry_points'?")
    assert lines[-1] == "MLproject: valid, 2 entry points, 3 warnings"


def test_what_is_wrong_is_told_all_at_once(odd: Path, gitml: Gitml):
    (odd / "python_env.yaml").unlink()
    (odd / "MLproject").write_text(ODD.replace("0.5", "2").replace("{loss}", "{los}"))
    told = gitml(odd, "projects", "validate", code=2).stdout
    assert "MLproject, line 2: error: there is no file 'python_env.yaml'" in told
    assert "MLproject, line 8: error: the default of 'alpha' must be at most 1" in told
    assert "MLproject, line 11: error: the command has '{los}'" in told
    assert "did you mean '{loss}'?" in told
    assert told.endswith("MLproject: 3 errors, 1 warning\n")
    assert "'MLproject', line 2: there is no file" in gitml(odd, "projects", "show", code=2).stderr


def test_a_project_is_shown_with_what_to_type(odd: Path, gitml: Gitml):
    told = gitml(odd, "projects", "show").stdout
    assert "environment  python_env.yaml (python_env)" in told
    assert "  alpha   float   = 0.5     0 – 1\n" in told
    assert "  gitml run . -P data=…\n" in told
    assert "  gitml run . -e 'my check'\n" in told
    shown = json.loads(gitml(odd.parent, "projects", "show", odd.name, "--json").stdout)["project"]
    assert shown["environment"]["kind"] == "python_env"
    assert [entry["run"] for entry in shown["entry_points"]] == [
        f"gitml run {odd.name} -P data=…",
        f"gitml run {odd.name} -e 'my check'",
    ]
    assert shown["entry_points"][0]["parameters"][2] == {
        "name": "loss", "type": "choice", "required": False, "default": "mae", "choices": ["rmse", "mae"],
        "min": None, "max": None,
    }  # fmt: skip


def test_a_folder_without_a_file_is_a_project_of_its_scripts(tmp_path: Path, gitml: Gitml):
    (tmp_path / "train it.py").touch()
    (tmp_path / "notes.txt").touch()
    assert "  gitml run . -e 'train it.py'\n" in gitml(tmp_path, "projects", "show").stdout
    assert "there is no MLproject file" in gitml(tmp_path, "projects", "validate").stdout
    assert "no such file or directory" in gitml(tmp_path, "projects", "show", "none", code=3).stderr


def test_a_hostile_file_moves_no_cursor(tmp_path: Path, gitml: Gitml):
    (tmp_path / "MLproject").write_text(
        'entry_points: {"a\\u202eb": {command: "x\\e[31m"}, c: {command: "\\u200bx"}}'
    )
    told = gitml(tmp_path, "projects", "validate", code=2).stdout
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "has characters that can't be shown" in told
