"""Models: save, log, load and describe them; MLflow's names for that, loaded on first use.

Flavors have modules of their own: `gitml.sklearn`, `gitml.pyfunc` …
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitml.entities.model import Model as Model
    from gitml.entities.model import ModelInfo as ModelInfo
    from gitml.entities.signature import ModelSignature as ModelSignature
    from gitml.models.errors import MissingPackageError as MissingPackageError
    from gitml.models.errors import NoFlavorError as NoFlavorError
    from gitml.models.errors import UntrustedModelError as UntrustedModelError
    from gitml.models.evaluation.evaluate import evaluate as evaluate
    from gitml.models.evaluation.metric import EvaluationMetric as EvaluationMetric
    from gitml.models.evaluation.metric import MetricValue as MetricValue
    from gitml.models.evaluation.metric import make_metric as make_metric
    from gitml.models.evaluation.result import EvaluationArtifact as EvaluationArtifact
    from gitml.models.evaluation.result import EvaluationResult as EvaluationResult
    from gitml.models.evaluation.thresholds import MetricThreshold as MetricThreshold
    from gitml.models.evaluation.thresholds import ModelValidationFailedError as ModelValidationFailedError
    from gitml.models.evaluation.thresholds import validate_evaluation_results as validate_evaluation_results
    from gitml.models.examples import (
        convert_input_example_to_serving_input as convert_input_example_to_serving_input,
    )
    from gitml.models.information import get_model_info as get_model_info
    from gitml.models.information import set_signature as set_signature
    from gitml.models.pyfunc.code_model import ModelConfig as ModelConfig
    from gitml.models.pyfunc.code_model import set_model as set_model
    from gitml.models.signatures.infer import infer_signature as infer_signature

_PUBLIC = {
    "EvaluationArtifact": "gitml.models.evaluation.result",
    "EvaluationMetric": "gitml.models.evaluation.metric",
    "EvaluationResult": "gitml.models.evaluation.result",
    "MetricThreshold": "gitml.models.evaluation.thresholds",
    "MetricValue": "gitml.models.evaluation.metric",
    "MissingPackageError": "gitml.models.errors",
    "Model": "gitml.entities.model",
    "ModelConfig": "gitml.models.pyfunc.code_model",
    "ModelInfo": "gitml.entities.model",
    "ModelSignature": "gitml.entities.signature",
    "ModelValidationFailedError": "gitml.models.evaluation.thresholds",
    "NoFlavorError": "gitml.models.errors",
    "UntrustedModelError": "gitml.models.errors",
    "convert_input_example_to_serving_input": "gitml.models.examples",
    "evaluate": "gitml.models.evaluation.evaluate",
    "get_model_info": "gitml.models.information",
    "infer_signature": "gitml.models.signatures.infer",
    "make_metric": "gitml.models.evaluation.metric",
    "set_model": "gitml.models.pyfunc.code_model",
    "set_signature": "gitml.models.information",
    "validate_evaluation_results": "gitml.models.evaluation.thresholds",
}


def __getattr__(name: str) -> Any:
    """Load a public name the first time it is used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'gitml.models' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)


__all__ = [
    "EvaluationArtifact",
    "EvaluationMetric",
    "EvaluationResult",
    "MetricThreshold",
    "MetricValue",
    "MissingPackageError",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelSignature",
    "ModelValidationFailedError",
    "NoFlavorError",
    "UntrustedModelError",
    "convert_input_example_to_serving_input",
    "evaluate",
    "get_model_info",
    "infer_signature",
    "make_metric",
    "set_model",
    "set_signature",
    "validate_evaluation_results",
]
