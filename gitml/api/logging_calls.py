"""The fluent calls that record into the current run; see `Client` for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from gitml.api.client_logging import log_batch_to
from gitml.api.client_runs import live_tags, split_tags
from gitml.api.fluent import current_live, get_client, live_of
from gitml.api.inputs import input_record, record_inputs
from gitml.api.reserved import NOTE_TAG
from gitml.api.values import Done, Metric, Param, RunTag, done
from gitml.errors import UsageError

if TYPE_CHECKING:
    import os

    import pandas as pd

    from gitml.entities.run import Number, ParamValue


def log_metrics(
    metrics: Mapping[str, Number],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: object = None,
) -> Done | None:
    """Log one value of each of several metrics, or on a wrong one none; see `log_metric`."""
    del model_id
    live = live_of(run_id)
    live.log_metrics(metrics, step, timestamp)
    if dataset is not None:
        record_inputs(live, [input_record(dataset)])
    return done(synchronous)


def log_param(key: str, value: Any, synchronous: bool | None = None) -> ParamValue | Done:
    """Record a param of the current run; it keeps its type.

    Numbers, booleans, None, texts and lists of them stay what they are, nested
    mappings are flattened with dots, anything else becomes text.

    Returns:
        The value as recorded; with `synchronous=False` something that can be waited for.

    Raises:
        ParamChangedError: It was recorded with another value before.
        InvalidNameError: The name can't be used.
    """
    recorded = current_live().log_param(key, value)
    return done(synchronous) or recorded


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> Done | None:
    """Record several params: all of them, or on a wrong one none; see `log_param`."""
    live_of(run_id).log_params(params)
    return done(synchronous)


def log_batch(
    metrics: Sequence[Metric] = (),
    params: Sequence[Param] = (),
    tags: Sequence[RunTag] = (),
    synchronous: bool | None = None,
    run_id: str | None = None,
) -> Done | None:
    """Record metrics, params and tags, as many as you like: all of them, or on a wrong one none."""
    log_batch_to(live_of(run_id), metrics, params, tags)
    return done(synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> Done | None:
    """Set a tag of the current run; a later value replaces an earlier one."""
    return set_tags({key: value}, synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> Done | None:
    """Set several tags; values become text.

    `mlflow.runName` renames the run and `mlflow.note.content` sets its note.

    Raises:
        InvalidNameError: A name can't be used.
    """
    live_tags(current_live(), *split_tags(tags))
    return done(synchronous)


def delete_tag(key: str) -> None:
    """Remove a tag of the current run.

    Raises:
        NotFoundError: It has no such tag.
    """
    live = current_live()
    if key == NOTE_TAG:
        live.set_note("")
        return
    get_client().delete_tag(live.run_id, key)


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep a file with the run, or a folder under its own name.

    Args:
        local_path: The file or folder.
        artifact_path: The folder within the run to put it into.
        run_id: The run; the current one if not given.

    Raises:
        InvalidNameError: The path can't be one of an artifact.
        NotFoundError: There is no such file.
        UsageError: It is neither a file nor a folder.
    """
    get_client().log_artifact(_id(run_id), local_path, artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep all files below a folder; see `log_artifact`."""
    get_client().log_artifacts(_id(run_id), local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a text as a file, in UTF-8."""
    get_client().log_text(_id(run_id), text, artifact_file)


def log_dict(dictionary: object, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a dictionary or list as YAML if the name ends so, else as JSON."""
    get_client().log_dict(_id(run_id), dictionary, artifact_file)


def log_stream(stream: BinaryIO, artifact_file: str, run_id: str | None = None) -> None:
    """Keep what a binary stream gives as a file, in constant memory."""
    get_client().log_stream(_id(run_id), stream, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Keep a matplotlib or plotly figure; the name's ending is the format."""
    get_client().log_figure(_id(None), figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Keep a picture: a NumPy array or a Pillow image; see `Client.log_image`."""
    get_client().log_image(_id(None), image, artifact_file, key, step, timestamp, synchronous)


def log_table(data: Mapping[str, Any] | pd.DataFrame, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a table; rows are added to what the file holds already.

    Args:
        data: A DataFrame, or a dictionary of columns.
        artifact_file: Its path; ends in `.json` or `.parquet`.
        run_id: The run; the current one if not given.
    """
    get_client().log_table(_id(run_id), data, artifact_file)


def log_input(
    dataset: object = None,
    context: str | None = None,
    tags: Mapping[str, str] | None = None,
    model: object = None,
) -> None:
    """Record a data set that the current run uses: name, digest, source, schema.

    Args:
        dataset: A data set of `gitml.data`; without one nothing happens.
        context: What it is used for, such as 'training'.
        tags: More about its use in this run.
        model: Has no effect.

    Raises:
        InvalidValueError: It is no data set.
    """
    del model
    live = current_live()
    if dataset is not None:
        record_inputs(live, [input_record(dataset, context=context, tags=tags)])


def log_inputs(
    datasets: Sequence[object] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, str] | None] | None = None,
    models: object = None,
) -> None:
    """Record several data sets; the lists go together, an item a data set.

    Raises:
        InvalidValueError: Something is no data set.
        UsageError: The lists differ in length.
    """
    del models
    sets = list(datasets or ())
    if any(given is not None and len(given) != len(sets) for given in (contexts, tags_list)):
        raise UsageError(
            f"'contexts' and 'tags_list' need an item for each of the {len(sets)} data sets",
            hint="use None for a data set that has none",
        )
    records = [
        input_record(dataset, context=context, tags=tags)
        for dataset, context, tags in zip(
            sets, _padded(contexts, sets), _padded(tags_list, sets), strict=True
        )
    ]
    record_inputs(current_live(), records)


def flush_async_logging() -> None:
    """Record what was logged by id to runs that had ended.

    There is no queue to wait for: everything is written when a call returns.
    """
    get_client().flush()


def flush_artifact_async_logging() -> None:
    """See `flush_async_logging`."""
    get_client().flush()


def _padded(given: Sequence[Any] | None, items: Iterable[object]) -> Sequence[Any]:
    return [None for _ in items] if given is None else given


def _id(run_id: str | None) -> str:
    return current_live().run_id if run_id is None else run_id
