from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import forked_gitml
from tests.docs.examples import Ids, blocks, matches, run_page
from tests.quick import QuickGitml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _has_examples(page: Path) -> bool:
    return any(block.is_run for block in blocks(page.read_text(encoding="utf-8")))


# Their examples train, serve and load models, each in new processes: run with the heavy tests only.
SLOW = {
    ROOT / "docs/how-to" / f"{name}.md"
    for name in ("evaluate-a-model", "log-models", "score-in-batches", "serve-a-model")
}


def of_each(pages: Iterable[Path]) -> pytest.MarkDecorator:
    shown = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages if _has_examples(page)]
    return pytest.mark.parametrize("page", shown)


@of_each(page for page in PAGES if page not in SLOW)
def test_examples_do_what_the_page_shows(page: Path, tmp_path: Path, quick: QuickGitml):
    command = f'"{sys.executable}" -I -S "{forked_gitml.__file__}" run "{quick.socket}"'
    differences = run_page(page, tmp_path / "room", command)
    assert not differences, "\n\n".join(map(str, differences))


@pytest.mark.heavy
@pytest.mark.timeout(300)
@of_each(PAGES)
def test_examples_do_so_when_gitml_is_started_for_each(page: Path, tmp_path: Path):
    differences = run_page(page, tmp_path / "room")
    assert not differences, "\n\n".join(map(str, differences))


def test_most_pages_for_users_have_examples():
    with_examples = {str(p.relative_to(ROOT)) for p in PAGES if _has_examples(p)}
    assert set(PAGES) >= SLOW
    assert {"README.md", "docs/tutorial.md", "docs/reference/filters.md"} <= with_examples


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        (["run 9f31c02 done in 2.1s"], ["run  77aa0b1   done in 340ms"], True),
        (["a … z", "…", "end"], ["a b z", "1", "2", "end"], True),
        (["…", "end"], ["end"], True),
        (["loss 0.5"], ["loss 0.6"], False),
        (["one"], ["one", "two"], False),
        ([], [], True),
    ],
)
def test_output_is_compared_but_for_what_changes(shown: list[str], actual: list[str], same: bool):
    assert matches(shown, actual) is same


def test_an_id_means_the_same_all_over_a_page():
    ids = Ids()
    assert (
        ids.conflict(
            ["run 9f31c02 done", "at 1111111 (9f31c02)"], ["run 77aa0b1 done", "at 2222222 (77aa0b1)"]
        )
        == ""
    )
    assert ids.conflict(["…", "9f31c02f00"], ["77aa0b1d00"]) == ""  # lines are left out
    assert "8888888 is shown here, 9f31c02 above" in ids.conflict(["8888888"], ["77aa0b1"])
    assert "9f31c02 is shown here" in ids.conflict(["9f31c02"], ["3333333"])
    assert ids.translated("… 9f31c02f00 and 1111111") == "… 77aa0b1f00 and 2222222"
