"""Which targets there are: gitml's own by a table, others by entry points."""

from __future__ import annotations

import difflib
import importlib
from typing import cast

from gitml.errors import GitmlError, NotFoundError
from gitml.models.deployments.contract import GROUP, DeploymentError, Target

# A table, so that they work from a source tree, and so that no other package can take their names.
BUILT_IN = {
    "azureml": "gitml.models.deployments.azureml:AzureMLTarget",
    "kserve": "gitml.models.deployments.kserve:KServeTarget",
    "kubernetes": "gitml.models.deployments.kubernetes:KubernetesTarget",
    "local": "gitml.models.deployments.local:LocalTarget",
    "sagemaker": "gitml.models.deployments.sagemaker:SageMakerTarget",
    "vertex": "gitml.models.deployments.vertex:VertexTarget",
}


class TargetNotFoundError(NotFoundError):
    """There is no target of that name."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        super().__init__(
            f"there is no target '{name}' to deploy to",
            hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
        )
        self.name = name


def target_names() -> list[str]:
    """List the names of all targets."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def find_target(name: str) -> Target:
    """Make the target of that name.

    Raises:
        TargetNotFoundError: There is none.
        DeploymentError: Its package can't be loaded.
    """
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        module, _, attribute = built_in.partition(":")
        return cast("Target", getattr(importlib.import_module(module), attribute)())
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=name):
        try:
            return cast("Target", point.load()())
        except GitmlError:
            raise
        except Exception as err:
            what = f"it can't be loaded from '{point.value}': {type(err).__name__}: {err}"
            raise DeploymentError(name, what) from err
    raise TargetNotFoundError(name, target_names())
