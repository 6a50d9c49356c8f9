"""Requests that gitml and mlflow are asked alike."""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple

import pandas as pd

from tests.models.serving.served import NAMES

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
ROW = [5.1, 3.5, 1.4, 0.2]
RECORD = dict(zip(NAMES, ROW, strict=True))
MIXED = {"l": 1, "i": 2, "d": 3.5, "f": 4.5, "b": True, "s": "x", "t": "2024-01-02T03:04:05"}


class Request(NamedTuple):
    model: str
    what: str
    body: bytes
    content_type: str | None = JSON


def split(rows: list[Any], columns: list[Any] | None = NAMES, **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"data": rows, **({} if columns is None else {"columns": columns}), **more}}


def mixed(**change: Any) -> dict[str, Any]:
    row = {name: value for name, value in {**MIXED, **change}.items() if value != "gone"}
    return {"dataframe_records": [row]}


def parquet(table: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(table).to_parquet(out)
    return out.getvalue()


def _of(model: str, **values: Any) -> list[Request]:
    return [
        Request(model, what.replace("_", " "), json.dumps(value).encode()) for what, value in values.items()
    ]


IRIS = [
    *_of(
        "iris",
        split=split([ROW, ROW]),
        split_in_another_order=split([ROW[::-1]], NAMES[::-1]),
        split_with_index=split([ROW], index=[7]),
        split_with_a_wrong_index=split([ROW], index=[7, 8]),
        split_without_columns=split([ROW], None),
        split_with_one_column_more=split([[*ROW, 1]], [*NAMES, "extra"]),
        split_with_a_short_row=split([ROW[:3]]),
        split_with_unknown_key=split([ROW], foo=1),
        split_is_a_list={"dataframe_split": [ROW]},
        split_without_data={"dataframe_split": {"columns": NAMES}},
        records={"dataframe_records": [RECORD, RECORD]},
        records_of_texts_of_numbers={
            "dataframe_records": [{name: str(value) for name, value in RECORD.items()}]
        },
        records_with_null={"dataframe_records": [{**RECORD, NAMES[0]: 0}]},
        records_of_integers={"dataframe_records": [dict.fromkeys(NAMES, 3)]},
        record_without_a_column={"dataframe_records": [dict.fromkeys(NAMES[1:], 1.0)]},
        record_of_words={"dataframe_records": [{**RECORD, NAMES[2]: "long"}]},
        records_are_an_object={"dataframe_records": RECORD},
        instances_of_records={"instances": [RECORD, RECORD]},
        instances_of_lists={"instances": [ROW]},
        inputs_by_column={"inputs": {name: [value, value] for name, value in RECORD.items()}},
        inputs_by_column_of_other_lengths={
            "inputs": {**{name: [1.0] for name in NAMES}, NAMES[0]: [1.0, 2.0]}
        },
        instances_by_column_of_other_lengths={
            "instances": {**{name: [1.0] for name in NAMES}, NAMES[0]: [1.0, 2.0]}
        },
        inputs_of_records={"inputs": [RECORD]},
        inputs_of_one_record={"inputs": RECORD},
        inputs_of_words={"inputs": {**{name: [1.0] for name in NAMES}, NAMES[1]: ["wide"]}},
        inputs_without_a_column={"inputs": {name: [1.0] for name in NAMES[1:]}},
        two_forms={"inputs": [RECORD], "instances": [RECORD]},
        no_form={"foo": 1},
        nothing={},
        other_fields_beside={**split([ROW]), "foo": 1},
        params_where_none_are={**split([ROW]), "params": {"a": 1}},
        a_list=[ROW],
        a_number=3,
        a_text="x",
        null=None,
        chat={"messages": []},
    ),
    Request("iris", "empty body", b""),
    Request("iris", "no JSON", b"{"),
    Request("iris", "no UTF-8", b'{"inputs": "\xff"}'),
    Request("iris", "utf-8", json.dumps(split([ROW])).encode(), "application/json; charset=UTF-8"),
    Request("iris", "latin-1", json.dumps(split([ROW])).encode(), "application/json; charset=latin-1"),
    Request("iris", "another parameter", json.dumps(split([ROW])).encode(), "application/json; version=2"),
    Request("iris", "no content type", json.dumps(split([ROW])).encode(), None),
    Request("iris", "another type", b"x", "text/plain"),
    Request("iris", "csv", pd.DataFrame([ROW], columns=NAMES).to_csv(index=False).encode(), CSV),
    Request("iris", "csv with an index", pd.DataFrame([ROW], columns=NAMES).to_csv().encode(), CSV),
    Request("iris", "csv of words", f"{','.join(NAMES)}\n1,2,3,four\n".encode(), CSV),
    Request("iris", "csv without a column", b"a,b\n1,2\n", CSV),
    Request("iris", "csv with ragged rows", f"{','.join(NAMES)}\n1,2,3,4\n1,2,3,4,5,6\n".encode(), CSV),
    Request("iris", "empty csv", b"", CSV),
    Request("iris", "csv in latin-1", "a\né\n".encode("latin-1"), CSV),
    Request("iris", "parquet", parquet(dict(zip(NAMES, [[x] for x in ROW], strict=True))), PARQUET),
    Request("iris", "parquet without a column", parquet({"a": [1.0]}), PARQUET),
    Request("iris", "parquet of words", parquet({name: ["a"] for name in NAMES}), PARQUET),
    Request("iris", "broken parquet", b"PAR1 no", PARQUET),
]
OTHERS = [
    *_of(
        "mixed",
        all=mixed(),
        optional_given=mixed(o="y"),
        params={**mixed(), "params": {"k": 5}},
        unknown_params={**mixed(), "params": {"z": 5}},
        wrong_params={**mixed(), "params": {"k": "five"}},
        params_that_are_a_list={**mixed(), "params": [1]},
        null_in_long=mixed(l=None),
        null_in_double=mixed(d=None),
        null_in_string=mixed(s=None),
        word_in_long=mixed(l="one"),
        day=mixed(t="2024-01-02"),
        no_time=mixed(t="tomorrow"),
        zero_for_false=mixed(b=0),
        missing_two=mixed(l="gone", s="gone"),
        inputs_by_column={"inputs": {name: [value] for name, value in MIXED.items()}},
        instances={"instances": [MIXED]},
        split=split([list(MIXED.values())], list(MIXED)),
    ),
    *_of(
        "lists",
        records={"dataframe_records": [{"v": [1.0], "o": {"a": 1, "b": "x"}}, {"v": [], "o": {"a": 1, "b": "x"}}]},
        inputs={"inputs": [{"v": [1.0, 2.5], "o": {"a": 1, "b": "x"}}]},
        property_missing={"dataframe_records": [{"v": [1.0], "o": {"a": 1}}]},
        word_in_list={"dataframe_records": [{"v": ["a"], "o": {"a": 1, "b": "x"}}]},
    ),
    *_of(
        "tensor",
        inputs={"inputs": [[1.0, 2.0, 3.0], [4, 5, 6]]},
        instances={"instances": [[1.0, 2.0, 3.0]]},
        wrong_shape={"inputs": [[1.0, 2.0]]},
        ragged={"inputs": [[1.0, 2.0, 3.0], [1.0]]},
        words={"inputs": [["a", "b", "c"]]},
        split=split([[1, 2, 3]], ["a", "b", "c"]),
        an_object={"inputs": {"x": [[1.0, 2.0, 3.0]]}},
        a_number={"inputs": 3},
    ),
    *_of(
        "named",
        inputs={"inputs": {"x": [[1.0, 2.0]], "n": [1]}},
        instances={"instances": [{"x": [1.0, 2.0], "n": 1}, {"x": [3.0, 4.0], "n": 2}]},
        missing={"inputs": {"x": [[1.0, 2.0]]}},
        wrong_shape={"inputs": {"x": [[1.0]], "n": [1]}},
        words={"inputs": {"x": [["a", "b"]], "n": [1]}},
    ),
    *_of(
        "bare",
        inputs={"inputs": [1, 2]},
        inputs_by_name={"inputs": {"a": [1, 2], "b": ["x", "y"]}},
        instances={"instances": [{"a": 1}, {"a": 2}]},
        split=split([[1, "x"]], ["a", "b"]),
        records={"dataframe_records": [{"a": 1}, {"b": 2}]},
        chat={"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5},
        completion={"prompt": "hi"},
        embedding={"input": ["a", "b"]},
        bad_split=split([[1, 2]], ["a"]),
    ),
    *_of(
        "typed",
        inputs={"inputs": ["a", "b"]},
        numbers={"inputs": [1]},
        instances={"instances": ["a"]},
        a_text={"inputs": "a"},
    ),
    *(
        request
        for name in (
            "frame", "series", "named series", "float32", "nan", "matrix", "objects", "moment", "moments", "nested",
            "bytes", "scalar", "numpy scalar", "text", "none", "cells", "set", "raise", "unknown",
        )
        for request in _of("outputs", **{name.replace(" ", "_"): {"inputs": [name]}})
    ),
]  # fmt: skip
