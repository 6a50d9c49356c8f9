"""Files kept by path and pattern."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitml.errors import InvalidNameError
from gitml.launching.outputs import check_pattern, find_outputs


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    for name in (
        "model.pkl", "plots/roc.png", "plots/deep/pr.png", "plots/.hidden", "a/x.txt", "a/b/x.txt", "a/b/c/x.txt",
        ".cache/x.txt", "odd[1].txt", ".git/config", "sub/.git/config", "sub/kept",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names(base: Path, *patterns: str) -> list[str]:
    return [output.name for output in find_outputs([check_pattern(p, base) for p in patterns], base).files]


def test_files_folders_and_patterns(base: Path) -> None:
    assert names(base, "model.pkl") == ["model.pkl"]
    assert names(base, "./plots/") == ["plots/.hidden", "plots/roc.png", "plots/deep/pr.png"]
    assert names(base, "plots/*.png") == ["plots/roc.png"]
    assert names(base, "plots/*") == ["plots/deep/pr.png", "plots/roc.png"]
    assert names(base, "**/*.png") == ["plots/deep/pr.png", "plots/roc.png"]
    assert names(base, "a/**/x.txt") == ["a/b/c/x.txt", "a/b/x.txt", "a/x.txt"]
    assert names(base, "**/x.txt") == ["a/b/c/x.txt", "a/b/x.txt", "a/x.txt"]
    assert names(base, "a/?/x.[st]xt") == ["a/b/x.txt"]
    assert names(base, ".cache/*") == [".cache/x.txt"]
    assert names(base, "odd[1].txt") == ["odd[1].txt"]
    assert names(base, str(base / "model.pkl")) == ["model.pkl"]
    assert names(base, "model.pkl", "*.pkl", "plots/roc.png") == ["model.pkl", "plots/roc.png"]


def test_folders_of_an_output(base: Path) -> None:
    found = find_outputs(["plots/deep", "model.pkl"], base).files
    assert [(o.folder, o.path.read_text()) for o in found] == [
        ("plots/deep", "plots/deep/pr.png"),
        ("", "model.pkl"),
    ]


def test_nothing_matched_is_said(base: Path) -> None:
    found = find_outputs(["*.none", "no/such/file"], base)
    assert found.files == ()
    assert found.warnings == (
        "no file matches --artifact '*.none'",
        "no file matches --artifact 'no/such/file'",
    )


@pytest.mark.parametrize("pattern", ["../x", "a/../../x", "/etc/passwd", "", "a/..", "x\0y"])
def test_paths_that_lead_out_are_refused(base: Path, pattern: str) -> None:
    with pytest.raises(InvalidNameError):
        check_pattern(pattern, base)


def test_links(base: Path) -> None:
    (base.parent / "secret").write_text("secret")
    os.symlink(base.parent / "secret", base / "plots" / "out.png")
    os.symlink("roc.png", base / "plots" / "in.png")
    os.symlink("nothing", base / "plots" / "gone.png")
    os.symlink(base / "a", base / "plots" / "folder")
    os.symlink(base, base / "a" / "loop")
    os.symlink(base.parent, base / "up")
    found = find_outputs(["plots", "u*", "u*/secret", "a"], base)
    kept = [output.name for output in found.files]
    assert "plots/in.png" in kept
    assert not {"plots/out.png", "up/secret", "plots/gone.png"} & set(kept)
    assert not any("loop" in name or "folder" in name for name in kept)
    text = "\n".join(found.warnings)
    for name in ("plots/out.png", "plots/gone.png", "plots/folder", "'up'", "'up/secret'", "a/loop"):
        assert name in text
    assert names(base, "**/x.txt") == ["a/b/c/x.txt", "a/b/x.txt", "a/x.txt"]
    os.symlink("plots", base / "latest")
    assert "latest/roc.png" in names(base, "latest")


def test_git_folders_and_special_files_are_left_out(base: Path) -> None:
    os.mkfifo(base / "sub" / "pipe")
    assert names(base, "sub") == ["sub/kept"]
    found = find_outputs([".git/config", "sub/pipe", ".git"], base)
    assert found.files == ()
    assert len(found.warnings) == 3
    assert not any(name.startswith((".git/", "sub/.git/")) for name in names(base, "."))
    assert "model.pkl" in names(base, ".")


def test_what_cannot_be_read_is_named(base: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can read everything")
    (base / "plots" / "deep").chmod(0)
    found = find_outputs(["plots"], base)
    assert [output.name for output in found.files] == ["plots/.hidden", "plots/roc.png"]
    assert "plots/deep" in found.warnings[0]


def test_a_link_that_is_named_itself_is_followed(base: Path) -> None:
    outside = base.parent / "outside"
    outside.mkdir()
    (outside / "data").write_text("far")
    os.symlink(base.parent, outside / "further")
    os.symlink(outside / "data", base / "file")
    os.symlink(outside, base / "folder")
    os.symlink(base / ".git", base / "git")
    os.symlink("nothing", base / "gone")
    found = find_outputs(["file", "folder", "git", "gone"], base)
    assert [(output.name, output.path.read_text()) for output in found.files] == [
        ("file", "far"), ("folder/data", "far")
    ]  # fmt: skip
    assert len(found.warnings) == 3
    assert names(base, "fil*") == []
