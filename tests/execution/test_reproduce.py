"""`gitml reproduce`: runs done again, and what is said of them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitml.execution.reproduction.own_packages import find_own_packages
from gitml.repo import Repo
from gitml.tracking.edit import write_record
from gitml.tracking.history import get_run
from tests.launching.harness import Project
from tests.quick import QuickGitml
from tests.servers import containers as engines

TRAIN = """\
import argparse, os, pathlib, random, sys
import gitml

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--data")
arguments = parser.parse_args()
random.seed(arguments.seed)
jitter = float(pathlib.Path(os.environ["JITTER"]).read_text()) if "JITTER" in os.environ else 0.0
for step in range(3):
    gitml.log_metric("loss", random.random() + jitter, step=step)
gitml.log_metric("epoch_time", random.SystemRandom().random())
gitml.log_text(f"weights {arguments.seed}" * 9000, "model.txt")
if arguments.data:
    gitml.log_input(gitml.data.from_file(arguments.data), context="training")
sys.exit(int(os.environ.get("FAIL", 0)))
"""


@pytest.fixture(scope="session")
def _recorded(tmp_path_factory: pytest.TempPathFactory, quick: QuickGitml) -> Path:
    """A repository with one run of a script in a subfolder, made once."""
    folder = tmp_path_factory.mktemp("recorded") / "project"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "train.py").write_text(TRAIN)
    (folder / ".gitignore").write_text("data/\n")
    work = Work(folder, quick)
    work.git("init", "-q", "-b", "main")
    work.git("config", "user.name", "Ada")
    work.git("config", "user.email", "ada@example.org")
    work.commit("start")
    assert work.run_in("train", "--name", "first", "python", "train.py", "--seed", "3").returncode == 0
    return folder


class Work(Project):
    """A repository with runs to do again."""

    def __init__(self, folder: Path, quick: QuickGitml) -> None:
        super().__init__(folder, quick)
        self.environment["GITML_CACHE_DIR"] = str(folder.parent / "cache")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def gitml(self, *words: str, folder: str = ".", **variables: str) -> subprocess.CompletedProcess[str]:
        return self.quick.run(
            list(words), cwd=self.folder / folder, env={**self.environment, **variables}, timeout=60,
            start_new_session=True,
        )  # fmt: skip

    def run_in(self, folder: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.gitml("run", *words, folder=folder, **variables)

    def reproduce(self, run: str, *words: str, **variables: str) -> tuple[int, dict]:
        """Do a run again; the exit code and what is said of it."""
        done = self.gitml("reproduce", run, "--json", *words, **variables)
        document = json.loads(done.stdout or done.stderr.splitlines()[-1])
        return done.returncode, document.get("reproduction", document)

    def edit(self, **facts: object) -> None:
        """Write another record of the newest run."""
        from dataclasses import replace

        repo = Repo.open(self.folder)
        run = get_run(repo, self.record().id)
        write_record(repo, replace(run, **facts), "edited")
        repo.close()


@pytest.fixture
def work(tmp_path: Path, _recorded: Path, quick: QuickGitml) -> Work:
    """A repository of its own with the run `first`."""
    return Work(Path(shutil.copytree(_recorded, tmp_path / "project", symlinks=True)), quick)


def where(document: dict) -> list[str]:
    return [f"{one['kind']} {one['name']}" for one in document["differences"]]


def test_a_deterministic_run_comes_out_the_same(work):
    original = work.record()
    code, found = work.reproduce("first")
    assert (code, found["verdict"], where(found)) == (0, "identical", [])
    again = work.record()
    assert (again.parent_id, again.directory, again.command) == (original.id, "train", original.command)
    assert again.tags == {"gitml.reproduces": original.id, "gitml.reproduction": "identical"}
    assert (again.code.tree, again.code.commit) == (original.code.tree, original.code.commit)
    times = next(one for one in found["metrics"] if one["name"] == "epoch_time")
    assert times["verdict"] == "different"
    assert not times["counts"]
    work_folder = Path(work.environment["GITML_CACHE_DIR"]) / "work"
    assert list(work_folder.iterdir()) == [], "the code laid out stays behind"
    assert work.live == []


def test_another_value_is_set_and_what_it_does_is_said(work):
    code, found = work.reproduce("first", "--set", "seed=4")
    assert (code, found["verdict"], where(found)) == (1, "different", ["metric loss", "artifact model.txt"])
    assert found["set"] == ["seed"]
    assert work.record().params == {"seed": 4}
    assert work.record().tags["gitml.reproduction"] == "different"


def test_noise_is_within_the_tolerance_that_is_given(work, tmp_path):
    (tmp_path / "jitter").write_text("1e-9")
    noisy = {"JITTER": str(tmp_path / "jitter")}
    assert work.reproduce("first", **noisy)[1]["verdict"] == "within tolerance"
    words = ("--tolerance", "loss=0", "--ignore", "*.txt")
    assert work.reproduce("first", *words, **noisy)[0] == 1
    assert work.record().tags["gitml.reproduction"] == "different"


def test_code_that_no_branch_has_any_more_and_changes_that_none_ever_had(work):
    script = work.folder / "train" / "train.py"
    work.git("checkout", "-qb", "topic")
    script.write_text(TRAIN.replace("random.random()", "random.random() * 2"))
    work.commit("twice")
    script.write_text(TRAIN.replace("random.random()", "random.random() * 3"))
    work.run_in("train", "--name", "dirty", "python", "train.py")
    losses = work.record().metrics["loss"]
    work.git("checkout", "-qf", "main")
    work.git("branch", "-qD", "topic")
    work.git("reflog", "expire", "--expire=now", "--all")
    work.git("gc", "--quiet", "--prune=now")
    assert work.git("status", "--porcelain") == b""
    code, found = work.reproduce("dirty")
    assert (code, found["verdict"]) == (0, "identical")
    assert work.record().metrics["loss"].last == losses.last
    assert work.record().code.dirty


@pytest.mark.heavy
def test_inputs_that_no_commit_has_are_lent_if_they_are_the_same(work):
    data = work.folder / "train" / "data"
    data.mkdir()
    (data / "points.csv").write_text("1,2\n")
    work.run_in("train", "--name", "with-data", "python", "train.py", "--data", "data/points.csv")
    code, found = work.reproduce("with-data")
    assert (code, found["verdict"], found["inputs"][0]["state"]) == (0, "identical", "same")

    (data / "points.csv").write_text("1,3\n")
    code, found = work.reproduce("with-data")
    digest = found["error"]["message"]
    assert code == 4
    assert digest.count("points.csv") == 2
    assert " then, " in digest
    assert len(work.commits) == 4, "a run was left behind"
    code, found = work.reproduce("with-data", "--allow-changed-inputs")
    assert (code, where(found)) == (1, ["data points.csv (training)"])

    (data / "points.csv").unlink()
    code, found = work.reproduce("with-data")
    assert code != 0
    assert "status status" in where(found)
    assert any("--link" in note for note in found["notes"])


def test_what_the_program_needs_beside_its_code_can_be_lent(work):
    (work.folder / "data").mkdir()
    (work.folder / "data" / "jitter").write_text("0.5")
    work.run_in(".", "--name", "lent", "python", "train/train.py", JITTER="data/jitter")
    code, found = work.reproduce("lent", "--link", "data", JITTER="data/jitter")
    assert (code, found["verdict"]) == (0, "identical")
    assert (work.folder / "data" / "jitter").exists()
    code, found = work.reproduce("lent", "--link", "train")
    assert code == 2
    assert "has it itself" in found["error"]["message"]


def test_a_program_that_fails_gives_its_own_code(work):
    done = work.gitml("reproduce", "first", FAIL="7")
    assert done.returncode == 7
    assert "status     finished  →  failed" in done.stdout
    assert done.stdout.endswith("different: status, exit code\n")


SEARCH = """\
import os, gitml

with gitml.start_run(run_name="search"):
    for depth in (1, 2):
        with gitml.start_run(nested=True):
            gitml.log_param("depth", depth)
            gitml.log_metric("acc", depth / 4 + (depth - 1) * float(os.environ.get("LUCK", 0)))
"""


def test_the_runs_that_a_program_makes_are_compared_in_pairs(work):
    (work.folder / "search.py").write_text(SEARCH)
    work.commit("a search")
    # What is called python is what recorded: no environment has to be made again.
    work.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{work.environment['PATH']}"
    subprocess.run(["python", "search.py"], cwd=work.folder, env=work.environment, check=True)
    assert work.reproduce("@")[1]["error"]["hint"].startswith("gitml reproduce ")
    code, found = work.reproduce("search", LUCK="0.125")
    assert (code, where(found)) == (1, ["metric acc"])
    assert [child["verdict"] for child in found["children"]] == ["identical", "different"]
    assert found["differences"][0]["run"] == found["children"][1]["original"]


def test_modules_come_from_the_code_of_the_run_and_not_from_the_work_tree(work):
    library = work.folder / "lib" / "library.py"
    library.parent.mkdir()
    library.write_text("VALUE = 1\n")
    work.commit("a library")
    words = ("python", "-c", "import library; print('value:', library.VALUE)")
    path = {"PYTHONPATH": f"{work.folder / 'lib'}:{work.environment['PYTHONPATH']}"}
    work.run_in(".", "--scalars", "auto", *words, **path)
    library.write_text("VALUE = 2\n")
    code, found = work.reproduce("@", "--scalars", "auto", **path)
    assert (code, found["verdict"]) == (0, "identical"), found


def test_a_package_that_is_the_code_itself_is_not_asked_of_an_index(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "My_Package"\n')
    (tmp_path / "train").mkdir()
    recorded = (
        b"six==1.16.0\n# my-package==0.1, editable install of file:///home/ada/project\n"
        b"# gitml==0.1.0, editable install of file:///opt/gitml\n# other==2, editable install of file:///o\n"
    )
    found = find_own_packages(recorded, root=tmp_path, folder=tmp_path / "train")
    assert (found.paths, found.names) == ((tmp_path / "src",), ("my-package",))
    assert found.requirements.decode().splitlines() == [
        "six==1.16.0", "gitml==0.1.0", "# other==2, editable install of file:///o",
    ]  # fmt: skip


@pytest.mark.heavy
def test_variables_that_were_recorded_are_set_again(work, tmp_path):
    (tmp_path / "jitter").write_text("0.25")
    work.run_in(
        "train", "--env", "JITTER", "--name", "jitter", "python", "train.py", JITTER=str(tmp_path / "jitter")
    )
    assert work.reproduce("jitter")[1]["verdict"] == "identical"
    assert work.reproduce("jitter", "--environment", "current")[1]["verdict"] == "different"


@pytest.mark.parametrize(
    ("words", "facts", "code", "message", "hint"),
    [
        (["--set", "sed=4"], {}, 2, "no parameter of that name", "seed"),
        (["--set", "seed"], {}, 2, "not KEY=VALUE", "--set seed=2"),
        (["--environment", "old"], {}, 2, "neither recorded nor current", "current"),
        (["--link", "nothing"], {}, 3, "no file or folder", "work tree"),
        ([], {"command": ()}, 4, "no command was recorded", "gitml checkout"),
        ([], {"command": ("python", "t.py", "--password", "[redacted: password]")}, 2, "in place of a secret", "--set password=…"),
        ([], {"directory": "../elsewhere"}, 6, "no folder of its source", None),
        ([], {"user": "Eve <eve@example.org>"}, 4, "somebody else chose", "--trust"),
    ],
)  # fmt: skip
def test_what_can_not_be_done_again_leaves_no_run(work, words, facts, code, message, hint):
    if facts:
        work.edit(**facts)
    before = len(work.commits)
    found, document = work.reproduce("first", *words)
    assert (found, message in document["error"]["message"]) == (code, True), document
    assert hint is None or hint in document["error"]["hint"]
    assert (len(work.commits), work.live) == (before, [])


def test_code_of_others_runs_when_it_is_trusted_and_is_asked_for_once(work):
    work.edit(user="Eve <eve@example.org>")
    refused = work.gitml("reproduce", "first")
    assert "python train.py --seed 3" in refused.stderr
    assert work.reproduce("first", "--trust")[0] == 0
    assert work.reproduce("first")[0] == 0
    other = ("python", "train.py", "--seed", "4")  # of the same code, something else
    work.edit(user="Eve <eve@example.org>", command=other)
    assert work.reproduce("@")[0] == 4


def test_packages_that_are_not_recorded_are_a_reason_to_refuse(work):
    tree = work.git("ls-tree", "gitml/runs").decode().splitlines()
    kept = "\n".join(line for line in tree if not line.endswith("\tenvironment")) + "\n"
    made = subprocess.run(
        ["git", "mktree"], cwd=work.folder, input=kept.encode(), check=True, capture_output=True
    )
    message = work.git("log", "-1", "--format=%B", "gitml/runs").decode()
    commit = work.git("commit-tree", made.stdout.decode().strip(), "-p", "gitml/runs", "-m", message)
    work.git("update-ref", "refs/heads/gitml/runs", commit.decode().strip())
    code, document = work.reproduce("first")
    assert (code, "--environment current" in document["error"]["hint"]) == (4, True), document
    code, found = work.reproduce("first", "--environment", "current")
    assert (code, found["verdict"]) == (0, "identical")
    assert found["packages"], "which packages there are now is not said"


def test_source_that_was_not_recorded_or_is_not_here(work):
    work.run_in("train", "--no-code", "--name", "no-code", "python", "train.py")
    code, document = work.reproduce("no-code")
    assert (code, "source was not recorded" in document["error"]["message"]) == (4, True)
    work.run_in("train", "--code", "commit", "--name", "only-commit", "python", "train.py")
    assert work.reproduce("only-commit")[1]["verdict"] == "identical"
    (work.folder / "train" / "more.py").write_text("")
    work.run_in("train", "--code", "commit", "--name", "changed", "python", "train.py")
    code, document = work.reproduce("changed")
    assert (code, "changes that were not recorded" in document["error"]["message"]) == (4, True)


PROJECT = """\
name: wine
entry_points:
  main:
    parameters:
      seed: {type: int, default: 3}
      data: path
      jitter: {type: path, default: train/train.py}
    command: "JITTER={jitter} python train/train.py --seed {seed} --data {data}"
"""


def test_an_entry_point_of_a_project_with_its_parameters(work):
    (work.folder / "MLproject").write_text(PROJECT)
    (work.folder / "points.csv").write_text("1,2\n")
    work.commit("a project")
    (work.folder / "data").mkdir()
    (work.folder / "data" / "jitter").write_text("0.5")
    words = ("-P", "data=points.csv", "-P", "jitter=data/jitter")
    assert work.run_in(".", ".", "--name", "wine", *words).returncode == 0
    (work.folder / "points.csv").write_text("other, where the code has its own\n")
    code, found = work.reproduce("wine")
    assert (code, found["verdict"]) == (0, "identical"), found
    again, before = work.record().project, work.record("gitml/runs~2").project
    assert (before.manager, again.manager) == ("local", "uv"), "in the environment that its Python recorded"
    assert replace(again, manager="local") == before
    assert any("data/jitter' is no part of the code" in note for note in found["notes"])
    code, found = work.reproduce("wine", "--set", "seed=5")
    assert (code, where(found)) == (1, ["metric loss", "artifact model.txt"])
    code, document = work.reproduce("wine", "--set", "seeds=5")
    assert (code, "seed" in document["error"]["hint"]) == (2, True)


def test_a_project_from_a_url_whose_place_is_gone(work, tmp_path):
    (work.folder / "MLproject").write_text(
        "entry_points:\n  fit:\n    parameters: {seed: int}\n"
        '    command: "python train/train.py --seed {seed}"\n'
    )
    work.commit("a project")
    elsewhere = Work(tmp_path / "elsewhere", work.quick)
    elsewhere.folder.mkdir()
    elsewhere.git("init", "-q")
    elsewhere.git("config", "user.name", "Ada")
    elsewhere.git("config", "user.email", "ada@example.org")
    done = elsewhere.run_in(".", work.folder.as_uri(), "-v", "main", "-e", "fit", "-P", "seed=3", "--trust")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(work.folder)
    shutil.rmtree(elsewhere.environment["GITML_CACHE_DIR"])
    original = elsewhere.record()
    refused = elsewhere.gitml("reproduce", "@")
    assert refused.returncode == 4
    for shown in (str(original.code.commit), "fit", "python train/train.py --seed 3", "--trust"):
        assert shown in refused.stderr
    code, found = elsewhere.reproduce("@", "--trust")
    assert (code, found["verdict"]) == (0, "identical"), found
    assert elsewhere.record().project == original.project
    assert elsewhere.record().code.tree == original.code.tree


@pytest.mark.heavy
def test_packages_are_those_that_were_recorded(work, tmp_path):
    """Needs `uv` and a package index."""
    script = work.folder / "train" / "version.py"
    script.write_text("import six\nprint('six:', six.__version__)\n")
    work.commit("versions")
    venv = work.folder / "data" / "venv"
    subprocess.run(["uv", "venv", "-q", venv], check=True)
    subprocess.run(["uv", "pip", "install", "-q", "-p", venv / "bin" / "python", "six==1.16.0"], check=True)
    command = ("data/venv/bin/python", "train/version.py")
    assert work.run_in(".", "--name", "six", "--scalars", r"six: (?P<six>\d+\.\d+)", *command).returncode == 0
    shutil.rmtree(venv)
    code, found = work.reproduce("six", "--scalars", r"six: (?P<six>\d+\.\d+)")
    assert (code, found["verdict"], found["packages"]) == (0, "identical", []), found
    assert found["environment"] in ("uv", "virtualenv")


@pytest.mark.heavy
def test_the_very_image_that_a_project_ran_in(work):
    """Needs Podman."""
    with engines.with_engine("podman") as engine:
        command = f"{shlex.quote(sys.executable)} train/train.py --seed {{seed}}"
        docker = {"image": engine.image, "volumes": engines.volumes()}
        entry = {"parameters": {"seed": {"type": "int", "default": 3}}, "command": command}
        (work.folder / "MLproject").write_text(
            json.dumps({"docker_env": docker, "entry_points": {"main": entry}})
        )
        (work.folder / "jitter").write_text("0.5")
        work.commit("a project in a container")
        work.environment |= {**engine.environ, "GITML_CONTAINER_ENGINE": engine.name, "PYTHONPATH": ""}
        options = ("-A", "network=host", "-A", f"env=PYTHONPATH={engines.ROOT}", "-A", "env=JITTER=jitter")
        assert work.run_in(".", ".", "--name", "boxed", *options).returncode == 0
        image = work.read("environment/container-image.txt")
        engine.make_image(engine.image, "another one of that name")
        code, found = work.reproduce("boxed", *options)
        assert (code, found["verdict"], found["environment"]) == (0, "identical", "podman"), found
        assert work.read("environment/container-image.txt") == image
        assert work.reproduce("boxed", "--environment", "current", *options)[0] == 0
        assert work.read("environment/container-image.txt") != image


def test_what_the_original_was_asked_to_record_is_asked_for_again(work):
    script = "import sys; print('acc: 0.5'); open('out.txt', 'w').write('weights' * int(sys.argv[1]))"
    out = str(work.folder / "train" / "out.txt")
    words = (
        "--scalars",
        "auto",
        "-a",
        out,
        "-P",
        "team=vision",
        "--no-auto-params",
        "python",
        "-c",
        script,
        "3",
    )
    assert work.run_in("train", "--name", "kept", *words).returncode == 0
    code, found = work.reproduce("kept")
    assert (code, found["verdict"]) == (0, "identical"), found
    again = work.record()
    assert (dict(again.params), list(again.metrics)) == ({"team": "vision"}, ["acc"])
    assert [row["key"] for row in found["artifacts"]] == ["out.txt"]
