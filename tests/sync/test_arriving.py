"""Many runs arrive at once: inspected by two processes, and in the index without being read again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.formats.pointer import encode_pointer
from gitml.git.repo import GitRepo
from gitml.index import Index, Query, database, helper
from gitml.index.ahead import Ahead
from gitml.index.update import read_tip
from gitml.repo import RUNS_REF, Repo
from gitml.sync import inspect
from gitml.sync.inspect_tree import _WORTH_A_PATTERN
from tests.sync.forge import EXECUTABLE, FILE, LINK, Forge, a_run

RUNS = 23


@pytest.fixture
def forge(server):
    with closing(GitRepo.discover(server)) as git:
        yield Forge(git)


@pytest.fixture
def many(monkeypatch):
    """Make a few runs count as many."""
    monkeypatch.setattr(helper, "_WORTH_IT", 5)
    monkeypatch.setattr(helper, "_can_start", lambda: True)
    monkeypatch.setattr(database, "_SMALL", 5)
    monkeypatch.setattr(inspect, "_CHUNK", 3)


@pytest.fixture
def answers(monkeypatch):
    """How many chunks the second process inspected."""
    read, counted = inspect._read_answer, []
    monkeypatch.setattr(inspect, "_read_answer", lambda answer: counted.append(1) or read(answer))
    return counted


def fill(forge: Forge, bad: int | None = None, extra=None) -> str:
    """Runs with notes, one that was changed later, one that only the decoder reads, and a joint."""
    tip, first = "", a_run()
    for number in range(RUNS):
        run = replace(first, name="renamed") if number == 7 else first if number == 0 else a_run()
        files = {"note.md": b"a note", "params.yaml": b"by_hand:   'x'\n"} if number == 4 else {}
        tip = forge.record(run, files if number != bad else extra, parents=[tip] if tip else [])
    tip = forge.commit(forge.tree([]), "join 2 histories of runs\n", sorted([tip, forge.record()]))
    assert forge.git.move_ref(RUNS_REF, forge.git.tip(RUNS_REF), tip)
    return tip


def as_indexed(index: Index) -> list[str]:
    return [*map(repr, index.search(Query(view="all", order_by=("run_id",)))), repr(index.columns(Query()))]


def check_index(folder) -> None:
    """What the pull left is whole, up to the branch, and what the branch itself says."""
    with closing(Repo.open(folder)) as repo, closing(database.open_file(repo.root / "index.sqlite")) as file:
        assert read_tip(file) == repo.git.tip(RUNS_REF)
        fresh = Index(None, repo.git)
        assert as_indexed(repo.index) == as_indexed(fresh)
        fresh.close()


@pytest.mark.parametrize("own", [False, True])
def test_the_index_is_there_when_the_runs_are(many, answers, forge, clone, own):
    bob = clone("bob")
    if own:
        bob.record("his")
        bob.runs()
    fill(forge)
    done = bob.pull()
    assert (done.records, done.joined) == (RUNS + 1, own)
    assert len(answers) == 5
    check_index(bob.folder)
    assert len(bob.runs()) == RUNS + own


def test_a_helper_that_can_not_work_is_done_without(many, answers, forge, clone, monkeypatch):
    monkeypatch.setattr(helper, "_PROGRAM", f"import sys; sys.stdout.buffer.write({helper._GREETING!r})")
    fill(forge)
    bob = clone("bob")
    assert bob.pull().records == RUNS + 1
    assert answers == []
    check_index(bob.folder)


def test_an_index_that_was_behind_is_left_to_the_next_reader(many, forge, clone):
    bob = clone("bob")
    bob.record("his")
    fill(forge)
    assert bob.pull().records == RUNS + 1
    assert len(bob.runs()) == RUNS + 1


def test_a_full_disk_costs_the_index_and_no_run(many, forge, clone, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    fill(forge)
    bob = clone("bob")
    with monkeypatch.context() as patch:
        patch.setattr("gitml.index.update.RowWriter.flush", full)
        assert bob.pull().records == RUNS + 1
    assert len(bob.runs()) == RUNS


@pytest.mark.parametrize("bad", [1, 4, RUNS - 1])
def test_what_is_not_sound_is_found_by_either_process(many, forge, clone, git, bad, monkeypatch):
    closed = []
    close = Ahead.close
    monkeypatch.setattr(Ahead, "close", lambda self: closed.append(close(self)))
    fill(forge, bad, {"artifacts/x": (LINK, forge.raw("blob", b"/etc"))})
    bob = clone("bob")
    with pytest.raises(GitmlError, match="artifacts/x"):
        bob.pull()
    assert closed
    assert "gitml/runs" not in git(bob.folder, "for-each-ref", "refs/heads")
    assert bob.runs() == {}


@pytest.mark.parametrize("mode", [LINK, EXECUTABLE])
def test_a_folder_that_looks_like_many_others_is_looked_at(forge, mode):
    def record(mode: bytes) -> str:
        return forge.record(extra={"artifacts/a": (mode, forge.raw("blob", b"x"))})

    good = [record(FILE) for _ in range(_WORTH_A_PATTERN + 5)]
    bad = record(mode)
    found = list(inspect.inspect(forge.git, [(commit, ()) for commit in [*good, bad, record(FILE)]]))
    assert [(finding.commit, finding.path, finding.rule) for finding in found] == [
        (bad, "artifacts/a", "mode")
    ]


def test_a_pointer_that_was_met_as_another_file_before(forge, monkeypatch):
    monkeypatch.setattr(inspect, "_CHUNK", 1)
    pointer = encode_pointer(Pointer("ab" * 32, 12345))
    commits = [forge.record(extra={path: pointer}) for path in ("environment/x", "artifacts/x")]
    found = list(inspect.inspect(forge.git, [(commit, ()) for commit in commits]))
    assert [(finding.path, finding.rule) for finding in found] == [("artifacts/x", "pointer")]
