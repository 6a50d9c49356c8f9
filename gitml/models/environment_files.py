"""The files of a model that say what it needs."""

from __future__ import annotations

import os

from gitml.errors import NotFoundError
from gitml.models.directory import CONDA_FILE, REQUIREMENTS_FILE
from gitml.models.flavors.shared import choice
from gitml.models.locating import locate

_FILES = {"pip": REQUIREMENTS_FILE, "conda": CONDA_FILE}


def get_model_dependencies(model_uri: str | os.PathLike[str], format: str = "pip") -> str:  # noqa: A002 - MLflow's
    """Find the file of what a model needs, as `pip install -r` or conda read it.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `NAME@v3` …
        format: `pip` for `requirements.txt`, `conda` for `conda.yaml`.

    Returns:
        The path of the file; it may only be read.

    Raises:
        NotFoundError: There is no such model, or it has no such file.
    """
    name = _FILES[choice("format", format, tuple(_FILES))]
    located = locate(model_uri)
    if not (located.folder / name).is_file():
        raise NotFoundError(f"'{located.origin.name}' has no file '{name}'", hint="it was saved without one")
    return str(located.folder / name)
