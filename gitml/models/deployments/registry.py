"""Which targets there are: gitml's own by a table, others by entry points."""

from __future__ import annotations

from typing import cast

from gitml.errors import NotFoundError
from gitml.models.deployments.contract import GROUP, DeploymentError, Target
from gitml.plugins import BrokenPluginError, Plugins

BUILT_IN = {
    "azureml": "gitml.models.deployments.azureml:AzureMLTarget",
    "kserve": "gitml.models.deployments.kserve:KServeTarget",
    "kubernetes": "gitml.models.deployments.kubernetes:KubernetesTarget",
    "local": "gitml.models.deployments.local:LocalTarget",
    "sagemaker": "gitml.models.deployments.sagemaker:SageMakerTarget",
    "vertex": "gitml.models.deployments.vertex:VertexTarget",
}
_TARGETS = Plugins(GROUP, BUILT_IN)


class TargetNotFoundError(NotFoundError):
    """There is no target of that name."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no target '{name}' to deploy to", hint=_TARGETS.hint(name))
        self.name = name


def find_target(name: str) -> Target:
    """Make the target of that name.

    Raises:
        TargetNotFoundError: There is none.
        DeploymentError: Its package can't be loaded.
    """
    try:
        return cast("Target", _TARGETS.load(name))
    except KeyError:
        raise TargetNotFoundError(name) from None
    except BrokenPluginError as err:
        raise DeploymentError(name, str(err)) from err
