"""The verbs of the registry, in real repositories, and what git itself says of the tags."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gitml.entities.registry import MoveTag
from gitml.errors import InvalidNameError, NotFoundError, RefusedError
from gitml.registry import aliases, models, stages, versions
from gitml.registry.lookup import (
    ModelDeletedError,
    ModelNotFoundError,
    NobodyHoldsError,
    VersionNotFoundError,
)
from gitml.registry.models import ModelExistsError
from gitml.registry.names import ModelUriError, find_version, resolve_model
from gitml.registry.reading import read_registry
from gitml.registry.stages import StageConflictError
from gitml.registry.tags import make_tag
from gitml.registry.versions import ForeignTagError
from gitml.repo import Repo
from gitml.tracking.edit import delete_run
from gitml.tracking.history import read_record
from gitml.tracking.start import start_run
from tests.registry.conftest import FILES, record


def test_a_version_is_an_annotated_tag_that_git_reads(repo: Repo, git_repo: Path, git, churn):
    made = churn(description="first\nof many", tags={"team": "growth"})
    assert (made.name, made.version, made.uri) == ("churn", 1, "models:/churn/1")
    assert made.record == read_record(repo, made.record).commit
    lines = sorted(
        f"{hashlib.sha256(data).hexdigest()} {len(data)} {path.removeprefix('model/')}\n".encode()
        for path, data in FILES.items()
        if path.startswith("model/")
    )
    assert made.digest == f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"
    said = git(git_repo, "cat-file", "tag", "gitml/models/churn/v1")
    header, _, body = said.partition("\n\n")
    assert header.splitlines()[0] == f"object {made.record}"
    assert "tagger Ada Example <ada@example.org> " in header
    assert body == (
        "churn v1: model of brisk-heron\n\n"
        f"kind: version\nmodel: churn\nversion: 1\nrun: {_quoted(made.run_id)}\npath: model\ndigest: {_quoted(made.digest)}\n"
        'description: "first\\nof many"\ntags: {team: growth}\n'
    )
    stages.promote(repo, "churn", 1, "PRODUCTION", comment="it is better")
    aliases.set_alias(repo, "churn", "champion", 1)
    assert git(git_repo, "rev-parse", "gitml/stages/churn/production/1^{}").strip() == made.record
    assert made.tag in git(git_repo, "cat-file", "tag", "gitml/stages/churn/production/1")
    git(git_repo, "fsck", "--strict")
    assert "churn v1" in git(git_repo, "tag", "-n1", "--list", "gitml/models/*")


def _quoted(text: str) -> str:
    from gitml.formats.yaml import dump_string

    return dump_string(text)


def test_a_signature_comes_below_what_it_signs(repo: Repo, churn):
    """A signer gets what the tag says, and what it gives stands at the tag's end."""
    made = churn()
    signed: list[bytes] = []

    def sign(content: bytes) -> bytes:
        signed.append(content)
        return b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"

    event = stages.promote(repo, "churn", 1, "staging", sign=sign)
    stored = repo.git.read_blob(event.oid)
    assert stored == signed[0] + b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
    with closing(Repo.open(repo.git.work_tree)) as fresh:
        assert find_version(fresh, "churn#staging").tag == made.tag
    assert read_registry(repo).findings == ()


def test_what_cannot_be_a_version_is_refused_with_a_remedy(repo: Repo, churn):
    run = record(repo, "another")
    with pytest.raises(NotFoundError, match="nothing at 'modle'") as caught:
        versions.register(repo, run, "churn", "modle")
    assert caught.value.hint == "it has model, plot.png"
    empty = record(repo, "empty", {})
    with pytest.raises(NotFoundError, match="no artifacts"):
        versions.register(repo, empty, "churn")
    live = start_run(repo, name="live")
    with pytest.raises(RefusedError, match="still live") as refused:
        versions.register(repo, repo.journal.read(live.run_id), "churn")
    live.close()
    assert refused.value.hint == f"end it first: gitml runs finish {live.run_id[:8]}"
    delete_run(repo, run.id)
    with pytest.raises(RefusedError, match="was deleted") as refused:
        versions.register(repo, run, "churn", "model")
    assert refused.value.hint == f"gitml runs restore {run.id[:8]}"
    for name in ("a/b", "a:b", "", "x" * 251, "\N{PILE OF POO}" * 30, "a\nb"):
        with pytest.raises(InvalidNameError):
            versions.register(repo, empty, name)
    assert read_registry(repo).models == {}


def test_promotions_are_one_event_each_and_tell_what_they_replace(repo: Repo, churn):
    for _ in range(4):
        churn()
    stages.promote(repo, "churn", 1, "Production")
    stages.promote(repo, "churn", 2, "production")
    second = stages.promote(repo, "churn", 3, "Production", archive_existing=True, comment="cleaner")
    assert (second.previous, second.archived, second.number) == (2, (1, 2), 3)
    assert stages.promote(repo, "churn", 3, "Production") == second  # no second tag for the same
    state = read_registry(repo).models["churn"]
    assert [state.stage_of(n) for n in (1, 2, 3, 4)] == ["Archived", "Archived", "Production", None]
    stages.promote(repo, "churn", 4, "Production")
    back = stages.rollback(repo, "churn", "production", comment="4 is slow")
    assert (back.version, back.left, back.previous) == (3, (4,), 4)
    assert stages.rollback(repo, "churn", "Production").version == 2  # further back, not forth to 4
    assert find_version(repo, "churn#production").version == 2
    stages.demote(repo, "churn", 2)
    with pytest.raises(RefusedError, match="in no stage"):
        stages.demote(repo, "churn", 2)
    stages.archive(repo, "churn", 4)
    assert versions.get_version(repo, "churn", 4).stage == "Archived"
    with pytest.raises(InvalidNameError, match="Staging, Production, Archived"):
        stages.promote(repo, "churn", 1, "prod")
    stages.promote(repo, "churn", 1, "canary", allowed=("Canary",))
    assert versions.get_version(repo, "churn", 1).stage == "Canary"
    orders = [event.order for event in stages.history(repo, "churn")]
    assert orders == list(range(1, len(orders) + 1))


def test_what_was_in_production_on_the_first_of_march(repo: Repo, churn, monkeypatch: pytest.MonkeyPatch):
    churn()
    churn()
    days = iter([1000, 2000, 3000])
    monkeypatch.setattr(stages, "now_ms", lambda: next(days))
    stages.promote(repo, "churn", 1, "Production")
    stages.promote(repo, "churn", 2, "Production", archive_existing=True)
    stages.demote(repo, "churn", 2)
    found = [stages.holder_at(repo, "churn", "production", at) for at in (999, 1000, 2500, 3000)]
    assert [one and one.version for one in found] == [None, 1, 2, None]
    assert found[2]
    assert found[2].event.who == "Ada Example <ada@example.org>"


def test_who_comes_second_is_told_who_was_first(
    repo: Repo, git_repo: Path, churn, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        churn()
    stages.promote(repo, "churn", 1, "Production")
    first: list[MoveTag] = []
    with (
        closing(Repo.open(git_repo)) as other,
        monkeypatch.context() as patch,
        pytest.raises(StageConflictError, match=r"by Ada Example .*\('hurry'\): v3 holds it now") as caught,
    ):
        patch.setattr(stages, "make_tag", _once_before(other, first))
        stages.promote(repo, "churn", 2, "Production", archive_existing=True)
    assert caught.value.holder == 3
    assert versions.get_version(repo, "churn", 1).stage == "Production"
    with pytest.raises(StageConflictError):
        stages.promote(repo, "churn", 2, "Production", expected=1)
    assert stages.promote(repo, "churn", 2, "Production", expected=3).previous == 3


def _once_before(other: Repo, first: list[MoveTag]):
    """A maker of tags that lets somebody else be first."""

    def make(repo: Repo, *arguments, **options):
        if repo is not other and not first:
            first.append(stages.promote(other, "churn", 3, "Production", comment="hurry"))
        return make_tag(repo, *arguments, **options)

    return make


def test_versions_of_two_processes_at_once_get_numbers_of_their_own(repo: Repo, git_repo: Path, churn):
    churn()
    program = (
        "import sys\nfrom gitml.repo import Repo\nfrom gitml.registry import versions\n"
        "repo = Repo.open('.')\nsource = versions.get_version(repo, 'churn', 1)\n"
        "for _ in range(5): versions.copy(repo, source, 'other')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], cwd=git_repo) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [version.version for version in versions.list_versions(repo, "other")] == list(range(1, 16))


def test_names_lead_to_versions(repo: Repo, churn):
    one, two = churn(), churn()
    stages.promote(repo, "churn", 1, "Production")
    aliases.set_alias(repo, "churn", "champion", 1)
    for name in ("models:/churn/1", "models:/churn/production", "models:/churn@champion", "churn@v1", "churn@champion",
                 "churn#PRODUCTION"):  # fmt: skip
        assert find_version(repo, name).tag == one.tag
    for name in ("models:/churn/latest", "churn@latest", "models:/churn/2"):
        assert find_version(repo, name).tag == two.tag
    inside = resolve_model(repo, "models:/churn@champion/weights.bin")
    assert (inside.path, inside.record) == ("model/weights.bin", one.record)
    run = resolve_model(repo, f"runs:/{one.run_id[:8]}/model/MLmodel")
    assert (run.run_id, run.path, run.version) == (one.run_id, "model/MLmodel", None)
    assert aliases.set_alias(repo, "churn", "champion", 2).previous == 1
    assert find_version(repo, "churn@champion").version == 2
    aliases.remove_alias(repo, "churn", "champion")
    with pytest.raises(NobodyHoldsError, match="no alias 'champion'"):
        find_version(repo, "churn@champion")
    with pytest.raises(NobodyHoldsError, match="is in Staging") as caught:
        find_version(repo, "churn#staging")
    assert caught.value.hint == "Production is v1"
    with pytest.raises(ModelNotFoundError) as missing:
        find_version(repo, "chrun@v1")
    assert missing.value.hint == "did you mean churn?"
    with pytest.raises(VersionNotFoundError) as lacking:
        find_version(repo, "churn@v9")
    assert lacking.value.hint == "it has v1 to v2"
    with pytest.raises(ModelUriError):
        find_version(repo, f"runs:/{one.run_id}/model")


def test_models_change_by_records_and_never_by_their_tags(repo: Repo, git_repo: Path, git, churn):
    churn(description="old", tags={"a": "1", "b": "2"})
    tags = git(git_repo, "for-each-ref", "refs/tags/")
    models.describe_model(repo, "churn", "who leaves")
    models.tag_model(repo, "churn", {"team": "growth"})
    versions.tag_version(repo, "churn", 1, {"b": "3"})
    versions.untag_version(repo, "churn", 1, "a")
    found = versions.describe_version(repo, "churn", 1, "new")
    assert (found.description, found.tags) == ("new", {"b": "3"})
    assert versions.describe_version(repo, "churn", 1, "").description is None
    models.comment(repo, "churn", "looks good", 1)
    models.comment(repo, "churn", "a model")
    assert [(one.text, one.version) for one in models.list_comments(repo, "churn")] == [
        ("looks good", 1),
        ("a model", None),
    ]
    assert [one.author for one in models.list_comments(repo, "churn", 1)] == ["Ada Example <ada@example.org>"]
    renamed = models.rename_model(repo, "churn", "who leaves?")
    assert (renamed.name, renamed.id, renamed.former, renamed.tags) == (
        "who leaves?",
        "churn",
        ("churn",),
        {"team": "growth"},
    )
    assert find_version(repo, "churn@v1").name == "who leaves?"
    fresh = churn("churn")  # leads to the renamed model as long as no other has the name
    assert (fresh.model, fresh.version) == ("churn", 2)
    assert models.create_model(repo, "churn", description="another").id == "churn=2"
    assert churn("churn").ref == "refs/tags/gitml/models/churn=2/v1"
    with pytest.raises(ModelExistsError):
        models.rename_model(repo, "who leaves?", "churn")
    assert git(git_repo, "for-each-ref", "refs/tags/").startswith(tags)
    git(git_repo, "fsck", "--strict")
    assert "model who leaves?: renamed from churn" in git(git_repo, "log", "--format=%s", "gitml/runs")


def test_deleting_hides_and_restoring_brings_back(repo: Repo, churn):
    for _ in range(2):
        churn()
    stages.promote(repo, "churn", 1, "Production")
    stages.promote(repo, "churn", 2, "Production")
    aliases.set_alias(repo, "churn", "champion", 2)
    versions.delete_version(repo, "churn", 2)
    assert find_version(repo, "churn#production").version == 1
    assert [version.version for version in versions.list_versions(repo, "churn")] == [1]
    with pytest.raises(NobodyHoldsError):
        find_version(repo, "churn@champion")
    with pytest.raises(VersionNotFoundError, match="was deleted"):
        stages.promote(repo, "churn", 2, "Staging")
    assert versions.restore_version(repo, "churn", 2).aliases == ("champion",)
    assert find_version(repo, "churn#production").version == 2
    models.delete_model(repo, "churn")
    assert models.list_models(repo) == []
    with pytest.raises(ModelDeletedError) as caught:
        find_version(repo, "churn@v1")
    assert caught.value.hint == "gitml models restore 'churn'"
    assert churn().ref == "refs/tags/gitml/models/churn=2/v1"  # as in MLflow, the name is free
    with pytest.raises(ModelExistsError):
        models.restore_model(repo, "churn")
    models.rename_model(repo, "churn", "newer")
    assert models.restore_model(repo, "churn").latest == 2


def test_copies_say_where_they_come_from(repo: Repo, churn):
    one = churn(description="good", tags={"k": "v"})
    made = versions.copy(repo, one, "churn prod")
    assert made.ref == "refs/tags/gitml/models/churn%20prod/v1"
    assert (made.source, made.digest, made.record, made.description, made.tags) == (
        "models:/churn/1", one.digest, one.record, "good", {"k": "v"},
    )  # fmt: skip


def test_the_same_from_a_worktree_a_bare_repository_and_packed_refs(
    repo: Repo, git_repo: Path, tmp_path: Path, git, churn
):
    churn()
    stages.promote(repo, "churn", 1, "Production")
    git(git_repo, "worktree", "add", "--quiet", str(tmp_path / "tree"), "HEAD")
    with closing(Repo.open(tmp_path / "tree")) as other:
        assert find_version(other, "churn#production").version == 1
        churn()
        stages.promote(other, "churn", 2, "Production")
    assert find_version(repo, "churn#production").version == 2
    git(git_repo, "pack-refs", "--all")
    assert stages.promote(repo, "churn", 1, "Production").number == 3
    git(git_repo, "gc", "--quiet", "--prune=now")
    git(tmp_path, "clone", "--quiet", "--mirror", str(git_repo), "bare.git")
    with closing(Repo.open(tmp_path / "bare.git")) as bare:
        assert find_version(bare, "churn#production").version == 1
        assert stages.promote(bare, "churn", 2, "Production").number == 4
        assert models.describe_model(bare, "churn", "from afar").description == "from afar"


def test_tags_of_others_are_findings_and_count_for_nothing(repo: Repo, git_repo: Path, git, churn):
    churn()
    churn()
    stages.promote(repo, "churn", 1, "Production")
    git(git_repo, "tag", "gitml/models/churn/v3", "main")  # a light one
    git(git_repo, "tag", "--annotate", "--message=x", "gitml/notes", "main")
    git(
        git_repo,
        "tag",
        "--annotate",
        "--message=x\n\nkind: [",
        "gitml/stages/churn/production/2",
        "gitml/models/churn/v2",
    )
    moved = git(git_repo, "cat-file", "tag", "gitml/stages/churn/production/1")
    oid = git(
        git_repo,
        "hash-object",
        "-t",
        "tag",
        "-w",
        "--stdin",
        input=moved.replace("churn/production/1", "churn/staging/1"),
    )
    git(git_repo, "update-ref", "refs/tags/gitml/stages/churn/staging/1", oid.strip())
    problems = {
        finding.ref.removeprefix("refs/tags/gitml/"): finding.problem
        for finding in read_registry(repo).findings
    }
    assert sorted(problems) == [
        "models/churn/v3",
        "notes",
        "stages/churn/production/2",
        "stages/churn/staging/1",
    ]
    assert "of stage 'Production'" in problems["stages/churn/staging/1"]
    assert find_version(repo, "churn#production").version == 1
    assert stages.promote(repo, "churn", 2, "production").number == 3
    with pytest.raises(ForeignTagError, match="gitml/models/churn/v3"):
        churn()
    git(git_repo, "tag", "--delete", "gitml/models/churn/v3")
    assert churn().version == 3
    # Whoever moves the tag of a version takes it out of its stages.
    git(
        git_repo,
        "update-ref",
        "refs/tags/gitml/models/churn/v1",
        read_registry(repo).models["churn"].tags[2].oid,
    )
    assert find_version(repo, "churn#production").version == 2
    problems = {finding.ref: finding.problem for finding in read_registry(repo).findings}
    assert problems["refs/tags/gitml/models/churn/v1"] == "the tag calls itself 'gitml/models/churn/v2'"
    assert "version 1 is not here" in problems["refs/tags/gitml/stages/churn/production/1"]
    git(git_repo, "tag", "--delete", "gitml/models/churn/v1", "gitml/notes")
    assert len(read_registry(repo).findings) == 3
