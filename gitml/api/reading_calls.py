"""The fluent calls that find, read and manage runs and experiments."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from gitml.api.fluent import current_live, get_client, session
from gitml.api.handles import Experiment, Run, Runs
from gitml.api.reserved import artifact_uri
from gitml.api.values import ViewType
from gitml.errors import UsageError
from gitml.formats.names import check_artifact_path

if TYPE_CHECKING:
    import pandas as pd


def get_run(run_id: str) -> Run:
    """Look a run up as it is now, by id or any name for it.

    Raises:
        RunNotFoundError: There is none.
        AmbiguousNameError: Several fit what was given.
    """
    return get_client().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """Look up the run that a run is part of; None if it is part of none."""
    return get_client().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Hide a run; `restore_run` brings it back. Nothing leaves git's history."""
    get_client().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Bring a deleted run back."""
    get_client().restore_run(run_id)


@overload
def search_runs(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = ...,
    output_format: Literal["pandas"] = ...,
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
) -> pd.DataFrame: ...
@overload
def search_runs(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["list"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
) -> Runs: ...
def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: Literal["pandas", "list"] = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> pd.DataFrame | Runs:
    """Find runs, live ones included, newest first.

    Args:
        experiment_ids: Where to look; the chosen experiment if nothing is given.
        filter_string: A filter, as in docs/reference/filters.md.
        run_view_type: `ViewType.ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
        max_results: How many at most; none finds nothing.
        order_by: Sort keys such as `metrics.loss ASC`.
        output_format: 'pandas' for a DataFrame, 'list' for handles.
        search_all_experiments: Look in all that were not deleted.
        experiment_names: Where to look, by name.

    Returns:
        Handles, or a DataFrame with the columns `run_id`, `experiment_id`,
        `status`, `artifact_uri`, `start_time` and `end_time` (UTC), then
        `metrics.*`, `params.*` (with their types) and `tags.*`.

    Raises:
        FilterSyntaxError: The filter or an ordering means nothing.
        UsageError: Ids and names were both given, or the format is unknown.
    """
    if output_format not in ("pandas", "list"):
        raise UsageError(f"output_format is {output_format!r}", hint="use 'pandas' or 'list'")
    where = _experiments_to_search(experiment_ids, experiment_names, search_all_experiments)
    if max_results < 1:  # of a client it is an error, as in MLflow
        nothing = Runs()
        return nothing if output_format == "list" else nothing.to_pandas()
    search = get_client().search_runs if output_format == "list" else get_client().search_frame
    return search(where, filter_string, run_view_type, max_results, order_by)


def get_metric_history(run_id: str, key: str, *, as_frame: bool = False) -> Any:
    """Read all points of a metric, exact, in the order they were logged.

    Args:
        run_id: The run.
        key: The metric.
        as_frame: Give a DataFrame with `step`, `timestamp` (UTC) and `value`
            rather than a list of `Metric`.

    Raises:
        RunNotFoundError: There is no such run.
    """
    return get_metric_frame(run_id, key) if as_frame else get_client().get_metric_history(run_id, key)


def get_metric_frame(run_id: str, key: str) -> pd.DataFrame:
    """Read all points of a metric as a DataFrame: `step`, `timestamp` (UTC), `value`.

    Raises:
        NotFoundError: There is no such run, or it has no such metric.
    """
    frame: pd.DataFrame = get_client().get_metric_frame(run_id, key)
    return frame


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a table of several runs of the chosen experiment into one DataFrame.

    Args:
        artifact_file: The table's path within the runs.
        run_ids: Only these runs; all that have the table if not given.
        extra_columns: Columns of `search_runs` to add, such as `run_id`.

    Raises:
        NotFoundError: No run has the table.
    """
    return get_client().load_table(session.experiment_id, artifact_file, run_ids, extra_columns)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Give the URI of the current run's files, or of one of them.

    It is `runs:/<run id>/<path>`, for `gitml.artifacts` and MLflow's own
    loaders: no local path, for a run's files lie in git.
    `gitml.artifacts.download_artifacts` makes a local copy.
    """
    path = check_artifact_path(artifact_path or "", allow_empty=True)
    return artifact_uri(current_live().run_id, path)


# Experiments


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> Experiment:
    """Choose the experiment of runs started from now on; make it if it is new.

    Processes that this one starts inherit the choice.

    Args:
        experiment_name: Its name, or else
        experiment_id: its id, which must exist.

    Raises:
        DeletedError: It was deleted.
        UsageError: Both were given, or neither.
    """
    return session.choose_experiment(experiment_name, experiment_id)


def create_experiment(
    name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None
) -> str:
    """Make an experiment and return its id; see `Client.create_experiment`."""
    return get_client().create_experiment(name, artifact_location, tags)


def get_experiment(experiment_id: str) -> Experiment:
    """Look an experiment up by its id.

    Raises:
        NotFoundError: There is none.
    """
    return get_client().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Look an experiment up by its name; None if there is none."""
    return get_client().get_experiment_by_name(name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """List experiments, newest first; see `Client.search_experiments`."""
    if max_results is not None and max_results < 1:  # of a client it is an error, as in MLflow
        return []
    return get_client().search_experiments(view_type, max_results, filter_string, order_by).to_list()


def rename_experiment(experiment_id: str, new_name: str) -> None:
    """Give an experiment another name; its runs show it from now on."""
    get_client().rename_experiment(experiment_id, new_name)


def delete_experiment(experiment_id: str) -> None:
    """Hide an experiment and its runs; `restore_experiment` brings them back."""
    get_client().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Bring a deleted experiment back."""
    get_client().restore_experiment(experiment_id)


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the chosen experiment."""
    get_client().set_experiment_tag(session.experiment_id, key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set several tags of the chosen experiment."""
    for key, value in tags.items():
        set_experiment_tag(key, value)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the chosen experiment.

    Raises:
        NotFoundError: It has no such tag.
    """
    get_client().delete_experiment_tag(session.experiment_id, key)


# The repository and the process


def set_tracking_uri(uri: str | Path) -> None:
    """Choose the repository to record into: a path in it, or a `file://` URI.

    Without this it is the one that `GITML_REPO` names, or that the current
    folder is in, when gitml is first used. The chosen experiment is forgotten;
    active runs go on where they are.

    Raises:
        NotARepositoryError: The path is in no repository.
        UsageError: It is the address of a server.
    """
    session.move(uri)


def get_tracking_uri() -> str:
    """Give the repository in use as a `file://` URI of its folder."""
    return get_client().tracking_uri


def is_tracking_uri_set() -> bool:
    """Tell whether a repository was chosen, by a call or by `GITML_REPO`."""
    return session.is_location_set


def enable_system_metrics_logging() -> None:
    """Measure processor, memory, disk, network and NVIDIA GPUs in runs started from now on."""
    session.set_system_metrics(enabled=True)


def disable_system_metrics_logging() -> None:
    """Don't measure the machine in runs started from now on."""
    session.set_system_metrics(enabled=False)


def set_system_metrics_sampling_interval(interval: float) -> None:
    """Choose how many seconds lie between two samples; 10 at first."""
    session.set_system_metrics(interval_s=interval)


def set_system_metrics_samples_before_logging(samples: int) -> None:
    """Choose how many samples are averaged into one value; 1 at first."""
    session.set_system_metrics(samples_before_logging=samples)


def set_system_metrics_node_id(node_id: str) -> None:
    """Name this machine where several log to one run: `system/<node_id>/…`."""
    session.set_system_metrics(node_id=node_id)


def _experiments_to_search(
    ids: Sequence[str] | None, names: Sequence[str] | None, everywhere: bool
) -> Sequence[str]:
    if ids and names:
        raise UsageError("search_runs takes experiment_ids or experiment_names, not both")
    if ids:
        return [ids] if isinstance(ids, str) else [str(experiment_id) for experiment_id in ids]
    if names:
        known = {
            name: get_experiment_by_name(name) for name in ([names] if isinstance(names, str) else names)
        }
        for name, experiment in known.items():
            if experiment is None:
                warnings.warn(f"there is no experiment '{name}'", stacklevel=3)
        return [experiment.experiment_id for experiment in known.values() if experiment is not None]
    if everywhere:
        return [experiment.experiment_id for experiment in search_experiments()]
    return [session.experiment_id]
