"""Models as images: what their build context says, and images really built, run and asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gitml.pyfunc
from gitml.errors import GitmlError
from gitml.models.shipping.builder import find_builder, push, resolve_base
from gitml.models.shipping.recipe import Recipe, dockerfile
from gitml.progress import no_progress
from tests.models.serving.calling import over_http
from tests.models.shipping.images import python_base, wheelhouse
from tests.servers import containers as engines

CODE = """
from gitml.models import set_model

def predict(model_input):
    return model_input.sum(axis=1)

set_model(predict)
"""
JSON = {"Content-Type": "application/json"}


def save_sum(folder: Path) -> Path:
    """A model that runs code of its maker."""
    code = folder.with_name("sum_code.py")
    code.write_text(CODE)
    gitml.pyfunc.save_model(folder, python_model=str(code), pip_requirements=["numpy", "pandas"])
    return folder


def words_of(line: str) -> list[str]:
    """What a builder makes of a `LABEL` or `ENV` line: quotes, and `$` as a variable unless escaped."""
    found, current, quoted, escaped = [], "", False, False
    for character in line:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == " " and not quoted:
            found.append(current)
            current = ""
        else:
            assert character != "$", "a variable"
            current += character
    assert not quoted
    return [*found, current]


@given(text=st.text(max_size=40))
def test_whatever_a_model_is_called_stays_one_label(text):
    try:
        written = dockerfile(Recipe("python:3.11-slim", "3.11", {"a": "1", "title": text}))
    except GitmlError as err:
        assert err.exit_code == 2
        return
    start = written.index("LABEL")
    label = written[start : written.index("\nCOPY", start)]
    assert words_of(label.replace(" \\\n    ", " ")) == ["LABEL", "a=1", f"title={text}"]


@pytest.mark.parametrize("name", ["x y", "-x", "a\nRUN id", "$(id)", ""])
def test_what_is_no_image_or_package_is_refused(name):
    for recipe in (Recipe(name, "3.11"), Recipe("python", "3.11", system_packages=[name])):
        with pytest.raises(GitmlError) as caught:
            dockerfile(recipe)
        assert caught.value.exit_code == 2


def test_a_model_of_somebody_else_needs_trust_before_anything_is_written(tmp_path, gitml, monkeypatch):
    model = save_sum(tmp_path / "model")
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "elsewhere"))
    done = gitml(
        tmp_path, "models", "dockerfile", str(model), "image", "--base", "b@sha256:" + "0" * 64, code=4
    )
    assert "--trust" in done.stderr
    assert not (tmp_path / "image").exists()


def test_a_base_that_can_not_be_pinned_is_refused_before_anything_is_written(tmp_path, gitml, monkeypatch):
    model = save_sum(tmp_path / "model")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no engine
    for words in (
        ("dockerfile", str(model), "image"),
        ("build-image", str(model), "--dockerfile", "image"),
        ("generate-dockerfile", "-m", str(model), "-d", "image"),
    ):
        done = gitml(tmp_path, "models", *words, "--base", "python:3.11-slim", code=5)
        assert "'python:3.11-slim' can't be pinned by its digest" in done.stderr
        assert "--allow-tag" in done.stderr
        assert not (tmp_path / "image").exists()


def test_a_build_and_a_dockerfile_are_two_things(tmp_path, gitml):
    def refused(*words: str) -> str:
        return gitml(tmp_path, "models", "build-image", "model", *words, code=2).stderr

    assert "--dockerfile DIR" in refused()
    assert "--push and --dockerfile" in refused("--dockerfile", "image", "--push")
    assert "--no-cache and --dockerfile" in refused("--dockerfile", "image", "--no-cache")
    assert "goes with --dockerfile" in refused("-t", "x", "--allow-tag")


def test_an_image_serves_the_model_of_its_folder_alone(tmp_path, gitml):
    done = gitml(tmp_path, "models", "in-image", "sh", code=2)
    assert "can't 'sh'" in done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return wheelhouse(tmp_path_factory.mktemp("wheels") / "house", ["numpy", "pandas"])


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_context_is_the_same_each_time_and_has_every_package_by_hash(tmp_path, gitml, wheels):
    model, base = save_sum(tmp_path / "model"), "registry.example.org/python@sha256:" + "0" * 64
    for name in ("one", "two"):
        gitml(tmp_path, "models", "dockerfile", str(model), name, "--base", base, "--wheels", str(wheels))
    listed = [
        sorted(
            (p.relative_to(tmp_path / name), p.stat().st_mtime, p.stat().st_mode)
            for p in (tmp_path / name).rglob("*")
        )
        for name in ("one", "two")
    ]
    assert listed[0] == listed[1]
    assert all(
        (tmp_path / "one" / p).read_bytes() == (tmp_path / "two" / p).read_bytes()
        for p, *_ in listed[0]
        if p.suffix
    )
    lock = (tmp_path / "one/build/requirements.lock").read_text().replace("\\\n", "").splitlines()
    assert all("--hash=sha256:" in line for line in lock)
    assert any(line.startswith("./wheels/gitml-") for line in lock)
    assert len(list((tmp_path / "one/build/wheels").iterdir())) == len(lock)
    words = ("--base", base, "--wheels", str(wheels))
    done = gitml(
        tmp_path, "models", "build-image", str(model), "--dockerfile", "three", "-t", "sum:1", *words
    )
    assert "docker build -t sum:1 three" in done.stderr
    assert (tmp_path / "three/Dockerfile").read_bytes() == (tmp_path / "one/Dockerfile").read_bytes()
    words = ("--base", "localhost/not-here:1", "--wheels", str(wheels), "--allow-tag")
    done = gitml(tmp_path, "models", "dockerfile", str(model), "four", *words)
    assert "the base image is not pinned" in done.stderr
    assert "FROM localhost/not-here:1" in (tmp_path / "four/Dockerfile").read_text()
    alias = gitml(tmp_path, "models", "generate-dockerfile", "-m", str(model), "-d", "one", code=2)
    assert "not an empty folder" in alias.stderr


@pytest.fixture(scope="module")
def engine():
    if not engines.is_here("podman", "buildah", "runc", "catatonit"):
        pytest.skip("needs root, podman, buildah and runc")
    with engines.podman() as started:
        python_base(started, "localhost/python:1")
        yield started


@pytest.mark.heavy
@pytest.mark.timeout(1500)
def test_an_image_is_built_runs_answers_and_is_built_the_same_again(
    tmp_path, gitml, wheels, engine, monkeypatch
):
    for name, value in engine.environ.items():
        monkeypatch.setenv(name, value)
    model = save_sum(tmp_path / "model")
    # One wheel of gitml for both: its source may be worked on.
    words = ["pip", "wheel", "-q", "--no-deps", f"--wheel-dir={wheels}", str(engines.ROOT)]
    subprocess.run([sys.executable, "-m", *words], check=True)
    layers, images = [], []
    for builder in ("podman", "buildah"):
        done = gitml(
            tmp_path, "models", "build-image", str(model), "-t", f"localhost/sum:{builder}", "--engine", builder,
            "--base", "localhost/python:1", "--wheels", str(wheels), "--no-cache", "--json", timeout=700,
        )  # fmt: skip
        image = json.loads(done.stdout)["image"]
        facts = json.loads(engine.call("image", "inspect", image["id"]))[0]
        layers.append(facts["RootFS"]["Layers"])
        images.append(facts)
    assert layers[0] == layers[1]
    config = images[0]["Config"]
    assert config["User"] == "10001:10001"
    assert "8080/tcp" in config["ExposedPorts"]
    assert config["Labels"]["gitml.digest"].startswith("sha256:")
    assert images[0]["Healthcheck"]["Test"][-1] == "gitml.models.shipping.health"
    port = 18431
    run = subprocess.Popen(
        ["podman", "run", "--rm", "--name=served", "--read-only", "--network=host", f"--env=PORT={port}",
         "--env=GITML_SERVE_NAME=sum", images[0]["Id"], "serve"],
        env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_for_ping(port, run)
        answer = over_http(port, "POST", "/invocations", b'{"inputs": [[1, 2], [3, 4]]}', JSON)
        assert answer.json == {"predictions": [3, 7]}
        assert over_http(port, "GET", "/v2/models/sum/ready").status == 200
        engine.call("exec", "served", "/opt/gitml/bin/python", "-m", "gitml.models.shipping.health")
        assert (
            engine.call("exec", "served", "/opt/gitml/bin/python", "-c", "import os; print(os.getuid())")
            == "10001"
        )
    finally:
        subprocess.run(["podman", "stop", "--time=20", "served"], capture_output=True, check=False)
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0, out.decode()


def wait_for_ping(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            assert over_http(port, "GET", "/ping").status == 200
        except OSError:
            assert process.poll() is None, process.stdout and process.stdout.read().decode()
            assert time.monotonic() < end
            time.sleep(0.2)
        else:
            return


@pytest.mark.heavy
@pytest.mark.timeout(300)
@pytest.mark.parametrize("builder", ["podman", "buildah", "docker"])
def test_a_pushed_image_is_known_by_its_digest_and_bases_are_pinned_by_theirs(builder, tmp_path, monkeypatch):
    if not engines.is_here("docker-registry", builder):
        pytest.skip(f"needs root, docker-registry and {builder}")
    with (
        engines.with_engine("docker" if builder == "docker" else "podman") as engine,
        engines.registry() as place,
    ):
        settings = tmp_path / "registries.conf"
        settings.write_text(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n')
        environ = {**os.environ, **engine.environ, "CONTAINERS_REGISTRIES_CONF": str(settings)}
        found, _ = find_builder(environ, builder)
        tag = f"{place}/team/base:1"
        engine.call("tag", engine.image, tag)
        digest = push(found, [tag], no_progress)
        assert digest.startswith(f"{place}/team/base@sha256:")
        engine.call("rmi", tag)
        assert resolve_base(found, tag, no_progress) == (digest, ())
        assert resolve_base(found, digest, no_progress) == (digest, ())
        name, notes = resolve_base(found, engine.image, no_progress)
        assert (name, len(notes)) == (engine.image, 1)
