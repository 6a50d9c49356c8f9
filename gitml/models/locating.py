"""From what names a model to a folder with its files: a path, `runs:/…`, `models:/…`, `NAME@v3`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.api.connection import local_path
from gitml.api.fluent import get_client
from gitml.entities.artifact import Artifact
from gitml.entities.model import PYTHON_FUNCTION, Model
from gitml.errors import GitmlError, NotFoundError, UsageError
from gitml.formats.mlmodel import MLMODEL_FILE, decode_model
from gitml.models.directory import NoModelError, folder_digest, read_model
from gitml.models.laying_out import Content, lay_out, read_content
from gitml.models.trust import Origin
from gitml.registry.names import ModelName, is_model_name, parse_model_name, resolve_model
from gitml.render.text import plural

if TYPE_CHECKING:
    from gitml.repo import Repo

# Loaders that hand the files to code of the model's maker, which could write to them.
_HAND_OUT = ("mlflow.pyfunc.",)


@dataclass(frozen=True, slots=True)
class Located:
    """A model at hand.

    Attributes:
        folder: Where its files are; they may only be read.
        model: What its `MLmodel` file says.
        origin: Where it comes from.
    """

    folder: Path
    model: Model
    origin: Origin


@dataclass(frozen=True, slots=True)
class _Stored:
    repo: Repo
    content: Content
    origin: Origin


def locate(uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Located:
    """Find a model and lay its files out.

    Args:
        uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`,
            `models:/NAME@alias`, `NAME@v3` …
        dst_path: The folder to copy its files to, which must not have them yet; if not given, they
            stay where they are, or are linked to.

    Raises:
        NotFoundError: There is no such model.
        UsageError: It names none by its form.
        DamagedError: A file is not what it should be.
    """
    name = os.fspath(uri)
    if not is_stored(name):
        return _at_folder(name, dst_path)
    stored = _stored(name)
    model = _model_of(stored.content, name)
    if dst_path is not None:
        laid = lay_out(stored.repo, stored.content, shared=False)
        return Located(_copied(laid, Path(dst_path)), model, stored.origin)
    return Located(lay_out(stored.repo, stored.content, shared=_only_read(model)), model, stored.origin)


def read_info(uri: str | os.PathLike[str]) -> Model:
    """Read what a model says of itself; its large files need not be here.

    Raises:
        NotFoundError: There is no such model.
    """
    name = os.fspath(uri)
    if not is_stored(name):
        return _at_folder(name, None).model
    return _model_of(_stored(name).content, name)


def is_stored(name: str) -> bool:
    """Whether a model is in the repository, by what names it, and not in a folder."""
    if name.startswith(("runs:/", "models:/")):
        return True
    return "://" not in name and is_model_name(name) and not Path(name).exists()


def _at_folder(name: str, dst_path: str | os.PathLike[str] | None) -> Located:
    if "://" in name and not name.startswith("file:"):
        raise UsageError(
            f"'{name}' is not a model that gitml can reach",
            hint="use a folder, runs:/RUN_ID/path or models:/NAME/3; gitml pull brings what others recorded",
        )
    folder = local_path(name) or Path()
    if not folder.exists():
        raise _no_folder(name)
    model = read_model(folder, name)
    origin = Origin(name, lambda: folder_digest(folder))
    return Located(_copied(folder, Path(dst_path)) if dst_path is not None else folder, model, origin)


def _no_folder(name: str) -> NotFoundError:
    """Say what may have been meant by a name that is no folder: a registered model without a version."""
    from gitml.registry.versions import list_versions

    known = []
    with suppress(GitmlError):  # outside of a repository there are none
        known = [version.version for version in list_versions(get_client().repo, name)]
    if not known:
        return NotFoundError(
            f"there is no folder '{name}', and no model of that name",
            hint="gitml models list shows the registered ones; NAME@v3, NAME#production and runs:/RUN/path are others",
        )
    return NotFoundError(
        f"'{name}' has {plural(len(known), 'version')}: say which",
        hint=f"{name}@v{max(known)}, or {name}#production for the one in that stage",
    )


def _stored(name: str) -> _Stored:
    from gitml.registry import content as versions
    from gitml.registry.naming import project_stages
    from gitml.tracking.history import get_run, list_artifacts

    repo = get_client().repo
    asked = parse_model_name(name, project_stages(repo))
    found = resolve_model(repo, asked)
    version = found.version
    if version is None:
        run = get_run(repo, found.run_id)
        listed: Sequence[Artifact] = list_artifacts(repo, run, found.path)
    else:
        run = versions.recorded_run(repo, version)
        listed = versions.list_files(repo, version, asked.path)
    inside = [file for file in listed if file.path != found.path]
    if not inside:
        raise NoModelError(name)
    content = read_content(repo, run, inside, found.path)
    if version is not None and not asked.path and content.digest != version.digest:
        raise versions.VersionChangedError(version)
    origin = Origin(name, lambda: content.digest, repo, version, _moving_name(asked))
    return _Stored(repo, content, origin)


def _moving_name(asked: ModelName) -> str:
    marks = {"stage": "#", "alias": "@"}
    return f"{asked.name}{marks[asked.kind]}{asked.what}" if asked.kind in marks and not asked.path else ""


def _model_of(content: Content, name: str) -> Model:
    data = content.small.get(MLMODEL_FILE)
    if data is not None:
        return decode_model(data, source=f"{name}/{MLMODEL_FILE}")
    pointer = content.pointers.get(MLMODEL_FILE)
    if pointer is None:
        raise NoModelError(name)
    repo = get_client().repo
    with repo.objects.open(pointer) as stream:
        return decode_model(stream.read(), source=f"{name}/{MLMODEL_FILE}")


def _only_read(model: Model) -> bool:
    loader = str(model.flavors.get(PYTHON_FUNCTION, {}).get("loader_module") or "")
    return loader.startswith("mlflow.") and not loader.startswith(_HAND_OUT)


def _copied(folder: Path, target: Path) -> Path:
    if (target / MLMODEL_FILE).exists():
        raise UsageError(f"'{target}' has a model already", hint="give another folder for dst_path")
    shutil.copytree(folder, target, dirs_exist_ok=True, symlinks=True)
    return target
