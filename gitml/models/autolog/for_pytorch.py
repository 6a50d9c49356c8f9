"""What is logged when PyTorch Lightning fits a module."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.models import log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `Trainer.fit` fits."""
    patches.replace(module.Trainer, "fit", partial(logger.observed, partial(_steps, module)))


def _steps(lightning: Any, training: Training, call: Call) -> Generator[None, Any, None]:
    trainer, model = call.args[0], call.given("model")
    if not trainer.is_global_zero:
        return
    callback = training.attempt("metrics by epoch", lambda: _callback(lightning, training))
    if callback is not None:
        trainer.callbacks.append(callback)
    try:
        yield
    finally:
        if callback in trainer.callbacks:
            trainer.callbacks.remove(callback)
    training.attempt("what early stopping did", lambda: _log_early_stopping(lightning, training, trainer))
    module = getattr(model, "_orig_mod", model)
    # Weights, and how the class makes the module; of a class in a script only a pickle can be made.
    options = {"model_init": dict(getattr(module, "hparams_initial", None) or {})}
    instead = {"serialization_format": "pickle"}
    log_model(training, "pytorch", module, options=options, instead=instead)


def _callback(lightning: Any, training: Training) -> Any:
    options = training.options

    class Metrics(lightning.Callback):  # type: ignore[misc]
        """Logs params when the training begins, and metrics at the end of epochs and steps."""

        def on_fit_start(self, trainer: Any, module: Any) -> None:
            training.log_params({"epochs": trainer.max_epochs})
            training.attempt(
                "params", lambda: training.log_params(dict(getattr(module, "hparams", {}) or {}))
            )
            training.log_text("the summary", "model_summary.txt", lambda: _summary(lightning, module))

        def on_train_start(self, trainer: Any, module: Any) -> None:
            del module
            training.attempt("the optimizer", lambda: _log_optimizer(training, trainer))

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if options.log_every_n_step and trainer.global_step % options.log_every_n_step == 0:
                names = trainer.logged_metrics if hasattr(trainer, "logged_metrics") else {}
                training.log_metrics(_plain(names), trainer.global_step)

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            del module  # the epoch's validation is over by now
            if trainer.current_epoch % options.epochs == 0:
                training.log_metrics(_plain(trainer.callback_metrics), trainer.current_epoch)

    return Metrics()


def _plain(metrics: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in dict(metrics).items()}


def _summary(lightning: Any, module: Any) -> str:
    return str(lightning.utilities.model_summary.ModelSummary(module, max_depth=-1))


def _log_optimizer(training: Training, trainer: Any) -> None:
    if not trainer.optimizers:
        return
    optimizer = trainer.optimizers[0]
    optimizer = getattr(optimizer, "_optimizer", optimizer)
    training.log_params({"optimizer_name": type(optimizer).__name__, **getattr(optimizer, "defaults", {})})


def _log_early_stopping(lightning: Any, training: Training, trainer: Any) -> None:
    for callback in trainer.callbacks:
        if isinstance(callback, lightning.callbacks.EarlyStopping):
            training.log_params(
                {
                    "monitor": callback.monitor,
                    "mode": callback.mode,
                    "patience": callback.patience,
                    "min_delta": float(callback.min_delta),
                    "stopped_epoch": callback.stopped_epoch,
                }
            )
            if callback.stopped_epoch:
                training.log_metrics(
                    {
                        "stopped_epoch": callback.stopped_epoch,
                        "restored_epoch": max(1, callback.stopped_epoch - callback.patience),
                    }
                )
