"""The callback by which a training of PyTorch Lightning tells what it measures."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, cast

from gitml.api.active_run import ActiveRun
from gitml.api.reading_calls import get_tracking_uri, set_tracking_uri
from gitml.models.autolog.models import head
from gitml.models.autolog.options import Options
from gitml.models.autolog.training import Training

_STOPPING = ("monitor", "mode", "patience", "min_delta")


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A run that another process began."""

    run_id: str


class _Metrics:
    """Logs params when the training begins, and metrics at the end of epochs and steps."""

    def __init__(self, lightning: Any, training: Training, seen: dict[str, Any], *, is_copy: bool) -> None:
        self._lightning, self._training, self._seen, self._is_copy = lightning, training, seen, is_copy
        self._by_step: set[str] = set()
        self._by_epoch: set[str] = set()
        self._hook: Any = None

    def __reduce__(self) -> Any:
        """Be sent to a process that a strategy spawns, with the trainer: as one that writes to the same run."""
        training = self._training
        run_id = training.attempt("the run", lambda: training.run_id)
        uri = str(get_tracking_uri())
        return _copy, (
            self._lightning.__name__,
            training.flavor,
            training.what,
            training.options,
            run_id,
            uri,
        )

    def on_fit_start(self, trainer: Any, module: Any) -> None:
        """Log what is known before the first step."""
        training, lightning = self._training, self._lightning
        if trainer.is_global_zero:
            training.log_params({"epochs": trainer.max_epochs})
            training.attempt(
                "params", lambda: training.log_params(dict(getattr(module, "hparams", {}) or {}))
            )
            training.attempt("early stopping", lambda: training.log_params(_settings(lightning, trainer)))
            training.log_text("the summary", "model_summary.txt", lambda: _summary(lightning, module))

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Log the optimizer; wait for the first call of the module."""
        training = self._training
        if trainer.is_global_zero:
            training.attempt("the optimizer", lambda: _log_optimizer(training, trainer))
            if training.options.log_models and training.options.log_model_signatures:
                training.attempt("the signature", lambda: self._watch(module))

    def _watch(self, module: Any) -> None:
        def note(_: Any, inputs: Any, output: Any) -> None:
            self._training.attempt("the signature", lambda: _note(self._seen, inputs, output))
            self._unwatch()

        self._hook = module.register_forward_hook(note)

    def _unwatch(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Log what a step measured, if that is wanted."""
        every = self._training.options.log_every_n_step
        if trainer.is_global_zero and every:
            self._training.attempt("metrics by step", lambda: self._log_step(trainer, every))

    def _log_step(self, trainer: Any, every: int) -> None:
        found = trainer.callback_metrics
        # Of a metric that is logged by step and by epoch, the one by step has its own name.
        names = {name for name in found if name not in self._by_epoch and f"{name}_step" not in found}
        self._by_step |= names
        steps = max(1, len(trainer.optimizers))  # each of them counts as a step
        if (trainer.global_step // steps + 1) % every == 0:
            self._training.log_metrics(_plain(found, names), trainer.global_step)

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """Log what an epoch measured; its validation is over by now."""
        del module
        if trainer.is_global_zero:
            self._training.attempt("metrics by epoch", lambda: self._log_epoch(trainer))

    def _log_epoch(self, trainer: Any) -> None:
        names = set(trainer.callback_metrics) - self._by_step
        self._by_epoch |= names
        if (trainer.current_epoch + 1) % self._training.options.epochs == 0:
            self._training.log_metrics(_plain(trainer.callback_metrics, names), trainer.current_epoch)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        """Log what early stopping did."""
        del module
        self._unwatch()
        if trainer.is_global_zero:
            training = self._training
            training.attempt("early stopping", lambda: _log_stop(self._lightning, training, trainer))
            if self._is_copy:  # its troubles stay in this process
                training.tell()

    def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
        """Leave nothing behind in the module."""
        del trainer, module, exception
        self._unwatch()


def metrics_callback(
    lightning: Any, training: Training, seen: dict[str, Any], *, is_copy: bool = False
) -> Any:
    """Make the callback.

    Args:
        lightning: `lightning.pytorch` or `pytorch_lightning`: the base class must be the trainer's.
        training: The training.
        seen: Gets the first rows that the module is called with, as `input`, and its `output`.
        is_copy: Whether this is the callback of a process that the training started.
    """
    kind = type("Metrics", (_Metrics, lightning.Callback), {})
    return kind(lightning, training, seen, is_copy=is_copy)


def _copy(
    lightning: str, flavor: str, what: str, options: Options, run_id: str | None, tracking_uri: str
) -> Any:
    """Make the callback of a process that the training started, which writes to the same run."""
    set_tracking_uri(tracking_uri)
    run = None if run_id is None else cast("ActiveRun", _Elsewhere(run_id))
    training = Training(flavor, what, options, run)
    return metrics_callback(importlib.import_module(lightning), training, {}, is_copy=True)


def _note(seen: dict[str, Any], inputs: Any, output: Any) -> None:
    """Keep the first rows of a call with one tensor that gives one; there are no words for others."""
    import torch

    if len(inputs) == 1 and isinstance(inputs[0], torch.Tensor) and isinstance(output, torch.Tensor):
        first, result = (one.detach().cpu().numpy() for one in (inputs[0], output))
        seen.update(input=head(first), output=head(result))


def _plain(metrics: Any, names: set[str]) -> dict[str, float]:
    return {str(name): float(value) for name, value in metrics.items() if name in names}


def _summary(lightning: Any, module: Any) -> str:
    return str(lightning.utilities.model_summary.ModelSummary(module, max_depth=-1))


def _log_optimizer(training: Training, trainer: Any) -> None:
    if not trainer.optimizers:
        return
    optimizer = trainer.optimizers[0]
    optimizer = getattr(optimizer, "_optimizer", optimizer)
    training.log_params({"optimizer_name": type(optimizer).__name__, **getattr(optimizer, "defaults", {})})


def _stopping(lightning: Any, trainer: Any) -> Any:
    return next(
        (one for one in trainer.callbacks if isinstance(one, lightning.callbacks.EarlyStopping)), None
    )


def _settings(lightning: Any, trainer: Any) -> dict[str, Any]:
    callback = _stopping(lightning, trainer)
    return {name: getattr(callback, name) for name in _STOPPING} if callback is not None else {}


def _log_stop(lightning: Any, training: Training, trainer: Any) -> None:
    callback = _stopping(lightning, trainer)
    if callback is None or not callback.stopped_epoch:
        return
    training.log_metrics(
        {
            "stopped_epoch": callback.stopped_epoch,
            "restored_epoch": callback.stopped_epoch - max(1, callback.patience),
            "best_score": float(callback.best_score),
            "wait_count": callback.wait_count,
        }
    )
