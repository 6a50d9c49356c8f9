"""Repo: an opened repository. It carries handles; the verbs are functions."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.config import Settings, load_settings
from gitml.git.repo import GitRepo
from gitml.git.runs_branch import RUNS_REF
from gitml.journal import Journal
from gitml.store.local import ObjectStore

if TYPE_CHECKING:
    from gitml.index import Index

LIVE_REFS = "refs/gitml/live/"


__all__ = ["LIVE_REFS", "RUNS_REF", "Repo"]


class Repo:
    """One repository: its git, objects, live runs, index and settings."""

    def __init__(self, git: GitRepo) -> None:
        """Wrap a repository that was found; `open` finds one."""
        self.git = git
        self.root = git.common_dir / "gitml"
        self.journal = Journal(self.root)

    @classmethod
    def open(cls, path: str | Path | None = None) -> Repo:
        """Find and open the repository that a folder is in.

        Args:
            path: The folder; the current one if not given.

        Raises:
            NotARepositoryError: It is in none.
        """
        return cls(GitRepo.discover(Path(path) if path is not None else None))

    @cached_property
    def settings(self) -> Settings:
        """What the repository's configuration says, read once."""
        return load_settings(self.git)

    @cached_property
    def objects(self) -> ObjectStore:
        """The store of large files, shared with Git LFS."""
        storage = self.settings.lfs_storage
        root = self.git.common_dir / (storage or "lfs")
        return ObjectStore(root, self.root / "hashes.sqlite")

    @cached_property
    def index(self) -> Index:
        """The throw-away index of the runs branch."""
        from gitml.index import Index  # SQLite and the parser are not needed to record

        return Index(self.root / "index.sqlite", self.git, RUNS_REF)

    def close(self) -> None:
        """Let go of open files."""
        self.git.close()
        for name in ("objects", "index"):
            if name in self.__dict__:
                self.__dict__[name].close()
                del self.__dict__[name]
