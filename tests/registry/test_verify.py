"""What `verify` proves, and what it says of every link that somebody tampered with, by git's own plumbing."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gitml.entities.registry import VersionTag
from gitml.entities.verification import Proof, Verification
from gitml.errors import NotFoundError, UsageError
from gitml.formats.registry_tag import encode_move, encode_version
from gitml.registry import aliases, models, stages, versions
from gitml.registry.reading import read_registry
from gitml.registry.signing import signer_of
from gitml.registry.tags import make_tag, now_ms
from gitml.registry.verification import Wanted, verify
from gitml.repo import Repo
from tests.registry.conftest import record
from tests.registry.keys import GpgHome, SshKeys

STAGE = "refs/tags/gitml/stages/churn/production"
MODEL = "refs/tags/gitml/models/churn"
BY_ADA = Wanted(signers=("ada@example.org",))


class Lab:
    """A repository whose tags Ada signed, and those who want to change it."""

    def __init__(self, path: Path, git: Callable[..., str], ssh: SshKeys, signers: Path) -> None:
        self.path, self.ssh, self.signers = path, ssh, signers
        self._git = git

    def git(self, *arguments: str, **options) -> str:
        return self._git(self.path, *arguments, **options).strip()

    def put(self, ref: str, content: str) -> str:
        """Let a ref lead to a tag of any content."""
        oid = self.git("hash-object", "-t", "tag", "-w", "--stdin", input=content)
        self.git("update-ref", ref, oid)
        return oid

    def rewrite(self, ref: str, old: str, new: str) -> str:
        content = self.git("cat-file", "tag", ref) + "\n"
        assert old in content
        return self.put(ref, content.replace(old, new))

    def unsign(self, ref: str) -> str:
        return self.put(ref, self.git("cat-file", "tag", ref).partition("-----BEGIN")[0])

    def open(self) -> Repo:
        return Repo.open(self.path)

    def verify(self, name: str = "churn@Production", wanted: Wanted = BY_ADA) -> Verification:
        with closing(self.open()) as repo:
            if wanted.allowed_signers is None:
                wanted = replace(wanted, allowed_signers=self.signers)
            return verify(repo, name, wanted)

    def object(self) -> Path:
        """The file of the model's weights."""
        oid = hashlib.sha256(bytes(range(256)) * 1000).hexdigest()
        return self.path / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory, git, ssh: SshKeys) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    path = folder / "repo"
    git(folder, "init", "--quiet", "--initial-branch=main", str(path))
    settings = {"user.name": "Ada Example", "user.email": "ada@example.org", "gpg.format": "ssh"}
    for key, value in {**settings, "user.signingKey": str(ssh["ada"]), "tag.gpgSign": "true"}.items():
        git(path, "config", key, value)
    (path / "train.py").write_text("print()\n")
    git(path, "add", "train.py")
    git(path, "commit", "--quiet", "--gpg-sign", "--message", "a script")
    with closing(Repo.open(path)) as repo:
        run = record(repo)
        for name in ("churn", "churn", "other"):
            versions.register(repo, run, name, "model")
        stages.promote(repo, "churn", 1, "Production")
        stages.promote(repo, "churn", 2, "Production", comment="better")
    (folder / "signers").write_text(f"ada@example.org {ssh.public('ada')}\n")
    return path


@pytest.fixture
def lab(_template: Path, tmp_path: Path, git, ssh: SshKeys) -> Lab:
    shutil.copy(_template.parent / "signers", tmp_path / "signers")
    return Lab(
        Path(shutil.copytree(_template, tmp_path / "lab", symlinks=True)), git, ssh, tmp_path / "signers"
    )


def codes(done: Verification, proof: Proof) -> set[str]:
    return {finding.code for finding in done.findings if finding.proof is proof}


def test_the_whole_chain_is_proved(lab: Lab, gitml):
    done = lab.verify()
    assert [step.name for step in done.steps] == ["stage", "history", "version", "run", "artifacts", "code"]
    assert (done.proof, done.model, done.version) == (Proof.PROVED, "churn", 2)
    assert codes(done, Proof.PROVED) == {
        "signature", "event", "counters", "target", "record", "reachable", "digest", "files", "code", "commit"
    }  # fmt: skip
    assert codes(done, Proof.OPEN) == {"not-compared"}  # no remote, so nobody else saw these tags
    for name in (
        "churn#production",
        "models:/churn/Production",
        "models:/churn/2",
        "churn@latest",
        "refs/tags/gitml/models/churn/v2",
    ):
        assert lab.verify(name).version == 2
    older = lab.verify("gitml/stages/churn/production/1")
    assert (older.version, older.proof) == (1, Proof.PROVED)
    assert "superseded" in codes(older, Proof.OPEN)
    said = gitml(
        lab.path,
        "verify",
        "churn@Production",
        "--require",
        "ada@example.org",
        "--allowed-signers",
        str(lab.signers),
        "--json",
    )
    document = json.loads(said.stdout)
    assert document["schema"] == 1
    assert document["verification"]["proof"] == "proved"
    assert document["verification"]["steps"][0]["signature"]["signer"] == "ada@example.org"
    lab.object().write_bytes(b"changed")
    said = gitml(lab.path, "verify", "churn@Production", code=6)
    assert "CHANGED: 'model/weights.bin' has the hash" in said.stdout
    assert "do not trust it" in said.stdout


def test_a_run_is_verified_too(lab: Lab):
    with closing(lab.open()) as repo:
        run_id = read_registry(repo).models["churn"].tags[1].run_id
    done = lab.verify(run_id[:8], Wanted())
    assert [step.name for step in done.steps] == ["run", "artifacts", "code"]
    assert (done.proof, done.run_id) == (Proof.PROVED, run_id)
    assert codes(lab.verify("@", Wanted(signature=True)), Proof.FAILED) == {"unsigned"}


def test_names_that_lead_nowhere(lab: Lab):
    for name, error in [
        ("churn", UsageError), ("churn@v9", NotFoundError), ("churn#staging", NotFoundError), ("nobody@v1", NotFoundError),
        ("gitml/models/churn/v9", NotFoundError), ("gitml/models/churn", UsageError), ("churn@champion", NotFoundError),
    ]:  # fmt: skip
        with pytest.raises(error):
            lab.verify(name)
    with closing(lab.open()) as repo:
        aliases.set_alias(
            repo, "churn", "Production", 1
        )  # whoever may push could make `@Production` mean this
    with pytest.raises(UsageError, match="means two things") as caught:
        lab.verify("churn@Production")
    assert "gitml/aliases/churn/Production/1" in (caught.value.hint or "")
    assert lab.verify("churn#Production").version == 2
    with closing(lab.open()) as repo:
        aliases.remove_alias(repo, "churn", "Production")
    assert lab.verify("churn@Production").version == 2  # one mistaken alias does not spoil the name for good


def test_a_remote_may_have_tags_that_are_none_of_the_registrys(lab: Lab):
    tip = lab.git("rev-parse", f"{MODEL}/v1")
    for name in ("v" + "9" * 30, "v01", "note"):
        lab.git("update-ref", f"refs/gitml/remotes/origin/tags/models/churn/{name}", tip)
    assert lab.verify("churn@v1").proof is not Proof.FAILED
    lab.git("update-ref", "refs/gitml/remotes/origin/tags/models/churn/v3", tip)
    assert codes(lab.verify("churn@v1"), Proof.FAILED) == {"missing-tag"}


def test_nothing_is_proved_of_a_path_that_is_not_there(lab: Lab):
    with closing(lab.open()) as repo:
        run_id = read_registry(repo).models["churn"].tags[1].run_id
    assert lab.verify("models:/churn/1/weights.bin").proof is Proof.PROVED
    for name in (f"runs:/{run_id}/nothing", "models:/churn/1/nothing", "models:/churn/Production/nothing"):
        with pytest.raises(NotFoundError, match="has nothing at"):
            lab.verify(name)


# Signers


def test_whose_signatures_count_is_never_a_part_of_what_is_verified(lab: Lab, tmp_path: Path):
    inside = lab.path / "signers"
    link = tmp_path / "link"
    link.symlink_to(inside)
    inside.write_text(lab.signers.read_text())

    def state(path: str | Path) -> tuple[Proof, str]:
        lab.git("config", "gpg.ssh.allowedSignersFile", str(path))
        with closing(lab.open()) as repo:
            done = verify(repo, "churn@Production", Wanted(signature=True))
        found = [one for one in done.findings if one.code in ("unknown-signer", "signature")]
        return done.proof, found[0].message

    for path in ("signers", inside, link):
        proof, message = state(path)
        assert (proof, "a part of what is verified" in message) == (Proof.FAILED, True)
    assert state(lab.signers)[0] is Proof.PROVED
    proof, message = state(tmp_path / "nowhere")
    assert (proof, "no such file" in message) == (Proof.FAILED, True)
    assert lab.verify(wanted=Wanted(signature=True, allowed_signers=inside)).proof is Proof.PROVED
    lab.git("config", "gitml.allowedSigners", str(lab.signers))  # goes before git's own setting
    assert state(inside)[0] is Proof.PROVED


@pytest.mark.parametrize(
    ("allowed", "code"),
    [
        ("eve@example.org {eve}", "unknown-signer"),
        ('ada@example.org valid-before="20200101" {ada}', "expired-key"),
        ('ada@example.org namespaces="file" {ada}', "untrusted-key"),
        ("grace@example.org {ada}", "wrong-signer"),
    ],
)
def test_a_signer_who_is_not_known_or_not_any_more(lab: Lab, ssh: SshKeys, allowed: str, code: str):
    lab.signers.write_text(allowed.format(ada=ssh.public("ada"), eve=ssh.public("eve")) + "\n")
    done = lab.verify()
    assert code in codes(done, Proof.FAILED)
    assert done.proof is Proof.FAILED


def test_a_revoked_key(lab: Lab, ssh: SshKeys, tmp_path: Path):
    revoked = tmp_path / "revoked"
    lab.git("config", "gpg.ssh.revocationFile", str(revoked))
    assert lab.verify().proof is Proof.FAILED  # a list that is not there says nothing of whom it names
    revoked.write_text(ssh.public("ada"))
    assert "revoked-key" in codes(lab.verify(), Proof.FAILED)
    revoked.write_text(ssh.public("eve"))
    assert lab.verify().proof is Proof.PROVED


def test_keys_of_gpg(lab: Lab, gpg: GpgHome, monkeypatch):
    lab.git("config", "gpg.format", "openpgp")
    monkeypatch.setenv("GNUPGHOME", str(gpg.folder))
    old = gpg.make("Old <old@example.org>", "--faked-system-time", "20200101T000000", expires="2020-02-01")
    gone, grace = gpg.make("Gone <gone@example.org>"), gpg.make("Grace <grace@example.org>")
    for name, key, program in (
        ("old", old, str(gpg.wrapper)),
        ("gone", gone, "gpg"),
        ("grace", grace, "gpg"),
    ):
        lab.git("config", "user.signingKey", f"{key}!")
        lab.git("config", "gpg.program", program)
        with closing(lab.open()) as repo:
            versions.copy(repo, versions.get_version(repo, "churn", 1), name)
    lab.git("config", "gpg.program", "gpg")
    signed = Wanted(signature=True)
    assert "expired-key" in codes(lab.verify("old@v1", signed), Proof.FAILED)
    assert lab.verify("gone@v1", signed).proof is Proof.PROVED
    gpg.revoke(gone)
    assert "revoked-key" in codes(lab.verify("gone@v1", signed), Proof.FAILED)
    done = lab.verify("grace@v1", replace(BY_ADA, signers=("grace@example.org",)))
    assert (done.proof, done.steps[1].signature.trust) == (Proof.PROVED, "ultimate")
    gpg(
        "--import-ownertrust", input=f"{grace}:2:\n"
    )  # nobody vouches that it is hers: the mail counts no more
    assert "wrong-signer" in codes(
        lab.verify("grace@v1", replace(BY_ADA, signers=("grace@example.org",))), Proof.FAILED
    )
    assert lab.verify("grace@v1", Wanted(signers=(grace,))).proof is Proof.PROVED
    lab.git("config", "gpg.minTrustLevel", "fully")
    assert "untrusted-key" in codes(lab.verify("grace@v1", Wanted(signers=(grace,))), Proof.FAILED)
    gpg("--yes", "--delete-secret-and-public-key", grace)
    assert "unknown-signer" in codes(lab.verify("grace@v1", signed), Proof.FAILED)


# Tampering with tags


def _unsigned_tag(lab: Lab, ref: str, target: str, kind: str, message: str) -> None:
    with closing(lab.open()) as repo:
        assert make_tag(repo, ref, target, kind, message, time_ms=now_ms(), sign=False)


def _forged(lab: Lab, number: int, *, signed: bool = False, **facts) -> None:
    """A further event of Production, as the one before but for some facts."""
    with closing(lab.open()) as repo:
        last = read_registry(repo).models["churn"].events[-1]
        made = replace(last, ref=f"{STAGE}/{number}", number=number, order=last.order + 1, comment=None)
        made = replace(made, **facts)
        sign = signer_of(repo, signed)
        assert make_tag(
            repo, made.ref, made.target, "tag", encode_move(made, "x"), time_ms=now_ms(), sign=sign or False
        )


def _other_version(lab: Lab) -> str:
    return lab.git("rev-parse", "refs/tags/gitml/models/other/v1")


def _demote(lab: Lab) -> None:
    """Production falls back to version 1, whose tag Ada signed."""
    _forged(lab, 3, event="removed")


def _demote_by_archive(lab: Lab) -> None:
    with closing(lab.open()) as repo:
        stages.archive(repo, "churn", 2, sign=False)


def _delete(lab: Lab) -> None:
    with closing(lab.open()) as repo:
        versions.delete_version(repo, "churn", 2)


def _seen_otherwise(lab: Lab) -> None:
    lab.git(
        "update-ref",
        "refs/gitml/remotes/origin/tags/stages/churn/production/2",
        lab.git("rev-parse", f"{STAGE}/2"),
    )
    lab.unsign(f"{STAGE}/2")


def _seen_later(lab: Lab) -> None:
    lab.git(
        "update-ref",
        "refs/gitml/remotes/origin/tags/stages/churn/production/3",
        lab.git("rev-parse", f"{STAGE}/2"),
    )


def _moved_with_reflog(lab: Lab) -> None:
    lab.git("config", "core.logAllRefUpdates", "always")
    lab.unsign(f"{STAGE}/2")


def _changed_object(lab: Lab) -> None:
    """Other content under the name of the tag's object."""
    oid = lab.git("rev-parse", f"{STAGE}/2")
    file = lab.path / ".git/objects" / oid[:2] / oid[2:]
    content = zlib.decompress(file.read_bytes()).replace(b"better", b"BETTER")
    file.chmod(0o644)
    file.write_bytes(zlib.compress(content))


def _retag_version(lab: Lab, number: int, **facts) -> None:
    with closing(lab.open()) as repo:
        said = replace(read_registry(repo).models["churn"].tags[2], number=number, **facts)
        assert isinstance(said, VersionTag)
        message = encode_version(said, "x")
        assert make_tag(repo, f"{MODEL}/v{number}", said.record, "commit", message, time_ms=now_ms())


@pytest.mark.parametrize(
    ("tamper", "name", "code", "proof", "words"),
    [
        (lambda lab: lab.rewrite(f"{STAGE}/2", "better", "BETTER"), "churn@Production", "bad-signature", Proof.CHANGED, "not of its content"),
        (lambda lab: lab.unsign(f"{STAGE}/2"), "churn@Production", "unsigned", Proof.FAILED, "production/2 is not signed"),
        (lambda lab: lab.unsign(f"{MODEL}/v2"), "churn@v2", "unsigned", Proof.FAILED, "v2 is not signed"),
        (lambda lab: lab.unsign(f"{MODEL}/v2"), "churn@Production", "wrong-target", Proof.CHANGED, "says version 2, and tags gitml/models/churn/v2"),
        (lambda lab: lab.git("update-ref", f"{STAGE}/2", f"{STAGE}/1"), "churn@Production", "replaced-tag", Proof.CHANGED, "calls itself"),
        (lambda lab: lab.git("update-ref", f"{STAGE}/2", "HEAD"), "churn@Production", "malformed-tag", Proof.CHANGED, "no annotated tag"),
        (_changed_object, "churn@Production", "malformed-tag", Proof.CHANGED, "content was changed"),
        (_seen_otherwise, "churn@Production", "moved-tag", Proof.CHANGED, "when 'origin' was last seen"),
        (_moved_with_reflog, "churn@Production", "moved-tag", Proof.CHANGED, "by its reflog"),
        (_seen_later, "churn@Production", "missing-tag", Proof.FAILED, "'origin' has gitml/stages/churn/production/3"),
        (lambda lab: lab.git("update-ref", "-d", f"{STAGE}/1"), "churn@Production", "broken-counter", Proof.CHANGED, "production/1 is not"),
        (lambda lab: lab.git("update-ref", "-d", f"{MODEL}/v1"), "churn@v2", "broken-counter", Proof.CHANGED, "churn/v1 is not"),
        (lambda lab: lab.git("update-ref", "-d", f"{MODEL}/v2"), "churn@Production", "missing-version", Proof.CHANGED, "version 2, whose tag is not here"),
        (lambda lab: _forged(lab, 4, signed=True), "churn@Production", "broken-counter", Proof.CHANGED, "production/3 is not"),
        (lambda lab: _forged(lab, 3, order=1), "churn@Production", "broken-counter", Proof.CHANGED, "claims to be before"),
        (lambda lab: _forged(lab, 3, signed=True, target=_other_version(lab)), "churn@Production", "wrong-target", Proof.CHANGED, "tags gitml/models/other/v1"),
        (lambda lab: _forged(lab, 3, signed=True, version=1), "churn@Production", "wrong-target", Proof.CHANGED, "says version 1, and tags gitml/models/churn/v2"),
        (lambda lab: _forged(lab, 3, signed=True, model="other"), "churn@Production", "malformed-tag", Proof.CHANGED, "of model 'other'"),
        (lambda lab: _forged(lab, 3, version=1, target=lab.git("rev-parse", f"{MODEL}/v1")), "churn@Production", "unsigned", Proof.FAILED, "production/3"),
        (_demote, "churn@Production", "unsigned", Proof.FAILED, "has a say in who holds it"),
        (_demote_by_archive, "churn@Production", "unsigned", Proof.FAILED, "has a say in who holds it"),
        (_delete, "churn@Production", "deleted-version", Proof.FAILED, "v2 was passed over"),
        (_delete, "churn@latest", "deleted-version", Proof.FAILED, "v2 was passed over"),
        (lambda lab: _retag_version(lab, 3, run_id="ab" * 16), "churn@v3", "wrong-run", Proof.CHANGED, "not of 'abab"),
        (lambda lab: _retag_version(lab, 3, digest=f"sha256:{'0' * 64}"), "churn@v3", "changed-files", Proof.CHANGED, "the tag says"),
    ],
)  # fmt: skip
def test_each_tampering_has_its_own_message(lab: Lab, tamper, name: str, code: str, proof: Proof, words: str):
    tamper(lab)
    done = lab.verify(name)
    found = [one for one in done.findings if one.code == code and one.proof is proof]
    assert any(words in one.message for one in found), done.findings
    assert done.proof is (Proof.CHANGED if codes(done, Proof.CHANGED) else Proof.FAILED)


def test_unsigned_moves_count_where_no_signature_is_asked_for(lab: Lab):
    _demote(lab)
    done = lab.verify(wanted=Wanted())
    assert (done.version, done.proof) == (1, Proof.PROVED)


def test_a_foreign_tag_is_told_and_an_enormous_number_too(lab: Lab):
    lab.git("tag", "--no-sign", "gitml/models/churn/nonsense")
    done = lab.verify()
    assert (done.proof, "foreign-tag" in codes(done, Proof.OPEN)) == (Proof.PROVED, True)
    lab.git("tag", "--no-sign", f"gitml/models/churn/v{10**17}")
    assert codes(lab.verify(), Proof.CHANGED) == {"malformed-tag", "broken-counter"}


def test_events_of_other_stages_need_no_signature(lab: Lab):
    with closing(lab.open()) as repo:
        versions.copy(repo, versions.get_version(repo, "churn", 1), "churn", sign=False)
        stages.promote(repo, "churn", 3, "Staging", sign=False)
    assert lab.verify().proof is Proof.PROVED


def test_a_name_that_a_record_gave_is_covered_by_no_signature(lab: Lab):
    with closing(lab.open()) as repo:
        models.rename_model(repo, "churn", "old")
        models.rename_model(repo, "other", "churn")
    done = lab.verify("churn@v1")
    assert (done.model, codes(done, Proof.FAILED)) == ("other", {"renamed"})
    assert lab.verify("other@v1").proof is Proof.PROVED
    assert lab.verify("churn@v1", Wanted()).proof is Proof.PROVED


# Tampering with what is below


def test_files_that_are_changed_missing_or_brought_back(lab: Lab, git, tmp_path: Path):
    file = lab.object()
    content = file.read_bytes()
    for changed in (b"\xff" + content[1:], content[:-1]):
        file.chmod(0o644)
        file.write_bytes(changed)
        assert codes(lab.verify(), Proof.CHANGED) == {"changed-file"}
    file.unlink()
    done = lab.verify()
    assert (done.proof, codes(done, Proof.FAILED)) == (Proof.FAILED, {"missing-file"})
    assert lab.verify(wanted=replace(BY_ADA, artifacts=False)).proof is Proof.PROVED
    assert lab.verify(wanted=replace(BY_ADA, fetch=True)).proof is Proof.FAILED  # there is no remote
    git(tmp_path, "init", "--quiet", "--bare", "elsewhere")
    there = tmp_path / "elsewhere/lfs/objects" / file.relative_to(lab.path / ".git/lfs/objects")
    there.parent.mkdir(parents=True)
    there.write_bytes(content)
    lab.git("remote", "add", "origin", str(tmp_path / "elsewhere"))
    assert lab.verify(wanted=replace(BY_ADA, fetch=True)).proof is Proof.PROVED
    assert file.read_bytes() == content


def test_a_small_file_whose_blob_was_changed(lab: Lab):
    """The list of files is held against the digest, so that a changed object of git is found too."""
    with closing(lab.open()) as repo:
        record_id = read_registry(repo).models["churn"].tags[2].record
    oid = lab.git("rev-parse", f"{record_id}:artifacts/model/MLmodel")
    file = lab.path / ".git/objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"blob 12\0flavors: []\n"))
    assert codes(lab.verify(), Proof.CHANGED) == {"changed-files", "changed-file"}


def test_a_record_that_no_history_has(lab: Lab):
    with closing(lab.open()) as repo:
        record(repo, "another")
    tree = lab.git("rev-parse", "gitml/runs^{tree}")
    lab.git(
        "update-ref",
        "refs/heads/gitml/runs",
        lab.git(
            "commit-tree", tree, "-m", "x", "-m", lab.git("log", "-1", "--format=%(trailers)", "gitml/runs")
        ),
    )
    assert codes(lab.verify(), Proof.FAILED) == {"unreachable"}


def _with_code(lab: Lab, change: Callable[[str], str], code: str | None = None) -> None:
    """Version 3 of a record whose run.yaml or source is another one."""
    run = change(lab.git("show", "gitml/runs:run.yaml") + "\n")
    lines = [
        line for line in lab.git("ls-tree", "gitml/runs").splitlines() if not line.endswith("\trun.yaml")
    ]
    if code is not None:
        lines = [line for line in lines if not line.endswith("\tcode")] + [f"040000 tree {code}\tcode"]
    lines.append(f"100644 blob {lab.git('hash-object', '-w', '--stdin', input=run)}\trun.yaml")
    tree = lab.git("mktree", input="\n".join(lines) + "\n")
    body = lab.git("log", "-1", "--format=%B", "gitml/runs")
    commit = lab.git("commit-tree", tree, "-p", "gitml/runs", "-F", "-", input=body)
    lab.git("update-ref", "refs/heads/gitml/runs", commit)
    with closing(lab.open()) as repo:
        said = read_registry(repo).models["churn"].tags[2]
        message = encode_version(replace(said, number=3), "x")
        assert make_tag(repo, f"{MODEL}/v3", commit, "commit", message, time_ms=now_ms())


def test_source_that_is_not_what_the_run_names(lab: Lab):
    tree = lab.git("rev-parse", "HEAD^{tree}")
    empty = lab.git("mktree", input="")
    with_other = lab.git("hash-object", "-w", "--stdin", input="import os\n")
    other = lab.git("mktree", input=f"100644 blob {with_other}\ttrain.py\n")
    assert empty != other != tree
    _with_code(lab, lambda text: text, other)
    done = lab.verify("churn@v3")
    assert any("holds the source tree" in one.message for one in done.findings if one.code == "changed-code")


def test_source_that_is_not_that_of_the_commit(lab: Lab):
    blob = lab.git("hash-object", "-w", "--stdin", input="import os\n")
    other = lab.git("mktree", input=f"100644 blob {blob}\ttrain.py\n")
    _with_code(lab, lambda text: text.replace(lab.git("rev-parse", "HEAD^{tree}"), other), other)
    done = lab.verify("churn@v3")
    assert (done.proof, codes(done, Proof.CHANGED)) == (Proof.CHANGED, {"changed-code"})
    assert any("says that it ran" in one.message for one in done.findings)


def test_a_commit_that_is_not_here_or_no_name_of_one(lab: Lab):
    head = lab.git("rev-parse", "HEAD")
    _with_code(lab, lambda text: text.replace(head, "ab" * 20))
    done = lab.verify("churn@v3")
    assert (done.proof, "missing-commit" in codes(done, Proof.OPEN)) == (Proof.PROVED, True)
    lab.git("update-ref", "-d", f"{MODEL}/v3")
    _with_code(lab, lambda text: text.replace("ab" * 20, "--upload-pack=x"))
    assert "changed-code" in codes(lab.verify("churn@v3"), Proof.CHANGED)
