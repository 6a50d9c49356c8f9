"""What parameters of type `path` name elsewhere, brought here."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gitml.errors import InvalidNameError, NotFoundError, RemoteError, UsageError
from gitml.formats.names import check_artifact_path
from gitml.progress import ShowProgress, no_progress

if TYPE_CHECKING:
    from gitml.progress import Advance
    from gitml.repo import Repo

_OK, _GONE = 200, (404, 410)


def download_once(
    uri: str, storage: Path, *, repo: Repo | None = None, progress: ShowProgress = no_progress
) -> Path:
    """Copy the file or folder that a URI names, unless it was copied there before.

    Several processes may ask for one at once: each downloads, the first counts.

    Args:
        uri: As of `download`.
        storage: A folder for downloads; made if needed.
        repo: As of `download`.
        progress: Shows how far it is.

    Returns:
        Where the file or folder is now.

    Raises:
        GitmlError: As of `download`.
    """
    place = storage / hashlib.sha256(uri.encode()).hexdigest()[:16]
    if not place.is_dir():
        fresh = storage / f"{place.name}-{uuid.uuid4().hex}"
        found = download(uri, fresh / "data", repo=repo, progress=progress)
        (fresh / "path").write_text(found.relative_to(fresh).as_posix())
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():
                raise
            shutil.rmtree(fresh)
    return place / (place / "path").read_text()


def download(
    uri: str, folder: Path, *, repo: Repo | None = None, progress: ShowProgress = no_progress
) -> Path:
    """Copy the file or folder that a URI names.

    Args:
        uri: `https://`, `http://`, a bucket or machine as artifacts can travel through, or, with a
            repository, `runs:/RUN/path` and what names a model.
        folder: Where to put it by its own name; made, and must not be there yet.
        repo: Where runs and models are looked up, and whose settings count.
        progress: Shows how far it is.

    Returns:
        Where the file or folder is now.

    Raises:
        NotFoundError: There is nothing.
        RemoteError: It can't be reached, or breaks off.
        UsageError: The URI is of no kind that is known, or the folder is there.
    """
    from gitml.tracking.secrets import strip_url_credentials

    shown = strip_url_credentials(uri)[:200]
    try:
        folder.mkdir(parents=True)
    except OSError as err:
        raise UsageError(
            f"'{folder}' can't be made for '{shown}': {(err.strerror or str(err)).lower()}",
            hint="name another folder: --storage-dir DIR",
        ) from err
    scheme = uri.partition(":")[0].lower()
    with progress(f"downloading {shown}", None, "B") as done:
        if scheme in ("runs", "models"):
            return _of_record(uri, folder, repo, done)
        if scheme in ("http", "https"):
            return _over_http(uri, shown, folder, repo, done)
        from gitml.store.cloud.fetching import fetch

        return fetch(uri, _settings(repo, scheme), os.environ, folder, done)


def _settings(repo: Repo | None, scheme: str) -> dict[str, str]:
    """The options of the store of artifacts, if it is of the same kind."""
    own = repo.settings.artifacts_url if repo is not None else None
    same = own is not None and own.lower().startswith(f"{scheme}://")
    return dict(repo.settings.values) if repo is not None and same else {}


def _of_record(uri: str, folder: Path, repo: Repo | None, done: Advance) -> Path:
    if repo is None:
        raise UsageError(f"'{uri[:200]}' needs a repository with runs", hint="run it in one")
    from gitml.registry.content import export_version
    from gitml.registry.names import resolve_model
    from gitml.tracking.history import export_artifacts, get_run

    found = resolve_model(repo, uri)
    if found.version is not None:
        return export_version(repo, found.version, found.name.path, folder, bare=True, progress=done)
    return export_artifacts(repo, get_run(repo, found.run_id), found.path, folder, progress=done)


def _over_http(uri: str, shown: str, folder: Path, repo: Repo | None, done: Advance) -> Path:
    from gitml.store.cloud.fetching import write_new
    from gitml.store.lfs.http import Http, Limits
    from gitml.store.lfs.trouble import Trouble
    from gitml.store.lfs.urls import UnusableUrlError, split_http, without_user

    values = repo.settings.values if repo is not None else {}
    try:
        split_http(uri)
        url, user, password = without_user(uri)
    except UnusableUrlError as err:
        raise UsageError(f"'{shown}' can't be downloaded: it is {err}") from err
    headers = {"User-Agent": "gitml", "Accept-Encoding": "identity"}
    if user is not None:
        signed = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {signed}"
    target = folder / _file_name(url)
    # Headers that git's configuration has for any server are for git's servers.
    with closing(Http(values, os.environ, Limits.of(values), url, extra_headers=())) as http:
        try:
            with closing(http.send("GET", url, headers)) as reply:
                if reply.status in _GONE:
                    raise NotFoundError(f"there is nothing at '{shown}'", hint="correct the URL")
                if reply.status != _OK:
                    raise RemoteError(
                        f"'{shown}' can't be downloaded: the server answers {reply.status}",
                        hint="see in a browser what it says",
                    )
                write_new(target, reply.blocks(), done)
        except Trouble as err:
            raise RemoteError(f"'{shown}' can't be downloaded: {err.reason}", hint=err.hint) from None
    return target


def _file_name(url: str) -> str:
    """The last part of a URL's path, never a name that the server says."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    try:
        return check_artifact_path(name) if "/" not in name else "download"
    except InvalidNameError:
        return "download"
