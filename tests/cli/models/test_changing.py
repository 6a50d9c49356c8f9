"""`gitml models register`, `promote` and what else changes models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.cli import complete_models
from tests.cli.models.conftest import Look
from tests.quick import QuickGitml

Git = Callable[..., str]


def shown(look: Look, name: str) -> dict:
    """What `models show` says of a version."""
    return json.loads(look("models", "show", name, "--json").out)["version"]


def test_what_holds_no_model_is_told(project: Path, look: Look) -> None:
    said = look("models", "register", "brisk-heron:eval.csv", "table").err
    assert "'eval.csv' has no model in it, only tables, pictures or pages" in said
    assert "gitml models delete 'table' 1" in said
    assert "no model in it" not in look("models", "register", "brisk-heron:model.bin", "churn").err


def test_register_takes_every_name_of_a_run(project: Path, look: Look) -> None:
    for number, source in enumerate(
        ("quiet-fox:model.bin", "@{best:acc}:model.bin", "runs:/quiet-fox/model.bin"), 4
    ):
        answer = look("models", "register", source, "churn", "-m", "again", "--tag", "seen=yes")
        assert answer.out == f"models:/churn/{number}\n"
        assert f"churn v{number} is model.bin of run" in answer.err
    assert "the same content as v4" in answer.err
    assert shown(look, "churn@v4")["tags"] == {"seen": "yes"}
    document = json.loads(look("models", "register", "quiet-fox", "new one", "--json").out)["versions"][0]
    assert (document["uri"], document["run_name"]) == ("models:/new one/1", "quiet-fox")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["register", "nobody:x", "churn"], 3, "there is no run 'nobody'"),
        (["register", "quiet-fox:nothing", "churn"], 3, "has nothing at 'nothing'"),
        (["register", "quiet-fox", "a/b"], 2, "hint: use 'a-b'"),
        (["register", "models:/churn/1", "other"], 2, "gitml models copy"),
        (["promote", "churn"], 2, "no stage is given"),
        (["promote", "churn", "production"], 2, "does not say which version"),
        (["promote", "churn@v1", "v2", "production"], 2, "says which version already"),
        (["promote", "churn", "9", "production"], 3, "it has v1 to v3"),
        (["promote", "churn", "best", "production"], 2, "Production is v1"),
        (["promote", "churn@v2", "prodction"], 2, "did you mean Production?"),
        (["promote", "chum", "1", "production"], 3, "did you mean churn?"),
        (["demote", "churn@v2"], 4, "is in no stage"),
        (["rollback", "churn"], 2, "no stage is given"),
        (["alias", "churn", "v7", "1"], 2, "looks like a version"),
        (["alias", "churn", "nothing", "--delete"], 3, "@champion is v1"),
        (["get", "churn"], 2, "does not say which version"),
        (["get", "churn@v1", "nothing"], 3, "has nothing at 'nothing'"),
        (["annotate", "churn"], 2, "nothing is to be said"),
        (["annotate", "churn@v1", "--delete-tag", "zz"], 3, "it has: team"),
        (["lst"], 2, "did you mean gitml models list?"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_remedy(
    project: Path, look: Look, git: Git, arguments: list[str], code: int, message: str
) -> None:
    before = git(project, "for-each-ref")
    assert message in look("models", *arguments, code=code).err
    assert git(project, "for-each-ref") == before


def test_promotion_says_what_was_before(project: Path, look: Look, git: Git) -> None:
    git(project, "remote", "add", "origin", "../nowhere.git")
    said = look("models", "promote", "churn", "2", "PRODUCTION", "-m", "again").err
    assert said == (
        "churn v2 is in Production; v1 was before, v1 stays there too (--archive-existing archives);"
        " share it: gitml push\n"
    )
    assert "v2 to Production already, since" in look("models", "promote", "churn@v2", "production").err
    event = json.loads(
        look("models", "promote", "churn", "staging", "production", "--archive-existing", "--json").out
    )
    assert event["events"][0]["archived"] == [1, 2]
    assert event["events"][0]["previous"] == 2
    assert "v2 is back in Production; v3 left it" in look("models", "rollback", "churn#production").err
    assert "v2 is out of Production" in look("models", "demote", "churn#production").err
    assert "v2 is archived" in look("models", "archive", "churn", "v2").err
    assert shown(look, "churn@v1")["stage"] == "Archived"


def test_a_signature_is_seen_in_the_history(project: Path, look: Look, git: Git, tmp_path: Path) -> None:
    keygen = shutil.which("ssh-keygen")
    if keygen is None:
        pytest.skip("there is no ssh-keygen")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    git(project, "config", "gpg.format", "ssh")
    git(project, "config", "user.signingKey", str(tmp_path / "key.pub"))
    look("models", "promote", "churn@v2", "staging", "--sign")
    events = json.loads(look("models", "history", "churn", "-n", "2", "--json").out)["events"]
    assert [one["signed"] for one in events] == [True, False]
    assert "signed" in look("models", "history", "churn#staging").out


def test_aliases_are_set_listed_and_removed(project: Path, look: Look) -> None:
    assert "@champion is v2; it was v1" in look("models", "alias", "churn", "champion", "2").err
    look("models", "alias", "churn@latest", "@challenger")
    assert look("models", "alias", "churn").out == "challenger v3\nchampion v2\n"
    assert "it was v2" in look("models", "alias", "churn", "champion", "--delete").err
    assert "means" not in look("models", "alias", "churn").out
    assert json.loads(look("models", "alias", "churn", "--json").out)["aliases"] == [
        {"alias": "challenger", "version": 3}
    ]


def test_files_come_out_as_they_were_registered(project: Path, look: Look, git: Git) -> None:
    assert look("models", "get", "churn#production", "-o", "out").out == "out/model.bin\n"
    assert Path("out/model.bin").read_bytes() == b"m" * 5000
    assert look("models", "get", "models:/churn/3", "eval.csv", "-o", "other").out == "other/eval.csv\n"
    assert [file.name for file in Path("other").iterdir()] == ["eval.csv"]
    assert "--force" in look("models", "get", "churn@v1", "-o", "out", code=2).err
    tag = git(project, "cat-file", "tag", "gitml/models/churn/v2")
    digest = shown(look, "churn@v2")["digest"]
    false = tag.replace("churn/v2", "churn/v4").replace("version: 2", "version: 4")
    false = false.replace(digest, "sha256:" + "0" * 64)
    made = subprocess.run(
        ["git", "mktag"], input=false, cwd=project, capture_output=True, text=True, check=True
    )
    git(project, "update-ref", "refs/tags/gitml/models/churn/v4", made.stdout.strip())
    assert "are not those that its tag names" in look("models", "get", "churn@v4", "-o", "false", code=6).err
    assert not Path("false").exists()


def test_models_and_versions_are_described(project: Path, look: Look) -> None:
    look("models", "annotate", "churn", "-m", "who will leave", "--tag", "owner=ada")
    look("models", "annotate", "churn@v1", "-m", "", "--tag", "seen=yes", "--delete-tag", "team")
    look("models", "comment", "churn#production", "-m", "calibrated\non June")
    look("models", "comment", "churn", "-m", "keep it")
    assert "who will leave" in look("models", "show", "churn").out
    version = shown(look, "churn@v1")
    assert (version["description"], version["tags"]) == (None, {"seen": "yes"})
    assert [(one["version"], one["text"]) for one in version["comments"]] == [(1, "calibrated\non June")]
    said = look("models", "comment", "churn").out
    assert said.index("    calibrated\n    on June\n") < said.index("    keep it\n")
    look("models", "comment", "churn", "-m", " ", code=4)


def test_rename_delete_and_restore_lose_nothing(project: Path, look: Look, git: Git) -> None:
    tags = git(project, "tag", "--list")
    look("models", "rename", "churn", "churn eu")
    assert shown(look, "churn@v1")["uri"] == "models:/churn eu/1"
    said = look("models", "delete", "churn eu@v1").err
    assert "and Production, @champion no longer lead to it; gitml models restore 'churn eu@v1'" in said
    assert "no version" in look("models", "get", "churn eu#production", code=3).err
    look("models", "restore", "churn eu@v1")
    assert shown(look, "churn eu#production")["version"] == 1
    assert (
        "hint: 'churn eu#Production' is the stage"
        in look("models", "show", "churn eu@Production", code=3).err
    )
    look("models", "delete", "churn eu")
    assert (
        "gitml models restore 'churn eu'" in look("models", "promote", "churn eu@v1", "staging", code=3).err
    )
    look("models", "restore", "churn eu")
    assert git(project, "tag", "--list") == tags
    assert look("models", "copy", "churn eu@champion", "churn us").out == "models:/churn us/1\n"
    assert shown(look, "churn us@v1")["source"] == "models:/churn eu/1"
    look("models", "delete", "churn us")
    look("models", "copy", "churn eu@champion", "churn us")
    said = look("models", "restore", "churn us", code=4).err
    assert "gitml models rename 'churn us' NAME" in said
    look("models", "rename", "churn us", "churn ca")
    look("models", "restore", "churn us")
    assert shown(look, "churn us@v1")["deleted"] is None


def offered(words: list[tuple[str, str]]) -> list[str]:
    return [word for word, _ in words]


def test_names_are_completed_from_tags_alone(project: Path, git: Git, tmp_path: Path, monkeypatch) -> None:
    git(project, "tag", "--annotate", "-m", "none of ours", "gitml/odd")
    for _ in ("loose", "packed"):
        assert offered(complete_models.names("ch")) == ["churn"]
        assert offered(complete_models.names("churn@")) == [
            "churn@v3", "churn@v2", "churn@v1", "churn@latest", "churn@champion",
        ]  # fmt: skip
        assert offered(complete_models.names("churn#p")) == ["churn#production"]
        assert offered(complete_models.names("models:/churn/P")) == ["models:/churn/Production"]
        git(project, "pack-refs", "--all")
    git(project, "worktree", "add", "--quiet", str(tmp_path / "beside"))
    monkeypatch.chdir(tmp_path / "beside")
    assert offered(complete_models.names("ch")) == ["churn"]
    monkeypatch.chdir("/")
    assert complete_models.names("ch") == []


def test_a_version_is_completed_after_its_model(project: Path, quick: QuickGitml) -> None:
    for line, words in (
        ("promote churn ", ["v3", "v2", "v1", "latest", "champion", "Production", "Staging"]),
        ("promote churn v1 pro", ["production"]),
        ("hist", ["history"]),
    ):
        typed = {
            "COMP_WORDS": f"gitml models {line}", "COMP_CWORD": str(line.count(" ") + 2), "_GITML_COMPLETE": "complete_bash",
        }  # fmt: skip
        done = quick.run([], cwd=project, env={**os.environ, **typed})
        assert (done.stdout.split(), done.stderr) == (words, "")
