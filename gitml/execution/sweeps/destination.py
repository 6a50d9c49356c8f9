"""Where the trials of a sweep run, if not in processes of the sweep itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml.errors import UsageError
from gitml.execution.backends.registry import find_backend

if TYPE_CHECKING:
    from gitml.execution.opening import ProjectRequest

_LIMIT = "array_limit"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the trials of a sweep run.

    Attributes:
        backend: The backend's name.
        config: Its options, as `read_config` read them.
        remote: Name of the remote that jobs clone from and push to; None: as of `submit`.
        at_once: How many may run at a time; None: as many as the backend likes.
        project: How a project was asked for.
    """

    backend: str
    config: Mapping[str, object] = field(default_factory=dict)
    remote: str | None = None
    at_once: int | None = None
    project: ProjectRequest | None = None


def launch_facts(where: Destination) -> dict[str, object]:
    """Say in a plan where trials run; what is in the config may be for nobody else's eyes."""
    variables = where.config.get("env", {})
    names = sorted(map(str, variables)) if isinstance(variables, Mapping) else []
    return {"backend": where.backend, **({"backend_variables": names} if names else {})}


def limited(where: Destination) -> Destination:
    """Tell the backend how many jobs may run at a time.

    Raises:
        UsageError: It can't be told, or is told otherwise.
    """
    if where.at_once is None:
        return where
    if _LIMIT not in find_backend(where.backend).options:
        raise UsageError(
            f"--jobs {where.at_once}: backend '{where.backend}' can't be told how many jobs may run at a time",
            hint="leave --jobs out; of this machine's, a sweep without --backend and --detach runs so many",
        )
    if str(where.config.get(_LIMIT, where.at_once)) != str(where.at_once):
        raise UsageError(f"--jobs {where.at_once} and -c {_LIMIT} contradict each other", hint="give one")
    return replace(where, config={**where.config, _LIMIT: where.at_once})
