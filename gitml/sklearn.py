"""Where MLflow keeps models of scikit-learn; the flavor is `gitml.models.flavors.sklearn`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_sklearn as autolog
from gitml.models.flavors.sklearn import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
