"""The links of a chain below its tags: the run's record, the files, the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Artifact, Purge
from gitml.entities.registry import VersionTag
from gitml.entities.run import Run
from gitml.entities.verification import Finding, Proof, Signature, SignatureState, Step
from gitml.errors import DamagedError
from gitml.formats import commit_message, run_tree
from gitml.progress import Advance
from gitml.registry.evidence import read_object
from gitml.registry.signatures import Signers, check_signature, is_by
from gitml.registry.versions import digest_of
from gitml.repo import RUNS_REF, Repo
from gitml.store.local import hash_stream
from gitml.sync.seen import record_refs
from gitml.tracking import purges
from gitml.tracking.history import list_record_artifacts, read_record

_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_ELSEWHERE = "gitml pull; in a shallow clone: git fetch --unshallow"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be shown, and with whose help.

    Attributes:
        signature: Whether what is asked for must be signed, by someone known.
        signers: By one of these: who they are to the keyring or the file of allowed
            signers, or a fingerprint.
        artifacts: Whether the files are read; they then must be here.
        fetch: Whether files that are not here are fetched.
        allowed_signers: The file of allowed signers; the user's own if not given.
    """

    signature: bool = False
    signers: tuple[str, ...] = ()
    artifacts: bool = True
    fetch: bool = False
    allowed_signers: Path | None = None

    @property
    def signed(self) -> bool:
        """Whether a signature is required."""
        return self.signature or bool(self.signers)


_PROBLEMS = {
    SignatureState.UNKNOWN: ("unknown-signer", "is signed by a key that nobody here vouches for"),
    SignatureState.EXPIRED: ("expired-key", "is signed by a key that is not valid at that time"),
    SignatureState.REVOKED: ("revoked-key", "is signed by a key that was revoked"),
    SignatureState.UNTRUSTED: ("untrusted-key", "is signed by a key that is not trusted enough"),
    SignatureState.UNCHECKED: ("unchecked-signature", "has a signature that could not be checked"),
}


def signature_findings(
    what: str, signature: Signature | None, signers: Signers, wanted: Wanted, *, vouched: bool = False
) -> list[Finding]:
    """Say what a signature shows.

    Args:
        what: What carries it.
        signature: The signature, if there is one.
        signers: Whose signatures count.
        wanted: What is required of it.
        vouched: Whether nothing is, since what leads here is signed and names this by its hash,
            or since nobody asked for it.
    """
    short = Proof.OPEN if vouched else Proof.FAILED
    if signature is None:
        proof = Proof.FAILED if wanted.signed and not vouched else Proof.OPEN
        return [Finding("unsigned", proof, f"{what} is not signed")]
    if signature.state is SignatureState.BAD:
        reason = f" ({signature.reason})" if signature.reason else ""
        return [
            Finding(
                "bad-signature",
                Proof.CHANGED,
                f"the signature of {what} is not of its content{reason}",
                "it was changed after it was signed",
            )
        ]
    if signature.state is not SignatureState.GOOD:
        code, words = _PROBLEMS[signature.state]
        of = " of ".join(part for part in (signature.key, signature.signer) if part)
        reason = "; ".join(part for part in (of, signature.reason) if part)
        hint = signers.hint if signature.kind == "ssh" and signers.file is None else ""
        return [Finding(code, short, f"{what} {words}" + (f" ({reason})" if reason else ""), hint)]
    trust = f", trust: {signature.trust}" if signature.trust else ""
    by = f"{signature.signer} ({signature.key}{trust})"
    if wanted.signers and not vouched and not any(is_by(signature, name) for name in wanted.signers):
        return [
            Finding(
                "wrong-signer",
                Proof.FAILED,
                f"{what} is signed by {by}, and must be by {' or '.join(wanted.signers)}",
                "a fingerprint names a key; who a key of gpg belongs to counts only if its trust is full",
            )
        ]
    return [Finding("signature", Proof.PROVED, f"{what} is signed by {by}")]


# The run


def check_run(
    repo: Repo, record: str, run_id: str, signers: Signers, wanted: Wanted, *, vouched: bool
) -> tuple[Step, Run | None]:
    """Look at the record of a run: whether it is one, of this run, and part of its history."""
    subject = f"{run_id[:8]} in {record[:12]}"
    if not repo.git.has_object(record):
        found = Finding(
            "missing-record", Proof.FAILED, f"the record {record[:12]} of the run is not here", _ELSEWHERE
        )
        return Step("run", subject, (found,)), None
    try:
        content = read_object(repo, record, "commit")
        run = read_record(repo, record)
    except DamagedError as err:
        return Step("run", subject, (Finding("damaged-record", Proof.CHANGED, err.message),)), None
    said = commit_message.trailers(repo.git.commit_info(record).message).get(commit_message.RUN_ID)
    if run_id not in (run.id, said) or run.id != said:
        other = run.id if run.id != run_id else said
        found = Finding(
            "wrong-run", Proof.CHANGED, f"{record[:12]} is a record of run '{other}', not of '{run_id}'"
        )
        return Step("run", subject, (found,)), None
    findings = [
        Finding("record", Proof.PROVED, f"{record[:12]} is a record of run {run_id[:8]} ({run.name})")
    ]
    findings.append(_reachable(repo, record))
    heads, _ = repo.index.heads(run_id)
    if heads and record not in heads:
        later = repo.index.get(run_id)
        deleted = " and the run was deleted" if later is not None and later.deleted_ms is not None else ""
        findings.append(
            Finding(
                "later-record", Proof.OPEN, f"the run has later records, which are not looked at{deleted}"
            )
        )
    signature = check_signature(repo, record, "commit", content, signers)
    if signature is not None or not vouched:
        findings += signature_findings(
            f"the record {record[:12]}", signature, signers, wanted, vouched=vouched
        )
    return Step("run", subject, tuple(findings), signature), run


def _reachable(repo: Repo, record: str) -> Finding:
    tip = repo.git.tip(RUNS_REF)
    if tip is not None and repo.git.is_ancestor(record, tip):
        return Finding("reachable", Proof.PROVED, "it is on the branch gitml/runs")
    others = [
        oid
        for ref, oid in record_refs(repo).items()
        if not ref.startswith("refs/tags/") and "/tags/" not in ref and ref != RUNS_REF
    ]
    if others and not any(commit == record for commit, _ in repo.git.rev_list([record], others)):
        return Finding("reachable", Proof.PROVED, "it is in the runs of a remote")
    return Finding(
        "unreachable", Proof.FAILED, "it is in no history of runs that is here: only a tag leads to it", _ELSEWHERE
    )  # fmt: skip


# The files


def check_artifacts(
    repo: Repo, run: Run, version: VersionTag | None, path: str, wanted: Wanted, progress: Advance | None
) -> Step:
    """Read the files, each against its hash, and the list of them against the version's digest."""
    record = version.record if version else run.commit or ""
    where = f"artifacts/{path}" if path else "artifacts"
    artifacts = list_record_artifacts(repo, record, path)
    findings: list[Finding] = []
    if version is not None:
        digest = digest_of(repo, version.path, artifacts)
        if digest == version.digest:
            findings.append(
                Finding("digest", Proof.PROVED, f"the list of files has the digest {digest[:19]}…")
            )
        else:
            message = (
                f"the list of files has the digest {digest[:19]}…, and the tag says {version.digest[:19]}…"
            )
            findings.append(Finding("changed-files", Proof.CHANGED, message, "git fsck"))
    if not wanted.artifacts:
        findings.append(Finding("unread", Proof.OPEN, f"the bytes of {_files(len(artifacts))} were not read"))
        return Step("artifacts", where, tuple(findings))
    findings += _read_all(repo, run, artifacts, wanted, progress)
    return Step("artifacts", where, tuple(findings))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _read_all(
    repo: Repo, run: Run, artifacts: Sequence[Artifact], wanted: Wanted, progress: Advance | None
) -> list[Finding]:
    reasons: dict[str, str] = {}
    if wanted.fetch:
        from gitml.sync.objects import fetch_objects  # remotes and their stores

        pointers = [artifact.pointer for artifact in artifacts if artifact.pointer is not None]
        # One that has the wrong size here is changed: it is told, not replaced.
        lacking = [one for one in pointers if not repo.objects.path(one.oid).exists()]
        done = fetch_objects(repo, lacking)
        reasons = {failure.pointer.oid: str(failure.error) for failure in done.failed}
    heads, _ = repo.index.heads(run.id)
    gone = purges.of_records(repo.git, heads)
    found = [_read_one(repo, artifact, gone, reasons, progress) for artifact in artifacts]
    whole = [one for one in found if one is None]
    bad = [one for one in found if one is not None]
    if not whole:
        return bad
    size = sum(artifact.size for artifact, one in zip(artifacts, found, strict=True) if one is None)
    message = f"{_files(len(whole))}, {size:,} bytes: each has the hash that is recorded"
    return [Finding("files", Proof.PROVED, message), *bad]


def _read_one(
    repo: Repo, artifact: Artifact, gone: dict[str, Purge], reasons: dict[str, str], progress: Advance | None
) -> Finding | None:
    """Read one file; None if it is what it should be."""
    pointer = artifact.pointer
    if pointer is None:
        try:
            read_object(repo, artifact.blob or "", "blob")
        except DamagedError as err:
            return Finding("changed-file", Proof.CHANGED, f"'{artifact.path}': {err.message}", err.hint or "")
        if progress:
            progress(artifact.size)
        return None
    try:
        with repo.objects.path(pointer.oid).open("rb") as stream:
            oid, size = hash_stream(stream, progress)
    except FileNotFoundError:
        if pointer.oid in gone:
            words = f"was purged by {gone[pointer.oid].by}"
            return Finding(
                "purged-file", Proof.FAILED, f"'{artifact.path}' {words}: nobody can prove it any more"
            )
        reason = f": {reasons[pointer.oid]}" if pointer.oid in reasons else ""
        message = f"'{artifact.path}' ({pointer.oid[:12]}) is not here, and so not proved{reason}"
        return Finding("missing-file", Proof.FAILED, message, "" if reason else "--fetch brings it")
    if (oid, size) != (pointer.oid, pointer.size):
        words = f"has the hash {oid[:12]}, and {pointer.oid[:12]} is recorded"
        return Finding("changed-file", Proof.CHANGED, f"'{artifact.path}' {words}", "gitml fsck --repair")
    return None


# The source


def check_code(repo: Repo, run: Run, signers: Signers, wanted: Wanted) -> Step:
    """Look at the source: the tree in the record, the one that it names, and the commit's."""
    code = run.code
    entry = repo.git.entry_at(run.commit or "", run_tree.CODE)
    findings: list[Finding] = []
    if entry is None and code.tree is None:
        findings.append(Finding("no-code", Proof.OPEN, "the run did not record its source"))
    elif entry is None or code.tree is None or entry.oid != code.tree:
        there = entry.oid[:12] if entry else "none"
        named = code.tree[:12] if code.tree else "none"
        message = f"the record holds the source tree {there}, and names {named}"
        findings.append(Finding("changed-code", Proof.CHANGED, message))
    elif not repo.git.has_object(code.tree):
        findings.append(
            Finding("missing-code", Proof.FAILED, f"the source tree {code.tree[:12]} is not here", _ELSEWHERE)
        )
    else:
        what = "with uncommitted changes, " if code.dirty else ""
        message = f"the record holds the source that it names, {what}tree {code.tree[:12]}"
        findings.append(Finding("code", Proof.PROVED, message))
    signature = None
    if code.commit is not None:
        signature, more = _check_commit(repo, run, signers, wanted)
        findings += more
    return Step("code", (code.commit or code.tree or "")[:12], tuple(findings), signature)


def _check_commit(
    repo: Repo, run: Run, signers: Signers, wanted: Wanted
) -> tuple[Signature | None, list[Finding]]:
    code = run.code
    commit = code.commit or ""
    short = commit[:12]
    if not _OID.fullmatch(commit):
        return None, [Finding("changed-code", Proof.CHANGED, f"the run names {commit!r:.60} as its commit")]
    if not repo.git.has_object(commit):
        message = f"the commit {short} is not here: that the source is its own is not shown"
        return None, [Finding("missing-commit", Proof.OPEN, message, "git fetch")]
    try:
        content = read_object(repo, commit, "commit")
    except DamagedError as err:
        return None, [Finding("changed-code", Proof.CHANGED, err.message, err.hint or "")]
    tree = repo.git.commit_info(commit).tree
    if code.tree is None:
        findings = [Finding("commit", Proof.PROVED, f"the commit {short} is here")]
    elif code.dirty:
        findings = [Finding("dirty-code", Proof.OPEN, f"the source is that of {short} with changes on top")]
    elif tree == code.tree:
        findings = [Finding("commit", Proof.PROVED, f"the source is that of the commit {short}")]
    else:
        message = f"the commit {short} has the tree {tree[:12]}, and the run says that it ran {code.tree[:12]} of it"
        findings = [Finding("changed-code", Proof.CHANGED, message)]
    signature = check_signature(repo, commit, "commit", content, signers)
    findings += signature_findings(f"the commit {short}", signature, signers, wanted, vouched=True)
    return signature, findings
