"""One parser and one resolver for all that names a model.

    models:/NAME/3  models:/NAME/Production  models:/NAME/latest  models:/NAME@champion
    NAME@v3         NAME#production          NAME@latest          NAME@champion
    runs:/RUN/path

What begins with `models:/` can go on with a path below the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gitml.entities.registry import ModelVersion
from gitml.errors import NotFoundError, UsageError
from gitml.formats.names import check_artifact_path
from gitml.formats.registry_names import check_alias, check_model_name, check_stage
from gitml.registry.lookup import NobodyHoldsError, get_state, version_of
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.tracking.resolve import resolve_run

Kind = Literal["version", "stage", "alias", "latest", "run"]

_MODELS, _RUNS = "models:/", "runs:/"
_DIGITS = re.compile("[0-9]{1,18}")
_VERSION = re.compile("[vV]([0-9]{1,18})")
_FORMS = "NAME@v3, NAME@champion, NAME#production, models:/NAME/3 or runs:/RUN/path"


class ModelUriError(UsageError):
    """What was given names no model, by its form."""

    def __init__(self, text: object, problem: str, hint: str | None = None) -> None:
        super().__init__(f"{text!r:.200} names no model: {problem}", hint=hint or f"write {_FORMS}")
        self.text = text


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a name says.

    Attributes:
        kind: By what it names the model.
        name: The model's name, or the run.
        what: The stage or alias.
        version: The number.
        path: What is meant below the model, or below the run's artifacts.
    """

    kind: Kind
    name: str
    what: str = ""
    version: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name leads to.

    Attributes:
        name: The name.
        version: The version, unless a run was named.
        run_id: The run.
        record: The record to read it from; None of a run that is still live.
        path: Where it is below the run's artifacts.
    """

    name: ModelName
    version: ModelVersion | None
    run_id: str
    record: str | None
    path: str


def is_model_name(text: str) -> bool:
    """Whether something is meant as the name of a model, by its form."""
    return text.startswith(_MODELS) or "@" in text[1:] or "#" in text[1:]


def parse_model_name(text: str, stages: tuple[str, ...] = ()) -> ModelName:
    """Read a name in any of its forms.

    Args:
        text: The name.
        stages: Stages of the project beside Staging, Production and Archived.

    Raises:
        ModelUriError: It has none of the forms.
        InvalidNameError: A part of it can't be a name.
    """
    if not text:
        raise ModelUriError(text, "it is empty")
    if text.startswith("models:"):
        return _parse_models(text, stages)
    if text.startswith("runs:"):
        return _parse_runs(text)
    name, mark, what = text.rpartition("#")
    if mark and name:
        return ModelName("stage", check_model_name(name), check_stage(what, stages))
    name, mark, what = text.rpartition("@")
    if not (mark and name):
        raise ModelUriError(
            text,
            "it does not say which version",
            f"write '{text}@latest', '{text}@v3' or '{text}#production'",
        )
    return _by_mark(check_model_name(name), what)


def _by_mark(name: str, what: str, path: str = "") -> ModelName:
    version = _VERSION.fullmatch(what)
    if version:
        return ModelName("version", name, version=int(version[1]), path=path)
    if what.lower() == "latest":
        return ModelName("latest", name, path=path)
    return ModelName("alias", name, check_alias(what), path=path)


def _parse_models(text: str, stages: tuple[str, ...]) -> ModelName:
    rest = text[len("models:") :]
    if rest.startswith("///"):
        rest = rest[2:]
    if not rest.startswith("/") or rest.startswith("//"):
        raise ModelUriError(
            text, "it names a server" if rest.startswith("//") else "it lacks a '/'", "write models:/NAME/3"
        )
    first, _, after = rest[1:].partition("/")
    second, _, path = after.partition("/")
    if _is_place(second, stages):
        name, path = check_model_name(first), check_artifact_path(path, allow_empty=True)
        if _DIGITS.fullmatch(second):
            return ModelName("version", name, version=int(second), path=path)
        if second.lower() == "latest":
            return ModelName("latest", name, path=path)
        return ModelName("stage", name, check_stage(second, stages), path=path)
    name, mark, alias = first.rpartition("@")
    if mark and name:
        return _by_mark(check_model_name(name), alias, check_artifact_path(after, allow_empty=True))
    if second:
        check_stage(second, stages)
    raise ModelUriError(text, "it does not say which version", f"write models:/{first or 'NAME'}/latest")


def _is_place(text: str, stages: tuple[str, ...]) -> bool:
    if _DIGITS.fullmatch(text) or text.lower() == "latest":
        return True
    known = ("staging", "production", "archived", *(stage.lower() for stage in stages))
    return text.lower() in known


def _parse_runs(text: str) -> ModelName:
    rest = text[len("runs:") :]
    if not rest.startswith("/") or rest.startswith("//"):
        raise ModelUriError(text, "it lacks a run", "write runs:/RUN/path")
    run, _, path = rest[1:].partition("/")
    if not run:
        raise ModelUriError(text, "it lacks a run", "write runs:/RUN/path")
    return ModelName("run", run, path=check_artifact_path(path, allow_empty=True))


def resolve_model(repo: Repo, name: str | ModelName, stages: tuple[str, ...] = ()) -> Resolved:
    """Find what a name leads to.

    Raises:
        ModelUriError: It has none of the forms.
        NotFoundError: There is no such model, version or run, nothing is in the stage, or the alias means nothing.
    """
    if isinstance(name, str):
        name = parse_model_name(name, stages)
    if name.kind == "run":
        run = resolve_run(repo, name.name)
        return Resolved(name, None, run.id, run.commit, name.path)
    version = find_version(repo, name)
    path = "/".join(part for part in (version.path, name.path) if part)
    return Resolved(name, version, version.run_id, version.record, path)


def find_version(repo: Repo, name: str | ModelName, stages: tuple[str, ...] = ()) -> ModelVersion:
    """Find the version that a name leads to.

    Raises:
        UsageError: It names a run, or has none of the forms.
        NotFoundError: It leads nowhere.
    """
    if isinstance(name, str):
        name = parse_model_name(name, stages)
    if name.kind == "run":
        raise ModelUriError(
            f"runs:/{name.name}", "it names a run, not a version", "gitml models register makes one"
        )
    return version_in(get_state(repo, name.name), name)


def version_in(model: ModelState, name: ModelName, *, deleted: bool = False) -> ModelVersion:
    """Find the version of a model that a name leads to, which names no run.

    Raises:
        NotFoundError: It leads nowhere.
    """
    if name.kind == "version":
        return version_of(model, name.version, deleted=deleted)
    if name.kind == "latest":
        if model.latest is None:
            raise NotFoundError(
                f"model '{model.name}' has no versions", hint=f"gitml models register RUN '{model.name}'"
            )
        return model.version(model.latest)
    found = model.holder(name.what) if name.kind == "stage" else model.alias(name.what)
    if found is None:
        raise NobodyHoldsError(model, name.kind, name.what)
    return version_of(model, found)
