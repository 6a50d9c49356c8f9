"""The same projects by `mlflow run` and by `gitml run`: the same is run, and the same is recorded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from gitml.formats.scalars import parse_scalar

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROJECTS = HERE / "projects"


class Both:
    """A Python that has MLflow and gitml, so that a project finds the same libraries under both."""

    def __init__(self, folder: Path, peer: str) -> None:
        self.python = str(folder / "venv" / "bin" / "python")
        subprocess.run([peer, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        theirs, own = (
            subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip()
            for python in (peer, self.python)
        )
        paths = [theirs, str(ROOT), sysconfig.get_path("purelib")]
        assert Path(own).parent.name == Path(paths[-1]).parent.name, (
            "MLflow's Python and ours are of one version"
        )
        (Path(own) / "both.pth").write_text("".join(f"{path}\n" for path in paths))
        folders = [
            Path(self.python).parent,
            Path(peer).parent,
            sysconfig.get_path("scripts"),
            os.environ["PATH"],
        ]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, folders)),
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "COLOUR": "blue",
        }

    def run(self, *words: object, cwd: Path, code: int = 0, stdin: str = "", **variables: str) -> str:
        """Run a command of this Python and give what it printed."""
        done = subprocess.run(
            [self.python, *map(str, words)], cwd=cwd, env={**self.environment, **variables}, input=stdin,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, f"{words} gave {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def mlflow_run(self, project: Path, *words: str, code: int = 0) -> None:
        store = f"file://{project.parent}/mlruns"
        command = ["-m", "mlflow", "run", ".", "--env-manager", "local", *words]
        self.run(*command, cwd=project, code=code, MLFLOW_TRACKING_URI=store)

    def gitml_run(self, project: Path, *words: str, code: int = 0, **variables: str) -> None:
        command = ["-m", "gitml", "run", ".", "--env-manager", "local", *words]
        self.run(*command, cwd=project, code=code, **variables)

    def recorded(self, tool: str, project: Path) -> list[dict]:
        """What the tool recorded: runs in the order of their start, named by that order."""
        store = f"file://{project.parent}/mlruns" if tool == "mlflow" else str(project)
        runs = answer(self.run(HERE / "recorded_runs.py", tool, store, cwd=project))
        names = {run.pop("id"): number for number, run in enumerate(runs)}
        for run in runs:
            run["parent"] = names.get(run["parent"])
            for key, text in run["params"].items():
                run["params"][key] = parse_scalar(_without_ids(text, names))
        return runs


def answer(out: str) -> list:
    (line,) = [line for line in out.splitlines() if line.startswith("ANSWER ")]
    found: list = json.loads(line.removeprefix("ANSWER "))
    return found


def _without_ids(text: str, names: dict[str, int]) -> str:
    """A param's text; of an artifact's URI, what both tools have in it: the run and the path."""
    for run_id, number in names.items():
        if run_id in text:
            path = text.partition(run_id)[2].removeprefix("/artifacts")
            return f"run {number}: {path}"
    return text


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    peer = os.environ.get("PEER_MLFLOW_PYTHON", "")
    if not peer and "CI" not in os.environ:
        pytest.skip("PEER_MLFLOW_PYTHON names no interpreter with mlflow")
    assert peer, "PEER_MLFLOW_PYTHON names no interpreter with mlflow"
    return Both(tmp_path_factory.mktemp("both"), peer)


@pytest.fixture
def lay_out(tmp_path: Path, git):
    """Copy a project, as a repository with one commit."""

    def copy(name: str) -> Path:
        project = Path(shutil.copytree(PROJECTS / name, tmp_path / name))
        git(project, "init", "--quiet", "--initial-branch=main")
        git(project, "config", "user.name", "Ada")
        git(project, "config", "user.email", "ada@example.org")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "start")
        return project

    return copy


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("regression", ["-P", "alpha=0.3", "-P", "l1_ratio=1e-1"]),
        ("regression", ["-e", "validate", "--param-list", "alpha=0.02"]),
        ("boosting", ["-P", "max_iter=7", "-P", "seed=4", "-P", "loss_name=log-loss"]),
        ("multistep", ["-P", "rows=30"]),
        ("pep723", ["--entry-point", "forecast.py", "-P", "months=3"]),
        ("search", ["-P", "trials=4", "--run-name", "a search", "--experiment-name", "neighbours"]),
    ],
)
def test_the_same_is_recorded(both: Both, lay_out, name: str, words: list[str]):
    project = lay_out(name)
    both.mlflow_run(project, *words)
    both.gitml_run(project, *words)
    theirs, ours = both.recorded("mlflow", project), both.recorded("gitml", project)
    assert len(theirs) == {"multistep": 3, "search": 5}.get(name, 1)
    assert {run["status"] for run in theirs} == {"FINISHED"}
    assert ours == theirs


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_an_r_script_leaves_the_same_file(both: Both, lay_out):
    project = lay_out("r-script")
    both.mlflow_run(project, "-P", "degree=3")
    both.gitml_run(project, "-P", "degree=3")
    (theirs,), (ours,) = both.recorded("mlflow", project), both.recorded("gitml", project)
    ((_, r_squared),) = ours.pop("metrics").pop("r_squared")  # MLflow has no command for metrics
    assert theirs.pop("metrics") == {}
    assert float(r_squared) > 0.6
    assert ours == theirs


ODD = {
    "spaces": "two  words ",
    "quotes": """it's "quoted" `so` """,
    "shell": "$HOME $(id) ; rm -rf nothing && true | cat > made #",
    "lines": "first\nsecond\ttab",
    "braces": "{number} {{x}} {0} %s %(a)s",
    "letters": "naïve – 学习",
    "backslashes": r"C:\new\table\\",
    "glob": "* ? [a-z] ~ !x",
    "equals": "a=b=c",
    "option": "--number=3",
    "empty": "",
}
CALLS: dict[str, tuple[str, dict[str, str]]] = {
    **{name: ("main", {"text": text}) for name, text in ODD.items()},
    "nothing given": ("main", {}),
    "undeclared": ("main", {"z": "last", "text": "a", "extra-key": "b c", "empty": "", "under_score": "$X"}),
    "defaults": ("defaults", {}),
    "defaults as written": ("written", {}),
    "several commands": ("shell", {"text": "a 'b' $(c)"}),
    "a relative path": ("reading", {"table": "scripts/show.sh"}),
    "a folder": ("reading", {"table": "."}),
    "a path above": ("reading", {"table": "scripts/../MLproject", "where": "https://example.org/x?y=1&z"}),
    "a file uri": ("reading", {"table": "file:///etc/hostname"}),
    "no such path": ("reading", {"table": "nowhere.csv"}),
    "no uri": ("reading", {"table": ".", "where": "plain"}),
    "unused": ("unused", {}),
    "unused and given": ("unused", {"text": "never", "more": "1"}),
    "a python file": ("show.py", {"a": "1 2", "b": "*"}),
    "a shell file": ("scripts/show.sh", {"a": "1 2"}),
    "missing": ("required", {"text": "a"}),
    "unknown": ("mian", {}),
    "no such file": ("nowhere.py", {}),
    "failing": ("failing", {}),
}


@pytest.fixture(scope="module")
def command_lines(both: Both, tmp_path_factory: pytest.TempPathFactory):
    """For each call: what MLflow raised and what the program saw, then gitml's exit code and what it saw."""
    project = Path(shutil.copytree(PROJECTS / "quoting", tmp_path_factory.mktemp("quoting") / "project"))
    subprocess.run(["git", "init", "--quiet", project], check=True)
    seen = {
        (tool, call): project.parent / f"{tool}-{call}.json" for tool in ("mlflow", "gitml") for call in CALLS
    }
    calls = [[str(seen["mlflow", call]), *CALLS[call]] for call in CALLS]
    store = f"file://{project.parent}/mlruns"
    raised = answer(
        both.run(
            HERE / "mlflow_calls.py", project, cwd=project, stdin=json.dumps(calls), MLFLOW_TRACKING_URI=store
        )
    )
    results = {}
    for (call, (entry, parameters)), error in zip(CALLS.items(), raised, strict=True):
        words = [word for key, value in parameters.items() for word in ("-P", f"{key}={value}")]
        done = subprocess.run(
            [both.python, "-m", "gitml", "run", ".", "--env-manager", "local", "-e", entry, *words],
            cwd=project, env={**both.environment, "SEEN": str(seen["gitml", call])},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        results[call] = (
            error, _lines(seen["mlflow", call]), done.returncode, _lines(seen["gitml", call]), done.stderr,
        )  # fmt: skip
    assert not (project / "made").exists()
    return results


def _lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("call", sorted(CALLS.keys() - {"defaults as written"}))
def test_the_same_command_line(command_lines, call: str):
    error, theirs, code, ours, message = command_lines[call]
    assert [line["arguments"] for line in ours] == [line["arguments"] for line in theirs], (error, message)
    assert [line["folder"] for line in ours] == [line["folder"] for line in theirs]
    assert (code == 0) == (error is None), (error, message)
    for line in [*theirs, *ours]:
        assert line["variables"]["COLOUR"] == "blue"
        assert line["variables"]["MLFLOW_RUN_ID"]
        assert line["variables"]["MLFLOW_EXPERIMENT_ID"]


def test_a_default_is_handed_over_as_it_is_written_where_mlflow_reads_it_as_yaml_of_2005(command_lines):
    _, (theirs,), _, (ours,), _ = command_lines["defaults as written"]
    assert theirs["arguments"] == ["0.1", "1e-05", "8", "1000", "True"]
    assert ours["arguments"] == ["0.10", "1.0e-5", "010", "1_000", "yes"]


def test_text_is_recorded_as_it_was_given_where_mlflow_records_it_quoted(both: Both, lay_out):
    project = lay_out("quoting")
    words = ["-P", "text=two words", "-P", "number=1e-3", "-P", "more=a'b"]
    both.mlflow_run(project, *words)
    both.gitml_run(project, *words)
    (theirs,), (ours,) = both.recorded("mlflow", project), both.recorded("gitml", project)
    assert theirs["params"] == {"text": "'two words'", "number": 0.001, "more": """'a'"'"'b'"""}
    assert ours["params"] == {"text": "two words", "number": 0.001, "more": "a'b"}
