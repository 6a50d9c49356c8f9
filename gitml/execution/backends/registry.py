"""Which backends there are: gitml's own by a table, others by entry points."""

from __future__ import annotations

from typing import cast

from gitml.errors import NotFoundError
from gitml.execution.backends.contract import GROUP, Backend, BackendError
from gitml.plugins import BrokenPluginError, Plugins

BUILT_IN = {
    "docker": "gitml.execution.backends.containers:DockerBackend",
    "kubernetes": "gitml.execution.backends.kubernetes:KubernetesBackend",
    "local": "gitml.execution.backends.local:LocalBackend",
    "podman": "gitml.execution.backends.containers:PodmanBackend",
    "ray": "gitml.execution.backends.ray:RayBackend",
    "slurm": "gitml.execution.backends.slurm:SlurmBackend",
}
_BACKENDS = Plugins(GROUP, BUILT_IN)


class BackendNotFoundError(NotFoundError):
    """There is no backend of that name."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no backend '{name}'", hint=_BACKENDS.hint(name))
        self.name = name


def find_backend(name: str) -> Backend:
    """Make the backend of that name.

    Raises:
        BackendNotFoundError: There is none.
        BackendError: Its package can't be loaded.
        MissingExtraError: Packages that it needs are not installed.
    """
    try:
        return cast("Backend", _BACKENDS.load(name))
    except KeyError:
        raise BackendNotFoundError(name) from None
    except BrokenPluginError as err:
        raise BackendError(name, str(err)) from err
