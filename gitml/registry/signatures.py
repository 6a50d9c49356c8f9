"""Check the signature of a tag or commit: by git, against signers that are the user's own.

Whom to believe never comes from what is verified: a file of allowed signers inside the
work tree is another one in every commit, so it is used only if the user names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.verification import Signature, SignatureState
from gitml.errors import NotFoundError
from gitml.repo import Repo

# As git tells kinds apart: by how a line begins; the last such line of a tag begins its signature.
_BEGINS = {
    b"-----BEGIN PGP SIGNATURE-----": "openpgp",
    b"-----BEGIN PGP MESSAGE-----": "openpgp",
    b"-----BEGIN SIGNED MESSAGE-----": "x509",
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
}
_COMMIT_SIGNATURE = re.compile(rb"^gpgsig(?:-sha256)? ([^\n]+)$", re.MULTILINE)
_SSH_GOOD = re.compile(r'^Good "git" signature for (.+) with (\S+) key (SHA256:\S+)$', re.MULTILINE)
_SSH_KEY = re.compile(r'^Good "git" signature with \S+ key (SHA256:\S+)$', re.MULTILINE)
_FINGERPRINT = re.compile("[0-9A-F]{40,64}")
_FULL_TRUST = ("fully", "ultimate")
_SETTINGS = (("gitml.allowedsigners", "gitml.allowedSigners"), ("gpg.ssh.allowedsignersfile", "gpg.ssh.allowedSignersFile"))  # fmt: skip
_REVOKED = "gpg.ssh.revocationfile"


@dataclass(frozen=True, slots=True)
class Signers:
    """Whose SSH signatures count.

    Attributes:
        file: The file of allowed signers.
        source: Which option or setting named it.
        revoked: The file of revoked keys.
        problem: Why there is none that can be used.
        hint: What to do about that.
    """

    file: Path | None = None
    source: str = ""
    revoked: Path | None = None
    problem: str = ""
    hint: str = ""


def find_signers(repo: Repo, named: Path | None = None) -> Signers:
    """Find the file of allowed signers: the one that is named, or else the user's own.

    Raises:
        NotFoundError: The named file is not there.
    """
    values = repo.settings.values
    revoked = _path(repo, values[_REVOKED]) if values.get(_REVOKED) else None
    if revoked is not None and (problem := _unusable(repo, revoked, "gpg.ssh.revocationFile")):
        return Signers(None, "", revoked, *problem)
    if named is not None:
        if not named.is_file():
            raise NotFoundError(f"there is no file '{named}'", hint="a line in it is: ada@example.org KEY")
        return Signers(named.absolute(), "--allowed-signers", revoked)
    key, source = next((pair for pair in _SETTINGS if values.get(pair[0])), ("", ""))
    if not key:
        return Signers(
            None, "", revoked, "no file of allowed signers is known",
            "--allowed-signers FILE, or git config --global gpg.ssh.allowedSignersFile FILE",
        )  # fmt: skip
    file = _path(repo, values[key])
    problem = _unusable(repo, file, source)
    return Signers(None, source, revoked, *problem) if problem else Signers(file, source, revoked)


def _path(repo: Repo, text: str) -> Path:
    """Read a path as git does: `~` is a home, and a relative one begins where git runs."""
    return (repo.git.work_tree or repo.git.git_dir) / Path(text).expanduser()


def _unusable(repo: Repo, file: Path, source: str) -> tuple[str, str] | None:
    top = repo.git.work_tree
    # Both the link and what it leads to: whoever writes either one chooses the signers.
    places = (Path(os.path.normpath(file)), file.resolve())
    if top is not None and any(place.is_relative_to(one) for place in places for one in (top, top.resolve())):
        return (
            f"{source} is '{file}', which is a part of what is verified",
            "keep it outside of the work tree, or, if you know that it is yours, name it: --allowed-signers FILE",
        )
    return None if file.is_file() else (f"{source} is '{file}', and there is no such file", "")


def signature_kind(kind: str, content: bytes) -> str | None:
    """Tell by its content which kind of signature an object carries; None if none.

    Args:
        kind: `tag` or `commit`.
        content: What the object holds.
    """
    if kind == "commit":
        found = _COMMIT_SIGNATURE.search(content.partition(b"\n\n")[0])
        lines = [found[1]] if found else []
    else:
        lines = content.partition(b"\n\n")[2].split(b"\n")
    kinds = [name for line in lines for begin, name in _BEGINS.items() if line.startswith(begin)]
    return kinds[-1] if kinds else None


def check_signature(repo: Repo, oid: str, kind: str, content: bytes, signers: Signers) -> Signature | None:
    """Check the signature of a tag or commit; None if it has none.

    Args:
        repo: The repository.
        oid: The object.
        kind: `tag` or `commit`.
        content: What the object holds.
        signers: Whose SSH signatures count.
    """
    form = signature_kind(kind, content)
    if form is None:
        return None
    command = f"verify-{kind}"
    if form == "ssh":
        return _check_ssh(repo, command, oid, signers)
    status, said = _ask(repo, command, oid, {})
    return _read_gpg(form, status, said)


def _ask(repo: Repo, command: str, oid: str, settings: Mapping[str, str]) -> tuple[int, str]:
    configuration = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    process = repo.git.process.start([command, "--raw", "--", oid], configuration=configuration)
    out, err = process.communicate(b"")
    return process.returncode, (out + b"\n" + err).decode("utf-8", "replace")


def _check_ssh(repo: Repo, command: str, oid: str, signers: Signers) -> Signature:
    settings = {
        "gpg.ssh.allowedSignersFile": str(signers.file or os.devnull),
        "gpg.ssh.revocationFile": str(signers.revoked or ""),
    }
    status, said = _ask(repo, command, oid, settings)
    good = _SSH_GOOD.search(said)
    if status == 0 and good is not None:
        return Signature("ssh", SignatureState.GOOD, good[1], good[3])
    key = _SSH_KEY.search(said)
    fingerprint = key[1] if key else None
    words = _words(said)
    if signers.file is None and key is not None:
        return Signature("ssh", SignatureState.UNKNOWN, None, fingerprint, reason=signers.problem)
    if "incorrect signature" in said:
        return Signature("ssh", SignatureState.BAD, reason=words)
    if "key has expired" in said or "key is not yet valid" in said:
        return Signature("ssh", SignatureState.EXPIRED, None, fingerprint, reason=words)
    if "not permitted for use in signature namespace" in said:
        return Signature("ssh", SignatureState.UNTRUSTED, None, fingerprint, reason=words)
    if key is not None:
        return Signature("ssh", SignatureState.UNKNOWN, None, fingerprint, reason=words)
    if signers.revoked is not None:
        # git does not say why; if the signature holds without the list of revoked keys, it is that.
        status, said = _ask(repo, command, oid, {**settings, "gpg.ssh.revocationFile": ""})
        good = _SSH_GOOD.search(said)
        if status == 0 and good is not None:
            return Signature("ssh", SignatureState.REVOKED, good[1], good[3], reason=f"{signers.revoked}")
    malformed = "invalid format" in said
    return Signature(
        "ssh", SignatureState.BAD if malformed else SignatureState.UNCHECKED, reason=words or "git gave no reason"
    )  # fmt: skip


def _read_gpg(form: str, status: int, said: str) -> Signature:
    """Read what gpg says to programs; see doc/DETAILS of GnuPG."""
    lines = [
        line.removeprefix("[GNUPG:] ").split(" ")
        for line in said.splitlines()
        if line.startswith("[GNUPG:] ")
    ]
    words = {line[0]: line[1:] for line in reversed(lines)}
    valid = words.get("VALIDSIG", [])
    trust = next((word[len("TRUST_") :].lower() for word in words if word.startswith("TRUST_")), None)
    states = {
        "REVKEYSIG": SignatureState.REVOKED,
        "EXPKEYSIG": SignatureState.EXPIRED,
        "EXPSIG": SignatureState.EXPIRED,
        "BADSIG": SignatureState.BAD,
        "GOODSIG": SignatureState.GOOD,
        "ERRSIG": SignatureState.UNKNOWN,
    }
    found = next((word for word in states if word in words), None)
    if found is None:
        return Signature(form, SignatureState.UNCHECKED, reason=_words(said) or "the program gave no reason")
    state, facts = states[found], words[found]
    # The last fingerprint is the primary key's, which people know; the signing key may be a part of it.
    # Never a word from a name: that is whatever its owner wanted.
    told = facts[-1:] if found == "ERRSIG" else [*valid[:1], *valid[-1:]]
    prints = [word for word in told if _FINGERPRINT.fullmatch(word)]
    key = next(iter([*reversed(prints), *facts[:1]]), None)
    signer = None if found == "ERRSIG" else " ".join(facts[1:])
    if state is SignatureState.UNKNOWN and "NO_PUBKEY" not in words:
        state = SignatureState.UNCHECKED
    if state is SignatureState.GOOD and (status != 0 or trust == "never"):
        state = SignatureState.UNTRUSTED
    if state is SignatureState.BAD:
        signer = None  # the key that it claims to be by says nothing
    return Signature(form, state, signer, key, trust)


def _words(said: str) -> str:
    lines = [re.sub(r"^(?:error|fatal|warning):\s*", "", line.strip()) for line in said.splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("[GNUPG:]", "Good "))]
    return "; ".join(wanted[:3])


def is_by(signature: Signature, wanted: str) -> bool:
    """Whether a good signature is by a signer: named by fingerprint, or by who the keyring says it is.

    Who a key of gpg says that it belongs to counts only if the keyring trusts that.
    """
    if signature.state is not SignatureState.GOOD or not wanted:
        return False
    key = signature.key or ""
    if signature.kind == "ssh":
        return wanted == key or wanted in (signature.signer or "").split(",")
    digits = wanted.replace(" ", "").removeprefix("0x").upper()
    if _FINGERPRINT.fullmatch(digits):
        return digits == key.upper()
    if signature.trust not in _FULL_TRUST:
        return False
    signer = signature.signer or ""
    mail = re.search(r"<([^<>]+)>$", signer) if signature.kind == "openpgp" else None
    return wanted == signer or (mail is not None and wanted == mail[1])
