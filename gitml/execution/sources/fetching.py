"""Bare repositories in the cache, one for each URL, that commits are fetched into once.

A commit that came whole has a ref of its own, `refs/gitml/commits/<id>`, made last; so
after a kill there is no such ref, and the next call fetches again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from gitml.errors import RemoteError
from gitml.execution.cache import cache_folder
from gitml.execution.sources.locks import locked
from gitml.execution.sources.phases import Phases
from gitml.execution.sources.versions import (
    FULL,
    SHORT,
    Version,
    advertised_version,
    asked_refs,
    check_version,
    is_ambiguous,
    no_version,
)
from gitml.execution.target import SCHEMES, shown
from gitml.git.process import GitProcess
from gitml.git.remote import Remote, RemoteRefusedError, RemoteUnreachableError
from gitml.git.repo import GitRepo
from gitml.progress import ShowProgress
from gitml.tracking.secrets import strip_url_credentials

_COMMITS, _INCOMING = "refs/gitml/commits/", "refs/gitml/incoming/"
_EVERYTHING = {"refs/heads/*": "refs/heads/*", "refs/tags/*": "refs/tags/*"}
# git's own transports alone, and credentials from helpers and agents, never from a prompt amid a run.
_CAREFUL = {"GIT_ALLOW_PROTOCOL": ":".join(SCHEMES), "GIT_TERMINAL_PROMPT": "0"}
_BROKE_OFF = "the connection broke off"


class SourceUnreachableError(RemoteError):
    """The repository that a project comes from can't be asked."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"'{shown(url)}' can't be reached: {reason}",
            hint="check the URL, the network and your rights there; a full commit that was fetched before needs no network: -v COMMIT",
        )
        self.reason = reason


class CachedRepository:
    """What is known of one git URL."""

    def __init__(self, cache: Path, url: str) -> None:
        """Name it; nothing is made or asked yet.

        Args:
            cache: The user's cache folder.
            url: Where it is; credentials in it are used, and neither kept nor shown.
        """
        self.url = url
        self._name = strip_url_credentials(url)
        digest = hashlib.sha256(self._name.encode("utf-8", "surrogateescape")).hexdigest()
        self._top = cache / "repositories"
        self._folder = self._top / f"{digest}.git"
        self._lock = self._top / f"{digest}.lock"

    @cached_property
    def git(self) -> GitRepo:
        """The repository in the cache, which must have been made."""
        config = (self._folder / "config").read_text(encoding="utf-8", errors="replace")
        is_sha256 = re.search(r"(?im)^\s*objectformat\s*=\s*sha256", config) is not None
        return GitRepo(self._folder, self._folder, None, "sha256" if is_sha256 else "sha1")

    def find(self, version: str | None, progress: ShowProgress) -> Version:
        """Find the full commit of a version, and fetch it if it is not here.

        Args:
            version: A branch, tag, or short or full commit; None: the default branch.
            progress: Shows how far fetching is.

        Raises:
            VersionNotFoundError: There is none, or several.
            SourceUnreachableError: The remote has to be asked, and can't be.
            UnsoundObjectsError: What it sent is malformed; none of it was kept.
        """
        version = None if version is None else check_version(version)
        if version is not None and FULL.fullmatch(version):
            return self._have(Version(version, wanted=version), version, progress)
        with self._told():
            there = self._remote.advertised(*asked_refs(version))
        found = advertised_version(self._name, version, there)
        if found is None and version is not None and SHORT.fullmatch(version.lower()):
            return self._find_short(version.lower(), progress)
        if found is None:
            raise no_version(self._name, version, self._all_refs())
        return self._have(found, version, progress)

    def _have(self, wanted: Version, asked: str | None, progress: ShowProgress) -> Version:
        if self.is_here(wanted.commit):
            os.utime(self._folder)  # when it was last used
            return wanted
        cache_folder(self._top)
        with locked(self._lock):
            if not self.is_here(wanted.commit):  # else another process was faster
                self._prepare(wanted.wanted)
                if not self._is_whole(wanted.commit):
                    with self._told(), Phases(progress, f"fetching {shown(self._name)}") as phases:
                        self._fetch(wanted, phases)
            commit = self.git.resolve_commit(wanted.commit)
            if commit is not None:
                self._keep(commit)
        if commit is None:
            raise no_version(self._name, asked, self._all_refs())
        return Version(commit, wanted.branch)

    def is_here(self, commit: str) -> bool:
        """Whether a commit came whole, so that nothing has to be fetched for it."""
        return self._folder.is_dir() and self.git.tip(_COMMITS + commit) is not None

    def _is_whole(self, oid: str) -> bool:
        """Whether an object and all that it needs is here, as one that is part of a longer history."""
        asked = ["rev-list", "--objects", "--quiet", oid, "--not", "--branches", "--tags"]
        return self.git.process.run_status(asked)[0] == 0

    def _keep(self, commit: str) -> None:
        if self.git.tip(_COMMITS + commit) is None:
            self.git.move_ref(_COMMITS + commit, None, commit)

    def _fetch(self, wanted: Version, phases: Phases) -> None:
        """Fetch one commit: alone where the remote gives it, else with all branches and tags."""
        pin = f"{_INCOMING}{wanted.commit}"
        # Only the newest commit, unless all is here: then a shallow end would cut it off.
        options = [] if self._is_complete() else ["--depth=1"]
        try:
            self._remote.fetch({wanted.wanted: pin}, progress=phases, options=options)
        except (RemoteRefusedError, RemoteUnreachableError) as err:
            if isinstance(err, RemoteUnreachableError) and not err.reason.startswith(_BROKE_OFF):
                raise
        else:
            return
        # It gives no commit by its id, or no part of a history.
        beside = (
            {wanted.ref: pin}
            if wanted.ref and not wanted.ref.startswith(("refs/heads/", "refs/tags/"))
            else {}
        )
        self._fetch_everything(phases, beside)

    def _fetch_everything(self, phases: Phases, beside: dict[str, str] | None = None) -> None:
        options = ["--unshallow"] if self.git.shallow_boundary() else []
        self._remote.fetch(_EVERYTHING | (beside or {}), progress=phases, options=options)

    def _is_complete(self) -> bool:
        known = self.git.process.run(["for-each-ref", "--count=1", "refs/heads/", "refs/tags/"])
        return bool(known) and not self.git.shallow_boundary()

    def _find_short(self, version: str, progress: ShowProgress) -> Version:
        there = self._all_refs()
        if not there:
            raise no_version(self._name, version, there)
        cache_folder(self._top)
        with locked(self._lock):
            self._prepare(next(iter(there.values())))
            with self._told(), Phases(progress, f"fetching {shown(self._name)}") as phases:
                self._fetch_everything(phases)
            commit = self.git.resolve_commit(version)
            if commit is None:
                raise no_version(self._name, version, there, ambiguous=is_ambiguous(self.git, version))
            self._keep(commit)
        return Version(commit)

    def _all_refs(self) -> Mapping[str, str]:
        with self._told():
            return self._remote.advertised().refs

    @property
    def _remote(self) -> Remote:
        folder = self._folder
        process = GitProcess(folder, git_dir=folder, common_dir=folder, variables=_CAREFUL)
        return Remote(process, self.url)

    def _prepare(self, oid: str) -> None:
        """Make the repository in the cache, or clean up after a process that was killed in it; under the lock."""
        if self._folder.is_dir():
            for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/??/tmp_*"):
                for left in self._folder.glob(pattern):
                    left.unlink(missing_ok=True)
            return
        new = self._folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        cache_folder(new)
        form = "sha256" if len(oid) == 64 else "sha1"
        GitProcess(new, git_dir=new, common_dir=new).run(
            ["init", "--quiet", "--bare", "--template=", f"--object-format={form}"]
        )
        new.rename(self._folder)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell of trouble with the remote in words for who runs a project."""
        try:
            yield
        except RemoteUnreachableError as err:
            raise SourceUnreachableError(self.url, err.reason) from None
