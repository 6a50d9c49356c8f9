"""Real servers: they start, follow a stage, end well, and are several processes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Gitml
from tests.launching.harness import child_environment
from tests.models.serving.calling import JSON, Answer, over_http
from tests.models.serving.served import save_code

SLOW = """
import pathlib, time

def predict(model_input):
    pathlib.Path({begun!r}).touch()
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.01)
    return [1]
"""
START_S = 60.0


class Server:
    """`gitml models serve` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, lines: list[str]) -> None:
        self.process = process
        self.port = port
        self.lines = lines

    def predict(self, *inputs: Any) -> Answer:
        body = json.dumps({"inputs": list(inputs)}).encode()
        return over_http(self.port, "POST", "/invocations", body, {"Content-Type": JSON})

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    @property
    def said(self) -> str:
        return "".join(self.lines)


@contextmanager
def serving(folder: Path, *words: str, trust: bool = True) -> Iterator[Server]:
    command = [
        sys.executable,
        "-m",
        "gitml",
        "models",
        "serve",
        *words,
        "--port",
        "0",
        *(["--trust"] if trust else []),
    ]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=child_environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    port: list[int] = []
    told = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"is served on http://127\.0\.0\.1:(\d+)", line):
                port.append(int(found[1]))
                told.set()
        told.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert told.wait(START_S)
        assert port, "".join(lines)
        yield Server(process, port[0], lines)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        reader.join(10)
        if process.stderr is not None:
            process.stderr.close()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def constant(number: int) -> str:
    return f"def predict(model_input):\n    return [{number}]\n"


def test_a_server_finishes_what_is_under_way_and_ends_with_0(tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    code = SLOW.format(begun=str(begun), go=str(go))
    with serving(tmp_path, str(save_code(tmp_path / "slow", code))) as server:
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(server.predict(1)))
        asking.start()
        until(begun.exists)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not _accepts(server.port))
        go.touch()
        assert server.process.wait(30) == 0
        asking.join(10)
        assert answers[0].json == {"predictions": [1]}


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.heavy
def test_a_server_that_can_not_finish_says_so(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    code = SLOW.format(begun=str(begun), go=str(tmp_path / "never"))
    with serving(tmp_path, str(save_code(tmp_path / "stuck", code)), "--drain", "1") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/invocations", b'{"inputs": [1]}', {"Content-Type": JSON})
        until(begun.exists)
        assert server.end() == 1
        assert "cut off" in server.said
        connection.close()


@pytest.mark.heavy
def test_a_long_body_gets_its_answer(tmp_path: Path) -> None:
    """Whoever sends 100 MB hears why it is refused, and not only that the connection was closed."""
    with serving(tmp_path, str(save_code(tmp_path / "one", constant(1)))) as server:
        answer = over_http(server.port, "POST", "/invocations", b"x" * 100_000_000, {"Content-Type": JSON})
        assert (answer.status, answer.json["error_code"]) == (413, "REQUEST_LIMIT_EXCEEDED")
        assert server.predict(1).status == 200


@pytest.mark.heavy
def test_several_processes_share_a_socket_and_their_counts(tmp_path: Path) -> None:
    code = "import os, signal\n\ndef predict(model_input):\n    return [os.getpid()] if model_input[0] else os.kill(os.getpid(), 9)\n"
    before = time.time()
    with serving(tmp_path, str(save_code(tmp_path / "who", code)), "--workers", "2") as server:
        seen = {server.predict(1).json["predictions"][0] for _ in range(60)}
        assert len(seen) == 2
        text = over_http(server.port, "GET", "/metrics").body.decode()
        assert 'gitml_requests_total{endpoint="/invocations",status="200"} 60.0' in text
        assert metric(text, "gitml_model_loaded_timestamp_seconds") >= before  # the supervisor loads none
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            server.predict(0)  # a process dies
        until(lambda: "another one is started" in server.said)
        later: set[int] = set()
        until(lambda: not later.update(server.predict(1).json["predictions"]) and len(later - seen) == 1)
        os.kill(server.process.pid, signal.SIGKILL)  # nobody is left who would end them
        until(lambda: not any(map(_is_alive, later)))


@pytest.mark.heavy
def test_while_two_versions_live_the_one_that_answers_is_told(git_repo: Path, gitml: Gitml) -> None:
    for number in (1, 2):
        log_version(git_repo, number)
    gitml(git_repo, "models", "promote", "churn", "1", "production")
    words = ("models:/churn/Production", "--follow", "--follow-every", "0.1", "--workers", "2")
    with serving(git_repo, *words, trust=False) as server, ExitStack() as opened:
        held = opened.enter_context(closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)))
        held.request("GET", "/ping")
        held.getresponse().read()
        for move, version in (
            (("promote", "churn", "2", "production"), 2),
            (("rollback", "churn", "production"), 1),
        ):
            since = time.time()
            gitml(git_repo, "models", *move)
            until(lambda version=version: f"v{version} of " in server.said.splitlines()[-1])
            # The connection that is open keeps a process of the first version alive.
            text = over_http(server.port, "GET", "/metrics").body.decode()
            assert metric(text, 'gitml_model_version{model="churn"}') == version
            assert metric(text, "gitml_model_loaded_timestamp_seconds") >= since


def metric(text: str, name: str) -> float:
    """The value of one metric in Prometheus' format."""
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.heavy
def test_what_can_not_be_served_is_told_and_nothing_is_left(
    git_repo: Path, tmp_path: Path, gitml: Gitml
) -> None:
    broken = save_code(tmp_path / "broken", constant(1))
    (broken / "broken_code.py").write_text("import not_there_at_all\n")
    for workers in ("1", "2"):
        words = ("models", "serve", str(broken), "--port", "0", "--workers", workers, "--trust")
        done = gitml(git_repo, *words, code=7)
        assert "pip install 'not-there-at-all'" in done.stderr
        assert "Traceback" not in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = gitml(git_repo, "models", "serve", str(broken), "--port", port, code=5)
    assert "--port" in done.stderr
    done = gitml(git_repo, "models", "serve", str(broken), "--follow", "--trust", "--port", "0", code=2)
    assert "nothing to follow" in done.stderr


def log_version(repo: Path, number: int, *, broken: bool = False) -> None:
    """Register a version whose code is in a module that every version calls the same."""
    (repo / "served_module.py").write_text(
        ("import not_there_at_all\n" if broken else "")
        + "class Model:\n    def predict(self, data):\n        import served_helper\n"
        "        return [served_helper.NUMBER]\n\ndef _load_pyfunc(path):\n"
        "    import served_helper\n    return Model()\n"
    )
    (repo / "served_helper.py").write_text(f"NUMBER = {number}\n")
    script = (
        "import gitml.pyfunc\nwith gitml.start_run():\n"
        "    gitml.pyfunc.log_model('model', loader_module='served_module', data_path='served_helper.py',"
        " code_paths=['served_module.py', 'served_helper.py'], registered_model_name='churn', pip_requirements=['numpy'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=repo,
        env=child_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.heavy
def test_a_promotion_is_followed_without_a_dropped_request(git_repo: Path, gitml: Gitml) -> None:
    log_version(git_repo, 1)
    log_version(git_repo, 2)
    log_version(git_repo, 3, broken=True)
    gitml(git_repo, "models", "promote", "churn", "1", "production")
    seen: list[tuple[int, Any, str]] = []
    stop = threading.Event()

    def ask(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not stop.is_set():
            connection.request("POST", "/invocations", b'{"inputs": [1]}', {"Content-Type": JSON})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            seen.append((answer.status, body["predictions"], answer.headers["x-gitml-model-version"]))
            time.sleep(0.002)
        connection.close()

    # Trusted because this user made it on this machine.
    words = ("models:/churn/Production", "--follow", "--follow-every", "0.1")
    with serving(git_repo, *words, trust=False) as server:
        asking = threading.Thread(target=ask, args=(server.port,))
        asking.start()
        try:
            until(lambda: bool(seen))
            gitml(git_repo, "models", "promote", "churn", "2", "production")
            until(lambda: seen[-1][2] == "2")
            gitml(git_repo, "models", "promote", "churn", "3", "production")
            until(lambda: "v2 is served on" in server.said)
        finally:
            stop.set()
            asking.join(30)
        assert {(status, *predictions, version) for status, predictions, version in seen} == {
            (200, 1, "1"), (200, 2, "2"),
        }  # fmt: skip
        text = over_http(server.port, "GET", "/metrics").body.decode()
        assert 'gitml_model_version{model="churn"} 2.0' in text
        assert "gitml_reload_failing 1.0" in text
        gitml(git_repo, "models", "rollback", "churn", "production")
        until(lambda: "gitml_reload_failing 0.0" in over_http(server.port, "GET", "/metrics").body.decode())
        assert server.end(signal.SIGINT) == 0
    assert "Traceback" not in server.said


@pytest.mark.heavy
def test_a_model_of_others_is_served_only_with_trust(git_repo: Path, tmp_path: Path, gitml: Gitml) -> None:
    model = save_code(tmp_path / "one", constant(1))
    (model / "note.txt").write_text("a changed byte makes it another model")
    done = gitml(git_repo, "models", "serve", str(model), "--port", "0", code=4)
    assert "--trust" in done.stderr


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_model_is_served_in_its_own_environment(git_repo: Path, tmp_path: Path) -> None:
    code = "import sys\n\ndef predict(model_input):\n    return [sys.prefix]\n"
    with serving(git_repo, str(save_code(tmp_path / "where", code)), "--env", "uv") as server:
        (prefix,) = server.predict(1).json["predictions"]
        assert Path(prefix) != Path(sys.prefix)
        assert server.end() == 0
