"""What is logged when transformers' Trainer trains."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.models import log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training

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
    kept = getattr(trainer, "processing_class", None) or getattr(trainer, "tokenizer", None)
    model = {"model": trainer.model} | ({"tokenizer": kept} if kept is not None else {})
    log_model(training, "transformers", model)


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
