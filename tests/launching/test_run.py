"""`gitml run` as a person or a scheduler uses it, with real repositories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from gitml.repo import Repo
from gitml.tracking.commit import rescue_orphans
from tests.launching.harness import GITML, TIMEOUT_S, Project, Screen, child_environment, wait_until


def test_a_whole_run(project: Project) -> None:
    done = project.run(
        "-e", "churn", "-n", "brisk-heron", "--tag", "team=a=b", "-m", "a note", "-P", "depth=8", "-P", "opt=adam",
        "--scalars", "auto", "--env", "CUDA_VISIBLE_DEVICES", "--env", "NOT_SET",
        sys.executable, "train.py", "--lr", "1e-3", "--amp",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "loss: 0.5\n--lr 1e-3 --amp\n")
    run = project.record()
    assert (run.name, run.experiment, run.status) == ("brisk-heron", "churn", RunStatus.FINISHED)
    assert run.command == (sys.executable, "train.py", "--lr", "1e-3", "--amp")
    assert run.entry_point == "train.py"
    assert (run.exit_code, run.error, run.incomplete) == (0, None, False)
    assert run.params == {"depth": 8, "opt": "adam", "lr": 0.001, "amp": True}
    assert run.tags["team"] == "a=b"
    assert run.note.strip() == "a note"
    assert run.metrics["loss"].last == 0.5
    assert run.code.commit == project.git("rev-parse", "HEAD").decode().strip()
    assert project.read("logs/output.log") == b"loss: 0.5\n--lr 1e-3 --amp\n"
    assert project.read("code/train.py") == (project.folder / "train.py").read_bytes()
    assert "environment/variables.yaml" not in project.files()
    last = done.stderr.rstrip("\n").split("\n")[-1]
    assert last.startswith(f"run {run.id[:7]} brisk-heron finished in ")
    assert last.endswith(f"  ·  gitml show {run.id[:7]}")


def test_quiet_prints_only_what_the_program_prints(project: Project) -> None:
    done = project.run("-q", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    run = project.record()
    assert (run.status, run.exit_code, run.error) == (RunStatus.FAILED, 3, "exit 3")


def test_what_it_says_in_the_c_locale_is_ascii(project: Project) -> None:
    project.environment["LC_ALL"] = "C"
    process = project.start("--name", "plain", "true")
    _, told = process.communicate(timeout=TIMEOUT_S)
    assert b"plain finished in" in told
    assert told.isascii()


def test_options_after_the_program_are_its_own(project: Project) -> None:
    assert project.run("echo", "-n", "--name", "x", "--", "-q").stdout == "--name x -- -q"
    assert project.run("-q", "--", "echo", "--", "x").stdout == "-- x\n"
    assert project.record().name != "x"


def test_a_failed_program_says_why(project: Project) -> None:
    done = project.run("sh", "-c", "kill -9 $$")
    assert done.returncode == 137
    run = project.record()
    assert (run.status, run.exit_code, run.error) == (
        RunStatus.KILLED,
        137,
        "SIGKILL (perhaps out of memory)",
    )
    assert "killed (SIGKILL (perhaps out of memory)) in" in done.stderr
    project.run("sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    run = project.record()
    assert (run.status, run.error) == (RunStatus.FAILED, "exit 137: SIGKILL (perhaps out of memory)")


def test_a_program_that_cannot_be_started_is_a_failed_run(project: Project) -> None:
    done = project.run("-a", "none", "--metrics", "none", "no-such-program", "--lr", "1")
    assert done.returncode == 127
    assert "warning" not in done.stderr
    assert "error: 'no-such-program' can't be run: it was not found\nhint: " in done.stderr
    run = project.record()
    assert (run.status, run.exit_code) == (RunStatus.FAILED, 127)
    (project.folder / "text").write_text("x")
    assert project.run("./text").returncode == 126


@pytest.mark.parametrize(
    "arguments",
    [
        ["-P", "lr", "true"], ["--tag", "x", "true"], ["-P", "a=1", "-P", "a=2", "true"], ["--code", "x", "true"],
        ["--code", "tree", "--no-code", "true"], ["--scalars", "(", "true"], ["--artifact", "../x", "true"],
        ["--env", "A=B", "true"], ["--env", "=B", "true"], ["--env", "", "true"],
        ["--no-such-option", "true"], ["-e", "a\nb", "true"], ["-n", "", "true"], [],
    ],
)  # fmt: skip
def test_wrong_requests_run_nothing(project: Project, arguments: list[str]) -> None:
    done = project.run(*arguments)
    if arguments != ["-n", "", "true"]:
        assert done.returncode == 2
        assert done.stderr
        assert project.commits == []
    assert project.live == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tag", "a\nb=1"],
        ["--tag", "x" * 251 + "=1"],
        ["-P", "a\033=1"],
        ["-P", "x" * 251 + "=1"],
        ["-e", "gh" + "p_abcdefghijklmnopqrstuvwxyz0123456789"],
        ["-n", "a\nb"],
    ],
)
def test_names_that_cannot_be_leave_nothing_behind(project: Project, arguments: list[str]) -> None:
    done = project.run(*arguments, "touch", "ran")
    assert (done.returncode, done.stdout) == (2, "")
    assert "can't be used" in done.stderr
    assert "abcdefghij" not in done.stderr
    assert (project.live, project.commits) == ([], [])
    assert not (project.folder / "ran").exists()


def test_going_on_with_what_contradicts_the_run_leaves_it_as_it_was(project: Project) -> None:
    project.run("-q", "-P", "a=1", "true")
    before = project.commits
    done = project.run("--run-id", project.record().id, "-P", "a=2", "true")
    assert (done.returncode, project.live, project.commits) == (2, [], before)


def test_a_run_around_this_one_that_is_not_here(project: Project) -> None:
    project.environment["GITML_RUN_ID"] = "nosuch"
    assert "'nosuch', which is not here" in project.run("true").stderr
    assert project.record().parent_id is None


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(project: Project, closed: str) -> None:
    words = " ".join(f"'{word}'" for word in project.command("sh", "-c", "echo hi; exit 3"))
    done = subprocess.run(
        ["sh", "-c", f"{words} {closed}"],
        cwd=project.folder,
        env=project.environment,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert (done.returncode, project.record().exit_code) == (3, 3)
    assert project.read("logs/output.log") == b"hi\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_output_that_cannot_be_shown_is_said_even_when_quiet(project: Project) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            project.command("-q", "echo", "hi"), cwd=project.folder, env=project.environment,
            stdout=full, stderr=subprocess.PIPE, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    assert done.returncode == 0
    assert b"could not be shown from some point on: no space left on device; the record has it" in done.stderr


def test_outside_a_repository(tmp_path: Path) -> None:
    done = subprocess.run(
        [*GITML, "run", "touch", "made"], cwd=tmp_path,
        env=child_environment(GIT_CEILING_DIRECTORIES=str(tmp_path.parent)),
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 128
    assert "gitml init" in done.stderr
    assert not (tmp_path / "made").exists()


def test_the_program_finds_its_run(project: Project) -> None:
    done = project.run("-q", "sh", "-c", "env | grep -E '^(GITML|MLFLOW|PYTHONUNB)' | sort")
    run = project.record()
    assert done.stdout.splitlines() == [
        f"GITML_REPO={project.folder}",
        f"GITML_RUN_ID={run.id}",
        f"MLFLOW_EXPERIMENT_ID={run.experiment_id}",
        f"MLFLOW_RUN_ID={run.id}",
        "PYTHONUNBUFFERED=1",
    ]


def test_code_modes(project: Project) -> None:
    assert project.run("--no-code", "true").returncode == 0
    assert not any(name.startswith("code/") for name in project.files())
    (project.folder / "train.py").write_text("print('changed')\n")
    assert project.run("--code", "tree", "true").returncode == 0
    assert project.read("code/train.py") == b"print('changed')\n"
    assert project.record().code.dirty


def test_files_that_the_snapshot_lacks_are_named(project: Project) -> None:
    (project.folder / "__pycache__").mkdir()
    (project.folder / "__pycache__/train.pyc").write_bytes(b"made again by the next run")
    assert "left out" not in project.run("true").stderr
    (project.folder / "big0.bin").write_bytes(bytes(2_000_000))
    said = "warning: left out of the recorded code: big0.bin (1.9 MiB, over 1 MiB)"
    assert said in project.run("true").stderr.splitlines()
    assert project.run("-q", "true").stderr == ""
    assert "left out" not in project.run("--code", "commit", "true").stderr
    for number in range(1, 5):
        (project.folder / f"big{number}.bin").write_bytes(bytes(2_000_000))
    last = project.run("true").stderr.splitlines()[-2]
    assert last.startswith(f"{said}, big1.bin (1.9 MiB, over 1 MiB), big2.bin ")
    assert last.endswith(" and 2 more")


def test_recorded_variables(project: Project) -> None:
    project.environment["OMP_NUM_THREADS"] = "4"
    assert project.run("--env", "OMP_NUM_THREADS", "true").returncode == 0
    assert b"OMP_NUM_THREADS" in project.read("environment/variables.yaml")


def test_variables_that_are_not_names_or_not_set(project: Project) -> None:
    done = project.run("--env", "NO_SUCH", "true")
    assert "warning: --env 'NO_SUCH' is not recorded: it is not set\n" in done.stderr
    done = project.run("--env", "TOKEN=hunter2", "true")
    assert (done.returncode, "hint: --env takes a name" in done.stderr) == (2, True)
    assert "hunter2" not in done.stderr


def test_artifacts_and_metrics(project: Project) -> None:
    script = (
        "mkdir -p out/deep; echo model > out/model; echo deep > out/deep/x; head -c 200000 /dev/zero > big.bin; "
        'echo \'{"val": {"acc": 0.9}}\' > m.json; printf "step,loss\\n1,0.5\\n5,0.25\\n" > m.csv; '
        "ln -s /etc/hostname out/link"
    )
    done = project.run(
        "-a", "out", "-a", "*.bin", "-a", "none*", "--metrics", "m.json", "--metrics", "m.csv", "--metrics", "x.json",
        "sh", "-c", script,
    )  # fmt: skip
    assert done.returncode == 0
    names = [name for name in project.files() if name.startswith("artifacts/")]
    assert names == ["artifacts/big.bin", "artifacts/out/deep/x", "artifacts/out/model"]
    assert project.read("artifacts/big.bin").startswith(b"version https://git-lfs")
    run = project.record()
    assert run.metrics["val.acc"].last == 0.9
    assert project.read("history/loss.tsv").split(b"\n")[1].startswith(b"5\t")
    assert "warning: no file matches --artifact 'none*'" in done.stderr
    assert "warning: 'out/link' is not kept" in done.stderr
    assert "warning: there is no file for --metrics 'x.json'" in done.stderr


def test_params_of_the_program_win(project: Project) -> None:
    script = (
        "import os, sys; from gitml.repo import Repo; from gitml.tracking.start import attach_run\n"
        "live = attach_run(Repo.open(os.environ['GITML_REPO']), os.environ['GITML_RUN_ID'])\n"
        "live.log_param('lr', 1.0); live.log_metric('acc', 0.5); live.close()"
    )
    done = project.run(sys.executable, "-c", script, "--lr", "1", "--depth", "3")
    assert done.returncode == 0, done.stderr
    run = project.record()
    assert run.params == {"lr": 1.0, "depth": 3}
    assert type(run.params["lr"]) is float
    assert run.metrics["acc"].last == 0.5
    assert project.run("--no-auto-params", "true", "--lr", "1").returncode == 0
    assert project.record().params == {}


MLFLOW_SCRIPT = """
import gitml as mlflow
mlflow.set_experiment("churn")
with mlflow.start_run(run_name="own", tags={"mlflow.runName": "own"}):
    mlflow.log_metric("m", 1)
with mlflow.start_run(run_name="part"):
    pass
"""


def test_what_a_script_chooses_counts_unless_we_were_told(project: Project) -> None:
    script = (sys.executable, "-c", MLFLOW_SCRIPT)
    done = project.run(*script)
    assert "experiment" not in done.stderr
    part, run = (project.record(commit) for commit in project.commits[1::-1])
    assert {(r.name, r.experiment) for r in (run, part)} == {("own", "churn"), ("part", "churn")}
    assert {run.experiment_id} == {part.experiment_id}
    outer = " ".join(f"'{word}'" for word in project.command(*script))
    project.run("-n", "w1", "sh", "-c", outer)  # a name is for one run, not for those within
    assert {project.record(commit).name for commit in project.commits[:3]} == {"w1", "own", "part"}
    show = [*GITML, "show", "w1"]
    assert subprocess.run(show, cwd=project.folder, env=project.environment, check=False).returncode == 0


@pytest.mark.parametrize("told_by", ["option", "environment"])
def test_what_we_were_told_counts(project: Project, told_by: str) -> None:
    options = ["-e", "mine"] if told_by == "option" else []
    if told_by == "environment":
        project.environment["GITML_EXPERIMENT"] = "mine"
    done = project.run(*options, "-n", "w1", sys.executable, "-c", MLFLOW_SCRIPT)
    assert done.stderr.count("the run stays in experiment 'mine'") == 1
    assert "w1" in done.stderr
    runs = {run.name: run for run in map(project.record, project.commits[:2])}
    assert {name: run.experiment for name, run in runs.items()} == {"w1": "mine", "part": "churn"}
    assert runs["w1"].metrics["m"].last == 1


def test_runs_within_runs(project: Project, make_project: Callable[[str], Project]) -> None:
    inner = " ".join(f"'{word}'" for word in project.command("-q", "-n", "inner", "true"))
    assert project.run("-n", "outer", "sh", "-c", f"{inner}; {inner}").returncode == 0
    runs = {commit: project.record(commit) for commit in project.commits}
    outer = next(run for run in runs.values() if run.name == "outer")
    assert outer.parent_id is None
    assert [run.parent_id for run in runs.values() if run.name == "inner"] == [outer.id] * 2
    project.git("worktree", "add", "-q", "../other")
    make_project("stranger")
    elsewhere = f"cd ../other && {inner} && cd ../stranger && {inner}"
    assert project.run("-n", "outer2", "sh", "-c", elsewhere).returncode == 0
    runs = {commit: project.record(commit) for commit in project.commits}
    assert [run.name for run in runs.values() if run.parent_id not in (None, outer.id)] == ["inner"]
    assert len(runs) == 5
    assert project.run("--parent", "outer", "true").returncode == 0
    assert project.record().parent_id == outer.id


def test_a_secret_is_the_value_of_its_option_whatever_is_in_it(project: Project) -> None:
    project.run(
        "-q", "true", "--password", "c2VjcmV0cGFzc3dvcmQx=", "--db-password", "p@ss=word!", "--lr", "1"
    )
    run = project.record()
    assert run.params == {"password": "[redacted: password]", "db_password": "[redacted: password]", "lr": 1}
    assert not any(word in "".join(run.command) for word in ("c2Vj", "p@ss"))


def test_secrets_on_the_command_line(project: Project) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    done = project.run("true", "--token", token)
    assert done.returncode == 0
    assert "warning: the command line holds what looks like a secret" in done.stderr
    for name in project.files():
        assert token.encode() not in project.read(name)
    quiet = project.run("-q", "-P", f"api={token}", "--env", "NO_SUCH", "true", "--token", token).stderr
    assert token not in quiet
    assert len(quiet.splitlines()) == 3  # the command line and two params, and not the variable
    assert all("looks like a secret" in line for line in quiet.splitlines())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_recorded(project: Project, number: signal.Signals) -> None:
    process = project.start("sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number
    run = project.record()
    assert (run.status, run.exit_code, run.error) == (RunStatus.KILLED, 128 + number, number.name)


def test_a_program_that_handles_the_signal_decides(project: Project) -> None:
    for end, status, error in (
        ("exit 0", RunStatus.FINISHED, None),
        ("exit 9", RunStatus.FAILED, "exit 9 after SIGTERM"),
    ):
        process = project.start("sh", "-c", f"trap '{end}' TERM; echo ready; while :; do sleep 0.05; done")
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)
        run = project.record()
        assert (run.status, run.error, process.returncode) == (status, error, run.exit_code)


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.45])
def test_a_signal_at_any_moment_leaves_a_whole_run_or_none(project: Project, delay_s: float) -> None:
    process = project.start("-a", "train.py", "sleep", "0.1")
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert project.live == []
    for commit in project.commits:
        assert project.record(commit).status.is_final
    project.git("fsck", "--strict")


def test_killing_gitml_loses_nothing(project: Project) -> None:
    process = project.start("--scalars", "auto", "sh", "-c", "echo loss: 0.25; echo ready; exec sleep 60")
    assert process.stdout is not None
    while process.stdout.readline() != b"ready\n":
        pass
    wait_until(lambda: _log_of(project).endswith(b"ready\n"), "the output was written")
    wait_until(lambda: _history_of(project, "loss"), "the metric was written")
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    assert project.commits == []
    repo = Repo.open(project.folder)
    assert len(rescue_orphans(repo)) == 1
    repo.close()
    run = project.record()
    assert run.status == RunStatus.KILLED
    assert run.metrics["loss"].last == 0.25
    assert project.read("logs/output.log") == b"loss: 0.25\nready\n"


def test_a_shell_script_whose_python_logs_records_that_python(project: Project) -> None:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        project.environment.pop(variable, None)
    (project.folder / "train.sh").write_text(
        f"#!/bin/sh\n{sys.executable} -c 'import gitml; gitml.log_metric(\"m\", 1)'\n"
    )
    (project.folder / "train.sh").chmod(0o755)
    assert project.run("-q", "./train.sh").returncode == 0
    assert {"environment/requirements.txt", "environment/python-version"} <= set(project.files())
    assert b"pytest==" in project.read("environment/requirements.txt")
    assert project.run("-q", "sh", "-c", "true").returncode == 0
    assert "environment/requirements.txt" not in project.files()


def _live_folder(project: Project) -> Path:
    repo = Repo.open(project.folder)
    return repo.journal.folder(repo.journal.ids()[0])


def _log_of(project: Project) -> bytes:
    path = _live_folder(project) / "logs" / "output.log"
    return path.read_bytes() if path.exists() else b""


def _history_of(project: Project, metric: str) -> bool:
    journal = Repo.open(project.folder).journal
    return journal.history(journal.ids()[0], metric) != b""


def test_scalars_land_while_the_program_runs(project: Project) -> None:
    process = project.start("--scalars", r"(\w+) is ([\d.]+)", "sh", "-c", "echo acc is 0.5; exec sleep 60")
    wait_until(lambda: project.live and _history_of(project, "acc"), "the metric arrived")
    process.terminate()
    process.communicate(timeout=TIMEOUT_S)
    assert project.record().metrics["acc"].last == 0.5


def test_on_a_terminal(project: Project) -> None:
    command = project.command(
        "sh", "-c", r"test -t 1 && printf '\033[32mgreen\033[0m 99%%'; echo $PYTHONUNBUFFERED >&2"
    )
    with Screen(command, cwd=project.folder, environment=project.environment) as screen:
        assert screen.wait() == 0
        assert screen.settings() == screen.before
        assert b"\x1b[32mgreen\x1b[0m 99%" in screen.seen
        assert screen.seen.count(b"gitml show") == 1
    assert project.read("logs/output.log") == b"\x1b[32mgreen\x1b[0m 99%\n"


def test_the_last_line_begins_its_own_line(project: Project) -> None:
    command = project.command("printf", "99%%")
    with Screen(command, cwd=project.folder, environment=project.environment) as screen:
        assert screen.wait() == 0
        assert screen.seen.startswith(b"99%\r\nrun ")


def test_ctrl_c_on_a_terminal(project: Project) -> None:
    command = project.command("sh", "-c", "echo ready; exec sleep 60")
    with Screen(command, cwd=project.folder, environment=project.environment) as screen:
        screen.wait_for(b"ready")
        screen.type(b"\x03")
        assert screen.wait() == 130
        assert screen.settings() == screen.before
        assert b"killed (SIGINT)" in screen.seen
    assert project.record().error == "SIGINT"


def test_ctrl_c_while_files_are_kept_ends_soon_with_a_whole_run(project: Project) -> None:
    with (project.folder / "big.bin").open("wb") as file:
        file.truncate(3 << 30)
    process = project.start("--no-code", "-a", "big.bin", "echo", "done")
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    (project.folder / "big.bin").unlink()
    assert process.returncode == 0
    assert b"not all files were kept: a signal asked to end" in errors
    run = project.record()
    assert run.status == RunStatus.FINISHED
    assert "artifacts/big.bin" not in project.files()
    assert project.live == []


def test_a_disk_that_fails_does_not_stop_the_program(project: Project) -> None:
    script = 'rm -rf "$(git rev-parse --git-dir)/gitml/live"; echo still here; exit 6'
    done = project.run("sh", "-c", script)
    assert (done.returncode, done.stdout) == (6, "still here\n")
    assert "warning: " in done.stderr


def test_what_the_overhead_is(project: Project) -> None:
    project.start("true").communicate()
    started = time.monotonic()
    project.start("true").communicate()
    assert time.monotonic() - started < 3  # a gross slip; the budget of 0.25 s is benchmarked
