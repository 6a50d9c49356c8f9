"""Where MLflow keeps the functions of the current run, which `gitml` itself has too.

They are of a higher storey, so they are loaded by name, only when asked for.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitml.api.active_run import ActiveRun
    from gitml.api.fluent import active_run, end_run, last_active_run, log_metric, start_run
    from gitml.api.logging_calls import (
        delete_tag,
        flush_artifact_async_logging,
        flush_async_logging,
        log_artifact,
        log_artifacts,
        log_batch,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_inputs,
        log_metrics,
        log_param,
        log_params,
        log_stream,
        log_table,
        log_text,
        set_tag,
        set_tags,
    )
    from gitml.api.reading_calls import (
        create_experiment,
        delete_experiment,
        delete_experiment_tag,
        delete_run,
        get_artifact_uri,
        get_experiment,
        get_experiment_by_name,
        get_parent_run,
        get_run,
        load_table,
        restore_experiment,
        search_experiments,
        search_runs,
        set_experiment,
        set_experiment_tag,
        set_experiment_tags,
    )

__all__ = [
    "ActiveRun",
    "active_run",
    "create_experiment",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_run",
    "delete_tag",
    "end_run",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_parent_run",
    "get_run",
    "last_active_run",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_batch",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_stream",
    "log_table",
    "log_text",
    "restore_experiment",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_tag",
    "set_tags",
    "start_run",
]

if not TYPE_CHECKING:  # or every misspelt name would be known to type checkers

    def __getattr__(name):  # noqa: ANN001, ANN202 - Python's own protocol
        """Load one of the functions."""
        if name not in __all__:
            raise AttributeError(f"module 'gitml.tracking.fluent' has no attribute '{name}'")
        return getattr(import_module("gitml"), name)
