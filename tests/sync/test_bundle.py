"""Runs, tags and artifacts in one file: made, carried, applied, and refused when they are not right."""

from __future__ import annotations

import hashlib
import json
import tarfile
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gitml.errors import DamagedError, GitmlError, NotFoundError, RefusedError
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF, Repo
from gitml.store.local import ChecksumMismatchError
from gitml.sync import bundle
from gitml.sync.bundle_file import BundleFile, FileExistsHereError
from gitml.sync.bundle_making import (
    ArtifactsNotHereError,
    IncompleteHistoryError,
    NothingToBundleError,
    create,
    known_of,
)
from gitml.sync.bundle_manifest import BundleDamagedError, BundleTooNewError, Manifest, NeedsOlderRunsError
from gitml.sync.findings import UnsoundRecordsError
from gitml.sync.join import ForeignHistoryError
from tests.sync.conftest import BIG, Clone
from tests.sync.forge import LINK, Forge
from tests.sync.tampering import Edit, entry, rewrite

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # typer uses names that click will drop in 9
    from gitml.cli.app import run as gitml_run

OID = hashlib.sha256(BIG).hexdigest()


@pytest.fixture
def ada(clone):
    return clone("ada")


@pytest.fixture
def site(tmp_path: Path, git):
    """A repository that has never met any other."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "site")
    git(tmp_path / "site", "config", "user.name", "Site")
    git(tmp_path / "site", "config", "user.email", "site@example.org")
    return Clone(tmp_path / "site")


@pytest.fixture
def stick(tmp_path: Path):
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def write(where: Clone, path: Path, since: str | None = None, **options) -> Manifest:
    with where.open() as repo:
        return create(repo, path, known=known_of(repo, since), **options)


def take(where: Clone, path: Path) -> bundle.Applied:
    with where.open() as repo:
        return bundle.apply(repo, path)


def facts(where: Clone) -> dict[str, bytes]:
    """All refs and stored objects of a repository."""
    git_dir = where.folder / ".git"
    files = [
        path for part in ("refs", "lfs/objects") for path in (git_dir / part).rglob("*") if path.is_file()
    ]
    return {str(path.relative_to(git_dir)): path.read_bytes() for path in files}


def version(where: Clone, git, number: int, target: str = "gitml/runs", message: str = "x") -> str:
    name = f"gitml/models/churn/v{number}"
    git(where.folder, "tag", "--annotate", f"--message={message}", name, target)
    return f"refs/tags/{name}"


# There and back


def test_everything_arrives_and_a_second_time_changes_nothing(ada: Clone, site: Clone, stick: Path, git):
    ada.record("one", {"model.bin": BIG, "small.txt": b"x"})
    ada.record("two")
    tag = version(ada, git, 1)
    made = write(ada, stick / "all.gitml")
    assert (made.records, [pointer.oid for pointer in made.objects], list(made.tags)) == (2, [OID], [tag])
    done = take(site, stick / "all.gitml")
    assert (done.records, len(done.objects.moved), done.tags, done.joined) == (2, 1, (tag,), False)
    assert site.states() == ada.states()
    with site.open() as repo:
        assert repo.objects.path(OID).read_bytes() == BIG
        assert done.tip == repo.git.tip(RUNS_REF)
    git(site.folder, "fsck", "--strict", "--no-dangling")
    before = facts(site)
    again = take(site, stick / "all.gitml")
    assert (again.records, again.objects.moved, again.tags, again.clashes) == (0, (), (), ())
    assert facts(site) == before
    assert [path.name for path in stick.iterdir()] == ["all.gitml"]


def test_the_same_content_gives_the_same_bytes(ada: Clone, stick: Path):
    ada.record("one", {"model.bin": BIG})
    write(ada, stick / "a")
    write(ada, stick / "b")
    assert (stick / "a").read_bytes() == (stick / "b").read_bytes()
    with tarfile.open(stick / "a") as tar:  # plain tar reads it
        assert tar.getnames() == ["manifest.json", "manifest.sha256", "runs.bundle", f"objects/{OID}"]


def test_histories_are_joined_and_go_back(ada: Clone, site: Clone, stick: Path):
    ada.record("one")
    write(ada, stick / "all")
    site.record("own")
    assert take(site, stick / "all").joined
    ada.record("two", {"model.bin": BIG})
    write(ada, stick / "news", str(stick / "all"))
    news = take(site, stick / "news")
    assert (news.records, len(news.objects.moved)) == (1, 1)
    back = write(site, stick / "back", str(stick / "news"))
    assert (back.records, back.objects) == (1, ())
    take(ada, stick / "back")
    assert ada.states() == site.states()
    assert len(ada.runs()) == 3


def test_only_what_is_new(ada: Clone, site: Clone, stick: Path, server: Path, git):
    run_id = ada.record("one", {"model.bin": BIG})
    first = write(ada, stick / "all")
    take(site, stick / "all")
    nothing = write(ada, stick / "nothing", str(stick / "all"))
    assert (nothing.records, nothing.objects, nothing.git) == (0, (), None)
    assert nothing.needs == first.tips
    assert take(site, stick / "nothing").records == 0
    tag = version(ada, git, 1)
    write(ada, stick / "tags", str(stick / "all"))
    assert take(site, stick / "tags").tags == (tag,)
    ada.push()
    ada.record("two", {"other.bin": BIG[::-1]})
    for since in ("origin", first.tips[0], str(stick / "all")):
        made = write(ada, stick / "news", since, force=True)
        assert (made.records, len(made.objects), made.needs) == (1, 1, first.tips)
    with ada.open() as repo:
        chosen = create(
            repo, stick / "chosen", artifacts_of=[r.commit for r in ada.runs().values() if r.id == run_id]
        )
    assert (chosen.records, [pointer.oid for pointer in chosen.objects]) == (2, [OID])
    assert write(ada, stick / "alone", artifacts_of=[]).objects == ()


def test_a_tag_that_is_another_one_is_kept(ada: Clone, site: Clone, stick: Path, git):
    ada.record("one")
    write(ada, stick / "all")
    take(site, stick / "all")
    theirs, ours = version(ada, git, 1), version(site, git, 1, message="mine")
    assert theirs == ours
    before = git(site.folder, "rev-parse", ours)
    write(ada, stick / "news", str(stick / "all"))
    done = take(site, stick / "news")
    assert [clash.ref for clash in done.clashes] == [ours]
    assert git(site.folder, "rev-parse", ours) == before


def test_a_bare_repository_with_sha256(tmp_path: Path, git, stick: Path):
    for name in ("from", "to"):
        git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", name)
    with closing(Repo(GitRepo.discover(tmp_path / "from"))) as here:
        here.git.move_ref(RUNS_REF, None, Forge(here.git).record())
        create(here, stick / "b")
    with closing(Repo(GitRepo.discover(tmp_path / "to"))) as there:
        assert bundle.apply(there, stick / "b").records == 1


# What can't be made


def test_what_can_not_be_made(ada: Clone, site: Clone, stick: Path, git, clone):
    with pytest.raises(NothingToBundleError):
        write(site, stick / "b")
    ada.record("one", {"model.bin": BIG})
    (stick / "taken").write_text("mine")
    with pytest.raises(FileExistsHereError):
        write(ada, stick / "taken")
    with pytest.raises(NotFoundError):
        write(ada, stick / "b", "no-such-thing")
    write(ada, stick / "all")
    with pytest.raises(NeedsOlderRunsError):
        write(site, stick / "b", str(stick / "all"))
    with ada.open() as repo:
        stored = repo.objects.path(OID)
    stored.chmod(0o644)
    stored.write_bytes(BIG[::-1])
    with pytest.raises(ChecksumMismatchError):
        write(ada, stick / "b")
    stored.unlink()
    with pytest.raises(ArtifactsNotHereError):
        write(ada, stick / "b")
    write(ada, stick / "b", artifacts_of=[])
    (ada.folder / ".git/shallow").write_text(git(ada.folder, "rev-parse", "gitml/runs"))
    with pytest.raises(IncompleteHistoryError):
        write(ada, stick / "c")
    assert sorted(path.name for path in stick.iterdir()) == ["all", "b", "taken"]
    assert (stick / "taken").read_text() == "mine"


# What is refused


@pytest.mark.parametrize("verb", ["apply", "verify", "list"])
def test_what_is_no_file(git_repo, tmp_path, gitml, verb):
    assert "there is no file" in gitml(git_repo, "bundle", verb, str(tmp_path / "gone"), code=3).stderr
    assert "is a folder" in gitml(git_repo, "bundle", verb, str(tmp_path), code=2).stderr


def test_it_goes_on_from_runs_that_are_not_here(ada: Clone, site: Clone, stick: Path):
    ada.record("one")
    first = write(ada, stick / "all")
    ada.record("two", {"model.bin": BIG})
    write(ada, stick / "news", str(stick / "all"))
    with pytest.raises(NeedsOlderRunsError) as caught:
        take(site, stick / "news")
    assert first.tips[0][:12] in str(caught.value)
    assert "without --since" in caught.value.hint
    assert facts(site) == {}


def test_a_file_that_is_cut_off_anywhere(ada: Clone, site: Clone, stick: Path):
    ada.record("one", {"model.bin": BIG})
    write(ada, stick / "all")
    whole = (stick / "all").read_bytes()
    lengths = [0, 1, 511, 512, 700, *range(1024, len(whole), len(whole) // 12), len(whole) - 10240]
    for length in lengths:
        (stick / "cut").write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            take(site, stick / "cut")
        assert [name for name in facts(site) if name.startswith("refs/")] == [], length
    take(site, stick / "all")
    assert site.states() == ada.states()


def test_a_file_with_another_bit_anywhere(ada: Clone, site: Clone, stick: Path):
    ada.record("one", {"model.bin": BIG})
    write(ada, stick / "all")
    whole = (stick / "all").read_bytes()
    with BundleFile(stick / "all") as file:
        members = list(file.members())
    places = [place for member in members for place in (member.start - 500, member.start, member.start + 99)]
    for place in [3, 600, *places, len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= 1
        (stick / "bad").write_bytes(changed)
        with ada.open() as repo, pytest.raises(DamagedError):
            bundle.verify(stick / "bad", repo)
        with pytest.raises(DamagedError):
            take(site, stick / "bad")
        assert [name for name in facts(site) if name.startswith("refs/")] == [], place


def test_a_file_that_was_made_to_do_harm(ada: Clone, site: Clone, stick: Path, tmp_path: Path):
    ada.record("one", {"model.bin": BIG})
    write(ada, stick / "all")
    edits: list[Edit] = [
        lambda m: m.update(kind="other"),
        lambda m: m.update(schema=99),
        lambda m: m.update(tips="x"),
        lambda m: m.update(tips=["--upload-pack=x"]),
        lambda m: m.update(tips=["1" * 40]),
        lambda m: m.update(needs=["../x"]),
        lambda m: m.update(records=-1),
        lambda m: m.update(tags={"refs/heads/main": "1" * 40}),
        lambda m: m.update(tags={"refs/tags/gitml/../../heads/main": m["tips"][0]}),
        lambda m: m.update(tags={"refs/tags/gitml/models/m/v1": m["tips"][0]}),
        lambda m: m.update(git=None),
        lambda m: m["objects"].append(m["objects"][0]),
        lambda m: m["objects"][0].update(sha256="../../../../x"),
        lambda m: m["objects"][0].update(size=-1),
        lambda m: m["objects"][0].update(size=10**30),
        lambda m: m.pop("objects"),
    ]
    for edit in edits:
        rewrite(stick / "all", stick / "bad", edit)
        with pytest.raises(GitmlError):
            take(site, stick / "bad")
    object_name = f"objects/{OID}"
    others: list[Callable[[list], list]] = [
        lambda found: [found[0], found[1], entry("../../x", found[2][1])],
        lambda found: [*found, entry("more")],
        lambda found: [found[0], found[2], found[1]],
        lambda found: found[:2],
        lambda found: [entry("first"), *found],
        lambda found: [
            found[0],
            found[1],
            entry(object_name, b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        ],
        lambda found: [found[0], found[1], entry(object_name, b"", type=tarfile.FIFOTYPE)],
        lambda found: [found[0], found[1], entry(object_name, b"", type=tarfile.DIRTYPE)],
        lambda found: [found[0], entry("runs.bundle", found[1][1][:-1] + b"x"), found[2]],
    ]
    for members in others:
        rewrite(stick / "all", stick / "bad", members=members)
        with pytest.raises(DamagedError):
            take(site, stick / "bad")
    assert [name for name in facts(site) if name.startswith("refs/")] == []
    assert not list((site.folder / ".git/gitml").glob(".incoming-*"))
    rewrite(stick / "all", stick / "same")
    assert take(site, stick / "same").records == 1


def test_newer_bundles_are_told_apart(ada: Clone, stick: Path):
    ada.record("one")
    write(ada, stick / "all")
    rewrite(stick / "all", stick / "new", lambda m: m.update(schema=2))
    with pytest.raises(BundleTooNewError):
        bundle.verify(stick / "new")
    with pytest.raises(BundleDamagedError):
        bundle.verify(Path(__file__))


def test_records_are_inspected_before_they_join(ada: Clone, site: Clone, stick: Path):
    with ada.open() as repo:
        forge = Forge(repo.git)
        bad = forge.record(extra={"artifacts/passwd": (LINK, forge.raw("blob", b"/etc/passwd"))})
        repo.git.move_ref(RUNS_REF, None, bad)
    write(ada, stick / "bad")
    with pytest.raises(UnsoundRecordsError):
        take(site, stick / "bad")
    assert facts(site) == {}
    with ada.open() as repo:
        repo.git.move_ref(RUNS_REF, bad, repo.git.tip("refs/heads/main"))
    write(ada, stick / "code")
    with pytest.raises(ForeignHistoryError):
        take(site, stick / "code")
    assert facts(site) == {}


def test_a_tag_that_is_none_of_the_registry(ada: Clone, site: Clone, stick: Path, git):
    ada.record("one")
    git(ada.folder, "tag", "gitml/models/light/v1", "gitml/runs")
    write(ada, stick / "b")
    with pytest.raises(RefusedError, match="no tag of the registry"):
        take(site, stick / "b")
    assert facts(site) == {}


def test_another_kind_of_repository(ada: Clone, stick: Path, tmp_path: Path, git):
    ada.record("one")
    write(ada, stick / "b")
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "other")
    with pytest.raises(RefusedError, match="sha256"):
        take(Clone(tmp_path / "other"), stick / "b")


# The commands


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run `gitml bundle …` in a folder; gives what it printed and said."""

    def run(folder: Path, *arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.chdir(folder)
        capfd.readouterr()
        status = gitml_run(["bundle", *map(str, arguments)])
        out, err = capfd.readouterr()
        assert status == code, out + err
        return out, err

    return run


def test_the_commands(ada: Clone, site: Clone, stick: Path, command, tmp_path: Path):
    ada.record("one", {"model.bin": BIG})
    ada.record("two", {"other.bin": BIG[::-1]}, loss=0.1)
    here, there, file = ada.folder, site.folder, stick / "b.gitml"
    assert (
        "2 records, 1 artifact (256 kB)" in command(here, "create", file, "--filter", "metrics.loss < 0.2")[1]
    )
    assert "exists" in command(here, "create", file, code=4)[1]
    made = command(here, "create", file, "--run", "one", "--run", "two", "--force", "--json")[0]
    assert [json.loads(made)["bundle"][key] for key in ("records", "artifacts")] == [2, 2]
    assert "is sound" in command(tmp_path, "verify", file)[1]
    assert "it is sound and fits" in command(there, "apply", file, "--dry-run")[1]
    assert facts(site) == {}
    done = json.loads(command(there, "apply", file, "--json")[0])["applied"]
    assert (done["records"], done["artifacts"]["moved"]) == (2, 2)
    assert "nothing new in b.gitml" in command(there, "apply", file)[1]
    listed = command(tmp_path, "list", file, "--porcelain")[0].splitlines()
    assert [line.split("\t")[0] for line in listed[1:]] == ["tip", "artifact", "artifact"]
    assert "--no-artifacts" in command(here, "create", "x", "--no-artifacts", "--run", "one", code=2)[1]
    assert "there is no file" in command(here, "apply", stick / "none", code=3)[1]
