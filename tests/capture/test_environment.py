"""Interpreter, packages and machine, and what finding them out costs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from gitml.tracking.capture import (
    capture_command_environment,
    capture_environment,
    capture_system,
    environ_subset,
    find_python,
)

LONG_AGO = 1_600_000_000


def make_package(site: Path, name: str, version: str, **direct_url) -> Path:
    folder = site / f"{re.sub(r'[-.]', '_', name)}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: 0 (a line of the description)\n"
    )
    if direct_url:
        (folder / "direct_url.json").write_text(json.dumps(direct_url))
    os.utime(site, (LONG_AGO, LONG_AGO))
    return folder


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment with a few packages; gives its interpreter."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    make_package(site, "zeta", "1.0")
    make_package(site, "Alpha.Beta", "2.0.1")
    return folder / "bin" / "python"


@pytest.fixture
def site(venv: Path) -> Path:
    return next(venv.parent.parent.glob("lib/python*/site-packages"))


def processes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note every process that is started from here on."""
    started: list[object] = []
    sys.addaudithook(lambda event, args: started.append(args) if event == "subprocess.Popen" else None)
    return started


def test_the_running_interpreter_is_described_exactly(tmp_path):
    files = capture_environment(tmp_path / "cache")
    lines = files["requirements.txt"].decode().splitlines()
    recorded = {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, _, version in (line.partition("==") for line in lines if "==" in line and line[0] != "#")
    }
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name != "gitml":
            assert recorded[name] == importlib.metadata.version(distribution.metadata["Name"])
    assert files["python-version"].decode() == sys.version.split()[0] + "\n"
    assert list(files) == ["requirements.txt", "python-version", "system.yaml"]


def test_another_interpreter_is_described_without_importing_its_packages(venv, site, tmp_path):
    (site / "zeta.py").write_text("raise SystemExit('user code ran')")
    (site.parent / "json.py").write_text("raise SystemExit('user code ran')")
    files = capture_environment(tmp_path / "cache", venv)
    assert files["requirements.txt"] == b"Alpha.Beta==2.0.1\nzeta==1.0\n"
    assert files["python-version"].decode() == sys.version.split()[0] + "\n"


def test_the_second_time_no_process_is_started_and_nothing_is_written(venv, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = capture_environment(cache, venv)
    before = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    started = processes(monkeypatch)
    assert capture_environment(cache, venv) == first
    assert started == []
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == before


def test_an_installed_or_removed_package_is_noticed(venv, site, tmp_path):
    cache = tmp_path / "cache"
    capture_environment(cache, venv)
    folder = make_package(site, "newcomer", "0.1")
    os.utime(site, (LONG_AGO + 1, LONG_AGO + 1))
    assert b"newcomer==0.1\n" in capture_environment(cache, venv)["requirements.txt"]
    shutil.rmtree(folder)
    os.utime(site, (LONG_AGO + 2, LONG_AGO + 2))
    assert b"newcomer" not in capture_environment(cache, venv)["requirements.txt"]


def test_a_folder_that_changed_a_moment_ago_is_not_trusted(venv, site, tmp_path):
    cache = tmp_path / "cache"
    os.utime(site)
    now = site.stat().st_mtime_ns
    capture_environment(cache, venv)
    make_package(site, "newcomer", "0.1")
    os.utime(site, ns=(now, now))  # within one tick of the file system's clock
    assert b"newcomer==0.1\n" in capture_environment(cache, venv)["requirements.txt"]


def test_direct_and_editable_installs_say_where_from_without_credentials(venv, site, tmp_path):
    make_package(site, "direct", "1.0", url="https://ada:hunter2@example.org/direct-1.0.whl", archive_info={})
    vcs = {"vcs": "git", "commit_id": "0123abcd"}
    make_package(site, "fromgit", "1.1", url="https://example.org/fromgit.git", vcs_info=vcs)
    make_package(site, "mine", "1.2", url="file:///src/mine", dir_info={"editable": True})
    make_package(site, "local", "1.3", url="file:///src/local", dir_info={})
    lines = capture_environment(tmp_path / "cache", venv)["requirements.txt"].decode().splitlines()
    assert lines == [
        "Alpha.Beta==2.0.1",
        "direct @ https://example.org/direct-1.0.whl",
        "fromgit @ git+https://example.org/fromgit.git@0123abcd",
        "local @ file:///src/local",
        "# mine==1.2, editable install of file:///src/mine",
        "zeta==1.0",
    ]


def test_damaged_metadata_is_skipped(venv, site, tmp_path):
    (site / "empty-1.0.dist-info").mkdir()
    (site / "~umpy-1.0.dist-info").mkdir()
    (make_package(site, "odd", "1.0", url="x") / "direct_url.json").write_text("{")
    (site / "binary-1.0.dist-info").mkdir()
    (site / "binary-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\0")
    out = capture_environment(tmp_path / "cache", venv)["requirements.txt"]
    assert out == b"Alpha.Beta==2.0.1\nodd==1.0\nzeta==1.0\n"


def test_packages_on_pythonpath_count_and_go_first(venv, tmp_path, monkeypatch):
    make_package(tmp_path / "extra", "zeta", "9.9")
    make_package(tmp_path / "extra", "more", "0.1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "extra"))
    cache = tmp_path / "cache"
    expected = b"Alpha.Beta==2.0.1\nmore==0.1\nzeta==9.9\n"
    assert capture_environment(cache, venv)["requirements.txt"] == expected
    # A source folder changes all the time; only packages in it matter.
    (tmp_path / "extra" / "result.txt").write_text("x")
    started = processes(monkeypatch)
    assert capture_environment(cache, venv)["requirements.txt"] == expected
    assert started == []
    make_package(tmp_path / "extra", "another", "0.2")
    assert b"another==0.2\n" in capture_environment(cache, venv)["requirements.txt"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"mark": 1}', b"\xff", b"null"])
def test_a_damaged_cache_is_found_out_anew(venv, tmp_path, damage):
    cache = tmp_path / "cache"
    first = capture_environment(cache, venv)
    for path in cache.iterdir():
        path.write_bytes(damage)
    assert capture_environment(cache, venv) == first


def test_a_cache_that_cannot_be_written_only_costs_time(venv, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert capture_environment(tmp_path / "file" / "cache", venv)["requirements.txt"]


def test_the_cache_does_not_grow_for_ever(tmp_path, venv, monkeypatch):
    cache = tmp_path / "cache"
    capture_environment(cache, venv)
    for number in range(100):
        (cache / f"python-{number:04}.json").write_text("{}")
        os.utime(cache / f"python-{number:04}.json", (LONG_AGO, LONG_AGO))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    capture_environment(cache, venv)
    assert len(list(cache.iterdir())) == 64


def test_an_interpreter_that_fails_is_warned_about(tmp_path):
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.warns(RuntimeWarning, match=r"not recorded: it ended with status 3"):
        files = capture_environment(tmp_path / "cache", broken)
    assert list(files) == ["system.yaml"]
    with pytest.warns(RuntimeWarning, match="No such file"):
        capture_environment(tmp_path / "cache", tmp_path / "missing")


def test_an_interpreter_that_chatters_is_understood(venv, tmp_path):
    wrapper = tmp_path / "python3"
    wrapper.write_text(f'#!/bin/sh\necho "activating ..."\nexec {venv} "$@"\n')
    wrapper.chmod(0o755)
    assert b"zeta==1.0\n" in capture_environment(tmp_path / "cache", wrapper)["requirements.txt"]


def test_a_shim_is_asked_every_time(venv, site, tmp_path):
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nexec {venv} "$@"\n')
    shim.chmod(0o755)
    cache = tmp_path / "cache"
    capture_environment(cache, shim)
    shim.write_text("#!/bin/sh\nexit 1\n")
    with pytest.warns(RuntimeWarning):
        capture_environment(cache, shim)


# Which Python a command runs


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "python3": "x",
        "python3.12": "x",
        "pypy3": "x",
        "Rscript": "x",
        "nohup": "x",
        "torchrun": f"#!{folder}/python3.12\nimport torch\n",
        "script.py": "#!/usr/bin/env python3\n",
        "dashed.py": "#!/usr/bin/env -S python3 -u\n",
        "long": f"#!/bin/sh\n'''exec' {folder}/python3.12 \"$0\" \"$@\"\n' '''\n",
        "shell.sh": "#!/bin/sh\npython3 train.py\n",
        "pythonic": "x",
        "python-config": "x",
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "python9").write_text("not executable")
    return folder


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["python3", "train.py"], "python3"),
        (["python3.12", "-m", "x"], "python3.12"),
        (["pypy3", "x.py"], "pypy3"),
        (["./bin/python3", "x.py"], "python3"),
        (["torchrun", "--nproc", "2", "train.py"], "python3.12"),
        (["script.py"], "python3"),
        (["bin/dashed.py"], "python3"),
        (["long"], "python3.12"),
        (["nohup", "python3", "train.py"], "python3"),
        (["Rscript", "fit.R"], None),
        (["Rscript", "python3"], None),
        (["shell.sh"], None),
        (["pythonic"], None),
        (["python-config"], None),
        (["python9"], None),
        (["missing"], None),
        (["nohup", "Rscript"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_python_of_a_command_is_found(bin_folder, argv, expected):
    found = find_python(argv, {"PATH": f"/nowhere:{bin_folder}"}, bin_folder.parent)
    assert found == (bin_folder / expected if expected else None)


@pytest.fixture
def managed(tmp_path: Path) -> Path:
    """A project with an environment in its folder, and conda's with two of them."""
    for python in (".venv/bin/python", ".pixi/envs/default/bin/python", "conda/envs/torch/bin/python",
                   "conda/bin/python", "elsewhere/bin/python", "own/python3"):  # fmt: skip
        (tmp_path / python).parent.mkdir(parents=True)
        (tmp_path / python).write_text("x")
        (tmp_path / python).chmod(0o755)
    for lock in ("uv.lock", "pixi.lock"):
        (tmp_path / lock).write_text("")
        os.utime(tmp_path / lock, (1, 1))
    for environment in (".venv", ".pixi/envs/default"):
        (tmp_path / environment / "lib/python3.12/site-packages").mkdir(parents=True)
    for name in ("pyproject.toml", "Pipfile", "train.py"):
        (tmp_path / name).write_text("")
    (tmp_path / ".pdm-python").write_text(f"{tmp_path}/elsewhere/bin/python\n")
    (tmp_path / "lonely.py").write_text("# /// script\n# dependencies = ['torch']\n# ///\n")
    # conda, poetry and pdm are Python programs themselves: theirs is not the program's.
    for name in ("conda", "poetry", "pdm", "hatch"):
        (tmp_path / "own" / name).write_text(f"#!{tmp_path}/own/python3\n")
        (tmp_path / "own" / name).chmod(0o755)
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("uv run python train.py", ".venv"),
        ("uv run train.py", ".venv"),
        ("uv run --frozen -q -- pytest", ".venv"),
        ("nohup uv run python train.py", ".venv"),
        ("uv run --with torch python train.py", None),
        ("uv run --python 3.10 train.py", None),
        ("uv run lonely.py", None),
        ("uv pip list", None),
        ("poetry run python train.py", ".venv"),
        ("pipenv run python train.py", ".venv"),
        ("rye run train", ".venv"),
        ("pixi run train", ".pixi/envs/default"),
        ("pixi run -e gpu train", None),
        ("pdm run train.py", "elsewhere"),
        ("hatch run train", None),
        ("conda run -n torch python train.py", "conda/envs/torch"),
        ("conda run --no-capture-output --name=torch python train.py", "conda/envs/torch"),
        ("conda run -n base python train.py", "conda"),
        ("conda run -n nowhere python train.py", None),
        ("conda run -n ../../elsewhere python train.py", None),
        ("conda run -p elsewhere python train.py", "elsewhere"),
        ("conda run --cwd /x python train.py", None),
    ],
)
def test_the_environment_of_a_manager_is_found(managed, monkeypatch, line, expected):
    monkeypatch.chdir(managed)
    environ = {"PATH": f"{managed}/own:/usr/bin:/bin", "CONDA_EXE": f"{managed}/conda/bin/conda"}
    found = find_python(line.split(), environ, managed)
    assert found == (managed / expected / "bin/python" if expected else None)


def test_an_environment_that_is_behind_its_lock_is_not_taken_for_the_one_that_will_be(managed):
    (managed / "uv.lock").touch()
    os.utime(managed / ".venv/lib/python3.12/site-packages", (1, 1))
    assert find_python(["uv", "run", "train.py"], {"PATH": ""}, managed / "sub") is None
    python = managed / ".venv/bin/python"
    assert (
        find_python(["uv", "run", "--no-sync", "train.py"], {"PATH": ""}, managed / "sub") is None
    )  # no script
    assert find_python(["uv", "run", "--no-sync", "pytest"], {"PATH": ""}, managed / "sub") == python
    assert find_python(["uv", "run", "pytest"], {"PATH": "", "UV_NO_SYNC": "1"}, managed) == python


def test_a_link_is_not_resolved_since_it_is_what_makes_a_virtual_environment(venv):
    assert find_python([str(venv), "x.py"]) == venv


def test_a_command_without_python_records_the_machine_only(tmp_path):
    variables = {"PATH": os.environ["PATH"], "VIRTUAL_ENV": str(tmp_path / "gone")}
    assert list(capture_command_environment(tmp_path, ["sh", "-c", "true"], variables)) == ["system.yaml"]


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
@pytest.mark.parametrize("command", [["./train.sh"], ["make", "train"], ["sh", "-c", "python train.py"]])
def test_a_script_in_an_active_environment_records_that_one(tmp_path, venv, variable, command):
    variables = {"PATH": os.environ["PATH"], variable: str(venv.parent.parent)}
    files = capture_command_environment(tmp_path / "cache", command, variables)
    assert files["requirements.txt"] == b"Alpha.Beta==2.0.1\nzeta==1.0\n"


def test_a_command_of_the_running_python_starts_no_process(tmp_path, monkeypatch):
    started = processes(monkeypatch)
    files = capture_command_environment(tmp_path / "cache", [sys.executable, "x.py"])
    assert files == capture_environment(tmp_path / "cache")
    assert started == []


def test_a_command_of_another_python_records_that_one(tmp_path, venv):
    files = capture_command_environment(tmp_path / "cache", [str(venv), "x.py"])
    assert files["requirements.txt"] == b"Alpha.Beta==2.0.1\nzeta==1.0\n"


# The machine and variables


def test_the_machine_is_described(tmp_path):
    facts = yaml.safe_load(capture_system(tmp_path))
    assert facts["system"] == os.uname().sysname
    assert facts["machine"] == os.uname().machine
    assert facts["cores"] == os.cpu_count()
    assert facts["memory_bytes"] > 1 << 28
    assert list(facts) == [
        key
        for key in (
            *("platform", "system", "machine", "cpu", "cores", "memory_bytes"),
            *("gpus", "gpu_driver", "cuda"),
        )
        if key in facts
    ]
    assert capture_system(tmp_path) == capture_system(tmp_path / "elsewhere")


def test_variables_are_picked_by_name_and_redacted():
    environ = {"LR": "0.1", "HOME": "/home/ada", "API_KEY": "abc", "URL": "https://u:p4ss@h/x"}
    assert environ_subset(["URL", "LR", "MISSING", "API_KEY"], environ) == {
        "URL": "https://u:[redacted: url password]@h/x",
        "LR": "0.1",
        "API_KEY": "[redacted: api key]",
    }


def test_a_cache_hit_imports_nothing_heavy(tmp_path):
    code = f"""
        import sys
        from pathlib import Path
        from gitml.tracking.capture import capture_environment
        loaded = set(sys.modules)
        capture_environment(Path({str(tmp_path)!r}))
        heavy = {{"importlib.metadata", "platform", "pynvml", "psutil", "yaml", "dulwich", "git"}}
        print(sorted(heavy & (set(sys.modules) - loaded)))
    """
    outputs = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path.cwd(),
        ).stdout
        for _ in range(2)
    ]
    assert outputs[1] == "[]\n"
