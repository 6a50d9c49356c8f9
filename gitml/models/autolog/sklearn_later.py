"""What is measured after a training: `score`, and functions of `sklearn.metrics` on the model's predictions.

A prediction is known by its identity, and as long as somebody holds it. Metrics of predictions of a model
that was logged go to the run that it was trained in.
"""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any

from gitml.api.fluent import get_client
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import Logger, is_nested, muted, tell

_PREDICTING = ("predict", "predict_proba", "decision_function", "predict_log_proba")
_ENDINGS = ("_score", "_error", "_loss", "_deviance")
_UNKNOWN = "unknown_dataset"


@dataclass(slots=True)
class _Known:
    """Models that were logged, and what they predicted."""

    runs: weakref.WeakKeyDictionary[Any, str] = field(default_factory=weakref.WeakKeyDictionary)
    predictions: dict[int, tuple[weakref.ref[Any], str, str]] = field(default_factory=dict)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, prediction: Any, run_id: str, dataset: str) -> None:
        key = id(prediction)
        try:
            held = weakref.ref(prediction, lambda _: self.predictions.pop(key, None))
        except TypeError:  # lists and the like can't be followed
            return
        self.predictions[key] = (held, run_id, dataset)

    def find(self, values: Any) -> tuple[str, str] | None:
        for value in values:
            held = self.predictions.get(id(value))
            if held is not None and held[0]() is value:
                return held[1], held[2]
        return None

    def key(self, run_id: str, metric: str, dataset: str) -> str:
        with self.mutex:
            self.counts[run_id, metric, dataset] += 1
            number = self.counts[run_id, metric, dataset]
        return f"{metric}_{dataset}" if number == 1 else f"{metric}-{number}_{dataset}"


_known = _Known()


def follow(patches: Patches, logger: Logger, estimator: Any, run_id: str) -> None:
    """Log what is measured of a fitted estimator from now on."""
    _known.runs[estimator] = run_id
    for name in _PREDICTING:
        patches.replace(type(estimator), name, lambda original: _predicting(logger, original))
    patches.replace(type(estimator), "score", lambda original: _scoring(logger, original))


def patch_metrics(module: ModuleType, patches: Patches, logger: Logger) -> None:
    """Log what functions of `sklearn.metrics` say of predictions that are known."""
    for name in getattr(module, "__all__", ()):
        if name.endswith(_ENDINGS) and inspect.isfunction(getattr(module, name, None)):
            patches.replace(module, name, lambda original: _measuring(logger, original))


def _predicting(logger: Logger, original: Callable[..., Any]) -> Callable[..., Any]:
    def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        predicted = original(self, *args, **kwargs)
        if logger.is_on() and not is_nested():
            frame = sys._getframe(1)  # noqa: SLF001 - the caller's names of its data
            _guarded(logger, lambda: _remember(self, predicted, (*args, *kwargs.values()), frame))
        return predicted

    return predict


def _remember(estimator: Any, predicted: Any, given: tuple[Any, ...], frame: FrameType) -> None:
    run_id = _known.runs.get(estimator)
    if run_id is not None and given:
        _known.remember(predicted, run_id, _variable(given[0], frame))


def _scoring(logger: Logger, original: Callable[..., Any]) -> Callable[..., Any]:
    def score(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not logger.is_on() or is_nested():
            return original(self, *args, **kwargs)
        with muted():
            found = original(self, *args, **kwargs)
        frame = sys._getframe(1)  # noqa: SLF001 - the caller's names of its data
        _guarded(logger, lambda: _log_score(self, found, (*args, *kwargs.values()), frame))
        return found

    return score


def _log_score(estimator: Any, found: Any, given: tuple[Any, ...], frame: FrameType) -> None:
    run_id = _known.runs.get(estimator)
    if run_id is not None and given:
        _log(run_id, f"{type(estimator).__name__}_score", _variable(given[0], frame), found)


def _measuring(logger: Logger, original: Callable[..., Any]) -> Callable[..., Any]:
    def measure(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        if logger.is_on() and not is_nested():
            _guarded(logger, lambda: _log_measure(original.__name__, found, (*args, *kwargs.values())))
        return found

    return measure


def _log_measure(metric: str, found: Any, given: tuple[Any, ...]) -> None:
    known = _known.find(given)
    if known is not None:
        _log(known[0], metric, known[1], found)


def _log(run_id: str, metric: str, dataset: str, value: Any) -> None:
    if isinstance(value, int | float) or getattr(value, "ndim", None) == 0:
        get_client().log_metric(run_id, _known.key(run_id, metric, dataset), float(value))


def _variable(data: Any, frame: FrameType) -> str:
    """Name the caller's variable that holds data."""
    for names in (frame.f_locals, frame.f_globals):
        for name, value in list(names.items()):
            if value is data and not name.startswith("_"):
                return name
    return _UNKNOWN


def _guarded(logger: Logger, step: Callable[[], None]) -> None:
    try:
        step()
    except Exception as err:  # noqa: BLE001 - nothing of ours may stop the program
        if not logger.options.silent:
            tell(f"a metric was not logged: {type(err).__name__}: {err}")
