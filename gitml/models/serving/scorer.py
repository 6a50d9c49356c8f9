"""A loaded model that answers requests: what is known of it once, and the calls of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitml.entities.model import PYTHON_FUNCTION
from gitml.errors import GitmlError
from gitml.models.serving.inference_request import InferenceReader
from gitml.models.serving.jobs import MATRIX, Job, UnsplittableError, join, split
from gitml.models.serving.matrices import on_matrices
from gitml.models.serving.replies import Reply, RequestError
from gitml.models.serving.scoring_request import ScoringReader
from gitml.models.signatures.rows import compile_rows

if TYPE_CHECKING:
    from gitml.models.pyfunc.model import PyFuncModel
    from gitml.models.serving.loading import Served

_log = logging.getLogger("gitml.serving")

# Loaders whose models predict row by row, by methods that do.
_BY_ROW = ("mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost")
_METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)
DEFAULT_BATCH = 256
_QUICK_S = 0.002  # so long the loop that reads requests may stand still
_WEIGHT = 0.25  # of the last call, in what calls take


class ModelFailedError(RequestError):
    """The model itself raised; what it said is in the server's log, not in the answer."""

    def __init__(self) -> None:
        super().__init__(
            "Encountered an unexpected error while evaluating the model. Verify that the input is "
            "compatible with the model for inference."
        )


@dataclass(slots=True)
class Scorer:
    """Answers requests with one model.

    Attributes:
        served: The model, and what it is called.
        reader: Reads requests of the scoring protocol.
        inference: Reads requests of the Open Inference Protocol.
        batch_rows: Rows that are predicted together at most; 1: none.
        by_row: Whether the model is known to predict row by row.
        took_s: Seconds that a call takes, a running mean; 0 before the first.
    """

    served: Served
    reader: ScoringReader
    inference: InferenceReader
    batch_rows: int
    by_row: bool
    took_s: float = 0
    _table: Callable[[Any], Any] = field(default=lambda data: data)
    _on_matrix: Callable[[Any], Any] | None = None

    @property
    def is_quick(self) -> bool:
        """Whether a call is so short that a thread would cost more than it gains."""
        return self.by_row and 0 < self.took_s < _QUICK_S

    def answer(self, jobs: Sequence[Job]) -> list[Reply]:
        """Predict for requests whose keys are equal, and write their answers; raises nothing."""
        started = time.perf_counter()
        replies = self._answer(jobs)
        took = time.perf_counter() - started
        self.took_s = took if not self.took_s else self.took_s + _WEIGHT * (took - self.took_s)
        return replies

    def _answer(self, jobs: Sequence[Job]) -> list[Reply]:
        if len(jobs) == 1:
            return [self._alone(jobs[0])]
        try:
            found = self._predict(join([job.data for job in jobs]), jobs[0].params, jobs[0].key)
            parts = split(found, [job.rows for job in jobs])
        except UnsplittableError as err:
            _log.warning("requests are no longer predicted together: %s", err)
            self.batch_rows = 1
            return [self._alone(job) for job in jobs]
        except Exception:  # noqa: BLE001 - one of them may be why: each gets what it gets by itself
            return [self._alone(job) for job in jobs]
        return [_written(job, part) for job, part in zip(jobs, parts, strict=True)]

    def _alone(self, job: Job) -> Reply:
        try:
            found = self._predict(job.data, job.params, job.key)
        except GitmlError as err:
            return job.refuse(err)
        except Exception:  # noqa: BLE001 - a model can raise anything
            _log.exception("the model could not predict")
            return job.refuse(ModelFailedError())
        return _written(job, found)

    def _predict(self, data: Any, params: dict[str, Any] | None, key: Hashable | None) -> Any:
        if key == MATRIX:
            if self._on_matrix is not None:
                return self._on_matrix(data)
            data = self._table(data)
        return self.served.model.predict_fitted(data, params)


def _written(job: Job, found: Any) -> Reply:
    try:
        return job.write(found)
    except RequestError as err:
        if err.status >= 500:
            _log.error("%s", err.message)
        return job.refuse(err)
    except Exception:  # noqa: BLE001 - what a model gives can be anything
        _log.exception("the predictions could not be written")
        return job.refuse(
            RequestError("the predictions could not be written", status=500, code="INTERNAL_ERROR")
        )


def make_scorer(served: Served, max_bytes: int, batch_rows: int | None) -> Scorer:
    """Look at a model once, and let it predict what came with it, so that the first request is not slow.

    Args:
        served: The model.
        max_bytes: How large a body may be.
        batch_rows: Rows that are predicted together at most; None: as many as suits the model.
    """
    model = served.model
    by_row = _predicts_by_row(model)
    rows = batch_rows if batch_rows is not None else (DEFAULT_BATCH if by_row else 1)
    scorer = Scorer(served, ScoringReader(model, max_bytes), InferenceReader(served), max(rows, 1), by_row)
    scorer._table, scorer._on_matrix = _matrices(model)  # noqa: SLF001 - made here
    _warm(scorer)
    return scorer


def _matrices(model: PyFuncModel) -> tuple[Callable[[Any], Any], Callable[[Any], Any] | None]:
    """Say how rows of numbers become what the model takes: a table, and an array if that is the same."""
    schema = model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return lambda data: data, None
    import pandas as pd

    names = pd.Index(schema.input_names())
    dtype = compile_rows(schema).dtype
    direct = on_matrices(model, list(names), dtype) if dtype is not None else None
    return lambda data: pd.DataFrame(data, columns=names, copy=False), direct


def _predicts_by_row(model: PyFuncModel) -> bool:
    method = model.metadata.flavors[PYTHON_FUNCTION].get("predict_fn") or "predict"
    return model.loader_module in _BY_ROW and method in _METHODS


def _warm(scorer: Scorer) -> None:
    import json

    served = scorer.served
    info = served.model.metadata.saved_input_example_info or {}
    name = info.get("serving_input_path")
    if not isinstance(name, str):
        return
    from gitml.models.directory import member

    try:
        body = member(served.model.folder, "serving_input_path", name).read_bytes()
        json.loads(body)
        job = scorer.reader.read(b"application/json", body)
    except (GitmlError, OSError, ValueError) as err:
        _log.warning("the model's example of an input is no request: %s", err)
        return
    for _ in range(3):  # the first call loads what the model needs, and says nothing of the others
        scorer.took_s = 0
        scorer.answer([job])
