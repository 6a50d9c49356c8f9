"""A node of a cluster for tests: what a kubelet does, with processes in the place of containers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import ssl
import subprocess
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAME = "node"
MERGE = "application/merge-patch+json"
_PAUSE_S = 0.1


class Node:
    """Takes every pod, runs its first container, and serves its output.

    Images are not pulled, but one whose name has `missing` in it waits as one that can't be
    had. Secrets are mounted where a container wants them, in a mount namespace of its own.
    """

    def __init__(self, api: Any, folder: Path) -> None:
        self._api = api
        self._folder = folder / "pods"
        self._folder.mkdir()
        self._running: dict[str, subprocess.Popen] = {}
        self._told: set[str] = set()
        self._closed = threading.Event()
        self._server = _log_server(self, folder)
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._server.serve_forever, self._work)
        ]
        self._register()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it and all that runs on it."""
        self._closed.set()
        self._threads[1].join(30)
        self._server.shutdown()
        self._server.server_close()
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log_of(self, namespace: str, pod: str) -> Path:
        """Where a pod's output is."""
        return self._folder / f"{namespace}.{pod}.log"

    def is_running(self, namespace: str, pod: str) -> bool:
        """Whether a pod's process runs."""
        return f"{namespace}/{pod}" in self._running

    def _register(self) -> None:
        self._api.call(
            "POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}}
        )
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._server.server_address[1]}},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self._api.call("PATCH", f"/api/v1/nodes/{NAME}/status", {"status": status}, MERGE)

    def _work(self) -> None:
        while not self._closed.wait(_PAUSE_S):
            for pod in self._api.call("GET", "/api/v1/pods")["items"]:
                self._look_at(pod)

    def _look_at(self, pod: dict[str, Any]) -> None:
        metadata, path = pod["metadata"], _path(pod)
        key = f"{metadata['namespace']}/{metadata['name']}"
        process = self._running.get(key)
        if process is not None and process.poll() is not None:
            del self._running[key]
            self._report_end(pod, process.returncode)
        elif metadata.get("deletionTimestamp"):
            if process is None:
                self._api.call("DELETE", path, {"gracePeriodSeconds": 0})
            elif key not in self._told:
                self._told.add(key)
                os.kill(process.pid, signal.SIGTERM)
        elif process is None and pod.get("status", {}).get("phase", "Pending") == "Pending":
            self._take(pod, key)

    def _take(self, pod: dict[str, Any], key: str) -> None:
        metadata, container = pod["metadata"], pod["spec"]["containers"][0]
        if not pod["spec"].get("nodeName"):
            self._api.call(
                "POST",
                f"{_path(pod)}/binding",
                {
                    "apiVersion": "v1",
                    "kind": "Binding",
                    "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": NAME},
                },
            )
        if "missing" in container["image"]:
            waiting = {
                "reason": "ImagePullBackOff",
                "message": f'Back-off pulling image "{container["image"]}"',
            }
            self._report(pod, "Pending", {"waiting": waiting})
            return
        words, environ = self._command(pod, container)
        with self.log_of(metadata["namespace"], metadata["name"]).open("wb") as log:
            process = subprocess.Popen(
                words, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._running[key] = process
        self._report(pod, "Running", {"running": {"startedAt": _now()}})

    def _command(self, pod: dict[str, Any], container: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}
        namespace = pod["metadata"]["namespace"]
        for source in container.get("envFrom", []):
            environ |= {
                name: data.decode()
                for name, data in self._secret(namespace, source["secretRef"]["name"]).items()
            }
        for variable in container.get("env", []):
            # `$$` is how a literal `$` is written; `$(NAME)` would be another variable.
            environ[variable["name"]] = re.sub(
                r"\$\$|\$\((\w+)\)",
                lambda found: environ.get(found[1], found[0]) if found[1] else "$",
                variable.get("value", ""),
            )
        words = container["command"] + container.get("args", [])
        secrets = {
            volume["name"]: volume["secret"]
            for volume in pod["spec"].get("volumes", [])
            if "secret" in volume
        }
        for mount in container.get("volumeMounts", []):
            if mount["name"] in secrets:
                secret = secrets[mount["name"]]
                words = self._with_secret(
                    namespace,
                    secret["secretName"],
                    secret.get("defaultMode", 0o644),
                    mount["mountPath"],
                    words,
                )
        return words, environ

    def _with_secret(self, namespace: str, name: str, mode: int, target: str, words: list[str]) -> list[str]:
        source = self._folder / f"secret-{namespace}-{name}"
        source.mkdir(exist_ok=True)
        for key, data in self._secret(namespace, name).items():
            (source / key).write_bytes(data)
            (source / key).chmod(mode)
        script = 'mount -t tmpfs none /run && mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(source), target, *words]

    def _secret(self, namespace: str, name: str) -> dict[str, bytes]:
        import base64

        found = self._api.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return {key: base64.b64decode(text) for key, text in found.get("data", {}).items()}

    def _report_end(self, pod: dict[str, Any], code: int) -> None:
        ended = {
            "exitCode": code if code >= 0 else 128 - code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        self._report(pod, "Failed" if code else "Succeeded", {"terminated": ended})

    def _report(self, pod: dict[str, Any], phase: str, state: dict[str, Any]) -> None:
        container = pod["spec"]["containers"][0]
        statuses = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": phase == "Running",
                "restartCount": 0,
                "state": state,
            }
        ]
        status = {"phase": phase, "containerStatuses": statuses, "startTime": _now()}
        self._api.call("PATCH", f"{_path(pod)}/status", {"status": status}, MERGE)


def _path(pod: dict[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_certificate(folder: Path, name: str) -> tuple[str, str]:
    """Make a certificate for 127.0.0.1, signed by itself, and its key."""
    files = (str(folder / f"{name}.crt"), str(folder / f"{name}.key"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def _log_server(node: Node, folder: Path) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        """`GET /containerLogs/NAMESPACE/POD/CONTAINER?follow=true`, as kubelets have it."""

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            namespace, pod = path.split("/")[2:4]
            self.send_response(200)
            self.end_headers()
            follow = "follow=true" in query
            with node.log_of(namespace, pod).open("rb") as log:
                while True:
                    running = node.is_running(namespace, pod)
                    data = log.read()
                    self.wfile.write(data)
                    self.wfile.flush()
                    if not data and not (follow and running):
                        return
                    time.sleep(_PAUSE_S)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder, NAME))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server
