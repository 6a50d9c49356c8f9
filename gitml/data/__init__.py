"""Where MLflow keeps what describes data sets; documented in `gitml.api.data`."""

from __future__ import annotations

from gitml.api.data import (
    ArrayDataset,
    Dataset,
    DatasetSource,
    FrameDataset,
    frame_digest,
    from_file,
    from_numpy,
    from_pandas,
    get_source,
)
from gitml.data import numpy_dataset, pandas_dataset

__all__ = [
    "ArrayDataset",
    "Dataset",
    "DatasetSource",
    "FrameDataset",
    "frame_digest",
    "from_file",
    "from_numpy",
    "from_pandas",
    "get_source",
    "numpy_dataset",
    "pandas_dataset",
]
