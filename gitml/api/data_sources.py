"""Where a data set came from: `gitml.data.get_source`."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitml.api.inputs import DatasetInfo, input_handles, input_record
from gitml.errors import GitmlError, UsageError


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A place that data came from: its kind, such as 'local', 'http' or 's3', and what is known of it."""

    source_type: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uri(self) -> str | None:
        """The path or URL, None if none is known."""
        place = self.facts.get("uri") or self.facts.get("url")
        return None if place is None else str(place)

    @property
    def url(self) -> str | None:
        """The same as `uri`."""
        return self.uri

    def load(self, dst_path: str | os.PathLike[str] | None = None) -> str:
        """Bring the data here, and return its local path.

        Args:
            dst_path: The folder to put it into; if not given, data that is here
                already stays where it is, other data comes to a new temporary
                folder, which is yours to remove.

        Raises:
            NotFoundError: There is nothing at the place.
            RemoteError: It can't be reached.
            UsageError: No place is known, or it is of no kind that can be fetched.
        """
        from gitml.api.artifacts import download_artifacts

        place = self.uri
        if not place:
            raise UsageError(
                "it is not known where the data came from", hint="log it with from_pandas(df, source=PATH)"
            )
        if "://" not in place or place.startswith("file://"):
            return download_artifacts(place, dst_path=dst_path)
        return _fetched(place, dst_path)

    def to_dict(self) -> dict[str, Any]:
        """Give what is known of the place."""
        return dict(self.facts)

    def to_json(self) -> str:
        """Give `to_dict` as JSON."""
        return json.dumps(self.to_dict())


def get_source(dataset: object) -> DatasetSource:
    """Tell where a data set came from.

    Args:
        dataset: A data set of `gitml.data` or `mlflow.data`, or one of a run's
            `inputs.dataset_inputs`, or its `dataset`.

    Raises:
        InvalidValueError: It is none of these.
    """
    info = dataset if isinstance(dataset, DatasetInfo) else _info(dataset)
    facts: Any = None
    with suppress(ValueError):
        facts = json.loads(info.source)
    known = {key: value for key, value in facts.items() if value != ""} if isinstance(facts, dict) else {}
    return DatasetSource(info.source_type, known)


def _info(dataset: object) -> DatasetInfo:
    (handle,) = input_handles([input_record(dataset)]).dataset_inputs
    return handle.dataset


def _fetched(place: str, dst_path: str | os.PathLike[str] | None) -> str:
    from gitml.api.fluent import get_client
    from gitml.execution.downloads import download

    repo = None
    with suppress(GitmlError):  # data may be wanted outside of any repository
        repo = get_client().repo
    folder = Path(tempfile.mkdtemp(prefix="gitml-"))
    found = download(place, folder / "data", repo=repo)
    if dst_path is None:
        return str(found)
    target = Path(os.path.abspath(dst_path)) / found.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(found, target)
    shutil.rmtree(folder)
    return str(target)
