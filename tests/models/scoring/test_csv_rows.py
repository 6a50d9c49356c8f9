"""Where rows of CSV end: as the reader says."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.models.tables.csv_rows import row_ends

CELLS = st.text(st.sampled_from('ab,"\n é'), max_size=5)
TABLES = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8)


@pytest.mark.hypothesis
@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_each_row_is_a_row_by_itself(rows: list[tuple[str, str]], end: str, ends_with_it: bool):
    text = pd.DataFrame(rows, columns=["x", "y"]).to_csv(index=False, lineterminator=end)
    data = (text if ends_with_it else text.removesuffix(end)).encode()
    ends = list(row_ends(io.BytesIO(data)))
    assert ends[-1] == len(data)
    pieces = [data[begin:stop] for begin, stop in zip([0, *ends], ends, strict=False)]
    read = pd.concat(
        [pd.read_csv(io.BytesIO(pieces[0] + each), keep_default_na=False, dtype=str) for each in pieces[1:]]
    )
    assert [tuple(row) for row in read.to_numpy()] == rows


def test_quotes_in_the_middle_and_without_end():
    data = b'a,b\n1,5" pipe\n\n2,"x"y"\n3,"\n'
    ends = row_ends(io.BytesIO(data))
    assert [next(ends) for _ in range(3)] == [4, 14, 23]
    with pytest.raises(ValueError, match="never closed, in row 3"):
        next(ends)
