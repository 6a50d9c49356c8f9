"""Names and passwords that the user's git knows, by `git credential`.

The user's own credential helpers run, and git itself asks where none knows the
answer. The protocol has one attribute a line, so a line end in a value would be
another attribute: such values are refused, in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitml.errors import RefusedError, RemoteError
from gitml.git.process import GitProcess

_UNFIT = re.compile(r"[\r\n\x00]")
_AUTHTYPE = "capability[]"  # git 2.46 and newer may answer with a token of another kind than a password


class NoCredentialsError(RemoteError):
    """git knows no name and password for a host, and could not ask for them."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"'{host}' asks for a name and a password, and git has none: {reason}",
            hint="git config --global credential.helper cache, then git fetch from there once; or use an ssh remote",
        )
        self.host = host
        self.reason = reason


class UnsafeCredentialError(RefusedError):
    """An attribute that git would take for two."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r:.80} has a line end or NUL in it and was not given to git's credential helpers",
            hint="look at the URL of the remote: git remote --verbose",
        )


class GitCredentials:
    """`git credential` in one repository."""

    def __init__(self, process: GitProcess) -> None:
        """Say by which git."""
        self._process = process

    def fill(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Find name and password; git asks the user if no helper knows them.

        Args:
            wanted: `protocol`, `host`, `path`, and `username` if it is certain.

        Raises:
            NoCredentialsError: There are none.
            UnsafeCredentialError: A value has a line end.
        """
        request = _encode({_AUTHTYPE: "authtype", **wanted})
        status, out, err = self._process.run_status(["credential", "fill"], input=request)
        if status != 0:
            lines = [line for line in err.splitlines() if line.strip()]
            reason = lines[-1].removeprefix("fatal: ") if lines else f"exit {status}"
            raise NoCredentialsError(wanted.get("host", ""), reason)
        return _decode(out)

    def approve(self, credential: Mapping[str, str]) -> None:
        """Let the helpers remember what `fill` gave; one that can't is no reason to fail, as for git itself."""
        self._process.run(["credential", "approve"], input=_encode(credential), check=False)

    def reject(self, credential: Mapping[str, str]) -> None:
        """Let the helpers forget what `fill` gave."""
        self._process.run(["credential", "reject"], input=_encode(credential), check=False)


def _encode(attributes: Mapping[str, str]) -> bytes:
    for name, value in attributes.items():
        if _UNFIT.search(value) or _UNFIT.search(name) or "=" in name:
            raise UnsafeCredentialError(name)
    return ("".join(f"{name}={value}\n" for name, value in attributes.items()) + "\n").encode(
        "utf-8", "surrogateescape"
    )


def _decode(out: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in out.decode("utf-8", "surrogateescape").split("\n") if line)
    found = {name: value for name, _, value in pairs}
    for name, value in found.items():
        if _UNFIT.search(value):
            raise UnsafeCredentialError(name)
    return found
