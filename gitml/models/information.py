"""What a model says of itself, and saying it anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gitml.api.connection import local_path
from gitml.entities.model import Model, ModelInfo
from gitml.entities.signature import ModelSignature
from gitml.errors import RefusedError, UsageError
from gitml.models import trust
from gitml.models.directory import folder_digest, read_model, write_model
from gitml.models.locating import is_stored, read_info


def get_model_info(model_uri: str | os.PathLike[str]) -> ModelInfo:
    """Read what a model says of itself; nothing of it is loaded.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `NAME@v3` …

    Raises:
        NotFoundError: There is no such model.
    """
    model = read_info(model_uri)
    name = os.fspath(model_uri)
    return ModelInfo(name, model.artifact_path or "", model.run_id, model, model.artifact_path)


def set_signature(model_uri: str | os.PathLike[str], signature: ModelSignature) -> None:
    """Give a model in a folder another signature.

    Args:
        model_uri: The folder. What a run or the registry has does not change: log it anew.
        signature: The signature.

    Raises:
        RefusedError: It is a run's model, or a version.
        NotFoundError: There is no such model.
        UsageError: It is no signature.
    """
    name = os.fspath(model_uri)
    if not isinstance(signature, ModelSignature):
        raise UsageError(
            f"'signature' is a ModelSignature, not {type(signature).__name__}",
            hint="gitml.models.infer_signature(X, model.predict(X)) makes one",
        )
    if is_stored(name):
        raise RefusedError(
            f"'{name}' is recorded, and what is recorded does not change",
            hint="log the model anew, with signature=…",
        )
    folder = local_path(name) or Path()
    model = read_model(folder, name)
    _rewrite(folder, replace(model, signature=signature, is_signature_from_type_hint=False))


def _rewrite(folder: Path, model: Model) -> None:
    """Write the `MLmodel` file; who made the model stays who made it."""
    own = trust.is_own(folder_digest(folder))
    write_model(folder, model)
    if own:
        trust.remember(folder_digest(folder))
