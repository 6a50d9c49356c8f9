"""`gitml artifacts …`: the files of a run."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import gitml

BIG = bytes(range(256)) * 1000


@pytest.fixture
def files(recorded):
    return recorded(artifacts={"model/big.bin": BIG, "a b.txt": b"hello\n", "plots/x.txt": b"x"})


def test_files_are_listed_with_their_sizes(cli, files):
    assert cli("artifacts", "list", "@").out.split() == [
        "6",
        "B",
        "a",
        "b.txt",
        "256",
        "kB",
        "model/big.bin",
        "1",
        "B",
        "plots/x.txt",
    ]
    found = json.loads(cli("artifacts", "list", "@", "model", "--json").out)["artifacts"]
    assert found == [
        {
            "path": "model/big.bin",
            "size": len(BIG),
            "sha256": hashlib.sha256(BIG).hexdigest(),
            "stored": True,
            "purged": None,
        }
    ]


def test_files_of_a_live_run_too(cli, live_run):
    live_run().log_bytes(BIG, "x.bin")
    assert "x.bin" in cli("artifacts", "list", "brisk-heron").out


def test_files_are_copied_out(cli, files, tmp_path):
    assert cli("artifacts", "get", "@", "model/big.bin", "-o", tmp_path / "out").out.strip() == str(
        tmp_path / "out/model/big.bin"
    )
    assert (tmp_path / "out/model/big.bin").read_bytes() == BIG
    cli("artifacts", "download", "@", "--dst-path", tmp_path / "all")
    assert (tmp_path / "all/a b.txt").read_bytes() == b"hello\n"
    assert (tmp_path / "all/plots/x.txt").read_bytes() == b"x"


def test_nothing_is_replaced_without_force(cli, files, in_repo):
    (in_repo / "a b.txt").write_text("mine")
    done = cli("artifacts", "get", "@", code=2)
    assert "exists already" in done.err
    assert (in_repo / "a b.txt").read_text() == "mine"
    assert not (in_repo / "model").exists()
    cli("artifacts", "get", "@", "--force")
    assert (in_repo / "a b.txt").read_text() == "hello\n"


def test_damaged_bytes_never_appear(cli, files, repo, tmp_path):
    stored = repo.objects.path(hashlib.sha256(BIG).hexdigest())
    stored.chmod(0o644)
    stored.write_bytes(b"X" + BIG[1:])
    assert "is damaged" in cli("artifacts", "get", "@", "model", "-o", tmp_path / "out", code=6).err
    assert not (tmp_path / "out/model/big.bin").exists()
    assert "is damaged" in cli("artifacts", "cat", "@", "model/big.bin", code=6).err
    stored.unlink()
    assert (
        "the store has no object" in cli("artifacts", "get", "@", "model", "-o", tmp_path / "out", code=3).err
    )
    assert json.loads(cli("artifacts", "list", "@", "model", "--json").out)["artifacts"][0]["stored"] is False


@pytest.mark.parametrize("path", ["none.txt", "plots/none"])
def test_a_path_that_is_not_there(cli, files, path):
    assert f"has no artifact '{path}'" in cli("artifacts", "get", "@", path, code=3).err
    assert f"has no artifact '{path}'" in cli("artifacts", "cat", "@", path, code=3).err


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b"])
def test_a_path_can_not_leave_the_run(cli, files, path):
    assert "artifact path" in cli("artifacts", "get", "@", path, code=2).err
    assert "artifact path" in cli("artifacts", "cat", "@", path, code=2).err


def test_a_file_is_written_to_standard_output_byte_for_byte(gitml, in_repo, files):
    done = subprocess.run(
        [sys.executable, "-m", "gitml", "artifacts", "cat", "@", "model/big.bin"],
        **started(in_repo),
        check=True,
    )
    assert done.stdout == BIG
    assert done.stderr == b""


def started(folder):
    environ = {**os.environ, "PYTHONPATH": str(Path(gitml.__file__).parents[1])}
    return {"cwd": folder, "env": environ, "capture_output": True}


def on_a_terminal(folder, *words):
    """Run gitml with standard output on a pseudo-terminal; give status, what was shown, and the errors."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(Path(gitml.__file__).parents[1]), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gitml", *words],
        cwd=folder,
        env=environ,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    with process.stderr as errors:
        said = errors.read().decode()
    return process.wait(), shown, said


def test_what_is_not_text_is_kept_from_a_terminal(in_repo, recorded):
    recorded(
        artifacts={
            "evil.txt": b"fine so far\n\x1b]0;title\x07",
            "c1.txt": "\x9b31m".encode(),
            "ok.txt": "é\tok\n".encode(),
        }
    )
    for path in ("evil.txt", "c1.txt"):
        status, shown, said = on_a_terminal(in_repo, "artifacts", "cat", "@", path)
        assert (status, shown) == (2, b"")
        assert "is not text" in said
        assert "--force" in said
    assert on_a_terminal(in_repo, "artifacts", "cat", "@", "ok.txt")[1] == "é\tok\r\n".encode()
    assert b"\x1b]0;title" in on_a_terminal(in_repo, "artifacts", "cat", "@", "evil.txt", "--force")[1]


def test_a_command_that_is_not_there_is_told_once(cli):
    said = cli("artifacts", "ls", "@", code=2).err
    assert said.lower().count("did you mean 'list'") == 1
