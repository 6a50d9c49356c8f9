"""Projects as their users have them, from a folder and from a git URL, and what becomes of wrong requests."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.entities.run import Run, RunStatus
from tests.launching.harness import Project
from tests.quick import QuickGitml
from tests.servers.git_http import git_http_server

PROJECTS = Path(__file__).with_name("projects")
LOCAL = ("--env-manager", "local")
Git = Callable[..., str]


@pytest.fixture
def lay_out(tmp_path: Path, git: Git, quick: QuickGitml) -> Callable[..., Project]:
    """Copy a project, or make one of texts, as a repository with one commit."""

    def make(name: str, files: dict[str, str] | None = None, into: str | None = None) -> Project:
        folder = tmp_path / (into or name)
        if files is None:
            shutil.copytree(PROJECTS / name, folder)
        for path, text in (files or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        commit_all(git, folder, "start")
        project = Project(folder, quick)
        project.environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GITML_CACHE_DIR": str(tmp_path / "cache"),
        }
        return project

    return make


@pytest.fixture
def elsewhere(lay_out) -> Project:
    """A repository with nothing of the projects in it: runs of projects from URLs are recorded here."""
    return lay_out("elsewhere", {"README.md": "ours\n"})


def commit_all(git: Git, folder: Path, message: str) -> str:
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
        git(folder, "config", "user.name", "Ada")
        git(folder, "config", "user.email", "ada@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()


def run(project: Project, *words: str, code: int = 0) -> str:
    """Run a project and give what was printed beside the program's own output."""
    done = project.run(*words)
    assert done.returncode == code, f"{words} gave {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr or code == 1
    return done.stderr


def runs_of(project: Project) -> list[tuple[str, Run]]:
    """Commits and runs, in the order of their start."""
    found = [(commit, project.record(commit)) for commit in project.commits]
    return sorted(found, key=lambda pair: pair[1].start_ms)


def gitml(project: Project, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = project.quick.run(words, cwd=project.folder, env=project.environment, start_new_session=True)
    assert done.returncode == code, f"{words} gave {done.returncode}: {done.stdout}{done.stderr}"
    return done


def again(project: Project, run: Run, *words: str, code: int = 0) -> str:
    """Do a run again; the verdict."""
    return gitml(project, "reproduce", run.id, *words, code=code).stdout.splitlines()[-1]


def last_of(run: Run) -> dict[str, float]:
    return {key: summary.last for key, summary in run.metrics.items()}


def artifacts(project: Project, commit: str) -> set[str]:
    return {
        path.removeprefix("artifacts/") for path in project.files(commit) if path.startswith("artifacts/")
    }


# ---------------------------------------------------------------- from a folder


def test_steps_that_are_runs_of_their_own(lay_out):
    project = lay_out("multistep")
    project.git("remote", "add", "origin", "https://git.invalid/houses.git")  # ours: no step is asked about
    run(project, ".", "-v", "main", "-P", "rows=40", "-P", "ridge=0.5", *LOCAL)
    (_, main), (made, prepare), (trained, train) = runs_of(project)
    assert [one.entry_point for one in (main, prepare, train)] == ["main", "prepare", "train"]
    assert [one.parent_id for one in (main, prepare, train)] == [None, main.id, main.id]
    assert {(one.project.uri, one.code.remote) for one in (main, prepare, train) if one.project} == {
        (None, "https://git.invalid/houses.git")
    }
    assert main.params == {"rows": 40, "ridge": 0.5}
    assert prepare.params == {"rows": 40, "noise": 0.2}
    assert train.params == {"data": f"runs:/{prepare.id}/table", "ridge": 0.5}
    assert {one.code.tree for one in (main, prepare, train)} == {
        project.git("rev-parse", "HEAD^{tree}").decode().strip()
    }
    assert last_of(main) == {"mse": last_of(train)["mse"]}
    assert artifacts(project, made) == {"table/houses.csv"}
    assert artifacts(project, trained) == {"line.json"}
    # The second step gets what the first one made, which has another id by now.
    assert again(project, main) == "identical"
    _, train_again = [one for _, one in runs_of(project) if one.entry_point == "train"]
    assert train_again.params != train.params


def test_a_search_with_nested_runs(lay_out):
    project = lay_out("search")
    names = ("--experiment-name", "neighbours", "--run-name", "a search")
    run(project, ".", "-v", "main", *names, "-P", "trials=3", *LOCAL)
    (commit, search), *trials = runs_of(project)
    assert (search.name, search.experiment, search.parent_id) == ("a search", "neighbours", None)
    assert search.params == {"trials": 3, "seed": 3, "metric": "rmse"}
    assert [(trial.name, trial.parent_id, trial.experiment) for _, trial in trials] == [
        (f"trial-{number}", search.id, "neighbours") for number in range(3)
    ]
    best = min((trial for _, trial in trials), key=lambda trial: trial.metrics["rmse"].last)
    assert search.tags["best trial"] == best.name
    assert last_of(search) == {"best_rmse": best.metrics["rmse"].last}
    assert json.loads(project.read("artifacts/best.json", commit)) == best.params


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_an_r_script(lay_out):
    project = lay_out("r-script")
    run(project, ".", "-e", "fit.R", "-P", "degree=3", *LOCAL)
    ((commit, record),) = runs_of(project)
    assert (record.entry_point, record.params) == ("fit.R", {"degree": 3})
    assert 0.6 < last_of(record)["r_squared"] < 1
    fitted = list(csv.DictReader(io.StringIO(project.read("artifacts/fitted.csv", commit).decode())))
    assert len(fitted) == 50


def test_a_script_that_says_itself_what_it_needs(lay_out):
    project = lay_out("pep723")
    run(project, ".", "-e", "forecast.py", "-P", "months=3", *LOCAL)
    ((commit, record),) = runs_of(project)
    assert record.project is not None
    assert (record.entry_point, record.project.definition.value) == ("forecast.py", "none")
    assert record.metrics["demand"].count == 3
    assert artifacts(project, commit) == {"forecast.json"}


# ---------------------------------------------------------------- from a git URL


class Monorepo:
    """A repository with a submodule, served from somewhere: `models/churn` at two commits."""

    def __init__(self, lay_out, git: Git, served: Path, base: str) -> None:
        features, work = lay_out("monorepo-features").folder, lay_out("monorepo").folder
        self.url = f"{base}/all.git"
        git(served, "clone", "--quiet", "--bare", str(features), "features.git")
        git(served, "clone", "--quiet", "--bare", str(work), "all.git")
        git(work, "remote", "add", "origin", self.url)
        allow = ("-c", "protocol.file.allow=always")
        git(work, *allow, "submodule", "--quiet", "add", "../features.git", "shared/features")
        self.first = commit_all(git, work, "features")
        git(work, "tag", "--annotate", "--message", "first", "v1")
        git(work, "branch", "team/stable")
        customers = work / "models" / "churn" / "customers.json"
        customers.write_text(customers.read_text().replace("false", "true"))
        self.second = commit_all(git, work, "all have left")
        git(work, "push", "--quiet", str(served / "all.git"), "--all")
        git(work, "push", "--quiet", str(served / "all.git"), "--tags")
        self.work = work


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


def test_a_project_below_the_top_of_its_repository(lay_out, git: Git, served: Path, tmp_path: Path):
    project = lay_out("team", {"README.md": "ours"})
    shutil.rmtree(project.folder)
    Monorepo(lay_out, git, served, f"file://{served}").work.rename(project.folder)
    run(project, "models/churn", *LOCAL)
    ((_, record),) = runs_of(project)
    assert (record.directory, record.code.dirty, record.params) == ("models/churn", False, {"threshold": 0.5})
    assert last_of(record) == {"accuracy": 0.2}
    assert again(project, record) == "identical"  # with the submodule's clone, which is here
    project.git("submodule", "--quiet", "deinit", "--force", "--all")
    shutil.rmtree(project.folder / ".git" / "modules")
    found = gitml(project, "reproduce", record.id, "--no-recurse-submodules", code=1)
    assert "'shared/features' is a submodule" in found.stderr
    assert "--recurse-submodules fetches it" in found.stderr
    (served / "features.git").rename(served / "away.git")
    found = gitml(project, "reproduce", record.id, code=5)
    assert "had its submodules" in found.stderr
    assert "--no-recurse-submodules" in found.stderr
    (served / "away.git").rename(served / "features.git")
    laid_out = [tmp_path / "empty", tmp_path / "filled"]
    gitml(project, "checkout", record.id, str(laid_out[0]), "--code-only")
    gitml(project, "checkout", record.id, str(laid_out[1]), "--code-only", "--recurse-submodules")
    assert [(folder / "shared/features/features.py").exists() for folder in laid_out] == [False, True]
    shutil.rmtree(project.environment["GITML_CACHE_DIR"])
    assert again(project, record) == "identical"  # a work tree had it, so it is fetched


def test_a_git_url_at_a_version(lay_out, git: Git, elsewhere: Project, served: Path):
    with git_http_server(served) as server:
        repo = Monorepo(lay_out, git, served, server.url("").rstrip("/"))
        before = git(elsewhere.folder, "for-each-ref"), git(elsewhere.folder, "status", "--porcelain")
        asked = [None, "team/stable", repo.first[:8]]
        for version in asked:
            words = () if version is None else ("-v", version)
            run(elsewhere, f"{repo.url}#models/churn", *words, "--recurse-submodules", "--trust", *LOCAL)
        requests = len(server.requests)  # a full commit that was fetched needs nobody
        run(elsewhere, f"{repo.url}#models/churn", "-v", repo.second, "--recurse-submodules", *LOCAL)
        assert len(server.requests) == requests
    *runs, fourth = [one for _, one in runs_of(elsewhere)]
    assert fourth.code.tree == runs[0].code.tree
    commits = [repo.second, repo.first, repo.first]
    for one, version, commit in zip(runs, asked, commits, strict=True):
        assert one.project is not None
        assert (one.project.uri, one.project.version, one.directory) == (repo.url, version, "models/churn")
        assert (one.code.commit, one.code.dirty) == (commit, False)
        assert one.code.tree == git(repo.work, "rev-parse", f"{commit}^{{tree}}").strip()
        git(elsewhere.folder, "cat-file", "-e", f"{one.code.tree}:models/churn/train.py")
        assert last_of(one) == {"accuracy": 0.6 if commit == repo.first else 0.2}
    assert [one.project.submodules for one in runs if one.project] == [True] * 3
    # With the submodule, although the server is gone.
    assert again(elsewhere, runs[1], "--trust") == "identical"
    git(elsewhere.folder, "update-ref", "-d", "refs/heads/gitml/runs")
    assert (git(elsewhere.folder, "for-each-ref"), git(elsewhere.folder, "status", "--porcelain")) == before


@pytest.mark.heavy
def test_a_regression_from_a_url_at_a_tag(lay_out, git: Git, elsewhere: Project):
    origin = lay_out("regression", into="origin").folder
    git(origin, "tag", "v1.0")
    (origin / "train.py").write_text("raise SystemExit('work in progress')\n")
    commit_all(git, origin, "broken")
    run(elsewhere, f"file://{origin}", "-v", "v1.0", "--trust", "-P", "alpha=0.3", *LOCAL)
    ((commit, record),) = runs_of(elsewhere)
    assert record.params == {"alpha": 0.3, "l1_ratio": 0.1, "data": "heating.csv"}
    assert last_of(record).keys() == {"rmse", "r2", "mae"}
    assert record.tags["model"] == "elastic net"
    assert artifacts(elsewhere, commit) == {
        "predictions.csv",
        "model/coefficients.json",
        "model/model.joblib",
    }
    assert record.code.commit == git(origin, "rev-parse", "v1.0").strip()


# ---------------------------------------------------------------- in its own environment


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "entry", "definition", "package"),
    [
        ("regression", "main", "conda_env", "scikit-learn=="),
        ("boosting", "main", "python_env", "scikit-learn=="),
        ("pep723", "forecast.py", "script", "pyyaml=="),
    ],
)
def test_an_environment_from_the_index(lay_out, name: str, entry: str, definition: str, package: str):
    project = lay_out(name)
    file = project.folder / "python_env.yaml"
    if file.exists():
        file.write_text(file.read_text().replace("3.11", ".".join(map(str, sys.version_info[:2]))))
    with_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    project.environment = {
        **os.environ,
        "PATH": with_python,
        "GITML_CACHE_DIR": project.environment["GITML_CACHE_DIR"],
    }
    project.environment.pop("PYTHONPATH", None)  # the environment has gitml, as its definition says
    for _ in range(2):
        done = project.quick.run(
            ["run", ".", "-e", entry], cwd=project.folder, env=project.environment, timeout=500
        )
        assert done.returncode == 0, done.stderr
    (first, record), (second, again) = runs_of(project)
    assert record.project is not None
    assert (record.project.manager, record.project.definition.value) == ("uv", definition)
    assert last_of(record) == last_of(again) != {}
    lock = project.read("environment/requirements.lock", first)
    assert package in lock.decode().lower()
    assert b"--hash=sha256:" in lock
    assert project.read("environment/requirements.lock", second) == lock


# ---------------------------------------------------------------- what bad input gets

MAIN = "entry_points:\n  main:\n    parameters: {rate: float, steps: {type: int, default: 3}}\n    command: echo {rate} {steps}\n"
WRONG = {
    "broken yaml": ('entry_points:\n  main: {command: "echo\n', (), 2, "'MLproject', line 3: "),
    "a type that is none": (
        MAIN.replace("float", "flaot"),
        (),
        2,
        "'MLproject', line 3: 'flaot' is no type",
        "did you mean 'float'?",
    ),
    "no command": (
        "name: x\nentry_points:\n  main:\n    parameters: {a: int}\n",
        (),
        2,
        "'MLproject', line 3: ",
        "command:",
    ),
    "an unknown brace": (
        MAIN.replace("{rate}", "{rat}"),
        (),
        2,
        "'MLproject', line 4: the command has '{rat}'",
        "rate",
    ),
    "two environments": (f"python_env: a\nconda_env: b\n{MAIN}", (), 2, "'MLproject', line 2: ", "line 1"),
    "no such file": (
        f"conda_env: conda.yml\n{MAIN}",
        (),
        2,
        "'MLproject', line 1: there is no file 'conda.yml'",
    ),
    "a missing parameter": (
        MAIN,
        ("-P", "steps=1"),
        2,
        "'main' needs a value of the parameter 'rate' (float)",
        "-P rate=",
    ),
    "no number": (MAIN, ("-P", "rate=fast"), 2, "'rate' must be a number", "'fast'"),
    "no whole number": (
        MAIN,
        ("-P", "rate=1", "-P", "steps=1.5"),
        2,
        "'steps' must be a whole number",
        "'1.5'",
    ),
    "no value": (MAIN, ("-P", "rate"), 2, "-P 'rate' is not KEY=VALUE"),
    "twice": (MAIN, ("-P", "rate=1", "-P", "rate=2"), 2, "'rate' is given twice"),
    "an unknown entry point": (MAIN, ("-e", "mian"), 3, "no entry point 'mian'", "did you mean -e main?"),
    "an unknown script": (MAIN, ("-e", "sub/none.py"), 3, "no entry point 'sub/none.py'"),
    "an unknown version": (MAIN, ("-v", "v9", "-P", "rate=1"), 3, "no branch, tag or commit 'v9'", "main"),
    "an unknown commit": (MAIN, ("-v", "0" * 40, "-P", "rate=1"), 3, f"'{'0' * 40}'"),
    "an option as version": (MAIN, ("--version=--upload-pack=x", "-P", "rate=1"), 2, "can't be a version"),
    "an unknown manager": (
        MAIN,
        ("--env-manager", "pyenv", "-P", "rate=1"),
        2,
        "'pyenv' is not one of",
        "uv",
    ),
    "a file as storage": (
        MAIN,
        ("--storage-dir", "MLproject", "-P", "rate=1"),
        2,
        "can't be used for downloads",
    ),
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory, git: Git, quick: QuickGitml) -> Project:
    """A repository whose MLproject file each test writes anew."""
    folder = tmp_path_factory.mktemp("wrong") / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(MAIN)
    commit_all(git, folder, "start")
    return Project(folder, quick)


@pytest.mark.parametrize("what", WRONG)
def test_one_message_and_no_run(wrong: Project, what: str):
    text, words, code, *expected = WRONG[what]
    (wrong.folder / "MLproject").write_text(text)
    message = run(wrong, ".", *words, code=code)
    assert message.startswith("error: ")
    assert message.count("error: ") == 1
    assert all(part in message for part in expected), message
    assert (wrong.commits, wrong.live) == ([], [])


def test_a_cache_that_can_t_be_written_is_named(
    wrong: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (wrong.folder / "MLproject").write_text(MAIN)
    (tmp_path / "cache").touch()
    monkeypatch.setitem(wrong.environment, "GITML_CACHE_DIR", str(tmp_path / "cache"))
    message = run(wrong, ".", "-v", "main", "-P", "rate=1", code=5)
    assert all(part in message for part in (f"'{tmp_path}/cache", "can't be written", "GITML_CACHE_DIR="))


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with hardly anything: neither conda nor an engine for containers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "bash", "sh", "env"):
        os.symlink(str(shutil.which(name)), folder / name)
    os.symlink(sys.executable, folder / "python")
    return str(folder)


CONDA = "dependencies: [python, samtools, pip: [shared]]\n"


@pytest.mark.parametrize(
    ("project_file", "other", "words", "expected"),
    [
        ("conda_env: c.yaml\n", {"c.yaml": CONDA}, (), ["needs conda", "samtools", "install conda, mamba or micromamba"]),
        ("", {"conda.yaml": CONDA}, ("--env-manager", "conda"), ["conda is not installed"]),
        ("docker_env: {image: 'python:3.12'}\n", {}, (), ["docker", "podman"]),
    ],
)  # fmt: skip
def test_what_is_not_installed_is_named(
    lay_out, bare_path: str, project_file: str, other: dict, words, expected: list
):
    project = lay_out("lacking", {"MLproject": f"{project_file}{MAIN}", **other})
    project.environment["PATH"] = bare_path
    message = run(project, ".", "-P", "rate=1", *words, code=5)
    assert message.count("error: ") == 1
    assert all(part in message.lower() for part in expected), message
    assert (project.commits, project.live) == ([], [])


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """Make a package of one line."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_an_environment_that_can_not_be_solved(lay_out, tmp_path: Path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, version, *requires in (
        ("shared", "1.0"), ("shared", "2.0"), ("leftside", "1.0", "shared<2"), ("rightside", "1.0", "shared>=2"),
    ):  # fmt: skip
        wheel(wheels, name, version, *requires)
    requirements = (
        f"--index-url {(tmp_path / 'nothing').as_uri()}\n--find-links {wheels}\nleftside\nrightside\n"
    )
    project = lay_out("clash", {"requirements.txt": requirements, "main.py": "import shared\n"})
    message = run(project, ".", "-e", "main.py", code=5)
    assert "rightside" in message
    assert "shared<2" in message  # the solver's own words
    assert (project.commits, project.live) == ([], [])
    (project.folder / "requirements.txt").write_text(requirements.replace("rightside\n", ""))
    assert "hint:" not in run(project, ".", "-e", "main.py")
    project.environment.pop("PYTHONPATH")  # a made environment has what its file names, and gitml is not that
    (project.folder / "main.py").write_text("import gitml.data\n")
    message = run(project, ".", "-e", "main.py", code=1)
    assert message.endswith(
        "hint: add gitml to 'requirements.txt': the environment that is made of it has none\n"
    )


def test_a_program_that_fails_is_a_failed_run_with_its_exit_code(lay_out):
    project = lay_out("failing", {"MLproject": "entry_points: {main: {command: exit 9}}\n"})
    run(project, ".", code=9)
    ((_, record),) = runs_of(project)
    assert (record.status, record.exit_code, record.error) == (RunStatus.FAILED, 9, "exit 9")


def test_secrets_among_the_values_reach_the_program_and_not_the_history(lay_out):
    command = 'echo >got "{login_password}" {api_key}; true'
    parameters = "{login_password: string, api_key: string}"
    text = f"entry_points: {{main: {{parameters: {parameters}, command: '{command}'}}}}\n"
    project = lay_out("secret", {"MLproject": text})
    secrets = {"login_password": "hunter2hunter2", "api_key": "a8Fh3kq9XmZp2Lw7", "token": "b7Gd2kq8YnZq3Mw6"}
    given = [word for key, value in secrets.items() for word in ("-P", f"{key}={value}")]
    message = run(project, ".", *given)
    assert (project.folder / "got").read_text() == "hunter2hunter2 a8Fh3kq9XmZp2Lw7\n"
    assert message.count("looks like a secret") == len(secrets)
    history = project.git("log", "-p", "gitml/runs").decode()
    assert [value for value in secrets.values() if value in history] == []
    ((_, record),) = runs_of(project)
    assert record.project is not None
    assert record.project.parameters["login_password"] == "[redacted: password]"
    done = project.quick.run(["reproduce", record.id], cwd=project.folder, env=project.environment)
    assert (done.returncode, "--set login_password=" in done.stderr) == (2, True)


def test_code_from_a_url_is_run_when_that_was_agreed_to(lay_out, elsewhere: Project):
    origin = lay_out("origin", {"MLproject": "entry_points: {main: {command: touch ../ran}}\n"})
    commit = origin.git("rev-parse", "HEAD").decode().strip()
    url = f"file://{origin.folder}"
    message = run(elsewhere, url, *LOCAL, code=4)
    assert all(part in message for part in (commit, "entry point  main", "touch ../ran", "--trust"))
    assert elsewhere.commits == []
    run(elsewhere, url, "--trust", *LOCAL)
    run(elsewhere, url, *LOCAL)  # once is enough
    run(elsewhere, f"{url}#sub", "--trust", *LOCAL, code=3)
    run(elsewhere, f"{url}-gone", "--trust", *LOCAL, code=5)
    assert len(elsewhere.commits) == 2
