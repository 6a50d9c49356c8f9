"""`verify`: walk from what a name means to the bytes and the source, and say what is proved.

    tag of a stage or alias → tag of the version → the run's record → files → source

Each link names the next one by its hash, so that one signature at the top covers all of
them. What a name leads to does not follow from one tag alone: later tags, records and
remotes have a say, and are looked at too. Nothing is run, and nothing unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gitml.entities.registry import REMOVED, MoveTag, VersionTag
from gitml.entities.run import Run
from gitml.entities.verification import Finding, Proof, Signature, SignatureState, Step, Verification
from gitml.errors import NotFoundError, RefusedError, UsageError
from gitml.formats.registry_names import (
    ALIAS_TAGS,
    MODEL_TAGS,
    STAGE_TAGS,
    encode_part,
    model_id,
    name_of_id,
    parse_ref,
    stage_key,
)
from gitml.progress import Advance
from gitml.registry.chain import Wanted, check_artifacts, check_code, check_run, signature_findings
from gitml.registry.evidence import (
    Evidence,
    ReadTag,
    broken_counters,
    gather,
    malformed,
    moved_tags,
    series_of,
    wrong_targets,
)
from gitml.registry.influence import deciding_events, passed_over
from gitml.registry.lookup import ModelNotFoundError, NobodyHoldsError, get_state
from gitml.registry.names import ModelName, ModelUriError, is_model_name, version_in
from gitml.registry.naming import parse_any
from gitml.registry.reading import read_registry
from gitml.registry.signatures import Signers, check_signature, find_signers
from gitml.repo import Repo
from gitml.tracking.history import RunNotFoundError, list_record_artifacts
from gitml.tracking.resolve import resolve_run

__all__ = ["Wanted", "verify"]

_TAGS = "refs/tags/"
_KINDS = ("gitml/models/", "gitml/stages/", "gitml/aliases/")
_URIS = ("models:", "runs:")


@dataclass(slots=True)
class _Walk:
    """What a verification has at hand, and the steps that it made so far."""

    repo: Repo
    name: str
    wanted: Wanted
    signers: Signers
    progress: Advance | None
    steps: list[Step] = field(default_factory=list)

    def signature(self, tag: ReadTag) -> Signature | None:
        return check_signature(self.repo, tag.oid, "tag", tag.content, self.signers)

    def done(
        self, version: VersionTag | None = None, model: str | None = None, run: Run | None = None
    ) -> Verification:
        return Verification(
            name=self.name,
            model=model,
            version=version.number if version else None,
            run_id=version.run_id if version else run.id if run else None,
            record=version.record if version else run.commit if run else None,
            signers=str(self.signers.file) if self.signers.file else None,
            steps=tuple(self.steps),
        )  # fmt: skip


def verify(
    repo: Repo, name: str, wanted: Wanted | None = None, progress: Advance | None = None
) -> Verification:
    """Walk the chain from a name to the bytes and the source.

    Args:
        repo: The repository.
        name: `NAME@Production`, `NAME#production`, `NAME@v3`, a URI, a run, or a tag of the registry.
        wanted: What must be shown.
        progress: Called with the number of bytes read since the last call.

    Raises:
        NotFoundError: The name leads nowhere, and nothing here says that it ever led elsewhere.
        UsageError: It has none of the forms, or means two things.
        RefusedError: The run is still live.
    """
    wanted = wanted or Wanted()
    walk = _Walk(repo, name, wanted, find_signers(repo, wanted.allowed_signers), progress)
    tag = name.removeprefix(_TAGS)
    if tag.startswith(_KINDS):
        return _verify_tag(walk, _TAGS + tag)
    try:
        asked = parse_any(repo, name) if name.startswith(_URIS) or is_model_name(name) else None
        if asked is not None and asked.kind != "run":
            return _verify_model(walk, asked)
    except ModelNotFoundError:
        if name.startswith(_URIS):
            raise
        try:
            return _verify_run(walk, resolve_run(repo, name))
        except RunNotFoundError:
            pass
        raise
    if asked is not None:
        return _verify_run(walk, resolve_run(repo, asked.name), asked.path)
    try:
        return _verify_run(walk, resolve_run(repo, name))
    except RunNotFoundError:
        if read_registry(repo).named(name) is None:
            raise
    raise ModelUriError(
        name, "it does not say which version", f"write '{name}@v3', '{name}@latest' or '{name}#production'"
    )


# From a run


def _verify_run(walk: _Walk, run: Run, path: str = "") -> Verification:
    if run.live or run.commit is None:
        raise RefusedError(
            f"run '{run.id[:8]}' is still live: nothing of it is final",
            hint=f"gitml runs finish {run.id[:8]}",
        )
    step, found = check_run(walk.repo, run.commit, run.id, walk.signers, walk.wanted, vouched=False)
    walk.steps.append(step)
    if found is not None:
        _require_path(walk.repo, found.commit or "", path, f"run '{run.id[:8]}'")
        walk.steps.append(check_artifacts(walk.repo, found, None, path, walk.wanted, walk.progress))
        walk.steps.append(check_code(walk.repo, found, walk.signers, walk.wanted))
    return walk.done(run=run)


def _require_path(repo: Repo, record: str, path: str, owner: str) -> None:
    """Nothing is proved of what is not there."""
    if path and not list_record_artifacts(repo, record, path):
        raise NotFoundError(
            f"{owner} has nothing at '{path}'", hint="name it without the path to verify all of it"
        )


# From a tag


def _verify_tag(walk: _Walk, ref: str) -> Verification:
    known = parse_ref(ref)
    if known is None:
        raise UsageError(
            f"'{ref}' is no name of the registry's",
            hint="gitml/models/NAME/vN, gitml/stages/NAME/STAGE/N or gitml/aliases/NAME/ALIAS/N",
        )
    state = read_registry(walk.repo).models.get(known.model)
    evidence = gather(walk.repo, known.model, state.record if state else None)
    tag = evidence.tags.get(ref)
    if tag is None and not any(ref in there for there in evidence.seen.values()):
        raise NotFoundError(f"there is no tag '{ref.removeprefix(_TAGS)}'", hint="gitml pull brings tags")
    said = tag.said if tag else None
    move = said if isinstance(said, MoveTag) else None
    version = said if isinstance(said, VersionTag) else None
    if tag is not None and move is not None:
        number = max(n for r in evidence.tags if series_of(r) == series_of(ref) and (n := _number(r)))
        later = f"since then {series_of(tag.name)}{number} came" if number > move.number else ""
        _add_head(walk, tag, move.kind, later=later)
        version = _version_of(evidence, move)
    part = move.name if move else known.part
    _add_history(walk, evidence, _series(evidence, known.kind, part), [])
    return _go_down(walk, evidence, version, above=move)


def _number(ref: str) -> int:
    return int(ref[len(series_of(ref)) :] or 0)


def _version_of(evidence: Evidence, move: MoveTag) -> VersionTag | None:
    """The version that an event tags; None if it tags something else than it says."""
    version = evidence.state.tags.get(move.version)
    return version if version is not None and version.oid == move.target else None


# From a name of a model


def _verify_model(walk: _Walk, asked: ModelName) -> Verification:
    registry = read_registry(walk.repo)
    known = registry.named(asked.name)
    evidence = gather(walk.repo, known.id if known else model_id(asked.name), known.record if known else None)
    if known is None and not evidence.tags:
        raise ModelNotFoundError(asked.name, registry)
    kind, part = _place(evidence, asked)
    _add_name(walk, asked.name, evidence)
    head = evidence.state.entry(kind, part) if kind in ("stage", "alias") else None
    findings: list[Finding] = []
    if head is not None:
        version, number = _version_of(evidence, head), head.version
        _add_head(walk, evidence.tags[head.ref], kind)
        findings += _later(walk, evidence, head)
    else:
        number = {"version": asked.version, "latest": evidence.state.latest or 0}.get(kind, 0)
        version = evidence.state.tags.get(number)
    findings += _passed_over(walk, evidence, kind, number or None, part)
    _add_history(walk, evidence, _series(evidence, kind, part), findings)
    if version is None and walk.steps[-1].proof is not Proof.CHANGED:
        _raise_not_found(walk.repo, asked, kind, part)
    sound = walk.steps[-1].proof is not Proof.CHANGED
    if version is not None and asked.path and sound and walk.repo.git.has_object(version.record):
        inner = "/".join(part for part in (version.path, asked.path) if part)
        _require_path(walk.repo, version.record, inner, f"{asked.name} v{version.number}")
    return _go_down(walk, evidence, version, above=head)


def _passed_over(walk: _Walk, evidence: Evidence, kind: str, holder: int | None, part: str) -> list[Finding]:
    first = passed_over(evidence.state, kind, holder, part)
    if first is None:
        return []
    return [
        Finding(
            "deleted-version", Proof.FAILED if walk.wanted.signed else Proof.OPEN,
            f"v{first} was passed over, since a record says that it was deleted, which no signature covers",
            f"gitml models history '{evidence.state.name}'",
        )
    ]  # fmt: skip


def _place(evidence: Evidence, asked: ModelName) -> tuple[str, str]:
    """What a name means: `NAME@Production` is an alias, or else a stage; both at once is refused."""
    if asked.kind != "alias":
        return asked.kind, asked.what
    key = stage_key(asked.what)
    staged = key in evidence.state.moves.lines or key in ("staging", "production", "archived")
    aliased = asked.what in evidence.state.moves.aliases
    if staged and aliased:
        number = evidence.state.moves.numbers["alias", asked.what]
        raise UsageError(
            f"'{asked.name}@{asked.what}' means two things: there is an alias and a stage of this name",
            hint=f"'{asked.name}#{asked.what}' is the stage; 'gitml/aliases/{evidence.model}/{encode_part(asked.what)}/{number}' the alias",
        )
    if not staged:
        return "alias", asked.what
    return "stage", evidence.state.moves.names.get(key, asked.what)


def _raise_not_found(repo: Repo, asked: ModelName, kind: str, part: str) -> None:
    state = get_state(repo, asked.name)
    if kind in ("stage", "alias"):
        raise NobodyHoldsError(state, kind, part)
    version_in(state, asked, deleted=True)
    raise NotFoundError(f"'{asked.name}' leads to no version", hint="gitml fsck; gitml pull")


def _add_name(walk: _Walk, name: str, evidence: Evidence) -> None:
    """A name leads to a model by its tags, or by a record that anybody who may push can write."""
    proof = Proof.FAILED if walk.wanted.signed else Proof.OPEN
    if evidence.state.is_deleted:
        finding = Finding("deleted-model", Proof.OPEN, "a record says that the model was deleted")
        walk.steps.append(Step("name", name, (finding,)))
    if name_of_id(evidence.model) == name:
        return
    finding = Finding(
        "renamed", proof, f"'{name}' is the model {evidence.model} by a record, which no signature covers",
        f"verify it by the name in its tags: '{name_of_id(evidence.model)}'",
    )  # fmt: skip
    walk.steps.append(Step("name", name, (finding,)))


def _later(walk: _Walk, evidence: Evidence, head: MoveTag) -> list[Finding]:
    """Look at the events after the one that brought the holder: they decided that nobody holds it instead."""
    if not walk.wanted.signed:
        return []
    findings = []
    for event in deciding_events(evidence.state, head):
        tag = evidence.tags[event.ref]
        for found in signature_findings(tag.name, walk.signature(tag), walk.signers, walk.wanted):
            if found.proof is Proof.PROVED:
                continue
            message = f"{found.message}; it came after {head.ref.removeprefix(_TAGS)}, and has a say in who holds it"
            findings.append(replace(found, message=message))
    return findings


# The tags


def _add_head(walk: _Walk, tag: ReadTag, kind: str, later: str = "") -> None:
    """The tag of the stage or alias: who put the version there."""
    move = tag.said
    if not isinstance(move, MoveTag):
        raise TypeError(f"{tag.ref} is no event")
    signature = walk.signature(tag)
    findings = signature_findings(tag.name, signature, walk.signers, walk.wanted)
    what = "out of" if move.event == REMOVED else "into" if kind == "stage" else "is"
    said = f"v{move.version} {what} {move.name}" + (f": {move.comment}" if move.comment else "")
    good = signature is not None and signature.state is SignatureState.GOOD
    findings.append(Finding("event", Proof.PROVED if good else Proof.OPEN, f"it says: {said}, by {move.who}"))
    if good and not _names(signature, move.who):
        findings.append(
            Finding("other-tagger", Proof.OPEN, f"{move.who} is who it says made it, not who signed it")
        )
    if move.override:
        findings.append(Finding("override", Proof.OPEN, f"it passed over the policy: {move.override}"))
    if later:
        findings.append(Finding("superseded", Proof.OPEN, later))
    walk.steps.append(Step(kind, tag.name, tuple(findings), signature))


def _names(signature: Signature | None, who: str) -> bool:
    """Whether a signer is who a tag says made it, by the mail."""
    mail = who.rpartition("<")[2].rstrip(">")
    signer = signature.signer or "" if signature else ""
    return mail in signer.split(",") or signer.endswith((f"<{mail}>", f"/EMail={mail}"))


def _series(evidence: Evidence, kind: str, part: str) -> tuple[str, ...]:
    """Whose numbers must be whole: those of versions, and of all that has a say in who holds a place."""
    wanted = [f"{MODEL_TAGS}{evidence.model}/"]
    if kind == "stage":
        wanted.append(f"{STAGE_TAGS}{evidence.model}/")
    elif kind == "alias":
        wanted.append(f"{ALIAS_TAGS}{evidence.model}/{encode_part(part)}/")
    return tuple(wanted)


def _add_history(walk: _Walk, evidence: Evidence, wanted: tuple[str, ...], more: list[Finding]) -> None:
    """All tags that have a say: sound, numbered without gaps, where they were when others saw them."""
    repo = walk.repo
    findings = [
        *(one for one in malformed(evidence)),
        *(one for one in wrong_targets(repo, evidence)),
        *broken_counters(evidence, wanted),
        *moved_tags(repo, evidence, wanted),
        *more,
    ]
    count = sum(ref.startswith(wanted) for ref in evidence.tags)
    if all(one.proof is not Proof.CHANGED for one in findings):
        noun = "tag" if count == 1 else "tags"
        findings.insert(
            0, Finding("counters", Proof.PROVED, f"{count:,} {noun}: whole, and numbered without gaps")
        )
    findings.append(_compared(evidence, wanted))
    walk.steps.append(Step("history", evidence.model, tuple(findings)))


def _compared(evidence: Evidence, wanted: tuple[str, ...]) -> Finding:
    seen = {remote: set(there) for remote, there in evidence.seen.items()}
    if not seen:
        return Finding(
            "not-compared", Proof.OPEN, "no remote's tags were seen, so there is nothing to compare them with",
            "gitml fetch",
        )  # fmt: skip
    ours = [ref for ref in evidence.tags if ref.startswith(wanted)]
    shared = sum(any(ref in there for there in seen.values()) for ref in ours)
    return Finding(
        "compared",
        Proof.PROVED if shared == len(ours) else Proof.OPEN,
        f"{shared:,} of {len(ours):,} were at {', '.join(sorted(seen))} when last seen",
    )


def _go_down(
    walk: _Walk, evidence: Evidence, version: VersionTag | None, *, above: MoveTag | None
) -> Verification:
    """From the version's tag to the bytes and the source."""
    if version is None:
        return walk.done(model=evidence.model)
    repo, tag = walk.repo, evidence.tags[version.ref]
    # A tag above that is signed names this one by its hash: it needs no signature of its own.
    covered = any(_is_good(step) for step in walk.steps)
    signature = walk.signature(tag)
    findings = signature_findings(tag.name, signature, walk.signers, walk.wanted, vouched=covered)
    if above is not None:
        findings.append(Finding("target", Proof.PROVED, f"it is what the tag above names: {tag.oid[:12]}"))
    walk.steps.append(Step("version", tag.name, tuple(findings), signature))
    step, run = check_run(repo, version.record, version.run_id, walk.signers, walk.wanted, vouched=True)
    walk.steps.append(step)
    if run is not None:
        walk.steps.append(check_artifacts(repo, run, version, version.path, walk.wanted, walk.progress))
        walk.steps.append(check_code(repo, run, walk.signers, walk.wanted))
    return walk.done(version, evidence.model)


def _is_good(step: Step) -> bool:
    return step.signature is not None and step.signature.state is SignatureState.GOOD
