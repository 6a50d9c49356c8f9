"""Where MLflow keeps what reads the files of runs; documented in `gitml.api.artifacts`."""

from __future__ import annotations

from gitml.api.artifacts import download_artifacts, list_artifacts, load_dict, load_image, load_text

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text"]
