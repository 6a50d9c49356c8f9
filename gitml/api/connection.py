"""What all parts of a client share: the repository and the runs it has open."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gitml.api.open_runs import OpenRuns
from gitml.config import chosen_repository
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.repo import Repo


class Connection:
    """A repository opened for Python callers."""

    def __init__(
        self,
        repo: Repo | str | Path | None = None,
        *,
        tracking_uri: str | Path | None = None,
        strict: bool = False,
    ) -> None:
        """Open a repository.

        Args:
            repo: An open one, or a path in it; if not given, the one that
                `GITML_REPO` names, or that the current folder is in.
            tracking_uri: MLflow's name for the path; `file://` is understood.
            strict: Whether trouble with the disk raises rather than warns.

        Raises:
            NotARepositoryError: The path is in none.
            UsageError: It is the address of a server.
        """
        where = repo if repo is not None else tracking_uri
        # Code that was laid out for a run has no repository around it.
        self.repo = open_repository(where if where is not None else chosen_repository())
        self.open_runs = OpenRuns(self.repo, strict=strict)
        # At the end of the process too: late words to ended runs must reach their record.
        self._closer = weakref.finalize(self, self.open_runs.close)

    @property
    def strict(self) -> bool:
        """Whether trouble with the disk raises rather than warns."""
        return self.open_runs.strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        self.open_runs.strict = strict

    @property
    def artifact_location(self) -> str:
        """The folder in which this repository keeps large files."""
        return str(self.repo.git.common_dir / (self.repo.settings.lfs_storage or "lfs"))

    @property
    def tracking_uri(self) -> str:
        """The repository as a `file://` URI of its folder."""
        return self._folder.resolve().as_uri()

    @property
    def _folder(self) -> Path:
        return self.repo.git.work_tree or self.repo.git.common_dir

    # Another process opens the repository itself; runs that are open here are joined there when written to.
    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (type(self), str(self._folder.resolve()), self.strict)

    def flush(self) -> None:
        """Record what was logged to runs that had ended already."""
        self.open_runs.flush()

    def close(self) -> None:
        """Flush, and let go of runs and files; the client can't be used afterwards."""
        self._closer()
        self.repo.close()


def _reopened(kind: type[Connection], folder: str, strict: bool) -> Connection:
    return kind(folder, strict=strict)


def open_repository(where: Repo | str | Path | None) -> Repo:
    """Open what a caller names as a repository.

    Raises:
        NotARepositoryError: The path is in none.
        UsageError: It is the address of a server.
    """
    from gitml.repo import Repo

    if isinstance(where, Repo):
        return where
    return Repo.open(local_path(where))


def local_path(uri: str | Path | None) -> Path | None:
    """Turn a path or a `file://` URI into a path.

    Raises:
        UsageError: It is the address of a server or database.

    Example:
        >>> local_path("file:///srv/my%20project").as_posix()
        '/srv/my project'
    """
    if uri is None or isinstance(uri, Path):
        return uri
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    scheme, separator, _ = uri.partition("://")
    if separator or uri.startswith("databricks"):
        raise UsageError(
            f"'{uri}' is not a folder: gitml records into a git repository, there is no {scheme} server",
            hint="give the path of a git repository, and share runs with git push",
        )
    return Path(uri)
