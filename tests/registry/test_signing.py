"""Tags are signed by git, as the user's git is set up for it, or not made at all."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from gitml.entities.verification import Proof
from gitml.errors import UsageError
from gitml.registry import aliases, stages
from gitml.registry.reading import read_registry
from gitml.registry.signing import SigningError
from gitml.registry.verification import Wanted, verify
from gitml.repo import Repo
from tests.registry.keys import GpgHome, SshKeys

STAGED = "refs/tags/gitml/stages/churn/production/1"


@pytest.fixture(params=["ssh", "openpgp"])
def signed_by_default(request, git_repo: Path, git, churn, tmp_path: Path, monkeypatch) -> Path:
    """A repository that signs tags, with what git needs to check them."""
    if request.param == "ssh":
        ssh: SshKeys = request.getfixturevalue("ssh")
        git(git_repo, "config", "gpg.format", "ssh")
        git(git_repo, "config", "user.signingKey", str(ssh["ada"]))
        signers = tmp_path / "signers"
        signers.write_text(f"ada@example.org {ssh.public('ada')}\n")
        git(git_repo, "config", "gpg.ssh.allowedSignersFile", str(signers))
    else:
        gpg: GpgHome = request.getfixturevalue("gpg")
        monkeypatch.setenv("GNUPGHOME", str(gpg.folder))  # without user.signingKey: the key of who records
    git(git_repo, "config", "tag.gpgSign", "true")
    return git_repo


def test_git_accepts_what_gitml_signed(signed_by_default: Path, git, churn):
    made = churn()  # unsigned: this repository was opened before it was set up
    with closing(Repo.open(signed_by_default)) as repo:
        event = stages.promote(repo, "churn", 1, "Production", comment="it is\nbetter")
        aliases.set_alias(repo, "churn", "champion", 1, sign=False)
        content = repo.git.read_blob(event.oid).decode()
        body, mark, _ = content.partition("-----BEGIN ")
        assert mark
        assert body.startswith(f"object {made.tag}\ntype tag\ntag gitml/stages/churn/production/1\n")
        assert f"tagger Ada Example <ada@example.org> {event.time_ms // 1000} +0000\n" in body
        assert "BEGIN" not in git(signed_by_default, "cat-file", "tag", "gitml/aliases/churn/champion/1")
        git(signed_by_default, "tag", "--verify", "gitml/stages/churn/production/1")
        git(signed_by_default, "fsck", "--strict")
        assert read_registry(repo).findings == ()
        assert list((repo.root / "trash").iterdir()) == []  # nothing of the scratch repository stays
        done = verify(repo, "churn@Production", Wanted(signers=("ada@example.org",)))
    assert done.proof is Proof.PROVED
    assert done.steps[0].signature.state.value == "good"


def test_gitml_accepts_what_git_signed(signed_by_default: Path, git, churn):
    made = churn()
    message = "churn: by hand\n\nkind: stage\nmodel: churn\nversion: 1\nstage: Production\nevent: assigned\norder: 1\n"
    git(
        signed_by_default,
        "tag",
        "--sign",
        "--file=-",
        "gitml/stages/churn/production/1",
        made.tag,
        input=message,
    )
    with closing(Repo.open(signed_by_default)) as repo:
        done = verify(repo, "churn#production", Wanted(signers=("ada@example.org",)))
        assert (done.proof, done.version) == (Proof.PROVED, 1)


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ({"gpg.format": "ssh"}, "(?i)signingkey .*needs to be", "user.signingKey KEY"),
        ({"gpg.format": "ssh", "user.signingKey": "/nowhere/key"}, "/nowhere/key", "names the key's file"),
        ({"gpg.format": "ssh", "user.signingKey": "PUBLIC"}, "No private key found", "ssh-add"),
        ({"gpg.format": "ssh", "user.signingKey": "LOCKED"}, "passphrase", "ssh-add"),
        ({"gpg.format": "ssh", "gpg.ssh.program": "/nowhere/program", "user.signingKey": "LOCKED"}, "cannot run", "gpg.ssh.program"),
        ({"gpg.format": "nonsense"}, "gpg.format", "openpgp, ssh or x509"),
        ({"user.signingKey": "nobody@example.org"}, "gpg failed to sign", "gpg --list-secret-keys"),
    ],
)  # fmt: skip
def test_a_signer_that_fails_makes_no_tag(
    settings, said, hint, git_repo: Path, git, churn, ssh: SshKeys, gpg: GpgHome, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("GNUPGHOME", str(gpg.folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    # No terminal and no window to ask for a passphrase; ssh-keygen would open one or the other.
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    churn()
    public = tmp_path / "alone.pub"
    public.write_text(ssh.public("ada"))
    places = {"PUBLIC": str(public), "LOCKED": str(ssh.locked())}
    for key, value in settings.items():
        git(git_repo, "config", key, places.get(value, value))
    with closing(Repo.open(git_repo)) as repo:
        with pytest.raises(SigningError, match=said) as caught:
            stages.promote(repo, "churn", 1, "Production", sign=True)
        assert "was not made" in caught.value.message
        assert hint in caught.value.hint
        assert repo.git.tip(STAGED) is None
        assert list((repo.root / "trash").iterdir()) == []
        assert stages.promote(repo, "churn", 1, "Production").number == 1  # without it, all is as before


def test_what_git_is_set_up_for_decides(git_repo: Path, git, churn):
    churn()
    git(git_repo, "config", "tag.forceSignAnnotated", "yes")
    git(git_repo, "config", "gpg.program", "/nowhere/gpg")
    with closing(Repo.open(git_repo)) as repo, pytest.raises(SigningError, match="/nowhere/gpg"):
        stages.promote(repo, "churn", 1, "Production")
    git(git_repo, "config", "tag.gpgSign", "perhaps")
    with closing(Repo.open(git_repo)) as repo, pytest.raises(UsageError, match="tag.gpgSign is 'perhaps'"):
        stages.promote(repo, "churn", 1, "Production")


def test_a_repository_of_sha256_signs_too(tmp_path: Path, git, ssh: SshKeys):
    from tests.registry.conftest import record

    folder = tmp_path / "large"
    git(tmp_path, "init", "--quiet", "--object-format=sha256", str(folder))
    for key, value in (
        ("user.name", "Ada"),
        ("user.email", "a@b.c"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(ssh["ada"])),
    ):
        git(folder, "config", key, value)
    signers = tmp_path / "signers"
    signers.write_text(f"a@b.c {ssh.public('ada')}\n")
    with closing(Repo.open(folder)) as repo:
        from gitml.registry.versions import register

        register(repo, record(repo), "churn", "model", sign=True)
        done = verify(repo, "churn@v1", Wanted(signers=("a@b.c",), allowed_signers=signers))
    assert done.proof is Proof.PROVED
