"""What all workers of a scoring are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.models.directory import list_files
from gitml.registry.versions import model_digest
from gitml.store.local import hash_stream

KEY = b"gitml.scoring"  # in the footer of each part


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """A model, what it gets, and where its predictions go.

    Attributes:
        model: What the user called it.
        folder: The model's files, on the machine that began.
        digest: What they hash to: a worker loads nothing else.
        columns: The columns that the model gets; empty: all but `ids`.
        ids: The columns that are kept beside the predictions.
        batch_rows: How many rows are predicted at once.
        out: The folder that the parts go to.
        key: Says which job a part is of.
        schema: Arrow's schema of a part, serialized; empty while it is not known.
    """

    model: str
    folder: str
    digest: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    batch_rows: int
    out: str
    key: str = ""
    schema: bytes = b""

    def arrow_schema(self) -> Any:
        """Arrow's schema of a part."""
        import pyarrow as pa  # type: ignore[import-untyped]

        return pa.ipc.read_schema(pa.py_buffer(self.schema))


def content_digest(folder: Path) -> str:
    """Hash a model's files, whatever Python compiled beside them."""
    files = []
    for name, path in list_files(folder):
        if name.endswith(".pyc"):
            continue
        with path.open("rb", buffering=0) as stream:
            oid, size = hash_stream(stream)
        files.append((oid, size, name))
    return model_digest(files)
