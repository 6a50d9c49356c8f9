"""The client's calls that record numbers, params, batches and data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitml.api.client_runs import RunCalls, live_tags, split_tags
from gitml.api.inputs import input_record
from gitml.api.values import Metric, Param, RunTag
from gitml.entities.run import Number, ParamValue

if TYPE_CHECKING:
    from gitml.tracking.live import LiveRun


class LoggingCalls(RunCalls):
    """Record into any run by its id.

    A run that has ended is reopened and recorded once more when the client is
    flushed or closed, or at the end of the process: not at each call.
    Everything is written before a call returns; `synchronous` is accepted and
    changes nothing.
    """

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Number,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Log one value of a metric.

        Args:
            run_id: The run.
            key: The metric's name; '/' groups.
            value: A number: Python's, NumPy's or a tensor with one element.
            timestamp: UTC milliseconds since 1970; now if not given.
            step: An integer position; one more than the last if not given.
            synchronous: Has no effect.

        Raises:
            InvalidNameError: The name can't be used.
            InvalidValueError: The value is no number.
            RunNotFoundError: There is no such run.
        """
        del synchronous
        self.writer(run_id).log_metric(key, value, step, timestamp)

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> ParamValue:
        """Record a param; it keeps its type. Nested mappings are flattened with dots.

        Returns:
            The value as recorded.

        Raises:
            ParamChangedError: It was recorded with another value before.
            RunNotFoundError: There is no such run.
        """
        del synchronous
        return self.writer(run_id).log_param(key, value)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> None:
        """Record metrics, params and tags, as many as you like.

        Raises:
            ParamChangedError: A param was recorded with another value before;
                then nothing of the batch is recorded.
            RunNotFoundError: There is no such run.
        """
        del synchronous
        log_batch_to(self.writer(run_id), metrics, params, tags)

    def log_inputs(
        self, run_id: str, datasets: Iterable[object] | None = None, models: object = None
    ) -> None:
        """Record data sets that a run used.

        Args:
            run_id: The run.
            datasets: Data sets of `gitml.data`, or `DatasetInput` handles with tags.
            models: Has no effect.

        Raises:
            InvalidValueError: Something is not a data set.
            RunNotFoundError: There is no such run.
        """
        del models
        records = [input_record(dataset) for dataset in datasets or ()]
        live = self.writer(run_id)
        for record in records:
            live.log_input(record)

    def writer(self, run_id: str) -> LiveRun:
        """Get the handle through which this client writes to a run."""
        live = self.open_runs.find(run_id)
        return live if live is not None else self.open_runs.writer(self._id_of(run_id))


def log_batch_to(
    live: LiveRun,
    metrics: Iterable[Metric],
    params: Iterable[Param] | Mapping[str, Any],
    tags: Iterable[RunTag],
) -> None:
    """Record a batch into a live run: params first, for they may be refused."""
    named = params if isinstance(params, Mapping) else {param.key: param.value for param in params}
    if named:
        live.log_params(named)
    for metric in metrics:
        live.log_metric(metric.key, metric.value, metric.step, metric.timestamp)
    texts = {tag.key: tag.value for tag in tags}
    live_tags(live, *split_tags(texts))
