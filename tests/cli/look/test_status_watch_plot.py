"""`gitml status`, `watch` and `plot`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.cli.plot import smoothen
from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests.cli.look.conftest import Look, record


def test_status_says_what_a_run_would_record(project: Path, look: Look) -> None:
    text = look("status").out
    assert "branch main" in text
    assert "clean: a run records the commit" in text
    assert "no runs" in text
    assert "4 runs" in text
    assert "no remote" in text
    (project / "train.py").write_text("changed\n")
    (project / "big.bin").write_bytes(b"x" * 2_000_000)
    (project / "small.txt").write_text("12345")
    text = look("status").out
    assert "2 changed files, 13 B: a run records a snapshot" in text
    assert re.search(r"left out\s+1 file\n\s+big.bin", text)
    document = json.loads(look("status", "--json").out)["status"]
    assert document["code"]["changed"] == ["small.txt", "train.py"]
    assert document["code"]["dirty"]


def test_status_names_live_runs(project: Path, repo: Repo, look: Look) -> None:
    live = start_run(repo, name="going")
    assert re.search(r"live\s+● [0-9a-f]{7} Default/going", look("status").out)
    finish_run(repo, live, RunStatus.FINISHED)


def test_status_counts_what_is_not_pushed(
    project: Path, repo: Repo, look: Look, tmp_path: Path, git: Callable[..., str]
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(project, "remote", "add", "origin", str(tmp_path / "remote.git"))
    assert "nothing pushed to origin yet: gitml push origin" in look("status").out
    git(project, "push", "--quiet", "origin", "gitml/runs")
    assert "all pushed to origin" in look("status").out
    record(repo, "later", {})
    assert "1 record not pushed to origin" in look("status").out
    assert json.loads(look("status", "--json").out)["status"]["unpushed"] == {"origin": 1}
    look("push", "--inbox")
    assert "all pushed to origin" in look("status").out  # they wait in its inbox


def test_status_counts_what_was_seen_and_not_pulled(
    project: Path, repo: Repo, look: Look, tmp_path: Path, git: Callable[..., str]
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(project, "remote", "add", "origin", str(tmp_path / "remote.git"))
    record(repo, "later", {})
    git(project, "push", "--quiet", "origin", "gitml/runs")
    git(project, "update-ref", "refs/heads/gitml/runs", "gitml/runs~1")
    text = look("status").out
    assert "all pushed to origin" in text
    assert "1 record at origin not here yet: gitml pull origin" in text
    assert json.loads(look("status", "--json").out)["status"]["unpulled"] == {"origin": 1}


def test_status_of_an_empty_repository(look: Look, tmp_path: Path, git: Callable[..., str]) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "empty")
    (tmp_path / "empty" / "a.txt").write_text("a")
    text = look("-C", str(tmp_path / "empty"), "status").out
    assert "no commit yet · branch main" in text
    assert "nothing to share yet" in text


SCRIPT = """\
import os, time
from gitml.repo import Repo
from gitml.tracking.start import start_run
from gitml.tracking.commit import finish_run
from gitml.entities.run import RunStatus

repo = Repo.open()
live = start_run(repo, name="going")
for step in range({steps}):
    live.log_metric("loss", 1 / (step + 1), step=step)
    live.append_output(b"epoch %d\\x1b[2J\\n" % step)
    if step == 3:
        print("ready", flush=True)
    if os.path.exists("../enough"):
        break
    time.sleep(0.1)
finish_run(repo, live, RunStatus.FINISHED)
"""


@pytest.fixture
def going(project: Path):
    """Start a run that goes on for a while; gives a function to start it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(steps: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(steps=steps)], cwd=project, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_watch_in_a_pipe_prints_lines_until_the_run_ends(
    project: Path, look: Look, going: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    going(40)  # long enough for a busy machine to see it going
    lines = look("watch", "--interval", "0.1").out.splitlines()
    assert re.fullmatch(r"● [0-9a-f]{7} running \S+  step \d+ loss=\S+", lines[0])
    assert re.fullmatch(r"✓ [0-9a-f]{7} finished \S+  step 39 loss=0.025", lines[-1])


def test_watch_in_a_pipe_looks_as_often_as_it_is_told(
    project: Path, look: Look, going: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    def lines_and_most(*options: str) -> tuple[int, float]:
        """How many lines it printed, and how many there could be of one every 5 seconds, first and last."""
        going(40)
        began = time.monotonic()
        lines = look("watch", *options).out.splitlines()
        return len(lines), 2 + (time.monotonic() - began) / 5

    seldom, most = lines_and_most()
    assert seldom <= most
    often, most = lines_and_most("--interval", "0.2")
    assert often > most
    assert "a line every 5 at most" in " ".join(look("watch", "--help").out.split())


def test_watch_on_a_terminal_draws_curves_and_ends_with_the_run(
    project: Path, on_terminal: Callable[..., str], going: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    going(1000)

    def end_it(text: str) -> None:
        if "going" in text and "█" in text and "epoch" in text:
            (project.parent / "enough").touch()

    text = on_terminal(project, "watch", "--interval", "0.2", watching=end_it)
    assert "going" in text
    assert "deeper trees, class weights · branch main" in text  # the subject of the commit it runs from
    assert "█" in text
    assert "epoch" in text
    assert "\x1b[2Jepoch" not in text
    assert "✓ finished" in text


def test_watch_notices_that_a_run_was_killed(
    project: Path, look: Look, going: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    process = going(1000)
    process.kill()
    process.wait()
    assert look("watch", "going", "--interval", "0.1").out.splitlines()[-1].startswith("■")


def test_leaving_watch_leaves_the_run_alone(
    project: Path, look: Look, going: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    process = going(1000)
    watcher = subprocess.Popen([sys.executable, "-m", "gitml", "watch"], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert watcher.stdout.readline().startswith("●")
    watcher.send_signal(signal.SIGINT)
    out, _ = watcher.communicate(timeout=20)
    assert "goes on" in out
    assert watcher.returncode == 0
    assert process.poll() is None


@pytest.mark.parametrize("way", ["q", "SIGTERM", "SIGINT"])
def test_watch_is_left_by_a_key_and_the_terminal_is_as_before(
    project: Path, going: Callable[[int], subprocess.Popen[bytes]], way: str
) -> None:
    process = going(1000)
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        command = [sys.executable, "-m", "gitml", "watch", "--interval", "30"]
        os.execve(sys.executable, command, {**os.environ, "TERM": "xterm"})
    before = termios.tcgetattr(terminal)
    written = b""
    while b"q quit" not in written:
        written += os.read(terminal, 65536)
    while termios.tcgetattr(terminal) == before:
        time.sleep(0.01)
    if way == "q":
        os.write(terminal, b"zq")
    else:
        os.kill(pid, getattr(signal, way))
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(terminal, 65536):
            written += chunk
            if b"goes on" in chunk:
                break
    after = termios.tcgetattr(terminal)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert after == before
    assert os.waitstatus_to_exitcode(status) == (128 + signal.SIGTERM if way == "SIGTERM" else 0)
    assert (b"goes on" in written) == (way != "SIGTERM")
    assert b"z" not in written.rpartition(b"q quit")[2], "keys are not echoed"
    assert process.poll() is None


def test_watch_needs_something_live(project: Path, look: Look) -> None:
    assert "no run is live" in look("watch", code=3).err
    assert "finished" in look("watch", "quiet-fox").out


def test_plot_draws_in_the_terminal(project: Path, look: Look) -> None:
    text = look("plot", "loss", "brisk-heron", "quiet-fox").out
    assert text.splitlines()[0] == "loss"
    assert "brisk-heron" in text
    assert "step" in text
    assert "┤" in text
    for options in (["--x", "time"], ["--x", "relative"], ["--log"], ["--smooth", "0.5"]):
        assert look("plot", "loss", "brisk-heron", *options).out


def test_plot_writes_pictures(project: Path, look: Look, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for file in files:
        look("plot", "loss", "brisk-heron", "quiet-fox", "-o", str(file))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert ET.parse(files[0]).getroot().tag.endswith("svg")
    assert "brisk-heron" in files[0].read_text()
    look("plot", "acc", "-o", str(tmp_path / "c.png"), "--x", "time", "--log")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_plot_says_what_it_can_not_draw(project: Path, repo: Repo, look: Look) -> None:
    assert "no metric 'f1'" in look("plot", "f1", code=3).err
    assert "is no picture" in look("plot", "acc", "-o", "x.txt", code=2).err
    record(repo, "nans", {"acc": [float("nan"), float("inf")]})
    assert "no finite values" in look("plot", "acc", "nans", code=3).err
    record(repo, "zeros", {"acc": [0.0, -1.0]})
    assert "no logarithm" in look("plot", "acc", "zeros", "--log", code=3).err


def test_a_curve_of_one_point_is_seen(project: Path, repo: Repo, look: Look, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    record(repo, "single", {"acc": [0.5]})
    look("plot", "acc", "single", "-o", str(tmp_path / "one.svg"))
    look("plot", "acc", "quiet-fox", "-o", str(tmp_path / "many.svg"))
    markers = {
        name: (tmp_path / f"{name}.svg").read_text().lower().count("fill: #0072b2")
        for name in ("one", "many")
    }
    assert markers["one"] > 0
    assert markers["many"] == 0
    look("plot", "acc", "single", "-o", str(tmp_path / "nowhere" / "one.svg"), code=3)


def test_a_run_that_can_not_be_drawn_is_named(project: Path, repo: Repo, look: Look) -> None:
    record(repo, "nans", {"acc": [float("nan"), float("inf")]})
    answer = look("plot", "acc", "nans", "quiet-fox")
    assert re.fullmatch(r"warning: left out, 'acc' has no finite values: [0-9a-f]{7} nans\n", answer.err)
    assert "nans" not in answer.out


def test_smoothing_starts_at_the_first_value() -> None:
    assert smoothen([5.0] * 4, 0.9) == pytest.approx([5.0] * 4)
    assert smoothen([1, 2], 0) == [1, 2]
