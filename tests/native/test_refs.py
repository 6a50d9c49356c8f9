"""A ref read from its files is what git says it is."""

from __future__ import annotations

import pytest

from gitml.errors import DamagedError
from gitml.git.refs import read_ref

NAMES = ["refs/heads/main", "refs/heads/gitml/runs", "refs/heads/way", "refs/heads/none", "refs/heads/gitml"]


def answers(folder, git) -> list[str | None]:
    told = [
        git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines(),
        [read_ref(folder / ".git", name) for name in NAMES],
    ]
    known = dict(line.split() for line in told[0])
    assert told[1] == [known.get(name) for name in NAMES]
    return told[1]


def test_loose_packed_and_symbolic_refs(recorded, git):
    folder = recorded.folder
    git(folder, "symbolic-ref", "refs/heads/way", "refs/heads/main")
    loose = answers(folder, git)
    git(folder, "pack-refs", "--all")
    assert answers(folder, git) == loose
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "newer than what is packed")
    assert answers(folder, git)[0] != loose[0]


@pytest.mark.parametrize("content", ["", "ref: ../../outside\n", "not an id\n"])
def test_a_broken_ref_is_an_error(recorded, content):
    (recorded.folder / ".git/refs/heads/main").write_text(content)
    with pytest.raises(DamagedError):
        read_ref(recorded.folder / ".git", "refs/heads/main")


def test_refs_that_go_round_in_a_circle_end(recorded, git):
    git(recorded.folder, "symbolic-ref", "refs/heads/one", "refs/heads/two")
    git(recorded.folder, "symbolic-ref", "refs/heads/two", "refs/heads/one")
    with pytest.raises(DamagedError):
        read_ref(recorded.folder / ".git", "refs/heads/one")
