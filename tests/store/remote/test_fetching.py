"""Files and folders as they are at a store, whatever their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitml.errors import NotFoundError, RemoteError
from gitml.store.cloud.fetching import fetch
from tests.store.remote.conftest import Remote


def test_a_file_and_a_folder_are_fetched_by_their_names(remote: Remote, tmp_path: Path):
    if remote.kind == "folder":
        pytest.skip("a folder of this machine is not fetched")
    big = os.urandom(9 * 1024**2)  # in more than one part
    remote.raw_put("data/a b.csv", b"x,y\n")
    remote.raw_put("data/deep/er/big.bin", big)
    remote.raw_put("data2/other.csv", b"not asked for")
    counted: list[int] = []
    for name in ("one", "all", "none"):
        (tmp_path / name).mkdir()

    def get(path: str, folder: str) -> Path:
        return fetch(f"{remote.url}/{path}", remote.settings, os.environ, tmp_path / folder, counted.append)

    assert get("data/a b.csv", "one") == tmp_path / "one" / "a b.csv"
    assert (tmp_path / "one" / "a b.csv").read_bytes() == b"x,y\n"
    assert get("data", "all") == tmp_path / "all" / "data"
    found = {
        str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*") if path.is_file()
    }
    assert found == {"data/a b.csv", "data/deep/er/big.bin"}
    assert (tmp_path / "all" / "data" / "deep" / "er" / "big.bin").read_bytes() == big
    assert sum(counted) == 4 + 4 + len(big)
    with pytest.raises(NotFoundError, match="there is nothing at"):
        get("dat", "none")


def test_a_bucket_that_is_not_there_is_no_empty_folder(s3: Remote, tmp_path: Path):
    with pytest.raises(RemoteError, match="there is no bucket"):
        fetch(s3.nowhere, s3.settings, os.environ, tmp_path, lambda _: None)
    with pytest.raises(RemoteError, match="there is no bucket"):
        fetch(f"{s3.nowhere}/data", s3.settings, os.environ, tmp_path, lambda _: None)
