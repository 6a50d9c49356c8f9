"""GTO's tags: what they say, and a version of ours written in them.

GTO tells the versions of an artifact by their commits: there is one of an artifact on a
commit, and a stage is given to the version of the commit that its tag is on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitml.entities.registry import ModelVersion
from gitml.errors import ConflictError, RefusedError
from gitml.formats.gto_tag import (
    ASSIGN,
    CREATE,
    DEPRECATE,
    DEREGISTER,
    REGISTER,
    UNASSIGN,
    GtoTag,
    is_gto_name,
    parse_gto_tag,
    semver_key,
)
from gitml.registry.content import recorded_run
from gitml.registry.tags import Sign, make_tag, now_ms
from gitml.repo import Repo

_TAGS = "refs/tags/"
_ATTEMPTS = 20
_FORMAT = "--format=%(objecttype) %(*objectname) %(taggerdate:unix) %(refname)"
# Of events in the same second: what GTO takes for the later one.
_RANK = {CREATE: 0, DEPRECATE: 1, REGISTER: 2, ASSIGN: 3, DEREGISTER: 4, UNASSIGN: 5}


@dataclass(frozen=True, slots=True)
class _Event:
    tag: GtoTag
    commit: str
    time_s: int


@dataclass(slots=True)
class _Version:
    commit: str
    name: str
    registered: bool | None = None  # None: it was never registered, only given a stage
    stages: dict[str, tuple[bool, int]] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.registered is not False


@dataclass(frozen=True, slots=True)
class GtoArtifact:
    """An artifact as `gto show` tells of it.

    Attributes:
        name: Its name.
        version: The greatest version that is registered.
        stages: Each stage of the registry to the version that was given it last.
        active: Whether it is not deprecated.
        counter: The greatest number of its tags.
        versions: Commit to version, of those that are registered.
    """

    name: str
    version: str | None
    stages: Mapping[str, str | None]
    active: bool
    counter: int
    versions: Mapping[str, str]


def read_gto(repo: Repo) -> dict[str, GtoArtifact]:
    """Read what the GTO tags of a repository say, by artifact."""
    events: dict[str, list[_Event]] = {}
    for event in _events(repo):
        events.setdefault(event.tag.name, []).append(event)
    stages = sorted({event.tag.stage for found in events.values() for event in found if event.tag.stage})
    return {name: _artifact(name, found, stages) for name, found in sorted(events.items())}


def _events(repo: Repo) -> Iterator[_Event]:
    out = repo.git.process.run(["for-each-ref", _FORMAT, "--", _TAGS]).decode("utf-8", "replace")
    found = []
    for line in out.splitlines():
        kind, commit, time_s, ref = line.split(" ", 3)
        tag = parse_gto_tag(ref.removeprefix(_TAGS)) if kind == "tag" and time_s else None
        if tag is not None:
            found.append(_Event(tag, commit, int(time_s)))
    yield from sorted(found, key=lambda one: (one.time_s, _RANK[one.tag.action]))


def _artifact(name: str, events: list[_Event], stages: list[str]) -> GtoArtifact:
    versions: dict[str, _Version] = {}
    deprecated = False
    for event in events:
        tag = event.tag
        deprecated = tag.action == DEPRECATE
        if tag.action in (CREATE, DEPRECATE):
            continue
        one = versions.setdefault(event.commit, _Version(event.commit, event.commit))
        if tag.version is not None:
            one.name, one.registered = tag.version, tag.action == REGISTER
        elif tag.stage is not None:
            one.stages[tag.stage] = (tag.action == ASSIGN, event.time_s)
    registered = {one.commit: one.name for one in versions.values() if one.registered}
    return GtoArtifact(
        name,
        max(registered.values(), key=semver_key, default=None),
        {stage: _holder(versions, stage) for stage in stages},
        not deprecated,
        max((event.tag.counter or 0 for event in events), default=0),
        registered,
    )


def _holder(versions: Mapping[str, _Version], stage: str) -> str | None:
    given = [
        (one.stages[stage][1], one.name)
        for one in versions.values()
        if one.active and stage in one.stages and one.stages[stage][0]
    ]
    return max(given, key=lambda pair: pair[0])[1] if given else None


def write_gto(
    repo: Repo,
    version: ModelVersion,
    *,
    semver: str | None = None,
    stage: str | None = None,
    sign: Sign = None,
) -> list[str]:
    """Write a version as GTO's tags, on the commit of the code that made it; what is there already stays.

    Args:
        repo: The repository.
        version: The version.
        semver: What GTO shall call it; `v0.0.N` if not given.
        stage: The stage that it is given; the one that it is in, if any, if not given.
        sign: Whether the tags are signed; if not given, what git is set up for.

    Returns:
        The tags that were made.

    Raises:
        RefusedError: GTO can't hold that.
        ConflictError: Others made the same tags too many times in a row.
    """
    stage = (stage or version.stage or "").lower() or None
    wanted = semver or f"v0.0.{version.version}"
    _check_names(version, wanted, stage)
    commit = recorded_run(repo, version).code.commit
    if commit is None or not repo.git.has_object(commit):
        raise RefusedError(
            f"the code that made version {version.version} of model '{version.name}' is in no commit here",
            hint="GTO's tags stand on commits of the code",
        )
    found = read_gto(repo).get(version.name)
    present = found.versions.get(commit) if found else None
    if present is not None and present != wanted:
        raise RefusedError(
            f"GTO calls another version of '{version.name}' on commit '{commit[:12]}' {present}, and knows one a commit",
            hint="train from another commit, or keep to gitml's own tags",
        )
    if found is not None and wanted in found.versions.values() and present is None:
        raise RefusedError(
            f"GTO has a version {wanted} of '{version.name}' on another commit", hint="give --version"
        )
    head = version.name.replace(":", "=")
    made = []
    if present is None:
        made.append(
            _make(
                repo,
                version.name,
                f"{head}@{wanted}",
                commit,
                f"{version.name} {wanted} is {version.uri}",
                sign,
            )
        )
    if stage is not None and (found is None or found.stages.get(stage) != wanted):
        made.append(
            _make(repo, version.name, f"{head}#{stage}", commit, f"{version.name} {wanted} to {stage}", sign)
        )
    return made


def _check_names(version: ModelVersion, wanted: str, stage: str | None) -> None:
    if not is_gto_name(version.name):
        raise RefusedError(
            f"GTO can't hold the name '{version.name}': letters, digits, '_', '-' and '/' of ASCII",
            hint="gitml models copy takes the version to a model with another name",
        )
    if parse_gto_tag(f"x@{wanted}") is None or wanted.endswith("!") or "#" in wanted:
        raise RefusedError(f"{wanted!r:.40} is no version of GTO's", hint="write it as v1.2.3")
    if stage is not None and not is_gto_name(stage, stage=True):
        raise RefusedError(
            f"GTO can't hold the stage '{stage}'", hint="letters, digits, '_', '-' and '/' of ASCII"
        )


def _make(repo: Repo, name: str, tag: str, commit: str, message: str, sign: Sign) -> str:
    """Make a tag with the next number of its artifact; whoever took it first keeps it."""
    for _ in range(_ATTEMPTS):
        found = read_gto(repo).get(name)
        ref = f"{_TAGS}{tag}#{(found.counter if found else 0) + 1}"
        if make_tag(repo, ref, commit, "commit", f"{message}\n", time_ms=now_ms(), sign=sign):
            return ref.removeprefix(_TAGS)
    raise ConflictError(ref, _ATTEMPTS)
