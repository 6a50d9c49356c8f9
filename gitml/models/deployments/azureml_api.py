"""Azure Machine Learning by Microsoft's client: requests, what takes long, and what went wrong."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from gitml.errors import MissingExtraError, UsageError
from gitml.models.deployments.contract import DeploymentError, Place

NAME = "azureml"
# Where options are not given: as Azure's machines and its own tools have them.
_VARIABLES = {
    "subscription": ("AZUREML_ARM_SUBSCRIPTION", "AZURE_SUBSCRIPTION_ID"),
    "resource_group": ("AZUREML_ARM_RESOURCEGROUP",),
    "workspace": ("AZUREML_ARM_WORKSPACE_NAME",),
}
_SETTLE_S = 1800.0  # of what is not starting a model
_NOTICE_S = 30.0
_LOG_LINES = 200
_SHOWN_LINES = 3
_Answer = TypeVar("_Answer")


class AzureMLApi:
    """A workspace.

    Its methods raise `DeploymentError` if it can't be reached or refuses.

    Attributes:
        entities: What the client makes requests of.
    """

    def __init__(self, place: Place) -> None:
        """Make a client; who we are is asked for with the first request.

        Raises:
            MissingExtraError: The client is not installed.
            UsageError: Subscription, resource group or workspace are not known.
        """
        try:
            from azure.ai.ml import MLClient, entities
            from azure.identity import DefaultAzureCredential
        except ImportError as err:
            raise MissingExtraError("the target 'azureml'", "azureml") from err
        self.entities = entities
        where = {option: _where(place, option) for option in _VARIABLES}
        self._workspace = where["workspace"]
        self._pollers: list[Any] = []
        self._client: Any = asked(
            lambda: MLClient(
                DefaultAzureCredential(),
                where["subscription"],
                where["resource_group"],
                where["workspace"],
                enable_telemetry=False,
                show_progress=False,
            )
        )

    def endpoint(self, name: str) -> Any | None:
        """Read an endpoint; None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return asked(partial(self._client.online_endpoints.get, name))
        except DeploymentError as err:
            if isinstance(err.__cause__, ResourceNotFoundError) and not self._is_elsewhere(err.__cause__):
                return None
            raise

    def _is_elsewhere(self, err: Any) -> bool:
        """Whether it is the workspace, or what that is in, that does not exist."""
        code = getattr(getattr(err, "error", None), "code", None)
        return (
            code in ("SubscriptionNotFound", "ResourceGroupNotFound")
            or f"workspaces/{self._workspace}'" in err.message
        )

    def endpoints(self) -> list[Any]:
        """List the endpoints of the workspace."""
        return asked(lambda: list(self._client.online_endpoints.list()))

    def deployments(self, name: str) -> list[Any]:
        """List what is deployed to an endpoint."""
        return asked(lambda: list(self._client.online_deployments.list(name)))

    def put_endpoint(self, endpoint: Any) -> None:
        """Create an endpoint, or change it."""
        self._done(partial(self._client.online_endpoints.begin_create_or_update, endpoint), _SETTLE_S)

    def delete_endpoint(self, name: str) -> None:
        """Delete an endpoint, with all that is deployed to it."""
        self._done(partial(self._client.online_endpoints.begin_delete, name), _SETTLE_S)

    def put_deployment(self, deployment: Any, wait_s: float) -> None:
        """Deploy to an endpoint, and wait until it answers."""
        self._done(partial(self._client.online_deployments.begin_create_or_update, deployment), wait_s)

    def delete_deployment(self, name: str, endpoint: str) -> None:
        """Take a deployment from its endpoint."""
        self._done(partial(self._client.online_deployments.begin_delete, name, endpoint), _SETTLE_S)

    def last_words(self, name: str, endpoint: str) -> str:
        """What the model's container said last; empty if that isn't known."""
        try:
            log = asked(lambda: self._client.online_deployments.get_logs(name, endpoint, lines=_LOG_LINES))
        except DeploymentError:  # there may be no container at all
            return ""
        lines = [line.strip() for line in str(log).splitlines() if line.strip()]
        return " | ".join(lines[-_SHOWN_LINES:])[:1000]

    def secret(self, name: str) -> str:
        """The key or token that requests for predictions carry."""
        keys = asked(partial(self._client.online_endpoints.get_keys, name))
        return str(getattr(keys, "primary_key", None) or keys.access_token)

    @contextlib.contextmanager
    def changing(self) -> Iterator[AzureMLApi]:
        """Where things are changed: Microsoft's client prints dots then, from threads of its own.

        At the end they get a moment to see that what they wait for is over, so that they print nothing later.
        """
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                yield self
            finally:
                for poller in self._pollers:
                    with contextlib.suppress(Exception):  # told when it came about
                        poller.wait(_NOTICE_S)

    def _done(self, begin: Callable[[], Any], wait_s: float) -> None:
        poller = asked(begin)
        self._pollers.append(poller)
        asked(partial(poller.wait, wait_s))
        if not poller.done():
            raise DeploymentError(
                NAME, f"it is not ready after {wait_s:.0f} s", hint="-C wait=1h gives it more time"
            )
        asked(poller.result)


def _where(place: Place, option: str) -> str:
    given = place.config.get(option)
    found = given or next(filter(None, map(place.environ.get, _VARIABLES[option])), None)
    if not found:
        raise UsageError(
            f"no {option.replace('_', ' ')} is given",
            hint="-C subscription=ID -C resource_group=NAME -C workspace=NAME",
        )
    return str(found)


def asked(request: Callable[[], _Answer]) -> _Answer:
    """Send a request; what Microsoft's client raises becomes a `DeploymentError`."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        with _quiet():
            return request()
    except ClientAuthenticationError as err:
        raise DeploymentError(
            NAME,
            _said(err),
            hint="az login; or: AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        ) from err
    except AzureError as err:
        raise DeploymentError(NAME, _said(err)) from err


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let the libraries not log what is raised as well."""
    import logging

    loggers = [logging.getLogger(name) for name in ("azure.identity", "azure.ai.ml")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _said(err: Any) -> str:
    """What the service says itself, in a line."""
    error = getattr(err, "error", None)
    said = str(getattr(error, "message", None) or getattr(err, "message", None) or err)
    return " ".join(said.split("\n", 1)[0].split())[:1000] or type(err).__name__
