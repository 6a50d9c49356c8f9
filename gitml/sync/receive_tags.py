"""The rules for tags of the registry: made once, of the right kind, counted without gaps.

gitml/models/<name>/v<number>               a version: tags the record of a run
gitml/stages/<name>/<stage>/<number>        what stage a version came into: tags the version's tag
gitml/aliases/<name>/<alias>/<number>       what an alias means from then on: the same

What a tag says below its subject must agree with its name and with what it tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitml.entities.registry import MoveTag, VersionTag
from gitml.errors import DamagedError
from gitml.formats import commit_message
from gitml.formats.registry_tag import decode_tag
from gitml.formats.run_tree import RUN_FILE
from gitml.git.repo import GitRepo
from gitml.repo import Repo
from gitml.sync.inspect_record import parse_commit
from gitml.sync.rejection import ReceivedRef, Rejection
from gitml.sync.seen import TAGS, list_refs

_PART = r"[\w%][\w.%+=@,-]{0,249}"  # nothing that a shell or an option parser would take for something else
_NUMBER = r"[1-9][0-9]{0,17}"
_VERSION = re.compile(rf"{TAGS}(models/({_PART})/v)({_NUMBER})")
_EVENT = re.compile(rf"{TAGS}((?:stages|aliases)/({_PART})/{_PART}/)({_NUMBER})")
_HEADER = re.compile(rb"object ([0-9a-f]+)\ntype ([a-z]+)\ntag ([^\n]*)\ntagger [^\n]+\n")


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag of the registry by its name and its object.

    `series` is what its number counts in; `target` and `kind` what it tags; `content` what the object holds.
    """

    ref: str
    oid: str
    model: str
    series: str
    number: int
    is_version: bool
    target: str
    kind: str
    content: bytes

    def read(self) -> VersionTag | MoveTag:
        """Read what it says; raises DamagedError."""
        return decode_tag(self.ref, self.oid, self.content)


def is_registry_tag(ref: str, kind: str, content: bytes) -> bool:
    """Whether an object is the annotated tag that a ref of the registry must point at."""
    return oddity(ref, kind, content) is None


def oddity(ref: str, kind: str, content: bytes) -> str | None:
    """Say why an object is not the annotated tag that a ref of the registry must point at; None if it is."""
    if not (_VERSION.fullmatch(ref) or _EVENT.fullmatch(ref)):
        return "it is no name of the registry's"
    header = _HEADER.match(content) if kind == "tag" else None
    if header is None:
        return "it is no annotated tag"
    called = header[3].decode("utf-8", "replace")
    return None if called == ref.removeprefix("refs/tags/") else f"the tag calls itself '{called[:100]}'"


def odd_tags(git: GitRepo, tags: Mapping[str, str]) -> dict[str, str]:
    """Find tags that are not such as the registry makes; gives what is wrong with each.

    Args:
        git: The repository that has them.
        tags: Full name to what it points at.
    """
    contents = zip(tags, git.process.cat_objects(tags.values()), strict=True)
    found = {ref: oddity(ref, *content) if content else "git lacks it" for ref, content in contents}
    return {ref: reason for ref, reason in found.items() if reason is not None}


def foreign_tags(git: GitRepo, tags: Mapping[str, str]) -> dict[str, str]:
    """Find tags that count for nothing: odd ones, and those that do not say what the registry's do.

    Args:
        git: The repository that has them.
        tags: Full name to what it points at.
    """
    contents = zip(tags.items(), git.process.cat_objects(tags.values()), strict=True)
    found = {ref: _strangeness(ref, oid, content) for (ref, oid), content in contents}
    return {ref: reason for ref, reason in found.items() if reason is not None}


def _strangeness(ref: str, oid: str, content: tuple[str, bytes] | None) -> str | None:
    if content is None:
        return "git lacks it"
    reason = oddity(ref, *content)
    if reason is not None:
        return reason
    try:
        decode_tag(ref, oid, content[1])
    except DamagedError as err:
        return err.message
    return None


def check_tags(repo: Repo, received: Sequence[ReceivedRef], histories: Sequence[str]) -> Iterator[Rejection]:
    """Find what speaks against tags of the registry.

    Args:
        repo: The repository that is pushed to.
        received: The tags of the push.
        histories: Tips of the histories of runs, those of the push included.
    """
    tags: list[_Tag] = []
    new = [one for one in received if one.new is not None]
    answers = repo.git.process.cat_objects(one.new for one in new if one.new)
    contents = dict(zip((one.ref for one in new), answers, strict=True))
    for one in received:
        tag = _read(one, contents.get(one.ref))
        if isinstance(tag, Rejection):
            yield tag
        elif tag is not None:
            tags.append(tag)
    if tags:
        yield from _check_counters(repo, tags)
        yield from _check_versions(repo, [tag for tag in tags if tag.is_version], histories)
        yield from _check_events(repo, tags)


def _read(one: ReceivedRef, content: tuple[str, bytes] | None) -> _Tag | Rejection | None:
    match = _VERSION.fullmatch(one.ref) or _EVENT.fullmatch(one.ref)
    if match is None and one.new is None:
        return None  # not of the registry, and on its way out
    if match is None or one.new is None or one.old is not None:
        rule, message, remedy = (
            ("name", "it is no name of the registry's",
             "gitml/models/NAME/vN, gitml/stages/NAME/STAGE/N or gitml/aliases/NAME/ALIAS/N")
            if match is None
            else ("tag", "tags of the registry are never moved or deleted", "make a new one, of the next number")
        )  # fmt: skip
        return Rejection(one.ref, rule, message, remedy)
    header = _HEADER.match(content[1]) if content is not None and content[0] == "tag" else None
    if header is None:
        return Rejection(
            one.ref, "tag", "it must be an annotated tag, with who and when", "git tag --annotate"
        )
    if header[3].decode("utf-8", "replace") != one.ref.removeprefix("refs/tags/"):
        return Rejection(
            one.ref, "tag", f"the tag calls itself '{header[3].decode('utf-8', 'replace')[:100]}'",
            "push it by the name that it was made with",
        )  # fmt: skip
    return _Tag(
        one.ref,
        one.new,
        match[2],
        match[1],
        int(match[3]),
        match.re is _VERSION,
        header[1].decode(),
        header[2].decode(),
        content[1] if content else b"",
    )


def _check_counters(repo: Repo, tags: Sequence[_Tag]) -> Iterator[Rejection]:
    for series in dict.fromkeys(tag.series for tag in tags):
        present = [
            int(ref[len(TAGS + series) :])
            for ref in list_refs(repo, (TAGS + series).rpartition("/")[0] + "/")
            if ref.startswith(TAGS + series) and re.fullmatch(_NUMBER, ref[len(TAGS + series) :])
        ]
        following = max(present, default=0) + 1
        for tag in sorted((tag for tag in tags if tag.series == series), key=lambda tag: tag.number):
            if tag.number != following:
                yield Rejection(
                    tag.ref, "counter", f"the next number here is {following}",
                    "gitml pull shows who was first; push all tags in between too",
                )  # fmt: skip
                break
            following += 1


def _check_versions(repo: Repo, tags: Sequence[_Tag], histories: Sequence[str]) -> Iterator[Rejection]:
    commits = list(dict.fromkeys(tag.target for tag in tags if tag.kind == "commit"))
    if commits:
        outside = {commit for commit, _ in repo.git.rev_list(commits, histories)}
        contents = zip(commits, repo.git.process.cat_objects(commits), strict=True)
        runs = {commit: run for commit, found in contents if found and (run := _run_id(found[1]))}
    for tag in tags:
        if tag.kind != "commit" or tag.target not in runs:
            yield Rejection(tag.ref, "tag", "a version tags the record of a run", "gitml log lists runs")
        elif tag.target in outside:
            yield Rejection(
                tag.ref,
                "tag",
                f"its run '{tag.target[:12]}' is not here",
                "push the runs with it: gitml push",
            )
        else:
            yield from _disagreements(tag, run_id=runs[tag.target])


def _run_id(content: bytes) -> str | None:
    """The run that a commit is a record of; None if it is of none."""
    commit = parse_commit(content)
    if commit is None or commit.parents > 1 or commit.record_file != RUN_FILE:
        return None
    return dict(commit.trailers)[commit_message.RUN_ID]


def _disagreements(
    tag: _Tag, *, run_id: str | None = None, version: int | None = None
) -> Iterator[Rejection]:
    """Hold what a tag says against its name, and against the run or the version that it tags."""
    remedy = "make it by gitml models, which writes what belongs into it"
    try:
        said = tag.read()
    except DamagedError as err:
        yield Rejection(tag.ref, "tag", err.message, remedy)
        return
    if isinstance(said, VersionTag) and said.run_id != run_id:
        yield Rejection(tag.ref, "tag", f"it says run '{said.run_id:.80}' and tags run '{run_id}'", remedy)
    if isinstance(said, MoveTag) and said.version != version:
        yield Rejection(tag.ref, "tag", f"it says version {said.version} and tags version {version}", remedy)


def _check_events(repo: Repo, tags: Sequence[_Tag]) -> Iterator[Rejection]:
    events = [tag for tag in tags if not tag.is_version]
    if not events:
        return
    folders = dict.fromkeys(f"{TAGS}models/{tag.model}/" for tag in events)
    versions = {ref: oid for ref, oid in list_refs(repo, *folders).items() if _VERSION.fullmatch(ref)}
    versions |= {tag.ref: tag.oid for tag in tags if tag.is_version}
    known = {
        (match[2], oid): int(match[3]) for ref, oid in versions.items() if (match := _VERSION.fullmatch(ref))
    }
    for tag in events:
        if (tag.model, tag.target) not in known:
            yield Rejection(
                tag.ref, "tag", f"it must tag the tag of a version of '{tag.model}' that is here",
                "push the version with it: gitml push",
            )  # fmt: skip
        else:
            yield from _disagreements(tag, version=known[tag.model, tag.target])
