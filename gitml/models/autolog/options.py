"""What autologging can be told, in MLflow's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """What is logged of a training, and where.

    Attributes:
        log_input_examples: Keep the first rows of the training data with the model.
        log_model_signatures: Say in the model what goes in and comes out.
        log_models: Keep the model.
        log_datasets: Record the training data by name, digest and columns.
        disable: Log nothing; every function that was replaced is put back.
        exclusive: Leave runs alone that the program itself started.
        disable_for_unsupported_versions: Do nothing with releases of the framework older than those
            that this is tested with.
        silent: Warn of nothing.
        registered_model_name: Make each model the next version of this one.
        extra_tags: Tags for the runs that are started.
        max_tuning_runs: How many of a search's tries become runs, the best first; None: all.
        log_post_training_metrics: Log what `sklearn.metrics` and `score` say of predictions later on.
        pos_label: The positive class of training metrics; if not given, they are weighted over classes.
        serialization_format: How scikit-learn's models are written; skops if not given.
        importance_types: Kinds of feature importance to log, of XGBoost and LightGBM.
        model_format: XGBoost's file format.
        every_n_iter: Log metrics at every so many iterations (epochs, with Keras and Lightning).
        log_every_n_epoch: The same, in the words of Lightning's users.
        log_every_n_step: Log metrics at every so many steps as well.
        log_every_epoch: Log metrics at the end of epochs.
    """

    log_input_examples: bool = False
    log_model_signatures: bool = True
    log_models: bool = True
    log_datasets: bool = True
    disable: bool = False
    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    registered_model_name: str | None = None
    extra_tags: Mapping[str, Any] | None = None
    max_tuning_runs: int | None = 5
    log_post_training_metrics: bool = True
    pos_label: Any = None
    serialization_format: str | None = None
    importance_types: Sequence[str] | None = None
    model_format: str = "ubj"
    every_n_iter: int = 1
    log_every_n_epoch: int | None = None
    log_every_n_step: int | None = None
    log_every_epoch: bool = True

    @property
    def epochs(self) -> int:
        """At every how many epochs or iterations metrics are logged."""
        return max(1, self.log_every_n_epoch or self.every_n_iter)


GENERAL = (
    "log_input_examples", "log_model_signatures", "log_models", "log_datasets", "disable", "exclusive",
    "disable_for_unsupported_versions", "silent", "extra_tags",
)  # fmt: skip
_EVERY = (*GENERAL, "registered_model_name")
# What MLflow takes and what has no meaning here: checkpoints are the trainer's own, and stay where it puts them.
_WITHOUT_EFFECT = {
    "pytorch": (
        "checkpoint", "checkpoint_monitor", "checkpoint_mode", "checkpoint_save_best_only",
        "checkpoint_save_weights_only", "checkpoint_save_freq",
    ),
    "keras": (
        "save_exported_model", "save_model_kwargs", "checkpoint", "checkpoint_monitor", "checkpoint_mode",
        "checkpoint_save_best_only", "checkpoint_save_weights_only", "checkpoint_save_freq",
        "keras_model_kwargs", "saved_model_kwargs",
    ),
}  # fmt: skip
TAKES = {
    "catboost": (*_EVERY, "every_n_iter", "pos_label"),
    "keras": (*_EVERY, "every_n_iter", "log_every_epoch", "log_every_n_steps"),
    "lightgbm": (*_EVERY, "every_n_iter", "importance_types", "pos_label"),
    "pytorch": (*_EVERY, "every_n_iter", "log_every_n_epoch", "log_every_n_step"),
    "sklearn": (
        *_EVERY, "max_tuning_runs", "log_post_training_metrics", "pos_label", "serialization_format",
    ),
    "statsmodels": _EVERY,
    "transformers": _EVERY,
    "xgboost": (*_EVERY, "every_n_iter", "importance_types", "model_format", "pos_label"),
}  # fmt: skip
FLAVORS = tuple(TAKES)


def read_options(flavor: str, given: Mapping[str, Any], base: Options | None = None) -> Options:
    """Make options of what a caller said.

    Raises:
        TypeError: The flavor has no such option.
    """
    known = {each.name for each in fields(Options)}
    taken: dict[str, Any] = {}
    for name, value in given.items():
        own = "log_every_n_step" if name == "log_every_n_steps" else name
        if name in _WITHOUT_EFFECT.get(flavor, ()):
            continue
        if name not in TAKES[flavor] or own not in known:
            raise TypeError(
                f"autolog of {flavor} takes no option '{name}'; there are {', '.join(sorted(TAKES[flavor]))}"
            )
        taken[own] = value
    return replace(base or Options(), **taken)
