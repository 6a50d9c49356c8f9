"""Hypothesis strategies for what gitml records: one home, so that a new field joins every property."""

from __future__ import annotations

from hypothesis import strategies as st

from gitml.entities.run import CodeState, DatasetInput, Experiment, MetricSummary, Run, RunStatus
from gitml.formats.names import check_name

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=True, allow_infinity=True)
numbers = st.one_of(integers, floats)
scalars = st.one_of(st.none(), st.booleans(), integers, floats, texts)
param_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
times = st.integers(0, 4_000_000_000_000)
oids = st.text("0123456789abcdef", min_size=40, max_size=40)
run_ids = st.text("0123456789abcdef", min_size=32, max_size=32)


def _is_name(text: str) -> bool:
    try:
        check_name("name", text)
    except Exception:  # noqa: BLE001 - any refusal means: not a name
        return False
    return True


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(_is_name)
metric_names = names.filter(lambda name: all(part not in ("", ".", "..") for part in name.split("/")))

summaries = st.builds(
    MetricSummary, numbers, integers, times, numbers, integers, numbers, integers, st.integers(1, 10**9)
)
inputs = st.builds(
    DatasetInput,
    name=names,
    digest=texts,
    source_type=texts,
    source=texts,
    schema=st.none() | texts,
    profile=st.none() | texts,
    context=st.none() | texts,
    tags=st.dictionaries(names, texts, max_size=3),
)
code_states = st.builds(
    CodeState,
    commit=oids,
    tree=st.none() | oids,
    branch=st.none() | names,
    dirty=st.booleans(),
    remote=st.none() | texts.filter(bool),
    left_out=st.lists(texts, max_size=3).map(tuple),
)
runs = st.builds(
    Run,
    id=run_ids,
    name=names,
    experiment_id=run_ids,
    experiment=names,
    status=st.sampled_from(RunStatus),
    start_ms=times,
    end_ms=st.none() | times,
    duration_s=st.none() | st.floats(0, 1e9, allow_nan=False),
    parent_id=st.none() | run_ids,
    user=st.none() | texts,
    host=st.none() | texts,
    entry_point=st.none() | texts,
    command=st.lists(texts, max_size=5).map(tuple),
    exit_code=st.none() | st.integers(0, 255),
    error=st.none() | texts,
    incomplete=st.booleans(),
    deleted_ms=st.none() | times,
    code=st.just(CodeState()) | code_states,
    params=st.dictionaries(names, param_values, max_size=6),
    metrics=st.dictionaries(metric_names, summaries, max_size=6),
    tags=st.dictionaries(names, texts, max_size=4),
    inputs=st.lists(inputs, max_size=3).map(tuple),
    note=texts,
)
experiments = st.builds(
    Experiment,
    id=run_ids,
    name=names,
    created_ms=times,
    updated_ms=times,
    deleted_ms=st.none() | times,
    tags=st.dictionaries(names, texts, max_size=4),
)
