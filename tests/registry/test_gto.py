"""GTO's tags, held against what GTO itself says of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gitml.errors import RefusedError
from gitml.formats.gto_tag import GtoTag, parse_gto_tag
from gitml.registry import stages, versions
from gitml.registry.gto import read_gto, write_gto
from gitml.repo import Repo
from tests.registry.conftest import record


def test_names_of_tags():
    assert parse_gto_tag("churn@v1.2.3") == GtoTag("churn", "register", "v1.2.3")
    assert parse_gto_tag("churn@v1.2.3!#4") == GtoTag("churn", "deregister", "v1.2.3", counter=4)
    assert parse_gto_tag("a/b=churn#prod#2") == GtoTag("a/b:churn", "assign", stage="prod", counter=2)
    assert parse_gto_tag("churn#prod!") == GtoTag("churn", "unassign", stage="prod")
    assert parse_gto_tag("churn@deprecated#9") == GtoTag("churn", "deprecate", counter=9)
    assert parse_gto_tag("churn@created") == GtoTag("churn", "create")
    for other in (
        "v1.0.0",
        "churn@v1.2",
        "churn@1.2.3",
        "-x@v1.0.0",
        "churn#prod#x",
        "churn@v01.0.0",
        "churn#",
        "gitml/models/churn/v1",
    ):
        assert parse_gto_tag(other) is None


def test_a_version_is_written_as_gto_tags_once(repo: Repo, git_repo: Path, git, gitml):
    run = record(repo)
    versions.register(repo, run, "churn", "model")
    second = versions.register(repo, run, "churn", "model")
    stages.promote(repo, "churn", 1, "Production")
    made = gitml(git_repo, "models", "gto", "churn@v1", "--version", "v1.2.0").stdout.split()
    assert made == ["churn@v1.2.0#1", "churn#production#2"]
    assert git(git_repo, "rev-parse", "churn@v1.2.0#1^{}") == git(git_repo, "rev-parse", "main")
    assert gitml(git_repo, "models", "gto", "churn@v1", "--version", "v1.2.0").stdout == ""
    with pytest.raises(RefusedError, match="knows one a commit"):
        write_gto(repo, second)
    assert gitml(git_repo, "models", "gto").stdout == "churn v1.2.0 production=v1.2.0\n"
    assert read_gto(repo)["churn"].counter == 2


@pytest.mark.heavy
def test_gto_says_the_same(repo: Repo, git_repo: Path, git, gitml):
    program = os.environ.get("GTO") or shutil.which("gto")
    if program is None:
        assert "CI" not in os.environ, "gto is not installed; GTO names the program"
        pytest.skip("gto is not installed; GTO names the program")
    versions.register(repo, record(repo), "churn", "model")
    stages.promote(repo, "churn", 1, "Staging")
    gitml(git_repo, "models", "gto", "churn@v1", "--version", "v0.9.0")
    git(git_repo, "tag", "light@v1.0.0")
    times = iter(range(2_000_000_000, 2_000_001_000))

    def tag(name: str, commit: str = "HEAD") -> None:
        env = {**os.environ, "GIT_COMMITTER_DATE": f"@{next(times)} +0000"}
        git(git_repo, "tag", "--annotate", "--message=x", name, commit, env=env)

    for n in range(3):
        git(git_repo, "commit", "--quiet", "--allow-empty", "--message", str(n))
        tag(f"churn@v1.{9 + n}.0#{10 + n}")
    tag("churn#prod#20", "HEAD~1")
    tag("churn#prod#21", "HEAD")
    tag("churn#prod!#22", "HEAD")
    tag("churn#canary#23", "HEAD~2")
    tag("churn@v1.11.0!#24", "HEAD")
    tag("models=other@v1.0.0", "HEAD")
    tag("models=other@v1.0.0-rc.1", "HEAD~1")
    tag("gone@v1.0.0", "HEAD")
    tag("gone@deprecated", "HEAD")
    tag("unregistered#prod", "HEAD")
    theirs = json.loads(
        subprocess.run(
            [program, "show", "--json"], cwd=git_repo, check=True, capture_output=True, text=True
        ).stdout
    )
    ours = json.loads(gitml(git_repo, "models", "gto", "--json").stdout)
    assert ours == theirs
    assert ours["churn"]["version"] == "v1.10.0"
