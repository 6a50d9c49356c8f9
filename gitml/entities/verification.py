"""What `verify` says: of each link of a chain, what is proved, what is not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Proof(str, Enum):
    """How far something is shown; the later ones are worse.

    `open` is what was not asked for and is not shown; `failed` what was asked for, or must
    hold whenever it is there, and is not shown; `changed` what is not what it was.
    """

    PROVED = "proved"
    OPEN = "open"
    FAILED = "failed"
    CHANGED = "changed"

    @classmethod
    def worst(cls, proofs: Sequence[Proof]) -> Proof:
        """The worst of several; proved if there are none."""
        order = list(cls)
        return max(proofs, key=order.index, default=cls.PROVED)


class SignatureState(str, Enum):
    """What became of checking a signature."""

    GOOD = "good"
    UNKNOWN = "unknown"  # whole, by a key that nobody here vouches for
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNTRUSTED = "untrusted"  # known, but not trusted enough, or not for this
    BAD = "bad"  # not of this content
    UNCHECKED = "unchecked"  # it could not be looked at


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature, and who made it.

    Attributes:
        kind: `openpgp`, `ssh` or `x509`.
        state: What became of checking it.
        signer: Who, as the keyring or the file of allowed signers has it; of an unknown
            key nobody.
        key: Fingerprint of the key.
        trust: How far the keyring trusts it, in gpg's word.
        reason: What the program said that checked it.
    """

    kind: str
    state: SignatureState
    signer: str | None = None
    key: str | None = None
    trust: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is shown, or is not.

    Attributes:
        code: A word for programs: `signature`, `unknown-signer`, `moved-tag`, …
        proof: How far it is shown.
        message: What it is.
        hint: What to do about it.
    """

    code: str
    proof: Proof
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain.

    Attributes:
        name: `name`, `stage`, `alias`, `history`, `version`, `run`, `artifacts` or `code`.
        subject: What was looked at: a tag, a commit, a path.
        findings: What was found.
        signature: The signature of what was looked at, if it has one.
    """

    name: str
    subject: str
    findings: tuple[Finding, ...]
    signature: Signature | None = None

    @property
    def proof(self) -> Proof:
        """How far this link is shown."""
        return Proof.worst([finding.proof for finding in self.findings])


@dataclass(frozen=True, slots=True)
class Verification:
    """What was asked for, and the chain from there to the source.

    Attributes:
        name: What was asked for.
        model: Id of the model, unless a run was asked for.
        version: Which version it is.
        run_id: The run.
        record: The record of the run.
        signers: The file of allowed signers, if one was used.
        steps: The links of the chain, the first is what was asked for.
    """

    name: str
    model: str | None
    version: int | None
    run_id: str | None
    record: str | None
    signers: str | None
    steps: tuple[Step, ...]

    @property
    def proof(self) -> Proof:
        """What the whole chain comes to; what is open was not asked for."""
        found = Proof.worst([step.proof for step in self.steps])
        return Proof.PROVED if found is Proof.OPEN else found

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the chain."""
        return tuple(finding for step in self.steps for finding in step.findings)
