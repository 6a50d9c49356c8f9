"""From what defines an environment to one that is ready."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitml.entities.project import EnvironmentKind, EnvironmentSpec
from gitml.errors import UsageError
from gitml.execution.environments.environment import Environment
from gitml.launching.launch import ShowProgress, no_progress

MANAGERS = ("local", "uv", "virtualenv", "conda", "docker", "podman")
CONTAINERS = ("docker", "podman")


def prepare(
    spec: EnvironmentSpec,
    folder: Path,
    *,
    manager: str | None,
    cache: Path,
    environ: Mapping[str, str],
    progress: ShowProgress = no_progress,
) -> Environment:
    """Make a project's environment ready, from the cache if it was made before.

    Args:
        spec: What defines it.
        folder: The project's folder.
        manager: Who is to make it, one of `MANAGERS`; None: who fits what
            defines it and is there.
        cache: The user's cache folder.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Raises:
        UsageError: There is no such manager, or it can't make this kind.
    """
    if manager is not None and manager not in MANAGERS:
        raise UsageError(f"there is no environment manager '{manager}'", hint="one of " + ", ".join(MANAGERS))
    if manager == "local" or (manager is None and spec.kind is EnvironmentKind.NONE):
        return Environment("local")
    raise UsageError(f"environments by {manager or 'default'} are not made yet")
