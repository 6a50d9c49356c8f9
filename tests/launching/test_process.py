"""Programs on pipes: output, exit codes, signals, and what is left behind."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.launching.harness import TIMEOUT_S, Wrapped, is_alive, wait_until

READY_THEN_SLEEP = "import time; print('ready', flush=True); time.sleep(60)"


def test_streams_stay_apart_and_are_logged_together(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    done = wrapped.run(
        "sh", "-c", "echo out; sleep 0.2; echo err >&2; sleep 0.2; printf 'no line end'; exit 3"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\nno line end", b"err\n")
    assert wrapped.log == b"out\nerr\nno line end"
    assert wrapped.result == {
        "exit_code": 3,
        "signal": None,
        "problems": [],
        "ends_in_line": True,
        "losses": [],
    }


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_exit_codes_are_the_programs_own(tmp_path: Path, code: int) -> None:
    assert Wrapped(tmp_path).run("sh", "-c", f"exit {code}").returncode == code


def test_output_arrives_while_the_program_runs(tmp_path: Path) -> None:
    process = Wrapped(tmp_path).start("sh", "-c", "printf half; sleep 30")
    assert process.stdout is not None
    started = time.monotonic()
    assert os.read(process.stdout.fileno(), 100) == b"half"
    assert time.monotonic() - started < 10
    process.terminate()
    assert process.wait(TIMEOUT_S) == 128 + signal.SIGTERM
    process.communicate()


def test_large_binary_output_is_exact(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    size = 50_000_000
    script = (
        "import hashlib, os, sys\n"
        f"block = os.urandom(1000000); total = hashlib.sha256()\n"
        f"for _ in range({size // 1_000_000}):\n"
        "    sys.stdout.buffer.write(block); total.update(block)\n"
        "sys.stderr.write(total.hexdigest())"
    )
    done = wrapped.run(sys.executable, "-c", script)
    assert len(done.stdout) == size
    assert hashlib.sha256(done.stdout).hexdigest().encode() == done.stderr
    log = wrapped.log
    position = log.find(done.stderr)
    assert position >= 0
    assert hashlib.sha256(log[:position] + log[position + 64 :]).hexdigest().encode() == done.stderr


def test_stdin_is_the_programs_own(tmp_path: Path) -> None:
    assert Wrapped(tmp_path).run("cat", input=b"a\0b\xff").stdout == b"a\0b\xff"


def test_pipes_are_no_terminal(tmp_path: Path) -> None:
    done = Wrapped(tmp_path).run(
        sys.executable, "-c", "import sys; print(sys.stdout.isatty(), sys.stderr.isatty())"
    )
    assert done.stdout == b"False False\n"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    assert wrapped.run("no-such-program").returncode == 127
    assert wrapped.result["error"] == "'no-such-program' can't be run: it was not found"


def test_a_script_of_this_folder_needs_a_path(tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text("#!/bin/sh\n")
    wrapped = Wrapped(tmp_path)
    assert wrapped.run("train.sh", cwd=tmp_path).returncode == 127
    assert "./train.sh" in wrapped.result["hint"]


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("#!/bin/sh\n", 0o644, "not executable"),
        ("#!/no/such/interpreter\n", 0o755, "interpreter"),
        ("echo hi\n", 0o755, "neither a program nor a script"),
    ],
)
def test_what_cannot_be_executed(tmp_path: Path, content: str, mode: int, reason: str) -> None:
    script = tmp_path / "script"
    script.write_text(content)
    script.chmod(mode)
    wrapped = Wrapped(tmp_path)
    assert wrapped.run(str(script)).returncode == 126
    assert reason in wrapped.result["error"]


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    assert wrapped.run(str(tmp_path)).returncode == 126
    assert "folder" in wrapped.result["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_end_the_program_and_are_reported(tmp_path: Path, number: signal.Signals) -> None:
    wrapped = Wrapped(tmp_path)
    process = wrapped.start("sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number
    assert wrapped.result["signal"] == number


def test_a_signal_is_handed_on_once_and_the_program_may_take_its_time(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time\n"
        "seen = []\n"
        "for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):\n"
        "    signal.signal(n, lambda n, f: (seen.append(n), print('got', int(n), flush=True)))\n"
        "print('ready', flush=True)\n"
        "while signal.SIGTERM not in seen: time.sleep(0.02)\n"
        "time.sleep(0.5)\n"
        "print('saved', len(seen), flush=True); sys.exit(0)"
    )
    process = Wrapped(tmp_path).start(sys.executable, "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        process.send_signal(number)
        assert process.stdout.readline() == b"got %d\n" % number
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert (out, process.returncode) == (b"saved 3\n", 0)


def test_a_signal_to_the_whole_group_reaches_the_program_once(tmp_path: Path) -> None:
    script = (
        "import signal, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGTERM, lambda n, f: seen.append(n))\n"
        "print('ready', flush=True)\n"
        "while not seen: time.sleep(0.02)\n"
        "time.sleep(0.5); print(len(seen))"
    )
    process = Wrapped(tmp_path).start(sys.executable, "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.killpg(process.pid, signal.SIGTERM)
    assert process.communicate(timeout=TIMEOUT_S)[0] == b"1\n"


def test_signals_reach_the_programs_children(tmp_path: Path) -> None:
    process = Wrapped(tmp_path).start("sh", "-c", "sleep 60 & echo $!; wait")
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=TIMEOUT_S)
    wait_until(lambda: not is_alive(grandchild), "the grandchild ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_program_that_handles_a_signal_gets_it_alone(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import signal, subprocess, sys, time\n"
        f"signal.signal({int(number)}, lambda n, f: seen.append(n))\n"
        "seen = []\n"
        "helper = subprocess.Popen(['sleep', '30'])\n"
        "print('ready', flush=True)\n"
        "while not seen: time.sleep(0.02)\n"
        "time.sleep(0.3); print(helper.poll()); helper.kill()"
    )
    process = Wrapped(tmp_path).start(sys.executable, "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert (out, process.returncode) == (b"None\n", 0)


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    process = wrapped.start(
        sys.executable, "-c",
        "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN,"
        " signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)",
    )  # fmt: skip
    assert process.communicate(timeout=TIMEOUT_S)[0] == b"False True\n"
    nohup = ["nohup", *wrapped.command("sh", "-c", "kill -HUP $PPID; sleep 0.3; echo alive")]
    import subprocess

    from tests.launching.harness import child_environment

    done = subprocess.run(nohup, env=child_environment(), capture_output=True, check=False, timeout=TIMEOUT_S)
    assert done.stdout == b"alive\n"


def test_programs_die_of_a_closed_pipe_as_usual(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    process = wrapped.start("yes")
    assert process.stdout is not None
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(TIMEOUT_S) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    process.stderr.close()


def test_a_process_left_behind_does_not_hold_us(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    started = time.monotonic()
    done = wrapped.run("sh", "-c", "sleep 45 & printf done")
    assert (done.returncode, done.stdout, wrapped.log) == (0, b"done", b"done")
    assert "what they print from now on is lost" in wrapped.result["losses"][0]
    assert 0.9 < time.monotonic() - started < 15


def test_a_process_left_behind_that_never_stops_printing(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    started = time.monotonic()
    done = wrapped.run("sh", "-c", "(while sleep 0.01; do echo more; done) & echo first; exit 5")
    assert done.returncode == 5
    assert b"first\n" in done.stdout
    assert time.monotonic() - started < 15


def test_output_just_before_the_end_is_kept(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    done = wrapped.run("sh", "-c", "sleep 45 & head -c 60000 /dev/zero; kill -9 $$")
    assert (done.returncode, len(done.stdout), len(wrapped.log)) == (137, 60000, 60000)


def test_a_failing_disk_stops_nothing(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path, log_fails=True)
    done = wrapped.run("sh", "-c", "echo one; echo two; exit 4")
    assert (done.returncode, done.stdout) == (4, b"one\ntwo\n")
    assert wrapped.result["problems"] == [
        "8 bytes of output could not be recorded: [Errno 28] No space left on device"
    ]


def test_a_slow_disk_delays_nothing(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path, log_delay_s=2.0)
    process = wrapped.start("sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done; echo end")
    assert process.stdout is not None
    process.stdout.readline()
    started = time.monotonic()
    while process.stdout.readline() != b"end\n":
        pass
    assert time.monotonic() - started < 1.9  # one write to the log alone takes longer
    process.communicate(timeout=TIMEOUT_S)
    assert wrapped.log == b"1\n2\n3\n4\n5\nend\n"


def test_closed_standard_streams(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    quoted = " ".join(f"'{word}'" for word in wrapped.command("echo", "hello"))
    import subprocess

    from tests.launching.harness import child_environment

    done = subprocess.run(
        ["sh", "-c", f"{quoted} <&- >&- 2>&-"], env=child_environment(), check=False, timeout=TIMEOUT_S
    )
    assert (done.returncode, wrapped.log) == (0, b"hello\n")


def test_killing_the_wrapper_leaves_the_log(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    process = wrapped.start(sys.executable, "-c", READY_THEN_SLEEP)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    wait_until(lambda: wrapped.log == b"ready\n", "the log was written")
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    assert wrapped.log == b"ready\n"
