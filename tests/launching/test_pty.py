"""Programs on a terminal: what they see of it, keys, job control, and how we leave it."""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.launching.harness import TIMEOUT_S, Screen, Wrapped, child_environment

LOCAL_FLAGS = 3


def test_the_program_sees_a_terminal_of_our_size(tmp_path: Path) -> None:
    script = (
        "import os, sys; size = os.get_terminal_size();"
        "print(*[s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], size.lines, size.columns,"
        " os.tcgetpgrp(0) == os.getpgrp())"
    )
    wrapped = Wrapped(tmp_path)
    with Screen(wrapped.command(sys.executable, "-c", script), rows=31, columns=97) as screen:
        assert screen.wait() == 0
        assert screen.seen == b"True True True 31 97 True\r\n"
    assert wrapped.log == b"True True True 31 97 True\n"


def test_colours_and_progress_pass_unchanged(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    with Screen(wrapped.command("sh", "-c", r"printf '\033[31mred\033[0m\n10%%\r99%%\r\n\377\0x'")) as screen:
        assert screen.wait() == 0
        assert screen.seen == b"\x1b[31mred\x1b[0m\r\n10%\r99%\r\r\n\xff\0x"
    assert wrapped.log == b"\x1b[31mred\x1b[0m\n10%\r99%\r\n\xff\0x"
    assert wrapped.result["ends_in_line"]


def test_large_output_is_exact(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    with Screen(wrapped.command("seq", "200000")) as screen:
        assert screen.wait() == 0
        expected = "".join(f"{i}\r\n" for i in range(1, 200001)).encode()
        assert screen.seen == expected
    assert wrapped.log == expected.replace(b"\r", b"")


def test_the_terminal_is_raw_meanwhile_and_restored(tmp_path: Path) -> None:
    with Screen(
        Wrapped(tmp_path).command("sh", "-c", "echo ready; read line; echo got $line; exit 7")
    ) as screen:
        screen.wait_for(b"ready")
        assert not screen.settings()[LOCAL_FLAGS] & termios.ICANON
        screen.type(b"hello\r")
        screen.wait_for(b"hello\r\ngot hello\r\n")
        assert screen.wait() == 7
        assert screen.settings() == screen.before


def test_passwords_are_not_echoed(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    script = "import getpass; print(len(getpass.getpass('password: ')))"
    with Screen(wrapped.command(sys.executable, "-c", script)) as screen:
        screen.wait_for(b"password: ")
        screen.type(b"hunter2hunter2\r")
        assert screen.wait() == 0
    assert b"hunter2" not in wrapped.log
    assert wrapped.log.endswith(b"14\n")


def test_end_of_input(tmp_path: Path) -> None:
    with Screen(Wrapped(tmp_path).command("sh", "-c", "echo ready; cat; echo over")) as screen:
        screen.wait_for(b"ready\r\n")
        screen.type(b"line\r")
        screen.wait_for(b"line\r\nline\r\n")
        screen.type(b"\x04")
        screen.wait_for(b"over")
        assert screen.wait() == 0


def test_ctrl_c_interrupts_the_program_once(tmp_path: Path) -> None:
    script = (
        "import signal, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda n, f: seen.append(n))\n"
        "print('ready', flush=True)\n"
        "while not seen: time.sleep(0.02)\n"
        "time.sleep(0.4); print('interrupted', len(seen))"
    )
    with Screen(Wrapped(tmp_path).command(sys.executable, "-c", script)) as screen:
        screen.wait_for(b"ready")
        screen.type(b"\x03")
        screen.wait_for(b"interrupted 1\r\n")
        assert screen.wait() == 0


def test_ctrl_c_ends_a_program_that_does_not_care(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    with Screen(wrapped.command("sh", "-c", "echo ready; exec sleep 60")) as screen:
        screen.wait_for(b"ready")
        screen.type(b"\x03")
        assert screen.wait() == 130
        assert screen.settings() == screen.before
    assert wrapped.result["signal"] == signal.SIGINT


def test_ctrl_c_without_a_pty_is_not_doubled(tmp_path: Path) -> None:
    script = (
        "import signal, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda n, f: seen.append(n))\n"
        "print('ready', flush=True)\n"
        "while not seen: time.sleep(0.02)\n"
        "time.sleep(0.4); print('interrupted', len(seen))"
    )
    with Screen(Wrapped(tmp_path, pty=False).command(sys.executable, "-c", script)) as screen:
        screen.wait_for(b"ready")
        screen.type(b"\x03")
        screen.wait_for(b"interrupted 1\r\n")
        assert screen.wait() == 0


def test_sigterm_to_the_wrapper_restores_the_terminal(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    with Screen(wrapped.command("sh", "-c", "echo ready; exec sleep 60")) as screen:
        screen.wait_for(b"ready")
        screen.process.terminate()
        assert screen.wait() == 143
        assert screen.settings() == screen.before
    assert wrapped.result["signal"] == signal.SIGTERM


def test_a_changed_window_size_reaches_the_program(tmp_path: Path) -> None:
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGWINCH, lambda n, f: None)\n"
        "print('ready', flush=True)\n"
        "while os.get_terminal_size().columns != 133: time.sleep(0.02)\n"
        "print(os.get_terminal_size().lines)"
    )
    with Screen(Wrapped(tmp_path).command(sys.executable, "-c", script)) as screen:
        screen.wait_for(b"ready")
        screen.resize(44, 133)
        screen.wait_for(b"44")
        assert screen.wait() == 0


def test_redirected_streams_get_pipes(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    script = "import os; os.write(1, b'%r %r %r\\n' % (*map(os.isatty, (0, 1, 2)),)); os.write(2, b'e\\n')"
    errors = tmp_path / "errors"
    with errors.open("wb") as file, Screen(
        wrapped.command(sys.executable, "-c", script), redirect={"stderr": file}
    ) as screen:  # fmt: skip
        assert screen.wait() == 0
        assert screen.seen == b"True True False\r\n"
    assert errors.read_bytes() == b"e\n"
    assert wrapped.log in (b"True True False\ne\n", b"e\nTrue True False\n")


def test_piped_output_leaves_the_keys_to_the_reader(tmp_path: Path) -> None:
    # Dies of the signal at once: Python's own handler can miss one that comes just before it starts to read.
    script = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        "print(os.isatty(1), os.isatty(2), flush=True); print('bar', file=sys.stderr); input()"
    )
    result = tmp_path / "out"
    with result.open("wb") as file, Screen(
        Wrapped(tmp_path).command(sys.executable, "-c", script), redirect={"stdout": file}
    ) as screen:  # fmt: skip
        screen.wait_for(b"bar\r\n")
        assert screen.settings() == screen.before
        screen.type(b"\x03")
        assert screen.wait() == 130
    assert result.read_bytes() == b"False True\n"


def test_redirected_input_is_read_by_the_program(tmp_path: Path) -> None:
    with Screen(Wrapped(tmp_path).command("cat"), redirect={"stdin": subprocess.DEVNULL}) as screen:
        assert screen.wait() == 0
    (tmp_path / "in").write_bytes(b"a\nb\n")
    with (tmp_path / "in").open("rb") as file, Screen(
        Wrapped(tmp_path).command("cat"), redirect={"stdin": file}
    ) as screen:  # fmt: skip
        assert screen.wait() == 0
        assert screen.seen == b"a\r\nb\r\n"


def test_a_program_that_closes_its_streams_before_it_ends(tmp_path: Path) -> None:
    script = (
        "import os, time; os.write(1, b'first\\n'); [os.close(fd) for fd in (0, 1, 2)]; time.sleep(0.3);"
        "os.write(os.open('/dev/tty', os.O_WRONLY), b'last\\n'); os._exit(5)"
    )
    wrapped = Wrapped(tmp_path)
    for redirect in ({}, {"stdin": subprocess.DEVNULL}):
        with Screen(wrapped.command(sys.executable, "-c", script), redirect=redirect) as screen:
            assert screen.wait() == 5
            assert screen.seen == b"first\r\nlast\r\n"
    assert wrapped.log == b"first\nlast\n" * 2


def test_a_pty_can_be_asked_for_without_a_terminal(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path, pty=True)
    done = wrapped.run(sys.executable, "-c", "import os; print(os.isatty(1), os.isatty(2))")
    assert (done.returncode, done.stdout, wrapped.log) == (0, b"True True\n", b"True True\n")


def test_and_refused_on_a_terminal(tmp_path: Path) -> None:
    script = "import os; print(os.isatty(0), os.isatty(1), os.isatty(2))"
    with Screen(Wrapped(tmp_path, pty=False).command(sys.executable, "-c", script)) as screen:
        assert screen.wait() == 0
        assert screen.seen == b"True False False\r\n"


def test_ctrl_z_stops_and_fg_continues(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    program = "import time; print('rea' + 'dy', flush=True); print('li' + 'ne', input()); raise SystemExit(9)"
    command = " ".join(
        f"'{word}'" for word in wrapped.command(sys.executable, "-c", program.replace("'", '"'))
    )
    with Screen(["bash", "--norc", "--noprofile", "-i"], environment=child_environment(PS1="$ ")) as screen:
        screen.wait_for(rb"\$ ")
        screen.type(command.encode() + b"\r")
        screen.wait_for(b"ready")
        screen.type(b"\x1a")
        screen.wait_for(rb"Stopped")
        screen.type(b"echo back''again\r")
        screen.wait_for(rb"backagain")
        screen.type(b"fg\r")
        screen.wait_for(b"wrapper.py")
        screen.type(b"typed\r")
        screen.wait_for(rb"line typed.*\$ ")
        screen.type(b"echo code=$?\r")
        screen.wait_for(b"code=9")
        screen.type(b"exit\r")
        screen.wait()


def test_in_the_background_it_leaves_the_terminal_alone(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    command = " ".join(f"'{word}'" for word in wrapped.command("sh", "-c", "sleep 0.5; echo from''behind"))
    with Screen(["bash", "--norc", "--noprofile", "-i"], environment=child_environment(PS1="$ ")) as screen:
        screen.wait_for(rb"\$ ")
        screen.type(command.encode() + b" &\r")
        screen.wait_for(b"frombehind\r\n")
        screen.type(b"echo still''here; wait; exit\r")
        screen.wait_for(b"stillhere")
        screen.wait()
    assert wrapped.result["exit_code"] == 0


def test_a_hangup_ends_the_program(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    with Screen(wrapped.command("sh", "-c", "echo ready; exec sleep 60")) as screen:
        screen.wait_for(b"ready")
        screen.process.send_signal(signal.SIGHUP)
        screen.process.wait(TIMEOUT_S)
    assert wrapped.result["signal"] == signal.SIGHUP


def test_pasting_more_than_the_program_reads(tmp_path: Path) -> None:
    script = (
        "import sys, time, tty; tty.setraw(0); print('ready', flush=True); time.sleep(0.5)\n"
        "n = 0\n"
        "while n < 100000: n += len(sys.stdin.buffer.read1(5000))\n"
        "print('read', n)"
    )
    with Screen(Wrapped(tmp_path).command(sys.executable, "-c", script)) as screen:
        screen.wait_for(b"ready")
        for _ in range(100):
            screen.type(b"x" * 1000)
        screen.wait_for(b"read 100000")
        assert screen.wait() == 0


def test_a_process_left_behind_on_the_terminal_does_not_hold_us(tmp_path: Path) -> None:
    wrapped = Wrapped(tmp_path)
    started = time.monotonic()
    with Screen(wrapped.command("sh", "-c", "trap '' HUP; sleep 45 & printf done")) as screen:
        assert screen.wait() == 0
        assert screen.seen == b"done"
    assert 0.9 < time.monotonic() - started < 15
    assert wrapped.log == b"done"
