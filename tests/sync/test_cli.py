"""The commands of sharing, as people type them."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.sync.conftest import BIG

OID = hashlib.sha256(BIG).hexdigest()
STORED = f"lfs/objects/{OID[:2]}/{OID[2:4]}/{OID}"


def test_push_pull_and_read(clone, server, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers", {"model.bin": BIG})
    assert "sent 1 record and 1 artifact (256 kB) to origin" in gitml(ada.folder, "push").stderr
    assert "origin has everything already" in gitml(ada.folder, "push").stderr
    assert "1 record at origin that you don't have" in gitml(bob.folder, "fetch").stderr
    assert "1 record came from origin" in gitml(bob.folder, "pull").stderr
    assert not (bob.folder / ".git" / STORED).exists()
    gitml(bob.folder, "artifacts", "get", "hers", "model.bin", "-o", "out")
    assert (bob.folder / "out/model.bin").read_bytes() == BIG


def test_from_a_folder_below(clone, server, gitml):
    ada = clone("ada")
    ada.record("hers")
    (ada.folder / "deep").mkdir()
    gitml(ada.folder / "deep", "push", "../../server.git")
    gitml(ada.folder / "deep", "pull", "../../server.git")


def test_json_of_each(clone, server, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers", {"model.bin": BIG})
    pushed = json.loads(gitml(ada.folder, "push", "--json").stdout)["push"]
    assert (pushed["way"], pushed["records"], pushed["artifacts"]["moved"]) == ("branch", 1, 1)
    assert json.loads(gitml(bob.folder, "fetch", "--json").stdout)["fetch"]["new_records"] == 1
    pulled = json.loads(gitml(bob.folder, "pull", "--json").stdout)["pull"]
    assert (pulled["records"], pulled["joined"]) == (1, False)
    synced = json.loads(gitml(bob.folder, "sync", "--json").stdout)["sync"]
    assert (synced["pull"]["records"], synced["push"]["records"]) == (0, 0)
    listed = json.loads(gitml(bob.folder, "remote", "list", "--json").stdout)["remotes"]
    assert [(remote["name"], remote["inbox"]) for remote in listed] == [("origin", 0)]


def test_artifacts_of_a_filter_or_of_all(clone, server, gitml):
    ada, bob, eve = clone("ada"), clone("bob"), clone("eve")
    other = BIG[::-1]
    ada.record("good", {"model.bin": BIG}, loss=0.1)
    ada.record("bad", {"model.bin": other}, loss=0.9)
    ada.push()
    done = gitml(bob.folder, "pull", "--filter", "metrics.loss < 0.5")
    assert "2 records and 1 artifact (256 kB) came from origin" in done.stderr
    assert (bob.folder / ".git" / STORED).exists()
    assert "2 artifacts" in gitml(eve.folder, "sync", "--artifacts").stderr
    gitml(bob.folder, "artifacts", "fetch", "bad")
    assert len([path for path in (bob.folder / ".git/lfs/objects").rglob("*") if path.is_file()]) == 2


def test_an_artifact_that_nobody_has(clone, server, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers", {"model.bin": BIG})
    gitml(ada.folder, "push", "--no-artifacts")
    gitml(bob.folder, "pull")
    done = gitml(bob.folder, "artifacts", "get", "hers", "-o", "out", code=None)
    assert done.returncode in (3, 5)
    assert OID[:12] in done.stderr
    assert not (bob.folder / "out/model.bin").exists()


def test_a_damaged_object_at_the_remote_is_not_accepted(clone, server, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers", {"model.bin": BIG})
    ada.push()
    stored = server / STORED
    stored.chmod(0o644)
    stored.write_bytes(b"X" + BIG[1:])
    gitml(bob.folder, "pull")
    done = gitml(bob.folder, "artifacts", "get", "hers", "-o", "out", code=None)
    assert done.returncode != 0
    assert not (bob.folder / "out/model.bin").exists()
    assert not (bob.folder / ".git" / STORED).exists()


def test_a_dry_run_of_a_pull_tells_of_artifacts(clone, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers", {"model.bin": BIG})
    ada.push()
    told = gitml(bob.folder, "pull", "--dry-run", "--artifacts").stderr
    assert "1 record at origin that you don't have" in told
    assert "would fetch 1 artifact (256 kB)" in told
    bob.pull()
    for options in (["--artifacts"], ["--filter", "metrics.loss > 0"]):
        done = json.loads(gitml(bob.folder, "pull", "--dry-run", "--json", *options).stdout)["fetch"]
        assert done["artifacts"] == {"wanted": 1, "bytes": len(BIG)}


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_no_name_is_no_remote(clone, gitml, verb):
    assert "'' can't be a remote" in gitml(clone("ada").folder, verb, "", code=2).stderr


def test_histories_of_others_alone_are_not_joined_with_ours(clone, gitml):
    for name in ("ada", "bob"):
        person = clone(name)
        person.record(name)
        person.push(inbox=True)
    assert "joined with yours" not in gitml(clone("eve").folder, "pull").stderr


@pytest.mark.parametrize("verb", ["push", "pull", "fetch", "sync"])
def test_without_a_remote(git_repo, gitml, verb):
    done = gitml(git_repo, verb, code=2)
    assert "git remote add origin URL" in done.stderr


def test_clone(clone, server, gitml, tmp_path, git):
    ada = clone("ada")
    ada.record("hers", {"model.bin": BIG})
    ada.push()
    done = gitml(tmp_path, "clone", str(server), "mine")
    assert "1 record came from origin" in done.stderr
    assert "hers" in gitml(tmp_path / "mine", "log").stdout
    git(tmp_path / "mine", "config", "user.name", "Me")
    git(tmp_path / "mine", "config", "user.email", "me@example.org")
    gitml(tmp_path / "mine", "run", "--name", "mine", "true")
    gitml(tmp_path / "mine", "push")
    gitml(ada.folder, "pull")
    assert {run.name for run in ada.runs().values()} == {"hers", "mine"}
    assert gitml(tmp_path, "clone", str(server), "mine", code=2).stderr
    assert gitml(tmp_path, "clone", "--", "--upload-pack=x", code=2).stderr


def test_a_shallow_clone_says_what_it_lacks(clone, server, gitml, tmp_path, git):
    ada = clone("ada")
    for number in range(5):
        ada.record(f"run-{number}")
    ada.push()
    done = gitml(tmp_path, "clone", "--shallow", "--depth", "2", server.as_uri(), "mine")
    assert "shallow clone" in done.stderr
    mine = tmp_path / "mine"
    assert len(json.loads(gitml(mine, "log", "--json").stdout)["runs"]) == 2
    assert "older runs may not be here" in gitml(mine, "status").stdout
    git(mine, "config", "user.name", "Me")
    git(mine, "config", "user.email", "me@example.org")
    gitml(mine, "run", "--name", "mine", "true")
    gitml(mine, "sync")
    ada.pull()
    assert len(ada.runs()) == 6
    git(mine, "fetch", "--quiet", "--unshallow")
    assert len(json.loads(gitml(mine, "log", "--json").stdout)["runs"]) == 6


@pytest.mark.parametrize("filter_", ["blob:none", "tree:0"])
def test_a_partial_clone_has_the_runs_and_asks_for_the_rest(clone, server, gitml, tmp_path, git, filter_):
    git(server, "config", "uploadpack.allowFilter", "true")
    git(server, "config", "uploadpack.allowAnySHA1InWant", "true")
    ada = clone("ada")
    (ada.folder / "train.py").write_text("print('changed')\n")
    ada.record("hers", {"notes.txt": b"some notes", "model.bin": BIG})
    ada.push()
    done = gitml(tmp_path, "clone", "--filter", filter_, server.as_uri(), "mine")
    assert "partial clone" in done.stderr
    mine = tmp_path / "mine"
    server.rename(tmp_path / "away.git")  # no network from here on
    assert "hers" in gitml(mine, "log").stdout
    assert "loss" in gitml(mine, "show", "hers").stdout
    assert gitml(mine, "artifacts", "cat", "hers", "notes.txt").stdout == "some notes"
    (tmp_path / "away.git").rename(server)
    gitml(mine, "artifacts", "get", "hers", "model.bin")
    assert (mine / "model.bin").read_bytes() == BIG
    gitml(mine, "pull")


def test_where_artifacts_travel(clone, gitml, git, tmp_path):
    ada = clone("ada")
    assert "the git remote itself" in gitml(ada.folder, "remote", "artifacts").stdout
    store = tmp_path / "store"
    store.mkdir()
    gitml(ada.folder, "remote", "artifacts", store.as_uri(), "--check")
    assert git(ada.folder, "config", "gitml.artifacts.url").strip() == store.as_uri()
    ada.record("hers", {"model.bin": BIG})
    gitml(ada.folder, "push")
    assert (store / OID[:2] / OID[2:4] / OID).read_bytes() == BIG
    bob = clone("bob")
    gitml(bob.folder, "pull")
    done = gitml(bob.folder, "artifacts", "get", "hers", code=2)
    assert "gitml remote artifacts URL" in done.stderr
    gitml(bob.folder, "remote", "artifacts", store.as_uri())
    gitml(bob.folder, "artifacts", "get", "hers", "model.bin", "-o", "out")
    gitml(ada.folder, "remote", "artifacts", "--unset")
    assert "the git remote itself" in gitml(ada.folder, "remote", "artifacts").stdout
    assert "nonsense" in gitml(ada.folder, "remote", "artifacts", "nonsense://x", code=2).stderr


def test_a_tag_that_clashes_is_told_by_the_exit_code(clone, server, gitml, git):
    ada, bob = clone("ada"), clone("bob")
    ada.record("hers")
    facts = f"kind: version\nmodel: churn\nversion: 1\nrun: abc\ndigest: sha256:{'ab' * 32}"
    git(ada.folder, "tag", "-a", "gitml/models/churn/v1", "-m", f"x\n\n{facts}", "gitml/runs")
    gitml(ada.folder, "push")
    bob.record("his")
    someone = ("-c", "user.email=eve@example.org")  # one of his own would give way
    git(bob.folder, *someone, "tag", "-a", "gitml/models/churn/v1", "-m", f"y\n\n{facts}", "gitml/runs")
    done = gitml(bob.folder, "push", code=4)
    assert "tag 'gitml/models/churn/v1' is another one there" in done.stderr
    gitml(ada.folder, "pull")
    assert len(ada.runs()) == 2
