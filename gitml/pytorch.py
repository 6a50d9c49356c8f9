"""Where MLflow keeps models of PyTorch; the flavor is `gitml.models.flavors.pytorch`."""

from __future__ import annotations

from gitml.models.autolog.calls import autolog_pytorch as autolog
from gitml.models.flavors.pytorch import load_model, log_model, save_model

__all__ = ["autolog", "load_model", "log_model", "save_model"]
