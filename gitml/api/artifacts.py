"""`gitml.artifacts`: the files of any run or model, by its id or by a URI.

URIs are `runs:/<run id>/<path>`, as `gitml.get_artifact_uri` and
`run.info.artifact_uri` give them; a run is also found by any other name for it.
`models:/NAME/3`, `models:/NAME@alias`, `models:/NAME/Production` and
`models:/NAME/latest` are versions of models, with a path after them if wanted; so are
`NAME@v3`, `NAME@alias` and `NAME#production`, where no file has that name.
Local paths and `file://` URIs are taken as they are.
"""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gitml.api.client import Client
from gitml.api.content import decode_dictionary
from gitml.api.fluent import get_client
from gitml.api.values import FileInfo
from gitml.errors import InvalidValueError, MissingExtraError, NotFoundError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text"]


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Copy a file or folder of a run or model out to the file system.

    Args:
        artifact_uri: The file or folder, or else
        run_id: the run
        artifact_path: and the path within it; everything if not given.
        dst_path: The folder to put it into by its own name, made if needed; a
            new temporary one, which is yours to remove, if not given.
        tracking_uri: The repository; the one in use if not given.
        registry_uri: The repository whose models are meant, if it is another.

    Returns:
        The absolute local path of the file or folder. A path within a version of
        a model stays as it is below `dst_path`.

    Raises:
        NotFoundError: The run has nothing there.
        UsageError: A URI and a run were both given, or neither.
    """
    local = _local_file(artifact_uri)
    if local is not None:
        return _copied(local, dst_path)
    if _is_model(artifact_uri) and run_id is None and artifact_path is None:
        client = _client(registry_uri if registry_uri is not None else tracking_uri)
        return os.path.abspath(client.download_version(str(artifact_uri), dst_path))
    found, path = _place(artifact_uri, run_id, artifact_path)
    return _client(tracking_uri).download_artifacts(found, path, dst_path)


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """List the files and folders directly within a folder of a run or model.

    Args:
        artifact_uri: The folder, or else
        run_id: the run
        artifact_path: and the folder within it; its top if not given.
        tracking_uri: The repository; the one in use if not given.

    Raises:
        RunNotFoundError: There is no such run.
        UsageError: A URI and a run were both given, or neither.
    """
    if _is_model(artifact_uri) and run_id is None and artifact_path is None:
        return _client(tracking_uri).list_version_files(str(artifact_uri))
    found, path = _place(artifact_uri, run_id, artifact_path)
    return _client(tracking_uri).list_artifacts(found, path)


def load_text(artifact_uri: str) -> str:
    """Read a file of a run or model as text in UTF-8.

    Raises:
        InvalidValueError: It is no text.
        NotFoundError: There is no such run or file.
    """
    try:
        return _read(artifact_uri).decode()
    except UnicodeDecodeError as err:
        raise InvalidValueError(
            "artifact", artifact_uri, "it is not text in UTF-8", hint="download_artifacts copies any file"
        ) from err


def load_dict(artifact_uri: str) -> Any:
    """Read a JSON file of a run or model, or a YAML file if its name ends so.

    Raises:
        InvalidValueError: It is neither.
        NotFoundError: There is no such run or file.
    """
    return decode_dictionary(_read(artifact_uri), artifact_uri)


def load_image(artifact_uri: str) -> Image:
    """Read a picture of a run or model as a Pillow image.

    Raises:
        InvalidValueError: It is no picture.
        MissingExtraError: Pillow is not installed.
        NotFoundError: There is no such run or file.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as err:
        raise MissingExtraError("reading images", "images") from err
    try:
        picture: Image.Image = Image.open(io.BytesIO(_read(artifact_uri)))
    except UnidentifiedImageError as err:
        raise InvalidValueError("artifact", artifact_uri, "it is not a picture") from err
    return picture


def _read(artifact_uri: str) -> bytes:
    local = _local_file(artifact_uri)
    if local is not None:
        return local.read_bytes()
    if _is_model(artifact_uri):
        return get_client().read_version_file(artifact_uri)
    run_id, path = _place(artifact_uri, None, None)
    return get_client().read_artifact(run_id, path)


def _client(tracking_uri: str | None) -> Client:
    return get_client() if tracking_uri is None else Client(tracking_uri)


def _is_model(artifact_uri: str | None) -> bool:
    """Whether a version of a model is meant: `models:/churn/3`, `churn@v3`, `churn#production`."""
    if artifact_uri is None or artifact_uri.startswith("runs:/") or "://" in artifact_uri:
        return False
    from gitml.registry.names import is_model_name

    return is_model_name(artifact_uri) and not Path(artifact_uri).exists()


def _place(artifact_uri: str | None, run_id: str | None, artifact_path: str | None) -> tuple[str, str]:
    """Find out which run and which path within it are meant."""
    if (artifact_uri is None) == (run_id is None):
        raise UsageError(
            "give either 'artifact_uri' or 'run_id'", hint="download_artifacts(run_id=…, artifact_path=…)"
        )
    if run_id is not None:
        return run_id, artifact_path or ""
    if artifact_path is not None:
        raise UsageError("'artifact_path' can't go with 'artifact_uri'", hint="add the path to the URI")
    scheme, _, rest = str(artifact_uri).partition(":/")
    name, _, path = rest.lstrip("/").partition("/")
    if scheme != "runs" or not name:
        raise UsageError(
            f"'{artifact_uri}' is not a run's artifact", hint="use runs:/RUN_ID/path or models:/NAME/3/path"
        )
    return name, path


def _local_file(artifact_uri: str | None) -> Path | None:
    """The local path that a URI is, None if it is an artifact of a run or model."""
    if artifact_uri is None or artifact_uri.startswith("runs:/") or _is_model(artifact_uri):
        return None
    if artifact_uri.startswith("file://"):
        return Path(unquote(artifact_uri[len("file://") :]))
    if "://" in artifact_uri:
        raise UsageError(
            f"'{artifact_uri}' is not a run's artifact", hint="use runs:/RUN_ID/path or models:/NAME/3/path"
        )
    path = Path(artifact_uri)
    if not path.exists():
        raise NotFoundError(
            f"there is no file '{artifact_uri}'", hint="artifacts of runs are runs:/RUN_ID/path"
        )
    return path


def _copied(local: Path, dst_path: str | os.PathLike[str] | None) -> str:
    local = Path(os.path.abspath(local))
    if dst_path is None:
        return str(local)
    target = Path(os.path.abspath(dst_path)) / local.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if local.is_dir():
        shutil.copytree(local, target, dirs_exist_ok=True)
    else:
        shutil.copy2(local, target)
    return str(target)
