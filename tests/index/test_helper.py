"""The second process of a large build: the same index with it, and without it whatever happens to it."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gitml.formats.run_tree import encode_run
from gitml.git.repo import GitRepo
from gitml.index import Index, Query, helper
from gitml.index.records import as_record
from gitml.index.walk import unseen_commits
from tests.index.branch import REF, Branch, make_run, summary

RUNS = 250


@pytest.fixture(scope="session")
def _full(tmp_path_factory, _template):
    """A repository with runs of all sorts."""
    folder = Path(shutil.copytree(_template, tmp_path_factory.mktemp("full") / "repo", symlinks=True))
    values = (0.5, 3, math.nan, math.inf, 2**70, -0.0)
    with closing(GitRepo.discover(folder)) as repo:
        branch = Branch(repo)
        for number in range(RUNS):
            run = make_run(
                number, params={"n": number, "s": f"x{number}"}, metrics={"a": summary(values[number % 6])}
            )
            files = dict(encode_run(run))
            if number % 50 == 7:
                files["run.yaml"] = b"id: [\n"
            if number % 50 == 8:
                files["params.yaml"] += b"by_hand:   'x'\n"
            branch.commit(files)
    return folder


@pytest.fixture
def repo(_full, tmp_path, monkeypatch):
    """A copy of it, and a helper that thinks it worth its while."""
    monkeypatch.setattr(helper, "_WORTH_IT", 100)
    monkeypatch.setattr(helper, "_can_start", lambda: True)
    with closing(GitRepo.discover(Path(shutil.copytree(_full, tmp_path / "full", symlinks=True)))) as repo:
        yield repo


@pytest.fixture
def messages(monkeypatch):
    """How many records came from the helper, once it has ended."""
    sizes: list[int] = []
    batches = helper._batches

    def counted(*arguments):
        for batch in batches(*arguments):
            sizes.append(len(batch))
            yield batch

    monkeypatch.setattr(helper, "_batches", counted)
    return sizes


def answers(repo) -> list[str]:
    index = Index(None, repo)
    found = index.search(Query(order_by=("run_id",)))
    result = [*map(repr, found), *map(repr, index.damaged()), repr(index.columns(Query()))]
    index.close()
    return result


def alone(repo, monkeypatch) -> list[str]:
    with monkeypatch.context() as patch:
        patch.setattr(helper, "_can_start", lambda: False)
        return answers(repo)


def test_with_and_without_it_the_index_is_the_same(repo, messages, monkeypatch):
    assert answers(repo) == alone(repo, monkeypatch)
    assert sum(messages) == RUNS


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(3)",
        "print('welcome to the other program', flush=True)",
        f"import sys; sys.stdout.buffer.write({helper._GREETING!r})",
        f"import sys; sys.stdout.buffer.write({helper._GREETING!r} + b'\\0\\0\\1\\0half')",
    ],
)
def test_what_is_no_helper_is_done_without(repo, messages, monkeypatch, program):
    monkeypatch.setattr(helper, "_PROGRAM", program)
    assert answers(repo) == alone(repo, monkeypatch)
    assert messages == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there the helper can tell")
@pytest.mark.parametrize("unread", [0, 1])
def test_who_waits_scans_and_who_is_busy_does_not(repo, messages, monkeypatch, unread):
    told = (
        "import gitml.index.helper as helper\n"
        f"helper.fcntl.ioctl = lambda *_: ({unread}).to_bytes(4, sys.byteorder)\n"
        "helper.work(*job)\n"
    )
    monkeypatch.setattr(helper, "_PROGRAM", helper._PROGRAM.split("from gitml")[0] + told)
    scanned = []
    monkeypatch.setattr(helper, "as_record", lambda files: scanned.append(files) or as_record(files))
    assert answers(repo) == alone(repo, monkeypatch)
    assert bool(scanned) == (unread == 0)
    assert sum(messages) == RUNS


def test_a_helper_that_dies_is_taken_over_from(repo, messages, monkeypatch):
    mortal = (
        "import gitml.index.helper as helper\n"
        "from itertools import islice\n"
        "read = helper.read_files\n"
        "def dying(*job):\n"
        "    yield from islice(read(*job), 230)\n"
        "    sys.exit(1)\n"
        "helper.read_files = dying\n"
        "helper.work(*job)\n"
    )
    program = helper._PROGRAM.split("from gitml")[0] + mortal
    monkeypatch.setattr(helper, "_PROGRAM", program)
    assert answers(repo) == alone(repo, monkeypatch)
    assert messages == [100, 100]


def test_a_python_that_is_gone(repo, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    assert len(answers(repo)) > RUNS - 10


def test_only_a_python_with_a_core_to_spare_is_started(monkeypatch):
    monkeypatch.setattr(helper.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert helper._can_start()
    monkeypatch.setattr(sys, "executable", "/opt/studio/studio")
    assert not helper._can_start()
    monkeypatch.setattr(sys, "executable", None)
    assert not helper._can_start()
    monkeypatch.undo()
    monkeypatch.setattr(helper.os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert not helper._can_start()


def test_who_stops_early_leaves_no_process(repo, monkeypatch):
    started = []
    start = helper._start
    monkeypatch.setattr(helper, "_start", lambda: started.append(start()) or started[-1])
    found = helper.records(repo, unseen_commits(repo, None, repo.tip(REF))[0])
    next(found)
    found.close()
    assert started[0].returncode == -9


SCRIPT = """
import sys
from pathlib import Path
from gitml.git.repo import GitRepo
from gitml.index import Index, Query, helper
helper._WORTH_IT, helper._can_start, batches, used = 100, lambda: True, helper._batches, []
helper._batches = lambda *arguments: (used.append(len(batch)) or batch for batch in batches(*arguments))
repo = GitRepo.discover(Path(sys.argv[1]))
print(Index(None, repo).count(Query()), sum(used))
"""


@pytest.mark.parametrize("how", ["-c", "script", "-"])
def test_a_program_needs_no_guard(repo, tmp_path, how):
    file = tmp_path / "unguarded.py"
    file.write_text(SCRIPT)
    program = {"-c": ["-c", SCRIPT], "script": [str(file)], "-": ["-"]}[how]
    done = subprocess.run(
        [sys.executable, *program, str(repo.work_tree)],
        input=SCRIPT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(RUNS - 5), str(RUNS)]
    assert done.stderr == ""
