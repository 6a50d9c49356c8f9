"""What is logged when transformers' Trainer trains."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.api.fluent import get_client
from gitml.models.autolog.models import log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training

_TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
}
# Where things are on this machine, and what may be secret.
_NO_PARAMS = ("output_dir", "logging_dir", "run_name", "hub_token", "push_to_hub_token", "report_to")


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `Trainer.train` trains."""
    steps = partial(_steps, module)
    patches.replace(
        module.Trainer,
        "train",
        lambda original: logger.observed(steps, original, lambda args: _leads(args[0])),
    )


def _leads(trainer: Any) -> bool:
    """Whether this process speaks for all that train the model."""
    return bool(trainer.is_world_process_zero())


def _steps(module: Any, training: Training, call: Call) -> Generator[None, Any, None]:
    trainer = call.args[0]
    training.attempt("params", lambda: _log_params(training, trainer))
    callback = training.attempt("metrics by step", lambda: _callback(module, training))
    if callback is not None:
        trainer.add_callback(callback)
    try:
        yield
    finally:
        if callback is not None:
            trainer.remove_callback(callback)
    if training.options.log_models:
        training.attempt("the model", lambda: _log_model(training, trainer))


def _log_model(training: Training, trainer: Any) -> None:
    """Keep a pipeline where one can be made of it, else weights and configuration, or the module."""
    if getattr(trainer, "is_fsdp_enabled", False) or getattr(trainer, "is_deepspeed_enabled", False):
        # All processes would have to gather it, and the others don't know.
        training.note("the model: it is spread over processes; save it with trainer.save_model")
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    tokenizer: Any = getattr(trainer, "processing_class", None) or getattr(trainer, "tokenizer", None)
    kind = type(model).__name__
    task = next((task for ending, task in _TASKS.items() if kind.endswith(ending)), None)
    if tokenizer is not None and task is not None:
        log_model(training, "transformers", {"model": model, "tokenizer": tokenizer}, options={"task": task})
    elif hasattr(model, "save_pretrained"):
        with tempfile.TemporaryDirectory() as folder:
            for part in (model, tokenizer):
                if hasattr(part, "save_pretrained"):
                    part.save_pretrained(folder)
            get_client().log_artifacts(training.run_id, folder, "model")
    else:
        log_model(training, "pytorch", model, instead={"serialization_format": "pickle"})


def _log_params(training: Training, trainer: Any) -> None:
    config: Any = getattr(trainer.model, "config", None)
    known = config.to_dict() if hasattr(config, "to_dict") else {}
    if os.path.isdir(str(known.get("_name_or_path") or "")):  # a place on this machine
        del known["_name_or_path"]
    settings = {**known, **trainer.args.to_dict()}
    training.log_params(
        {name: value for name, value in settings.items() if name not in _NO_PARAMS and value is not None}
    )
    kind = getattr(config, "model_type", None)
    training.set_tags(
        {"estimator_class": type(trainer.model).__name__} | ({"model_type": kind} if kind else {})
    )


def _callback(module: Any, training: Training) -> Any:
    class Metrics(module.TrainerCallback):  # type: ignore[misc]
        """Logs what the trainer logs."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            del args, control
            if state.is_world_process_zero:
                training.log_metrics(dict(logs or {}), state.global_step)

    return Metrics()
