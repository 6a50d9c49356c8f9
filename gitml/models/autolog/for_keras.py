"""What is logged when Keras 3 fits a model, on any backend."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import arguments_of
from gitml.models.autolog.models import Blank, head, log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training
from gitml.models.flavors.shared import import_module

_NO_PARAMS = ("self", "x", "y", "callbacks", "validation_data", "verbose")
_EARLY_STOPPING = ("monitor", "min_delta", "patience", "baseline", "restore_best_weights")


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `keras.Model.fit` fits."""
    patches.replace(module.Model, "fit", partial(logger.observed, _steps))


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    model, data = call.args[0], call.given("x")
    example = training.attempt("the input example", lambda: _head(data))
    params = arguments_of(call, _NO_PARAMS)
    if params.get("batch_size") is None:
        params["batch_size"] = training.attempt("the batch size", lambda: _batch_size(data))
    training.log_params({name: value for name, value in params.items() if _is_plain(value)})
    log_dataset(training, data, call.given("y"))
    evaluated = call.given("validation_data")
    if isinstance(evaluated, list | tuple) and len(evaluated) >= 2:
        features, targets, *_ = evaluated
        log_dataset(training, features, targets, "eval")
    stopping = training.attempt("early stopping", lambda: _early_stopping(training, call))
    callback = training.attempt("metrics by epoch", lambda: _callback(training))
    added_to = training.attempt("metrics by epoch", lambda: _add(callback, call))
    try:
        history = yield
    finally:
        if added_to is not None and callback in added_to:
            added_to.remove(callback)
    if stopping is not None:
        training.attempt("early stopping", lambda: _log_stop(training, stopping, history))
    if example is None:
        example = training.attempt("the signature", lambda: _blank(model))
    log_model(training, "keras", model, example=example, predict=partial(_predict, model))


def _head(data: Any) -> Any:
    """Copy the first rows; of several inputs only if they have names."""
    if isinstance(data, dict):
        found = {str(name): head(values) for name, values in data.items()}
        return None if any(rows is None for rows in found.values()) else found
    return None if isinstance(data, list) else head(data)


def _blank(model: Any) -> Blank | None:
    """Make an input of zeros for a model whose data could not be looked into, if its one input is of a known size."""
    import numpy as np

    inputs: Any = getattr(model, "inputs", None) or ()
    if len(inputs) != 1 or any(size is None for size in inputs[0].shape[1:]):
        return None
    return Blank(np.zeros((1, *inputs[0].shape[1:]), dtype=str(inputs[0].dtype)))


def _batch_size(data: Any) -> Any:
    found = getattr(data, "batch_size", None)
    if found is None and hasattr(data, "_batch_size"):  # of TensorFlow's data sets
        found = int(data._batch_size)  # noqa: SLF001 - they tell it nowhere else
    return found


def _is_plain(value: Any) -> bool:
    """Whether it is a setting, and no array of weights."""
    return value is None or isinstance(value, str | bool | int | float | dict)


def _predict(model: Any, data: Any) -> Any:
    return model.predict(data, verbose=0)


def _add(callback: Any, call: Call) -> list[Any] | None:
    """Have a callback called; give the list of the caller's that it was put into, if it was."""
    callbacks = call.given("callbacks")
    if hasattr(callbacks, "callbacks"):  # a CallbackList, which has told its callbacks of the model already
        callback.set_model(call.args[0])
        callback.set_params(getattr(callbacks, "params", None))
        found: list[Any] = callbacks.callbacks
        found.append(callback)
        return found
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks] if callbacks is not None else []
    call.change(callbacks=[*given, callback])
    return None


def _callback(training: Training) -> Any:
    base: Any = import_module("keras", "its callback", "keras").callbacks.Callback
    options = training.options

    class Metrics(base):  # type: ignore[misc]
        """Logs the optimizer, the architecture, and what each epoch measured."""

        def on_train_begin(self, logs: Any = None) -> None:
            del logs
            training.attempt("the optimizer", self._log_optimizer)
            training.log_text("the summary", "model_summary.txt", self._summary)

        def _log_optimizer(self) -> None:
            config = self.model.optimizer.get_config()
            training.log_params({f"optimizer_{name}": value for name, value in config.items()})

        def _summary(self) -> str:
            lines: list[str] = []
            self.model.summary(print_fn=lambda line, *_, **__: lines.append(str(line)))
            return "\n".join(lines)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if options.log_every_epoch and epoch % options.epochs == 0:
                training.log_metrics(dict(logs or {}), epoch)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch
            every = options.log_every_n_step
            if every:
                step = training.attempt("the step", lambda: int(self.model.optimizer.iterations))
                if step is not None and step % every == 0:
                    prefix = "batch_" if options.log_every_epoch else ""
                    training.log_metrics({prefix + name: value for name, value in (logs or {}).items()}, step)

    return Metrics()


def _early_stopping(training: Training, call: Call) -> Any:
    """Find the callback that may end the training, and log its settings."""
    kind = import_module("keras", "its callback", "keras").callbacks.EarlyStopping
    given = call.given("callbacks")
    given = getattr(given, "callbacks", given)
    callbacks = given if isinstance(given, list | tuple) else [given]
    found = next((one for one in callbacks if isinstance(one, kind)), None)
    if found is not None:
        training.log_params({name: getattr(found, name, None) for name in _EARLY_STOPPING})
    return found


def _log_stop(training: Training, stopping: Any, history: Any) -> None:
    """Log when it ended; if it went back to earlier weights, what they gave, at the step after the last one."""
    if not stopping.stopped_epoch:
        return
    training.log_metrics({"stopped_epoch": stopping.stopped_epoch})
    if not stopping.restore_best_weights or stopping.best_weights is None:
        return
    number = history.epoch.index(stopping.best_epoch)
    training.log_metrics({"restored_epoch": stopping.best_epoch})
    found = {name: values[number] for name, values in history.history.items() if number < len(values)}
    training.log_metrics(found, stopping.stopped_epoch + 1)
