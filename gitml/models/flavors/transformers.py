"""Transformers: pipelines, their weights as safetensors, and their tokenizers and processors as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.model import Model, ModelInfo
from gitml.errors import DamagedError, UsageError
from gitml.models import loading, saving
from gitml.models.contract import Predictor, Written
from gitml.models.directory import member
from gitml.models.flavors.hub_files import code_in, has_own_code, public_name, reading_errors
from gitml.models.flavors.pipeline_predicting import Wrapped
from gitml.models.flavors.shared import NotThisFrameworkError, choice, file_of, import_module, warn_of_version

_MODEL, _COMPONENTS = "model", "components"
_PARTS = ("tokenizer", "feature_extractor", "image_processor")
_PROCESSOR = "processor"


@dataclass(frozen=True, slots=True)
class TransformersFlavor:
    """Pipelines of the transformers library."""

    name: str = "transformers"
    loader_module: str = "mlflow.transformers"
    packages: tuple[str, ...] = ("transformers", "torch")

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write `model/` and `components/`."""
        pipeline = _pipeline_of(model, options.get("task"))
        parts = {name: part for name in _PARTS if (part := getattr(pipeline, name, None)) is not None}
        processor = options.get(_PROCESSOR)
        pipeline.model.save_pretrained(str(folder / _MODEL))
        for name, part in {**parts, **({_PROCESSOR: processor} if processor is not None else {})}.items():
            part.save_pretrained(str(folder / _COMPONENTS / name))
        facts: dict[str, Any] = {
            "components": list(parts),
            "instance_type": type(pipeline).__name__,
            "model_binary": _MODEL,
            "pipeline_model_type": type(pipeline.model).__name__,
            "source_model_name": public_name(pipeline.model.name_or_path),
            "task": pipeline.task,
            **{f"{name}_type": type(part).__name__ for name, part in parts.items()},
            "transformers_version": str(import_module("transformers", "", "transformers").__version__),
        }
        if processor is not None:
            facts["processor_type"] = type(processor).__name__
        dtype = getattr(pipeline.model, "dtype", None)
        if dtype is not None:
            facts["torch_dtype"] = str(dtype)
        config = options.get("model_config")
        return Written(facts, {} if config is None else {"config": dict(config)})

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Weights that are pickles, and classes that come with the model."""
        del options
        if "model_binary" not in facts:
            return ()
        return (*code_in(file_of(folder, facts, "model_binary")), *_code_of_parts(folder))

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the pipeline, or its parts; nothing is fetched."""
        transformers = import_module("transformers", "a model of transformers", "transformers")
        warn_of_version("transformers", facts.get("transformers_version"))
        if "model_binary" not in facts:
            raise UsageError(
                "the model has no weights of its own, only the name of a model on a hub",
                hint="save it with its weights: mlflow.transformers.persist_pretrained_model adds them",
            )
        place = file_of(folder, facts, "model_binary")
        loaded = {_MODEL: _load(transformers, place, facts.get("pipeline_model_type"), "AutoModel", facts)}
        names = [*(facts.get("components") or ()), *([_PROCESSOR] if "processor_type" in facts else [])]
        for name in names:
            part = member(folder, name, f"{_COMPONENTS}/{name}")
            loaded[name] = _load(
                transformers, part, facts.get(f"{name}_type"), _AUTO.get(name, "AutoProcessor"), facts
            )
        told = {
            "task": facts.get("task"),
            **loaded,
            **({"device": options["device"]} if options.get("device") is not None else {}),
        }
        if choice("return_type", options.get("return_type"), ("pipeline", "components")) == "components":
            return told
        return transformers.pipeline(**told)

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Predict with the pipeline; what comes out depends on its task."""
        del facts
        return Wrapped(_pipeline_of(model, None), function.get("config") or {})


FLAVOR = TransformersFlavor()
_AUTO = {
    "tokenizer": "AutoTokenizer",
    "feature_extractor": "AutoFeatureExtractor",
    "image_processor": "AutoImageProcessor",
}


def _pipeline_of(model: Any, task: str | None) -> Any:
    transformers = import_module("transformers", "a model of transformers", "transformers")
    if isinstance(model, transformers.Pipeline):
        return model
    if not isinstance(model, dict) or "model" not in model:
        raise NotThisFrameworkError(
            model, "transformers", "give a pipeline, or {'model': …, 'tokenizer': …} and task"
        )
    if task is None and "task" not in model:
        raise UsageError("a pipeline of parts needs to know its task", hint="task='text-classification'")
    return transformers.pipeline(**({"task": task} if task is not None else {}), **model)


def _code_of_parts(folder: Path) -> tuple[str, ...]:
    return code_in(folder / _COMPONENTS) if (folder / _COMPONENTS).is_dir() else ()


def _load(transformers: Any, place: Path, kind: object, auto: str, facts: Mapping[str, Any]) -> Any:
    """Load a part with the class that its name says; with the model's own only after the user agreed."""
    found: Any = getattr(transformers, str(kind), None)
    own = has_own_code(place)
    if not hasattr(found, "from_pretrained"):
        if not own:
            raise DamagedError(
                f"the model says that it has a '{kind!s:.80}', which transformers does not have"
            )
        found = getattr(transformers, auto)
    options: dict[str, Any] = {"local_files_only": True}
    if own:
        options["trust_remote_code"] = True
    if auto == "AutoModel" and facts.get("torch_dtype"):
        options["dtype"] = str(facts["torch_dtype"]).removeprefix("torch.")
    try:
        return found.from_pretrained(str(place), **options)
    except reading_errors() as err:
        raise DamagedError(f"transformers can't read '{place.name}': {err!s:.300}") from err


def save_model(
    transformers_model: Any, path: str | os.PathLike[str], processor: Any = None, task: str | None = None, *,
    model_config: Mapping[str, Any] | None = None, conda_env: Any = None, code_paths: Any = None, **common: Any,
) -> Model:  # fmt: skip
    """Save a pipeline of transformers to a folder.

    Args:
        transformers_model: A pipeline; or a dictionary of `model`, `tokenizer` …
        path: The folder, which must not exist or be empty.
        processor: A processor that goes with it.
        task: What a pipeline of a dictionary does.
        model_config: Keywords for the pipeline when it predicts as `python_function`.
        conda_env: See `gitml.models.saving.Common`, as for all that is not listed here.
        code_paths: As there.
        common: See `gitml.models.saving.Common`.

    Raises:
        UsageError: It is no pipeline, or can't be made one.
    """
    options = {"processor": processor, "task": task, "model_config": model_config}
    given = {"conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.save_model(FLAVOR, transformers_model, path, options, given)


def log_model(
    transformers_model: Any, artifact_path: str | None = None, processor: Any = None, task: str | None = None, *,
    model_config: Mapping[str, Any] | None = None, conda_env: Any = None, code_paths: Any = None, **common: Any,
) -> ModelInfo:  # fmt: skip
    """Keep a pipeline of transformers with the current run.

    Args:
        transformers_model: A pipeline; or a dictionary of `model`, `tokenizer` …
        artifact_path: The folder among the run's artifacts; `model` if not given.
        processor: As for `save_model`, as all that follows.
        task: As there.
        model_config: As there.
        conda_env: As there.
        code_paths: As there.
        common: See `Common` and `Place` in `gitml.models.saving`.
    """
    options = {"processor": processor, "task": task, "model_config": model_config}
    given = {"artifact_path": artifact_path, "conda_env": conda_env, "code_paths": code_paths, **common}
    return saving.log_model(FLAVOR, transformers_model, options, given)


def load_model(
    model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None,
    return_type: str = "pipeline", device: Any = None, *, trust: bool | None = None,
) -> Any:  # fmt: skip
    """Load a pipeline of transformers.

    Args:
        model_uri: A folder, `runs:/RUN/path`, `models:/NAME/3`, `models:/NAME/Production`, `NAME@v3` …
        dst_path: The folder to copy its files to.
        return_type: `pipeline`, or `components`: a dictionary of what it is made of.
        device: Where to put it.
        trust: Whether code in it may run; see `gitml.models.trust`.

    Raises:
        NotFoundError: There is no such model, or it is of another framework.
        UntrustedModelError: It would run code, and nothing vouches for it.
    """
    options = {"return_type": return_type, "device": device}
    return loading.load_native(FLAVOR.name, model_uri, dst_path=dst_path, trust=trust, options=options)
