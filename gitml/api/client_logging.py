"""The client's calls that record numbers, params, batches and data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitml.api.client_runs import RunCalls, live_tags, own_fields, split_tags
from gitml.api.inputs import input_record, record_inputs
from gitml.api.values import Done, Metric, Param, RunTag, done
from gitml.entities.run import Number, ParamValue
from gitml.formats.names import check_name
from gitml.tracking.values import distinct_params, flatten_params, to_number, to_tag, to_whole

if TYPE_CHECKING:
    from gitml.tracking.live import LiveRun


class LoggingCalls(RunCalls):
    """Record into any run by its id.

    A run that has ended is reopened and recorded once more when the client is
    flushed or closed, or at the end of the process: not at each call.
    Everything is written before a call returns; `synchronous` is accepted and
    changes only what is returned.
    """

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Number,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
    ) -> Done | None:
        """Log one value of a metric.

        Args:
            run_id: The run.
            key: The metric's name; '/' groups.
            value: A number: Python's, NumPy's or a tensor with one element.
            timestamp: UTC milliseconds since 1970; now if not given.
            step: An integer position; one more than the last if not given.
            synchronous: With False something is returned that can be waited for.

        Raises:
            InvalidNameError: The name can't be used.
            InvalidValueError: The value is no number.
            RunNotFoundError: There is no such run.
        """
        self.writer(run_id).log_metric(key, value, step, timestamp)
        return done(synchronous)

    def log_param(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> ParamValue | Done:
        """Record a param; it keeps its type. Nested mappings are flattened with dots.

        Returns:
            The value as recorded; with `synchronous=False` something that can be waited for.

        Raises:
            ParamChangedError: It was recorded with another value before.
            RunNotFoundError: There is no such run.
        """
        recorded = self.writer(run_id).log_param(key, value)
        return done(synchronous) or recorded

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> Done | None:
        """Record metrics, params and tags, as many as you like: all of them, or on a wrong one none.

        Raises:
            InvalidNameError: A name can't be used.
            InvalidValueError: A metric's value is no number, or a param is given twice, with two values.
            ParamChangedError: A param was recorded with another value before.
            RunNotFoundError: There is no such run.
        """
        log_batch_to(self.writer(run_id), metrics, params, tags)
        return done(synchronous)

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
        record_inputs(self.writer(run_id), records)

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
    given = params.items() if isinstance(params, Mapping) else ((param.key, param.value) for param in params)
    named = distinct_params(item for key, value in given for item in flatten_params({key: value}))
    points = [_checked(metric) for metric in metrics]
    plain, own = split_tags({check_name("tag", tag.key): to_tag(tag.key, tag.value) for tag in tags})
    own_fields(own)  # what is wrong with them is told before anything is written
    if named:
        live.log_params(named)
    for point in points:
        live.log_metric(*point)
    live_tags(live, plain, own)


def _checked(metric: Metric) -> tuple[str, Number, int | None, int | None]:
    """Give what `LiveRun.log_metric` takes, which will then find nothing wrong with it."""
    number = to_number(metric.key, metric.value)
    _whole(metric.key, "step", metric.step)
    return (
        check_name("metric", metric.key),
        number,
        metric.step,  # as it was given: who cuts it says so
        _whole(metric.key, "timestamp", metric.timestamp),
    )


def _whole(key: str, part: str, number: int | None) -> int | None:
    return None if number is None else to_whole(key, part, number)
