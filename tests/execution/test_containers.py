"""Projects in containers: what the engine is told, and what comes of it with real engines."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.project import DockerSpec
from gitml.errors import DamagedError, GitmlError
from gitml.execution.containers import IMAGE_FILE, Workspace, container_environment
from gitml.execution.containers.arguments import (
    mount_word,
    option_words,
    parse_container_option,
    variable_words,
    volume_words,
)
from gitml.execution.containers.engine import EngineError, find_engine
from gitml.execution.containers.image import Image, decode_image, encode_image, name_by_digest
from gitml.execution.containers.shell import shell_words
from tests.launching.harness import Project, Screen, wait_until
from tests.servers import containers as engines
from tests.servers.containers import RealEngine

TRAIN = """\
import os
import gitml

gitml.log_metric("loss", float(os.environ.get("START", "1")) / 2)
open("out.txt", "w").write(os.getcwd())
print("hello from", os.environ["WHERE"])
raise SystemExit(int(os.environ["CODE"]))
"""


@given(text=st.text())
def test_whatever_a_project_says_is_one_word_of_its_option(text):
    docker = DockerSpec("i", environment=(("A", text), (text, "x")))
    for make in (
        lambda: volume_words([text]),
        lambda: option_words([("name", text)]),
        lambda: option_words([parse_container_option(text)]),
        lambda: variable_words(docker, {}),
        lambda: variable_words(DockerSpec("i", environment=(("A", text),)), {}),
        lambda: [mount_word(Path("/x/" + text.replace("\0", "")))],
    ):
        try:
            words = make()
        except GitmlError as err:
            assert err.exit_code == 2
            continue
        for word in words:
            option, equals, _ = word.partition("=")
            assert option.startswith("-")
            assert "\0" not in word
            assert equals or make().__len__() == 1
            assert option.lstrip("-").replace("-", "").isalnum()


@given(
    name=st.from_regex(r"[a-z0-9][a-z0-9.:/_-]{0,40}", fullmatch=True),
    digests=st.lists(st.from_regex(r"[a-z0-9]{1,9}@sha256:[0-9a-f]{64}", fullmatch=True), max_size=3),
)
def test_the_record_of_an_image_reads_back(name, digests):
    engine = find_engine_stub()
    image = Image(name, "sha256:" + "0" * 64, tuple(digests), "linux/amd64")
    assert decode_image(encode_image(image, engine)) == image


def find_engine_stub():
    from gitml.execution.containers.engine import Engine

    return Engine("podman", "/usr/bin/podman", "4.3.1", False, {})


@pytest.mark.parametrize(
    "line", ["image: --privileged", "id: sha256:1", "digest: -v=/:/host@sha256:" + "0" * 64, "platform: a b"]
)
def test_a_record_that_is_no_image_is_refused(line):
    good = {"image": "i:1", "id": "sha256:" + "0" * 64, "digest": "i@sha256:" + "0" * 64, "platform": "l/a"}
    key, _, value = line.partition(": ")
    data = "".join(f"{name}: {text}\n" for name, text in {**good, key: value}.items()).encode()
    with pytest.raises(DamagedError):
        decode_image(data)


@pytest.mark.parametrize(
    ("name", "digest", "known"),
    [
        ("python:3.12", "python", "docker.io/library/python"),
        ("python", "docker.io/library/python", "docker.io/library/python"),
        ("team/a:1", "docker.io/team/a", "docker.io/team/a"),
        ("localhost:5000/a", "localhost:5000/a", "localhost:5000/a"),
        ("r.example.org/a:1", "docker.io/library/a", None),
    ],
)
def test_the_digest_of_a_name_is_that_of_its_own_registry(name, digest, known):
    hashed = "@sha256:" + "1" * 64
    image = Image(name, "sha256:" + "0" * 64, ("other/repository" + hashed, digest + hashed))
    assert name_by_digest(image) == (known and known + hashed)


SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_what_stands_before_a_command_changes_nothing_of_it(shell):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs {shell[0]}")
    words = [*shell, *shell_words()[1:]]
    for command, code, printed in (
        (["sh", "-c", "printf '%s|' a 'b c' $((1+1))"], 0, "a|b c|2|"),
        (["sh", "-c", "env A=1 sh -c 'exit 4'"], 4, ""),
        (["sh", "-c", "A='1 2' sh -c 'echo \"$A\"'"], 0, "1 2\n"),
        (["sh", "-c", "cd / && pwd; exit 3"], 3, "/\n"),
        (["sh", "-c", "exit 5"], 5, ""),
        (["sh", "-c", "no-such-program 1"], 127, ""),
        (["sh", "-c", ""], 0, ""),
        (["printf", "%s|", "sh", "-c", ";"], 0, "sh|-c|;|"),
    ):
        done = subprocess.run([*words, *command], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, printed), command


def test_without_an_engine_nothing_is_run_and_both_are_named(git_repo, quick, tmp_path):
    write_project(git_repo, "image:1")
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("git", "sh"):
        (programs / program).symlink_to(shutil.which(program) or "")
    project = Project(git_repo, quick)
    project.environment["PATH"] = str(programs)
    done = project.run(".")
    assert done.returncode == 5
    assert "docker and podman" in done.stderr
    assert project.commits == []


def test_an_engine_that_can_not_be_used_says_so_in_its_own_words_and_the_other_is_taken(tmp_path):
    for name, script in (
        ("docker", ('test "$1" = --version && echo Docker version 28.0.0 && exit\n'
         "echo 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?' >&2; exit 1")),
        ("podman", "echo podman version 5.0.0"),
    ):  # fmt: skip
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    engine, notes = find_engine(environ)
    assert (engine.name, engine.version) == ("podman", "5.0.0")
    assert notes == (
        (
            "docker can't be used: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?; "
            "podman is used"
        ),
    )
    with pytest.raises(EngineError) as caught:
        find_engine({**environ, "GITML_CONTAINER_ENGINE": "docker"})
    assert caught.value.exit_code == 5
    assert "systemctl start docker" in str(caught.value.hint)


def write_project(folder: Path, image: str, more: str = "") -> None:
    """An MLproject whose command is a script in a container."""
    docker = {
        "image": image,
        "volumes": engines.volumes(),
        "environment": [["WHERE", "a container"], "CODE", ["PYTHONPATH", str(engines.ROOT)]],
    }
    command = f"{shlex.quote(sys.executable)} train.py{more}"
    (folder / "MLproject").write_text(
        json.dumps({"name": "boxed", "docker_env": docker, "entry_points": {"main": {"command": command}}})
    )
    (folder / "train.py").write_text(TRAIN)


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    with engines.with_engine(request.param) as real:
        yield real


@pytest.fixture
def boxed(engine: RealEngine, git_repo: Path, quick) -> Project:
    write_project(git_repo, engine.image)
    project = Project(git_repo, quick)
    project.environment |= {
        **engine.environ,
        "GITML_CONTAINER_ENGINE": engine.name,
        "CODE": "0",
        "PYTHONPATH": "",
    }
    return project


OPTIONS = ("-A", "network=host", "-A", "env=START=3")


@pytest.mark.heavy
def test_a_project_runs_in_its_image_and_records_from_inside(engine, boxed):
    boxed.environment["CODE"] = "3"
    done = boxed.run(".", *OPTIONS)
    assert done.returncode == 3, done.stderr
    assert "hello from a container" in done.stdout
    run = boxed.record()
    assert run.metrics["loss"].last == 1.5
    assert run.exit_code == 3
    assert run.project.manager == engine.name
    assert (boxed.folder / "out.txt").read_text() == "/mlflow/projects/code"
    assert (boxed.folder / "out.txt").stat().st_uid == os.geteuid()
    image = decode_image(boxed.read(f"environment/{IMAGE_FILE}"))
    assert image.id.endswith(engine.call("image", "inspect", "--format={{.Id}}", engine.image)[-64:])
    assert engine.call("ps", "--all", "--quiet") == ""


@pytest.mark.heavy
def test_a_run_is_done_again_in_the_very_image(engine, boxed, gitml):
    assert boxed.run(".", "--name", "first").returncode == 0
    engine.make_image(engine.image, "another one by now")
    done = gitml(boxed.folder, "reproduce", "first", env=boxed.environment)
    assert "hello from a container" in done.stdout
    first, second = (boxed.read(f"environment/{IMAGE_FILE}", commit) for commit in boxed.commits[:2])
    assert first == second


@pytest.mark.heavy
@pytest.mark.parametrize("more", ["", " && echo not reached"])
def test_a_signal_reaches_the_program_in_the_container(engine, boxed, more):
    if more and engine.name == "podman":
        pytest.skip("the init that comes with Podman passes signals on to the shell alone")
    write_project(boxed.folder, engine.image, more=more)
    (boxed.folder / "train.py").write_text(
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.5)\n"
        "    print('asked to end')\n"
        "    sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open('ready', 'w').close()\n"
        "time.sleep(60)\n"
    )
    running = boxed.start(".", *OPTIONS)
    wait_until((boxed.folder / "ready").exists, "the program's start")
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert b"asked to end" in out, err
    assert b"not reached" not in out
    assert boxed.record().exit_code == 9
    assert engine.call("ps", "--all", "--quiet") == ""


@pytest.mark.heavy
def test_in_a_terminal_the_program_has_one_and_ctrl_c(engine, boxed):
    (boxed.folder / "train.py").write_text(
        "import os, sys, time\n"
        "print('terminal', os.isatty(0), os.isatty(1))\n"
        "try:\n"
        "    print('said', input(), os.get_terminal_size())\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(7)\n"
    )
    with Screen(boxed.command(".", *OPTIONS), cwd=boxed.folder, environment=boxed.environment) as screen:
        screen.wait_for(b"terminal True True")
        time.sleep(0.3)  # Docker tells the size a moment after the start
        screen.type(b"hello\n")
        screen.wait_for(rb"said hello os.terminal_size\(columns=97, lines=31\)")
        screen.type(b"\x03")
        assert screen.wait() == 7
    assert boxed.record().exit_code == 7


@pytest.mark.heavy
def test_the_very_image_comes_back_from_its_registry(engine, tmp_path, monkeypatch):
    if not engines.is_here("docker-registry"):
        pytest.skip("needs docker-registry")
    for name, value in engine.environ.items():
        monkeypatch.setenv(name, value)
    with engines.registry() as place:
        name = f"{place}/team/image:1"
        if engine.name == "podman":
            allow_http(engine, place, monkeypatch)
        push_image(engine, name, "first")

        def make(recorded=None):
            return container_environment(
                DockerSpec(name),
                Workspace(tmp_path, tmp_path),
                environ=os.environ,
                engine=engine.name,
                recorded=recorded,
            )

        first = make()
        recorded = first.files[IMAGE_FILE]
        assert name_by_digest(decode_image(recorded)) == decode_image(recorded).digests[0]
        push_image(engine, name, "second")  # the tag means another image now
        ids = [decode_image(made.files[IMAGE_FILE]).id for made in (make(recorded), make())]
        assert ids[0] == decode_image(recorded).id != ids[1]
        assert ids[0] in make(recorded).prefix


def push_image(engine: RealEngine, name: str, mark: str) -> None:
    """Put an image into a registry, and forget it here."""
    engine.make_image(name, mark)
    engine.call("push", name)
    engine.call("rmi", "--force", engine.call("image", "inspect", "--format={{.Id}}", name))


def allow_http(engine: RealEngine, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Path(engine.environ["CONTAINERS_CONF"]).with_name("registries.conf")
    settings.write_text(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))


@pytest.mark.heavy
def test_an_image_with_the_code_in_it_has_what_git_has(engine, boxed):
    (boxed.folder / ".gitignore").write_text("secret.txt\n")
    (boxed.folder / "secret.txt").write_text("x")
    (boxed.folder / "train.py").write_text("import os; print(sorted(os.listdir()), os.path.ismount('.'))\n")
    done = boxed.run("--build-image", ".", *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert "['.gitignore', 'MLproject', 'train.py'] False" in done.stdout


@pytest.mark.heavy
def test_an_image_that_is_nowhere_is_told_in_the_engine_s_words(engine, boxed):
    write_project(boxed.folder, "127.0.0.1:9/no/such:1")
    done = boxed.run(".", *OPTIONS)
    assert done.returncode == 5
    assert "pull the image '127.0.0.1:9/no/such:1'" in done.stderr
    assert "refused" in done.stderr
    assert boxed.commits == []


@pytest.mark.heavy
def test_a_socket_that_is_not_ours_is_told_with_the_way_out(engine, boxed, tmp_path):
    if engine.name != "docker":
        pytest.skip("Podman has no daemon")
    real = shutil.which("docker")
    wrapper = tmp_path / "docker"  # the real one, as nobody
    wrapper.write_text(f'#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups {real} "$@"\n')
    wrapper.chmod(0o755)
    folder = Path(engine.environ["DOCKER_HOST"].removeprefix("unix://")).parent
    before = folder.stat().st_mode
    folder.chmod(0o755)
    try:
        boxed.environment["PATH"] = f"{tmp_path}:{boxed.environment['PATH']}"
        done = boxed.run(".", *OPTIONS)
    finally:
        folder.chmod(before)
    assert done.returncode == 5
    assert "permission denied" in done.stderr
    assert "group 'docker'" in done.stderr
