"""The tags of one model as evidence: read from git itself, never from a cache, and held against each other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gitml.entities.registry import ModelRecord, MoveTag, VersionTag
from gitml.entities.verification import Finding, Proof
from gitml.errors import DamagedError
from gitml.formats.registry_names import ALIAS_TAGS, MODEL_TAGS, STAGE_TAGS, parse_ref
from gitml.formats.registry_tag import decode_tag
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.sync.seen import TAGS, list_refs

_SEEN = re.compile(r"refs/gitml/remotes/(.+?)/tags/((?:models|stages|aliases)/.+)")
_CALLS_ITSELF = re.compile(rb"object [0-9a-f]+\ntype [a-z]+\ntag ([^\n]*)\n")
_BRING = "gitml pull brings tags; if a tag was deleted, whoever has it can push it again"


@dataclass(frozen=True, slots=True)
class ReadTag:
    """A tag as git has it; `said` is None where `problem` says why it is none of the registry's."""

    ref: str
    oid: str
    content: bytes
    said: VersionTag | MoveTag | None
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.ref.removeprefix("refs/tags/")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The tags of a model.

    Attributes:
        model: The model's id.
        tags: Full name to tag.
        state: What the sound ones come to, with what the model's records say.
        seen: Remote to the tags of this model that it had when it was last seen.
    """

    model: str
    tags: Mapping[str, ReadTag]
    state: ModelState
    seen: Mapping[str, Mapping[str, str]]


def object_problem(repo: Repo, oid: str, kind: str, content: bytes) -> str | None:
    """Say what is wrong with an object that git gave: its id must be the hash of its content."""
    algorithm = hashlib.sha256 if repo.git.object_format == "sha256" else hashlib.sha1
    found = algorithm(f"{kind} {len(content)}\0".encode() + content).hexdigest()
    return None if found == oid else f"the {kind} {oid[:12]} is not what its id says: its content was changed"


def read_object(repo: Repo, oid: str, kind: str) -> bytes:
    """Read one object, and hold it against its id.

    Raises:
        DamagedError: git does not have it, or its content was changed.
    """
    content = repo.git.read_blob(oid)
    problem = object_problem(repo, oid, kind, content)
    if problem is not None:
        raise DamagedError(problem, hint="git fsck; another clone may have the right one")
    return content


def gather(repo: Repo, model: str, record: ModelRecord | None) -> Evidence:
    """Read all tags of a model."""
    folders = [f"{kind}{model}/" for kind in (MODEL_TAGS, STAGE_TAGS, ALIAS_TAGS)]
    refs = list_refs(repo, *folders)
    tags: dict[str, ReadTag] = {}
    for (ref, oid), found in zip(refs.items(), repo.git.process.cat_objects(refs.values()), strict=True):
        tags[ref] = _read(repo, ref, oid, found)
    versions = [tag.said for tag in tags.values() if isinstance(tag.said, VersionTag)]
    by_number = {version.number: version.oid for version in versions}
    events = [
        tag.said
        for tag in tags.values()
        if isinstance(tag.said, MoveTag) and by_number.get(tag.said.version) == tag.said.target
    ]
    seen: dict[str, dict[str, str]] = {}
    for ref, oid in list_refs(repo, "refs/gitml/remotes/").items():
        match = _SEEN.fullmatch(ref)
        if match and (TAGS + match[2]).startswith(tuple(folders)):
            seen.setdefault(match[1], {})[TAGS + match[2]] = oid
    return Evidence(model, tags, ModelState.of(model, versions, events, record), seen)


def _read(repo: Repo, ref: str, oid: str, found: tuple[str, bytes] | None) -> ReadTag:
    kind, content = found or ("tag", b"")
    if found is None:
        return ReadTag(ref, oid, content, None, "git lacks its object")
    if kind != "tag":
        return ReadTag(ref, oid, content, None, "it is no annotated tag with who and when")
    problem = object_problem(repo, oid, kind, content)
    if problem is not None:
        return ReadTag(ref, oid, content, None, problem)
    try:
        return ReadTag(ref, oid, content, decode_tag(ref, oid, content))
    except DamagedError as err:
        return ReadTag(ref, oid, content, None, err.message)


def malformed(evidence: Evidence) -> Iterator[Finding]:
    """Find the tags that are none of the registry's, or that disagree with what they tag."""
    for tag in evidence.tags.values():
        if parse_ref(tag.ref) is None:
            yield Finding(
                "foreign-tag", Proof.OPEN, f"{tag.name} is no name of the registry's, and counts for nothing"
            )
        elif tag.said is None:
            code = "replaced-tag" if "calls itself" in tag.problem else "malformed-tag"
            yield Finding(code, Proof.CHANGED, f"{tag.name}: {tag.problem}", _BRING)


def wrong_targets(repo: Repo, evidence: Evidence) -> Iterator[Finding]:
    """Find the events that do not tag the version that they name."""
    versions = evidence.state.tags
    for tag in evidence.tags.values():
        said = tag.said
        if not isinstance(said, MoveTag):
            continue
        version = versions.get(said.version)
        if version is None:
            yield Finding(
                "missing-version", Proof.CHANGED,
                f"{tag.name}: it is of version {said.version}, whose tag is not here", _BRING,
            )  # fmt: skip
        elif version.oid != said.target:
            yield Finding(
                "wrong-target", Proof.CHANGED,
                f"{tag.name}: it says version {said.version}, and tags {_what(repo, said.target)}",
                "one of the two tags was replaced: ask whoever made it",
            )  # fmt: skip


def _what(repo: Repo, oid: str) -> str:
    found = next(repo.git.process.cat_objects([oid]))
    match = _CALLS_ITSELF.match(found[1]) if found and found[0] == "tag" else None
    if match is None:
        return f"'{oid[:12]}', which is not here or no tag"
    return f"{match[1].decode('utf-8', 'replace')} ({oid[:12]})"


def series_of(ref: str) -> str:
    """What the number of a tag counts in: its name without the number."""
    return ref.rstrip("0123456789")


def broken_counters(evidence: Evidence, wanted: tuple[str, ...]) -> Iterator[Finding]:
    """Find gaps in numbers, and events that claim to be before those of lower numbers.

    Args:
        evidence: The tags.
        wanted: Which series to look at, by how their names begin.
    """
    series: dict[str, dict[int, ReadTag]] = {}
    for ref, tag in evidence.tags.items():
        begin = series_of(ref)
        if begin.startswith(wanted) and parse_ref(ref) is not None:
            series.setdefault(begin, {})[int(ref[len(begin) :])] = tag
    for begin, tags in sorted(series.items()):
        name = begin.removeprefix("refs/tags/")
        # The first few: a number may be as large as whoever made it liked.
        gaps = list(islice((number for number in range(1, max(tags) + 1) if number not in tags), 5))
        if gaps:
            yield Finding(
                "broken-counter", Proof.CHANGED,
                f"{name}{max(tags)} is here, and {', '.join(f'{name}{gap}' for gap in gaps)} is not",
                _BRING,
            )  # fmt: skip
        before = 0
        for number in sorted(tags):
            said = tags[number].said
            if isinstance(said, MoveTag):
                if said.order <= before:
                    yield Finding(
                        "broken-counter", Proof.CHANGED,
                        f"{name}{number} claims to be before {name}{number - 1}: its order is {said.order}",
                        "whoever made it did not know the one before, or did not want to",
                    )  # fmt: skip
                before = max(before, said.order)


def moved_tags(repo: Repo, evidence: Evidence, wanted: tuple[str, ...]) -> Iterator[Finding]:
    """Find tags that remotes have otherwise, that were deleted here, or that a reflog knows otherwise."""
    present = {ref: tag.oid for ref, tag in evidence.tags.items()}
    for remote, there in sorted(evidence.seen.items()):
        for ref, oid in sorted(there.items()):
            name = ref.removeprefix("refs/tags/")
            if present.get(ref, oid) != oid:
                yield Finding(
                    "moved-tag", Proof.CHANGED,
                    f"{name} is {present[ref][:12]} here, and was {oid[:12]} when '{remote}' was last seen",
                    "a tag of the registry is never moved: find out who moved it, here or there",
                )  # fmt: skip
            elif ref not in present and series_of(ref).startswith(wanted) and parse_ref(ref) is not None:
                yield Finding(
                    "missing-tag", Proof.FAILED, f"'{remote}' has {name}, which is not here",
                    f"gitml pull {remote}",
                )  # fmt: skip
    for ref, oid in present.items():
        before = [other for other in _logged(repo, ref) if other != oid] if ref.startswith(wanted) else []
        if before:
            yield Finding(
                "moved-tag", Proof.CHANGED,
                f"{ref.removeprefix('refs/tags/')} is {oid[:12]}, and was {before[-1][:12]} by its reflog",
                "a tag of the registry is never moved: the reflog says who moved it",
            )  # fmt: skip


def _logged(repo: Repo, ref: str) -> list[str]:
    """What a ref was, by its reflog; git keeps one of tags only if it is told to."""
    log = Path(repo.git.common_dir) / "logs" / ref
    try:
        lines = log.read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    pairs = [line.split(b" ")[:2] for line in lines if line]
    return [oid.decode("ascii", "replace") for pair in pairs for oid in pair if oid.strip(b"0")]
