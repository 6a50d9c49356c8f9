"""A git host as people set it up themselves: nginx, fcgiwrap and `git http-backend`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SYSTEM = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
_SETTINGS = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} backlog=128;
        location / {{
            fastcgi_pass unix:{folder}/fcgi;
            fastcgi_read_timeout 300;
            fastcgi_param SCRIPT_FILENAME {backend};
            fastcgi_param GIT_PROJECT_ROOT {repositories};
            fastcgi_param GIT_HTTP_EXPORT_ALL "1";
            fastcgi_param GIT_PROTOCOL $http_git_protocol;
            fastcgi_param PATH_INFO $uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REMOTE_USER ada;
            fastcgi_param REMOTE_ADDR $remote_addr;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class NginxGit:
    """One that runs."""

    port: int
    folder: Path

    def url(self, name: str) -> str:
        """Where a repository is."""
        return f"http://127.0.0.1:{self.port}/{name}"

    @property
    def errors(self) -> str:
        """What nginx complained of."""
        return (self.folder / "error.log").read_text()


def _program(name: str) -> str:
    """Find a program; CI installs it, so there its absence is an error."""
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM)
    if found is None:
        reason = f"{name} is not installed (Debian: nginx-light, fcgiwrap)"
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    return found


@contextlib.contextmanager
def nginx_git_server(repositories: Path, *, processes: int = 4) -> Iterator[NginxGit]:
    """Serve the repositories of a folder; those that may be pushed to have `http.receivepack`.

    Args:
        repositories: The folder.
        processes: How many requests are worked on at once.
    """
    nginx, fcgiwrap = _program("nginx"), _program("fcgiwrap")
    git_programs = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout
    backend = Path(git_programs.strip()) / "git-http-backend"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))  # a socket's path must be short
    settings = folder / "nginx.conf"
    settings.write_text(
        _SETTINGS.format(folder=folder, port=port, backend=backend, repositories=repositories)
    )
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        log = stack.enter_context((folder / "log").open("wb"))
        commands = (
            [fcgiwrap, "-c", str(processes), "-s", f"unix:{folder}/fcgi"],
            [nginx, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(settings)],
        )
        for command in commands:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            stack.callback(_end, process)
        _wait(port, folder)
        yield NginxGit(port, folder)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and the workers that it started: they are a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def _wait(port: int, folder: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            if (folder / "fcgi").exists():
                return
        time.sleep(0.05)
    raise AssertionError(f"nginx did not start: {(folder / 'log').read_text()[-2000:]}")
