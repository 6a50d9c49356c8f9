"""The same requests to `mlflow models serve` and to gitml: the same status, the same predictions, the same code."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models.serving.calling import Answer, get, make_app, over_http, score
from tests.models.serving.requests_to_compare import IRIS, OTHERS
from tests.models.serving.served import save_all

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::gitml.models.signatures.problems.SchemaWarning"),
]

# Where gitml answers otherwise, and why.
EXCEPTIONS = {
    ("iris", "split with a wrong index"): "MLflow repeats the one row for two labels; here it is refused",
    ("iris", "no content type"): "MLflow fails with 500",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def peers(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    python = os.environ.get("PEER_MLFLOW_PYTHON", "")
    if not python and "CI" not in os.environ:
        pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
    assert python, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
    folder = tmp_path_factory.mktemp("peer")
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    running, ports = [], {}
    try:
        for name, model in models.items():
            ports[name] = free_port()
            command = [
                python,
                "-m",
                "mlflow",
                "models",
                "serve",
                "-m",
                model,
                "-p",
                ports[name],
                "--env-manager",
                "local",
            ]
            with (folder / f"{name}.log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        list(map(str, command)),
                        cwd=folder,
                        env=env,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
            wait_for(ports[name], running[-1], folder / f"{name}.log")
        yield ports
    finally:
        for process in running:
            os.killpg(process.pid, 15)
            process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if over_http(port, "GET", "/ping").status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return ours == theirs or (math.isnan(ours) and math.isnan(theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def essence(answer: Answer) -> Any:
    """What has to be the same: predictions whole, errors by their code; the words are each one's own."""
    if answer.status == 200:
        return answer.json
    if answer.status in (415, 500):  # MLflow tells these as text
        return ""
    return answer.json["error_code"]


def test_answers_are_those_of_mlflow(models: dict[str, Path], peers: dict[str, int]) -> None:
    apps = {name: make_app(folder) for name, folder in models.items()}
    different = []
    for request in (*IRIS, *OTHERS):
        headers = {"Content-Type": request.content_type} if request.content_type else {}
        theirs = over_http(peers[request.model], "POST", "/invocations", request.body, headers)
        ours = score(apps[request.model], request.body, request.content_type)
        if ours.status != theirs.status or not same(essence(ours), essence(theirs)):
            different.append((request, ours, theirs))
    told = [
        f"{request.model}: {request.what}\n  ours   {ours.status} {ours.body[:300]!r}\n  theirs {theirs.status} {theirs.body[:300]!r}"
        for request, ours, theirs in different
        if (request.model, request.what) not in EXCEPTIONS
    ]
    assert not told, "\n".join(told)
    assert {(request.model, request.what) for request, *_ in different} == set(EXCEPTIONS)


def test_health_is_told_as_mlflow_tells_it(models: dict[str, Path], peers: dict[str, int]) -> None:
    app = make_app(models["iris"])
    for path in ("/ping", "/health"):
        theirs, ours = over_http(peers["iris"], "GET", path), get(app, path)
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert get(app, "/invocations").status == over_http(peers["iris"], "GET", "/invocations").status == 405
    assert get(app, "/elsewhere").status == over_http(peers["iris"], "GET", "/elsewhere").status == 404
