"""What PROJECT means: folders, git URLs, and what looks like them and is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitml.execution.target import FolderNotFoundError, Target, TargetError, is_project, parse_target

URLS = [
    "https://git.example.org/ada/churn.git",
    "http://127.0.0.1:8080/churn",
    "ssh://git@git.example.org:2222/churn.git",
    "git://git.example.org/churn",
    "file:///srv/git/churn.git",
    "HTTPS://git.example.org/churn",
    "git@git.example.org:ada/churn.git",
    "host:churn",
    "[::1]:churn",
    "https://ada:secret@git.example.org/churn",
]
REFUSED = [
    "ext::sh -c touch% /tmp/pwned",
    "fd::17",
    "ftp://git.example.org/churn",
    "ssh://-oProxyCommand=touch/churn",
    "ssh://ada@-oProxyCommand=touch/churn",
    "-oProxyCommand=touch:churn",
    "git@-oProxyCommand:churn",
    "host:-upload-pack",
    "https://git.example.org/churn\n.git",
    "https://git.example.org/churn\x00",
    "--upload-pack=touch",
    "",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("iris/train", "bin", "odd#name"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin" / "tool").touch(0o755)
    (tmp_path / "tool").mkdir()
    (tmp_path / "train.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("url", URLS)
def test_git_urls_are_projects(url: str):
    assert is_project(url, {})
    assert parse_target(url) == Target(url=url)
    assert parse_target(f"{url}#examples/./train/") == Target(url=url, subdirectory="examples/train")


@pytest.mark.parametrize("url", REFUSED)
def test_what_git_would_run_or_take_for_an_option_is_refused(url: str):
    with pytest.raises(TargetError):
        parse_target(url)


@pytest.mark.parametrize("subfolder", ["../other", "a/../../b", "/etc", "a/.git/hooks", ".GIT"])
def test_a_subfolder_stays_in_the_project(here: Path, subfolder: str):
    for project in ("https://git.example.org/churn", "iris"):
        with pytest.raises(TargetError, match="leads out"):
            parse_target(f"{project}#{subfolder}")


def test_a_secret_is_in_no_message():
    with pytest.raises(TargetError) as caught:
        parse_target("https://ada:hunter2-and-more@git.example.org/churn#../up")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (".", True), ("..", True), (".#iris", True),
        ("iris", True), ("iris/train", True), ("./tool", True), ("iris#train", True),
        ("tool", False),  # a program on PATH has that name too
        ("train.py", False), ("./train.py", False), ("python", False), ("absent/folder", False), ("-v", False),
    ],
)  # fmt: skip
def test_a_project_is_told_from_a_program(here: Path, word: str, expected: bool):
    assert is_project(word, {"PATH": str(here / "bin") + os.pathsep + "/usr/bin"}) is expected


def test_folders(here: Path):
    assert parse_target("iris") == Target(folder=Path("iris"))
    assert parse_target("iris#train") == Target(folder=Path("iris"), subdirectory="train")
    assert parse_target("odd#name") == Target(folder=Path("odd#name"))
    with pytest.raises(FolderNotFoundError, match="there is no folder 'absent'"):
        parse_target("absent")
