"""`gitml tag`, `note`, `mv`: what people say about runs."""

from __future__ import annotations

import json
import stat

import pytest

from gitml.repo import RUNS_REF
from gitml.tracking.history import get_run


def test_tags_are_set_listed_and_deleted(cli, recorded):
    recorded(tags={"team": "a"})
    assert cli("tag", "@", "team=vision", "note=a=b").out == ""
    assert cli("tag", "@").out == "team=vision\nnote=a=b\n"
    cli("tag", "calm-otter", "--delete", "note")
    assert json.loads(cli("tag", "@", "--json").out) == {
        "schema": 1,
        "tags": [{"key": "team", "value": "vision"}],
    }
    assert cli("tag", "@", "--porcelain").out.splitlines()[1:] == ["team\tvision"]


def test_several_tags_make_one_record(cli, recorded, repo, git, in_repo):
    recorded()
    cli("tag", "@", "a=1", "b=2", "c=3")
    assert git(in_repo, "rev-list", "--count", RUNS_REF).strip() == "2"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["novalue"], 2, "'novalue' is not KEY=VALUE"),
        (["=x"], 2, "is not KEY=VALUE"),
        (["a=1", "a=2"], 2, "given twice"),
        (["a=1", "-d", "a"], 2, "both set and deleted"),
        (["b=1", "-d", "missing"], 3, "no tag 'missing'"),
    ],
)
def test_wrong_tags_change_nothing(cli, recorded, repo, words, status, said):
    run_id = recorded()
    tip = repo.git.tip(RUNS_REF)
    done = cli("tag", "@", *words, code=status)
    assert said in done.err
    assert "hint:" in done.err
    assert repo.git.tip(RUNS_REF) == tip
    assert get_run(repo, run_id).tags == {}


def test_a_secret_in_a_tag_is_redacted_with_a_notice(cli, recorded, repo):
    run_id = recorded()
    token = "ghp_" + "a1B2" * 9
    assert "looks like a secret" in cli("tag", "@", f"token={token}").err
    assert token not in get_run(repo, run_id).tags["token"]


def test_tags_of_a_live_run(cli, live_run, repo):
    live = live_run()
    cli("tag", "brisk-heron", "phase=warmup")
    assert get_run(repo, live.run_id).tags == {"phase": "warmup"}
    cli("tag", "brisk-heron", "-d", "phase")
    assert get_run(repo, live.run_id).tags == {}
    assert repo.git.tip(RUNS_REF) is None


def test_control_characters_in_tags_never_reach_the_terminal(cli, recorded):
    recorded()
    cli("tag", "@", "evil=\x1b[31mred")
    assert "\x1b" not in cli("tag", "@").out


def test_a_note_is_written_added_to_printed_and_removed(cli, recorded, in_repo):
    recorded()
    assert cli("note", "@").out == ""
    cli("note", "@", "-m", "class weights helped")
    assert cli("note", "@").out == "class weights helped\n"
    (in_repo / "more.md").write_text("# Why\n\nmore data\n")
    cli("note", "@", "--append", "-F", "more.md")
    assert cli("note", "@").out == "class weights helped\n\n# Why\n\nmore data\n"
    cli("note", "@", "-F", "-", stdin="from a pipe\n")
    assert cli("note", "@").out == "from a pipe\n"
    cli("note", "@", "-m", "")
    assert cli("note", "@").out == ""


def editor(folder, script):
    path = folder / "my editor"  # a space, as in many real paths
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"'{path}' --wait"


def test_a_note_is_written_in_gits_editor(cli, recorded, tmp_path, monkeypatch, repo):
    recorded(note="before")
    monkeypatch.setenv("GIT_EDITOR", editor(tmp_path, 'test "$1" = --wait && echo "and after" >> "$2"'))
    cli("note", "@", "--edit")
    assert cli("note", "@").out == "before\nand after\n"
    assert not list(repo.root.glob("NOTE*"))


def test_an_editor_that_fails_changes_nothing(cli, recorded, tmp_path, monkeypatch, repo):
    recorded(note="before")
    tip = repo.git.tip(RUNS_REF)
    monkeypatch.setenv("GIT_EDITOR", editor(tmp_path, "exit 3"))
    assert "ended with 3; nothing was changed" in cli("note", "@", "--edit", code=4).err
    monkeypatch.setenv("GIT_EDITOR", "no-such-editor-anywhere")
    assert "was not found" in cli("note", "@", "--edit", code=4).err
    assert repo.git.tip(RUNS_REF) == tip


@pytest.mark.parametrize(
    "command",
    ["~/my\\ editor --wait", "$FOLDER/'my editor' --wait", '"${FOLDER}/my editor" --wait',
     'sh -c "echo and after >> \\$0"', "sh -c 'echo and after >> $1' --wait"],
)  # fmt: skip
def test_an_editor_is_named_as_for_git(cli, recorded, tmp_path, monkeypatch, command):
    recorded(note="before")
    editor(tmp_path, 'echo "and after" >> "$2"')
    for name in ("HOME", "FOLDER"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("GIT_EDITOR", command)
    cli("note", "@", "--edit")
    assert cli("note", "@").out == "before\nand after\n"


@pytest.mark.parametrize("command", ["vi | tee x", "$(which vi)", '"`which vi`"', "${VISUAL:-vi}", "vi 'x"])
def test_an_editor_that_only_a_shell_could_start_is_refused(cli, recorded, monkeypatch, command):
    recorded(note="before")
    monkeypatch.setenv("GIT_EDITOR", command)
    assert "what only a shell reads" in cli("note", "@", "--edit", code=4).err


def test_what_was_written_in_the_editor_is_not_lost(cli, recorded, tmp_path, monkeypatch, repo):
    recorded()
    # While the editor is open, something else takes the branch away: what is there now is not gitml's.
    steal = "git update-ref refs/heads/gitml/runs refs/heads/main"
    monkeypatch.setenv("GIT_EDITOR", editor(tmp_path, f'{steal} && echo precious > "$2"'))
    done = cli("note", "@", "--edit", code=2)
    (kept,) = repo.root.glob("NOTE*")
    assert kept.read_text() == "precious\n"
    assert str(kept) in done.err


def test_notes_that_are_no_text_are_refused(cli, recorded, in_repo):
    recorded()
    (in_repo / "x.bin").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in cli("note", "@", "-F", "x.bin", code=2).err
    assert "can't be combined" in cli("note", "@", "-F", "x.bin", "-m", "x", code=2).err
    assert "needs a text" in cli("note", "@", "--append", code=2).err


def test_a_run_is_renamed(cli, recorded, live_run, repo):
    run_id = recorded()
    cli("mv", "calm-otter", "base line \N{ROCKET}")
    assert get_run(repo, run_id).name == "base line \N{ROCKET}"
    live = live_run()
    cli("mv", "brisk-heron", "other")
    assert live.to_run().name == "other"
    assert "can't be used" in cli("mv", "@", "a\nb", code=2).err


def test_an_unknown_run_is_told_with_close_names(cli, recorded):
    recorded()
    done = cli("tag", "calm-oter", "a=b", code=3)
    assert "there is no run 'calm-oter'" in done.err
    assert "calm-otter" in done.err
