"""`gitml sweep` as people use it: real repositories, real processes."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitml.entities.run import Run, RunStatus
from gitml.index import Query
from gitml.repo import Repo
from gitml.tracking.edit import write_record
from gitml.tracking.history import search
from tests.conftest import Git, Gitml
from tests.launching.harness import Screen, child_environment

LOSS = 'echo "loss: {x}"'


def runs_of(folder: Path) -> list[Run]:
    """All runs, newest first; those that lost their process are committed."""
    repo = Repo.open(folder)
    try:
        return search(repo, Query())
    finally:
        repo.close()


def parent_of(runs: list[Run]) -> Run:
    (parent,) = (run for run in runs if "sweep.optimizer" in run.tags)
    return parent


def trials(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return json.loads(done.stdout)["sweep"]["trials"]


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gitml", "sweep", *arguments], cwd=folder, env=child_environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_a_grid(git_repo: Path, gitml: Gitml) -> None:
    done = gitml(
        git_repo, "sweep", "-P", "x=0.5,0.25,0.75", "-P", "n=range(2)", "-j", "2", "--minimize", "loss", "-e", "tune",
        "--tag", "team=a", "-m", "a note", "--name", "hunt", "--scalars", "auto", "sh", "-c", LOSS,
    )  # fmt: skip
    runs = runs_of(git_repo)
    parent = parent_of(runs)
    children = {run.name: run for run in runs if run.parent_id == parent.id}
    assert sorted(children) == [f"hunt-{number}" for number in range(1, 7)]
    assert (parent.name, parent.experiment, parent.status, parent.note.strip()) == (
        "hunt", "tune", RunStatus.FINISHED, "a note",
    )  # fmt: skip
    third = children["hunt-3"]
    assert third.params == {"x": 0.25, "n": 0}
    assert third.command == ("sh", "-c", 'echo "loss: 0.25"', "--n", "0")
    assert (third.experiment, third.status, third.note) == ("tune", RunStatus.FINISHED, "")
    assert third.tags == {"team": "a", "sweep.trial": "3"}
    assert third.code == parent.code
    assert third.code.tree is not None
    assert parent.command == ("sh", "-c", LOSS)
    assert parent.tags["sweep.best_run"] == third.id  # the fourth is as good
    assert parent.tags["sweep.best.x"] == "0.25"
    assert parent.tags["sweep.goal"] == "minimize loss"
    assert (parent.metrics["best/loss"].last, parent.metrics["best/loss"].min) == (0.25, 0.25)
    assert "loss" not in parent.metrics  # the best run is to be a trial
    assert gitml(git_repo, "artifacts", "cat", "hunt", "sweep.yaml").stdout.startswith("space:\n  x: ")
    assert gitml(git_repo, "show", "hunt-3", "--log").stdout == "loss: 0.25\n"
    assert "trial 3 finished  x=0.25 n=0  0.25\n" in gitml(git_repo, "show", "hunt", "--log").stdout
    assert [line.split()[2:5] for line in done.stdout.splitlines()[1:3]] == [
        ["0.25", "0.25", "0"],
        ["0.25", "0.25", "1"],
    ]
    assert done.stderr.count("finished in") == 6
    assert done.stderr.splitlines()[-1].startswith(f"sweep {parent.id[:7]} hunt finished: 6 trials in ")


def test_a_program_that_logs_its_params_itself(git_repo: Path, gitml: Gitml) -> None:
    script = "import gitml, sys; gitml.log_param('lr', float(sys.argv[2])); gitml.log_metric('loss', 3)"
    options = ("-P", "lr=1", "-P", "note-text=a", "--minimize", "loss", "--json")
    (trial,) = trials(
        gitml(git_repo, "sweep", *options, sys.executable, "-c", script, env=child_environment())
    )
    assert trial["value"] == 3
    run = next(run for run in runs_of(git_repo) if run.id == trial["run"])
    assert {name: repr(value) for name, value in run.params.items()} == {"lr": "1.0", "note_text": "'a'"}


def test_values_are_params_as_the_command_line_would_make_them(git_repo: Path, gitml: Gitml) -> None:
    values = ("-P", "id=007", "-P", 'sizes="[1, 2]"')
    gitml(git_repo, "sweep", "-q", *values, "sh", "-c", "true", "sh", "{sizes}")
    gitml(git_repo, "sweep", "-q", *values, "true")
    params = [run.params for run in runs_of(git_repo) if run.parent_id]
    assert params == [{"id": "007", "sizes": [1, 2]}] * 2


def test_draws_are_the_same_with_a_seed(git_repo: Path, gitml: Gitml) -> None:
    options = ("-P", "x=loguniform(1e-5,1e-1)", "-P", "o=choice(adam,sgd)", "--json", "-q")
    first, again, shorter, other = (
        trials(gitml(git_repo, "sweep", *options, *more, "true"))
        for more in (("--trials", "4", "--seed", "7"), ("--trials", "4", "--seed", "7", "-j", "2"),
                     ("--trials", "2", "--seed", "7"), ("--trials", "4"))
    )  # fmt: skip
    values = [trial["values"] for trial in first]
    assert [trial["values"] for trial in again] == values
    assert [trial["values"] for trial in shorter] == values[:2]
    assert [trial["values"] for trial in other] != values
    parents = [run for run in runs_of(git_repo) if "sweep.seed" in run.tags]
    assert [run.tags["sweep.seed"] for run in parents[1:]] == ["7", "7", "7"]
    assert parents[0].tags["sweep.seed"].isdecimal()


def test_a_failing_trial(git_repo: Path, gitml: Gitml) -> None:
    done = gitml(git_repo, "sweep", "-P", "x=0,3,1", "--json", "sh", "-c", "exit {x}", code=1)
    assert [(trial["status"], trial["error"]) for trial in trials(done)] == [
        ("finished", None), ("failed", "exit 3"), ("failed", "exit 1"),
    ]  # fmt: skip
    parent = parent_of(runs_of(git_repo))
    assert (parent.status, parent.exit_code, parent.error) == (RunStatus.FAILED, 1, "2 of 3 trials failed")
    # Gone on with, there is nothing to do but to try the failed ones again, if that is asked for.
    same = gitml(git_repo, "sweep", "--resume", parent.id, "--json", code=1)
    assert [trial["run"] for trial in trials(same)] == [trial["run"] for trial in trials(done)]
    assert len(runs_of(git_repo)) == 4
    retried = trials(gitml(git_repo, "sweep", "--resume", parent.id, "--retry-failed", "--json", code=1))
    assert [one["run"] == two["run"] for one, two in zip(trials(done), retried, strict=True)] == [
        True,
        False,
        False,
    ]


def test_fail_fast(git_repo: Path, gitml: Gitml) -> None:
    done = gitml(git_repo, "sweep", "-P", "x=3,0,00", "--fail-fast", "sh", "-c", "exit {x}", code=1)
    assert "failed (trial 1 failed: exit 3): 1 of 3 trials in" in done.stderr
    assert "hint: gitml sweep --resume" in done.stderr
    runs = runs_of(git_repo)
    assert len(runs) == 2
    again = gitml(git_repo, "sweep", "--resume", runs[-1].id, "--json", "-q", code=1)
    assert [trial["status"] for trial in trials(again)] == ["failed", "finished", "finished"]


def test_a_sweep_of_somebody_else_goes_on_when_it_is_trusted(git_repo: Path, gitml: Gitml) -> None:
    script = "touch ran-{x}; exit {x}"
    gitml(git_repo, "sweep", "-P", "x=3,0", "--fail-fast", "sh", "-c", script, code=1)
    repo = Repo.open(git_repo)
    sweep = parent_of(search(repo, Query()))
    write_record(repo, replace(sweep, user="Eve <eve@example.org>"), "edited")
    repo.close()
    refused = gitml(git_repo, "sweep", "--resume", sweep.id, code=4).stderr
    for shown in ("made by Eve", "sh -c 'touch ran-{x}; exit {x}'", "x=3,0", "--trust"):
        assert shown in refused
    assert not (git_repo / "ran-0").exists()
    gitml(git_repo, "sweep", "--resume", sweep.id, "--trust", code=1)
    assert (git_repo / "ran-0").exists()
    gitml(git_repo, "sweep", "--resume", sweep.id, "--retry-failed", code=1)  # once is enough


def test_jobs_run_at_the_same_time_and_know_their_slot(git_repo: Path, gitml: Gitml) -> None:
    # Each waits for the other: one after the other, they would never end.
    script = (
        'touch "at-$1"; until [ -e at-1 ] && [ -e at-2 ]; do sleep 0.02; done; '
        'echo "slot: $GITML_SWEEP_SLOT"; echo "trial: $GITML_SWEEP_TRIAL"'
    )
    gitml(git_repo, "sweep", "-P", "x=1,2", "-j", "2", "--scalars", "auto", "sh", "-c", script, "sh", "{x}")
    children = [run for run in runs_of(git_repo) if "sweep.trial" in run.tags]
    assert {run.metrics["slot"].last for run in children} == {0, 1}
    assert {(run.tags["sweep.trial"], run.metrics["trial"].last) for run in children} == {("1", 1), ("2", 2)}


def test_ctrl_c_ends_the_programs_and_the_rest_is_run_later(git_repo: Path, gitml: Gitml) -> None:
    script = '[ -e "done-$1" ] || { touch "done-$1"; [ "$1" = 1 ] || exec sleep 60; }'
    process = start(git_repo, "-P", "x=1,2,3,4", "-j", "2", "sh", "-c", script, "sh", "{x}")
    wait_until(lambda: (git_repo / "done-2").exists() and (git_repo / "done-3").exists(), "two sleep")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"killed (SIGINT): 1 of 4 trials in" in stderr
    runs = runs_of(git_repo)
    parent = parent_of(runs)
    assert (parent.status, parent.exit_code, parent.error) == (RunStatus.KILLED, 130, "SIGINT")
    by_trial = {run.tags["sweep.trial"]: run for run in runs if run is not parent}
    assert {number: run.status.value for number, run in by_trial.items()} == {
        "1": "finished", "2": "killed", "3": "killed",
    }  # fmt: skip
    (git_repo / "done-4").touch()
    done = gitml(git_repo, "sweep", "--resume", parent.id[:8], "-j", "2", "--json")
    assert [trial["status"] for trial in trials(done)] == ["finished"] * 4
    assert trials(done)[0]["run"] == by_trial["1"].id
    assert parent_of(runs_of(git_repo)).status is RunStatus.FINISHED


def test_a_killed_sweep_is_gone_on_with(git_repo: Path, gitml: Gitml) -> None:
    script = '[ -e "done-$1" ] || { touch "done-$1"; [ "$1" = 1 ] || exec sleep 60; }; echo "loss: $1"'
    (git_repo / "sub").mkdir()
    process = start(
        git_repo / "sub", "-P", "x=1,2,3", "-j", "1", "--maximize", "loss", "--scalars", "auto", "sh", "-c", script, "sh", "{x}",
    )  # fmt: skip
    wait_until((git_repo / "sub" / "done-2").exists, "the second sleeps")
    assert b"still running" in gitml(git_repo, "sweep", "--resume", "@~2", code=4).stderr.encode()
    process.kill()
    process.communicate(timeout=30)
    repo = Repo.open(git_repo)
    # Its worker notices, and ends what it runs; then nobody writes to the sweep's run any more.
    wait_until(lambda: all(map(repo.journal.is_orphaned, repo.journal.ids())), "the worker goes")
    runs = runs_of(git_repo)
    parent = parent_of(runs)
    assert parent.status is RunStatus.KILLED
    assert parent.tags["sweep.best.x"] == "1"
    assert sorted((run.tags["sweep.trial"], run.status.value) for run in runs if run is not parent) == [
        ("1", "finished"), ("2", "killed"),
    ]  # fmt: skip
    (git_repo / "sub" / "done-3").touch()
    again = ("-P", "x=1,2,3", "--maximize", "loss", "--scalars", "auto", "sh", "-c", script, "sh", "{x}")
    assert f"gitml sweep --resume {parent.id[:7]}" in gitml(git_repo / "sub", "sweep", *again).stderr
    done = gitml(git_repo, "sweep", "--resume", parent.name, "--json")
    assert [(trial["status"], trial["value"]) for trial in trials(done)] == [
        ("finished", 1), ("finished", 2), ("finished", 3),
    ]  # fmt: skip
    best = json.loads(done.stdout)["sweep"]["best"]
    (parent,) = (run for run in runs_of(git_repo) if run.id == parent.id)
    assert (parent.status, parent.tags["sweep.best_run"]) == (RunStatus.FINISHED, best["run"])
    assert not (git_repo / "done-1").exists()  # it went to the folder that it was started in
    assert "is no sweep" in gitml(git_repo, "sweep", "--resume", best["run"], code=3).stderr


def test_a_trial_that_dies_alone(git_repo: Path, gitml: Gitml) -> None:
    done = gitml(git_repo, "sweep", "-P", "x=1,2", "--json", "sh", "-c", "kill -9 $$; echo {x}", code=1)
    assert [(trial["status"], trial["error"]) for trial in trials(done)] == [
        ("killed", "SIGKILL (perhaps out of memory)")
    ] * 2


def test_a_worker_that_dies_is_done_without(git_repo: Path, gitml: Gitml) -> None:
    script = 'if [ "$1" = 1 ]; then kill -9 $PPID; else sleep 0.2; fi'
    done = gitml(
        git_repo, "sweep", "-P", "x=1,2,3", "-j", "2", "--json", "sh", "-c", script, "sh", "{x}", code=1
    )
    assert [trial["status"] for trial in trials(done)] == ["killed", "finished", "finished"]
    assert trials(done)[0]["error"] == "its worker process died (SIGKILL)"
    parent = parent_of(runs_of(git_repo))
    again = gitml(git_repo, "sweep", "--resume", parent.id, "--json", "sh", code=2)
    assert "can't be combined" in json.loads(again.stderr)["error"]["message"]


def test_trials_of_a_file(git_repo: Path, gitml: Gitml) -> None:
    (git_repo / "trials.csv").write_text("x,name\n1,a b\n2,\n")
    (git_repo / "trials.jsonl").write_text('{"x": 0.1, "flag": true}\n{"x": "k"}\n')
    (git_repo / "trials.yaml").write_text("- x: 1\n- x: 2\n")
    (git_repo / "bad.json").write_text('[{"x": [1]}]')
    first = trials(gitml(git_repo, "sweep", "--from", "trials.csv", "--json", "true"))
    assert [trial["values"] for trial in first] == [{"x": "1", "name": "a b"}, {"x": "2", "name": ""}]
    second = trials(gitml(git_repo, "sweep", "--from", "trials.jsonl", "--json", "true"))
    assert [trial["values"] for trial in second] == [{"x": "0.1", "flag": "true"}, {"x": "k"}]
    assert len(trials(gitml(git_repo, "sweep", "--from", "trials.yaml", "--json", "true"))) == 2
    assert (
        "'x' of trial 1 is no text" in gitml(git_repo, "sweep", "--from", "bad.json", "true", code=2).stderr
    )
    assert gitml(git_repo, "sweep", "--from", "none.csv", "true", code=3)


def test_a_project(git_repo: Path, gitml: Gitml) -> None:
    (git_repo / "MLproject").write_text(
        "name: p\nentry_points:\n  main:\n    parameters:\n      x: {type: float}\n      n: {type: int, default: 3}\n"
        "    command: echo loss={x} {n}\n"
    )
    options = ("--maximize", "loss", "--scalars", "auto", "--json", ".")
    done = trials(gitml(git_repo, "sweep", "-P", "x=0.5,0.25", *options))
    assert [trial["value"] for trial in done] == [0.5, 0.25]
    runs = runs_of(git_repo)
    first = next(run for run in runs if run.tags.get("sweep.trial") == "1")
    assert first.params == {"x": 0.5, "n": 3}
    assert first.project is not None
    assert first.project.parameters == {"x": "0.5", "n": "3"}
    assert parent_of(runs).entry_point == "main"
    wrong = gitml(git_repo, "sweep", "-P", "x=0.5,abc", *options, code=2)
    assert "abc" in wrong.stderr
    assert len(runs_of(git_repo)) == 3  # found before anything ran


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["true"], "nothing to try"),
        (["-P", "x=1"], "no command"),
        (["-P", "x=uniform(0,1)", "true"], "it must be said how often"),
        (["-P", "x=range(", "true"], "at character"),
        (["-P", "x=1", "--minimize", "a", "--maximize", "b", "true"], "contradict"),
        (["-P", "x=1", "--seed", "1", "true"], "--seed"),
        (["-P", "x=1", "-j", "0", "true"], "--jobs 0"),
        (["-P", "x=1", "--scalars", "(", "true"], "--scalars"),
        (["-P", "x=1", "--sampler", "tpe", "true"], "--sampler"),
        (["-P", "x=1", "--optimizer", "optuna", "--trials", "2", "true"], "--minimize METRIC"),
        (["-P", "x=1", "-v", "main", "true"], "--version is an option for projects"),
        (["--from", "f.csv", "-P", "x=1", "true"], "can't be combined"),
    ],
)
def test_wrong_requests_run_nothing(git_repo: Path, gitml: Gitml, arguments: list[str], message: str) -> None:
    assert message in gitml(git_repo, "sweep", *arguments, code=2).stderr.replace("\n", " ")
    assert runs_of(git_repo) == []


def test_secrets(git_repo: Path, gitml: Gitml, git: Git) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    done = gitml(git_repo, "sweep", "-q", "-P", "x=1,2", "true", "--token", token)
    assert "looks like a secret" in done.stderr
    assert token not in done.stderr
    assert token not in git(git_repo, "log", "-p", "gitml/runs")
    parent = parent_of(runs_of(git_repo))
    assert (
        "a secret of its command is not recorded"
        in gitml(git_repo, "sweep", "--resume", parent.id, code=4).stderr
    )


def test_on_a_terminal(git_repo: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gitml",
        "sweep",
        "-P",
        "x=0.5,0.25,7",
        "--minimize",
        "loss",
        "--scalars",
        "auto",
        "sh",
        "-c",
    ]
    script = f"{LOSS}; sleep 0.3; [ {{x}} != 7 ]"
    with Screen([*command, script], cwd=git_repo, environment=child_environment(TERM="xterm")) as screen:
        screen.wait_for(rb"1/3 done \S+ 1 running \S+ .* left")
        screen.wait_for("best loss ↓ +0.25 +trial 2".encode())
        screen.wait_for(rb"trial 3/3 failed in \S+ +x=7 +\(exit 1\)")
        assert screen.wait() == 1
        assert b"1 of 3 trials failed" in screen.seen


@pytest.mark.heavy
@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs optuna")
def test_optuna_searches_and_goes_on(git_repo: Path, gitml: Gitml) -> None:
    script = "import sys; x, o = sys.argv[1:]; print('loss:', (float(x) - 0.3) ** 2 + (o == 'sgd'))"
    options = (
        "-P", "x=uniform(0,1)", "-P", "o=choice(adam,sgd)", "--optimizer", "optuna", "--minimize", "loss", "--scalars", "auto",
    )  # fmt: skip
    command = (sys.executable, "-c", script, "{x}", "{o}")
    done = gitml(git_repo, "sweep", *options, "--trials", "20", "--seed", "1", "-j", "2", "--json", *command)
    found = json.loads(done.stdout)["sweep"]
    assert len(found["trials"]) == 20
    assert found["best"]["value"] < 0.05
    study = git_repo / ".git" / "gitml" / "sweeps" / found["id"] / "optuna.log"
    assert study.exists()
    longer = trials(gitml(git_repo, "sweep", "--resume", found["id"], "--trials", "22", "--json"))
    assert longer[:20] == found["trials"]
    assert [trial["trial"] for trial in longer] == [*range(1, 23)]
    study.unlink()  # as in another clone: the runs tell it all again
    rebuilt = trials(gitml(git_repo, "sweep", "--resume", found["id"], "--trials", "23", "--json"))
    assert rebuilt[:22] == longer
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    loaded = optuna.load_study(study_name="sweep", storage=JournalStorage(JournalFileBackend(str(study))))
    assert sorted(trial.value for trial in loaded.trials) == sorted(trial["value"] for trial in rebuilt)
    assert {trial.params["o"] for trial in loaded.trials} == {"adam", "sgd"}


@pytest.mark.heavy
@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs optuna")
def test_optuna_hears_of_failed_trials(git_repo: Path, gitml: Gitml) -> None:
    options = (
        "-P",
        "x=int(0,1)",
        "--optimizer",
        "optuna",
        "--sampler",
        "random",
        "--maximize",
        "loss",
        "--scalars",
        "auto",
    )
    done = gitml(
        git_repo,
        "sweep",
        *options,
        "--trials",
        "8",
        "--seed",
        "3",
        "--json",
        "sh",
        "-c",
        f"{LOSS}; exit {{x}}",
        code=1,
    )
    found = json.loads(done.stdout)["sweep"]
    assert {(trial["values"]["x"], trial["status"]) for trial in found["trials"]} == {
        ("0", "finished"),
        ("1", "failed"),
    }
    assert found["best"]["values"] == {"x": "0"}


def test_optuna_that_is_not_there(git_repo: Path, gitml: Gitml, tmp_path: Path) -> None:
    if importlib.util.find_spec("optuna") is not None:
        pytest.skip("it is")
    options = ("-P", "x=1,2", "--optimizer", "optuna", "--trials", "2", "--minimize", "loss")
    assert "gitml[optuna]" in gitml(git_repo, "sweep", *options, "true", code=7).stderr
