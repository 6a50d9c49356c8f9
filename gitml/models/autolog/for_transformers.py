"""What is logged when transformers' Trainer trains."""

from __future__ import annotations

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
    patches.replace(module.Trainer, "train", partial(logger.observed, partial(_steps, module)))


def _steps(module: Any, training: Training, call: Call) -> Generator[None, Any, None]:
    trainer = call.args[0]
    if not trainer.is_world_process_zero():
        return
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
        _log_model(training, trainer)


def _log_model(training: Training, trainer: Any) -> None:
    """Keep a pipeline where one can be made of it, else the files that the trainer itself writes."""
    tokenizer = getattr(trainer, "processing_class", None)
    kind = type(trainer.model).__name__
    task = next((task for ending, task in _TASKS.items() if kind.endswith(ending)), None)
    if tokenizer is not None and task is not None:
        parts = {"model": trainer.model, "tokenizer": tokenizer}
        log_model(training, "transformers", parts, options={"task": task})
        return

    def log_files() -> None:
        with tempfile.TemporaryDirectory() as folder:
            trainer.save_model(folder)
            get_client().log_artifacts(training.run_id, folder, "model")

    training.attempt("the model", log_files)


def _log_params(training: Training, trainer: Any) -> None:
    settings = {name: value for name, value in trainer.args.to_dict().items() if name not in _NO_PARAMS}
    training.log_params({name: value for name, value in settings.items() if value is not None})
    config = getattr(trainer.model, "config", None)
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
