"""Signatures of tags, made by git itself with whatever it is set up to sign with.

git has no command that signs and does nothing else, and `git tag --sign` may make a tag
without a signature when the signer fails (git 2.39 does, for SSH keys). So git makes the
tag in a scratch repository that borrows our objects: what it adds below the message is the
signature, and nothing is in the real repository unless there is one.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Union

from gitml.errors import RefusedError, UsageError
from gitml.git.process import GitProcess
from gitml.repo import Repo

# Given what a tag says, gives the signature that is put below it.
Signer = Callable[[bytes], bytes]
# What a caller wants: a signer of its own, a signature or none, or (None) what git is set up for.
Sign = Union[Signer, bool, None]

_SETTINGS = re.compile(r"user\.signingkey|gpg\.(?:[a-z0-9]+\.)?[a-z]+")
_HEADER = re.compile(
    rb"object (?P<object>[0-9a-f]+)\ntype [a-z]+\ntag (?P<name>[^\n]+)\n"
    rb"tagger (?P<name_of>[^\n]*) <(?P<email>[^\n]*)> (?P<time>[0-9]+) \+0000\n\n"
)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")
_SETUP = "git config user.signingKey KEY; for an SSH key also git config gpg.format ssh"
# What signers say, and what helps; the first that fits.
_REMEDIES = (
    (r"signingKey needs to be set|defaultKeyCommand needs to be", _SETUP),
    (r"cannot run", "install it, or name it: git config gpg.program, gpg.ssh.program"),
    (r"invalid value for 'gpg\.format'", "git config gpg.format can be openpgp, ssh or x509"),
    (r"Couldn't load public key|No such file", "git config user.signingKey names the key's file"),
    (r"No private key found|agent", "ssh-add adds the key to the agent; ssh-add -l lists those that it has"),
    (
        r"passphrase",
        "ssh-add the key first, or run it at a terminal, where the passphrase can be asked for",
    ),
    (
        r"gpg failed",
        (
            "gpg --list-secret-keys shows the keys, and git config user.signingKey chooses one; "
            "where gpg has to ask for a passphrase: export GPG_TTY=$(tty)"
        ),
    ),
)


class SigningError(RefusedError):
    """The signature that was asked for can't be made; no tag was."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(f"the tag could not be signed, and was not made: {reason}", hint=hint)
        self.reason = reason


def signer_of(repo: Repo, sign: Sign = None) -> Signer | None:
    """Say who signs a tag; None if nobody does.

    Args:
        repo: The repository.
        sign: True or False to have it so whatever git's configuration says; None for what it
            says to `git tag --annotate`: `tag.gpgSign` or `tag.forceSignAnnotated`.

    Raises:
        UsageError: One of these settings is neither true nor false.
    """
    if callable(sign):
        return sign
    if sign is None:
        values = repo.settings.values
        sign = _flag(values, "tag.gpgSign") or _flag(values, "tag.forceSignAnnotated")
    return _by_git(repo) if sign else None


def _flag(values: Mapping[str, str], key: str) -> bool:
    text = values.get(key.lower(), "false").lower()
    if text in (*_TRUE, *_FALSE):
        return text in _TRUE
    raise UsageError(f"{key} is '{text}', it can be true or false", hint=f"git config {key} true")


def _by_git(repo: Repo) -> Signer:
    def sign(content: bytes) -> bytes:
        header = _HEADER.match(content)
        if header is None:
            raise ValueError("only an annotated tag can be signed")
        with _scratch(repo) as git:
            return _sign(repo, git, header, content)

    return sign


def _sign(repo: Repo, git: GitProcess, header: re.Match[bytes], content: bytes) -> bytes:
    """Let git make the tag anew, with a signature."""
    name = header["name"].decode()
    identity = {
        "GIT_COMMITTER_NAME": header["name_of"].decode("utf-8", "replace"),
        "GIT_COMMITTER_EMAIL": header["email"].decode("utf-8", "replace"),
        "GIT_COMMITTER_DATE": f"@{header['time'].decode()} +0000",
    }
    settings = ["-c", "advice.nestedTag=false"]
    for key, value in repo.settings.values.items():
        if _SETTINGS.fullmatch(key):
            settings += ["-c", f"{key}={value}"]
    arguments = ["tag", "--sign", "--cleanup=verbatim", "--file=-", "--", name, header["object"].decode()]
    process = git.start(arguments, env=identity, configuration=settings)
    _, err = process.communicate(content[header.end() :])
    words = err.decode("utf-8", "replace")
    if process.returncode != 0:
        raise _failed(words)
    made = git.run(["cat-file", "tag", f"refs/tags/{name}"])
    if not made.startswith(content):
        raise SigningError(
            "git writes your name, or what the tag says, in another way",
            "git config user.name and user.email: leave out what git leaves out",
        )
    signature = made[len(content) :]
    if not signature.startswith(b"-----BEGIN "):
        raise _failed(words)
    return signature


def _failed(words: str) -> SigningError:
    lines = [line.strip().rstrip("?") for line in words.splitlines() if line.strip(" ?")]
    lines = [re.sub(r"^(?:error|fatal|warning):\s*", "", line) for line in lines]
    said = [line for line in lines if line and line != "unable to sign the tag"]
    hint = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, words)), _SETUP)
    return SigningError("; ".join(said[:3]) or "git gave no reason", hint)


@contextmanager
def _scratch(repo: Repo) -> Iterator[GitProcess]:
    """Have a repository for a moment that has our objects, and none of our refs.

    It is inside of ours, so that settings which git includes by folder hold in it too.
    """
    trash = repo.root / "trash"  # what a killed process leaves there is removed by `gitml gc`
    folder = trash / f"sign-{uuid.uuid4().hex}"
    try:
        _make_scratch(folder, repo)
        yield GitProcess(repo.git.work_tree or repo.git.git_dir, git_dir=folder, common_dir=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_scratch(folder: Path, repo: Repo) -> None:
    (folder / "objects" / "info").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
    sha256 = repo.git.object_format == "sha256"
    extension = f"[extensions]\n\tobjectFormat = {repo.git.object_format}\n" if sha256 else ""
    (folder / "config").write_text(
        f"[core]\n\trepositoryFormatVersion = {int(sha256)}\n\tbare = true\n{extension}", encoding="ascii"
    )
    (folder / "objects" / "info" / "alternates").write_bytes(
        f"{repo.git.common_dir / 'objects'}\n".encode("utf-8", "surrogateescape")
    )
