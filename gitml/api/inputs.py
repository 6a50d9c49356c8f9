"""MLflow-shaped views of the data sets a run used, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gitml.api.values import InputTag, _Dictionary
from gitml.entities import run as entities
from gitml.errors import InvalidValueError
from gitml.formats import run_tree

if TYPE_CHECKING:
    from gitml.tracking.live import LiveRun

CONTEXT_TAG = "mlflow.data.context"
MAX_NAME = 500
MAX_DIGEST = 36
MAX_SCHEMA = 1024**2
MAX_PROFILE = 16 * 1024**2


@runtime_checkable
class DescribesDataset(Protocol):
    """What `log_input` takes: gitml's data sets, and MLflow's own."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def digest(self) -> str:
        """What tells its content from another's."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Give name, digest, source, source_type and perhaps schema and profile."""
        ...


@dataclass(frozen=True, slots=True)
class DatasetInfo(_Dictionary):
    """A data set as recorded with a run; MLflow calls this entity `Dataset`.

    `source`, `schema` and `profile` are JSON texts.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput(_Dictionary):
    """A data set together with what it was to the run; its context is a tag."""

    dataset: DatasetInfo
    tags: list[InputTag] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DatasetInputs(_Dictionary):
    """All inputs of a run; MLflow calls this `RunInputs`."""

    dataset_inputs: list[DatasetInput]
    model_inputs: list[Any] = field(default_factory=list)


def input_handles(inputs: Iterable[entities.DatasetInput]) -> DatasetInputs:
    """Show a run's inputs in MLflow's shape."""
    return DatasetInputs([_handle(item) for item in inputs])


def _handle(item: entities.DatasetInput) -> DatasetInput:
    tags = {CONTEXT_TAG: item.context} if item.context is not None else {}
    source = (
        item.source
        if item.source.startswith("{")
        else json.dumps({_SOURCE_KEYS.get(item.source_type, "uri"): item.source})
    )
    info = DatasetInfo(item.name, item.digest, item.source_type, source, item.schema, item.profile)
    return DatasetInput(info, [InputTag(key, value) for key, value in {**tags, **item.tags}.items()])


_SOURCE_KEYS = {"http": "url"}


def input_record(
    dataset: object, *, context: str | None = None, tags: Mapping[str, object] | None = None
) -> entities.DatasetInput:
    """Turn whatever describes a data set into what a run records of it.

    Args:
        dataset: A data set of `gitml.data` or MLflow's `mlflow.data`, a
            `DatasetInput` handle, or gitml's own entity.
        context: What it was used for, such as 'training'.
        tags: More about its use in this run.

    Raises:
        InvalidValueError: It is none of these, or a part is over a limit.
    """
    if isinstance(dataset, entities.DatasetInput):
        facts, own_tags, own_context = _entity_facts(dataset), dict(dataset.tags), dataset.context
    elif isinstance(dataset, DatasetInput):
        facts, own_tags, own_context = (
            dataset.dataset.to_dictionary(),
            {t.key: t.value for t in dataset.tags},
            None,
        )
    else:
        facts, own_tags, own_context = _described_facts(dataset), {}, None
    merged = {**own_tags, **{key: str(value) for key, value in (tags or {}).items()}}
    tagged_context = merged.pop(CONTEXT_TAG, None)
    record = entities.DatasetInput(
        name=str(facts["name"]),
        digest=str(facts["digest"]),
        source_type=str(facts.get("source_type") or "local"),
        source=_plain_source(str(facts.get("source") or "")),
        schema=facts.get("schema"),
        profile=facts.get("profile"),
        context=context or own_context or tagged_context,
        tags=merged,
    )
    _check_limits(record)
    return record


def record_inputs(live: LiveRun, records: Iterable[entities.DatasetInput]) -> None:
    """Record data sets that a live run uses; one that it has in all respects is not recorded again."""
    from gitml.tracking.redaction import redacted_text

    path = live.folder / run_tree.INPUTS_FILE
    for record in records:
        kept = replace(record, source=redacted_text("data set's source", record.source))
        if not path.exists() or run_tree.encode_input(kept) not in path.read_bytes().splitlines(
            keepends=True
        ):
            live.log_input(kept)


def _described_facts(dataset: object) -> dict[str, Any]:
    """Ask a data set for its facts; data itself has `to_dict` too, and perhaps a column called 'name'."""
    if (
        isinstance(dataset, DescribesDataset)
        and not isinstance(dataset, type)
        and all(isinstance(part, str) for part in (dataset.name, dataset.digest))
    ):
        facts = dict(dataset.to_dict())
        if {"name", "digest"} <= facts.keys():
            return facts
    raise InvalidValueError(
        "data set",
        type(dataset).__name__,
        "it does not describe a data set",
        hint="make one with gitml.data.from_pandas(df), from_numpy(array) or from_file(path)",
    )


def _entity_facts(item: entities.DatasetInput) -> dict[str, Any]:
    return {
        "name": item.name,
        "digest": item.digest,
        "source_type": item.source_type,
        "source": item.source,
        "schema": item.schema,
        "profile": item.profile,
    }


def _plain_source(source: str) -> str:
    """Take the place out of MLflow's `{"uri": "…"}`, so that a run shows it as it is."""
    try:
        facts = json.loads(source)
    except ValueError:
        return source
    if isinstance(facts, dict) and len(facts) == 1:
        ((key, value),) = facts.items()
        if key in ("uri", "url") and isinstance(value, str):
            return value
    return source


def _check_limits(record: entities.DatasetInput) -> None:
    limits = (
        ("name", record.name, MAX_NAME),
        ("digest", record.digest, MAX_DIGEST),
        ("schema", record.schema or "", MAX_SCHEMA),
        ("profile", record.profile or "", MAX_PROFILE),
    )
    for part, text, limit in limits:
        if len(text) > limit:
            raise InvalidValueError(
                "data set",
                record.name,
                f"its {part} has {len(text):,} characters, at most {limit:,} are allowed",
            )
    if not record.name or not record.digest:
        raise InvalidValueError("data set", record.name, "it needs a name and a digest")
