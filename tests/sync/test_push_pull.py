"""Two people and a bare repository: everyone's runs reach everyone."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from gitml.entities.artifact import Pointer
from gitml.entities.run import RunStatus
from gitml.errors import RemoteError, UsageError
from gitml.formats.pointer import encode_pointer
from gitml.git.remote import NotKeptError, RemoteUnreachableError
from gitml.repo import RUNS_REF
from gitml.sync.join import ForeignHistoryError
from gitml.sync.objects import ArtifactsNotSentError
from gitml.sync.pushing import Way
from gitml.sync.refusal import PushRefusedError
from gitml.tracking import history
from gitml.tracking.commit import finish_run
from gitml.tracking.start import resume_run, start_run
from tests.sync.conftest import BIG

OID = hashlib.sha256(BIG).hexdigest()
STORED = f"lfs/objects/{OID[:2]}/{OID[2:4]}/{OID}"


def test_runs_and_artifacts_reach_the_other(clone, server):
    ada, bob = clone("ada"), clone("bob")
    run_id = ada.record("first", {"model.bin": BIG, "small.txt": b"x"})
    done = ada.push()
    assert (done.way, done.records, len(done.objects.moved)) == (Way.BRANCH, 1, 1)
    assert (server / STORED).read_bytes() == BIG
    pulled = bob.pull()
    assert (pulled.records, pulled.joined) == (1, False)
    assert bob.states() == ada.states()
    assert run_id in bob.runs()
    assert not (bob.folder / ".git" / STORED).exists()  # artifacts come when they are read


def test_pushing_and_pulling_twice_does_nothing(clone, server, git):
    ada = clone("ada")
    ada.record("first", {"model.bin": BIG})
    ada.push()
    before = git(server, "for-each-ref")
    again = ada.push()
    assert (again.way, again.records, again.objects.moved) == (Way.NOTHING, 0, ())
    assert git(server, "for-each-ref") == before
    assert ada.pull().records == 0


def test_nothing_to_push(clone, server, git):
    ada = clone("ada")
    assert ada.push().way is Way.NOTHING
    assert ada.pull().tip is None
    assert "gitml" not in git(server, "for-each-ref")


def test_both_recorded_runs_apart(clone, server, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    bob.record("his")
    ids = {next(iter(ada.runs().values())).commit, next(iter(bob.runs().values())).commit}
    ada.push()
    done = bob.push()
    assert (done.way, done.races, done.records) == (Way.BRANCH, 1, 1)
    ada.pull()
    assert ada.states() == bob.states()
    assert {run.commit for run in ada.runs().values()} == ids  # runs keep their commits
    assert git(ada.folder, "rev-parse", RUNS_REF) == git(bob.folder, "rev-parse", RUNS_REF)
    assert git(server, "fsck", "--strict", "--no-dangling") == ""


def test_two_clones_that_join_the_same_histories_make_the_same_commit(clone, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    bob.record("his")
    ada.push(inbox=True)
    bob.push(inbox=True)
    ada.pull()
    bob.pull()
    assert git(ada.folder, "rev-parse", RUNS_REF) == git(bob.folder, "rev-parse", RUNS_REF)


def test_the_inbox_is_seen_by_everyone_and_folded_by_a_sync(clone, server, git):
    ada, bob, eve = clone("ada"), clone("bob"), clone("eve")
    ada.record("hers", {"model.bin": BIG})
    done = ada.push(inbox=True)
    assert done.way is Way.INBOX
    assert git(server, "for-each-ref", "--format=%(refname)", "refs/gitml").strip() == done.inbox
    assert (server / STORED).exists()
    bob.pull()
    assert bob.states() == ada.states()
    eve.record("other")
    eve.pull()
    pushed = eve.push()
    assert len(pushed.folded) == 1
    assert git(server, "for-each-ref", "refs/gitml") == ""
    bob.pull()
    assert bob.states() == eve.states()
    assert len(bob.runs()) == 2


def test_a_push_to_the_inbox_twice_is_once(clone, server, git):
    ada = clone("ada")
    ada.record("hers")
    ada.push(inbox=True)
    ada.push(inbox=True)
    assert len(git(server, "for-each-ref", "refs/gitml").splitlines()) == 1


def test_a_dry_run_sends_nothing(clone, server, git):
    ada = clone("ada")
    ada.record("hers", {"model.bin": BIG})
    before = git(server, "for-each-ref") + git(ada.folder, "for-each-ref")
    done = ada.push(dry_run=True)
    assert (done.records, len(done.objects.moved)) == (1, 1)
    assert git(server, "for-each-ref") + git(ada.folder, "for-each-ref") == before
    assert not (server / "lfs").exists()


def test_a_missing_object_keeps_its_run_here(clone, server, git):
    ada = clone("ada")
    ada.record("hers", {"model.bin": BIG})
    (ada.folder / ".git" / STORED).unlink()
    with pytest.raises(ArtifactsNotSentError, match="could not be sent to 'origin'") as caught:
        ada.push()
    assert "--no-artifacts" in (caught.value.hint or "")
    assert "gitml" not in git(server, "for-each-ref")
    assert ada.push(artifacts=False).records == 1


def test_a_url_instead_of_a_remote(clone, server, tmp_path, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    url = server.as_uri()
    ada.push(url)
    bob.pull(url)
    assert bob.states() == ada.states()
    assert ada.push(url).way is Way.NOTHING


def test_the_users_own_things_stay(clone, server, git):
    ada, bob = clone("ada"), clone("bob")
    bob.record("his")
    bob.push()
    (ada.folder / "train.py").write_text("changed")
    hook = ada.folder / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\ntouch hook-ran\nexit 1\n")
    hook.chmod(0o755)
    git(ada.folder, "config", "remote.origin.mirror", "true")
    git(ada.folder, "config", "fetch.prune", "true")
    git(ada.folder, "config", "push.followTags", "true")
    git(ada.folder, "tag", "-a", "v1", "-m", "x")
    ada.record("hers")
    before = [git(ada.folder, *words) for words in (["status", "--porcelain"], ["rev-parse", "HEAD"], ["config", "--list", "--local"])]  # fmt: skip
    ada.pull()
    ada.push()
    after = [git(ada.folder, *words) for words in (["status", "--porcelain"], ["rev-parse", "HEAD"], ["config", "--list", "--local"])]  # fmt: skip
    assert before == after
    assert not (ada.folder / "hook-ran").exists()
    assert not (ada.folder / ".git/FETCH_HEAD").exists()
    assert "refs/tags/v1" not in git(server, "for-each-ref")
    assert set(git(server, "for-each-ref", "--format=%(refname)").split()) == {"refs/heads/main", RUNS_REF}


# Tags of the registry


def _tag(clone, git, name: str, subject: str = "x") -> str:
    """Make a tag that says what the registry's do: v1 of churn, or that it came into Production."""
    number = name.rpartition("/")[2].removeprefix("v")
    if "/models/" in name:
        target, facts = RUNS_REF, f"kind: version\nversion: {number}\nrun: abc\ndigest: sha256:{'ab' * 32}"
    else:
        target = "gitml/models/churn/v1"
        facts = f"kind: stage\nversion: 1\nstage: Production\nevent: assigned\norder: {number}"
    git(clone.folder, "tag", "-a", name, "-m", f"{subject}\n\nmodel: churn\n{facts}", target)
    return git(clone.folder, "rev-parse", f"refs/tags/{name}").strip()


def test_tags_travel_and_clashes_are_told(clone, server, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    oid = _tag(ada, git, "gitml/models/churn/v1")
    for number in range(1, 6):
        _tag(ada, git, f"gitml/stages/churn/production/{number}")
    done = ada.push()
    assert len(done.tags.made) == 6
    bob.record("his")
    other = _tag(bob, git, "gitml/models/churn/v1", "another")
    pulled = bob.pull()
    assert len(pulled.tags) == 5
    assert [(clash.here, clash.there) for clash in pulled.clashes] == [(other, oid)]
    pushed = bob.push()
    assert [clash.ref for clash in pushed.tags.clashes] == ["refs/tags/gitml/models/churn/v1"]
    assert git(server, "rev-parse", "refs/tags/gitml/models/churn/v1").strip() == oid
    assert git(bob.folder, "rev-parse", "refs/tags/gitml/models/churn/v1").strip() == other


def test_tags_that_the_registry_does_not_make_are_left(clone, server, git, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    _tag(ada, git, "gitml/models/churn/v1")
    ada.push()
    for name in ("gitml/models/--x/v1", "gitml/models/churn/v-1", "gitml/models/churn/v2", "gitml/weird"):
        git(server, "update-ref", f"refs/tags/{name}", RUNS_REF)
    told = gitml(bob.folder, "pull").stderr
    assert "1 record and 1 tag came from origin" in told
    assert "4 tags of origin left there: 'gitml/models/--x/v1': it is no name of the registry's" in told
    assert git(bob.folder, "tag", "--list").split() == ["gitml/models/churn/v1"]
    git(bob.folder, "update-ref", "refs/tags/gitml/models/churn/v2", RUNS_REF)
    checked = gitml(bob.folder, "fsck").stdout
    assert "tag 'gitml/models/churn/v2' counts for nothing: it is no annotated tag" in checked


def test_a_clash_that_nobody_had_seen_yet(clone, server, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    bob.record("his")
    bob.pull()
    oid = _tag(ada, git, "gitml/models/churn/v1")
    ada.push()
    _tag(bob, git, "gitml/models/churn/v1", "another")
    done = bob.push()
    assert [clash.ref for clash in done.tags.clashes] == ["refs/tags/gitml/models/churn/v1"]
    assert git(server, "rev-parse", "refs/tags/gitml/models/churn/v1").strip() == oid


# What bad input gets


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "-x", "", "a\nb"])
def test_a_remote_that_would_be_an_option(clone, name):
    with pytest.raises(UsageError):
        clone("ada").pull(name)


def test_no_repository_there(clone, tmp_path, git):
    ada = clone("ada", str(tmp_path / "nowhere.git"))
    ada.record("hers")
    for verb in (ada.push, ada.pull):
        with pytest.raises(RemoteError) as caught:
            verb()
        assert caught.value.hint


def test_a_host_that_does_not_answer(clone):
    ada = clone("ada", "http://127.0.0.1:9/x.git")
    ada.record("hers")
    with pytest.raises(RemoteUnreachableError, match="no connection"):
        ada.pull()


def test_a_branch_that_something_else_made(clone, server, git):
    git(server, "branch", "gitml/runs", "main")
    ada = clone("ada")
    ada.record("hers")
    tip = git(ada.folder, "rev-parse", RUNS_REF)
    for verb in (ada.pull, ada.push):
        with pytest.raises(ForeignHistoryError):
            verb()
    assert git(ada.folder, "rev-parse", RUNS_REF) == tip


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_host_that_forbids_the_branch(clone, server, git, hook):
    script = server / "hooks" / hook
    script.write_text("#!/bin/sh\necho 'policy: no runs here' >&2\nexit 1\n")
    script.chmod(0o755)
    ada = clone("ada")
    ada.record("hers")
    with pytest.raises(Exception, match=r"hook declined \(policy: no runs here"):
        ada.push()


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("fatal: write error: No space left on device", "to make room"),
        ("gitml: refs/heads/gitml/runs is refused\n  -> gitml sync joins both", "what it says after '->'"),
        ("fatal: Read-only file system", "can't be written to"),
        ("GitLab: You are not allowed to push code to protected branches on this project.", "push --inbox"),
        ("policy: no runs here", "ask who runs that host to allow pushes to refs/heads/gitml/*"),
    ],
)
def test_what_helps_against_a_refusal_follows_from_its_reason(clone, server, said, remedy):
    script = server / "hooks/pre-receive"
    script.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    script.chmod(0o755)
    ada = clone("ada")
    ada.record("hers")
    with pytest.raises(PushRefusedError) as caught:
        ada.push()
    assert "nothing is lost; " in (caught.value.hint or "")
    assert remedy in (caught.value.hint or "")


def test_a_clone_that_can_not_be_written_to_is_not_the_remotes_fault(clone, server):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    ada.push()
    (bob.folder / ".git/refs/remotes/origin/gitml").mkdir(parents=True, exist_ok=True)
    (bob.folder / ".git/refs/remotes/origin/gitml").rmdir()
    (bob.folder / ".git/refs/remotes/origin/gitml").symlink_to("/dev/null/nothing")
    with pytest.raises(NotKeptError, match="can't be kept here") as caught:
        bob.pull()
    assert "writable" in (caught.value.hint or "")


def test_a_host_without_an_inbox_gets_the_branch(clone, server):
    script = server / "hooks" / "update"
    script.write_text('#!/bin/sh\ncase "$1" in refs/gitml/*) exit 1;; esac\n')
    script.chmod(0o755)
    ada = clone("ada")
    ada.record("hers")
    with pytest.raises(Exception, match="keeps refs of that kind out"):
        ada.push(inbox=True)
    assert ada.push().way is Way.BRANCH


def test_plain_git_push_and_fetch_work_as_well(clone, server, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    subprocess.run(["git", "push", "--quiet", "origin", "gitml/runs"], cwd=ada.folder, check=True)
    git(bob.folder, "fetch", "--quiet", "origin", "gitml/runs:gitml/runs")
    assert bob.states() == ada.states()
    bob.record("his")
    bob.push()
    ada.pull()
    assert ada.states() == bob.states()


def test_long_output_travels_as_an_object(clone, server, git):
    ada, bob = clone("ada"), clone("bob")
    git(ada.folder, "config", "gitml.historyLimit", "1k")
    long, fake = b"epoch 1 of many\n" * 500, encode_pointer(Pointer("0" * 64, 5, lfs=True))
    ids = {}
    with ada.open() as repo:
        for name, printed in (("long", long), ("fake", fake), ("short", b"done\n")):
            live = start_run(repo, name=name)
            live.append_output(printed)
            finish_run(repo, live, RunStatus.FINISHED)
            ids[name] = live.run_id
    ada.push()
    bob.pull()
    for person in (ada, bob):
        with person.open() as repo:
            printed = {name: history.read_output(repo, history.get_run(repo, ids[name])) for name in ids}
        assert printed == {"long": long, "fake": fake, "short": b"done\n"}
    assert len(git(bob.folder, "show", "gitml/runs~2:logs/output.log")) < 200
    with bob.open() as repo:
        live = resume_run(repo, ids["long"])
        live.append_output(b"and on\n")
        finish_run(repo, live, RunStatus.FINISHED)
        assert history.read_output(repo, history.get_run(repo, ids["long"])) == long + b"and on\n"
    git(bob.folder, "fsck", "--strict")
