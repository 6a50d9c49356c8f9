"""Where MLflow keeps models of statsmodels; the flavor is `gitml.models.flavors.statsmodels`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_statsmodels as autolog
from gitml.models.flavors.statsmodels import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
