"""What is logged when Keras 3 fits a model, on any backend."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import arguments_of
from gitml.models.autolog.models import head, log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training
from gitml.models.flavors.shared import import_module

_NO_PARAMS = ("self", "x", "y", "callbacks", "validation_data", "verbose")


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `keras.Model.fit` fits."""
    patches.replace(module.Model, "fit", partial(logger.observed, _steps))


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    model, data = call.args[0], call.given("x")
    example = training.attempt("the input example", lambda: head(data))
    params = arguments_of(call, _NO_PARAMS)
    if params.get("batch_size") is None:
        params["batch_size"] = getattr(data, "batch_size", None)
    training.log_params({name: value for name, value in params.items() if _is_plain(value)})
    training.attempt("metrics by epoch", lambda: _add_callback(training, call))
    log_dataset(training, data, call.given("y"))
    yield
    predict = partial(_predict, model)
    log_model(training, "keras", model, example=example, predict=predict)


def _is_plain(value: Any) -> bool:
    """Whether it is a setting, and no array of weights."""
    return value is None or isinstance(value, str | bool | int | float | dict)


def _predict(model: Any, data: Any) -> Any:
    return model.predict(data, verbose=0)


def _add_callback(training: Training, call: Call) -> None:
    keras = import_module("keras", "its callback", "keras")

    base: Any = keras.callbacks.Callback

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
            if training.options.log_every_epoch and epoch % training.options.epochs == 0:
                training.log_metrics(dict(logs or {}), epoch)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch
            every = training.options.log_every_n_step
            if every:
                step = training.attempt("the step", lambda: int(self.model.optimizer.iterations))
                if step is not None and step % every == 0:
                    names = {f"batch_{name}": value for name, value in (logs or {}).items()}
                    training.log_metrics(
                        names if training.options.log_every_epoch else dict(logs or {}), step
                    )

    callbacks = call.given("callbacks")
    if callbacks is not None and not isinstance(callbacks, list | tuple):
        callbacks.append(Metrics())  # a CallbackList
        return
    call.change(callbacks=[*(callbacks or ()), Metrics()])
