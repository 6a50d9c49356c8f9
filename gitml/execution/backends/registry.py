"""Which backends there are: gitml's own by a table, others by entry points."""

from __future__ import annotations

import difflib
import importlib
from typing import cast

from gitml.errors import GitmlError, NotFoundError
from gitml.execution.backends.contract import GROUP, Backend, BackendError

# A table, so that they work from a source tree, and so that no other package can take their names.
BUILT_IN = {
    "docker": "gitml.execution.backends.containers:DockerBackend",
    "kubernetes": "gitml.execution.backends.kubernetes:KubernetesBackend",
    "local": "gitml.execution.backends.local:LocalBackend",
    "podman": "gitml.execution.backends.containers:PodmanBackend",
    "ray": "gitml.execution.backends.ray:RayBackend",
    "slurm": "gitml.execution.backends.slurm:SlurmBackend",
}


class BackendNotFoundError(NotFoundError):
    """There is no backend of that name."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        super().__init__(
            f"there is no backend '{name}'",
            hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
        )
        self.name = name


def backend_names() -> list[str]:
    """List the names of all backends."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def find_backend(name: str) -> Backend:
    """Make the backend of that name.

    Raises:
        BackendNotFoundError: There is none.
        BackendError: Its package can't be loaded.
        MissingExtraError: Packages that it needs are not installed.
    """
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        module, _, attribute = built_in.partition(":")
        return cast("Backend", getattr(importlib.import_module(module), attribute)())
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=name):
        try:
            return cast("Backend", point.load()())
        except GitmlError:
            raise
        except Exception as err:
            raise BackendError(
                name, f"it can't be loaded from '{point.value}': {type(err).__name__}: {err}"
            ) from err
    raise BackendNotFoundError(name, backend_names())
