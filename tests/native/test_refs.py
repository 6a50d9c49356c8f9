"""A ref read from its files is what git says it is."""

from __future__ import annotations

import resource

import pytest

from gitml.errors import DamagedError
from gitml.git.refs import RefLockedError, read_ref, set_ref

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


def test_a_ref_moves_only_from_where_it_must_be(recorded, git):
    git_dir, ref = recorded.folder / ".git", "refs/heads/gitml/runs"
    git(recorded.folder, "pack-refs", "--all")
    assert not set_ref(git_dir, ref, recorded.first, recorded.first)
    assert not set_ref(git_dir, ref, None, recorded.first)
    assert set_ref(git_dir, ref, recorded.second, recorded.first)
    assert git(recorded.folder, "rev-parse", ref).strip() == recorded.first
    (git_dir / f"{ref}.lock").touch()
    with pytest.raises(RefLockedError):
        set_ref(git_dir, ref, recorded.first, recorded.second)
    assert read_ref(git_dir, ref) == recorded.first


@pytest.mark.parametrize("ref", ["refs/heads/main/below", "refs/heads/gitml"])
@pytest.mark.parametrize("packed", [True, False])
def test_no_ref_is_made_above_or_below_another(recorded, git, ref, packed):
    if packed:
        git(recorded.folder, "pack-refs", "--all", "--prune")
    with pytest.raises((NotADirectoryError, IsADirectoryError)):
        set_ref(recorded.folder / ".git", ref, None, recorded.first)
    assert "lock" not in " ".join(path.name for path in (recorded.folder / ".git/refs").rglob("*"))
    git(recorded.folder, "fsck", "--strict")


def test_a_ref_that_has_no_room_stays_as_it_was(recorded, git):
    """The system takes ten bytes of forty-one, as a disk that fills up does."""
    git_dir, ref = recorded.folder / ".git", "refs/heads/gitml/runs"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="space"):
            set_ref(git_dir, ref, recorded.second, recorded.first)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_ref(git_dir, ref) == recorded.second
    assert not (git_dir / f"{ref}.lock").exists()
    assert set_ref(git_dir, ref, recorded.second, recorded.first)
