"""Where MLflow keeps models that are data in, predictions out; the flavor is `gitml.models.flavors.pyfunc`."""

from __future__ import annotations

from gitml.models.environment_files import get_model_dependencies
from gitml.models.flavors.pyfunc import load_model, log_model, save_model
from gitml.models.pyfunc.model import PyFuncModel
from gitml.models.pyfunc.python_model import PythonModel, PythonModelContext
from gitml.models.scoring.spark_udf import spark_udf

__all__ = [
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "get_model_dependencies",
    "load_model",
    "log_model",
    "save_model",
    "spark_udf",
]
