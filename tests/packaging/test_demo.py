from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitml.demo import project
from gitml.errors import MissingExtraError


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, gitml):
    """The demo, run once: its folder and what it printed."""
    room = tmp_path_factory.mktemp("demo")
    (room / "elsewhere").mkdir()
    done = gitml(room / "elsewhere", "demo", "../made")
    return room, done.stdout


def of_the_whole_demo(test):
    """It trains five times; CI also runs it as README.md says."""
    return pytest.mark.heavy(pytest.mark.timeout(300)(test))


@of_the_whole_demo
def test_demo_records_five_real_runs_of_two_versions_of_the_code(shown, git):
    folder = shown[0] / "made"
    names = {run.name for run in (*project.FIRST_RUNS, *project.SECOND_RUNS)}
    subjects = git(folder, "log", "--format=%s", "gitml/runs").splitlines()
    assert {subject.partition(":")[0].rpartition("/")[2] for subject in subjects} == names
    trailers = git(folder, "log", "--format=%(trailers:key=Code-Commit,valueonly,separator=)", "gitml/runs")
    assert sorted(trailers.split()) == sorted([git(folder, "rev-parse", "main~1").strip()] * 3 + [git(folder, "rev-parse", "main").strip()] * 2)  # fmt: skip
    git(folder, "fsck", "--strict")
    assert git(folder, "status", "--porcelain") == ""


@of_the_whole_demo
def test_demo_runs_learn_and_keep_their_files(shown, git, gitml):
    folder = shown[0] / "made"
    said = gitml(
        folder, "show", "scaled-linear", "--format", "%(metrics.accuracy) %(metrics.loss.count)"
    ).stdout
    accuracy, count = said.split()
    assert float(accuracy) > 0.93
    assert int(count) == 20
    files = git(folder, "ls-tree", "-r", "--name-only", "gitml/runs", "artifacts/").split()
    assert files == ["artifacts/confusion.csv", "artifacts/model.npz"]


@of_the_whole_demo
def test_demo_shows_log_and_diff_and_how_to_go_on(shown, gitml):
    room, printed = shown
    for part in (
        "$ gitml log\n",
        "$ gitml diff raw-linear scaled-linear",
        "cd ",
        "git log --oneline gitml/runs",
    ):
        assert part in printed
    further = printed[printed.index("Go on from here") :]
    diff = next(line.strip() for line in further.splitlines() if line.strip().startswith("git diff"))
    first, second = diff.split()[2:4]
    assert "StandardScaler" in gitml(room / "made", "diff", first, second, "--code").stdout


@of_the_whole_demo
def test_demo_writes_nowhere_else(shown):
    room, _ = shown
    assert sorted(path.name for path in room.iterdir()) == ["elsewhere", "made"]
    assert list((room / "elsewhere").iterdir()) == []


def test_demo_does_not_write_between_files_of_others(gitml, tmp_path: Path):
    (tmp_path / "precious.txt").write_text("mine")
    done = gitml(tmp_path, "demo", ".", code=2)
    assert "is not an empty folder" in done.stderr
    assert "hint: name a folder" in done.stderr
    gitml(tmp_path, "demo", "precious.txt", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_demo_is_not_led_astray_by_variables_of_git(gitml, tmp_path: Path):
    done = gitml(tmp_path, "demo", "made", code=2, env={**os.environ, "GIT_DIR": str(tmp_path / "other")})
    assert "GIT_DIR is set" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_demo_names_the_extra_it_needs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError) as caught:
        project.require_packages()
    assert caught.value.hint == "pip install 'gitml[demo]'"


def test_both_versions_of_the_script_are_python():
    compile(project.improved_script(), "train.py", "exec")
    assert project.improved_script().count("scaler") == 3
