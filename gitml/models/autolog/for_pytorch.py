"""What is logged when PyTorch Lightning fits and tests a module."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gitml.api.fluent import get_client
from gitml.models.autolog.lightning_callback import metrics_callback
from gitml.models.autolog.models import log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training, is_nested, tell

if TYPE_CHECKING:
    from collections.abc import Callable

_RUN = "_gitml_run_id"  # of a trainer: the run of what it fitted


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what `Trainer.fit` fits, and what `Trainer.test` says of it."""
    steps = partial(_steps, module)
    patches.replace(
        module.Trainer, "fit", lambda original: logger.observed(steps, original, lambda args: _leads(args[0]))
    )
    patches.replace(module.Trainer, "test", partial(_testing, logger))


def _leads(trainer: Any) -> bool:
    """Whether this process speaks for all that train the module."""
    return bool(trainer.is_global_zero)


def _steps(lightning: Any, training: Training, call: Call) -> Generator[None, Any, None]:
    trainer, model = call.args[0], call.given("model")
    trainer.__dict__[_RUN] = training.run_id
    seen: dict[str, Any] = {}
    callback = training.attempt("metrics by epoch", lambda: metrics_callback(lightning, training, seen))
    if callback is not None:
        trainer.callbacks.append(callback)
    try:
        yield
    finally:
        if callback in trainer.callbacks:
            trainer.callbacks.remove(callback)
    module = getattr(model, "_orig_mod", model)
    # Weights, and how the class makes the module; of a class in a script only a pickle can be made.
    options = {"model_init": dict(getattr(module, "hparams_initial", None) or {})}
    instead = {"serialization_format": "pickle"}
    log_model(
        training, "pytorch", module, example=seen.get("input"), predict=lambda _: seen["output"],
        options=options, instead=instead,
    )  # fmt: skip


def _testing(logger: Logger, original: Callable[..., Any]) -> Callable[..., Any]:
    """Log what a trainer measures of the module that it fitted."""

    def test(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        run_id = self.__dict__.get(_RUN)
        if logger.is_on() and not is_nested() and run_id is not None:
            try:
                if self.is_global_zero:
                    measured = {name: float(value) for one in found for name, value in one.items()}
                    get_client().writer(run_id).log_metrics(measured, None)
            except Exception as err:  # noqa: BLE001 - nothing of ours may stop the program
                if not logger.options.silent:
                    tell(f"a test was not logged: {type(err).__name__}: {err}")
        return found

    return test
