"""What `gitml verify` found: an account for people, a document for programs."""

from __future__ import annotations

from typing import Any

from gitml.entities.verification import Finding, Proof, Signature, Step, Verification
from gitml.render.ink import PLAIN, Ink
from gitml.render.text import clean, plural

_MARKS = {Proof.PROVED: "✓", Proof.OPEN: "○", Proof.FAILED: "✗", Proof.CHANGED: "✗"}
_STYLES = {
    Proof.PROVED: "green",
    Proof.OPEN: "dim",
    Proof.FAILED: "yellow",
    Proof.CHANGED: "bold red",
}
_TITLES = {"history": "tags of"}


def verification_lines(done: Verification, ink: Ink = PLAIN) -> list[str]:
    """Tell link by link what is proved, what is not, and what to do."""
    lines = []
    for step in done.steps:
        lines.append(ink.paint(_title(step), "bold"))
        lines += [line for finding in step.findings for line in _finding_lines(finding, ink)]
    if done.signers:
        lines.append(f"signers: {clean(done.signers)}")
    return [*lines, _verdict(done, ink)]


def _title(step: Step) -> str:
    return clean(f"{_TITLES.get(step.name, step.name)} {step.subject}".rstrip())


def _finding_lines(finding: Finding, ink: Ink) -> list[str]:
    mark = ink.paint(ink.sign(_MARKS[finding.proof]), _STYLES[finding.proof])
    word = {Proof.FAILED: "not proved: ", Proof.CHANGED: "CHANGED: "}.get(finding.proof, "")
    lines = [f"  {mark} {word}{ink.sign(clean(finding.message))}"]
    if finding.hint and finding.proof in (Proof.FAILED, Proof.CHANGED):
        lines.append(f"      hint: {clean(finding.hint)}")
    return lines


def _verdict(done: Verification, ink: Ink) -> str:
    name = clean(done.name)
    if done.model is not None and done.version is not None:
        name = f"{name} is v{done.version} of {clean(done.model)}"
    count = {proof: sum(one.proof is proof for one in done.findings) for proof in Proof}
    if count[Proof.CHANGED]:
        text = f"{plural(count[Proof.CHANGED], 'thing')} changed: do not trust it"
    elif count[Proof.FAILED]:
        text = f"{plural(count[Proof.FAILED], 'thing')} not proved"
    elif count[Proof.OPEN]:
        text = f"proved; {plural(count[Proof.OPEN], 'thing')} not shown and not asked for ({ink.sign('○')})"
    else:
        text = "proved"
    return f"{name}: {ink.paint(text, _STYLES[done.proof])}"


def verification_document(done: Verification) -> dict[str, Any]:
    """Describe what was found."""
    return {
        "name": done.name,
        "proof": done.proof.value,
        "model": done.model,
        "version": done.version,
        "run_id": done.run_id,
        "record": done.record,
        "signers": done.signers,
        "steps": [
            {
                "step": step.name,
                "subject": step.subject,
                "proof": step.proof.value,
                "signature": _signature(step.signature),
                "findings": [
                    {
                        "code": one.code,
                        "proof": one.proof.value,
                        "message": one.message,
                        "hint": one.hint or None,
                    }
                    for one in step.findings
                ],
            }
            for step in done.steps
        ],
    }


def _signature(signature: Signature | None) -> dict[str, Any] | None:
    if signature is None:
        return None
    return {
        "kind": signature.kind,
        "state": signature.state.value,
        "signer": signature.signer,
        "key": signature.key,
        "trust": signature.trust,
        "reason": signature.reason,
    }
