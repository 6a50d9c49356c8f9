"""Numbers found in what a program prints."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import GitmlError, InvalidNameError, UsageError
from gitml.launching.scalars import MAX_LINE_CHARACTERS, ScalarScanner, compile_rule

Found = list[tuple[str, float, "int | None"]]


def scan(text: str | bytes, *rules: str, pieces: int = 1) -> Found:
    found: Found = []
    scanner = ScalarScanner([compile_rule(rule) for rule in rules], lambda *scalar: found.append(scalar))
    data = text.encode() if isinstance(text, str) else text
    for start in range(0, len(data), max(1, len(data) // pieces)):
        scanner.feed(data[start : start + max(1, len(data) // pieces)])
    scanner.finish()
    return found


AUTO = [
    ("loss: 0.31", [("loss", 0.31, None)]),
    ("loss:0.31, acc=91.2%", [("loss", 0.31, None), ("acc", 91.2, None)]),
    ("Epoch 3/10 - loss: 0.5000 - val/acc: 9e-1", [("loss", 0.5, 3), ("val/acc", 0.9, 3)]),
    ("{'loss': 0.31, 'lr': 1e-05, 'epoch': 1.0}", [("loss", 0.31, 1), ("lr", 1e-05, 1)]),
    ('{"step": 120, "loss": 2}', [("loss", 2, 120)]),
    ("[step 7] loss = 3", [("loss", 3, 7)]),
    ("global_step=40 reward=-1.5", [("reward", -1.5, 40)]),
    ("INFO:root:loss: 0.5", [("loss", 0.5, None)]),
    (" 42%|####  | 42/100 [00:12<00:17, 3.4it/s, loss=0.1]", [("loss", 0.1, None)]),
    ("\x1b[1mloss\x1b[0m: \x1b[31m0.5\x1b[0m", [("loss", 0.5, None)]),
    ("loss: nan; best: -inf", [("loss", math.nan, None), ("best", -math.inf, None)]),
    (
        "lr=1,000, seen: 12,345.5; loss=-1,234,567",
        [("lr", 1000, None), ("seen", 12345.5, None), ("loss", -1234567, None)],
    ),
    ("step 1,200/10,000 a=1,0000 b=1,20 c=7,000", [("a", 1, 1200), ("b", 1, 1200), ("c", 7000, 1200)]),
    ("accuracy : 0.9.", [("accuracy", 0.9, None)]),
    ("12:30:45 ETA: 0:10 took: 3s on localhost:8080 at http://x:80/ v=1.2.3 id=3f", []),
    ("", []),
]


@pytest.mark.parametrize(("line", "expected"), AUTO, ids=[row[0] for row in AUTO])
def test_auto(line: str, expected: Found) -> None:
    assert repr(scan(line, "auto")) == repr(expected)


def test_named_groups_name_metrics() -> None:
    text = "it 10 train 0.5 valid 0.75\nit 20 train 0.25 valid n/a\n"
    rule = r"it (?P<step>\d+) train (?P<train>\S+) valid (?P<valid>\S+)"
    assert scan(text, rule) == [("train", 0.5, 10), ("valid", 0.75, 10), ("train", 0.25, 20)]


def test_key_and_value_groups() -> None:
    assert scan("#a -> 1#b -> 2", r"#(?P<key>\w+) -> (?P<value>\d+)") == [("a", 1, None), ("b", 2, None)]
    assert scan("a -> 1, b -> 2.5", r"(\w+) -> ([\d.]+)") == [("a", 1, None), ("b", 2.5, None)]
    assert scan("3| a -> 1", r"(?P<step>\d+)\| (\w+) -> (\d+)") == [("a", 1, 3)]


def test_thousands_in_groups() -> None:
    assert scan("saw 1,000 of 2,000,000 1,00", r"saw (?P<saw>\S+) of (?P<total>\S+) (?P<odd>\S+)") == [
        ("saw", 1000, None),
        ("total", 2_000_000, None),
    ]


def test_several_rules() -> None:
    assert scan("x 1 y 2", r"x (?P<x>\d)", r"y (?P<y>\d)") == [("x", 1, None), ("y", 2, None)]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("(", r"is not a regular expression: missing \) at character 2"),
        ("loss", "which part"),
        ("(loss)", "which part"),
    ],
)
def test_wrong_rules_are_refused(rule: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        compile_rule(rule)


def test_carriage_returns_end_lines() -> None:
    assert scan("loss=1\rloss=2\r\nloss=3", "auto") == [
        ("loss", 1, None),
        ("loss", 2, None),
        ("loss", 3, None),
    ]


def test_pieces_do_not_matter() -> None:
    text = "epoch 1 loss: 0.5 größe: 1.5\r\nepoch 2 loss: 0.25\n" * 20
    whole = scan(text, "auto")
    assert len(whole) == 60
    for pieces in (2, 7, 100, len(text)):
        assert scan(text, "auto", pieces=pieces) == whole


def test_endless_lines_are_cut() -> None:
    found: Found = []
    scanner = ScalarScanner([compile_rule("auto")], lambda *scalar: found.append(scalar))
    for _ in range(100):
        scanner.feed(b"x" * 100_000)
    scanner.feed(b" loss: 1\nloss: 2\n")
    scanner.finish()
    assert found == [("loss", 2, None)]
    assert MAX_LINE_CHARACTERS < 100_000


def test_refused_names_are_reported_once() -> None:
    def refuse(key: str, value: float, step: int | None) -> None:
        raise InvalidNameError("metric", key, "it is refused")

    scanner = ScalarScanner([compile_rule("auto")], refuse)
    scanner.feed(b"a=1\na=2\nb=3\n")
    assert scanner.finish() == [
        "metric 'a' can't be used: it is refused",
        "metric 'b' can't be used: it is refused",
    ]


def test_nothing_found_is_said() -> None:
    scanner = ScalarScanner([compile_rule("auto")], lambda *_: None)
    scanner.feed(b"hello\n")
    assert scanner.finish() == ["nothing that was printed matches --scalars"]


def test_a_rule_that_takes_for_ever_is_switched_off() -> None:
    found: Found = []
    rules = [compile_rule("(?P<a>(?:x|x)+)y"), compile_rule("b=(?P<b>.)")]
    scanner = ScalarScanner(rules, lambda *scalar: found.append(scalar))
    started = time.monotonic()
    scanner.feed(b"x" * 60 + b" b=1\n" + b"x" * 60 + b" b=2\n")
    assert scanner.finish() == [
        "--scalars '(?P<a>(?:x|x)+)y' took more than 1 s for a line and was switched off there"
    ]
    assert found == [("b", 1, None), ("b", 2, None)]
    assert time.monotonic() - started < 10


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_output_can_be_scanned(pieces: list[bytes]) -> None:
    scanner = ScalarScanner([compile_rule("auto"), compile_rule(r"(\w+) (.*)")], lambda *_: None)
    for piece in pieces:
        scanner.feed(piece)
    assert isinstance(scanner.finish(), list)
    assert issubclass(UsageError, GitmlError)
