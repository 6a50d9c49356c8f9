"""Environments of projects: made by the real uv and pip from a small index of wheels."""

from __future__ import annotations

import base64
import fcntl
import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from gitml.entities.project import EnvironmentKind, EnvironmentSpec
from gitml.errors import DamagedError, GitmlError, RefusedError, UsageError
from gitml.execution.environments import Environment, prepare, rebuild
from gitml.execution.environments.conda_file import read_conda_file
from gitml.execution.environments.errors import (
    EnvironmentFileError,
    EnvironmentNotMadeError,
    ManagerNotFoundError,
    NotOnPyPIError,
    PythonNotFoundError,
)
from gitml.execution.environments.pythons import fits

PYTHON = "{}.{}".format(*sys.version_info)


def make_wheel(folder: Path, name: str, version: str, *, needs: str = "", text: str = "") -> Path:
    """Write a wheel with one module by hand."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{text}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content.encode())}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name_in_wheel, content in files.items():
            wheel.writestr(name_in_wheel, content)
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Two packages: `alpha` 1.0 and 2.0, and `beta`, which needs `alpha` below 2."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "alpha", "1.0")
    make_wheel(folder, "alpha", "2.0")
    make_wheel(folder, "beta", "1.0", needs="alpha<2")
    return folder


@pytest.fixture
def environ(tmp_path: Path, wheels: Path) -> dict[str, str]:
    """The variables of a user whose index is the folder of wheels."""
    tools = os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin"))
    return {
        "PATH": tools, "HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "none"),
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"), "UV_DEFAULT_INDEX": f"file://{tmp_path}/none", "UV_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_CACHE_DIR": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }  # fmt: skip


class Folder:
    """A project's folder, and a cache."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root / "project"
        self.root.mkdir()
        self.cache = root / "cache"
        self.environ = dict(environ)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def prepare(self, kind: str, file: str, manager: str | None = None, **more: object) -> Environment:
        spec = EnvironmentSpec(EnvironmentKind(kind), file)
        return prepare(
            spec, self.root, manager=manager, cache=self.cache, environ=self.environ, **more  # type: ignore[arg-type]
        )  # fmt: skip

    def rebuild(self, files: Mapping[str, bytes], cache: str = "other") -> Environment:
        return rebuild(files, self.root, cache=self.cache.with_name(cache), environ=self.environ)

    def python(self, environment: Environment, code: str) -> str:
        command = ["python", "-c", code]
        child = {**self.environ, **environment.variables}
        return subprocess.run(
            command, env=child, cwd=self.cache.parent, check=True, capture_output=True, text=True, executable=None
        ).stdout.strip()  # fmt: skip

    @property
    def made(self) -> list[str]:
        """What is in the cache besides locks."""
        folder = self.cache / "environments"
        return (
            sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")
            if folder.exists()
            else []
        )


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Folder:
    return Folder(tmp_path, environ)


def test_made_once_found_again_without_a_process_and_rebuilt_from_its_lock(
    project: Folder, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("python_env.yaml", f"python: {PYTHON}\ndependencies:\n- -r deps/reqs.txt  # all of them\n")
    project.write("deps/reqs.txt", "# ours\nbeta >= 1  # needs alpha\n")
    first = project.prepare("python_env", "python_env.yaml")
    assert first.manager == "uv"
    assert project.python(first, "import alpha, beta, sys; print(alpha.VERSION, sys.prefix)").startswith(
        "1.0 "
    )
    lock = first.files["requirements.lock"].decode()
    digest = hashlib.sha256((wheels / "alpha-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"alpha==1.0 \\\n    --hash=sha256:{digest}\n" in lock
    assert str(wheels) not in lock  # places of this machine
    assert first.files["requirements.txt"] == b"alpha==1.0\nbeta==1.0\n"
    assert first.files["python-version"].decode().startswith(PYTHON)

    with monkeypatch.context() as nothing_starts:
        nothing_starts.setattr(subprocess, "Popen", None)
        assert project.prepare("python_env", "python_env.yaml") == first
        assert project.rebuild(first.files, "cache").python == first.python

    again = project.rebuild(first.files)
    assert again.files == first.files
    assert again.python != first.python
    assert project.python(again, "import alpha; print(alpha.VERSION)") == "1.0"

    project.write("deps/reqs.txt", "alpha==2.0\n")
    assert project.prepare("python_env", "python_env.yaml").files["requirements.txt"] == b"alpha==2.0\n"

    make_wheel(wheels, "alpha", "1.0", text="# somebody else's\n")
    project.environ["UV_CACHE_DIR"] += "-empty"
    with pytest.raises(EnvironmentNotMadeError, match=r"(?is)hash.*alpha") as caught:
        project.rebuild(first.files, "third")
    assert caught.value.exit_code == 5


def test_what_a_killed_process_left_is_made_anew_and_who_works_on_it_is_awaited(project: Folder) -> None:
    project.write("requirements.txt", "alpha==1.0\n")
    first = project.prepare("requirements", "requirements.txt")
    assert first.python is not None
    prefix = first.python.parent.parent
    prefix.with_suffix(".json").unlink()
    (prefix / "half").touch()
    labels: list[str] = []
    with prefix.with_suffix(".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        @contextmanager
        def progress(label: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
            labels.append(label)
            fcntl.flock(other, fcntl.LOCK_UN)
            yield lambda _: None

        second = project.prepare("requirements", "requirements.txt", progress=progress)
    assert labels[0] == "waiting for another gitml that makes this environment"
    assert len(labels) > 1
    assert second.python == first.python
    assert not (prefix / "half").exists()
    assert project.python(second, "import alpha") == ""


def test_an_interpreter_that_is_gone_is_noticed(project: Folder) -> None:
    project.write("requirements.txt", "alpha==1.0\n")
    first = project.prepare("requirements", "requirements.txt")
    assert first.python is not None
    first.python.unlink()
    first.python.symlink_to("/nonexistent/python")
    assert project.python(project.prepare("requirements", "requirements.txt"), "import alpha") == ""


def test_the_code_of_the_project_is_imported_from_where_it_lies(project: Folder) -> None:
    build = '[build-system]\nrequires = []\nbuild-backend = "none"\n'
    project.write(
        "pyproject.toml", '[project]\nname = "mine"\nversion = "1"\ndependencies = ["beta"]\n' + build
    )
    project.write("src/mine.py", "import alpha\nprint(alpha.VERSION)\n")
    project.write("requirements.txt", "-e .\n")
    for kind, file in (("pyproject", "pyproject.toml"), ("requirements", "requirements.txt")):
        made = project.prepare(kind, file)
        assert project.python(made, "import mine; print(mine.__file__)") == f"1.0\n{project.root}/src/mine.py"
        again = project.rebuild(made.files, f"other-{kind}")
        assert project.python(again, "import mine") == "1.0"
        assert str(project.root) not in made.files["requirements.lock"].decode()


def test_a_package_that_is_a_file_of_the_project_is_known_by_its_bytes(project: Folder) -> None:
    files = {}
    for text in ("old = True\n", "old = False\n"):
        wheel = make_wheel(project.root, "mine", "1.0", text=text)
        project.write("requirements.txt", f"./{wheel.name}\n")
        files[text] = project.prepare("requirements", "requirements.txt").files
    make_wheel(project.root, "mine", "1.0", text="old = True\n")
    again = project.rebuild(files["old = True\n"], "cache")
    assert project.python(again, "import mine; print(mine.old)") == "True"


def test_what_uv_locked_is_what_runs(project: Folder) -> None:
    project.write("pyproject.toml", '[project]\nname = "mine"\nversion = "1"\ndependencies = ["alpha<2"]\n')
    subprocess.run(["uv", "lock", "-q"], cwd=project.root, env={**os.environ, **project.environ}, check=True)
    project.write("pyproject.toml", '[project]\nname = "mine"\nversion = "1"\ndependencies = ["alpha"]\n')
    made = project.prepare("uv_lock", "uv.lock")
    assert made.files["requirements.txt"] == b"alpha==1.0\n"
    assert made.variables["PYTHONPATH"] == str(project.root)
    assert project.rebuild(made.files).files == made.files
    with pytest.raises(EnvironmentNotMadeError, match="only uv"):
        project.prepare("uv_lock", "uv.lock", "virtualenv")


def test_a_script_has_its_own(project: Folder) -> None:
    block = (
        f'# /// script\n# requires-python = ">={PYTHON}"\n#\n# dependencies = [\n#   "alpha<2",\n# ]\n# ///\n'
    )
    project.write("train.py", f"#!/usr/bin/env python\n{block}import alpha\n")
    made = project.prepare("script", "train.py")
    assert made.files["requirements.txt"] == b"alpha==1.0\n"
    project.write("train.py", f"{block}import alpha\nprint('edited')\n")
    assert project.prepare("script", "train.py") == made


def test_places_of_packages_work_with_credentials_that_are_not_recorded(
    project: Folder, wheels: Path
) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(wheels))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        project.environ["UV_FIND_LINKS"] = ""
        links = f"--find-links http://ada:hunter22password@127.0.0.1:{port}/"
        project.write("requirements.txt", f"{links}\nalpha<2\n")
        made = project.prepare("requirements", "requirements.txt")
        assert project.rebuild(made.files).files == made.files
        server.shutdown()
    everything = b"".join(made.files.values()) + b"".join(
        path.read_bytes() for path in (project.cache / "environments").glob("*.json")
    )
    assert f"--find-links http://127.0.0.1:{port}/".encode() in made.files["requirements.lock"]
    assert b"hunter22password" not in everything


def test_what_pip_was_told_holds_for_uv(project: Folder, wheels: Path, tmp_path: Path) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_FIND_LINKS", "PIP_NO_INDEX", "PIP_FIND_LINKS"):
        del project.environ[name]
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nno-index = true\n[install]\nfind-links = {wheels}\n")
    project.environ["PIP_CONFIG_FILE"] = str(config)
    project.write("requirements.txt", "beta\n")
    made = project.prepare("requirements", "requirements.txt")
    assert made.files["requirements.txt"] == b"alpha==1.0\nbeta==1.0\n"


def test_what_other_runs_recorded_is_rebuilt_by_version(project: Folder) -> None:
    version = "{}.{}.{}".format(*sys.version_info).encode()
    files = {"requirements.txt": b"alpha==1.0\n", "python-version": version}
    made = project.rebuild(files)
    assert project.python(made, "import alpha; print(alpha.VERSION)") == "1.0"
    assert "no hashes" in made.notes[0]
    files["requirements.txt"] += b"# mine==0.1, editable install of file:///home/ada/mine\n"
    with pytest.raises(RefusedError, match="mine==0.1") as refused:
        project.rebuild(files)
    assert "gitml reproduce RUN --environment current" in str(refused.value.hint)
    with pytest.raises(RefusedError, match="no packages"):
        project.rebuild({"system.yaml": b""})
    files = {**files, "requirements.lock": b"# PYTHONPATH: ../../etc\nalpha==1.0\n"}
    with pytest.raises(EnvironmentNotMadeError, match="outside of the project"):
        project.rebuild(files)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("python-version", b"./python\n"),  # uv would run it
        ("python-version", b"9" * 5000),
        ("python-version", b"3.11\0"),
        ("requirements.lock", b"\xff"),
    ],
)
def test_a_record_that_gitml_did_not_write_is_refused(project: Folder, name: str, data: bytes) -> None:
    project.write("python", "#!/bin/sh\ntouch ran\n")
    (project.root / "python").chmod(0o700)
    with pytest.raises(DamagedError, match=name):
        project.rebuild({"requirements.lock": b"alpha==1.0\n", "python-version": b"3.11.7\n", name: data})
    assert not (project.root / "ran").exists()


@pytest.mark.parametrize(
    ("kind", "file", "text", "error", "says"),
    [
        ("requirements", "r.txt", "alpha==3\n", EnvironmentNotMadeError, r"(?s)solving.*alpha==3.*unsatisfiable"),
        ("requirements", "r.txt", "a\n\n-r ../../r.txt\n", EnvironmentFileError, "line 3: '../../r.txt' is no file"),
        ("requirements", "r.txt", "-r http://example.org/r.txt", EnvironmentFileError, "from elsewhere"),
        ("requirements", "r.txt", "-e ../mine\n", EnvironmentFileError, "outside of the project"),
        ("requirements", "none.txt", None, EnvironmentFileError, "No such file"),
        ("python_env", "p.yaml", "dependencies:\n- alpha\n- --no-deps\n", EnvironmentFileError, "line 3: '--no-deps'"),
        ("python_env", "p.yaml", "dependencies:\n- |\n  a\n  --b\n", EnvironmentFileError, "line 2"),
        ("python_env", "p.yaml", "python: pypy\n", EnvironmentFileError, "line 1: 'pypy' is not a version"),
        ("python_env", "p.yaml", f"python: {'9' * 5000}\n", EnvironmentFileError, "line 1: '99.*' is not a version"),
        ("python_env", "p.yaml", "python: 3.99\n", PythonNotFoundError, "no Python 3.99 here; there is: .*3\\."),
        ("python_env", "p.yaml", "dependencies: [\n", EnvironmentFileError, "line"),
        ("conda_env", "c.yaml", "dependencies: [r-base, alpha=1]\n", NotOnPyPIError, "PyPI: r-base, alpha=1"),
        ("pyproject", "pyproject.toml", "[project\n", EnvironmentFileError, "not TOML: .*line 1"),
        ("pyproject", "pyproject.toml", "[project]\ndependencies = ['-r x']", EnvironmentFileError, "'-r x'"),
        ("script", "s.py", "print(1)\n", EnvironmentFileError, "0 blocks"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_left(
    project: Folder, kind: str, file: str, text: str | None, error: type[GitmlError], says: str
) -> None:
    if text is not None:
        project.write(file, text)
    with pytest.raises(error, match=says) as caught:
        project.prepare(kind, file)
    assert caught.value.exit_code == (2 if error is EnvironmentFileError else 5)
    assert project.made == []


def test_managers_make_what_they_can(project: Folder) -> None:
    project.write("requirements.txt", "alpha\n")
    assert project.prepare("none", "", None) == project.prepare("requirements", "requirements.txt", "local")
    for kind, manager in (
        ("requirements", "conda"),
        ("requirements", "docker"),
        ("none", "uv"),
        ("none", "pipenv"),
    ):
        with pytest.raises(UsageError):
            project.prepare(kind, "requirements.txt", manager)
    project.write("conda.yaml", "dependencies: []\n")
    with pytest.raises(ManagerNotFoundError, match="conda is not installed"):
        project.prepare("conda_env", "conda.yaml", "conda")


def test_files_of_conda_say_what_pip_can_install() -> None:
    text = b"""
name: tutorial
channels: [defaults]
dependencies:
  - python=3.10.*
  - numpy=1.26
  - conda-forge::pandas >=2,<3
  - scikit-learn=1.5.1=py310h1128e8f_0
  - pytorch==2.4
  - pip
  - pip:
      - mlflow>=2
"""
    found = read_conda_file(text, "conda.yaml")
    assert found.python == "3.10"
    assert [line for _, line in found.lines] == [
        "numpy==1.26.*", "pandas>=2,<3", "scikit-learn==1.5.1", "torch==2.4", "mlflow>=2",
    ]  # fmt: skip
    assert found.conda_only == ()


CONDA = """#!/bin/sh
echo "$@" >> {log}
for word; do case "$word" in --prefix=*) prefix="${{word#--prefix=}}";; esac; done
case "$*" in
  *create*) mkdir -p "$prefix/bin" && ln -s {python} "$prefix/bin/python";;
  *explicit*) echo "@EXPLICIT"; echo "https://conda.example/t/to-ken-123/x-1-0.conda#0123";;
  *export*) printf 'name: a\\ndependencies:\\n- x=1=0\\nprefix: %s\\n' "$prefix";;
  run*) shift 2; GDAL_DATA=there exec "$@";;
esac
"""


def test_conda_is_asked_where_it_is(project: Folder, tmp_path: Path) -> None:
    """No channel can be had for tests, so that a script stands for conda: it shows what gitml asks for."""
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    conda = tools / "conda"
    conda.write_text(CONDA.format(log=log, python=os.path.realpath(sys.executable)))
    conda.chmod(0o755)
    project.environ["PATH"] = f"{tools}{os.pathsep}{project.environ['PATH']}"
    project.write("conda.yaml", "dependencies: [r-base]\n")
    made = project.prepare("conda_env", "conda.yaml")
    assert (made.manager, made.variables["GDAL_DATA"]) == ("conda", "there")
    assert made.variables["PATH"].startswith(made.variables["CONDA_PREFIX"])
    assert made.files["conda-explicit.txt"] == b"@EXPLICIT\nhttps://conda.example/x-1-0.conda#0123\n"
    assert b"prefix" not in made.files["environment.yaml"]
    again = project.rebuild(made.files)
    assert again.files == made.files
    asked = log.read_text().splitlines()
    assert (
        asked[0]
        == f"env create --quiet --prefix={made.variables['CONDA_PREFIX']} --file={project.root}/conda.yaml"
    )
    assert [line for line in asked if line.startswith("create ")]


@given(
    version=st.tuples(st.just(3), st.integers(8, 13), st.integers(0, 20)),
    clauses=st.lists(
        st.tuples(
            st.sampled_from([">=", "<=", "==", "!=", "~=", ">", "<"]), st.integers(8, 13), st.integers(0, 20), st.booleans()
        ),
        min_size=1, max_size=3,
    ),
)  # fmt: skip
def test_versions_fit_as_packaging_says(
    version: tuple[int, int, int], clauses: list[tuple[str, int, int, bool]]
) -> None:
    request = ",".join(f"{op}3.{minor}" + (f".{micro}" if long else "") for op, minor, micro, long in clauses)
    text = ".".join(map(str, version))
    # PEP 440 reads `>3.11` as "after every 3.11.0.x", which is the same for three numbers.
    assert fits(version, request) is SpecifierSet(request).contains(text)


@pytest.mark.heavy
@pytest.mark.parametrize("manager", ["uv", "virtualenv"])
def test_scikit_learn_and_this_very_gitml(project: Folder, manager: str) -> None:
    project.environ = {**os.environ, "UV_CACHE_DIR": project.environ["UV_CACHE_DIR"]}
    project.write("python_env.yaml", "build_dependencies: [pip]\ndependencies: [scikit-learn, gitml]\n")
    made = project.prepare("python_env", "python_env.yaml", manager)
    found = project.python(made, "import sklearn, gitml; print(sklearn.__version__, gitml.__version__)")
    assert found.split()[0] in made.files["requirements.lock"].decode()
    assert "\ngitml==" in made.files["requirements.lock"].decode()
    assert project.rebuild(made.files).files == made.files


@pytest.mark.heavy  # `venv` and pip take ten times as long
def test_pip_makes_what_uv_would(project: Folder) -> None:
    project.write("python_env.yaml", "dependencies: [beta]\n")
    made = project.prepare("python_env", "python_env.yaml", "virtualenv")
    assert made.manager == "virtualenv"
    assert project.python(made, "import alpha; print(alpha.VERSION)") == "1.0"
    lock = made.files["requirements.lock"].decode()
    assert lock.count("--hash=sha256:") == 2
    assert "\npip==" in lock  # `venv` brings it along
