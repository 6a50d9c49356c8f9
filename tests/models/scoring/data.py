"""A model that every machine can load, and data for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet

import gitml
from tests.models.saved import QUICK


def table(rows: int, start: int = 0) -> pd.DataFrame:
    """Rows with an id that looks like a number, and text that is hard to cut."""
    numbers = np.arange(start, start + rows) + 100.5
    words = [('a "b",\n\nc' if number % 3 else "N") + "x" * (number % 5) for number in range(rows)]
    return pd.DataFrame({"id": [f"{n:05d}" for n in range(start, start + rows)], "a": numbers, "word": words})


def expected(frame: pd.DataFrame) -> np.ndarray:
    """What the model says."""
    return (frame["a"] * 2 + frame["word"].str.len()).to_numpy()


def save(folder: Path) -> Path:
    """Save the model."""
    sample = table(4)[["a", "word"]]
    signature = gitml.models.infer_signature(sample, expected(sample))
    gitml.pyfunc.save_model(folder, python_model=_by_value(), signature=signature, **QUICK)
    return folder


def _by_value():
    """The function as one that other processes need no tests for."""
    scope: dict = {}
    source = (
        "def double(model_input, params=None):\n"
        "    if (model_input['a'] == 13).any():\n"
        "        raise ValueError('13 brings bad luck')\n"
        "    return (model_input['a'] * 2 + model_input['word'].str.len()).to_numpy()\n"
    )
    exec(source, {"__name__": "__main__"}, scope)
    return scope["double"]


def write(folder: Path) -> pd.DataFrame:
    """Write a Parquet file and CSV files, some of them no data, and give all rows in order."""
    (folder / "more").mkdir(parents=True)
    frames = [table(400), table(250, 400), table(50, 650)]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pandas(frames[0]), folder / "a.parquet", row_group_size=100
    )
    frames[1].to_csv(folder / "b.csv", index=False)
    frames[2].to_csv(folder / "more/c.csv", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    (folder / "_SUCCESS").write_text("")
    (folder / "read.me").write_text("no data")
    return pd.concat(frames, ignore_index=True)
