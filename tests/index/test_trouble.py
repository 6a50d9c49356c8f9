"""What others may do to the branch and to the file of the index."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading

import pytest

from gitml.formats.run_tree import encode_run
from gitml.index import Index, Query
from tests.index.branch import REF, make_run, summary


def ids(index: Index, **query) -> str:
    """The last digits of the ids found, in order."""
    return "".join(run.id[-1] for run in index.search(Query(**query)))


def test_a_damaged_record_hides_no_other(index, branch):
    branch.add(make_run(1))
    bad = branch.commit({"run.yaml": b"id: [\n"})
    branch.commit({"something": b"else"})
    branch.commit({"experiment.yaml": b"- no\n"})
    branch.add(make_run(2))
    index.catch_up()
    assert ids(index) == "21"
    problems = dict(index.damaged())
    assert len(problems) == 2
    assert "run.yaml" in problems[bad]


def test_values_that_sqlite_can_not_hold(index, branch):
    run = make_run(1, params={"big": 10**30, "half": "x"}, metrics={"a": summary(1)})
    files = dict(encode_run(run))
    files["params.yaml"] += b'odd: "\\ud800"\n'
    files["metrics.yaml"] = files["metrics.yaml"].replace(b"last: 1", b"last: " + b"9" * 25)
    branch.commit(files)
    index.catch_up()
    assert index.get(run.id).params["big"] == 10**30
    assert index.damaged() == []


def test_large_integers_of_metrics_come_back_exactly(index, branch, path, repo):
    rows = {1: 2**64 - 1, 2: -(2**63) - 1, 3: 10**400, 4: 2**63 - 1, 5: 0.5}
    for number, value in rows.items():
        low = min(value, -(2**70))
        branch.add(make_run(number, metrics={"b": summary(value, count=2, low=low), "c": summary(number)}))
    for number in range(6, 60):
        branch.add(make_run(number, name="filler"))
    index.catch_up()
    for query in (Query(order_by=("run_id",)), Query(filter="name != 'filler'", order_by=("run_id",))):
        found = index.search(query)[:5]
        assert [run.metrics["b"].last for run in found] == list(rows.values())
        assert [run.metrics["b"].min for run in found] == [min(v, -(2**70)) for v in rows.values()]
        columns = index.columns(query)
        assert columns["metrics.b"][:5] == list(rows.values())
        assert columns["metrics.c"][:5] == [1, 2, 3, 4, 5]
        assert [type(value) for value in columns["metrics.b"][:5]] == [int] * 4 + [float]
    assert ids(index, filter="metrics.b > 1e19", order_by=("metrics.b desc",)) == "31"
    assert index.columns(Query(filter="metrics.b = 0.5"))["metrics.b"] == [0.5]
    # A value that fits again leaves nothing behind.
    branch.add(make_run(1, metrics={"b": summary(7, count=3)}))
    index.catch_up()
    assert index.get(f"{1:032x}").metrics["b"].last == 7
    assert index.columns(Query(filter="metrics.b = 7"))["metrics.b"] == [7]
    # A corrupt row is an index to be built anew.
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE exact SET numbers = '[1'")
    connection.close()
    again = Index(path, repo)
    again.catch_up()
    assert again.get(f"{3:032x}").metrics["b"].last == 10**400
    again.close()


@pytest.mark.parametrize(
    "harm", ["delete", "garbage", "truncate", "other version", "missing table", "zeros inside", "empty"]
)
def test_a_damaged_file_is_rebuilt_silently(repo, branch, path, harm):
    for number in range(1, 9):
        branch.add(make_run(number, metrics={"a": summary(number)}, note="x" * 5000))
    with_file = Index(path, repo)
    expected = with_file.search(Query())
    with_file.close()
    data = path.read_bytes()
    if harm == "delete":
        path.unlink()
    elif harm == "garbage":
        path.write_bytes(b"no database" * 1000)
    elif harm == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "zeros inside":
        path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 999" if harm == "other version" else "DROP TABLE document")
        connection.commit()
        connection.close()
    reopened = Index(path, repo)
    assert reopened.search(Query()) == expected
    assert ids(reopened, filter="metrics.a > 6") == "87"
    reopened.close()
    again = Index(path, repo)
    assert again.search(Query()) == expected
    again.close()


def test_poisoned_rows_are_no_crash(repo, branch, path):
    branch.add(make_run(1, metrics={"a": summary(1)}))
    poisoned = Index(path, repo)
    poisoned.catch_up()
    for statement in (
        "UPDATE document SET body = x'00'",
        "UPDATE layout SET keys = '[[1],[77],[]]'",
        "DELETE FROM metric",
    ):
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()
        assert ids(poisoned) == "1"
    poisoned.close()


def test_without_a_place_to_write_the_index_is_private(repo, branch, tmp_path):
    branch.add(make_run(1))
    (tmp_path / "file").write_text("in the way")
    index = Index(tmp_path / "file" / "gitml" / "index.sqlite", repo)
    assert ids(index) == "1"
    branch.add(make_run(2))
    index.catch_up()
    assert ids(index) == "21"
    index.close()


def test_a_locked_file_is_left_alone(repo, branch, path, monkeypatch):
    monkeypatch.setattr("gitml.index.connection._PATIENCE_S", 0.1)
    branch.add(make_run(1))
    first = Index(path, repo)
    first.catch_up()
    first.close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    index = Index(path, repo)
    assert ids(index) == "1"
    holder.execute("ROLLBACK")
    holder.close()
    assert path.exists()
    index.close()


PROCESS = """
import sys
from pathlib import Path
from gitml.git.repo import GitRepo
from gitml.index import Index, Query
repo = GitRepo.discover(Path(sys.argv[1]))
index = Index(repo.common_dir / "gitml" / "index.sqlite", repo)
index.catch_up()
print(index.count(Query()), len(index.search(Query(filter="metrics.a >= 0"))))
"""


def test_processes_catch_up_at_once(branch, repo):
    for number in range(1, 120):
        branch.add(make_run(number, metrics={"a": summary(number)}))
    start = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(repo.work_tree)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(5)
    ]
    assert [process.communicate()[0].split() for process in start] == [["119", "119"]] * 5


def test_threads_share_an_index(index, branch):
    branch.add(make_run(1))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                index.catch_up()
                assert index.count(Query()) >= 1
        except BaseException as err:  # noqa: BLE001 - handed to the test
            failures.append(err)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 12):
        branch.add(make_run(number))
    for thread in threads:
        thread.join()
    assert not failures
    index.catch_up()
    assert index.count(Query()) == 11


def test_a_child_after_a_fork_opens_its_own(index, branch):
    import os

    branch.add(make_run(1))
    index.catch_up()
    child = os.fork()
    if child == 0:
        os._exit(0 if index.count(Query()) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert index.count(Query()) == 1


def test_progress_is_told(index, branch):
    branch.add(make_run(1))
    told: list[tuple[int, int]] = []
    index.catch_up(lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)


def test_the_reference_is_the_runs_branch(repo):
    assert Index(None, repo)._ref == REF
