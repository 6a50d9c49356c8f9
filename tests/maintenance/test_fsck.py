"""What `gitml fsck` finds, and repairs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.formats.commit_message import experiment_message, run_message
from gitml.git.repo import TreeEntry
from gitml.index import Query
from gitml.maintenance.checking import FsckOptions, check
from gitml.maintenance.problems import Area, Checked, Severity
from gitml.repo import RUNS_REF
from gitml.sync.objects import pointers_in
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.experiments import create_experiment, get_experiment, set_experiment_tag
from gitml.tracking.start import start_run
from tests.maintenance.conftest import age, content, oid_of, stored
from tests.sync.forge import Forge, a_run


def fsck(where, **options) -> Checked:
    with where.open() as repo:
        return check(repo, FsckOptions(**options))


def kinds(done: Checked) -> list[tuple[str, str, bool]]:
    return [(one.area.value, one.severity.value, one.repaired) for one in done.problems]


def common(where) -> Path:
    return where.folder / ".git"


def damage(path: Path) -> None:
    path.write_bytes(b"X" + path.read_bytes()[1:])


@pytest.fixture
def pushed(ada):
    """A run with two artifacts, which are at the remote too."""
    ada.record("first", {"model.bin": content(1), "other.bin": content(2), "small.txt": b"x"})
    ada.push()
    return ada


def test_a_sound_repository(pushed):
    done = fsck(pushed, full=True)
    assert done.problems == ()
    assert (done.worst, done.objects) == (None, 2)
    assert done.bytes_read == len(content(1)) + len(content(2))
    assert done.commits == 1


def test_a_damaged_curve_is_found_and_the_rest_shown(ada, bob, server, gitml):
    with ada.open() as repo:
        live = start_run(repo, name="first")
        run_id = live.run_id
        for step in range(3):
            live.log_metric("acc", 0.5 + step / 8, step=step)
            live.log_metric("loss", 0.5 + step / 8, step=step + 1)
        finish_run(repo, live, RunStatus.FINISHED)
        tip = repo.git.tip(RUNS_REF)
        entries = {entry.path: TreeEntry(entry.oid) for entry in repo.git.list_tree(tip)}
        entries["history/acc.tsv"] = TreeEntry(repo.git.write_blob(b"0\t1\t0.5\nnot a point\n"))
        message = repo.git.commit_info(tip).message
        made = repo.git.write_commit(
            repo.git.write_tree(entries), [tip], message, author="Eve <eve@example.org>", time_s=1760000000
        )
        repo.git.move_ref(RUNS_REF, tip, made)
    ada.push()
    bob.pull()
    (problem,) = fsck(bob).problems
    assert (problem.area, problem.severity, problem.oid) == (Area.RECORDS, Severity.DAMAGED, made)
    assert f"run {run_id[:8]}: 'history/acc.tsv', line 2 is not" in problem.what
    shown = gitml(bob.folder, "show", "first")
    assert "the curve of 'acc' is damaged" in shown.stderr
    assert "loss" in shown.stdout
    assert "acc" in shown.stdout
    assert "what else its run has; gitml fsck --repair" in fsck(ada).problems[0].hint
    assert kinds(fsck(ada, repair=True)) == [("records", "damaged", True)]
    assert "damaged" not in gitml(ada.folder, "show", "first").stderr
    assert fsck(ada).problems == ()


def test_a_long_history_comes_when_it_is_read(ada, bob, git, gitml, server):
    git(ada.folder, "config", "gitml.historyLimit", "100")
    with ada.open() as repo:
        live = start_run(repo, name="first")
        for step in range(50):
            live.log_metric("loss", 0.1 * step, step=step)
        finish_run(repo, live, RunStatus.FINISHED)
    ada.push()
    bob.pull()
    gitml(bob.folder, "show", "first")
    with bob.open() as repo:
        (pointer,) = pointers_in(repo.git, [repo.git.tip(RUNS_REF)])
        assert not repo.objects.has(pointer.oid)  # looking at a page uses no network
        (run,) = history.search(repo, Query())
        assert len(history.read_metric(repo, run, "loss")) == 50
        assert repo.objects.has(pointer.oid)


def test_an_empty_one(ada, gitml):
    assert fsck(ada).problems == ()
    assert "all is well" in gitml(ada.folder, "fsck").stdout


@pytest.mark.parametrize("how", ["bytes", "size"])
def test_damaged_objects_are_put_aside_and_fetched_again(pushed, how):
    path = stored(common(pushed), content(1))
    if how == "bytes":
        damage(path)
        assert fsck(pushed, quick=True).problems == ()
    else:
        path.write_bytes(b"short")
    done = fsck(pushed)
    assert kinds(done) == [("objects", "damaged", False)]
    assert "model.bin" in done.problems[0].what
    assert done.worst is Severity.DAMAGED
    assert path.exists()  # looking changes nothing
    done = fsck(pushed, repair=True)
    assert kinds(done) == [("objects", "damaged", True)]
    assert done.worst is None
    assert path.read_bytes() == content(1)
    assert (common(pushed) / "gitml/damaged" / oid_of(content(1))).exists()
    assert fsck(pushed).problems == ()


def test_missing_objects(pushed, bob, server):
    bob.pull()
    done = fsck(bob)
    assert kinds(done) == [("objects", "missing", False)] * 2
    assert (done.worst, done.problems[0].where) == (Severity.MISSING, ("origin",))
    stored(server, content(2)).unlink()
    done = fsck(bob, ask=("origin",))
    found = {one.oid: (one.severity, one.where) for one in done.problems}
    assert found == {
        oid_of(content(1)): (Severity.MISSING, ("origin",)),
        oid_of(content(2)): (Severity.DAMAGED, ()),
    }
    done = fsck(bob, repair=True)
    assert {one.oid: one.repaired for one in done.problems} == {
        oid_of(content(1)): True,
        oid_of(content(2)): False,
    }
    assert done.worst is Severity.DAMAGED


@pytest.mark.parametrize("options", [{"ask": ("origin",)}, {"repair": True}])
def test_what_a_remote_that_does_not_answer_may_have_is_not_lost(pushed, bob, server, options):
    bob.pull()
    server.rename(server.with_name("gone.git"))
    done = fsck(bob, **options)
    assert kinds(done) == [("objects", "missing", False)] * 2
    assert (done.worst, done.problems[0].where) == (Severity.MISSING, ("origin",))
    assert "there is no git repository at" in f"{done.notes} {done.problems[0].hint}"


def test_no_network_without_being_asked(pushed, bob, git, tmp_path):
    bob.pull()
    spy = tmp_path / "spy"
    git(bob.folder, "config", "remote.origin.url", f"https://127.0.0.1:1/{spy.name}")
    assert fsck(bob).worst is Severity.MISSING  # nothing was asked, so nothing failed
    assert any("could not be asked" in note for note in fsck(bob, ask=("origin",)).notes)


def test_records_that_break_the_rules(ada):
    ada.record("first")
    with ada.open() as repo:
        forge = Forge(repo.git)
        tip = repo.git.tip(RUNS_REF)
        bad = forge.record(a_run(), {"run.yaml": b"id: [\n"}, parents=[tip])
        repo.git.move_ref(RUNS_REF, tip, bad)
    done = fsck(ada)
    assert ("records", "damaged", False) in kinds(done)
    assert bad[:12] in " ".join(one.what for one in done.problems)


UNREADABLE = {"params.yaml": b"k: [\n"}
READABLE = {"params.yaml": b'"k\\x1b[31m": 1\n'}


def unsound(where, run, extra, *, keep_parent: bool = True) -> str:
    """Put a record that breaks a rule on top of the branch, or in place of it."""
    with where.open() as repo:
        tip = repo.git.tip(RUNS_REF)
        bad = Forge(repo.git).record(run, extra, parents=[tip] if keep_parent and tip else [])
        repo.git.move_ref(RUNS_REF, tip, bad)
    return bad


def sound(where, run) -> str:
    return unsound(where, run, None)


@pytest.mark.parametrize(
    ("extra", "fate"), [(UNREADABLE, "readers pass over it"), (READABLE, "readers show it as it is")]
)
def test_what_readers_make_of_an_unsound_record_and_its_repair(ada, gitml, extra, fate):
    run = a_run(name="first")
    good = sound(ada, run)
    bad = unsound(ada, run, extra)
    shown = gitml(ada.folder, "show", "first").stdout
    assert ("lr 0.1" in shown) == (extra is UNREADABLE)
    assert (r"k\x1b[31m 1" in shown) == (extra is READABLE)
    (problem,) = fsck(ada).problems
    assert (problem.area, problem.severity, problem.oid) == (Area.RECORDS, Severity.DAMAGED, bad)
    assert problem.hint == f"{fate}; gitml fsck --repair records again what {good[:12]} said"
    assert kinds(fsck(ada, repair=True)) == [("records", "damaged", True)]
    assert "lr 0.1" in gitml(ada.folder, "show", "first").stdout
    done = fsck(ada)
    assert (done.problems, done.worst, done.commits) == ((), None, 3)
    assert any(bad[:12] in note and "is sound and stands over it" in note for note in done.notes)


def test_a_sound_record_over_an_unsound_one_leaves_a_note(ada, gitml):
    run = a_run(name="first")
    sound(ada, run)
    bad = unsound(ada, run, UNREADABLE)
    sound(ada, a_run(name="another"))
    gitml(ada.folder, "fsck", code=6)
    assert "can't be read" in gitml(ada.folder, "status").stdout
    gitml(ada.folder, "tag", "first", "fix=1")
    assert "can't be read" not in gitml(ada.folder, "status").stdout
    (line, summary) = gitml(ada.folder, "fsck").stdout.splitlines()
    assert line.startswith(f"note: {bad[:12]}:params.yaml: ")
    assert "the newer record" in line
    assert summary.endswith("all is well")


@pytest.mark.parametrize("kind", ["run", "experiment"])
def test_a_repaired_record_is_not_warned_of_any_more(ada, gitml, kind):
    with ada.open() as repo:
        made = create_experiment(repo, "churn")
        set_experiment_tag(repo, "churn", "owner", "ada")
    run = a_run(name="first")
    sound(ada, run)
    with ada.open() as repo:
        forge, tip = Forge(repo.git), repo.git.tip(RUNS_REF)
        name = f"{kind}.yaml"
        message = run_message(run) if kind == "run" else experiment_message(made, "edited")
        bad = forge.commit(forge.nested({name: b"id: [\n"}), message, [tip])
        repo.git.move_ref(RUNS_REF, tip, bad)
    assert bad[:12] in gitml(ada.folder, "log").stderr
    assert "readers pass over it; gitml fsck --repair records again" in fsck(ada).problems[0].hint
    fsck(ada, repair=True)
    assert gitml(ada.folder, "log").stderr == ""
    assert fsck(ada).problems == ()
    with ada.open() as repo:
        assert get_experiment(repo, "churn").tags == {"owner": "ada"}


def test_an_unsound_record_is_put_right_for_all_that_copied_it(ada, gitml):
    run = a_run(name="first")
    sound(ada, run)
    unsound(ada, run, READABLE)
    gitml(ada.folder, "tag", "first", "fix=1")
    gitml(ada.folder, "fsck", code=6)
    assert gitml(ada.folder, "fsck", "--repair").stdout.endswith("all is well, 2 repaired\n")
    assert fsck(ada).commits == 4
    assert fsck(ada).problems == ()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("after", [0, 2])
def test_the_command_that_takes_an_unsound_record_off(ada, gitml, before, after):
    if before:
        sound(ada, a_run(name="before"))
    bad = unsound(ada, a_run(name="bad"), UNREADABLE, keep_parent=before)
    for _ in range(after):
        sound(ada, a_run())
    (problem,) = fsck(ada).problems
    assert problem.oid == bad
    remedy, _, rest = problem.hint.removeprefix("readers pass over it; ").partition(
        " takes it off the branch"
    )
    assert rest == (f" with the {after} newer" if after else "")
    assert fsck(ada, repair=True).problems == (problem,)
    subprocess.run(remedy.split(), cwd=ada.folder, check=True)
    assert fsck(ada).problems == ()
    assert [run.name for run in ada.runs().values()] == (["before"] if before else [])


def test_an_unsound_record_of_a_remote_is_not_ours_to_repair(ada, bob, server):
    sound(ada, a_run(name="first"))
    ada.push()
    bob.pull()
    unsound(ada, a_run(name="bad"), UNREADABLE)
    subprocess.run(["git", "push", "--quiet", "origin", "gitml/runs"], cwd=ada.folder, check=True)
    subprocess.run(["git", "fetch", "--quiet", "origin"], cwd=bob.folder, check=True)
    (problem,) = fsck(bob, repair=True).problems
    assert (problem.repaired, problem.hint) == (
        False,
        "readers pass over it; gitml pull says how it is taken back",
    )


def test_git_objects_that_are_missing_or_damaged(ada, git):
    ada.record("first")
    blob = git(ada.folder, "rev-parse", f"{RUNS_REF}:run.yaml")
    loose = common(ada) / "objects" / blob[:2] / blob[2:].strip()
    data = loose.read_bytes()
    loose.unlink()
    done = fsck(ada)
    assert done.worst is Severity.DAMAGED
    assert {one.area for one in done.problems} == {Area.GIT}
    assert blob[:12] in done.problems[0].what
    loose.write_bytes(b"junk")
    assert fsck(ada).worst is Severity.DAMAGED
    loose.unlink()
    loose.write_bytes(data)
    assert fsck(ada).problems == ()


def test_the_users_own_damage_is_found_by_full(ada, git):
    ada.record("first")
    (ada.folder / "more.txt").write_text("text")
    git(ada.folder, "add", ".")
    git(ada.folder, "commit", "--quiet", "--message", "more")
    blob = git(ada.folder, "rev-parse", "HEAD:more.txt").strip()
    loose = common(ada) / "objects" / blob[:2] / blob[2:]
    loose.unlink()
    assert fsck(ada).problems == ()
    done = fsck(ada, full=True)
    assert any("git fsck" in one.what and blob in one.what for one in done.problems)


def test_a_ref_that_leads_nowhere(ada):
    ada.record("first")
    ref = common(ada) / "refs/remotes/origin/gitml/runs"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text("1" * 40 + "\n")
    done = fsck(ada)
    assert "update-ref -d" in done.problems[0].hint
    assert any("not checked" in note for note in done.notes)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE run SET name = 'other'",
        "UPDATE metric SET last = 17",
        "DELETE FROM run",
        "INSERT INTO damaged VALUES ('x', 'y')",
    ],
)
def test_a_wrong_index_is_built_anew(ada, sql):
    ada.record("first")
    assert len(ada.runs()) == 1
    before = ada.states()
    with closing(sqlite3.connect(common(ada) / "gitml/index.sqlite")) as connection:
        connection.execute(sql)
        connection.commit()
    assert kinds(fsck(ada)) == [("index", "damaged", True)]
    assert ada.states() == before
    assert fsck(ada).problems == ()


def test_a_torn_index_is_built_anew(ada):
    ada.record("first")
    ada.runs()
    path = common(ada) / "gitml/index.sqlite"
    path.write_bytes(path.read_bytes()[:5000])
    assert kinds(fsck(ada)) == [("index", "damaged", True)]
    assert len(ada.runs()) == 1


def test_a_resumed_run_is_no_fault_of_the_index(ada):
    from gitml.tracking.history import refresh
    from gitml.tracking.start import resume_run

    run_id = ada.record("first")
    with ada.open() as repo:
        live = resume_run(repo, run_id)
        live.log_metric("more", 1)
        refresh(repo)
        assert check(repo).problems == ()
        live.close()


def test_orphans_and_leftovers(ada):
    code = "import gitml, os; gitml.start_run(run_name='lost'); gitml.log_metric('a', 1); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], cwd=ada.folder, check=False)
    left = common(ada) / "lfs/tmp/gitml-0123"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    age(left)
    done = fsck(ada)
    assert kinds(done) == [("live", "untidy", False), ("leftovers", "untidy", False)]
    assert done.worst is None
    assert left.exists()
    done = fsck(ada, repair=True)
    assert [one.repaired for one in done.problems] == [True, True]
    assert not left.exists()
    assert [run.name for run in ada.runs().values()] == ["lost"]


def test_shallow_and_partial_clones(pushed, server, git, tmp_path, gitml):
    for _ in range(3):
        pushed.record("more")
    pushed.push()
    shallow, partial = tmp_path / "shallow", tmp_path / "partial"
    git(server, "config", "uploadpack.allowFilter", "true")
    gitml(tmp_path, "clone", "--shallow", f"file://{server}", str(shallow))
    gitml(tmp_path, "clone", "--filter", "blob:none", f"file://{server}", str(partial))
    for folder in (shallow, partial):
        done = gitml(folder, "fsck", "--json", code=None)
        found = json.loads(done.stdout)["fsck"]
        assert found["worst"] in (None, "missing"), done.stdout
        assert found["notes"]


def test_exit_codes_and_text(pushed, bob, gitml):
    bob.pull()
    done = gitml(bob.folder, "fsck", code=1)
    assert "may be at origin" in done.stdout
    assert "sound; some objects are elsewhere" in done.stdout
    damage(stored(common(pushed), content(1)))
    done = gitml(pushed.folder, "fsck", code=6)
    assert "objects: damaged: " in done.stdout
    document = json.loads(gitml(pushed.folder, "fsck", "--json", code=6).stdout)
    assert document["schema"] == 1
    assert document["fsck"]["problems"][0]["oid"] == oid_of(content(1))
    assert "1 repaired" in gitml(pushed.folder, "fsck", "--repair").stdout
    assert gitml(bob.folder, "fsck", "--repair").stdout.endswith("all is well, 2 repaired\n")


def test_in_a_bare_repository(pushed, server, gitml):
    assert "all is well" in gitml(server, "fsck").stdout
