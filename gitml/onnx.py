"""Where MLflow keeps models of ONNX; the flavor is `gitml.models.flavors.onnx`."""

from __future__ import annotations

from gitml.models.flavors.onnx import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
