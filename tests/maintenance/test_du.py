"""`gitml du`: where the bytes are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitml.maintenance.purging import plan_for_object, purge
from gitml.maintenance.usage import Amount, Usage, measure
from gitml.tracking.start import start_run
from tests.maintenance.conftest import content, oid_of, put, stored

SIZE = len(content(10))


def common(where) -> Path:
    return where.folder / ".git"


def du(where, remote: str | None = None) -> Usage:
    with where.open() as repo:
        return measure(repo, remote)


@pytest.fixture
def busy(ada):
    """Two experiments; one content in three runs."""
    ada.record("one", {"a.bin": content(10), "b.bin": content(11)}, experiment="x")
    ada.record("two", {"a.bin": content(10)}, experiment="x")
    ada.record("three", {"a.bin": content(10), "c.bin": content(12), "small": b"x"}, experiment="y")
    return ada


def test_shared_content_counts_once(busy):
    done = du(busy)
    assert done.runs == Amount(3, 3 * SIZE, 3 * SIZE)
    assert {share.name: (share.amount.size, share.runs) for share in done.experiments} == {
        "x": (2 * SIZE, 2),
        "y": (2 * SIZE, 1),
    }
    assert [(share.name, share.amount.objects) for share in done.by_run] == [
        ("one", 2),
        ("three", 2),
        ("two", 1),
    ]
    assert {share.id: share.runs for share in done.artifacts} == {
        oid_of(content(10)): 3,
        oid_of(content(11)): 1,
        oid_of(content(12)): 1,
    }
    assert done.git.loose > 20
    assert done.index > 0
    assert done.there is None


def test_what_is_here_and_what_is_at_the_remote(busy, server):
    busy.push()
    stored(common(busy), content(11)).unlink()
    stored(server, content(12)).unlink()
    done = du(busy, "origin")
    assert done.runs == Amount(3, 3 * SIZE, 2 * SIZE)
    assert (done.there.objects, done.there.size) == (2, 2 * SIZE)


def test_other_objects_live_runs_and_purged_ones(busy):
    put(common(busy), content(20))
    with busy.open() as repo:
        purge(repo, plan_for_object(repo, oid_of(content(12))), local=True)
        put(common(busy), content(12))
        live = start_run(repo, name="live")
        live.log_bytes(content(13), "d.bin")
        done = measure(repo)
        live.close()
    assert (done.runs.objects, done.other, done.purged) == (3, Amount(1, SIZE, SIZE), Amount(1, SIZE, SIZE))
    assert "live" in {share.name for share in done.by_run}
    assert done.live > 0


def test_the_command(busy, gitml):
    text = gitml(busy.folder, "du", "--top", "1").stdout
    assert "artifacts of runs 360 kB 3 objects" in " ".join(text.split())
    assert "… 2 more (--top)" in text
    document = json.loads(gitml(busy.folder, "du", "--json").stdout)["du"]
    assert document["runs"] == {"objects": 3, "size": 3 * SIZE, "here": 3 * SIZE}
    assert len(document["by_run"]) == 3


def test_an_empty_repository(ada):
    assert du(ada).runs == Amount()
