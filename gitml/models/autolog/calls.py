"""The calls that switch autologging on and off; nothing is imported until a framework is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitml.models.autolog.switching import switch_all, switch_one


def autolog(*, exclude_flavors: Sequence[str] | None = None, **options: Any) -> None:
    """Log what every known framework trains, whether it is imported already or later.

    A framework that was set up by itself (`gitml.sklearn.autolog(…)`) keeps its settings;
    `disable=True` switches all of them off.

    Args:
        exclude_flavors: Frameworks to leave alone.
        options: `log_input_examples`, `log_model_signatures`, `log_models`, `log_datasets`, `disable`,
            `exclusive`, `disable_for_unsupported_versions`, `silent` and `extra_tags`; see
            `gitml.models.autolog.options.Options`.

    Raises:
        TypeError: There is no such option.

    Example:
        >>> autolog(disable=True)
    """
    options.pop("log_traces", None)  # MLflow's, of language models
    switch_all(options, tuple(exclude_flavors or ()))


def autolog_catboost(**options: Any) -> None:
    """Log trainings of CatBoost; see `gitml.models.autolog.options.Options`."""
    switch_one("catboost", options)


def autolog_keras(**options: Any) -> None:
    """Log trainings of Keras, on any backend; see `gitml.models.autolog.options.Options`."""
    switch_one("keras", options)


def autolog_lightgbm(**options: Any) -> None:
    """Log trainings of LightGBM; see `gitml.models.autolog.options.Options`."""
    switch_one("lightgbm", options)


def autolog_pytorch(**options: Any) -> None:
    """Log what PyTorch Lightning trains; see `gitml.models.autolog.options.Options`."""
    switch_one("pytorch", options)


def autolog_sklearn(**options: Any) -> None:
    """Log what scikit-learn fits; see `gitml.models.autolog.options.Options`."""
    switch_one("sklearn", options)


def autolog_statsmodels(**options: Any) -> None:
    """Log what statsmodels fits; see `gitml.models.autolog.options.Options`."""
    switch_one("statsmodels", options)


def autolog_transformers(**options: Any) -> None:
    """Log what transformers' Trainer trains; see `gitml.models.autolog.options.Options`."""
    switch_one("transformers", options)


def autolog_xgboost(**options: Any) -> None:
    """Log trainings of XGBoost; see `gitml.models.autolog.options.Options`."""
    switch_one("xgboost", options)
