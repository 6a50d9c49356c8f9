"""Params that a program's own arguments hold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.launching.arguments import (
    MAX_ITEMS,
    MAX_PARAMS,
    MAX_VALUE_CHARACTERS,
    params_from_arguments,
    parse_param,
)
from gitml.launching.command_line import parse_command_line

TABLE = [
    ("--lr 0.1", {"lr": 0.1}),
    ("--lr=0.1", {"lr": 0.1}),
    ("-lr 0.1", {"lr": 0.1}),
    ("-e 10 -n5 -v", {"e": 10, "n": 5, "v": True}),
    ("--lr 1e-3 --wd 1E5 --n -3 --x -.5 --y +2", {"lr": 0.001, "wd": 100000.0, "n": -3, "x": -0.5, "y": 2}),
    ("--flag", {"flag": True}),
    ("--flag --other 1", {"flag": True, "other": 1}),
    ("--no-flag", {"flag": False}),
    ("--flag --no-flag", {"flag": False}),
    ("--no-decay bias", {"no_decay": "bias"}),
    ("--learning-rate 0.1 --batch_size 8", {"learning_rate": 0.1, "batch_size": 8}),
    ("--opt adam --pretrained true --seed null", {"opt": "adam", "pretrained": True, "seed": None}),
    ("--answer no --yes yes", {"answer": "no", "yes": "yes"}),
    ("--tag a --tag b --tag 3", {"tag": ["a", "b", 3]}),
    ("--layers 64 128 32 --lr 1", {"layers": [64, 128, 32], "lr": 1}),
    ("--layers 64 --layers 32 16", {"layers": [64, 32, 16]}),
    ("-v -v", {"v": True}),
    ("data.csv 3 4", {}),
    ("--lr 0.1 data.csv", {"lr": 0.1}),
    ("--in - --out x", {"in": "-", "out": "x"}),
    ("--a 1 -- --b 2 c=3", {"a": 1}),
    ("lr=0.1 +model.depth=8 ++seed=1 model/opt=adam db@src=x", {
        "lr": 0.1, "model.depth": 8, "seed": 1, "model/opt": "adam", "db@src": "x"}),
    ("layers=[1,2,3] empty=[] name='a b'", {"layers": [1, 2, 3], "empty": [], "name": "a b"}),
    ("~model -m lr=0.1,0.2", {"m": True, "lr": "0.1,0.2"}),
    ("--multirun lr=1", {"multirun": True, "lr": 1}),
    ("--amp layers=3 -D a=b", {"amp": True, "layers": 3, "D": "a=b"}),
    ("--eq=a=b x=a=b", {"eq": "a=b", "x": "a=b"}),
    ("--empty= x=", {"empty": "", "x": ""}),
    ("http://host/?a=1 /data/a=1 ./x=1 -1 -.5 -", {}),
    ("--config.lr 3 --a/b 4", {"config.lr": 3, "a/b": 4}),
    ("--inf .inf", {"inf": math.inf}),
    ("--b64 Zm9v= --eq a==b --conn Server=x;User=a", {"b64": "Zm9v=", "eq": "a==b", "conn": "Server=x;User=a"}),
    ("--amp +a=1 --bf16 ++b.c/d=[1,2] ~e", {"amp": True, "a": 1, "bf16": True, "b.c/d": [1, 2]}),
    ("--multirun lr=0.1,0.2 --amp db=x,y", {"multirun": True, "lr": "0.1,0.2", "amp": True, "db": "x,y"}),
    ("--password c2VjcmV0= --db-password p@ss=word! --account-key a=b", {
        "password": "c2VjcmV0=", "db_password": "p@ss=word!", "account_key": "a=b"}),
    ("--password -hunter2 --token a=b --key -x", {
        "password": "-hunter2", "token": "a=b", "key": True, "x": True}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "params"), TABLE, ids=[row[0] for row in TABLE])
def test_table(arguments: str, params: dict[str, object]) -> None:
    words = [word.replace("\0", " ") for word in arguments.replace("'a b'", "'a\0b'").split()]
    found = params_from_arguments(words)
    assert found == params
    assert [type(value) for value in found.values()] == [type(value) for value in params.values()]


def test_long_things_are_cut() -> None:
    long = "x" * 10_000
    found = params_from_arguments(["--a", long, f"b={long}", *[f"--p{i}=1" for i in range(2000)]])
    assert len(found) == MAX_PARAMS
    assert found["a"] == found["b"] == "x" * MAX_VALUE_CHARACTERS + "…"
    assert len(found) == MAX_PARAMS
    assert len(params_from_arguments(["--n", *map(str, range(1000))])["n"]) == MAX_ITEMS
    assert len(params_from_arguments(["--n=1"] * 1000)["n"]) == MAX_ITEMS
    assert params_from_arguments(["--" + "k" * 300, "1", "--k", "9" * 5000])["k"].endswith("…")


WORD = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="-+=.[]'\"naif01e:/@~", max_size=12),
    st.sampled_from(
        [
            "--",
            "-",
            "--a",
            "-1",
            "--a=",
            "+x=1",
            "-m",
            "-c",
            "python",
            "env",
            "run",
            "bash",
            "R",
            "--args",
            "x.py",
        ]
    ),
    st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010, categories=None), max_size=4),
)


@given(st.lists(WORD, max_size=12))
def test_reading_arguments_never_fails(words: list[str]) -> None:
    for name, value in params_from_arguments(words).items():
        assert name
        assert value is None or isinstance(value, bool | int | float | str | list)


@given(st.lists(WORD, max_size=12))
def test_taking_a_command_apart_never_fails(words: list[str]) -> None:
    line = parse_command_line(words)
    assert list(line.arguments) == words[len(words) - len(line.arguments) :]


COMMANDS = [
    ("train.sh --lr 1", "train.sh", "--lr 1"),
    ("./train --lr 1", "./train", "--lr 1"),
    ("python train.py --lr 1", "train.py", "--lr 1"),
    ("python3.12 -u -W error -Xdev -OO train.py -m 3", "train.py", "-m 3"),
    ("/opt/env/bin/python -m pkg.train --lr 1", "pkg.train", "--lr 1"),
    ("python -um pkg.train --lr 1", "pkg.train", "--lr 1"),
    ("python -c code --lr 1", "python", "--lr 1"),
    ("python -", "python", ""),
    ("python --version", "python", ""),
    ("python -m torch.distributed.run --nproc_per_node 4 train.py --lr 1", "train.py", "--lr 1"),
    ("python -m cProfile -o out.prof train.py --lr 1", "train.py", "--lr 1"),
    ("Rscript --vanilla fit.R --lr 1", "fit.R", "--lr 1"),
    ("Rscript -e expr --lr 1", "Rscript", "--lr 1"),
    ("R -q -f fit.R --args --lr 1", "fit.R", "--lr 1"),
    ("bash -ex train.sh --lr 1", "train.sh", "--lr 1"),
    ("bash -o pipefail train.sh lr=1", "train.sh", "lr=1"),
    ("sh -c text --lr 1", "sh", ""),
    ("julia --project=. -t 4 fit.jl --lr 1", "fit.jl", "--lr 1"),
    ("java -Xmx4g -jar fit.jar --lr 1", "fit.jar", "--lr 1"),
    ("env A=1 B=2 python train.py --lr 1", "train.py", "--lr 1"),
    ("nohup mytool --lr 1", "mytool", "--lr 1"),
    ("timeout -k 5 1h nice -n 10 python train.py --lr 1", "train.py", "--lr 1"),
    ("torchrun --nproc_per_node 4 train.py --lr 1", "train.py", "--lr 1"),
    ("torchrun --nproc_per_node=4 -m pkg.train --lr 1", "pkg.train", "--lr 1"),
    ("accelerate launch --config_file c.yaml train.py --lr 1", "train.py", "--lr 1"),
    ("uv run train.py --lr 1", "train.py", "--lr 1"),
    ("uv run --with numpy python -m pkg --lr 1", "pkg", "--lr 1"),
    ("poetry run train --lr 1", "train", "--lr 1"),
    ("conda run -n env python train.py --lr 1", "train.py", "--lr 1"),
    ("mpirun -np 4 ./fit --lr 1", "./fit", "--lr 1"),
    ("srun --gres=gpu:1 ./fit --lr 1", "./fit", "--lr 1"),
    ("srun mystery --lr 1", "srun", ""),
]


@pytest.mark.parametrize(("command", "entry", "arguments"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_the_programs_own_arguments(command: str, entry: str, arguments: str) -> None:
    line = parse_command_line(command.split())
    assert (line.entry_point, " ".join(line.arguments)) == (entry, arguments)


VALUES = [
    ("[1, 2]", {"a": [1, 2]}),
    ("[0.1,null,true,relu,'8', 007]", {"a": [0.1, None, True, "relu", "8", "007"]}),
    ("[[1,2],[3]]", {"a": [[1, 2], [3]]}),
    ("[]", {"a": []}),
    ("{x: 1}", {"a.x": 1}),
    ('{"x":1,"y":{"z":[1,2]}}', {"a.x": 1, "a.y.z": [1, 2]}),
    ("{}", {"a": "{}"}),
    ("'007'", {"a": "007"}),
    ('"true"', {"a": "true"}),
    ("007", {"a": "007"}),
    ("-05", {"a": "-05"}),
    ("01e5", {"a": "01e5"}),
    ("0", {"a": 0}),
    ("0.5", {"a": 0.5}),
    ("0x1F", {"a": "0x1F"}),
    ("1_000", {"a": "1_000"}),
    ("[MASK]", {"a": "[MASK]"}),
    ("[unused12]", {"a": "[unused12]"}),
    ("{name}", {"a": "{name}"}),
    ("{epoch:02d}", {"a": "{epoch:02d}"}),
    ("{a,b}", {"a": "{a,b}"}),
    ("{{ x }}", {"a": "{{ x }}"}),
    ("{x: }", {"a": "{x: }"}),
    ("{'': 1}", {"a": "{'': 1}"}),
    ("[^a-z]*[0-9]", {"a": "[^a-z]*[0-9]"}),
    ("[*.csv]", {"a": "[*.csv]"}),
    ("[&x 1]", {"a": "[&x 1]"}),
    ("[1] [2]", {"a": "[1] [2]"}),
    ("[1]\n---\n[2]", {"a": "[1]\n---\n[2]"}),
    ("'a' == 'b'", {"a": "'a' == 'b'"}),
    ("[\x00]", {"a": "[\x00]"}),
    ("[\ud800]", {"a": "[?]"}),
    ("[" * 100 + "]" * 100, {"a": "[" * 100 + "]" * 100}),
]


@pytest.mark.parametrize(("text", "params"), VALUES, ids=[ascii(row[0][:30]) for row in VALUES])
def test_values_are_read_alike_wherever_they_are_given(text: str, params: dict[str, object]) -> None:
    ways = (
        parse_param(f"a={text}"),
        params_from_arguments([f"a={text}"]),
        params_from_arguments([f"--a={text}"]),
    )
    for found in ways:
        assert found == params
        assert [type(value) for value in found.values()] == [type(value) for value in params.values()]
    if not text.startswith("-"):
        assert params_from_arguments(["--a", text]) == params


def test_what_a_secret_is_given_has_no_parts() -> None:
    for text in ("{x: hunter2}", "[hunter2]", "'hunter2'"):
        assert parse_param(f"db.password={text}") == {"db.password": text}


def test_a_param_on_the_command_line() -> None:
    assert parse_param("lr=1e-3") == {"lr": 0.001}
    assert parse_param("name=a=b") == {"name": "a=b"}
    assert parse_param("long=" + "x" * 5000) == {"long": "x" * 5000}
    for wrong in ("lr", "=1", " =1"):
        with pytest.raises(ValueError):
            parse_param(wrong)
