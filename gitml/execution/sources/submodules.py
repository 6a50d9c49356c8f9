"""Submodules of code that is laid out: fetched like any other code, at the commit that is recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from gitml.errors import NotFoundError, RefusedError
from gitml.execution.sources.fetching import CachedRepository
from gitml.execution.sources.layout import Layout, lay_out
from gitml.execution.target import TargetError, check_url, is_url, shown
from gitml.git.repo import GitRepo
from gitml.progress import ShowProgress
from gitml.store.local import ObjectStore

_MODULES = ".gitmodules"
_FILE_MODES = (0o100644, 0o100755)
_DEPTH = 8  # submodules of submodules of …


class SubmoduleError(NotFoundError):
    """A submodule can't be had."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"submodule '{path}' can't be fetched: {why}", hint="its entry in .gitmodules says where it is"
        )
        self.path = path


class SubmoduleDepthError(RefusedError):
    """Submodules have submodules have submodules, and so on."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"submodule '{path}' is {_DEPTH} submodules deep", hint="that is as deep as gitml goes"
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where code with submodules comes from.

    Attributes:
        git: The repository that has it.
        commit: The commit, or its tree.
        url: Its URL, to which those of its submodules may be relative; None if it has none.
        is_local: Whether it is on this machine, so that submodules may be, too.
    """

    git: GitRepo
    commit: str
    url: str | None
    is_local: bool


@dataclass(frozen=True, slots=True)
class _Declared:
    """What `.gitmodules` says of a submodule; an empty name where it can't be a path."""

    name: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class EmptySubmodule:
    """A submodule whose folder is empty, because its commit is not on this machine or was not wanted.

    Attributes:
        origin: The code that it is part of.
        path: Its path, seen from the top of all code.
        declared: What that code says of it.
        commit: The commit that it is at.
        folder: Its folder.
        levels: How many submodules deep there can be more.
    """

    origin: Origin
    path: str
    declared: _Declared
    commit: str
    folder: Path
    levels: int

    @property
    def note(self) -> str:
        """Say so to the user."""
        return (
            f"'{self.path}' is a submodule, at commit '{self.commit[:12]}'; "
            "its folder is empty: --recurse-submodules fetches it"
        )


@dataclass(frozen=True, slots=True)
class WholeLayout:
    """Code that was laid out with its submodules, or some of them.

    Attributes:
        files: How many files and links it has, without those of submodules.
        notes: Sentences for the user about what was left out.
        empty: Submodules whose folders are empty.
    """

    files: int
    notes: tuple[str, ...] = ()
    empty: tuple[EmptySubmodule, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The notes, and those on empty submodules."""
        return (*self.notes, *(one.note for one in self.empty))


class Recurse(Enum):
    """Which submodules are laid out."""

    NONE = "none"
    HERE = "here"  # those that need no fetching
    ALL = "all"


def lay_out_whole(
    origin: Origin,
    folder: Path,
    stores: Sequence[ObjectStore],
    *,
    cache: Path,
    recurse: Recurse,
    progress: ShowProgress,
) -> WholeLayout:
    """Write the files of a commit into an empty folder, those of its submodules too if they are wanted.

    Args:
        origin: The commit.
        folder: Where to.
        stores: Where the content of Git LFS pointers may be.
        cache: The user's cache folder.
        recurse: Which submodules are laid out too.
        progress: Shows how far fetching and laying out is.

    Raises:
        SubmoduleError: A submodule says no place, or one that it may not say.
        VersionNotFoundError: It does not have the commit.
        SourceUnreachableError: It can't be fetched.
        RefusedError: The code, or a submodule's, can't be laid out safely.
    """
    with progress("laying the code out", None, "files") as advance:
        layout = lay_out(origin.git, origin.commit, folder, stores=stores, advance=advance)
    filler = _Filler(cache, stores, progress, recurse)
    notes = (*layout.notes, *filler.fill(origin, layout, folder, "", _DEPTH))
    return WholeLayout(layout.files, notes, tuple(filler.empty))


def fetch_submodules(
    empty: Sequence[EmptySubmodule], stores: Sequence[ObjectStore], *, cache: Path, progress: ShowProgress
) -> tuple[str, ...]:
    """Fetch submodules that were left empty, and theirs, into their folders.

    Returns:
        Sentences for the user about what was left out.

    Raises:
        SubmoduleError: A submodule says no place, or one that it may not say.
        VersionNotFoundError: It does not have the commit.
        SourceUnreachableError: It can't be fetched.
        RefusedError: Its code can't be laid out safely.
    """
    filler = _Filler(cache, stores, progress, Recurse.ALL)
    notes: list[str] = []
    for one in empty:
        if any(one.folder.iterdir()):
            notes.append(f"submodule '{one.path}' is not fetched: paths in it are lent")
        else:
            notes += filler.fill_one(one)
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills the empty folders of submodules; `empty` are those that it left empty."""

    cache: Path
    stores: Sequence[ObjectStore]
    progress: ShowProgress
    recurse: Recurse
    empty: list[EmptySubmodule] = field(default_factory=list)

    def fill(self, origin: Origin, layout: Layout, folder: Path, above: str, levels: int) -> Iterator[str]:
        """Fill those of a commit, and then theirs; yields what was left out."""
        declared = _declared(origin) if layout.submodules else {}
        for path, commit in layout.submodules.items():
            said = declared.get(path, _Declared())
            one = EmptySubmodule(origin, above + path, said, commit, folder / path, levels)
            yield from self.fill_one(one)

    def fill_one(self, one: EmptySubmodule) -> Iterator[str]:
        """Fill one of them, and then its own."""
        if one.levels == 0:
            raise SubmoduleDepthError(one.path)
        inner = None if self.recurse is Recurse.NONE else self._find(one)
        if inner is None:
            self.empty.append(one)
            return
        with closing(inner.git):
            with self.progress(f"laying out {one.path}", None, "files") as advance:
                done = lay_out(inner.git, inner.commit, one.folder, stores=self.stores, advance=advance)
            yield from (f"in submodule '{one.path}': {note}" for note in done.notes)
            yield from self.fill(inner, done, one.folder, f"{one.path}/", one.levels - 1)

    def _find(self, one: EmptySubmodule) -> Origin | None:
        """Find a submodule's commit; None if it would have to be fetched, and may not."""
        origin, commit = one.origin, one.commit
        try:
            url = _resolved(origin, one.path, one.declared.url)
        except (SubmoduleError, TargetError):
            if self.recurse is Recurse.ALL:
                raise
            return None
        # Where somebody has a clone of it already, as `git submodule update` makes it.
        for place in dict.fromkeys((origin.git.git_dir, origin.git.common_dir)):
            clone = place / "modules" / one.declared.name
            if one.declared.name and (clone / "HEAD").is_file():
                git = GitRepo(clone, clone, None, origin.git.object_format)
                if git.resolve_commit(commit) == commit:
                    return Origin(git, commit, url, is_local(url))
        repository = CachedRepository(self.cache, url)
        if self.recurse is not Recurse.ALL and not repository.is_here(commit):
            return None
        found = repository.find(commit, self.progress)
        return Origin(repository.git, found.commit, url, is_local(url))


def _declared(origin: Origin) -> dict[str, _Declared]:
    """Read what is said of the submodules, by their paths; git reads the file, and nothing that it includes."""
    entry = origin.git.entry_at(origin.commit, _MODULES)
    if entry is None or entry.mode not in _FILE_MODES:
        return {}
    out = origin.git.process.run(["config", f"--blob={entry.oid}", "--no-includes", "-z", "--list"])
    found: dict[str, dict[str, str]] = {}
    for item in os.fsdecode(out).split("\0"):
        key, _, value = item.partition("\n")
        name, _, variable = key.removeprefix("submodule.").rpartition(".")
        found.setdefault(name, {})[variable] = value
    return {
        one["path"]: _Declared("" if _leaves(name) else name, one["url"])
        for name, one in found.items()
        if "path" in one and "url" in one
    }


def _leaves(name: str) -> bool:
    """Whether a submodule's name, which is a path too, is one that git refuses."""
    return any(part in ("", ".", "..") for part in re.split(r"[/\\]", name))


def _resolved(origin: Origin, path: str, url: str) -> str:
    """Say where a submodule is.

    Raises:
        SubmoduleError: Nobody says, or it would be read from this machine for code from another.
    """
    if not url:
        raise SubmoduleError(path, "no URL is given for it")
    if url.startswith(("./", "../")):
        if origin.url is None:
            raise SubmoduleError(path, f"'{shown(url)}' is relative to a URL that the code does not have")
        url = _joined(origin.url, url)
    if url.startswith("/"):
        url = Path(url).as_uri()
    if not is_url(url):
        raise SubmoduleError(path, f"'{shown(url)}' is not a git URL")
    if is_local(check_url(url)) and not origin.is_local:
        raise SubmoduleError(path, f"'{shown(url)}' is on this machine, and the code is from another")
    return url


def is_local(url: str) -> bool:
    """Whether a URL is of this machine's own disk."""
    return url.lower().startswith(("file://", "/", "."))


def _joined(base: str, relative: str) -> str:
    """Resolve a relative URL as git does: each '../' takes off the last part of the base."""
    base, mark = base.rstrip("/"), "/"
    while match := re.match(r"\.\.?/+", relative):
        relative = relative[match.end() :]
        if match[0].startswith(".."):
            head, slash, _ = base.rpartition("/")
            base, mark = (head, "/") if slash else (base.rpartition(":")[0], ":")
    return base + mark + relative
