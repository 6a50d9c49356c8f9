"""What gitml talks about: frozen dataclasses, standard library only.

With `import gitml as mlflow`, code also looks for MLflow's entities in
`mlflow.entities`. They are of a higher storey, so they are loaded by name, only
when asked for; gitml itself never takes them from here.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitml.api.handles import Experiment as Experiment
    from gitml.api.handles import Run as Run
    from gitml.api.handles import RunData as RunData
    from gitml.api.handles import RunInfo as RunInfo
    from gitml.api.handles import RunOutputs as RunOutputs
    from gitml.api.inputs import DatasetInfo as Dataset
    from gitml.api.inputs import DatasetInput as DatasetInput
    from gitml.api.inputs import DatasetInputs as RunInputs
    from gitml.api.values import ExperimentTag as ExperimentTag
    from gitml.api.values import FileInfo as FileInfo
    from gitml.api.values import InputTag as InputTag
    from gitml.api.values import LifecycleStage as LifecycleStage
    from gitml.api.values import Metric as Metric
    from gitml.api.values import Param as Param
    from gitml.api.values import RunTag as RunTag
    from gitml.api.values import SourceType as SourceType
    from gitml.api.values import ViewType as ViewType
    from gitml.entities.run import RunStatus as RunStatus

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "Metric",
    "Param",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunOutputs",
    "RunStatus",
    "RunTag",
    "SourceType",
    "ViewType",
]

_VALUES = "ExperimentTag FileInfo InputTag LifecycleStage Metric Param RunTag SourceType ViewType"
_MLFLOW_NAMES = {
    **{name: ("gitml.api.values", name) for name in _VALUES.split()},
    **{
        name: ("gitml.api.handles", name)
        for name in ["Experiment", "Run", "RunData", "RunInfo", "RunOutputs"]
    },
    "Dataset": ("gitml.api.inputs", "DatasetInfo"),
    "DatasetInput": ("gitml.api.inputs", "DatasetInput"),
    "RunInputs": ("gitml.api.inputs", "DatasetInputs"),
    "RunStatus": ("gitml.entities.run", "RunStatus"),
}

if not TYPE_CHECKING:  # or every misspelt name would be known to type checkers

    def __getattr__(name):  # noqa: ANN001, ANN202 - Python's own protocol
        """Load one of MLflow's entities."""
        if name in ("model_registry", "run_status"):  # modules, which MLflow loads with this one
            return import_module(f"gitml.entities.{name}")
        if name not in _MLFLOW_NAMES:
            raise AttributeError(f"module 'gitml.entities' has no attribute '{name}'")
        module, attribute = _MLFLOW_NAMES[name]
        return getattr(import_module(module), attribute)
