"""What the registry writes reads back the same, and what is not in form is told, never a crash."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.registry import ModelComment, ModelRecord, MoveTag, VersionNotes, VersionTag
from gitml.errors import DamagedError, InvalidNameError
from gitml.formats.model_record import decode_comment, decode_model, encode_comment, encode_model
from gitml.formats.registry_names import (
    check_alias,
    check_model_name,
    check_stage,
    decode_part,
    model_id,
    move_ref,
    name_of_id,
    parse_ref,
    version_ref,
)
from gitml.formats.registry_tag import decode_tag, encode_move, encode_version
from gitml.registry.names import ModelName, ModelUriError, parse_model_name
from tests.strategies import names as any_names

_names = any_names.map(lambda name: name.replace("/", "-").replace(":", "-")).filter(
    lambda name: len(model_id(name).encode()) <= 240
)
_texts = st.text(st.characters(codec="utf-8"), max_size=40)
_times = st.integers(0, 250_000_000_000).map(lambda seconds: seconds * 1000)
_numbers = st.integers(1, 10**17)
_tags = st.dictionaries(_names, _texts, max_size=3)


def _content(kind: str, target: str, ref: str, time_ms: int, message: str) -> bytes:
    name = ref.removeprefix("refs/tags/")
    head = f"object {target}\ntype {kind}\ntag {name}\ntagger A <a@b> {time_ms // 1000} +0000\n\n"
    return (head + message).encode()


@given(_names, _numbers, _times, _texts, _tags, _texts, st.booleans())
def test_versions_read_back(name, number, time_ms, text, tags, path, signed):
    ref = version_ref(model_id(name), number)
    tag = VersionTag(
        ref, "1" * 40, "2" * 40, model_id(name), number, "r" * 32, path, f"sha256:{'ab' * 32}", text or None, tags,
        None, "A <a@b>", time_ms,
    )  # fmt: skip
    content = _content("commit", "2" * 40, ref, time_ms, encode_version(tag, f"{name} v{number}"))
    if signed:
        content += b"-----BEGIN PGP SIGNATURE-----\n\nkind: stage\n-----END PGP SIGNATURE-----\n"
    assert decode_tag(ref, "1" * 40, content) == tag


@given(
    _names,
    st.sampled_from(["Production", "Pre Prod"]),
    _numbers,
    _times,
    _texts,
    st.lists(_numbers, max_size=3),
)
def test_events_read_back(name, stage, number, time_ms, text, others):
    ref = move_ref("stage", model_id(name), "production" if stage == "Production" else "pre%20prod", number)
    tag = MoveTag(
        ref, "1" * 40, "2" * 40, model_id(name), 7, "stage", stage, "assigned", number, number, None,
        tuple(sorted(others)), (), text or None, "A <a@b>", time_ms,
    )  # fmt: skip
    assert decode_tag(ref, "1" * 40, _content("tag", "2" * 40, ref, time_ms, encode_move(tag, "x"))) == tag


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: stage", "kind: alias", "of 'alias' of model"),
        ("model: m", "model: n", "of model 'n'"),
        ("version: 7", "version: 0", "names version 0"),
        ("version: 7", "version: true", "names version True"),
        ("stage: Production", "stage: Staging", "of stage 'Staging'"),
        ("event: assigned", "event: set", "has the event 'set'"),
        ("order: 1", "order: -1", "has the order -1"),
        ("order: 1", "order: 1\narchived: 3", "has 3 for 'archived'"),
        ("order: 1", "order: 1\nprevious: x", "'x' for the version before"),
        ("order: 1", "order: [", "line"),
        ("type tag", "type commit", "must tag the tag"),
        ("tagger A <a@b> 1 +0000\n", "", "who and when"),
        ("stages/m/production/1\nt", "stages/m/production/2\nt", "calls itself"),
        ("\n\nkind", "\nkind", "no facts"),
    ],
)
def test_tags_that_say_something_else_are_told(old: str, new: str, problem: str):
    ref = move_ref("stage", "m", "production", 1)
    tag = MoveTag(
        ref,
        "",
        "2" * 40,
        "m",
        7,
        "stage",
        "Production",
        "assigned",
        1,
        1,
        None,
        (),
        (),
        None,
        "A <a@b>",
        1000,
    )
    content = _content("tag", "2" * 40, ref, 1000, encode_move(tag, "x"))
    assert replace(tag, oid="1" * 40) == decode_tag(ref, "1" * 40, content)
    changed = content.replace(old.encode(), new.encode(), 1)
    assert changed != content
    with pytest.raises(DamagedError, match=problem):
        decode_tag(ref, "1" * 40, changed)


@given(
    st.builds(
        ModelRecord,
        id=_names.map(model_id),
        name=_names,
        created_ms=_times,
        updated_ms=_times,
        deleted_ms=st.none() | _times,
        description=st.none() | _texts,
        former=st.lists(_names, max_size=2).map(tuple),
        tags=_tags,
        versions=st.dictionaries(
            _numbers,
            st.builds(VersionNotes, st.none() | _texts, st.dictionaries(_names, st.none() | _texts), _times),
            max_size=2,
        ),
        extra=st.just({"added": "later"}),
    )
)
def test_records_of_models_read_back(model: ModelRecord):
    assert decode_model(encode_model(model)) == model


@given(st.builds(ModelComment, _texts, _times, _texts, st.none() | _numbers))
def test_comments_read_back(comment: ModelComment):
    path, data = encode_comment(comment)
    assert decode_comment(data, source=path) == comment


@given(_names, st.integers(1, 50))
def test_ids_are_parts_of_refs_that_git_takes_and_give_the_name_back(name: str, count: int):
    part = model_id(name, count)
    assert name_of_id(part) == name
    known = parse_ref(version_ref(part, 3))
    assert known is not None
    assert (known.model, known.number) == (part, 3)
    # git-check-ref-format(1), and what no shell or file system can take.
    assert not part.startswith((".", "-"))
    assert not part.endswith((".lock", "."))
    assert ".." not in part
    assert not set(part) & set(" ~^:?*[\\\"'$&;|<>(){}!`#\n\t@/")
    if count == 1:
        assert decode_part(part) == name


def test_names_that_cannot_be_say_why():
    for name in ("", " x", "a/b", "a:b", "a\tb", "x" * 251, 3, "\N{GRINNING FACE}" * 21):
        with pytest.raises(InvalidNameError):
            check_model_name(name)
    for alias in ("", "v3", "V12", "7", "latest", "Latest", "a b", "a/b", "é", "x" * 256):
        with pytest.raises(InvalidNameError):
            check_alias(alias)
    assert check_alias("v3-rc.1") == "v3-rc.1"
    assert check_stage("pRoduction") == "Production"
    with pytest.raises(InvalidNameError) as caught:
        check_stage("None")
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models:/churn/3", ModelName("version", "churn", version=3)),
        ("models:///churn/3", ModelName("version", "churn", version=3)),
        ("models:/churn/3/a/b.bin", ModelName("version", "churn", version=3, path="a/b.bin")),
        ("models:/churn/STAGING", ModelName("stage", "churn", "Staging")),
        ("models:/churn/Latest", ModelName("latest", "churn")),
        ("models:/churn@champion", ModelName("alias", "churn", "champion")),
        ("models:/churn@champion/sub", ModelName("alias", "churn", "champion", path="sub")),
        ("models:/a@b/3", ModelName("version", "a@b", version=3)),
        ("models:/my model/7", ModelName("version", "my model", version=7)),
        ("runs:/4c8ae10f/model", ModelName("run", "4c8ae10f", path="model")),
        ("runs:/brisk-heron", ModelName("run", "brisk-heron")),
        ("churn@v3", ModelName("version", "churn", version=3)),
        ("a@b@champion", ModelName("alias", "a@b", "champion")),
        ("churn#production", ModelName("stage", "churn", "Production")),
        ("churn@latest", ModelName("latest", "churn")),
    ],
)
def test_names_in_all_forms(text: str, expected: ModelName):
    assert parse_model_name(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "churn",
        "models:/",
        "models:/churn",
        "models:churn/3",
        "models://host/churn/3",
        "runs:/",
        "runs:x",
        "@v3",
    ],
)
def test_what_names_no_model_gets_a_remedy(text: str):
    with pytest.raises((ModelUriError, InvalidNameError)) as caught:
        parse_model_name(text)
    assert caught.value.hint
