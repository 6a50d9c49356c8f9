"""Laws of the fold: the order of arrival does not matter, clocks do not matter, and what is concurrent is settled."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.registry import ModelRecord, MoveTag, VersionNotes, VersionTag
from gitml.index.fold_models import fold_models
from gitml.registry.state import ModelState, fold, sort_key

_STAGES = ("Staging", "Production", "Archived")


def _version(number: int) -> VersionTag:
    return VersionTag(
        f"refs/tags/gitml/models/m/v{number}", f"{number:040x}", "c" * 40, "m", number, "run", "", "sha256:0", None, {},
        None, "Ada <a@b>", 1000 * number,
    )  # fmt: skip


def _move(version: int, name: str, order: int, **facts) -> MoveTag:
    plain = MoveTag(
        f"refs/tags/gitml/stages/m/{name.lower()}/{order}", "0" * 40, f"{version:040x}", "m", version, "stage", name,
        "assigned", order, order, None, (), (), None, "Ada <a@b>", 1000,
    )  # fmt: skip
    return replace(plain, **facts)


_moves = st.lists(
    st.builds(
        _move,
        version=st.integers(1, 4),
        name=st.sampled_from(_STAGES),
        order=st.integers(1, 6),
        event=st.sampled_from(["assigned", "assigned", "removed"]),
        archived=st.lists(st.integers(1, 4), max_size=2).map(tuple),
        left=st.lists(st.integers(1, 4), max_size=2).map(tuple),
        time_ms=st.sampled_from([1000, 2000]),
    ),
    max_size=12,
    unique_by=sort_key,
)
_aliases = st.lists(
    st.builds(
        _move,
        version=st.integers(1, 4),
        name=st.sampled_from(["champion", "next"]),
        order=st.integers(1, 6),
        kind=st.just("alias"),
        event=st.sampled_from(["set", "removed"]),
    ),
    max_size=4,
    unique_by=sort_key,
)


@given(_moves, _aliases, st.randoms(use_true_random=False), st.integers(0, 16))
def test_the_order_of_arrival_does_not_matter(moves, others, dice, split):
    events = [*moves, *others]
    versions = [_version(number) for number in range(1, 5)]
    at_once = ModelState.of("m", versions, events)
    dice.shuffle(events)
    late = ModelState.of("m", versions[:2], events[:split]).with_more(versions[2:], events[split:])
    assert late.moves == at_once.moves
    assert late.events == at_once.events
    assert late.versions() == at_once.versions()
    for stage in _STAGES:
        holder = at_once.holder(stage)
        assert holder is None or at_once.stage_of(holder) == stage
        assert holder in [*at_once.in_stage(stage), None]
        assert (holder is None) == (not at_once.in_stage(stage))
    # A version is in one stage at most.
    assert len({v for stage in _STAGES for v in at_once.in_stage(stage)}) == sum(
        len(at_once.in_stage(stage)) for stage in _STAGES
    )


def test_an_answer_comes_after_what_it_answers_whatever_the_clocks_say():
    first = _move(1, "Production", 1, time_ms=9000)  # a clock that is ahead
    answer = _move(2, "Production", 2, time_ms=1000, archived=(1,))
    moves = fold([answer, first])
    assert moves.holder("production") == 2
    assert moves.stage_of[1] == "archived"


def test_who_archives_a_version_that_went_elsewhere_meanwhile_leaves_it_there():
    before = _move(3, "Production", 1)
    away = _move(3, "Staging", 2, time_ms=1000)
    other = _move(4, "Production", 2, time_ms=2000, archived=(3,))
    assert fold([before, other, away]).stage_of == {3: "staging", 4: "production"}


_texts = st.sampled_from(["a", "b", "c"])
_records = st.builds(
    ModelRecord,
    id=st.just("m"),
    name=_texts,
    created_ms=st.integers(1, 9),
    updated_ms=st.integers(1, 9),
    deleted_ms=st.none() | st.integers(1, 3),
    description=st.none() | _texts,
    former=st.lists(_texts, max_size=2, unique=True).map(lambda names: tuple(sorted(names))),
    tags=st.dictionaries(_texts, _texts, max_size=2),
    versions=st.dictionaries(
        st.integers(1, 2),
        st.builds(
            VersionNotes,
            st.none() | _texts,
            st.dictionaries(_texts, st.none() | _texts, max_size=2),
            st.none() | st.integers(1, 3),
        ),
        max_size=2,
    ),
)


@given(st.lists(_records, min_size=1, max_size=4), st.none() | _records, st.randoms(use_true_random=False))
def test_records_made_apart_are_merged_alike_everywhere(states, base, dice):
    records = [(number, f"{number:040x}", state) for number, state in enumerate(states)]
    merged = fold_models(records, base)
    again = [*records, records[0]]
    dice.shuffle(again)
    assert fold_models(again, base) == merged
    if base is not None:
        # Who changed nothing has no say.
        unchanged = (99, "f" * 40, base)
        alone = fold_models([records[-1], unchanged], base)
        wanted = records[-1][2]
        assert (alone.description, alone.tags, alone.deleted_ms) == (
            wanted.description, wanted.tags, wanted.deleted_ms,
        )  # fmt: skip
