"""What an evaluation found: metrics, and files that are kept with the run."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.errors import DamagedError, UsageError
from gitml.formats.names import check_artifact_path
from gitml.formats.unreadable import why_unreadable
from gitml.formats.wrong import what_is_wrong
from gitml.models.errors import MissingPackageError

if TYPE_CHECKING:
    import pandas as pd

_METRICS, _LISTED, _FOLDER = "metrics.json", "artifacts_metadata.json", "artifacts"
# Ending → what MLflow calls such a file.
KINDS = {
    ".csv": "CsvEvaluationArtifact",
    ".jpeg": "ImageEvaluationArtifact",
    ".jpg": "ImageEvaluationArtifact",
    ".json": "JsonEvaluationArtifact",
    ".npy": "NumpyEvaluationArtifact",
    ".parquet": "ParquetEvaluationArtifact",
    ".png": "ImageEvaluationArtifact",
    ".txt": "TextEvaluationArtifact",
}
_CLASSES = "mlflow.models.evaluation.artifacts."


@dataclass(frozen=True, slots=True)
class EvaluationArtifact:
    """A file of an evaluation.

    Attributes:
        uri: Where it is: `runs:/RUN/roc_curve_plot.png`.
        data: What is in it.
    """

    uri: str
    data: bytes = field(repr=False)

    @property
    def file(self) -> str:
        """What the file is called."""
        return PurePosixPath(self.uri).name

    @property
    def content(self) -> Any:
        """What is in it: an image of Pillow, a data frame, an array, what JSON says, or a text.

        Raises:
            MissingPackageError: It is an image, and Pillow is not installed.
        """
        kind = KINDS.get(PurePosixPath(self.uri).suffix)
        stream = io.BytesIO(self.data)
        if kind == "ImageEvaluationArtifact":
            return _image(stream)
        if kind == "CsvEvaluationArtifact":
            import pandas as pd

            return pd.read_csv(stream)
        if kind == "ParquetEvaluationArtifact":
            import pandas as pd

            return pd.read_parquet(stream)
        if kind == "NumpyEvaluationArtifact":
            import numpy as np

            return np.load(stream, allow_pickle=False)
        text = self.data.decode()
        return json.loads(text) if kind == "JsonEvaluationArtifact" else text


def _image(stream: io.BytesIO) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError as err:
        raise MissingPackageError("an image as an object", "pillow") from err
    return Image.open(stream)


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        metrics: The metrics by name.
        artifacts: The files by name.
        run_id: The run that they were logged to.
    """

    metrics: Mapping[str, float]
    artifacts: Mapping[str, EvaluationArtifact] = field(default_factory=dict)
    run_id: str | None = None

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables among the files."""
        import pandas as pd

        tables = {}
        for name, artifact in self.artifacts.items():
            if artifact.file.endswith((".csv", ".parquet")):
                tables[name] = artifact.content
            elif artifact.file.endswith(".json") and _is_table(found := artifact.content):
                tables[name] = pd.DataFrame(found["data"], columns=found["columns"])
        return tables

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a folder, in MLflow's layout."""
        folder = Path(path)
        (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
        listed = {
            name: {"uri": artifact.uri, "class_name": _CLASSES + KINDS[PurePosixPath(artifact.uri).suffix]}
            for name, artifact in self.artifacts.items()
        }
        (folder / _METRICS).write_text(json.dumps(dict(self.metrics)), encoding="utf-8")
        (folder / _LISTED).write_text(json.dumps(listed), encoding="utf-8")
        for artifact in self.artifacts.values():
            (folder / _FOLDER / artifact.file).write_bytes(artifact.data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EvaluationResult:
        """Read what `save` wrote, or MLflow.

        Raises:
            UsageError: There is no evaluation in the folder.
            DamagedError: The folder does not hold what it says.
        """
        folder = Path(path)
        try:
            metrics = json.loads((folder / _METRICS).read_text(encoding="utf-8"))
            listed = json.loads((folder / _LISTED).read_text(encoding="utf-8"))
            artifacts = {name: _read(folder, facts["uri"]) for name, facts in listed.items()}
        except FileNotFoundError as err:
            raise UsageError(f"there is no evaluation in '{folder}': no {Path(err.filename).name}") from err
        except ValueError as err:
            raise DamagedError(f"the evaluation in '{folder}' can't be read: {why_unreadable(err)}") from err
        except (KeyError, TypeError, AttributeError) as err:
            raise DamagedError(f"the evaluation in '{folder}' {what_is_wrong(err)}") from err
        return cls(metrics, artifacts)


def _read(folder: Path, uri: str) -> EvaluationArtifact:
    name = check_artifact_path(PurePosixPath(uri).name)
    return EvaluationArtifact(uri, (folder / _FOLDER / name).read_bytes())


def _is_table(found: Any) -> bool:
    return isinstance(found, dict) and set(found) == {"columns", "data"}
