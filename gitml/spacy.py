"""Where MLflow keeps pipelines of spaCy; the flavor is `gitml.models.flavors.spacy`."""

from __future__ import annotations

from gitml.models.flavors.spacy import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
