"""Requests to a server of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gitml.models.deployments.contract import DeploymentError

_PATIENCE_S = 300.0


def post(
    target: str, url: str, body: bytes, content_type: str, *, headers: Mapping[str, str] | None = None
) -> bytes:
    """Send a request for predictions.

    Args:
        target: The target, for messages.
        url: Where to.
        body: What is sent.
        content_type: What it is.
        headers: What else the server has to know.

    Raises:
        DeploymentError: The server can't be reached, or answered that it can't.
    """
    import urllib3

    sent = {**(headers or {}), "Content-Type": content_type}
    try:
        answer = urllib3.request("POST", url, body=body, headers=sent, timeout=_PATIENCE_S, retries=False)
    except urllib3.exceptions.HTTPError as err:
        raise DeploymentError(
            target, f"{url} can't be reached: {getattr(err, 'reason', None) or err}"
        ) from err
    if answer.status >= 300:
        raise DeploymentError(target, f"{url} answered {answer.status}: {words(answer.data)}")
    return bytes(answer.data)


def words(data: bytes) -> str:
    """What a model's server says went wrong, also where a cloud put that into words of its own."""
    try:
        found = json.loads(data)
        error = found.get("error")
        if isinstance(error, dict) and error.get("message"):
            return words(str(error["message"]).encode())
        return str(found.get("message") or error or found)
    except (ValueError, AttributeError):
        return data.decode("utf-8", "replace").strip()[:400]
