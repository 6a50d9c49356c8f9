"""One mechanism that saves and logs models of every flavor.

A model is written into a folder beside the one that it goes to, and appears there when it is whole.
Logging it puts its files among the run's artifacts, each with its own pointer; large ones are stored
while a second Python sees what the model imports. The `MLmodel` file comes last.
"""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gitml
from gitml.api.fluent import current_live, get_client
from gitml.entities.model import PYTHON_FUNCTION, Model, ModelInfo
from gitml.errors import UsageError
from gitml.formats.mlmodel import MLFLOW_VERSION, MLMODEL_FILE
from gitml.formats.names import check_artifact_path
from gitml.formats.registry_names import check_model_name
from gitml.models import directory, trust
from gitml.models.contract import Flavor, Written
from gitml.models.describing import describe
from gitml.models.laying_out import read_content
from gitml.models.requirements import Given, Watch, read_given, requirements_of
from gitml.render.progress import progress
from gitml.tracking.history import list_artifacts

if TYPE_CHECKING:
    from typing_extensions import Self

    from gitml.entities.signature import ModelSignature
    from gitml.repo import Repo
    from gitml.tracking.live import LiveRun

__all__ = ["Common", "Place", "log_model", "save_model"]


@dataclass(frozen=True, slots=True)
class Common:
    """What `save_model` and `log_model` take for every flavor, by name.

    Attributes:
        signature: What goes in and comes out. If not given it is found with `input_example`, by
            letting the model predict it; False: there is none.
        input_example: An input that the model takes, to be kept with it; or a pair of it and params.
        code_paths: Files and folders of modules that the model imports and no package brings.
        infer_code_paths: Find those by loading the model: modules that are below the current folder.
        pip_requirements: All that it needs, as a list or a file; what it imports if not given.
        extra_pip_requirements: What it needs besides what it imports.
        conda_env: All that it needs, as the content of a `conda.yaml` or such a file.
        metadata: Anything else to say, in words that YAML has.
        extra_files: Files to keep with it, in `extra_files/`.
        await_registration_for: Has no effect, as the next ones; they are MLflow's.
    """

    signature: ModelSignature | bool | None = None
    input_example: Any = None
    code_paths: Sequence[str | Path] | None = None
    infer_code_paths: bool = False
    pip_requirements: str | Path | Sequence[str] | None = None
    extra_pip_requirements: str | Path | Sequence[str] | None = None
    conda_env: Mapping[str, Any] | str | Path | None = None
    metadata: Mapping[str, Any] | None = None
    extra_files: Sequence[str | Path] | None = None
    await_registration_for: int | None = None
    model_type: str | None = None
    step: int = 0
    model_id: str | None = None
    prompts: Any = None
    example_no_conversion: bool | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What `log_model` takes besides `Common`.

    Attributes:
        artifact_path: The folder among the run's artifacts; or
        name: MLflow 3's word for it; `model` if neither is given.
        registered_model_name: Make it the next version of this model.
        params: Params to log to the run as well.
        tags: Tags of the version, if it is registered.
    """

    artifact_path: str | None = None
    name: str | None = None
    registered_model_name: str | None = None
    params: Mapping[str, Any] | None = None
    tags: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """Where it is among the run's artifacts.

        Raises:
            UsageError: Two places were given.
            InvalidNameError: It can't be a path there.
        """
        if None not in (self.artifact_path, self.name) and self.artifact_path != self.name:
            raise UsageError("give 'name' or 'artifact_path', not both", hint="they mean the same")
        return check_artifact_path(self.name or self.artifact_path or "model")


_COMMON = tuple(each.name for each in fields(Common))
_PLACE = tuple(each.name for each in fields(Place))


def save_model(
    flavor: Flavor, model: Any, path: str | os.PathLike[str], options: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Model:  # fmt: skip
    """Save a model to a folder.

    Args:
        flavor: How.
        model: What was trained.
        path: The folder, which must not exist or be empty.
        options: What only this flavor takes.
        given: See `Common`.

    Raises:
        FolderTakenError: There is something already.
        UsageError: The model, or what was said of it, can't be saved so.
    """
    _refuse_unknown(given, _COMMON)
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise directory.FolderTakenError(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _Draft(target.parent, flavor, model, options, Common(**given)) as draft:
        made = draft.finish()
        if draft.runs_code():
            trust.remember(directory.folder_digest(draft.folder))
        with suppress(FileNotFoundError):
            target.rmdir()
        draft.folder.rename(target)
    return made


def log_model(flavor: Flavor, model: Any, options: Mapping[str, Any], given: Mapping[str, Any]) -> ModelInfo:
    """Keep a model with the current run; one is started if there is none.

    Args:
        flavor: How.
        model: What was trained.
        options: What only this flavor takes.
        given: See `Common` and `Place`.

    Raises:
        InvalidNameError: The folder or the model's name can't be used.
        UsageError: The model, or what was said of it, can't be saved so.
    """
    _refuse_unknown(given, (*_PLACE, *_COMMON))
    place = Place(**{name: given[name] for name in _PLACE if name in given})
    common = Common(**{name: given[name] for name in _COMMON if name in given})
    path = place.path
    if place.registered_model_name is not None:
        check_model_name(place.registered_model_name)  # before the work
    live = current_live()
    if place.params:
        live.log_params(place.params)
    repo = get_client().repo
    workshop = repo.objects.root / "tmp"  # where linking and cloning of blocks can work
    workshop.mkdir(parents=True, exist_ok=True)
    with _Draft(workshop, flavor, model, options, common, run_id=live.run_id, artifact_path=path) as draft:
        with progress(f"keeping {path}", None, "B") as advance:
            early = draft.large_files(repo.settings.inline_limit)
            _log(live, draft.folder, early, path, advance, are_ours=not draft.is_handed_out())
            made = draft.finish()  # from here on nobody else has the files
            late = [name for name, _ in directory.list_files(draft.folder) if name not in early]
            late.sort(key=lambda name: name == MLMODEL_FILE)
            _log(live, draft.folder, late, path, advance, are_ours=True)
        if draft.runs_code():
            trust.remember(_digest_in(repo, live, path))
    info = ModelInfo(f"runs:/{live.run_id}/{path}", path, live.run_id, made, path)
    if place.registered_model_name is None:
        return info
    version = get_client().register_version(info.model_uri, place.registered_model_name, tags=place.tags)
    return replace(info, registered_model_version=int(version.version))


def _refuse_unknown(given: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(f"unexpected keyword argument '{unknown[0]}'; there are {', '.join(sorted(known))}")


def _log(
    live: LiveRun, folder: Path, names: Sequence[str], path: str, advance: Any, *, are_ours: bool
) -> None:
    """Log files; those that are ours alone may become the very objects of the store."""
    log = live.take_artifact if are_ours else live.log_artifact
    for name in names:
        inner = name.rpartition("/")[0]
        log(folder / name, f"{path}/{inner}" if inner else path, advance)


def _digest_in(repo: Repo, live: LiveRun, path: str) -> str:
    """What the registry calls the files of a model that was logged; large ones were hashed on the way."""
    run = replace(repo.journal.read_facts(live.run_id), live=True)
    return read_content(repo, run, list_artifacts(repo, run, path), path).digest


@dataclass(slots=True)
class _Draft:
    """A model's folder in the making."""

    place: Path
    flavor: Flavor
    model: Any
    options: Mapping[str, Any]
    common: Common
    run_id: str | None = None
    artifact_path: str | None = None
    folder: Path = field(init=False)
    _said: Model = field(init=False)
    _given: Given = field(init=False)
    _written: Written = field(init=False)
    _watch: Watch | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        self.folder = self.place / f"gitml-{uuid.uuid4().hex}"
        self.folder.mkdir()
        try:
            self._write()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        common, folder = self.common, self.folder
        self._given = read_given(common.pip_requirements, common.extra_pip_requirements, common.conda_env)
        code = directory.copy_code(common.code_paths or (), folder)
        self._written = written = self.flavor.write(self.model, folder, self.options)
        _copy_extra(common.extra_files or (), folder)
        said = Model(
            flavors=self._flavors(written, code),
            metadata=common.metadata,
            artifact_path=self.artifact_path,
            run_id=self.run_id,
            utc_time_created=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"),
            model_uuid=uuid.uuid4().hex,
            mlflow_version=MLFLOW_VERSION,
            gitml_version=gitml.__version__,
            extra={} if common.prompts is None else {"prompts": common.prompts},
        )
        said = describe(
            folder, said, self.flavor, self.model, written, common.signature, common.input_example
        )
        self._said = said
        directory.write_model(folder, said)
        if common.infer_code_paths and code is not None:
            raise UsageError("'code_paths' can't go with 'infer_code_paths'", hint="give one of them")
        if self._given.requirements is None or common.infer_code_paths:
            self._watch = Watch(folder, self.flavor.name, example=_predicts(said), key=self._key(code))

    def _flavors(self, written: Written, code: str | None) -> dict[str, dict[str, Any]]:
        own = dict(written.facts)
        if code is not None:
            own["code"] = code
        if written.python_function is None:
            return {self.flavor.name: own}
        shared = {"loader_module": self.flavor.loader_module, "python_version": _python_version()}
        function = {**shared, **written.python_function}
        if code is not None:
            function["code"] = code
        if self.flavor.name == PYTHON_FUNCTION:
            return {PYTHON_FUNCTION: {**function, **own}}
        return {PYTHON_FUNCTION: function, self.flavor.name: own}

    def _key(self, code: str | None) -> tuple[object, ...] | None:
        """What models have in common that import the same."""
        if self._written.modules is None or code is not None:
            return None
        example = self.common.input_example
        return self.flavor.name, self._written.modules, type(example).__qualname__, tuple(sys.path)

    def runs_code(self) -> bool:
        """Whether loading it will run code, so that it has to be known whose it is."""
        own = self._said.flavors[self.flavor.name]
        return bool(own.get("code") or self.flavor.code(self.folder, own, {}))

    def is_handed_out(self) -> bool:
        """Whether code of the model's maker is at work on the files now, which could write to them."""
        return self._watch is not None and self.runs_code()

    def large_files(self, limit: int) -> list[str]:
        """Name the files above so many bytes, which stay as they are from now on."""
        return [name for name, path in directory.list_files(self.folder) if path.stat().st_size > limit]

    def finish(self) -> Model:
        """Write what is known last: what it needs, its size, and the final `MLmodel`."""
        seen = self._watch.result() if self._watch is not None else None
        flavors = {name: dict(told) for name, told in self._said.flavors.items()}
        if self.common.infer_code_paths and seen is not None and seen.local:
            code = directory.copy_code(list(seen.local.values()), self.folder)
            flavors = {name: {**told, "code": code} for name, told in flavors.items()}
            seen = replace(seen, local={})
        packages = (*self.flavor.packages, *self._written.packages)
        lines = requirements_of(self._given, seen, packages)
        env = directory.write_environment(self.folder, lines, self._given.constraints, self._given.conda)
        (self.folder / MLMODEL_FILE).unlink()
        if PYTHON_FUNCTION in flavors:
            flavors[PYTHON_FUNCTION]["env"] = env
        made = replace(self._said, flavors=flavors, model_size_bytes=directory.folder_size(self.folder))
        directory.write_model(self.folder, made)
        self._said = made
        return made


def _predicts(said: Model) -> bool:
    return PYTHON_FUNCTION in said.flavors and said.saved_input_example_info is not None


def _python_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _copy_extra(paths: Sequence[str | Path], folder: Path) -> None:
    for given in paths:
        target = folder / "extra_files" / Path(given).name
        target.parent.mkdir(exist_ok=True)
        if not Path(given).is_file():
            raise UsageError(f"there is no file '{given}'", hint="extra_files are paths of files")
        shutil.copy(given, target)
