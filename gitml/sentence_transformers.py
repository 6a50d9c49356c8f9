"""Where MLflow keeps models of sentence-transformers; the flavor is `gitml.models.flavors.sentence_transformers`."""

from __future__ import annotations

from gitml.models.flavors.sentence_transformers import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
