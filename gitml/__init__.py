"""gitml: experiment tracking in git, with MLflow's names and no server.

`import gitml as mlflow` works for classic tracking. Names are loaded on first
use, so that importing the package costs next to nothing.

Attributes:
    strict: Whether trouble while logging (a full disk) raises. Normally it
        warns once, and the run says at its end what is missing, because
        logging must never stop a training. `GITML_STRICT=1` sets it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # type checkers know the name; importing typing would be most of the cost
if TYPE_CHECKING:
    from typing import Any

    from gitml import artifacts as artifacts
    from gitml import catboost as catboost
    from gitml import client as client
    from gitml import data as data
    from gitml import entities as entities
    from gitml import exceptions as exceptions
    from gitml import keras as keras
    from gitml import lightgbm as lightgbm
    from gitml import models as models
    from gitml import onnx as onnx
    from gitml import projects as projects
    from gitml import pyfunc as pyfunc
    from gitml import pytorch as pytorch
    from gitml import sentence_transformers as sentence_transformers
    from gitml import sklearn as sklearn
    from gitml import spacy as spacy
    from gitml import spark as spark
    from gitml import statsmodels as statsmodels
    from gitml import tensorflow as tensorflow
    from gitml import tracking as tracking
    from gitml import transformers as transformers
    from gitml import utils as utils
    from gitml import version as version
    from gitml import xgboost as xgboost
    from gitml.api.active_run import ActiveRun as ActiveRun
    from gitml.api.client import Client as Client
    from gitml.api.client import Client as MlflowClient
    from gitml.api.comparison import Diff as Diff
    from gitml.api.comparison import diff_runs as diff_runs
    from gitml.api.fluent import active_run as active_run
    from gitml.api.fluent import end_run as end_run
    from gitml.api.fluent import last_active_run as last_active_run
    from gitml.api.fluent import log_metric as log_metric
    from gitml.api.fluent import start_run as start_run
    from gitml.api.handles import Experiment as Experiment
    from gitml.api.handles import Run as Run
    from gitml.api.handles import Runs as Runs
    from gitml.api.images import Image as Image
    from gitml.api.logging_calls import delete_tag as delete_tag
    from gitml.api.logging_calls import flush_artifact_async_logging as flush_artifact_async_logging
    from gitml.api.logging_calls import flush_async_logging as flush_async_logging
    from gitml.api.logging_calls import log_artifact as log_artifact
    from gitml.api.logging_calls import log_artifacts as log_artifacts
    from gitml.api.logging_calls import log_batch as log_batch
    from gitml.api.logging_calls import log_dict as log_dict
    from gitml.api.logging_calls import log_figure as log_figure
    from gitml.api.logging_calls import log_image as log_image
    from gitml.api.logging_calls import log_input as log_input
    from gitml.api.logging_calls import log_inputs as log_inputs
    from gitml.api.logging_calls import log_metrics as log_metrics
    from gitml.api.logging_calls import log_param as log_param
    from gitml.api.logging_calls import log_params as log_params
    from gitml.api.logging_calls import log_stream as log_stream
    from gitml.api.logging_calls import log_table as log_table
    from gitml.api.logging_calls import log_text as log_text
    from gitml.api.logging_calls import set_tag as set_tag
    from gitml.api.logging_calls import set_tags as set_tags
    from gitml.api.project_calls import run as run
    from gitml.api.reading_calls import create_experiment as create_experiment
    from gitml.api.reading_calls import delete_experiment as delete_experiment
    from gitml.api.reading_calls import delete_experiment_tag as delete_experiment_tag
    from gitml.api.reading_calls import delete_run as delete_run
    from gitml.api.reading_calls import disable_system_metrics_logging as disable_system_metrics_logging
    from gitml.api.reading_calls import enable_system_metrics_logging as enable_system_metrics_logging
    from gitml.api.reading_calls import get_artifact_uri as get_artifact_uri
    from gitml.api.reading_calls import get_experiment as get_experiment
    from gitml.api.reading_calls import get_experiment_by_name as get_experiment_by_name
    from gitml.api.reading_calls import get_metric_frame as get_metric_frame
    from gitml.api.reading_calls import get_metric_history as get_metric_history
    from gitml.api.reading_calls import get_parent_run as get_parent_run
    from gitml.api.reading_calls import get_run as get_run
    from gitml.api.reading_calls import get_tracking_uri as get_tracking_uri
    from gitml.api.reading_calls import is_tracking_uri_set as is_tracking_uri_set
    from gitml.api.reading_calls import load_table as load_table
    from gitml.api.reading_calls import rename_experiment as rename_experiment
    from gitml.api.reading_calls import restore_experiment as restore_experiment
    from gitml.api.reading_calls import restore_run as restore_run
    from gitml.api.reading_calls import search_experiments as search_experiments
    from gitml.api.reading_calls import search_runs as search_runs
    from gitml.api.reading_calls import set_experiment as set_experiment
    from gitml.api.reading_calls import set_experiment_tag as set_experiment_tag
    from gitml.api.reading_calls import set_experiment_tags as set_experiment_tags
    from gitml.api.reading_calls import set_system_metrics_node_id as set_system_metrics_node_id
    from gitml.api.reading_calls import (
        set_system_metrics_samples_before_logging as set_system_metrics_samples_before_logging,
    )
    from gitml.api.reading_calls import (
        set_system_metrics_sampling_interval as set_system_metrics_sampling_interval,
    )
    from gitml.api.reading_calls import set_tracking_uri as set_tracking_uri
    from gitml.api.registry_calls import get_registry_uri as get_registry_uri
    from gitml.api.registry_calls import register_model as register_model
    from gitml.api.registry_calls import search_model_versions as search_model_versions
    from gitml.api.registry_calls import search_registered_models as search_registered_models
    from gitml.api.registry_calls import set_model_version_tag as set_model_version_tag
    from gitml.api.registry_calls import set_registry_uri as set_registry_uri
    from gitml.api.registry_handles import ModelVersion as ModelVersion
    from gitml.api.registry_handles import RegisteredModel as RegisteredModel
    from gitml.api.values import ExperimentTag as ExperimentTag
    from gitml.api.values import FileInfo as FileInfo
    from gitml.api.values import Metric as Metric
    from gitml.api.values import Param as Param
    from gitml.api.values import RunTag as RunTag
    from gitml.api.values import ViewType as ViewType
    from gitml.entities.run import RunStatus as RunStatus
    from gitml.errors import GitmlError as GitmlError
    from gitml.errors import GitmlError as MlflowException
    from gitml.models.autolog.calls import autolog as autolog
    from gitml.models.evaluation.evaluate import evaluate as evaluate
    from gitml.models.evaluation.thresholds import validate_evaluation_results as validate_evaluation_results

    strict: bool

__version__ = "0.1.0"
VERSION = __version__  # where MLflow has it

_HOMES = {
    "active_run": "ActiveRun",
    "client": "Client",
    "comparison": "Diff diff_runs",
    "fluent": "active_run end_run last_active_run log_metric start_run",
    "handles": "Experiment Run Runs",
    "images": "Image",
    "logging_calls": (
        "delete_tag flush_artifact_async_logging flush_async_logging log_artifact log_artifacts log_batch "
        "log_dict log_figure log_image log_input log_inputs log_metrics log_param log_params log_stream "
        "log_table log_text set_tag set_tags"
    ),
    "project_calls": "run",
    "reading_calls": (
        "create_experiment delete_experiment delete_experiment_tag delete_run disable_system_metrics_logging "
        "enable_system_metrics_logging get_artifact_uri get_experiment get_experiment_by_name "
        "get_metric_frame get_metric_history get_parent_run get_run get_tracking_uri is_tracking_uri_set "
        "load_table rename_experiment restore_experiment restore_run search_experiments search_runs "
        "set_experiment set_experiment_tag set_experiment_tags set_system_metrics_node_id "
        "set_system_metrics_samples_before_logging set_system_metrics_sampling_interval set_tracking_uri"
    ),
    "registry_calls": (
        "get_registry_uri register_model search_model_versions search_registered_models "
        "set_model_version_tag set_registry_uri"
    ),
    "registry_handles": "ModelVersion RegisteredModel",
    "values": "ExperimentTag FileInfo Metric Param RunTag ViewType",
}
_FLAVORS = (
    "catboost", "keras", "lightgbm", "onnx", "pyfunc", "pytorch", "sentence_transformers", "sklearn", "spacy", "spark",
    "statsmodels", "tensorflow", "transformers", "xgboost",
)  # fmt: skip
_MODULES = (
    "artifacts", "client", "data", "entities", "exceptions", "models", "projects", "tracking", "utils", "version",
    *_FLAVORS,
)  # fmt: skip
# Public name → (module, name there); None is the module itself.
_PUBLIC: dict[str, tuple[str, str | None]] = {
    name: (f"gitml.api.{module}", name) for module, names in _HOMES.items() for name in names.split()
}
_PUBLIC |= {
    "GitmlError": ("gitml.errors", "GitmlError"),
    "MlflowClient": ("gitml.api.client", "Client"),
    "MlflowException": ("gitml.errors", "GitmlError"),
    "RunStatus": ("gitml.entities.run", "RunStatus"),
    "autolog": ("gitml.models.autolog.calls", "autolog"),
    "evaluate": ("gitml.models.evaluation.evaluate", "evaluate"),
    "validate_evaluation_results": ("gitml.models.evaluation.thresholds", "validate_evaluation_results"),
} | {name: (f"gitml.{name}", None) for name in _MODULES}


def __getattr__(name: str) -> Any:
    """Load a public name the first time it is used."""
    try:
        module, attribute = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'gitml' has no attribute '{name}'") from None
    home = import_module(module)
    value = home if attribute is None else getattr(home, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_PUBLIC, "strict"})


class _Package(ModuleType):
    """The module itself, so that `gitml.strict = True` can be plain assignment."""

    @property
    def strict(self) -> bool:
        """Whether trouble while logging raises."""
        from gitml.api.fluent import session

        return session.strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        from gitml.api.fluent import session

        session.strict = strict


sys.modules[__name__].__class__ = _Package

__all__ = [
    "VERSION",
    "ActiveRun",
    "Client",
    "Diff",
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "GitmlError",
    "Image",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "ModelVersion",
    "Param",
    "RegisteredModel",
    "Run",
    "RunStatus",
    "RunTag",
    "Runs",
    "ViewType",
    "__version__",
    "active_run",
    "artifacts",
    "autolog",
    "catboost",
    "client",
    "create_experiment",
    "data",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_run",
    "delete_tag",
    "diff_runs",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "end_run",
    "entities",
    "evaluate",
    "exceptions",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_metric_frame",
    "get_metric_history",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "keras",
    "last_active_run",
    "lightgbm",
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
    "models",
    "onnx",
    "projects",
    "pyfunc",
    "pytorch",
    "register_model",
    "rename_experiment",
    "restore_experiment",
    "restore_run",
    "run",
    "search_experiments",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "sentence_transformers",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_model_version_tag",
    "set_registry_uri",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "sklearn",
    "spacy",
    "spark",
    "start_run",
    "statsmodels",
    "strict",
    "tensorflow",
    "tracking",
    "transformers",
    "utils",
    "validate_evaluation_results",
    "version",
    "xgboost",
]
