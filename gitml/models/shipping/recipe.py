"""The Dockerfile: text made of checked values, each written so that it stays what it is.

Commands are lists of words, so no shell reads any of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitml.errors import InvalidNameError, InvalidValueError
from gitml.execution.containers.image import check_reference
from gitml.models.shipping.health import DEFAULT_PORT

MODEL_FOLDER = "/opt/ml/model"  # where SageMaker has models
ENVIRONMENT_FOLDER = "/opt/gitml"
USER = "10001:10001"
# Where packages are, if the builder is told; known to the build stage alone, which is not shipped.
INDEX_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# The only shell is one that we wrote; names of packages are its arguments, not its text.
_APT = 'apt-get update -qq && apt-get install -qq -y --no-install-recommends -- "$@" && rm -rf /var/lib/apt/lists/*'


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a Dockerfile says.

    Attributes:
        base: The base image, by digest where that is known.
        python: Its Python: `3.11`.
        labels: What is said of the image.
        offline: Whether all packages are in the context.
        with_uv: Whether uv installs them; else pip does.
        runs_code: Whether loading the model runs code of its maker, which was agreed to.
        system_packages: Debian packages that are added to the base.
    """

    base: str
    python: str
    labels: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    with_uv: bool = False
    runs_code: bool = False
    system_packages: Sequence[str] = ()


def dockerfile(recipe: Recipe) -> str:
    """Write it.

    Raises:
        InvalidNameError: The base or a package can't have that name.
        InvalidValueError: A label is more than a line of text.
    """
    base = check_reference(recipe.base)
    python = f"{ENVIRONMENT_FOLDER}/bin/python"
    make = ["python3", "prepare.py", ENVIRONMENT_FOLDER, f"--python={recipe.python}"]
    make += ["--offline"] * recipe.offline + ["--with-uv"] * recipe.with_uv
    lines = [
        "# Made by gitml; build it with: gitml models build-image, or any builder of Dockerfiles.",
        f"FROM {base} AS build",
        "ARG SOURCE_DATE_EPOCH=0",
        *(() if recipe.offline else (f"ARG {name}" for name in INDEX_VARIABLES)),
        "ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1",
        "COPY build /build",
        "WORKDIR /build",
        _words("RUN", make),
        "",
        f"FROM {base}",
        *_system(recipe.system_packages),
        # What seldom changes comes first, so that versions of a model have layers in common. Whoever
        # runs it can't write files there, so no compiled code either.
        f'ENV PATH="{ENVIRONMENT_FOLDER}/bin:$PATH" HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1',
        f"USER {USER}",
        f"EXPOSE {DEFAULT_PORT}",
        _words(
            "HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD",
            [python, "-m", "gitml.models.shipping.health"],
        ),
        _words("ENTRYPOINT", [python, "-m", "gitml", "models", "in-image"]),
        _words("CMD", ["serve"]),
        f"COPY --chown=0:0 --from=build {ENVIRONMENT_FOLDER} {ENVIRONMENT_FOLDER}",
        *(["ENV GITML_TRUST_MODELS=1"] if recipe.runs_code else []),
        *_labels(recipe.labels),
        f"COPY --chown=0:0 model {MODEL_FOLDER}",
    ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> list[str]:
    pairs = [f"{_text(key)}={_text(value)}" for key, value in sorted(labels.items())]
    return [" \\\n    ".join(("LABEL", *pairs))] if pairs else []


def _words(instruction: str, words: Sequence[str]) -> str:
    return f"{instruction} {json.dumps(list(words))}"


def _system(packages: Sequence[str]) -> list[str]:
    for name in packages:
        if not _PACKAGE.fullmatch(name):
            raise InvalidNameError(
                "system package", name, "it is no name of a Debian package", hint="libgomp1"
            )
    return [_words("RUN", ["/bin/sh", "-ec", _APT, "sh", *packages])] if packages else []


def _text(value: str) -> str:
    """Write a text in quotes; without the backslash a `$` would be a variable."""
    if _CONTROL.search(value):
        raise InvalidValueError("label", value, "it must be one line of text")
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'
