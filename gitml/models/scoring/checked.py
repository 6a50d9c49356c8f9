"""A model that one process may load, and others load for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError
from gitml.models.directory import read_model
from gitml.models.failures import model_at_work
from gitml.models.loading import require_loadable
from gitml.models.locating import Located, locate
from gitml.models.pyfunc.loading import function_flavor, read_function
from gitml.models.pyfunc.model import PyFuncModel
from gitml.models.scoring.job import content_digest
from gitml.models.trust import Origin


def locate_checked(uri: str | os.PathLike[str], trust: bool | None) -> tuple[Located, str]:
    """Find a model that may be loaded, and hash its files.

    Raises:
        NotFoundError: There is no such model.
        NoFlavorError: It can't predict.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    located = locate(uri)
    flavor, facts = function_flavor(located)
    require_loadable(located, flavor, facts, trust, {})
    return located, content_digest(located.folder)


def load_checked(
    name: str, folder: Path, digest: str, *, model_config: Mapping[str, Any] | None = None
) -> PyFuncModel:
    """Load a model that another process was allowed to load, by its hash.

    Raises:
        DamagedError: The files have another hash.
        MissingPackageError: A package that it needs is not installed here.
    """
    if content_digest(folder) != digest:
        raise DamagedError(
            f"the files of '{name}' are not those that were looked at at the beginning", hint="begin again"
        )
    sys.dont_write_bytecode = True  # beside modules of the model it would only be in the way
    located = Located(folder, read_model(folder, name), Origin(name, lambda: digest))
    with model_at_work("be loaded"):
        return read_function(located, trust=True, quiet=True, model_config=model_config)
