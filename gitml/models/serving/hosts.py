"""Whom a request may be addressed to.

A page in a browser can reach a server that listens on this machine only, if the page's own name is
made to lead here. So such a server answers only to names of this machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from gitml.models.serving.replies import RequestError


class HostCheck:
    """Checks the header `Host`."""

    def __init__(self, listens_on: str, allowed: Collection[str]) -> None:
        """Say who may be meant.

        Args:
            listens_on: The address that the server listens on.
            allowed: Names that are answered to; where that is empty, all are, or if it listens on
                this machine alone, this machine's.
        """
        self._allowed = frozenset(name.lower() for name in allowed)
        self._local = is_local(listens_on)
        self._seen: bytes | None = None  # the last that was fine

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """See that a request is meant for this server.

        Raises:
            RequestError: It is addressed to somebody else.
        """
        given = headers.get(b"host", b"")
        if given == self._seen or not (self._local or self._allowed):
            return
        name = _without_port(given.decode("latin-1").lower())
        if name not in self._allowed and not (self._local and (not name or is_local(name))):
            raise RequestError(
                f"this server does not answer to the name {name!r:.100}; serve with --allow-host",
                status=403, code="PERMISSION_DENIED",
            )  # fmt: skip
        self._seen = given


def is_local(host: str) -> bool:
    """Whether a name or address is this machine, as seen from itself only."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
