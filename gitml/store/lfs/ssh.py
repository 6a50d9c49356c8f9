"""A way in that is given by ssh: `git-lfs-authenticate` on the git host.

The user's own ssh runs, as git would run it, but never through a shell.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from gitml.store.base import StoreUnreachableError
from gitml.store.lfs.endpoint import Endpoint, SshTarget
from gitml.store.lfs.protocol import (
    Action,
    Operation,
    UnusableAnswerError,
    decode_action,
    decode_document,
    plain,
)

_PATIENCE_S = 300  # the user may be typing a passphrase
_LONGEST_ANSWER = 1024**2
_ELSEWHERE = "git config lfs.url URL sets where the server is; gitml remote artifacts URL sets another place"


class SshAccess:
    """What the git host said by ssh, kept until it expires."""

    def __init__(self, endpoint: Endpoint, values: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """Say whom to ask.

        Args:
            endpoint: One with `ssh`.
            values: git's configuration.
            environ: The environment.
        """
        self._endpoint = endpoint
        self._values = values
        self._environ = environ
        self._lock = threading.Lock()
        self._known: dict[Operation, Action] = {}

    def get(self, operation: Operation, *, refused: Action | None = None) -> Action:
        """Give URL and headers; asks again if they expired, or were `refused`."""
        with self._lock:
            known = self._known.get(operation)
            if known is None or known.is_expired or known is refused:
                known = self._known[operation] = self._ask(operation)
            return known

    def secrets(self) -> list[str]:
        """List what must not be shown: the values of all headers."""
        with self._lock:
            return [value for known in self._known.values() for value in known.headers.values()]

    def _ask(self, operation: Operation) -> Action:
        assert self._endpoint.ssh is not None  # noqa: S101
        command = ssh_command(self._endpoint.ssh, operation, self._values, self._environ)
        name = self._endpoint.name
        try:
            done = subprocess.run(
                command,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except OSError as err:
            reason = f"'{command[0]}' can't be started ({err.strerror})"
            hint = "install ssh, or see what GIT_SSH_COMMAND, GIT_SSH and core.sshCommand say"
            raise StoreUnreachableError(name, reason, hint=hint) from None
        except subprocess.TimeoutExpired:
            raise StoreUnreachableError(name, "ssh did not come back", hint="try it: git fetch") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = plain(said[-1]) if said else f"exit {done.returncode}"
            hint = "try it: git fetch" if done.returncode == 255 else _ELSEWHERE
            raise StoreUnreachableError(name, f"git-lfs-authenticate by ssh failed ({reason})", hint=hint)
        try:
            return self._read(done.stdout)
        except UnusableAnswerError as err:
            raise StoreUnreachableError(
                name, f"git-lfs-authenticate by ssh answered {err}", hint=_ELSEWHERE
            ) from None

    def _read(self, out: bytes) -> Action:
        if len(out) > _LONGEST_ANSWER:
            raise UnusableAnswerError("without end")
        document = decode_document(out)
        href = document.get("href") or self._endpoint.url
        # The answer came by ssh, so there is no http to compare its URL with; plain http is the host's decision.
        return decode_action(
            {**document, "href": href.rstrip("/") if isinstance(href, str) else href}, "http://ssh"
        )


def ssh_command(
    target: SshTarget, operation: Operation, values: Mapping[str, str], environ: Mapping[str, str]
) -> list[str]:
    """Spell the command, as git does for a fetch.

    Raises:
        StoreUnreachableError: It could only be run by a shell.
    """
    words = _program(values, environ)
    variant = environ.get("GIT_SSH_VARIANT") or values.get("ssh.variant") or "auto"
    if variant == "auto":
        variant = Path(words[0]).stem.lower()
    if variant == "tortoiseplink":
        words.append("-batch")
    if target.port is not None:
        words += ["-P" if variant in ("plink", "putty", "tortoiseplink") else "-p", str(target.port)]
    # The other side has a shell: quoted for it where it must be. Neither host nor path begins with a dash.
    return [*words, target.user_and_host, f"git-lfs-authenticate {shlex.quote(target.path)} {operation}"]


def _program(values: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    line = environ.get("GIT_SSH_COMMAND") or values.get("core.sshcommand")
    if not line:
        return [_find(environ.get("GIT_SSH") or "ssh", environ)]
    try:
        words = shlex.split(line)
    except ValueError:
        words = []
    if not words or any(re.search(r"[$`]", word) for word in words):
        raise StoreUnreachableError(
            "ssh",
            "GIT_SSH_COMMAND or core.sshCommand needs a shell, and gitml starts none",
            hint="spell it without variables and substitutions, for example: ssh -i ~/.ssh/id_work",
        )
    home = environ.get("HOME")
    words = [f"{home}{word[1:]}" if home and word.startswith("~/") else word for word in words]
    return [_find(words[0], environ), *words[1:]]


def _find(program: str, environ: Mapping[str, str]) -> str:
    """Find a program on PATH, never in the current folder."""
    if "/" in program:
        return program
    folders = [f for f in environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(f)]
    return shutil.which(program, path=os.pathsep.join(folders)) or program
