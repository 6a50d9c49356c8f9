"""What a version means: a branch, a tag, or a short or full commit → one full commit."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from gitml.errors import NotFoundError, UsageError
from gitml.execution.target import shown
from gitml.git.remote import Advertised
from gitml.git.repo import GitRepo
from gitml.git.runs_branch import RUNS_REF

FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
SHORT = re.compile(r"[0-9a-f]{4,63}")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_OFFERED = 3


class VersionNotFoundError(NotFoundError):
    """There is no such version, or several have that name."""

    def __init__(self, place: str, version: str | None, why: str, *, hint: str | None = None) -> None:
        asked = "" if version is None else f" '{version:.100}'"
        super().__init__(f"'{shown(place)}' {why}{asked}", hint=hint)
        self.version = version


@dataclass(frozen=True, slots=True)
class Version:
    """One commit.

    Attributes:
        commit: Its full id.
        branch: The branch that it is the tip of, if it was asked for by that.
        wanted: The object to ask a remote for: the commit, or an annotated tag of it.
        ref: The remote's ref that points at that; None if a commit was asked for.
    """

    commit: str
    branch: str | None = None
    wanted: str = ""
    ref: str | None = None


def check_version(version: str) -> str:
    """Accept a text that may be the name of a branch or tag, or a commit.

    Raises:
        UsageError: It can't be one, and may be an option or a pattern.
    """
    if not version or version.startswith("-") or re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{", version):
        raise UsageError(
            f"{version!r:.120} can't be a version", hint="give a branch, a tag, or a short or full commit"
        )
    return version.lower() if FULL.fullmatch(version.lower()) else version


def advertised_version(place: str, version: str | None, there: Advertised) -> Version | None:
    """Find a version among the refs of a remote; None if it is none of them.

    Raises:
        VersionNotFoundError: It is a branch and a tag of different commits.
    """
    if version is None or version == "HEAD":
        tip = there.refs.get("HEAD")
        branch = there.head.removeprefix(_HEADS) if there.head else None
        return Version(tip, branch, tip, "HEAD") if tip else None
    names = _names(version)
    found = [_version(name, there) for name in names if name in there.refs]
    if len({one.commit for one in found}) > 1:
        hint = f"say which: -v {' or -v '.join(names)}"
        raise VersionNotFoundError(place, version, "has both a tag and a branch", hint=hint)
    return next((one for one in reversed(found)), None)


def asked_refs(version: str | None) -> tuple[str, ...]:
    """List the refs of a remote that a version may be."""
    if version is None or version == "HEAD":
        return ("HEAD",)
    names = _names(version)
    return (*names, *(f"{name}^{{}}" for name in names if not name.startswith(_HEADS)))


def _names(version: str) -> tuple[str, ...]:
    return (version,) if version.startswith("refs/") else (_TAGS + version, _HEADS + version)


def _version(ref: str, there: Advertised) -> Version:
    branch = ref.removeprefix(_HEADS) if ref.startswith(_HEADS) else None
    return Version(there.refs.get(f"{ref}^{{}}", there.refs[ref]), branch, there.refs[ref], ref)


def local_version(git: GitRepo, place: str, version: str) -> Version:
    """Find a version in a repository on this machine, by git's own rules.

    Raises:
        VersionNotFoundError: There is none, or several begin so.
    """
    commit = git.resolve_commit(version)
    if commit is None:
        raise no_version(place, version, _own_refs(git), ambiguous=is_ambiguous(git, version))
    branch = version.removeprefix(_HEADS)
    return Version(commit, branch if git.tip(_HEADS + branch) == commit else None)


def no_version(
    place: str, version: str | None, refs: Collection[str], *, ambiguous: bool = False
) -> VersionNotFoundError:
    """Say that there is no such version, and offer the nearest names."""
    if version is None:
        return VersionNotFoundError(place, None, "has no default branch", hint="give a version: -v BRANCH")
    if ambiguous:
        hint = "give more digits of the commit's id"
        return VersionNotFoundError(place, version, "has several objects whose id begins with", hint=hint)
    import difflib  # only for who mistyped

    names = dict.fromkeys(
        ref.removeprefix(prefix) for prefix in (_HEADS, _TAGS) for ref in refs
        if ref.startswith(prefix) and not ref.endswith("^{}") and ref != RUNS_REF
    )  # fmt: skip
    close = difflib.get_close_matches(version, names, n=_OFFERED)
    there = ", ".join(close or list(names)[:_OFFERED])
    hint = (f"did you mean {there}?" if close else f"it has {there}") if there else "it has no branch or tag"
    what = "has no commit" if SHORT.fullmatch(version) else "has no branch, tag or commit"
    return VersionNotFoundError(place, version, what, hint=hint)


def _own_refs(git: GitRepo) -> list[str]:
    out = git.process.run(["for-each-ref", "--format=%(refname)", _HEADS, _TAGS])
    return out.decode("utf-8", "replace").splitlines()


def is_ambiguous(git: GitRepo, version: str) -> bool:
    """Whether the ids of several objects begin with a text."""
    if not SHORT.fullmatch(version):
        return False
    out = git.process.run(["rev-parse", f"--disambiguate={version}"], check=False)
    return len(out.split()) > 1
