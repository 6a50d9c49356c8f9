"""MLflow-shaped views of runs and experiments: what a search or a lookup gives.

A handle wraps the entity it shows and works its parts out when asked. It is a
picture of the moment it was made; look the run up again for a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitml.api.frames import runs_frame
from gitml.api.inputs import DatasetInputs, input_handles
from gitml.api.notebook import mime_bundle
from gitml.api.reserved import artifact_uri, mlflow_tags
from gitml.api.values import LifecycleStage, PagedList, _Dictionary
from gitml.entities import run as entities

if TYPE_CHECKING:
    import pandas as pd

    from gitml.repo import Repo

# Of all curves in a notebook's view of a run: what is read within a blink.
_MOST_POINTS = 100_000


@dataclass(frozen=True, slots=True)
class RunInfo(_Dictionary):
    """Who, what and when; times are in ms since 1970, UTC.

    `artifact_uri` is `runs:/<run id>`: a run's files lie in git, not in a
    folder. It works wherever a call takes an artifact URI.
    """

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    lifecycle_stage: str
    user_id: str


@dataclass(frozen=True, slots=True)
class RunData(_Dictionary):
    """What was logged: params with their types, the last value of each metric, tags."""

    params: dict[str, entities.ParamValue]
    metrics: dict[str, entities.Number]
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunOutputs(_Dictionary):
    """The models a run put out; always empty, models are artifacts here."""

    model_outputs: list[Any] = field(default_factory=list)


class Run:
    """A run in MLflow's shape: `info`, `data`, `inputs`, `outputs`.

    Two handles are equal when they show the same state of the same run.
    `entity` is gitml's own form, which has more: code, command, exit code,
    curves' minima and maxima.
    """

    def __init__(self, entity: entities.Run, repo: Repo | None = None) -> None:
        """Show a run.

        Args:
            entity: The run.
            repo: Where its curves are, to be drawn in a notebook.
        """
        self._entity = entity
        self._repo = repo

    @property
    def entity(self) -> entities.Run:
        """The run in gitml's own form."""
        return self._entity

    @property
    def info(self) -> RunInfo:
        """Who, what and when."""
        return run_info(self.entity)

    @property
    def data(self) -> RunData:
        """Params, last metrics and tags."""
        return RunData(
            params=dict(self.entity.params),
            metrics={key: summary.last for key, summary in self.entity.metrics.items()},
            tags=mlflow_tags(self.entity),
        )

    @property
    def inputs(self) -> DatasetInputs:
        """The data sets the run used."""
        return input_handles(self.entity.inputs)

    @property
    def outputs(self) -> RunOutputs:
        """Always without models; they are artifacts here."""
        return RunOutputs()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Give names and values of its parts, so that `dict(run)` works."""
        return ((name, getattr(self, name)) for name in ("info", "data", "inputs", "outputs"))

    def to_dictionary(self) -> dict[str, Any]:
        """Turn into plain dictionaries and lists, as for JSON."""
        return {
            "info": self.info.to_dictionary(),
            "data": self.data.to_dictionary(),
            "inputs": self.inputs.to_dictionary(),
            "outputs": self.outputs.to_dictionary(),
        }

    def __getstate__(self) -> dict[str, Any]:
        # A repository stays in its process.
        return {**self.__dict__, "_repo": None}

    def __eq__(self, other: object) -> bool:
        return self.entity == other.entity if isinstance(other, Run) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.entity.id, self.entity.commit))

    def __repr__(self) -> str:
        run = self.entity
        return f"<Run {run.id[:12]} '{run.experiment}/{run.name}' {run.status.value}>"

    def _repr_html_(self) -> str:
        from gitml.render.html import run_html, shown_metrics  # only notebooks draw

        run = self.entity
        return run_html(run, self._curves(run, shown_metrics(run)))

    def _repr_markdown_(self) -> str:
        from gitml.render.notebook_markdown import run_markdown

        return run_markdown(self.entity)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return mime_bundle(self, repr(self))

    def _curves(self, run: entities.Run, metrics: Sequence[str]) -> Mapping[str, Sequence[entities.Number]]:
        from gitml.errors import GitmlError
        from gitml.render.curves import read_curves

        try:
            return read_curves(self._repo, run, metrics, most_points=_MOST_POINTS) if self._repo else {}
        except (GitmlError, OSError):  # the view is of this handle, whatever became of its repository
            return {}


class Runs(PagedList[Run]):
    """A list of runs that draws itself as a table and turns into a DataFrame."""

    def to_pandas(self) -> pd.DataFrame:
        """Make a table, a row a run, with MLflow's column names.

        See `gitml.search_runs` for the columns.
        """
        return runs_frame(run.entity for run in self)

    def _repr_html_(self) -> str:
        from gitml.render.html import runs_html  # only notebooks draw

        return runs_html([run.entity for run in self])

    def _repr_markdown_(self) -> str:
        from gitml.render.notebook_markdown import runs_markdown

        return runs_markdown([run.entity for run in self])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return mime_bundle(self, repr(self))


@dataclass(frozen=True, slots=True)
class Experiment(_Dictionary):
    """A named group of runs in MLflow's shape; times are in ms since 1970, UTC.

    `artifact_location` is where this repository keeps large files, the same
    for every experiment.
    """

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str]
    creation_time: int
    last_update_time: int


def run_info(run: entities.Run) -> RunInfo:
    """Tell who, what and when of a run."""
    return RunInfo(
        run_id=run.id,
        run_name=run.name,
        experiment_id=run.experiment_id,
        status=run.status.name,
        start_time=run.start_ms,
        end_time=run.end_ms,
        artifact_uri=artifact_uri(run.id),
        lifecycle_stage=LifecycleStage.ACTIVE if run.deleted_ms is None else LifecycleStage.DELETED,
        user_id=run.user or "",
    )


def experiment_handle(entity: entities.Experiment, artifact_location: str) -> Experiment:
    """Show an experiment in MLflow's shape."""
    return Experiment(
        experiment_id=entity.id,
        name=entity.name,
        artifact_location=artifact_location,
        lifecycle_stage=LifecycleStage.ACTIVE if entity.deleted_ms is None else LifecycleStage.DELETED,
        tags=dict(entity.tags),
        creation_time=entity.created_ms,
        last_update_time=entity.updated_ms,
    )


def run_handles(runs: Iterable[entities.Run], token: str | None = None, repo: Repo | None = None) -> Runs:
    """Show runs in MLflow's shape."""
    return Runs((Run(run, repo) for run in runs), token)
