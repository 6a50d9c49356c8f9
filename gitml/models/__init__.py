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
    from gitml.models.examples import (
        convert_input_example_to_serving_input as convert_input_example_to_serving_input,
    )
    from gitml.models.information import get_model_info as get_model_info
    from gitml.models.information import set_signature as set_signature
    from gitml.models.pyfunc.code_model import ModelConfig as ModelConfig
    from gitml.models.pyfunc.code_model import set_model as set_model
    from gitml.models.signatures.infer import infer_signature as infer_signature

_PUBLIC = {
    "Model": "gitml.entities.model",
    "MissingPackageError": "gitml.models.errors",
    "ModelConfig": "gitml.models.pyfunc.code_model",
    "ModelInfo": "gitml.entities.model",
    "ModelSignature": "gitml.entities.signature",
    "NoFlavorError": "gitml.models.errors",
    "UntrustedModelError": "gitml.models.errors",
    "convert_input_example_to_serving_input": "gitml.models.examples",
    "get_model_info": "gitml.models.information",
    "infer_signature": "gitml.models.signatures.infer",
    "set_model": "gitml.models.pyfunc.code_model",
    "set_signature": "gitml.models.information",
}


def __getattr__(name: str) -> Any:
    """Load a public name the first time it is used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'gitml.models' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_PUBLIC})


__all__ = [
    "MissingPackageError",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelSignature",
    "NoFlavorError",
    "UntrustedModelError",
    "convert_input_example_to_serving_input",
    "get_model_info",
    "infer_signature",
    "set_model",
    "set_signature",
]
