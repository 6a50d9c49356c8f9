"""A Kubernetes API for tests, and a node that runs pods as processes of this machine.

`control_plane` is the real one: etcd, kube-apiserver and kube-controller-manager, where
they are on PATH (`kubernetes_build.sh` makes them from Debian's source package).
`stand_in` answers the requests of the official client like it, as far as jobs need,
and checks manifests by the schemas of a released Kubernetes. In both cases the node is
ours: it starts a pod's container as a process, serves its output as a kubelet does,
and reports how it ended.
"""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.servers.kubernetes_node import Node

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
PATIENCE_S = 90.0


@dataclass
class Api:
    """An API server, spoken to directly."""

    url: str
    token: str
    authority: Path

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send a request; the answer's JSON, or None where there is no such thing."""
        answer = self._pool.request(
            method,
            self.url + path,
            body=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
        )
        if answer.status == 404:
            return None
        assert answer.status < 300, (method, path, answer.status, answer.data)
        return json.loads(answer.data)

    @functools.cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(ca_certs=str(self.authority), retries=False, timeout=30)

    def kubeconfig(self, namespace: str) -> str:
        """The text of a file that leads kubectl and clients here."""
        return json.dumps(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.authority)}}],
                "users": [{"name": "test", "user": {"token": self.token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
            }
        )  # fmt: skip


@contextlib.contextmanager
def control_plane() -> Iterator[Api]:
    """The real control plane of one cluster, and our node."""
    with tempfile.TemporaryDirectory(prefix="kube-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        etcd, peers, port = _free_ports(3)
        _start(
            stack, folder, "etcd", f"--data-dir={folder}/etcd", f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}", f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
        )  # fmt: skip
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        api = Api(f"https://127.0.0.1:{port}", secrets.token_hex(), folder / "certificates/apiserver.crt")
        (folder / "tokens.csv").write_text(f'{api.token},admin,admin,"system:masters"\n')
        _start(
            stack, folder, "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={port}", f"--cert-dir={folder}/certificates", f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--disable-admission-plugins=ServiceAccount", "--feature-gates=TTLAfterFinished=true",
            "--insecure-port=0", "--kubelet-preferred-address-types=InternalIP",
        )  # fmt: skip
        _wait_for(lambda: _is_ready(api), folder)
        (folder / "kubeconfig").write_text(api.kubeconfig("default"))
        _start(
            stack, folder, "kube-controller-manager", f"--kubeconfig={folder}/kubeconfig", "--leader-elect=false",
            "--controllers=job,garbagecollector,namespace,ttl-after-finished", "--secure-port=0", "--port=0",
            "--feature-gates=TTLAfterFinished=true",
        )  # fmt: skip
        stack.enter_context(contextlib.closing(Node(api, folder)))
        yield api


def is_installed() -> bool:
    """Whether the real control plane can be had."""
    return all(shutil.which(program) for program in CONTROL_PLANE)


def _start(stack: contextlib.ExitStack, folder: Path, program: str, *arguments: str) -> None:
    log = stack.enter_context((folder / f"{program}.log").open("wb"))
    process = subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=folder)

    def end() -> None:
        process.terminate()
        process.wait(PATIENCE_S)

    stack.callback(end)


def _is_ready(api: Api) -> bool:
    try:
        return api.call("GET", "/api/v1/namespaces/default") is not None
    except (urllib3.exceptions.HTTPError, OSError, AssertionError):
        return False


def _wait_for(condition, folder: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            logs = {log.name: log.read_text()[-3000:] for log in folder.glob("*.log")}
            raise AssertionError(logs)
        time.sleep(0.2)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
