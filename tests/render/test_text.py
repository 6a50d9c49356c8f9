"""Nothing from data may command a terminal, and columns stay columns."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.render.text import clean, clean_block, clean_json, clean_output, clip, clip_apart, pad, width
from tests.render.builder import HOSTILE

ANYTHING = st.text(st.characters(codec=None), max_size=60)


@given(ANYTHING)
def test_cleaned_text_is_one_line_of_harmless_letters(text: str) -> None:
    cleaned = clean(text)
    for letter in cleaned:
        assert unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp")
        assert letter not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff"
    assert clean(cleaned) == cleaned
    cleaned.encode()


def test_hostile_names_show_what_they_hide() -> None:
    assert clean("a\x1b]0;title\x07b") == "a\\x1b]0;title\\x07b"
    assert clean("gnp\u202eexe.png") == "gnp\\u202eexe.png"
    assert clean("one\n two\tthree") == "one two three"
    assert "\x1b" not in clean(HOSTILE)


def test_blocks_keep_their_lines() -> None:
    assert clean_block("a\r\nb\tc\x1b") == "a\nb\tc\\x1b"


def test_output_keeps_colours_and_loses_every_other_command() -> None:
    text = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[5;5Hx"
    assert clean_output(text, colour=False) == "red  x"
    assert clean_output(text, colour=True) == "\x1b[31mred\x1b[0m  x\x1b[0m"


def test_progress_bars_are_shown_as_they_ended() -> None:
    assert clean_output("10%\r 50%\r100%\ndone\r\n", colour=False) == "100%\ndone\n"


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("abc", 3),
        ("日本", 4),
        ("e\u0301", 1),
        ("🚀", 2),
        ("👩\u200d🔬", 2),
        ("👍🏽", 2),
        ("🇫🇷🇩🇪", 4),
        ("❤\ufe0f", 2),
        ("עברית", 5),
        ("", 0),
    ],
)
def test_width_counts_cells(text: str, cells: int) -> None:
    assert width(text) == cells


@given(ANYTHING.map(clean), st.integers(1, 40))
def test_clipped_and_padded_text_fills_its_column_exactly(text: str, cells: int) -> None:
    clipped = clip(text, cells)
    assert width(clipped) <= cells
    assert width(pad(clipped, cells)) == cells
    assert width(pad(clipped, cells, right=True)) == cells
    if width(text) <= cells:
        assert clipped == text


def test_clipping_never_cuts_what_is_drawn_as_one() -> None:
    assert clip("👩\u200d🔬👩\u200d🔬", 3) == "👩\u200d🔬…"


@pytest.mark.parametrize("cells", [8, 20, 48])
@pytest.mark.parametrize("ends", [("1", "2"), ("", "2"), ("1" + "y" * 90, "2" + "y" * 90), ("語", "言")])
def test_what_differs_far_on_still_looks_different(cells: int, ends: tuple[str, str]) -> None:
    one, other = clip_apart(["x" * 200 + end for end in ends], cells)
    assert one != other
    assert max(width(one), width(other)) <= cells


def test_json_stays_the_same_when_it_is_made_safe() -> None:
    text = json.dumps({"a": "\x9b\u202e\U000e0041ü\n"}, ensure_ascii=False, indent=1)
    assert json.loads(clean_json(text)) == json.loads(text)
    assert clean_json(text).replace("ü", "").isascii()
