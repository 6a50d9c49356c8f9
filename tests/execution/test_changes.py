"""Other values in a recorded command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import UsageError
from gitml.execution.reproduction.changes import change_command, find_arguments
from gitml.launching.arguments import params_from_arguments

_words = st.lists(
    st.sampled_from(["--lr", "--lr=1", "-j4", "-e", "10", "-3", "--amp", "--no-cuda", "x=2", "+m.d=3", "data.csv", "--", "-m", "[1]"]),
    max_size=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "changes", "expected"),
    [
        ("python train.py --lr 0.1 --seed 3", {"lr": "0.2"}, "python train.py --lr 0.2 --seed 3"),
        ("python -m pkg.train --lr=0.1", {"lr": "1e-3"}, "python -m pkg.train --lr=1e-3"),
        ("python train.py model.depth=3 +opt=sgd", {"opt": "adam", "model.depth": "4"}, "python train.py model.depth=4 +opt=adam"),
        ("prog --learning-rate 1 data.csv", {"learning_rate": "-2"}, "prog --learning-rate -2 data.csv"),
        ("prog --name a", {"name": "--evil"}, "prog --name=--evil"),
        ("prog --layers 64 32 --end", {"layers": "8 8 8"}, "prog --layers 8 8 8 --end"),
        ("prog -j4 --amp --x=1", {"j": "2", "amp": "false"}, "prog -j2 --x=1"),
        ("prog --no-cuda", {"cuda": "false"}, "prog --no-cuda"),
        ("torchrun --nproc 2 train.py --lr 1", {"lr": "2"}, "torchrun --nproc 2 train.py --lr 2"),
    ],
)  # fmt: skip
def test_an_argument_keeps_its_form(command, changes, expected):
    assert change_command(command.split(), changes) == tuple(expected.split())


@pytest.mark.parametrize(
    ("command", "changes", "message", "hint"),
    [
        ("prog --momentum 1", {"momentun": "2"}, "no parameter of that name", "momentum"),
        ("prog --lr 1", {"seed": "2"}, "set it by itself", "lr"),
        ("prog --lr 1 --lr 2", {"lr": "3"}, "several times", "checkout"),
        ("prog --amp", {"amp": "maybe"}, "neither true nor false", "amp=false"),
        ("prog --password [redacted:|password]", {}, "in place of a secret", "--set password=…"),
        ("prog [redacted:|github|token]", {}, "in place of a secret", "yourself"),
    ],
)
def test_what_can_not_be_changed_is_said(command, changes, message, hint):
    with pytest.raises(UsageError, match=message) as raised:
        change_command([word.replace("|", " ") for word in command.split()], changes, logged=["seed"])
    assert hint in (raised.value.hint or "")


@given(_words)
def test_the_words_found_are_those_that_the_params_were_read_from(words):
    command = ["prog", *words]
    whole = params_from_arguments(words)
    found = find_arguments(command)
    assert {argument.name for argument in found} == whole.keys()
    for argument in found:
        if sum(other.name == argument.name for other in found) == 1:
            assert whole[argument.name] == argument.value


@given(_words, st.sampled_from(["5", "0.25", "text"]))
def test_a_value_that_is_set_is_the_value_that_is_read(words, text):
    command = ["prog", *words]
    names = [argument.name for argument in find_arguments(command)]
    for argument in find_arguments(command):
        if names.count(argument.name) > 1 or isinstance(argument.value, bool):
            continue
        if text == "text" and argument.end == argument.start + 1 and argument.name in ("j", "e"):
            continue  # `-jtext` is an option of another name to us
        changed = change_command(command, {argument.name: text})
        value = params_from_arguments(changed[1:])[argument.name]
        # A number in place of a text may seem to go on with numbers that stood after the text.
        assert str(value[0] if isinstance(value, list) else value) == text
