"""Where MLflow keeps models of Spark ML; the flavor is `gitml.models.flavors.spark`."""

from __future__ import annotations

from gitml.models.flavors.spark import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
