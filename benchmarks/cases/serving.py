"""A model behind HTTP: beside `mlflow models serve`, and beside a bare endpoint of the same server."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from context import HERE, Context
from measure import BrokenBenchmarkError, Result, Target, result

_NAMES = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
_ROWS = ([5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 4.4, 1.4], [6.3, 3.3, 6.0, 2.5])
_READY_S = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
_TRAIN = """
import sys
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
import gitml.models, gitml.sklearn
data = load_iris(as_frame=True)
model = LogisticRegression(max_iter=500).fit(data.data, data.target)
gitml.sklearn.save_model(
    model, sys.argv[1], signature=gitml.models.infer_signature(data.data, model.predict(data.data)),
    input_example=data.data.head(1), pip_requirements=["scikit-learn"],
)
"""


@dataclass(frozen=True, slots=True)
class _Load:
    """What is asked, and how many at once."""

    name: str
    what: str
    rows: int
    connections: int
    times: float  # how many of the peer's requests a second there should be


_LOADS = (
    _Load("serve_one_row_1", "a request of one row, one after the other", 1, 1, 3),
    _Load("serve_one_row_8", "… 8 at once", 1, 8, 3),
    _Load("serve_one_row_64", "… 64 at once", 1, 64, 3),
    _Load("serve_1000_rows_1", "a request of 1,000 rows, one after the other", 1000, 1, 2),
    _Load("serve_1000_rows_8", "… 8 at once", 1000, 8, 2),
)


@dataclass(frozen=True, slots=True)
class _Sample:
    """One measurement: milliseconds a request takes of the server's time, the slowest 1 %, and of processor time."""

    each_ms: float
    p99_ms: float
    cpu_ms: float


def serving(context: Context) -> list[Result]:
    """Serve the same files with all, and ask all in turns."""
    model = context.new_folder("model") / "iris"
    context.run([sys.executable, "-c", _TRAIN, str(model)], context.home)
    commands: dict[str, tuple[list[str], Mapping[str, str]]] = {
        "gitml": ([*context.gitml_command, "models", "serve", str(model), "--port", "{port}"], context.env),
        "bare": ([sys.executable, str(HERE / "bare_server.py"), str(model), "{port}"], context.env),
    }
    if context.peer is not None:
        path = f"{context.peer.parent}{os.pathsep}{context.env['PATH']}"
        command = [str(context.peer), "-m", "mlflow", "models", "serve", "-m", str(model), "-p", "{port}"]
        commands["mlflow"] = (
            [*command, "--env-manager", "local"],
            {**context.peer_env(model.parent), "PATH": path},
        )
    ready: dict[str, list[float]] = {name: [] for name in commands}
    samples: dict[tuple[str, str], list[_Sample]] = {}
    rounds = min(context.sizes.rounds, 5)
    for _ in range(rounds):
        for name, (command, env) in commands.items():
            with _server(command, env, model.parent) as (process, port, seconds):
                ready[name].append(seconds)
                for load in _LOADS:
                    samples.setdefault((name, load.name), []).append(_ask(context, process, port, load))
    return [*_ready(ready), *(each for load in _LOADS for each in _results(load, samples))]


@contextmanager
def _server(
    command: Sequence[str], env: Mapping[str, str], folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """Start a server and end it; gives the seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [word.replace("{port}", str(port)) for word in command]
    log = folder / "server.log"
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - begun > _READY_S:
                raise BrokenBenchmarkError(f"`{' '.join(words)}` does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield process, port, time.perf_counter() - begun
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _ask(context: Context, process: subprocess.Popen[bytes], port: int, load: _Load) -> _Sample:
    rows = [_ROWS[number % len(_ROWS)] for number in range(load.rows)]
    body = context.folder / "request.json"
    body.write_text(json.dumps({"dataframe_split": {"columns": _NAMES, "data": rows}}))
    seconds = 2.0 if context.sizes.rounds > 3 else 1.0
    before = _cpu_s(process.pid)
    command = [
        sys.executable,
        str(HERE / "load.py"),
        str(port),
        str(load.connections),
        str(seconds),
        str(body),
    ]
    told = context.run(command, context.home).answer
    spent = _cpu_s(process.pid) - before
    count = told["requests"]
    return _Sample(1000 * told["seconds"] / count, told["p99"], 1000 * spent / count)


def _cpu_s(leader: int) -> float:
    """Processor time of all processes of a session so far."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == leader:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _ready(seconds: Mapping[str, Sequence[float]]) -> list[Result]:
    peer = seconds.get("mlflow", ())
    target = Target(0.7 * statistics.median(peer)) if peer else None
    what = "from the start of the server until it answers"
    return [result("serve_ready", what, "s", seconds["gitml"], peer=peer, target=target)]


def _results(load: _Load, samples: Mapping[tuple[str, str], Sequence[_Sample]]) -> list[Result]:
    own, bare = samples["gitml", load.name], samples["bare", load.name]
    peer = samples.get(("mlflow", load.name), ())
    found = []
    for name, what, part, times in (
        ("", "", "each_ms", load.times),
        ("_p99", "… the slowest of 100", "p99_ms", 2 if load.rows == 1 else 0),
        ("_cpu", "… processor time of the server", "cpu_ms", 0),
    ):
        theirs = [getattr(each, part) for each in peer]
        found.append(
            result(
                f"{load.name}{name}",
                what or load.what,
                "ms",
                [getattr(each, part) for each in own],
                peer=theirs,
                target=Target(statistics.median(theirs) / times) if theirs and times else None,
                reference=statistics.median(getattr(each, part) for each in bare),
                reference_what="a bare endpoint of the same server",
            )
        )
    return found
