"""A script written for MLflow, run with nothing changed but what `mlflow` is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")
# An interpreter with mlflow in an environment of its own: its requirements exclude ours.
PEER = os.environ.get("PEER_MLFLOW_PYTHON", "")
SCRIPT = Path(__file__).with_name("mlflow_script.py")
ROOT = SCRIPT.parents[2]


def answer_of(python: str, which: str, folder: Path) -> dict:
    shutil.copy(SCRIPT, folder / "train.py")
    done = subprocess.run(
        [python, "train.py", which],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT) if which == "gitml" else ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    return json.loads(line[len("ANSWER ") :])


def test_the_script_runs_unchanged(in_repo, git):
    answer = answer_of(sys.executable, "gitml", in_repo)
    runs = answer["runs"]
    assert set(runs) == {"parent", "fold-0", "fold-1", "fold-2", "broken", "by hand"}
    assert runs["parent"]["note"] == "all of them"
    assert runs["fold-1"]["parent"] == "parent"
    assert [run["status"] for run in runs.values()].count("FINISHED") == 4
    assert (runs["broken"]["status"], runs["by hand"]["status"]) == ("FAILED", "KILLED")
    assert answer["found"] == ["fold-2", "fold-1"]
    assert answer["weights"] == 200_000
    git(in_repo, "fsck", "--strict")


@pytest.mark.heavy
@pytest.mark.timeout(400)
@pytest.mark.skipif(not PEER, reason="PEER_MLFLOW_PYTHON names no interpreter with mlflow")
def test_mlflow_itself_gives_the_same_answer(in_repo):
    """What differs is meant to: the source of a client's runs is known, infinity stays infinite."""
    ours = answer_of(sys.executable, "gitml", in_repo)
    theirs = answer_of(PEER, "mlflow", in_repo)
    for fact in ("source", "type", "commit"):
        assert ours["runs"]["by hand"].pop(fact)
        assert not theirs["runs"]["by hand"].pop(fact)
    for fold in ("fold-0", "fold-1", "fold-2"):
        assert ours["runs"][fold]["last"].pop("inf") == "inf"
        assert theirs["runs"][fold]["last"].pop("inf") == "1.7976931348623157e+308"
        for answer in (ours, theirs):
            answer["runs"][fold]["metrics"].pop("inf")
    assert ours == theirs
