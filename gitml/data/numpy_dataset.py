"""Where MLflow keeps data sets that are arrays."""

from __future__ import annotations

from gitml.api.data import ArrayDataset as NumpyDataset
from gitml.api.data import from_numpy

__all__ = ["NumpyDataset", "from_numpy"]
