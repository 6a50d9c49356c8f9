"""From what a user types to a request that a target can take."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import InvalidNameError, NotARepositoryError, UsageError
from gitml.execution.backends.options import Kind, check_config
from gitml.execution.containers.image import check_reference
from gitml.models.deployments.contract import DeployedModel, DeploymentRequest, Place, Target
from gitml.models.locating import is_stored, read_info
from gitml.models.shipping.shipping import IMAGE_TAG

if TYPE_CHECKING:
    from gitml.repo import Repo

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,51}[a-z0-9])?")
_BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def check_name(name: str) -> str:
    """Check that a deployment can be called that: a name that DNS, Kubernetes and clouds take.

    Raises:
        InvalidNameError: It can't.
    """
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            "deployment",
            name,
            "lower-case letters, digits and '-' are allowed, 53 at most",
            hint="--name churn",
        )
    return name


def default_name(uri: str) -> str:
    """Name the deployment of a model after it.

    Raises:
        InvalidNameError: Nothing that is left of it can be a name.

    Example:
        >>> default_name("models:/Churn_EU/Production")
        'churn-eu'
    """
    text = re.sub(r"^(?:models|runs):/|^file:/*", "", uri)
    text = text.rstrip("/").rpartition("/")[2] if not uri.startswith("models:/") else text.partition("/")[0]
    text = re.split(r"[@#]", text)[0]
    return check_name(re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:53].rstrip("-"))


def make_place(target: Target, given: Mapping[str, str], environ: Mapping[str, str]) -> Place:
    """Check what `-C` was given; `env.NAME=text` adds to a mapping, and commas divide lists.

    Raises:
        BackendConfigError: An option is not known, or its value of another kind.
    """
    config: dict[str, object] = {}
    for key, value in given.items():
        name, dot, inner = key.partition(".")
        option = target.options.get(name.replace("-", "_"))
        if dot:
            mapping = config.setdefault(name, {})
            if isinstance(mapping, dict):
                mapping[inner] = value
        elif option is not None and option.kind is Kind.TEXTS:
            config[name] = value.split(",")
        else:
            config[name] = value
    checked = check_config(target.name, target.options, config, common={}, what="target")
    return Place(checked, environ, _folder())


def make_request(
    target: Target, uri: str, place: Place, *, name: str | None, image: str | None, trust: bool
) -> DeploymentRequest:
    """Find a model, and the image that it is in where the target runs images.

    Args:
        target: Where it goes.
        uri: The model; see `gitml.models.locating.locate`.
        place: The place.
        name: What the deployment is to be called; None: as the model.
        image: The image; None: the one that was pushed for the version.
        trust: Whether code in it may run.

    Raises:
        NotFoundError: There is no such model.
        UsageError: There is no image, or it is not named by digest.
    """
    model = _model(uri, image)
    called = check_name(name) if name is not None else default_name(model.name or uri)
    if target.needs_image:
        _check_image(model, allow_tag=bool(place.config.get("allow_tag")))
    return DeploymentRequest(called, model, place, trust)


def _model(uri: str, image: str | None) -> DeployedModel:
    from gitml.api.fluent import get_client
    from gitml.registry.names import parse_model_name
    from gitml.registry.naming import find_version_named, project_stages

    if not is_stored(uri) or uri.startswith("runs:/"):
        info = read_info(uri)
        place = uri if "://" in uri or is_stored(uri) else os.path.abspath(uri)
        return DeployedModel(place, run_id=info.run_id, image=image)
    repo = get_client().repo
    version = find_version_named(repo, uri)
    asked = parse_model_name(uri, project_stages(repo))
    return DeployedModel(
        uri, version.name, version.version, version.stage if asked.kind == "stage" else None, version.run_id,
        version.digest, image or version.tags.get(IMAGE_TAG),
    )  # fmt: skip


def _check_image(model: DeployedModel, *, allow_tag: bool) -> None:
    if model.image is None:
        raise UsageError(
            f"no image of '{model.label}' is known",
            hint=f"gitml models build-image '{model.uri}' -t REGISTRY/NAME:TAG --push; or: --image NAME@sha256:...",
        )
    check_reference(model.image)
    if not (allow_tag or _BY_DIGEST.fullmatch(model.image)):
        raise UsageError(
            f"'{model.image}' can come to mean another image", hint="name it by digest; or: -C allow_tag=true"
        )


def _folder() -> Path | None:
    """Where the repository around us keeps what is of this machine alone; None if there is none."""
    from gitml.api.fluent import get_client

    try:
        repo: Repo = get_client().repo
    except NotARepositoryError:
        return None
    return repo.root / "deployments"
