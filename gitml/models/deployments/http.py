"""Requests to a server of a model."""

from __future__ import annotations

import json

from gitml.models.deployments.contract import DeploymentError

_PATIENCE_S = 300.0


def post(target: str, url: str, body: bytes, content_type: str) -> bytes:
    """Send a request for predictions.

    Args:
        target: The target, for messages.
        url: Where to.
        body: What is sent.
        content_type: What it is.

    Raises:
        DeploymentError: The server can't be reached, or answered that it can't.
    """
    import urllib3

    try:
        answer = urllib3.request(
            "POST", url, body=body, headers={"Content-Type": content_type}, timeout=_PATIENCE_S, retries=False
        )
    except urllib3.exceptions.HTTPError as err:
        raise DeploymentError(
            target, f"{url} can't be reached: {getattr(err, 'reason', None) or err}"
        ) from err
    if answer.status >= 300:
        raise DeploymentError(target, f"{url} answered {answer.status}: {words(answer.data)}")
    return bytes(answer.data)


def words(data: bytes) -> str:
    """What a model's server says went wrong."""
    try:
        found = json.loads(data)
        return str(found.get("message") or found.get("error") or found)
    except (ValueError, AttributeError):
        return data.decode("utf-8", "replace").strip()[:400]
