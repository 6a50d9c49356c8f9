"""What a target of deployments is: somewhere a model can be made to answer requests.

Other packages add targets by entry points of the group `gitml.deployments`; the entry point is a class
without arguments whose instances are `Target`s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gitml.errors import NotFoundError, RefusedError, RemoteError
from gitml.execution.backends.options import Option

GROUP = "gitml.deployments"


class DeploymentState(str, Enum):
    """How a deployment stands. The values are the words in listings and in JSON."""

    STARTING = "starting"  # created, or on its way to another version; what was there answers meanwhile
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class DeployedModel:
    """Which model it is.

    Attributes:
        uri: What the user called it: `churn#production`.
        name: The registered model; None of a folder or a run's model.
        version: Its number in the registry.
        stage: The stage that it was named by.
        run_id: The run that made it.
        digest: What its files are.
        image: The image that it is in, by digest.
    """

    uri: str
    name: str | None = None
    version: int | None = None
    stage: str | None = None
    run_id: str | None = None
    digest: str | None = None
    image: str | None = None

    @property
    def label(self) -> str:
        """What people call it: `churn v3`."""
        return self.title if self.version is None else f"{self.name} v{self.version}"

    @property
    def title(self) -> str:
        """What the user called it, without folders of this machine: other places have no use for those."""
        return os.path.basename(self.uri.rstrip("/")) if os.path.isabs(self.uri) else self.uri


@dataclass(frozen=True, slots=True)
class Place:
    """Which place is meant, and how it is reached.

    Attributes:
        config: Values of the target's options, checked.
        environ: The environment variables that gitml was started with.
        folder: Where the target may keep what it has to know; None outside of a repository.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """A model to deploy.

    Attributes:
        name: What the deployment is called: lower-case letters, digits and `-`.
        model: The model.
        place: Where.
        trust: Whether code in the model may run, where it is loaded from here.
    """

    name: str
    model: DeployedModel
    place: Place
    trust: bool = False


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it is now.

    Attributes:
        name: What it is called.
        target: Where it is.
        state: How it stands.
        model: What the user called the model.
        version: The model's version, if it has one.
        image: The image that answers.
        address: Where requests go; None if it isn't known, or there is none yet.
        reason: The target's own words on its state.
    """

    name: str
    target: str
    state: DeploymentState
    model: str | None = None
    version: int | None = None
    image: str | None = None
    address: str | None = None
    reason: str | None = None


@runtime_checkable
class Target(Protocol):
    """One kind of place. Every method raises a `GitmlError` if the place can't be reached or refuses."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    @property
    def options(self) -> Mapping[str, Option]:
        """What `-C` takes."""
        ...

    @property
    def needs_image(self) -> bool:
        """Whether it runs images; else it takes the model itself."""
        ...

    def create(self, request: DeploymentRequest) -> Deployment:
        """Deploy a model.

        Raises:
            DeploymentExistsError: There is one of that name.
        """
        ...

    def update(self, request: DeploymentRequest) -> Deployment:
        """Let a deployment answer by another model; the old one answers until the new one can.

        Raises:
            DeploymentNotFoundError: There is none.
        """
        ...

    def delete(self, name: str, place: Place) -> None:
        """End a deployment.

        Raises:
            DeploymentNotFoundError: There is none.
        """
        ...

    def list(self, place: Place) -> Sequence[Deployment]:
        """Name all deployments of gitml's in a place."""
        ...

    def get(self, name: str, place: Place) -> Deployment:
        """Say how one stands.

        Raises:
            DeploymentNotFoundError: There is none.
        """
        ...

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Ask one for predictions by MLflow's scoring protocol.

        Raises:
            DeploymentNotFoundError: There is none.
            DeploymentError: It answered that it can't.
        """
        ...


@runtime_checkable
class WritesManifests(Protocol):
    """A target whose deployments can be said in files, for whoever applies them."""

    def manifests(self, request: DeploymentRequest) -> Mapping[str, Mapping[str, Any]]:
        """Write what would be applied, without reaching any place: name of a file to what is in it."""
        ...


class DeploymentError(RemoteError):
    """A target can't be reached, or does not do what it was asked."""

    def __init__(self, target: str, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{target}: {what}", hint=hint)
        self.target = target


class DeploymentNotFoundError(NotFoundError):
    """There is no deployment of that name."""

    def __init__(self, target: str, name: str) -> None:
        super().__init__(
            f"there is no deployment '{name}' on {target}",
            hint=f"gitml models deploy --list --target {target}",
        )
        self.name = name


class DeploymentExistsError(RefusedError):
    """There is a deployment of that name."""

    error_code = "RESOURCE_ALREADY_EXISTS"

    def __init__(self, target: str, name: str) -> None:
        super().__init__(
            f"there is a deployment '{name}' on {target} already",
            hint="--update gives it another model; --name gives this one another name",
        )
        self.name = name
