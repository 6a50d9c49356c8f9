"""What a process is set to: repository, experiment, strictness, system metrics.

One `Session` exists, in `fluent`. It is told its environment rather than
reading it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from gitml.api.client import Client
from gitml.api.connection import local_path
from gitml.api.handles import Experiment
from gitml.entities.run import DEFAULT_EXPERIMENT_ID
from gitml.errors import DeletedError, InvalidValueError, UsageError

_FALSE = ("", "0", "false", "no", "off")
_EXPERIMENT = "GITML_EXPERIMENT"
_RUN_NAME = "GITML_RUN_NAME"
_RUN_ID = ("GITML_RUN_ID", "MLFLOW_RUN_ID")
_DEFAULT_INTERVAL_S = 10.0


@dataclass(slots=True)
class SystemMetricsSettings:
    """Whether and how the machine is measured while a run lasts; None is what the environment says."""

    enabled: bool | None = None
    interval_s: float | None = None
    samples_before_logging: int | None = None
    node_id: str | None = None


class Session:
    """The settings of one process and the client that they lead to."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._environ = environ
        self._location: str | Path | None = None
        self._client: Client | None = None
        self._retired: list[Client] = []
        self._experiment_id: str | None = None
        # Choosing one here overwrites the variable, for the processes started from here.
        self._given_experiment = environ.get(_EXPERIMENT) or None
        self._joined: dict[str, str | None] = {}  # what the variables named when a run of theirs was joined
        self._strict = _is_true(environ.get("GITML_STRICT"))
        self._lock = threading.RLock()
        self._system_metrics = SystemMetricsSettings()

    @property
    def client(self) -> Client:
        """The client that the fluent functions use, opened when first asked for.

        Raises:
            NotARepositoryError: The current folder is in no git repository.
        """
        client = self._client
        if client is None:
            with self._lock:
                client = self._client
                if client is None:
                    where = self._location or self._environ.get("GITML_REPO") or None
                    client = self._client = Client(where, strict=self._strict)
        return client

    @property
    def is_location_set(self) -> bool:
        """Whether a repository was chosen, rather than found."""
        return self._location is not None or bool(self._environ.get("GITML_REPO"))

    def move(self, location: str | Path | None) -> None:
        """Choose the repository; the chosen experiment is forgotten, active runs go on.

        Raises:
            NotARepositoryError: The path is in no repository.
            UsageError: It is the address of a server.
        """
        path = local_path(location) if location else None
        client = Client(path, strict=self._strict)
        with self._lock:
            self._retire()
            self._client = client
            self._location = path
            if self._experiment_id is not None:
                self._experiment_id = None
                self._environ.pop(_EXPERIMENT, None)

    def after_fork(self) -> None:
        """Forget the parent's client, without closing what the parent still uses."""
        self._lock = threading.RLock()
        self._retire()
        self._client = None

    def _retire(self) -> None:
        if self._client is not None:
            self._retired.append(self._client)  # active runs still use it

    @property
    def strict(self) -> bool:
        """Whether trouble while logging raises rather than warns."""
        return self._strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        self._strict = bool(strict)
        for client in (*self._retired, self._client):
            if client is not None:
                client.strict = self._strict

    # The experiment

    def choose_experiment(self, name: str | None, experiment_id: str | None) -> Experiment:
        """Choose the experiment of later runs, here and in processes started from here.

        Raises:
            DeletedError: It was deleted.
            UsageError: Both a name and an id were given, or neither.
        """
        if (name is None) == (experiment_id is None):
            raise UsageError("set_experiment takes a name or an id", hint="gitml.set_experiment('churn')")
        if name is not None:
            experiment = self.client.ensure_experiment(name)
        else:
            experiment = self.client.get_experiment(str(experiment_id))
            if experiment.lifecycle_stage != "active":
                raise DeletedError("experiment", experiment.name, "gitml.restore_experiment(…) first")
        self._experiment_id = experiment.experiment_id
        self._environ[_EXPERIMENT] = experiment.name
        return experiment

    @property
    def experiment(self) -> Mapping[str, str]:
        """The chosen experiment in the words of `tracking.start.start_run`; empty is `Default`."""
        if self._experiment_id is not None:
            return {"experiment_id": self._experiment_id}
        for variable in (_EXPERIMENT, "MLFLOW_EXPERIMENT_NAME"):
            if name := self._environ.get(variable):
                return {"experiment": name}
        if experiment_id := self._environ.get("MLFLOW_EXPERIMENT_ID"):
            return {"experiment_id": experiment_id}
        return {}

    @property
    def experiment_id(self) -> str:
        """The id of the chosen experiment."""
        chosen = self.experiment
        if "experiment" in chosen:
            found = self.client.get_experiment_by_name(chosen["experiment"])
            return DEFAULT_EXPERIMENT_ID if found is None else found.experiment_id
        return chosen.get("experiment_id", DEFAULT_EXPERIMENT_ID)

    @property
    def wrapper_run_id(self) -> str | None:
        """The run that `gitml run` or MLflow's launcher made for this process."""
        return next(filter(None, map(self._environ.get, _RUN_ID)), None)

    @property
    def run_id_to_join(self) -> str | None:
        """The run that the environment names and that was not joined since it does.

        MLflow removes its variable when a run was joined; here processes
        started later need it, so what it said is remembered instead.
        """
        fresh = (value for name in _RUN_ID if (value := self._environ.get(name)) != self._joined.get(name))
        return next(filter(None, fresh), None)

    def note_joined(self) -> None:
        """Remember that the run which the environment names was joined."""
        self._joined = {name: self._environ.get(name) for name in _RUN_ID}

    @property
    def is_wrapper_run_named(self) -> bool:
        """Whether that run was given a name: `gitml run --name`."""
        return bool(self._environ.get(_RUN_NAME))

    @property
    def given_experiment(self) -> str | None:
        """The experiment that the environment named when this process began, as under `gitml run -e`."""
        return self._given_experiment

    @property
    def chosen_experiment_id(self) -> str | None:
        """The experiment that this process chose itself."""
        return self._experiment_id

    # System metrics

    def set_system_metrics(
        self,
        *,
        enabled: bool | None = None,
        interval_s: float | None = None,
        samples_before_logging: int | None = None,
        node_id: str | None = None,
    ) -> None:
        """Change those settings of system metrics that are given.

        Raises:
            InvalidValueError: An interval or a number of samples that is not positive.
        """
        if interval_s is not None and not interval_s > 0:
            raise InvalidValueError("setting", "interval", "it must be more than 0 seconds")
        if samples_before_logging is not None and samples_before_logging < 1:
            raise InvalidValueError("setting", "samples", "it must be at least 1")
        settings = self._system_metrics
        settings.enabled = settings.enabled if enabled is None else enabled
        settings.interval_s = settings.interval_s if interval_s is None else interval_s
        settings.samples_before_logging = (
            settings.samples_before_logging if samples_before_logging is None else samples_before_logging
        )
        settings.node_id = settings.node_id if node_id is None else node_id

    def wants_system_metrics(self, asked: bool | None) -> bool:
        """Decide whether a run measures the machine: the call, the setting, the environment."""
        for choice in (asked, self._system_metrics.enabled):
            if choice is not None:
                return choice
        return _is_true(self._environ.get("GITML_SYSTEM_METRICS")) or _is_true(
            self._environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING")
        )

    @property
    def system_metrics(self) -> tuple[float, int, str | None]:
        """Seconds between samples, samples a logged value, and the machine's name or None."""
        settings, environ = self._system_metrics, self._environ
        interval = (
            settings.interval_s
            or environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL")
            or _DEFAULT_INTERVAL_S
        )
        samples = (
            settings.samples_before_logging
            or environ.get("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING")
            or 1
        )
        node = settings.node_id or environ.get("MLFLOW_SYSTEM_METRICS_NODE_ID") or None
        try:
            return float(interval), int(samples), node
        except ValueError:
            raise UsageError(
                f"MLFLOW_SYSTEM_METRICS_… is set to {interval!r} and {samples!r}, these must be numbers",
                hint="unset them, or use gitml.set_system_metrics_sampling_interval",
            ) from None


def _is_true(text: str | None) -> bool:
    return (text or "").strip().lower() not in _FALSE
