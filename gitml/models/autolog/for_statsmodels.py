"""What is logged when statsmodels fits a model."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import ModuleType
from typing import Any

from gitml.models.autolog.boosting import arguments_of
from gitml.models.autolog.models import head, log_dataset, log_model
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Call, Logger, Training

_METRICS = (
    "aic", "bic", "centered_tss", "condition_number", "df_model", "df_resid", "ess", "f_pvalue", "fvalue",
    "llf", "mse_model", "mse_resid", "mse_total", "rsquared", "rsquared_adj", "scale", "ssr", "uncentered_tss",
)  # fmt: skip


def patch(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what the models of statsmodels fit."""
    observed = partial(logger.observed, _steps)
    patches.replace_in_subclasses(module.Model, ("fit",), observed, lambda _: True)


def _steps(training: Training, call: Call) -> Generator[None, Any, None]:
    model = call.args[0]
    data = getattr(getattr(model, "data", None), "frame", None)  # of a formula: what it was applied to
    data = getattr(getattr(model, "data", None), "orig_exog", None) if data is None else data
    # A series is predicted from one time to another, and not by rows.
    in_time = type(model).__module__.startswith("statsmodels.tsa")
    example = None if in_time else training.attempt("the input example", lambda: head(data))
    training.log_params(arguments_of(call, ("self", "kwargs")))
    kind = type(model)
    training.set_tags(
        {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}
    )
    log_dataset(training, data, None)
    fitted = yield
    training.log_metrics({name: _find(fitted, name) for name in _METRICS})
    training.log_text("the summary", "model_summary.txt", lambda: _summary(fitted))
    log_model(training, "statsmodels", fitted, example=example, predict=getattr(fitted, "predict", None))


def _summary(fitted: Any) -> str:
    summary = fitted.summary()
    return str(summary.as_text() if hasattr(summary, "as_text") else summary)


def _find(fitted: Any, name: str) -> Any:
    """Get a figure of results; not every model can work out every one."""
    try:
        return getattr(fitted, name, None)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None
