"""A remote that sends something else than runs: nothing of it joins."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import closing

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.formats.pointer import encode_attributes, encode_pointer
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF
from gitml.sync.findings import UnsoundRecordsError
from tests.sync.forge import EXECUTABLE, LINK, Forge, a_run

_POINTER = Pointer("ab" * 32, 10**15)


@pytest.fixture
def forge(server):
    with closing(GitRepo.discover(server)) as git:
        yield Forge(git)


@pytest.fixture
def victim(clone):
    made = clone("bob")
    made.record("his")
    return made


def _refuses(victim, git) -> str:
    before = git(victim.folder, "rev-parse", RUNS_REF), victim.states()
    with pytest.raises(GitmlError) as caught:
        victim.pull()
    with pytest.raises(GitmlError):
        victim.push()
    assert (git(victim.folder, "rev-parse", RUNS_REF), victim.states()) == before
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize(
    "extra",
    [
        {"artifacts/x": (LINK, "")},
        {"run.yaml": (LINK, "")},
        {"artifacts/run.sh": (EXECUTABLE, "")},
        {"artifacts/..": b"x"},
        {"artifacts/.git/config": b"x"},
        {"artifacts/a\\b": b"x"},
        {"../../outside": b"x"},
        {"history/loss.tsv": b"x", "metrics.yaml": b"not: [a, metric\n"},
        {"artifacts/model.bin": encode_pointer(_POINTER)},
        {"artifacts/small.txt": b"x", ".gitattributes": encode_attributes({"artifacts/small.txt": True})},
        {".gitattributes": b"* filter=evil\n"},
        {"run.yaml": b"a: &a [x]\nb: [*a, *a]\n"},
    ],
)
def test_a_record_that_is_not_sound(forge, victim, git, extra):
    blob = forge.raw("blob", b"/etc/passwd")
    files = {
        path: (content[0], blob) if isinstance(content, tuple) else content for path, content in extra.items()
    }
    forge.git.move_ref(RUNS_REF, None, forge.record(a_run(), files))
    told = _refuses(victim, git)
    assert "origin" in told


def test_what_git_finds_malformed_is_named(forge, victim, git):
    forge.git.move_ref(RUNS_REF, None, forge.record(a_run(), {"artifacts/..": b"x"}))
    assert "hasDotdot" in _refuses(victim, git)


def test_one_bad_record_among_good_ones(forge, victim, git):
    good = forge.record()
    bad = forge.record(a_run(id="../../../../tmp/x"), message=None, parents=[good])
    forge.git.move_ref(RUNS_REF, None, bad)
    assert bad[:12] in _refuses(victim, git)


def test_the_way_out_of_a_bad_record(forge, victim, git):
    """Who may rewrite the branch is told what to type, and until then the inbox is open."""
    folder = forge.git.common_dir
    good = forge.record(a_run(name="good"))
    bad = forge.record(a_run(id="../../../../tmp/x"), message=None, parents=[good])
    tip = forge.record(a_run(name="after"), parents=[bad])
    forge.git.move_ref(RUNS_REF, None, tip)
    waiting = forge.record(a_run(name="waiting"))
    forge.git.move_ref(f"refs/gitml/inbox/{waiting}", None, waiting)
    with pytest.raises(UnsoundRecordsError) as caught:
        victim.pull()
    hint = caught.value.hint or ""
    assert hint.startswith("sound runs from the inbox were joined; nothing of that branch was joined")
    assert {run.name for run in victim.runs().values()} == {"his", "waiting"}
    assert victim.push(inbox=True).inbox
    command = hint.partition("types: ")[2].partition(" (docs")[0]
    subprocess.run(shlex.split(command), cwd=victim.folder, check=True, capture_output=True)
    assert git(folder, "rev-parse", RUNS_REF).strip() == good
    victim.pull()
    assert {run.name for run in victim.runs().values()} == {"his", "waiting", "good"}


def test_a_branch_that_is_bad_from_its_beginning_goes(forge, victim, git):
    forge.git.move_ref(RUNS_REF, None, forge.record(a_run(id="../x"), message=None))
    with pytest.raises(UnsoundRecordsError) as caught:
        victim.pull()
    command = (caught.value.hint or "").partition("types: ")[2].partition(" (docs")[0]
    subprocess.run(shlex.split(command), cwd=victim.folder, check=True, capture_output=True)
    assert victim.pull().records == 0


def test_the_inbox_is_inspected_too(forge, victim, git):
    bad = forge.record(a_run(), {"artifacts/x": (LINK, forge.raw("blob", b"/etc/passwd"))})
    forge.git.move_ref(f"refs/gitml/inbox/{bad}", None, bad)
    good = forge.record(a_run(name="good"))
    forge.git.move_ref(f"refs/gitml/inbox/{good}", None, good)
    pulled = victim.pull()
    assert [finding.commit for refusal in pulled.refused for finding in refusal.findings] == [bad]
    assert {run.name for run in victim.runs().values()} == {"his", "good"}
    victim.push()
    assert git(forge.git.common_dir, "for-each-ref", "--format=%(objectname)", "refs/gitml").split() == [bad]


def test_a_ref_named_like_an_option_is_no_run(forge, victim, git):
    good = forge.record()
    git(forge.git.common_dir, "update-ref", f"refs/gitml/inbox/--upload-pack={good[:7]}", good)
    assert victim.pull().records == 0
    assert victim.push().records == 1


def test_a_huge_pointer_is_only_a_promise(forge, victim, git):
    files = {
        "artifacts/model.bin": encode_pointer(Pointer("ab" * 32, 10**12)),
        ".gitattributes": encode_attributes({"artifacts/model.bin": True}),
    }
    forge.git.move_ref(RUNS_REF, None, forge.record(a_run(name="theirs"), files))
    victim.pull()
    assert {run.name for run in victim.runs().values()} == {"his", "theirs"}


def test_a_history_that_was_rewritten_takes_nothing_away(forge, victim, git):
    first = forge.record(a_run(name="first"))
    forge.git.move_ref(RUNS_REF, None, first)
    victim.pull()
    forge.git.move_ref(RUNS_REF, first, forge.record(a_run(name="other")))
    victim.pull()
    assert {run.name for run in victim.runs().values()} == {"his", "first", "other"}
