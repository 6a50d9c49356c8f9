"""Where MLflow keeps data sets that are DataFrames."""

from __future__ import annotations

from gitml.api.data import FrameDataset as PandasDataset
from gitml.api.data import from_pandas

__all__ = ["PandasDataset", "from_pandas"]
