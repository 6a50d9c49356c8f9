"""Who we are to a Git LFS server: names and passwords that git keeps, or what ssh gave us.

Nothing is asked for before the server wants it, and nothing goes to another host
than the one that it was asked for.
"""

from __future__ import annotations

import base64
import netrc
import os
import re
import threading
from collections.abc import Mapping
from typing import Protocol

from gitml.store.base import StoreUnreachableError
from gitml.store.lfs.endpoint import Endpoint
from gitml.store.lfs.protocol import Action, Operation
from gitml.store.lfs.ssh import SshAccess
from gitml.store.lfs.urls import origin, shown, split_http

Credential = Mapping[str, str]
_REFUSED = (
    "git credential fill shows what git knows of that host, git credential reject forgets it; "
    "then run the command again"
)


class CredentialSource(Protocol):
    """`git credential`, or something that works like it: attributes in, attributes out."""

    def fill(self, wanted: Credential) -> Credential:
        """Find name and password for `protocol`, `host`, `path`, perhaps `username`; asks the user if it must.

        Raises:
            GitmlError: There are none.
        """
        ...

    def approve(self, credential: Credential) -> None:
        """Remember them: they worked."""
        ...

    def reject(self, credential: Credential) -> None:
        """Forget them: they did not work."""
        ...


class Access:
    """The way into one server; several threads may use it."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: CredentialSource | None,
        values: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> None:
        """Say whose.

        Args:
            endpoint: The server.
            credentials: Where names and passwords come from; None to do without.
            values: git's configuration, for ssh.
            environ: The environment, for ssh and `.netrc`.
        """
        self.endpoint = endpoint
        self._credentials = credentials
        self._environ = environ
        self._ssh = SshAccess(endpoint, values, environ) if endpoint.ssh is not None else None
        self._lock = threading.Lock()
        self._authorization: str | None = None
        self._filled: Credential | None = None  # what git gave us and we have not judged yet
        self._steps = 0

    def get(self, operation: Operation) -> Action:
        """Give the server's URL, and headers that let us in, as far as we have any."""
        if self._ssh is not None:
            return self._ssh.get(operation)
        headers = {} if self._authorization is None else {"Authorization": self._authorization}
        return Action(self.endpoint.url, headers)

    def headers_for(self, url: str) -> dict[str, str]:
        """Give what an action at the server's own origin must carry if it brings nothing itself."""
        if self._authorization is None or origin(url) != origin(self.endpoint.url):
            return {}
        return {"Authorization": self._authorization}

    def renew(self, operation: Operation, refused: Action, asked: str, challenge: str | None) -> None:
        """Find another way in: the server refused this one.

        Args:
            operation: What for.
            refused: What `get` gave.
            asked: The URL that refused; a redirect may have led elsewhere.
            challenge: What it says how to log in.

        Raises:
            StoreUnreachableError: There is no other.
        """
        if self._ssh is not None:
            self._renew_by_ssh(self._ssh, operation, refused)
            return
        with self._lock:
            if refused.headers.get("Authorization") != self._authorization:
                return  # another thread was here before
            self._check_place(asked, challenge)
            self._next_way(challenge)

    def _renew_by_ssh(self, ssh: SshAccess, operation: Operation, refused: Action) -> None:
        with self._lock:
            if ssh.get(operation) is not refused:
                return
            if self._steps:
                raise self._error("it does not take what it gave us by ssh itself", "run the command again")
            self._steps = 1
            ssh.get(operation, refused=refused)

    def works(self) -> None:
        """Let git remember what it gave us: the server took it."""
        with self._lock:
            # Should it be refused later, it has expired: then it may be asked for once more.
            self._steps = min(self._steps, 2) if self._ssh is None else 0
            if self._filled is not None and self._credentials is not None:
                self._credentials.approve(self._filled)
                self._filled = None

    def redact(self, text: str) -> str:
        """Take what is secret out of a server's words."""
        lines = [self._authorization or "", *([] if self._ssh is None else self._ssh.secrets())]
        words = [line.rpartition(" ")[2] for line in lines]
        passwords = [self.endpoint.password or "", (self._filled or {}).get("password", "")]
        for secret in (found for found in (*lines, *words, *passwords) if len(found) > 3):
            text = text.replace(secret, "***")
        return text

    def _check_place(self, asked: str, challenge: str | None) -> None:
        if origin(self.endpoint.url) != origin(asked):
            raise self._error(
                f"it sends us on to '{shown(asked)}', which asks for a password",
                f"if you trust that: git config lfs.url {shown(asked).removesuffix('/objects/batch')}",
            )
        offered = {scheme.lower() for scheme in re.findall(r"(?:^|,)\s*([A-Za-z]+)", challenge or "Basic")}
        if not offered & {"basic", "bearer"}:
            raise self._error(
                "it wants to be logged in to in a way that gitml does not know",
                "use an ssh URL for the remote, or: gitml remote artifacts URL",
            )

    def _next_way(self, challenge: str | None) -> None:
        """Take what the URL says, else what .netrc says, else what git knows; each once."""
        if self._filled is not None and self._credentials is not None:
            self._credentials.reject(self._filled)
            self._filled = None
            raise self._error("it does not accept your name and password", _REFUSED)
        endpoint = self.endpoint
        if self._steps < 1:
            self._steps = 1
            if endpoint.password is not None:
                self._authorization = _basic(endpoint.username or "", endpoint.password)
                return
        if self._steps < 2:
            self._steps = 2
            known = _netrc(split_http(endpoint.credential_url).hostname or "", self._environ)
            if known is not None and endpoint.username in (None, known[0]):
                self._authorization = _basic(*known)
                return
        if self._steps < 3 and self._credentials is not None:
            self._steps = 3
            self._filled = self._credentials.fill(self._wanted(challenge))
            self._authorization = self._header(self._filled)
            return
        raise self._error("it does not accept your name and password", _REFUSED)

    def _wanted(self, challenge: str | None) -> dict[str, str]:
        parts = split_http(self.endpoint.credential_url)
        wanted = {"protocol": parts.scheme, "host": parts.netloc, "path": parts.path.lstrip("/")}
        if self.endpoint.username is not None:
            wanted["username"] = self.endpoint.username
        if challenge is not None and re.search(r"[\x00-\x1f\x7f]", challenge) is None:
            wanted["wwwauth[]"] = challenge
        return wanted

    def _header(self, credential: Credential) -> str:
        if "authtype" in credential and "credential" in credential:  # from git 2.46 on
            return f"{credential['authtype']} {credential['credential']}"
        if "password" not in credential:
            raise self._error("it asks for a name and password, and git knows none", _REFUSED)
        return _basic(credential.get("username", ""), credential["password"])

    def _error(self, reason: str, hint: str) -> StoreUnreachableError:
        return StoreUnreachableError(self.endpoint.name, reason, hint=hint)


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode("utf-8", "surrogateescape")).decode()


def _netrc(host: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Look a host up where curl, and so git, does; a file that can't be read says nothing."""
    path = environ.get("NETRC") or os.path.join(environ.get("HOME", os.sep), ".netrc")
    try:
        known = netrc.netrc(path).hosts.get(host)
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
        return None
    return None if known is None else (known[0], known[2] or "")
