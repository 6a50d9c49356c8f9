"""CSV that is scored: its cells are what the signature says, and one that is not is named as by `predict`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gitml
from gitml.models import infer_signature
from gitml.models.scoring.engines import EngineOptions
from gitml.models.scoring.scoring import Options, score
from gitml.models.scoring.worker import PieceError
from tests.models.saved import QUICK

pytestmark = pytest.mark.filterwarnings("ignore:the signature has columns of whole numbers")


@pytest.fixture(autouse=True)
def _own_machine(in_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))


TOTAL = "model_input.sum(axis=1) * 1.0"


def scored(folder: Path, lines: str, sample, *ids: str, says: str = TOTAL, outputs=None) -> pd.DataFrame:
    """Score CSV with a model that adds up each row, or says something else."""
    scope: dict = {}
    exec(f"def said(model_input):\n    return {says}\n", {"__name__": "__main__"}, scope)
    model = folder / "model"
    signature = infer_signature(sample, np.array([1.0]) if outputs is None else outputs)
    gitml.pyfunc.save_model(model, python_model=scope["said"], signature=signature, **QUICK)
    (folder / "data.csv").write_text(lines)
    options = Options(running=EngineOptions(workers=1), batch_rows=2, part_rows=3, ids=list(ids), trust=True)
    score(
        str(model),
        [str(folder / "data.csv")],
        str(folder / "out"),
        options,
        lambda _: nullcontext(lambda _: None),
    )
    return pd.read_parquet(folder / "out")


PEOPLE = pd.DataFrame({"age": [40.5], "visits": [8]})


def test_a_whole_number_may_be_written_with_a_point(tmp_path):
    found = scored(tmp_path, "id,age,visits\n007,1,1\n008,2,2.0\n009,3,3\n010,4,4.0\n", PEOPLE, "id")
    assert found["prediction"].tolist() == [2, 4, 6, 8]
    assert found["id"].tolist() == ["007", "008", "009", "010"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4,x", "row 4: the input doesn't fit the model's signature: column 'visits' (long): got 'x'"),
        ("4,1.5", "row 4: the input doesn't fit the model's signature: column 'visits' (long): got '1.5'"),
        ("4,", "row 4: the input doesn't fit the model's signature: column 'visits' (long): got nothing"),
        ("four,4", "row 4: the input doesn't fit the model's signature: column 'age' (double): got 'four'"),
    ],
)
def test_a_cell_that_does_not_fit_is_named_with_column_type_and_row(tmp_path, line, message):
    with pytest.raises(PieceError) as caught:
        scored(tmp_path, f"age,visits\n1,1\n2,2\n3,3\n{line}\n5,5\n", PEOPLE)
    assert caught.value.message == f"{tmp_path}/data.csv, {message}"
    assert caught.value.exit_code == 2
    if line == "4,":
        assert "whole numbers can't hold missing values" in caught.value.hint


@pytest.mark.parametrize("written", ["2", "2.0"])
def test_columns_become_the_tensor_of_a_signature(tmp_path, written):
    found = scored(tmp_path, f"a,b\n1,{written}\n3,4\n", np.array([[1.5, 2.5]], "float32"))
    assert found["prediction"].tolist() == [3, 7]


def test_the_rows_of_a_named_tensor_are_kept_as_lists(tmp_path):
    sample = np.array([[1.5, 2.5]], "float32")
    found = scored(tmp_path, "a,b\n1,2\n3,4\n", sample, says="{'y': model_input}", outputs={"y": sample})
    assert [row.tolist() for row in found["y"]] == [[1, 2], [3, 4]]
    assert found["y"][0].dtype == "float32"
