"""What a policy asks of promotions, and who keeps to it: on a laptop, in a server's hook, by a person's name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from gitml.api.client import Client
from gitml.entities.policy import Check, Rule
from gitml.entities.run import MetricSummary, Run
from gitml.errors import InvalidNameError, NotFoundError, UsageError
from gitml.formats.condition import parse_condition
from gitml.formats.policy_file import PolicyFileError
from gitml.registry import asking, models, stages, versions
from gitml.registry.lookup import get_state
from gitml.registry.names import find_version
from gitml.registry.naming import project_stages
from gitml.registry.policy import PolicyRefusedError
from gitml.registry.policy_checks import Rival, check_metrics
from gitml.registry.policy_source import load_policy
from gitml.registry.received import recorded
from gitml.registry.verification import verify
from gitml.repo import Repo
from gitml.tracking.resolve import resolve_run
from tests.registry.keys import SshKeys
from tests.sync.conftest import Clone

POLICY = """\
stages: [Canary]
transitions: {production: [canary, staging]}
models:
  churn:
    production:
      metrics:
        loss: "<= 0.5 and <= holder + 0.01"
      tags: [reviewed]
      finished: true
"""


def set_policy(folder: Path, git, text: str = POLICY) -> None:
    (folder / ".gitml.yaml").write_text(text)
    git(folder, "add", ".gitml.yaml")
    git(folder, "commit", "--quiet", "--message", "policy")


def version_of(one: Clone, loss: float, files: dict[str, bytes] | None = None) -> int:
    one.record(f"run-{loss}", files or {"model/weights.bin": b"w"}, loss)
    with one.open() as repo:
        return versions.register(repo, resolve_run(repo, f"run-{loss}"), "churn", "model").version


def failing(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.why for check in checks if check.holds is False}


@pytest.fixture
def ada(git_repo: Path) -> Clone:
    """One person with no others."""
    return Clone(git_repo)


# What is asked


def summary(value: float) -> MetricSummary:
    return MetricSummary(value, 0, 0, value, 0, value, 0, 1)


@pytest.mark.parametrize(
    ("condition", "value", "held", "holds", "why"),
    [
        (">= 0.9", 0.9, None, True, "0.9 >= 0.9"),
        (">= 0.9", 0.89, None, False, "0.89, must be >= 0.9"),
        ("<= holder + 0.01", 0.31, 0.3, True, "v1 has 0.3"),  # as people count: in floats it is not
        ("== holder * 3", 0.3, 0.1, True, ""),
        (">= 1.02 * holder", 0.91, 0.9, False, "0.91, must be >= 1.02 * holder (v1 has 0.9)"),
        ("<= holder", 0.5, None, True, "nothing else holds Production yet"),
        ("> 1 and <= holder", 0.5, None, False, "0.5, must be > 1"),
        ("!= 1", math.nan, None, False, "it is NaN"),
        ("< holder", 1.0, math.nan, False, ""),
        ("<= holder", 1.0, math.inf, True, ""),
        (">= holder / 0", 1.0, 1.0, False, "can't be computed"),
        ("<= holder * 1e99", 1, 10**400, True, ""),
    ],
)
def test_conditions_on_metrics(condition: str, value: float, held: float | None, holds: bool, why: str):
    rule = Rule("churn", "Production", metrics={"loss": parse_condition(condition)})
    rival = None if held is None else Rival(1, Run("a" * 32, "old", metrics={"loss": summary(held)}))
    (check,) = check_metrics(rule, Run("b" * 32, "new", metrics={"loss": summary(value)}), rival)
    assert (check.holds, why in check.why) == (holds, True), check


def test_a_metric_that_is_missing_says_so_in_its_own_words():
    rule = Rule("churn", "Production", metrics={"acc.max": parse_condition(">= holder")})
    curve = MetricSummary(0.5, 3, 0, 0.1, 1, 0.9, 2, 4)
    new, old = Run("b" * 32, "new", metrics={"acc": curve}), Run("a" * 32, "old", metrics={"loss": curve})
    assert [check.holds for check in check_metrics(rule, new, Rival(1, new))] == [True]
    (lacks,) = check_metrics(rule, old, None)
    assert (lacks.holds, lacks.why) == (False, "the run has no metric 'acc.max'; it has: loss")
    (other,) = check_metrics(rule, new, Rival(7, old))
    assert not other.holds
    assert "v7 in Production has no metric 'acc.max'" in other.why


# Which policy counts


def test_only_a_committed_policy_of_the_right_branch_counts(git_repo: Path, git, repo: Repo, churn):
    (git_repo / ".gitml.yaml").write_text("models: {'*': {production: {approvals: 1}}}")
    assert load_policy(repo).source is None  # not committed
    set_policy(git_repo, git)
    assert load_policy(repo).source == "main:.gitml.yaml"
    (git_repo / ".gitml.yaml").unlink()
    assert load_policy(repo).stages == ("Canary",)
    # In CI a tag is checked out, which leads to the record of a run: that has no policy, and asks for one.
    churn()
    git(git_repo, "checkout", "--quiet", "--force", "gitml/models/churn/v1")
    with pytest.raises(UsageError, match="record of a run, not code"):
        load_policy(repo)
    assert load_policy(repo, "main").stages == ("Canary",)
    git(git_repo, "update-ref", "refs/remotes/origin/HEAD", "main")
    git(git_repo, "config", "remote.origin.url", "elsewhere")
    again = Repo.open(git_repo)
    assert load_policy(again).source == "origin/HEAD:.gitml.yaml"
    again.close()
    with pytest.raises(UsageError, match="'nowhere' is no commit"):
        load_policy(repo, "nowhere")
    git(git_repo, "checkout", "--quiet", "main")
    (git_repo / ".gitml.yaml").unlink()
    (git_repo / ".gitml.yaml").symlink_to("/etc/passwd")
    git(git_repo, "commit", "--quiet", "--all", "--message", "link")
    with pytest.raises(PolicyFileError, match="no plain file"):
        load_policy(repo)


# Promoting


def test_promote_keeps_to_the_policy_and_an_override_stands_in_the_history(ada: Clone, git, gitml):
    set_policy(ada.folder, git)
    version_of(ada, 0.4)
    refused = gitml(ada.folder, "models", "promote", "churn", "1", "production", code=4)
    assert "v1 is in no stage, and Production is entered from Canary or Staging only" in refused.stderr
    assert "v1 must have the tag 'reviewed', and has none" in refused.stderr
    asked = gitml(ada.folder, "models", "check", "churn", "1", "production", "--json", code=1)
    document = json.loads(asked.stdout)["check"]
    assert (document["policy"], document["holds"]) == ("main:.gitml.yaml", False)
    assert {one["check"]: one["holds"] for one in document["checks"]} == {
        "transition": False, "metrics.loss": True, "tags.reviewed": False, "finished": True,
    }  # fmt: skip
    with ada.open() as repo:
        with pytest.raises(PolicyRefusedError) as caught:
            Client(repo.git.work_tree).transition_model_version_stage("churn", 1, "Production")
        assert set(failing(caught.value.checks)) == {"transition", "tags.reviewed"}
        versions.tag_version(repo, "churn", 1, {"reviewed": "yes"})
        stages.promote(repo, "churn", 1, "canary", allowed=project_stages(repo))
        assert stages.promote(repo, "churn", 1, "Production", override="not needed").override is None
        assert asking.ask(repo, find_version(repo, "churn@v1"), "production").holds
        # Nothing that holds the stage can be worse by more than what is allowed.
        second = version_of(ada, 0.45)
        versions.tag_version(repo, "churn", second, {"reviewed": "yes"})
        stages.promote(repo, "churn", second, "Staging")
        asked_again = asking.ask(repo, find_version(repo, "churn@v2"), "production")
        assert failing(asked_again.checks) == {"metrics.loss": "0.45, must be <= holder + 0.01 (v1 has 0.4)"}
        with pytest.raises(UsageError, match="reason"):
            stages.promote(repo, "churn", 2, "Production", override=" ")
        event = stages.promote(repo, "churn", 2, "Production", override="v1 is on fire")
        assert event.override == "v1 is on fire"
        # Asked about what was done, it is still held against what was there before.
        done = asking.ask_of_tag(repo, "gitml/stages/churn/production/2")
        assert set(failing(done.checks)) == {"metrics.loss"}
        assert asking.ask(repo, find_version(repo, "churn@v2"), "production") == done
        said = [one.message for one in verify(repo, "churn#production").findings if one.code == "override"]
        assert said == ["it passed over the policy: v1 is on fire"]
        stages.rollback(repo, "churn", "Production")  # was let in once
    assert "policy overridden: v1 is on fire" in gitml(ada.folder, "models", "history", "churn").stdout


def test_a_policy_that_can_t_be_read_stops_promotions_and_nothing_else(ada: Clone, git, gitml):
    version_of(ada, 0.4)
    with ada.open() as repo:
        stages.promote(repo, "churn", 1, "Staging")
    set_policy(ada.folder, git, "models:\n  churn:\n    production: {metrcs: {}}\n")
    refused = gitml(ada.folder, "models", "promote", "churn", "1", "production", code=2)
    assert "'main:.gitml.yaml', line 3: 'metrcs' is no key of 'production'" in refused.stderr
    assert "did you mean 'metrics'?" in refused.stderr
    with ada.open() as repo:
        assert find_version(repo, "churn#staging").version == 1


def test_a_project_s_own_stages_are_stages(ada: Clone, git, monkeypatch: pytest.MonkeyPatch):
    from gitml.cli import complete_models

    version_of(ada, 0.4)
    with ada.open() as repo, pytest.raises(InvalidNameError):
        asking.ask(repo, find_version(repo, "churn@v1"), "canary")
    set_policy(ada.folder, git)
    with ada.open() as repo:
        client = Client(ada.folder)
        with pytest.raises(NotFoundError, match="is in Canary"):
            client.list_version_files("models:/churn/canary")
        moved = client.transition_model_version_stage("churn", 1, "CANARY")
        assert moved.current_stage == "Canary"
        assert [file.path for file in client.list_version_files("models:/churn/Canary")] == ["weights.bin"]
        assert "Canary" in client.get_model_version_stages("churn", 1)
        monkeypatch.chdir(ada.folder)
        assert [name for name, _ in complete_models.names("churn#can")] == ["churn#canary"]
        # A stage that is defined no longer is none.
        set_policy(ada.folder, git, "stages: [Shadow]\n")
        stages.demote(repo, "churn", 1)
        with pytest.raises(PolicyRefusedError, match="'Canary' is no stage of the project"):
            stages.promote(repo, "churn", 1, "Canary", allowed=project_stages(repo))


def test_approvals_count_people_and_not_whoever_made_the_run(ada: Clone, git, gitml):
    set_policy(ada.folder, git, "models: {'ch*': {production: {approvals: 2}}}\n")
    version_of(ada, 0.4)

    def approve(who: str, *arguments: str) -> None:
        git(ada.folder, "config", "user.email", f"{who}@example.org")
        gitml(ada.folder, "models", "approve", "churn", "1", *arguments)

    def count() -> str:
        with ada.open() as repo:
            return failing(asking.ask(repo, find_version(repo, "churn@v1"), "production").checks)["approvals"]

    approve("ada", "production")
    assert "it has 0; Ada Example <ada@example.org> is the author of the run" in count()
    approve("bob", "production", "-m", "looks good")
    approve("BOB")
    approve("cid", "staging")
    assert "it needs 2 approvals, it has 1 (by Ada Example <BOB@example.org>)" in count()
    approve("eve")
    approve("bob", "production", "--withdraw")
    assert "it has 1 (by Ada Example <eve@example.org>)" in count()
    approve("cid", "production")
    # Who says something of the run later is not its author.
    gitml(ada.folder, "tag", "run-0.4", "seen=yes")
    git(ada.folder, "config", "user.email", "ada@example.org")
    gitml(ada.folder, "models", "promote", "churn", "1", "production")
    assert "bob@example.org>" in gitml(ada.folder, "models", "comment", "churn").stdout


def test_formats_are_those_of_the_version_s_files(ada: Clone, git):
    set_policy(ada.folder, git, "models: {churn: {production: {formats: [cloudpickle], clean_code: true}}}\n")
    declared = b"flavors: {python_function: {python_model: python_model.pkl}}\n"
    files = {"model/MLmodel": declared, "model/python_model.pkl": b"cos\nsystem\n", "other.pkl": b"x"}
    version_of(ada, 0.4, files)
    version_of(ada, 0.3, {"model/m.pkl": b"x"})
    (ada.folder / "train.py").write_text("changed")
    version_of(ada, 0.2)
    with ada.open() as repo:
        checks = {
            one.name: one for one in asking.ask(repo, find_version(repo, "churn@v1"), "production").checks
        }
        assert (checks["formats"].holds, checks["formats"].why) == (True, "cloudpickle")
        assert checks["clean_code"].holds
        other = failing(asking.ask(repo, find_version(repo, "churn@v2"), "production").checks)
        assert other["formats"] == "'m.pkl' is pickle; allowed: cloudpickle"
        dirty = failing(asking.ask(repo, find_version(repo, "churn@v3"), "production").checks)
        assert "the code had changes on top of" in dirty["clean_code"]
        assert dirty["formats"] == "'weights.bin' is other; allowed: cloudpickle"


# On a server


EVERYTHING = ("gitml/runs", "refs/tags/gitml/*:refs/tags/gitml/*")


def refused(git, one: Clone, *refs: str) -> str:
    """What a server says to all of somebody's runs and models."""
    with pytest.raises(AssertionError) as caught:
        git(one.folder, "push", "origin", *refs, *EVERYTHING)
    return str(caught.value)


def test_a_server_asks_what_its_own_branch_says(
    hooked: Path, clone: Callable[[str], Clone], git, tmp_path: Path
):
    ada, boss = clone("ada"), clone("boss")
    # A push that brings a branch with a policy of its own does not choose it.
    set_policy(
        boss.folder, git, "models: {churn: {production: {approvals: 1, metrics: {loss: '<= holder'}}}}\n"
    )
    git(boss.folder, "push", "--quiet", "origin", "main")
    version_of(ada, 0.4)
    with ada.open() as repo:
        stages.promote(repo, "churn", 1, "Production")  # here nothing asks
    said = refused(git, ada, "main:other")
    assert "refs/tags/gitml/stages/churn/production/1 is refused" in said
    assert "approvals: it needs 1 approval, it has 0" in said
    git(ada.folder, "pull", "--quiet", "origin", "main")
    git(ada.folder, "rm", "--quiet", ".gitml.yaml")
    git(ada.folder, "commit", "--quiet", "--message", "no policy any more")
    assert "approvals: it needs 1 approval" in refused(git, ada, "main")
    # Another name does not get around it.
    with ada.open() as repo:
        models.rename_model(repo, "churn", "innocent")
    assert "approvals: it needs 1" in refused(git, ada)
    git(ada.folder, "config", "user.email", "bob@example.org")
    with ada.open() as repo:
        asking.approve(repo, find_version(repo, "innocent@v1"), "production")
    git(ada.folder, "config", "user.email", "ada@example.org")
    git(ada.folder, "push", "--quiet", "origin", *EVERYTHING)  # the approval comes along

    # A policy that can't be read lets nothing in.
    set_policy(boss.folder, git, "models: [")
    git(boss.folder, "push", "--quiet", "origin", "main")
    with ada.open() as repo:
        stages.demote(repo, "innocent", 1)
    assert "main:.gitml.yaml" in refused(git, ada)


def test_each_promotion_of_a_push_is_held_against_the_one_before(
    hooked: Path, clone: Callable[[str], Clone], git
):
    ada = clone("ada")
    set_policy(ada.folder, git, "models: {churn: {production: {metrics: {loss: '<= holder'}}}}\n")
    git(ada.folder, "push", "--quiet", "origin", "main")
    for loss in (0.4, 0.3, 0.35):
        version_of(ada, loss)
    with ada.open() as repo:
        stages.promote(repo, "churn", 1, "Production")
        stages.promote(repo, "churn", 2, "Production")
        stages.promote(repo, "churn", 3, "Production", override="in a hurry")
    said = refused(git, ada)
    assert "production/3 is refused" in said
    assert "production/2 is refused" not in said
    assert "metrics.loss: 0.35, must be <= holder (v2 has 0.3)" in said
    git(ada.folder, "update-ref", "-d", "refs/tags/gitml/stages/churn/production/3")
    git(ada.folder, "push", "--quiet", "origin", *EVERYTHING)

    # What only says that it is a rollback is held against everything, a real one against nothing.
    forged = git(ada.folder, "cat-file", "tag", "gitml/stages/churn/production/2")
    target = git(ada.folder, "rev-parse", "gitml/models/churn/v3").strip()
    lines = ["left: [2]", f"object {target}", "version: 3", "order: 9", "production/3\n"]
    olds = ["previous: 1", forged.partition("\n")[0], "version: 2", "order: 2", "production/2\n"]
    for old, new in zip(olds, lines, strict=True):
        assert old in forged
        forged = forged.replace(old, new)
    oid = git(ada.folder, "hash-object", "-t", "tag", "-w", "--stdin", input=forged).strip()
    git(ada.folder, "update-ref", "refs/tags/gitml/stages/churn/production/3", oid)
    assert "metrics.loss: 0.35, must be <= holder" in refused(git, ada)
    git(ada.folder, "update-ref", "-d", "refs/tags/gitml/stages/churn/production/3")
    with ada.open() as repo:
        assert stages.rollback(repo, "churn", "Production").version == 1
    git(ada.folder, "push", "--quiet", "origin", *EVERYTHING)


def test_a_server_knows_without_an_index_what_was_said_apart(clone: Callable[[str], Clone]):
    ada, bob = clone("ada"), clone("bob")
    version_of(ada, 0.4)
    with ada.open() as repo:
        models.tag_model(repo, "churn", {"draft": "yes"})
        versions.delete_version(repo, "churn", 1)
    ada.push()
    bob.pull()
    with ada.open() as repo:
        models.untag_model(repo, "churn", "draft")
        versions.restore_version(repo, "churn", 1)
        assert recorded(repo, "churn", None) == ([], None)
    with bob.open() as repo:
        models.comment(repo, "churn", "not yet")
    ada.push()
    bob.pull()
    with bob.open() as repo:
        repo.index.catch_up()
        ((record, heads),) = repo.index.models()
        found, folded = recorded(repo, "churn", repo.git.tip("refs/heads/gitml/runs"))
        assert len(heads) == 2
        assert (sorted(found), folded) == (sorted(heads), record)
        assert (folded.tags, dict(folded.versions)) == ({}, {})


def test_only_those_who_may_sign_move_what_is_in_the_stage(
    hooked: Path, clone: Callable[[str], Clone], git, gitml, ssh: SshKeys, tmp_path: Path
):
    signers = tmp_path / "allowed"
    signers.write_text("".join(f"{who}@example.org {ssh.public(who)}\n" for who in ("ada", "bob")))
    ada, bob = clone("ada"), clone("bob")
    set_policy(ada.folder, git, "models: {churn: {production: {signers: [ada@example.org]}}}\n")
    git(ada.folder, "push", "--quiet", "origin", "main")
    git(bob.folder, "pull", "--quiet", "origin", "main")
    for one, who in ((ada, "ada"), (bob, "bob")):
        settings = {
            "gpg.format": "ssh",
            "user.signingKey": str(ssh[who]),
            "gpg.ssh.allowedSignersFile": str(signers),
        }
        for key, value in settings.items():
            git(one.folder, "config", key, value)
    version_of(ada, 0.4)
    with ada.open() as repo:
        asked = asking.ask(repo, find_version(repo, "churn@v1"), "production")
        assert (asked.holds, [check.holds for check in asked.checks]) == (True, [None])
        with pytest.raises(PolicyRefusedError, match="is not signed: --sign"):
            stages.promote(repo, "churn", 1, "Production")
        assert get_state(repo, "churn").events == []
        stages.promote(repo, "churn", 1, "Production", sign=True)
        assert asking.ask(repo, find_version(repo, "churn@v1"), "production").holds
    git(ada.folder, "config", "--unset", "gpg.ssh.allowedSignersFile")
    tag = ("models", "check", "gitml/stages/churn/production/1")
    assert "no file of allowed signers is known" in gitml(ada.folder, *tag, code=1).stdout
    assert "signed by ada@example.org" in gitml(ada.folder, *tag, "--allowed-signers", str(signers)).stdout
    push = ("push", "--quiet", "origin", *EVERYTHING)
    with pytest.raises(AssertionError, match="no file of allowed signers"):
        git(ada.folder, *push)
    git(hooked, "config", "gpg.ssh.allowedSignersFile", str(signers))
    git(ada.folder, *push)
    # Who may not bring something in may not take it out either, be it by another stage.
    bob.pull()
    with bob.open() as repo:
        for move in (
            lambda: stages.demote(repo, "churn", 1, sign=True),
            lambda: stages.archive(repo, "churn", 1),
        ):
            with pytest.raises(PolicyRefusedError, match="must be signed by ada@example.org"):
                move()
        stages.promote(repo, "churn", 1, "Staging", sign=True, override="mine now")
    with pytest.raises(AssertionError, match=r"signed by ada@example.org, and is signed by bob@example.org"):
        git(bob.folder, *push)
