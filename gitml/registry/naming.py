"""What people write: a model with or without a version, a version in a word of its own, a run or a model.

The forms themselves are read by `names`; this decides what is meant where several things can be.
"""

from __future__ import annotations

from gitml.entities.registry import STAGES, ModelVersion
from gitml.entities.run import Run
from gitml.errors import InvalidNameError, UsageError
from gitml.formats.registry_names import check_alias
from gitml.registry.content import path_in, recorded_run, run_of
from gitml.registry.lookup import ModelNotFoundError, get_state, version_of
from gitml.registry.names import ModelName, ModelUriError, is_model_name, parse_model_name, version_in
from gitml.registry.policy_source import load_policy
from gitml.registry.reading import Registry, read_registry
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.tracking.history import RunNotFoundError
from gitml.tracking.resolve import resolve_run

_URIS = ("models:", "runs:")


class VersionWordError(UsageError):
    """A word is no version, stage or alias of a model."""

    def __init__(self, model: ModelState, word: str) -> None:
        holders, aliases = model.model().holders, model.model().aliases
        there = [f"{stage} is v{version}" for stage, version in holders.items()]
        there += [f"@{alias} is v{version}" for alias, version in aliases.items()]
        super().__init__(
            f"{word!r:.100} is no version, stage or alias of model '{model.name}'",
            hint=", ".join(there) or "write a number, or 'latest'",
        )
        self.model = model.name
        self.word = word


def stages_in_use(registry: Registry) -> tuple[str, ...]:
    """Name the stages beside Staging, Production and Archived that any version ever was in."""
    known = {stage.lower() for stage in STAGES}
    found = {
        name.lower(): name
        for model in registry.models.values()
        for name in model.moves.names.values()
        if name.lower() not in known
    }
    return tuple(found.values())


def project_stages(repo: Repo) -> tuple[str, ...]:
    """Name the stages beside Staging, Production and Archived: those in use, and those that the policy defines.

    A policy that can't be read defines none here: reading goes on, and what asks it says what is wrong.
    """
    try:
        own = load_policy(repo).stages
    except UsageError:
        own = ()
    used = stages_in_use(read_registry(repo))
    known = {stage.lower() for stage in own}
    return (*own, *(stage for stage in used if stage.lower() not in known))


def parse_any(repo: Repo, text: str) -> ModelName | None:
    """Read a name as people write it; None if it is the bare name of a model.

    A model whose name looks like a version of another one is that model.

    Raises:
        UsageError: It has none of the forms.
    """
    registry = read_registry(repo)
    exact = not text.startswith(_URIS) and registry.named(text) is not None
    if exact or not (text.startswith(_URIS) or is_model_name(text)):
        return None
    return parse_model_name(text, project_stages(repo))


def find_model(repo: Repo, text: str, *, deleted: bool = False) -> ModelState:
    """Find the model that a name means, whether or not it says which version.

    Raises:
        NotFoundError: There is none.
        UsageError: It names a run, or has none of the forms.
    """
    name = parse_any(repo, text)
    if name is not None and name.kind == "run":
        raise ModelUriError(text, "it names a run", "gitml models register makes a version of it")
    return get_state(repo, text if name is None else name.name, deleted=deleted)


def find_version_named(
    repo: Repo, text: str, word: str | None = None, *, deleted: bool = False
) -> ModelVersion:
    """Find a version by one name (`churn@v3`), or by a model's and a word (`churn`, `v3`).

    Args:
        repo: The repository.
        text: The model, or the version in any form.
        word: A number, `v3`, a stage, an alias or `latest`.
        deleted: Whether a deleted version will do.

    Raises:
        NotFoundError: There is no such model or version, nothing is in the stage, or the alias means nothing.
        UsageError: It does not say which version, or says it twice.
    """
    name = parse_any(repo, text)
    if name is None:
        if word is None:
            raise ModelUriError(
                text, "it does not say which version", f"write '{text}@latest', '{text}@v3' or '{text}#production'"
            )  # fmt: skip
        state = get_state(repo, text, deleted=deleted)
        return version_by_word(state, word, project_stages(repo), deleted=deleted)
    if word is not None:
        raise UsageError(
            f"'{text}' says which version already, and '{word}' does again",
            hint=f"write '{name.name}' {word}",
        )
    if name.kind == "run":
        raise ModelUriError(text, "it names a run, not a version", "gitml models register makes one")
    return version_in(get_state(repo, name.name, deleted=deleted), name, deleted=deleted)


def version_by_word(
    model: ModelState, word: str, stages: tuple[str, ...] = (), *, deleted: bool = False
) -> ModelVersion:
    """Find a version of a model by a number, `v3`, a stage, an alias or `latest`.

    Raises:
        NotFoundError: There is no such version, or nothing is in the stage.
        UsageError: It is none of these.
    """
    bare = word.removeprefix("@").removeprefix("#")
    if bare[:1] in "vV" and bare[1:].isascii() and bare[1:].isdigit():
        bare = bare[1:]
    if bare.isascii() and bare.isdigit() and len(bare) <= 18:
        return version_in(model, ModelName("version", model.name, version=int(bare)), deleted=deleted)
    if bare.lower() == "latest":
        return version_in(model, ModelName("latest", model.name), deleted=deleted)
    stage = next((name for name in (*STAGES, *stages) if name.lower() == bare.lower()), None)
    if stage is not None and not word.startswith("@"):
        return version_in(model, ModelName("stage", model.name, stage), deleted=deleted)
    try:
        found = model.alias(check_alias(bare))
    except InvalidNameError:
        found = None
    if found is None:
        raise VersionWordError(model, word)
    return version_of(model, found, deleted=deleted)


def resolve_run_or_version(repo: Repo, text: str) -> Run:
    """Find the run that is meant: by a name of its own, or by that of a model that it made.

    Raises:
        NotFoundError: There is neither.
        UsageError: It means several runs, or has none of the forms.
    """
    if text.startswith(_URIS):
        name = parse_any(repo, text)
        if name is not None and name.kind == "run":
            return resolve_run(repo, name.name)
        return run_of(repo, find_version_named(repo, text))
    try:
        return resolve_run(repo, text)
    except RunNotFoundError as err:
        version = _version_instead(repo, text, err)
    return run_of(repo, version)


def _version_instead(repo: Repo, text: str, no_run: RunNotFoundError) -> ModelVersion:
    """Find the version that is meant by what is no run."""
    if not is_model_name(text):
        raise no_run
    registry = read_registry(repo)
    model = text[: max(text.rfind("#"), text.rfind("@"))]
    if registry.named(model) is None:
        error = ModelNotFoundError(model, registry)
        if "did you mean" not in (error.hint or ""):
            raise no_run
        raise error from None
    return find_version_named(repo, text)


def resolve_place(repo: Repo, text: str, path: str = "") -> tuple[Run, str]:
    """Find a run and a path in it: below a version's own path where a model is named.

    Raises:
        NotFoundError: There is no such run or model.
        UsageError: It means several runs, or has none of the forms.
    """
    if text.startswith(_URIS):
        name = parse_any(repo, text)
        inner = "/".join(part for part in (name.path if name else "", path) if part)
        if name is not None and name.kind == "run":
            return resolve_run(repo, name.name), inner
        return _in_version(repo, find_version_named(repo, text), inner)
    try:
        return resolve_run(repo, text), path
    except RunNotFoundError as err:
        version = _version_instead(repo, text, err)
    return _in_version(repo, version, path)


def _in_version(repo: Repo, version: ModelVersion, path: str) -> tuple[Run, str]:
    return recorded_run(repo, version), path_in(version, path)
