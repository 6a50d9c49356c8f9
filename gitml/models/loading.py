"""Loading a model: find it, see that it may be loaded, and let its flavor read it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitml.entities.model import PYTHON_FUNCTION, Model
from gitml.models.contract import Flavor
from gitml.models.directory import CODE, REQUIREMENTS_FILE, put_on_path
from gitml.models.errors import MissingPackageError, NoFlavorError
from gitml.models.flavor_registry import find_flavor
from gitml.models.locating import Located, locate
from gitml.models.requirements import mismatches, requirement_name
from gitml.models.trust import require_trust

Path_ = str | os.PathLike[str]
# Distributions whose modules have other names.
_MODULES = {"sklearn": "scikit-learn", "cv2": "opencv-python", "PIL": "pillow", "yaml": "pyyaml"}


class ModelVersionsWarning(UserWarning):
    """What the model was made with is not what is installed."""


def load_native(
    flavor: str, uri: Path_, *, dst_path: Path_ | None = None, trust: bool | None = None,
    options: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Load a model as its framework has it.

    Args:
        flavor: The flavor's name.
        uri: The model; see `locating.locate`.
        dst_path: The folder to copy its files to.
        trust: Whether code in it may run; see `trust`.
        options: What only this flavor's `load_model` takes.

    Raises:
        NoFlavorError: The model has no such flavor.
        UntrustedModelError: It would run code, and nothing vouches for it.
        MissingPackageError: A package that it needs is not installed.
    """
    located = locate(uri, dst_path)
    facts = located.model.flavors.get(flavor)
    if facts is None:
        raise NoFlavorError(located.origin.name, flavor, sorted(located.model.flavors))
    return read(located, find_flavor(flavor), facts, trust, options or {})


def read(
    located: Located, flavor: Flavor, facts: Mapping[str, Any], trust: bool | None, options: Mapping[str, Any]
) -> Any:
    """Let a flavor read a model that was found, if it may; see `load_native`."""
    require_loadable(located, flavor, facts, trust, options)
    put_on_path(located.folder, code_of(located.model, facts))
    try:
        return flavor.read(located.folder, facts, options)
    except ModuleNotFoundError as err:
        raise missing(located, err) from err
    except MissingPackageError as err:
        raise MissingPackageError(f"'{located.origin.name}'", _recorded(located, err.requirement)) from err


def require_loadable(
    located: Located, flavor: Flavor, facts: Mapping[str, Any], trust: bool | None, options: Mapping[str, Any]
) -> None:
    """See to it that a flavor may read a model that was found; nothing of it is read.

    Raises:
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    code = code_of(located.model, facts)
    reasons = [*flavor.code(located.folder, facts, options)]
    if code is not None:
        reasons.append(f"it brings modules of its own, in '{code}'")
    require_trust(located.origin, reasons, trust)


def code_of(model: Model, facts: Mapping[str, Any]) -> object:
    """Name the folder of modules that a model brings along; None if it has none."""
    return facts.get(CODE) or model.flavors.get(PYTHON_FUNCTION, {}).get(CODE)


def missing(located: Located, err: ModuleNotFoundError) -> MissingPackageError:
    """Say what to install for a module that isn't there: as the model's requirements have it."""
    module = (err.name or "").partition(".")[0] or str(err)
    name = requirement_name(_MODULES.get(module, module)) or module
    return MissingPackageError(f"'{located.origin.name}'", _recorded(located, name))


def _recorded(located: Located, name: str) -> str:
    """A package with the version that the model was made with, where its requirements tell."""
    known = {requirement_name(line): line for line in requirements_in(located.folder)}
    return known.get(requirement_name(name), name)


def requirements_in(folder: Path) -> Sequence[str]:
    """The lines of a model's requirements that name a package; none if it has no such file."""
    try:
        text = (folder / REQUIREMENTS_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [line.strip() for line in text.splitlines() if re.match(r"\s*[A-Za-z0-9]", line)]


def warn_of_other_versions(located: Located) -> None:
    """Tell which packages are not what the model was made with."""
    told = mismatches(requirements_in(located.folder))
    if told:
        warnings.warn(
            f"'{located.origin.name}' was made with other packages: {'; '.join(told[:10])}; "
            f"gitml models env '{located.origin.name}' makes its environment",
            ModelVersionsWarning,
            stacklevel=4,
        )
