"""What Slurm is given, without a Slurm: nothing of a value is read as shell, option or pattern."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.execution.backends.contract import JobRequest, Resources
from gitml.execution.backends.options import BackendConfigError, check_config, read_config
from gitml.execution.backends.slurm_script import (
    OPTIONS,
    batch_script,
    log_path,
    output_pattern,
    sbatch_words,
)

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
WORDS = st.lists(TEXTS, max_size=3)
VARIABLES = st.dictionaries(st.from_regex(r"[A-Z]{2,6}", fullmatch=True).map("X_".__add__), TEXTS, max_size=3)


def job(number: int, words: list[str], variables: dict[str, str], tmp: Path) -> JobRequest:
    show = "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps([sys.argv[2:], dict(os.environ)]))"
    command = ("/usr/bin/env", "python3", "-c", show, str(tmp / f"{number}.json"), *words)
    return JobRequest(
        run_id="0" * 32, remote=None, command=command, name="x", folder=tmp, environment=variables,
        config={"setup": ["true # the user's own line", "export SET_UP=$((1 + 1))"]},
    )  # fmt: skip


@given(first=WORDS, second=WORDS, variables=VARIABLES)
def test_a_job_gets_its_words_and_variables_whatever_is_in_them(
    first: list[str], second: list[str], variables: dict[str, str], tmp_path_factory
) -> None:
    tmp = tmp_path_factory.mktemp("jobs")
    script = batch_script([job(0, first, {}, tmp), job(1, second, variables, tmp)])
    subprocess.run(
        ["bash"], input=script.encode(), check=True, env={**os.environ, "SLURM_ARRAY_TASK_ID": "1"}
    )
    assert not (tmp / "0.json").exists()
    words, environment = json.loads((tmp / "1.json").read_text())
    assert words == second
    assert environment["SET_UP"] == "2"
    assert {name: environment[name] for name in variables} == variables


@given(st.text(max_size=30))
def test_names_of_runs_are_safe_in_options_and_in_paths(name: str) -> None:
    request = JobRequest(run_id="0" * 32, remote=None, command=("true",), name=name, folder=Path())
    (word,) = [word for word in sbatch_words([request], "/log") if word.startswith("--job-name=")]
    value = word.partition("=")[2]
    assert value
    assert set(value).isdisjoint("/ \n%'\"$")
    assert log_path("/logs/%x-%j", "7", name) == f"/logs/{value}-7"


def test_options_become_words_of_sbatch() -> None:
    given_ = read_config(
        [
            "partition=gpu,cpu",
            "time=1:30:00",
            "memory=1.5g" if False else "memory=2g",
            "gpus=2",
            "requeue=yes",
        ]
    )
    config = check_config("slurm", OPTIONS, given_)
    resources = Resources(gpus=2, memory_mib=2048, time_s=5400)
    request = JobRequest(
        run_id="0" * 32, remote=None, command=("true",), name="n", folder=Path(), resources=resources, config=config
    )  # fmt: skip
    words = sbatch_words([request, request], "/log-%A_%a")
    assert {"--partition=gpu,cpu", "--time=90", "--mem=2048M", "--gpus=2", "--requeue", "--array=0-1"} < set(
        words
    )


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (["partion=gpu"], "did you mean partition"),
        (["time=soon"], "a time such as"),
        (["cpus=many"], "a whole number"),
        (["partition=a b"], "not of the right form"),
        (["comment=two\nlines"], "one line of text"),
        (['{"env": {"A-B": "x"}}'], "no name of a variable"),
        (["nothing"], "neither KEY=VALUE nor a file"),
        (["missing.json"], "can't be read"),
        (['{"a": '], "is no JSON"),
    ],
)
def test_a_wrong_option_is_told_with_what_was_expected(given_: list[str], said: str) -> None:
    with pytest.raises(BackendConfigError) as caught:
        check_config("slurm", OPTIONS, read_config(given_))
    assert said in f"{caught.value} {caught.value.hint}"


def test_options_come_from_files_and_later_ones_win(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(
        "partition: main\ntime: 2h\nmemory: 512M\nsetup:\n  - module load cuda\nenv: {A: x}\n"
    )
    config = check_config(
        "slurm",
        OPTIONS,
        read_config([str(tmp_path / "cluster.yaml"), "time=30m", "env.B=y=z", "exclusive=no"]),
    )
    assert config == {
        "partition": "main", "time": 1800, "memory": 512, "setup": ["module load cuda"],
        "env": {"A": "x", "B": "y=z"}, "exclusive": False,
    }  # fmt: skip


def test_logs_are_found_again() -> None:
    assert output_pattern("~/g-%j.log", "/home/ada", is_array=False) == "/home/ada/g-%j.log"
    array = output_pattern("/l/%%j-%j", "/home/ada", is_array=True)
    assert (array, log_path(array, "12_3", "n")) == ("/l/%%j-%A_%a", "/l/%j-12_3")
    with pytest.raises(ValueError, match="%N"):
        output_pattern("/l/%N", "/home/ada", is_array=False)
