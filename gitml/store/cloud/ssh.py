"""SFTP: fsspec's file system, made to trust only hosts that the user knows.

fsspec's own takes any host's key and has one channel for all threads. Here keys
come from `known_hosts`, people's settings from `~/.ssh/config`, and each thread has
a channel of its own; no password is ever asked for or sent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]
from fsspec.implementations.sftp import SFTPFileSystem  # type: ignore[import-untyped]

from gitml.errors import UsageError
from gitml.store.base import StoreUnreachableError
from gitml.store.cloud.address import Address
from gitml.store.cloud.failures import Help, explain
from gitml.store.cloud.files import FilePlace
from gitml.store.cloud.options import Options
from gitml.store.incoming import Block

_TIMEOUT = 30
_SILENCE = 120  # seconds without a byte after which a transfer is given up
_READ = 32 * 1024  # what every server takes in one request
_WINDOW = 4 * 1024**2
_WORKERS = 4  # sshd permits ten channels
_KNOWN = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
ERRORS = (OSError, EOFError, paramiko.SSHException)


class SftpPlace(FilePlace):
    """A folder of a machine that speaks SFTP."""

    def _write(self, path: str, content: Iterator[bytes]) -> None:
        with self._files.open(path, "wb") as stream:
            stream.set_pipelined(True)  # do not wait for an answer to each 32 kB
            for block in content:
                stream.write(block)

    def _blocks(self, stream: Any, offset: int, end: int) -> Iterator[Block]:
        while offset < end:
            window = min(_WINDOW, end - offset)
            pieces = [
                (start, min(_READ, offset + window - start))
                for start in range(offset, offset + window, _READ)
            ]
            for block in stream.readv(pieces):
                if not block:
                    return  # it is shorter than it should be
                offset += len(block)
                yield block

    def close(self) -> None:
        """Hang up."""
        self._files.client.close()


class _Files(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's SFTP with our way to connect, and a channel for each thread."""

    cachable = False
    protocol = ("sftp", "ssh")

    def _connect(self) -> None:
        self._channels: dict[threading.Thread, Any] = {}
        self._opening = threading.Lock()
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        for path in self.ssh_kwargs.pop("known_hosts"):
            if os.path.isfile(path):
                self.client.load_system_host_keys(path)
        try:
            self.client.connect(self.host, **self.ssh_kwargs)
        except BaseException:
            self.client.close()
            raise
        self.client.get_transport().set_keepalive(30)

    @property
    def ftp(self) -> Any:
        """This thread's channel; one that a thread has left behind if there is any."""
        thread = threading.current_thread()
        with self._opening:
            if thread not in self._channels:
                left = next((other for other in self._channels if not other.is_alive()), None)
                self._channels[thread] = self._channels.pop(left) if left else self._open_channel()
            return self._channels[thread]

    def _open_channel(self) -> Any:
        channel = self.client.open_sftp()
        channel.get_channel().settimeout(_SILENCE)
        return channel


def open_sftp(address: Address, settings: Mapping[str, str], name: str) -> SftpPlace:
    """Connect to a machine as `ssh` would, with keys and agent.

    Raises:
        StoreUnreachableError: It can't be reached, is not known, or lets us not in.
        UsageError: `~/.ssh/config` asks for what we can't do.
    """
    options = Options(settings, "SFTP", ("identity-file",))
    config = _config(address.host)
    host = config.get("hostname", address.host)
    port = address.port or int(config.get("port", 22))
    user = address.user or config.get("user")
    known = config.get("userknownhostsfile", "").split() or [_KNOWN[0]]
    keys = [options.text("identity-file"), *config.get("identityfile", [])]
    advice = Help(
        f"folder '/{address.path}'",
        f"add a key that '{host}' knows to your agent (ssh-add) or ~/.ssh",
        "read and write the folder",
    )
    try:
        files = _Files(
            host,
            port=port,
            username=user,
            known_hosts=[os.path.expanduser(path) for path in (*known, _KNOWN[1])],
            key_filename=[os.path.expanduser(key) for key in keys if key] or None,
            sock=_proxy(config),
            timeout=_TIMEOUT,
            banner_timeout=_TIMEOUT,
            auth_timeout=_TIMEOUT,
        )
    except ERRORS as err:
        raise _refusal(name, host, port, user, advice, err) from err
    return SftpPlace(files, f"/{address.path}", name, advice, workers=_WORKERS, errors=ERRORS)


def _config(host: str) -> Any:
    path = Path("~/.ssh/config").expanduser()
    if not path.is_file():
        return {}
    try:
        config = paramiko.SSHConfig.from_path(str(path)).lookup(host)
    except (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize, ImportError) as err:
        raise UsageError(f"'{path}' can't be read for '{host}': {err}") from err
    if "proxyjump" in config and "proxycommand" not in config:
        raise UsageError(
            f"'{host}' is reached by ProxyJump, which SFTP here can't do",
            hint=f"in {path} write: ProxyCommand ssh -W %h:%p {config['proxyjump']}",
        )
    return config


def _proxy(config: Any) -> Any:
    command = config.get("proxycommand")
    if command is None or command == "none":
        return None
    return paramiko.ProxyCommand(command)  # from the user's own configuration; started without a shell


def _refusal(
    name: str, host: str, port: int, user: str | None, advice: Help, error: BaseException
) -> Exception:
    login = f"{user}@{host}" if user else host
    command = f"ssh {login}" if port == 22 else f"ssh -p {port} {login}"
    if isinstance(error, paramiko.BadHostKeyException):
        return StoreUnreachableError(
            name,
            f"the key of '{host}' is not the one that is known: it is another machine, or somebody is in between",
            hint=f"ask who runs it; if the change is right: ssh-keygen -R '{host}', then {command}",
        )
    if "not found in known_hosts" in str(error):
        return StoreUnreachableError(
            name,
            f"'{host}' is not known here, so it can't be told from an impostor",
            hint=f"compare its fingerprint and accept it once: {command}",
        )
    if isinstance(error, (paramiko.AuthenticationException, paramiko.PasswordRequiredException)) or (
        "No authentication methods" in str(error)
    ):
        return StoreUnreachableError(
            name, f"'{host}' does not let us in: {error}", hint=f"{advice.credentials}; {command} must work"
        )
    return explain(name, advice, error, None)
