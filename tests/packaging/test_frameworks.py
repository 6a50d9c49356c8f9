"""Where CI runs the heavy tests, no framework's tests are skipped because it is missing."""

from __future__ import annotations

import os

import pytest

from tests.needs import needs

IMPORTED = (
    "accelerate", "azure.ai.ml", "catboost", "google.cloud.aiplatform", "keras", "kubernetes", "lightgbm",
    "lightning.pytorch", "onnx", "onnxruntime", "optuna", "pyspark", "pytorch_lightning", "ray", "schemathesis",
    "sentence_transformers", "spacy", "statsmodels", "tensorflow", "torch", "transformers", "xgboost",
)  # fmt: skip


@pytest.mark.heavy
@pytest.mark.skipif("CI" not in os.environ, reason="only CI has them all")
def test_every_framework_is_there():
    needs(*IMPORTED)
