"""The typed client beneath the fluent functions: takes its repository, no globals.

Method names, arguments and meanings are those of MLflow's `MlflowClient`, its
tracking part and its model registry.
"""

from __future__ import annotations

from gitml.api.client_artifacts import ArtifactCalls
from gitml.api.client_experiments import ExperimentCalls
from gitml.api.client_versions import VersionCalls


class Client(ExperimentCalls, ArtifactCalls, VersionCalls):
    """Everything that can be done with the runs and models of one repository.

    Runs are named by their full id, or wherever a run is only read by
    anything the command line takes: an id's beginning, a name, `@`,
    `@{best:accuracy}`, a commit.

    Example:
        >>> client = Client("path/to/repository")  # doctest: +SKIP
        >>> run = client.create_run("0", run_name="by hand")  # doctest: +SKIP
        >>> client.log_metric(run.info.run_id, "loss", 0.25, step=1)  # doctest: +SKIP
        >>> client.set_terminated(run.info.run_id)  # doctest: +SKIP
    """
