"""Objects written into one pack: what git itself says of them."""

from __future__ import annotations

import pytest

from gitml.git.packs import packing
from gitml.git.repo import GitRepo, TreeEntry


@pytest.fixture(params=["sha1", "sha256"])
def repository(request, tmp_path, git):
    git(tmp_path, "init", "--quiet", f"--object-format={request.param}", "repo")
    opened = GitRepo.discover(tmp_path / "repo")
    yield opened
    opened.close()


def test_git_reads_what_was_packed(repository, git):
    sizes = (0, 1, 15, 16, 17, 2047, 2048, 2049, 300_000)
    with packing(repository) as packer:
        blobs = {f"deep/{size}": TreeEntry(packer.write_blob(b"x" * size)) for size in sizes}
        assert packer.write_blob(b"x") == blobs["deep/1"].oid  # once is enough
        tree = packer.write_tree(blobs)
        commit = packer.write_commit(tree, [], "all\n", author="Ada <ada@example.org>", time_s=1)
    folder = repository.work_tree
    assert repository.move_ref("refs/heads/main", None, commit)
    assert git(folder, "fsck", "--strict") == ""
    assert git(folder, "count-objects", "-v").startswith("count: 0\n")
    (index,) = (repository.common_dir / "objects" / "pack").glob("*.idx")
    git(folder, "verify-pack", str(index))
    for size in sizes:
        assert git(folder, "cat-file", "blob", f"main:deep/{size}") == "x" * size
        assert repository.read_path(commit, f"deep/{size}") == b"x" * size


def test_nothing_is_left_of_a_pack_that_failed(repository):
    with pytest.raises(KeyError), packing(repository) as packer:
        packer.write_blob(b"lost")
        raise KeyError
    with packing(repository):
        pass
    assert list((repository.common_dir / "objects" / "pack").iterdir()) == []
