"""Submodules of code that is laid out: fetched like any other code, at the commit that is recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import NotFoundError, RefusedError
from gitml.execution.sources.fetching import CachedRepository
from gitml.execution.sources.layout import Layout, lay_out
from gitml.execution.target import TargetError, check_url, is_url, shown
from gitml.git.repo import GitRepo
from gitml.launching.launch import ShowProgress
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
        commit: The commit.
        url: Its URL, to which those of its submodules may be relative; None if it has none.
        is_local: Whether it is on this machine, so that submodules may be, too.
    """

    git: GitRepo
    commit: str
    url: str | None
    is_local: bool


def lay_out_whole(
    origin: Origin,
    folder: Path,
    stores: Sequence[ObjectStore],
    *,
    cache: Path,
    recurse_submodules: bool,
    if_here: bool = False,
    progress: ShowProgress,
) -> tuple[str, ...]:
    """Write the files of a commit into an empty folder, those of its submodules too if they are wanted.

    Args:
        origin: The commit.
        folder: Where to.
        stores: Where the content of Git LFS pointers may be.
        cache: The user's cache folder.
        recurse_submodules: Whether submodules are laid out too, and fetched for that.
        if_here: Whether those that need no fetching are laid out in any case.
        progress: Shows how far fetching and laying out is.

    Returns:
        Sentences for the user about what was left out.

    Raises:
        SubmoduleError: A submodule says no place, or one that it may not say.
        VersionNotFoundError: It does not have the commit.
        SourceUnreachableError: It can't be fetched.
        RefusedError: The code, or a submodule's, can't be laid out safely.
    """
    with progress("laying the code out", None, "files") as advance:
        layout = lay_out(origin.git, origin.commit, folder, stores=stores, advance=advance)
    if not recurse_submodules and not if_here:
        return (*layout.notes, *_empty(layout))
    filler = _Filler(cache, stores, progress, fetch=recurse_submodules)
    return layout.notes + tuple(filler.fill(origin, layout, folder, "", _DEPTH))


@dataclass(frozen=True, slots=True)
class _Declared:
    """What `.gitmodules` says of a submodule; an empty name where it can't be a path."""

    name: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills the empty folders of submodules."""

    cache: Path
    stores: Sequence[ObjectStore]
    progress: ShowProgress
    fetch: bool

    def fill(self, origin: Origin, layout: Layout, folder: Path, above: str, levels: int) -> Iterator[str]:
        """Fill those of a commit, and then theirs; yields what was left out."""
        declared = _declared(origin)
        for path, commit in layout.submodules.items():
            name = above + path
            if levels == 0:
                raise SubmoduleDepthError(name)
            inside = folder / path
            inner = self._find(origin, name, declared.get(path, _Declared()), commit)
            if inner is None:
                yield from _empty(Layout(0, {name: commit}))
                continue
            with closing(inner.git):
                with self.progress(f"laying out {name}", None, "files") as advance:
                    done = lay_out(inner.git, inner.commit, inside, stores=self.stores, advance=advance)
                yield from (f"in submodule '{name}': {note}" for note in done.notes)
                yield from self.fill(inner, done, inside, f"{name}/", levels - 1)

    def _find(self, origin: Origin, path: str, declared: _Declared, commit: str) -> Origin | None:
        """Find a submodule's commit; None if it would have to be fetched, and may not."""
        try:
            url = _resolved(origin, path, declared.url)
        except (SubmoduleError, TargetError):
            if self.fetch:
                raise
            return None
        # Where somebody has a clone of it already, as `git submodule update` makes it.
        clone = origin.git.common_dir / "modules" / declared.name
        if declared.name and (clone / "HEAD").is_file():
            git = GitRepo(clone, clone, None, origin.git.object_format)
            if git.resolve_commit(commit) == commit:
                return Origin(git, commit, url, is_local(url))
        repository = CachedRepository(self.cache, url)
        if not self.fetch and not repository.is_here(commit):
            return None
        found = repository.find(commit, self.progress)
        return Origin(repository.git, found.commit, url, is_local(url))


def _empty(layout: Layout) -> list[str]:
    return [f"{note}: --recurse-submodules fetches it" for note in layout.empty_submodules()]


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
