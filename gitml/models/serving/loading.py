"""The model that is served: loaded, with its name and version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.models.failures import model_at_work
from gitml.models.locating import Located, is_stored, locate
from gitml.models.pyfunc.loading import read_function
from gitml.models.serving.settings import ServeSettings

if TYPE_CHECKING:
    from gitml.models.pyfunc.model import PyFuncModel


@dataclass(frozen=True, slots=True)
class Served:
    """A model that answers requests.

    Attributes:
        model: The model.
        name: What the Open Inference Protocol calls it.
        version: Its number in the registry; None of a folder or a run's model.
    """

    model: PyFuncModel
    name: str
    version: int | None


def load_served(settings: ServeSettings) -> Served:
    """Find and load the model.

    Raises:
        GitmlError: There is none, it may not run its code, or a package is missing.
    """
    located = locate(settings.uri)
    version = located.origin.version
    with model_at_work("be loaded"):
        model = read_function(located, trust=settings.trust)
    return Served(
        model, settings.name or _name_of(located, settings.uri), None if version is None else version.version
    )


def _name_of(located: Located, uri: str) -> str:
    if located.origin.version is not None:
        return located.origin.version.name
    if not is_stored(uri):
        return Path(uri.removeprefix("file://")).resolve().name or "model"
    return uri.rstrip("/").rpartition("/")[2] or "model"
