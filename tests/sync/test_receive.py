"""A server that looks at what is pushed: real pushes into a repository with the hook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import gitml
from gitml.entities.artifact import Pointer
from gitml.entities.run import CodeState
from gitml.errors import UsageError
from gitml.formats.pointer import encode_attributes, encode_pointer
from gitml.formats.registry_names import parse_ref
from gitml.git.repo import GitRepo
from gitml.registry.stages import promote
from gitml.registry.versions import register
from gitml.repo import RUNS_REF, Repo
from gitml.store.local import ObjectStore
from gitml.sync.pushing import PushOptions, push
from gitml.sync.receive import check_push
from gitml.sync.rejection import ReceivedRef
from gitml.tracking.hooks import PRE_RECEIVE, hook_text, install_hook, remove_hook
from gitml.tracking.resolve import resolve_run
from tests.sync.forge import FOLDER, LINK, Forge, a_run

MODEL = {"artifacts/model.bin": True}


@pytest.fixture(autouse=True)
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put `gitml` on PATH, as an installation does."""
    program = tmp_path / "bin/gitml"
    program.parent.mkdir()
    home = Path(gitml.__file__).parents[1]
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{home}" exec "{sys.executable}" -m gitml "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def server(server: Path):
    """The shared repository, with the hook."""
    repo = Repo(GitRepo.discover(server))
    install_hook(repo, PRE_RECEIVE)
    repo.close()
    return server


@pytest.fixture
def repo(git_repo: Path):
    opened = Repo.open(git_repo)
    yield opened
    opened.close()


@pytest.fixture
def forge(repo: Repo):
    return Forge(repo.git)


@pytest.fixture
def send(git_repo: Path, server: Path):
    """Push refspecs; give what the server said, None if it took all."""

    def push(*refspecs: str, options: tuple[str, ...] = ()) -> str | None:
        command = ["git", "push", *options, str(server), *refspecs]
        done = subprocess.run(command, cwd=git_repo, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (
            "remote rejected" not in done.stderr and "error:" not in done.stderr
        )
        return None if done.returncode == 0 else done.stderr

    return push


@pytest.fixture
def judge(git_repo: Path, server: Path, git):
    """Let the server look at refspecs whose objects it has: as the hook does, without starting it each time.

    Gives what it says, None if it would take all, and then moves the refs.
    """

    def look(*refspecs: str) -> str | None:
        pairs = [
            refspec.rpartition(":")[::2] if ":" in refspec else (refspec, refspec) for refspec in refspecs
        ]
        sources = dict.fromkeys(source for source, _ in pairs if source)
        carried = [f"+{source}:refs/other/{source.replace('/', '-')}" for source in sources]
        if carried:
            git(git_repo, "push", "--quiet", str(server), *carried)
        known = dict(
            line.split(" ")
            for line in git(server, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        )
        new = [git(git_repo, "rev-parse", source).strip() if source else None for source, _ in pairs]
        received = [ReceivedRef(ref, known.get(ref), oid) for (_, ref), oid in zip(pairs, new, strict=True)]
        with closing(Repo(GitRepo.discover(server))) as repo:
            rejections = check_push(repo, received)
            if rejections:
                return "\n".join(f"{one.ref}: {one.message} ({one.remedy})" for one in rejections)
            for one in received:
                assert repo.git.move_ref(one.ref, one.old, one.new)
        return None

    return look


@pytest.fixture
def refs(server: Path, git):
    def read() -> dict[str, str]:
        lines = git(server, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines if not line.startswith("refs/other/"))

    return read


@pytest.fixture
def tag(git_repo: Path, git):
    """Make an annotated tag; gives its refspec."""

    def make(name: str, target: str, message: str | None = None) -> str:
        message = message or _says(git, git_repo, name, target)
        git(git_repo, "tag", "--annotate", "--force", f"--message={message}", name, target)
        return f"refs/tags/{name}"

    return make


def _says(git, folder: Path, name: str, target: str) -> str:
    """What a tag of that name must say."""
    known = parse_ref(f"refs/tags/{name}")
    if known is None:
        return "x"
    if known.kind == "version":
        run = git(folder, "log", "-1", "--format=%(trailers:key=Run-Id,valueonly)", target).strip()
        facts = f'version: {known.number}\nrun: "{run}"\npath: ""\ndigest: sha256:{"ab" * 32}'
    else:
        event = "assigned" if known.kind == "stage" else "set"
        version = re.sub(".*/v", "", target) if "/v" in target else "1"
        facts = f"version: {version}\n{known.kind}: {known.part}\nevent: {event}\norder: {known.number}"
    return _facts(known.kind, known.model, facts)


def _facts(kind: str, model: str, more: str) -> str:
    return f"x\n\nkind: {kind}\nmodel: {model}\n{more}\n"


# Good pushes


def test_runs_arrive_and_grow(clone, server: Path, refs):
    ada, grace = clone("ada"), clone("grace")
    ada.record("one", {"model.bin": bytes(200_000)})
    assert ada.push().records == 1
    grace.record("two")
    grace.push()  # joins
    assert ada.pull().records == 1
    assert len(ada.runs()) == 2
    assert set(refs()) == {"refs/heads/main", RUNS_REF}


def test_an_inbox_is_filled_and_folded(clone, server: Path, refs):
    ada, grace = clone("ada"), clone("grace")
    ada.record("one")
    ada.push()
    grace.record("two")
    pushed = grace.push(inbox=True)
    assert pushed.inbox in refs()
    ada.pull()
    assert ada.push().folded
    assert set(refs()) == {"refs/heads/main", RUNS_REF}
    assert len(ada.runs()) == 2


def test_code_and_runs_in_one_push(forge: Forge, repo: Repo, send, refs):
    main = repo.git.tip("refs/heads/main")
    run = forge.record(a_run(code=CodeState(main, repo.git.commit_info(main).tree)))
    assert send(f"{run}:{RUNS_REF}", f"{main}:refs/heads/feature", f"{main}:refs/tags/v1") is None
    assert refs()[RUNS_REF] == run
    assert "refs/heads/feature" in refs()


def test_code_alone_never_starts_gitml(repo: Repo, tmp_path: Path, send, refs):
    (tmp_path / "bin/gitml").write_text("#!/bin/sh\nexit 1\n")
    main = repo.git.tip("refs/heads/main")
    assert (
        send(f"{main}:refs/heads/other", f"{main}:refs/heads/feature/gitml", f"{main}:refs/tags/v1") is None
    )
    assert send(f"{main}:refs/heads/gitml-docs", options=("--dry-run",)) is None


def test_names_that_only_begin_like_ours_are_none_of_our_business(repo: Repo, send):
    main = repo.git.tip("refs/heads/main")
    assert (
        send(f"{main}:refs/heads/gitml-docs", f"{main}:refs/tags/gitml-1.0", f"{main}:refs/gitmlx/y") is None
    )


def test_without_gitml_runs_are_refused_and_code_is_not(
    forge: Forge, repo: Repo, tmp_path: Path, server: Path, git
):
    run, main = forge.record(), repo.git.tip("refs/heads/main")
    bare = tmp_path / "bare-path"
    bare.mkdir()
    for name in ("git", "cat", "dirname", "sh"):
        (bare / name).symlink_to(shutil.which(name))
    environ = {**os.environ, "PATH": str(bare)}

    def push(refspec: str) -> subprocess.CompletedProcess[str]:
        command = ["git", "push", str(server), refspec]
        return subprocess.run(
            command, cwd=repo.git.work_tree, env=environ, capture_output=True, text=True, check=False
        )

    assert push(f"{main}:refs/heads/other").returncode == 0
    done = push(f"{run}:{RUNS_REF}")
    assert done.returncode != 0
    assert "gitml is not installed here" in done.stderr


def test_registry_tags_count_up(forge: Forge, judge, refs, tag):
    run = forge.record()
    versions = [tag(f"gitml/models/churn/v{number}", run) for number in range(1, 12)]
    first = tag("gitml/stages/churn/production/1", "gitml/models/churn/v1")
    assert judge(f"{run}:{RUNS_REF}", *versions, first) is None
    again = forge.record(parents=[run])
    more = [
        tag("gitml/models/churn/v12", again),
        tag("gitml/models/чурн%20v/v1", run),
        tag("gitml/stages/churn/production/2", "gitml/models/churn/v12"),
        tag("gitml/aliases/churn/champion/1", "gitml/models/churn/v3"),
    ]
    assert judge(f"{again}:{RUNS_REF}", *more) is None
    assert {ref for ref in refs() if ref.startswith("refs/tags/")} == {*versions, first, *more}


@pytest.mark.heavy  # nine pushes
def test_gitml_pushes_many_tags_in_an_order_that_the_server_takes(clone, server: Path, refs, git):
    ada = clone("ada")
    ada.record("one", {"model.bin": b"x"})
    with ada.open() as repo:
        run = resolve_run(repo, "one")
        for _ in range(11):
            promote(repo, "churn", register(repo, run, "churn").version, "Production")
    pushed = ada.push()
    assert len(pushed.tags.made) == 22
    assert not pushed.tags.refused


# What is refused


def test_the_branch_only_grows(forge: Forge, send, refs):
    one = forge.record()
    two = forge.record(parents=[one])
    assert send(f"{two}:{RUNS_REF}") is None
    told = send(f"+{forge.record(parents=[one])}:{RUNS_REF}")
    assert "it only grows" in told
    assert two[:12] in told
    assert "gitml sync" in told
    assert "never deleted" in send(f":{RUNS_REF}")
    assert refs()[RUNS_REF] == two


def test_everything_wrong_is_told_at_once_and_nothing_taken(
    forge: Forge, repo: Repo, send, refs, tag, server: Path
):
    main = repo.git.tip("refs/heads/main")
    blob = forge.raw("blob", b"x")
    good = forge.record()
    linked = forge.record(extra={"artifacts/passwd": (LINK, blob)}, parents=[good])
    marks = encode_attributes(MODEL)
    lost = forge.record(
        extra={"artifacts/model.bin": encode_pointer(Pointer("ab" * 32, 5)), ".gitattributes": marks}
    )
    (server / "lfs/objects").mkdir(parents=True)
    before = refs()
    told = send(
        f"{main}:refs/heads/feature",
        f"{linked}:{RUNS_REF}",
        f"{lost}:refs/gitml/inbox/{lost}",
        f"{good}:refs/gitml/inbox/-n",
        f"{blob}:refs/gitml/inbox/blob",
        f"{main}:refs/gitml/inbox/code",
        f"{good}:refs/gitml/live/4c8ae10f",
        f"{good}:refs/heads/gitml/other",
        f"{good}:refs/gitml/unheard-of",
        f"{good}:refs/tags/gitml/models/light/v1",
        tag("gitml/models/code/v1", main),
        tag("gitml/models/gap/v2", good),
        tag("gitml/models/-x/v1", good),
        tag("gitml/models/x/1", good),
        tag("gitml/stages/x/production/1", good),
    )
    assert refs() == before
    assert "gitml: nothing of this push was taken" in told
    lines = [line.removeprefix("remote: ").rstrip() for line in told.splitlines()]
    for ref, reason in [
        (RUNS_REF, "artifacts/passwd: it is a link"),
        (f"refs/gitml/inbox/{lost}", "artifacts/model.bin: its object of 5 bytes is not here"),
        ("refs/gitml/inbox/-n", "names in the inbox"),
        ("refs/gitml/inbox/blob", "it must point at a commit"),
        ("refs/gitml/inbox/code", "it is no record"),
        ("refs/gitml/live/4c8ae10f", "it is of one clone only"),
        ("refs/heads/gitml/other", "gitml has no ref of that name"),
        ("refs/gitml/unheard-of", "gitml has no ref of that name"),
        ("refs/tags/gitml/models/light/v1", "it must be an annotated tag"),
        ("refs/tags/gitml/models/code/v1", "a version tags the record of a run"),
        ("refs/tags/gitml/models/gap/v2", "the next number here is 1"),
        ("refs/tags/gitml/models/-x/v1", "it is no name of the registry's"),
        ("refs/tags/gitml/models/x/1", "it is no name of the registry's"),
        ("refs/tags/gitml/stages/x/production/1", "it must tag the tag of a version of 'x'"),
    ]:
        at = lines.index(f"gitml: {ref} is refused")
        assert any(reason in line for line in lines[at + 1 : at + 3]), (ref, lines[at : at + 3])


def test_a_run_that_first_came_as_a_branch_is_looked_at_too(forge: Forge, send):
    bad = forge.record(extra={"artifacts/passwd": (LINK, forge.raw("blob", b"x"))})
    assert send(f"{bad}:refs/heads/innocent") is None
    assert "it is a link" in send(f"{bad}:{RUNS_REF}")


def test_registry_tags_are_never_moved_or_deleted(forge: Forge, judge, tag, refs):
    run = forge.record()
    version = tag("gitml/models/churn/v1", run)
    assert judge(f"{run}:{RUNS_REF}", version) is None
    before = refs()
    tag("gitml/models/churn/v1", run, "another")
    assert "never moved or deleted" in judge(f"{version}:{version}")
    assert "never moved or deleted" in judge(f":{version}")
    other = tag("gitml/models/churn/v2", run)
    assert "calls itself 'gitml/models/churn/v2'" in judge(f"{other}:refs/tags/gitml/models/other/v1")
    outside = forge.record()
    assert "is not here" in judge(tag("gitml/models/churn/v2", outside))
    wrong = tag("gitml/aliases/other/best/1", "gitml/models/churn/v1")
    assert "of a version of 'other'" in judge(wrong)
    for name, target, message, reason in [
        ("models/churn/v2", run, "no facts", "no facts below the subject"),
        ("models/churn/v2", run, _facts("version", "other", "version: 2"), "of model 'other'"),
        ("models/churn/v2", run, _facts("version", "churn", "version: 3"), "of version 3"),
        ("models/churn/v2", run, _facts("version", "churn", f"version: 2\nrun: x\ndigest: sha256:{'a' * 64}"),
         "it says run 'x' and tags run '0000"),
        ("stages/churn/production/1", before[version],
         _facts("stage", "churn", "version: 1\nstage: Staging\nevent: assigned\norder: 1"), "of stage 'Staging'"),
        ("stages/churn/production/1", before[version],
         _facts("stage", "churn", "version: 2\nstage: Production\nevent: assigned\norder: 1"),
         "it says version 2 and tags version 1"),
    ]:  # fmt: skip
        assert reason in judge(tag(f"gitml/{name}", target, message))
    assert refs() == before


def test_tags_of_no_registry_may_go(forge: Forge, judge, server: Path, git, tag):
    git(server, "update-ref", "refs/tags/gitml/odd", "refs/heads/main")
    git(server, "update-ref", "refs/gitml/odd", "refs/heads/main")
    assert judge(":refs/tags/gitml/odd", ":refs/gitml/odd") is None


def test_inbox_entries_go_when_the_branch_has_them(forge: Forge, judge, refs):
    one, two = forge.record(), forge.record()
    assert judge(f"{one}:{RUNS_REF}", f"{two}:refs/gitml/inbox/two") is None
    assert "not on the branch yet" in judge(":refs/gitml/inbox/two")
    joint = forge.commit(forge.tree([]), "join", [one, two])
    assert judge(f"{joint}:{RUNS_REF}", ":refs/gitml/inbox/two") is None
    assert set(refs()) == {"refs/heads/main", RUNS_REF}


def test_files_are_too_large(forge: Forge, judge, server: Path, git):
    git(server, "config", "gitml.receive.blobLimit", "1k")
    inside = forge.nested({"data/train.csv": b"x" * 2000})
    run = a_run(code=CodeState(tree=inside))
    told = judge(f"{forge.record(run, {'code': (FOLDER, inside), 'artifacts/a': b'y' * 2000})}:{RUNS_REF}")
    assert "code/data/train.csv: it has 2,000 bytes, at most 1,024" in told
    assert "artifacts/a: it has 2,000 bytes" in told


def test_many_findings_are_counted(forge: Forge, judge):
    tip = None
    for _ in range(30):
        tip = forge.record(message="no record\n", parents=[tip] if tip else [])
    told = judge(f"{tip}:{RUNS_REF}")
    assert "and 25 more like these" in told


def test_objects_must_be_there_where_they_are_kept(forge: Forge, judge, server: Path, git, tmp_path: Path):
    data = bytes(1000)
    pointer = ObjectStore(tmp_path / "elsewhere").put_bytes(data)

    def record() -> str:
        files = {"artifacts/model.bin": encode_pointer(pointer), ".gitattributes": encode_attributes(MODEL)}
        return forge.record(extra=files)

    git(server, "config", "gitml.receive.lfsObjects", "require")
    assert "its object of 1,000 bytes is not here" in judge(f"{record()}:{RUNS_REF}")
    git(server, "config", "gitml.receive.lfsObjects", "ignore")
    assert judge(f"{record()}:refs/gitml/inbox/ignored") is None
    git(server, "config", "gitml.receive.lfsObjects", "auto")
    assert judge(f"{record()}:refs/gitml/inbox/auto") is None
    ObjectStore(server / "lfs").put_bytes(data)
    assert judge(f"{record()}:{RUNS_REF}") is None
    git(server, "config", "gitml.receive.lfsObjects", "perhaps")
    with pytest.raises(UsageError, match="it can be auto, require or ignore"):
        judge(f"{record()}:refs/gitml/inbox/x")


def test_what_was_purged_is_not_missed(clone, server: Path, gitml):
    ada, grace = clone("ada"), clone("grace")
    run_id = ada.record("one", {"model.bin": bytes(200_000)})
    ada.push()
    grace.pull()
    gitml(ada.folder, "purge", f"{run_id}:model.bin", "--yes", code=None)
    ada.push()
    with grace.open() as repo:
        from gitml.tracking.edit import set_tags

        set_tags(repo, run_id, {"later": "yes"})
        push(repo, "origin", PushOptions())
    assert ada.pull().records >= 1


# The quarantine, the installation


def test_nothing_stays_of_what_was_refused(forge: Forge, send, server: Path, git):
    bad = forge.record(message="no record\n")
    assert send(f"{bad}:{RUNS_REF}") is not None
    found = subprocess.run(["git", "cat-file", "-e", bad], cwd=server, check=False, capture_output=True)
    assert found.returncode != 0


def test_a_server_with_sha256(tmp_path: Path, git, git_repo: Path):
    server, work = tmp_path / "s.git", tmp_path / "w"
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", str(server))
    git(tmp_path, "init", "--quiet", "--object-format=sha256", str(work))
    repo = Repo(GitRepo.discover(server))
    install_hook(repo, PRE_RECEIVE)
    git(work, "config", "user.name", "A")
    git(work, "config", "user.email", "a@b")
    forge = Forge(GitRepo.discover(work))
    one = forge.record()
    git(work, "push", "--quiet", str(server), f"{one}:{RUNS_REF}")
    two = forge.record(parents=[one])
    message = _says(git, work, "gitml/models/m/v1", one)
    git(work, "tag", "--annotate", f"--message={message}", "gitml/models/m/v1", one)
    git(work, "push", "--quiet", str(server), f"{two}:{RUNS_REF}", "refs/tags/gitml/models/m/v1")


def test_a_hook_that_was_there_comes_first_and_comes_back(forge: Forge, repo: Repo, server: Path, send, git):
    hooks = server / "hooks"
    opened = Repo(GitRepo.discover(server))
    assert remove_hook(opened, PRE_RECEIVE).changed
    mine = '#!/bin/sh\ngrep -q refs/heads/forbidden && { echo "not that" >&2; exit 1; }\nexit 0\n'
    (hooks / "pre-receive").write_text(mine)
    (hooks / "pre-receive").chmod(0o755)
    assert "called first" in install_hook(opened, PRE_RECEIVE).text
    main = repo.git.tip("refs/heads/main")
    assert "not that" in send(f"{main}:refs/heads/forbidden")
    assert "it is no record" in send(f"{main}:{RUNS_REF}")
    assert send(f"{forge.record()}:{RUNS_REF}") is None
    assert not install_hook(opened, PRE_RECEIVE).changed
    assert "put your own back" in remove_hook(opened, PRE_RECEIVE).text
    assert (hooks / "pre-receive").read_text() == mine


def test_init_installs_it(server: Path, gitml, git, tmp_path: Path):
    folder = tmp_path / "new.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    assert "installed" in gitml(tmp_path, "init", "--server", str(folder)).stderr
    assert (folder / "hooks/pre-receive").read_text() == hook_text(PRE_RECEIVE)
    assert "removed" in gitml(tmp_path, "init", "--no-server", str(folder)).stderr
    assert not (folder / "hooks/pre-receive").exists()


@pytest.mark.parametrize("text", ["x\n", "a b c\n", "1 2 refs/heads/gitml/runs\n"])
def test_what_git_does_not_write(gitml, git_repo: Path, text: str):
    assert "is not what git writes" in gitml(git_repo, "hook", "pre-receive", code=2, input=text).stderr
