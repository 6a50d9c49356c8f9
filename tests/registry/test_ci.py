"""Promotions and pull requests in CI: what workflows are given, and the workflows themselves, step by step."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gitml as package
from gitml.registry import stages, versions
from gitml.registry.settling import settle
from gitml.sync import pushing
from gitml.tracking.resolve import resolve_run
from tests.registry.keys import need
from tests.registry.workflows import Runner, StepFailedError, api, load, starts
from tests.sync.conftest import Clone

Make = Callable[[str], Clone]
TAG = "gitml/stages/churn/production/1"
SMALL = {"model/weights.bin": b"w"}


def _push(one: Clone) -> pushing.Pushed:
    with one.open() as repo:
        return pushing.push(repo, "origin", settle=settle)


def _promote(one: Clone, version: int, stage: str = "Production") -> None:
    with one.open() as repo:
        stages.promote(repo, "churn", version, stage)


@pytest.fixture
def ada(clone: Make, server: Path, git) -> Clone:
    """A clone with two versions of `churn`, whose default branch has the workflows of both hosts."""
    made = clone("ada")
    made.record("one", SMALL, loss=0.5)
    with made.open() as repo:
        for _ in range(2):
            versions.register(repo, resolve_run(repo, "one"), "churn", "model")
    return made


@pytest.fixture
def with_workflows(ada: Clone, gitml, git) -> Clone:
    gitml(ada.folder, "ci", "init", "github")
    gitml(ada.folder, "ci", "init", "gitlab")
    git(ada.folder, "add", ".github", ".gitlab", ".gitlab-ci.yml")
    git(ada.folder, "commit", "--quiet", "--message", "workflows")
    git(ada.folder, "push", "--quiet", "--set-upstream", "origin", "main")
    return ada


# What a workflow is started by


def test_a_ref_is_read_for_a_workflow_and_nothing_else_is(ada: Clone, gitml, git):
    with ada.open() as repo:
        versions.copy(repo, versions.get_version(repo, "churn", 1), "what's next? $(id) ${{ x }}")
        stages.promote(repo, "what's next? $(id) ${{ x }}", 1, "Production")
        stages.promote(repo, "churn", 2, "Production")
        stages.demote(repo, "churn", 2)
    strange = [line for line in git(ada.folder, "tag", "--list", "gitml/stages/*").split() if "next" in line]
    for ref in (TAG, f"refs/tags/{TAG}", "gitml-ci/churn/production/1"):
        found = json.loads(gitml(ada.folder, "ci", "parse-ref", ref, "--json").stdout)["ref"]
        assert found == {
            "kind": "stage", "model": "churn", "version": 2, "stage": "Production", "event": "assigned",
            "number": 1, "tag": TAG, "who": "Ada <ada@example.org>",
        }  # fmt: skip
    assert gitml(ada.folder, "ci", "parse-ref", strange[0], "--field", "model").stdout == (
        "what's next? $(id) ${{ x }}\n"
    )
    lines = gitml(ada.folder, "ci", "parse-ref", strange[0], "--github-output").stdout.splitlines()
    outputs = dict(zip(lines[::3], lines[1::3], strict=True))
    marks = {name.partition("<<")[2] for name in outputs} | set(lines[2::3])
    assert len(marks) == 1
    assert len(marks.pop()) > 32
    assert {name.partition("<<")[0] for name in outputs} == set(found) | {"alias"}
    for ref in ("refs/heads/main", "v1.0", "gitml/stages/churn/production/0", "gitml/stages/a/../b/1", "gitml-ci/x", "--json",
                "refs/tags/gitml/stages/churn/production/1\n"):  # fmt: skip
        assert "no tag of the registry" in gitml(ada.folder, "ci", "parse-ref", "--", ref, code=2).stderr
    assert (
        "gitml pull" in gitml(ada.folder, "ci", "parse-ref", "gitml/stages/churn/production/7", code=3).stderr
    )
    told = gitml(ada.folder, "ci", "parse-ref", "--present", TAG, code=4).stderr
    assert "Production of 'churn' is nothing" in told
    gitml(ada.folder, "ci", "parse-ref", "--present", "gitml/stages/churn/production/2")


def test_workflows_are_written_once_and_only_into_the_work_tree(ada: Clone, tmp_path: Path, gitml):
    told = gitml(ada.folder, "ci", "init", "github", "--branch", "trunk")
    assert told.stdout.splitlines() == [
        f".github/workflows/gitml-{name}.yml" for name in ("promotion", "report", "requests")
    ]
    assert "EDIT" in told.stderr
    path = ada.folder / ".github/workflows/gitml-requests.yml"
    assert f"gitml=={package.__version__}" in path.read_text()
    assert 'branches: ["trunk"]' in path.read_text()
    path.write_text("mine")
    assert "already" in gitml(ada.folder, "ci", "init", "github", code=4).stderr
    assert path.read_text() == "mine"
    gitml(ada.folder, "ci", "init", "github", "--force")
    assert path.read_text() != "mine"
    gitml(ada.folder, "ci", "init", "jenkins", code=2)
    gitml(ada.folder, "ci", "init", "github", "--force", "--branch", 'a"b', code=2)
    (ada.folder / ".gitlab").symlink_to(tmp_path)
    assert "leads out" in gitml(ada.folder, "ci", "init", "gitlab", code=4).stderr


def test_a_push_of_promotions_starts_ci_where_there_is_a_workflow(
    ada: Clone, server: Path, git, gitml, tmp_path: Path
):
    log = tmp_path / "pushes"
    hook = server / "hooks/post-receive"
    hook.write_text(f"#!/bin/sh\ngrep -c gitml-ci/ >> '{log}'\ntrue\n")
    hook.chmod(0o755)
    _promote(ada, 1)
    assert _push(ada).tags.triggers == ()
    assert "gitml ci init" in gitml(ada.folder, "ci", "trigger", TAG, code=3).stderr
    gitml(ada.folder, "ci", "init", "github")
    git(ada.folder, "add", ".github")
    git(ada.folder, "commit", "--quiet", "--message", "workflows")
    git(ada.folder, "push", "--quiet", "origin", "main")
    log.unlink()
    for n in range(5):
        _promote(ada, 2 - n % 2)
    assert "CI starts for 5 promotions" in gitml(ada.folder, "push").stderr
    assert [int(line) for line in log.read_text().split() if line != "0"] == [3, 2]
    main = git(ada.folder, "rev-parse", "main").strip()
    started = git(
        server, "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags/gitml-ci/"
    ).splitlines()
    assert started == [f"refs/tags/gitml-ci/churn/production/{n} {main}" for n in range(2, 7)]
    assert "CI starts" in gitml(ada.folder, "ci", "trigger", TAG).stderr
    assert "before" in gitml(ada.folder, "ci", "trigger", TAG).stderr
    assert git(ada.folder, "tag", "--list", "gitml-ci/*") == ""


# Pull requests


def test_a_report_compares_the_branch_with_its_base(ada: Clone, git, gitml):
    base = git(ada.folder, "rev-parse", "HEAD").strip()
    assert "No runs were made from 0 commits" in gitml(ada.folder, "report", "--base", "main").stdout
    ada.record("better", loss=0.3)
    git(ada.folder, "checkout", "--quiet", "-b", "topic")
    (ada.folder / "train.py").write_text("print('new')\n")
    git(ada.folder, "commit", "--quiet", "--all", "--message", "new")
    ada.record("a|b @all <b>`x`", loss=0.25)
    ada.record("later", loss=0.4)
    text = gitml(ada.folder, "report", "--md", "--base", "main").stdout
    assert text.startswith("<!-- gitml report -->\n")
    assert "2 runs made from 1 commit above" in text
    assert "### later against better, the newest of the base" in text
    table = [line for line in text.splitlines() if line.startswith("|") and "all" in line]
    assert "a\\|b @\u2060all \\<b\\>\\`x\\`" in table[0]
    change = next(line for line in text.splitlines() if line.startswith("| metrics | loss"))
    assert re.findall(r"0\.[0-9]+", change)[:2] == ["0.3", "0.4"]
    assert "worse" in change
    best = gitml(ada.folder, "report", "--base", base, "--metric", "loss").stdout
    assert "against better, the best by loss of the base" in best
    found = json.loads(gitml(ada.folder, "report", "--base", "main", "--json").stdout)["report"]
    assert (found["commits"], len(found["runs"]), found["base"]) == (1, 2, base)
    gitml(ada.folder, "report", "--base", "nowhere", code=3)


def test_a_request_is_a_branch_with_one_file_and_is_done_once(ada: Clone, server: Path, git, gitml):
    git(ada.folder, "push", "--quiet", "--set-upstream", "origin", "main")
    (ada.folder / "train.py").write_text("half done")
    before = git(ada.folder, "status", "--porcelain", "--branch")
    done = gitml(ada.folder, "models", "request", "churn", "2", "production", "-m", "fewer misses: $(x)")
    branch = done.stdout.strip()
    assert branch == "gitml-request/churn-v2-production"
    assert f"git push origin {branch}" in done.stderr
    assert git(ada.folder, "status", "--porcelain", "--branch") == before
    assert git(ada.folder, "diff", "--stat", "--format=", "main", branch).count("\n") == 2
    assert (
        git(ada.folder, "diff", "--name-only", "main", branch) == ".gitml/requests/churn-v2-production.yaml\n"
    )
    git(ada.folder, "fsck", "--strict")
    assert "already" in gitml(ada.folder, "models", "request", "churn", "2", "production", code=4).stderr
    dry = gitml(ada.folder, "ci", "apply-requests", "--dry-run", "--commit", branch, "--since", "main")
    assert (dry.stdout, "can be made" in dry.stderr) == ("", True)
    git(ada.folder, "stash", "--quiet")
    git(ada.folder, "merge", "--quiet", "--no-ff", "--message", "yes", branch)
    assert gitml(ada.folder, "ci", "apply-requests").stdout == f"{TAG}\n"
    with ada.open() as repo:
        (event,) = stages.history(repo, "churn")
        assert (event.version, event.stage if hasattr(event, "stage") else event.name) == (2, "Production")
        assert re.fullmatch(
            r"fewer misses: \$\(x\) \(request [0-9a-f]{16} by Ada <ada@example.org>\)", event.comment or ""
        )
        stages.promote(repo, "churn", 1, "Production")  # what was done is not done again, whatever came after
    again = gitml(ada.folder, "ci", "apply-requests")
    assert (again.stdout, "was made before" in again.stderr) == ("", True)
    folder = ada.folder / ".gitml/requests"
    text = (folder / "churn-v2-production.yaml").read_text()
    (folder / "bad.yaml").write_text("model: [")
    (folder / "other.yaml").write_text(
        re.sub("id: .*", "id: other", re.sub("tag: .*", f"tag: {'a' * 40}", text))
    )
    (folder / "third.yaml").write_text(re.sub("id: .*", "id: third", text).replace("Production", "Staging"))
    git(ada.folder, "add", ".gitml")
    git(ada.folder, "commit", "--quiet", "--message", "by hand")
    mixed = gitml(ada.folder, "ci", "apply-requests", code=4)
    assert mixed.stdout == "gitml/stages/churn/staging/1\n"
    assert "not the one that was asked for" in mixed.stderr
    assert "2 of 4 requests can't be made" in mixed.stderr


# The workflows themselves


@pytest.fixture
def runner(server: Path, tmp_path: Path) -> Runner:
    programs = tmp_path / "programs"
    programs.mkdir()
    home = Path(package.__file__).parents[1]
    (programs / "gitml").write_text(f'#!/bin/sh\nPYTHONPATH="{home}" exec "{sys.executable}" -m gitml "$@"\n')
    (programs / "gitml").chmod(0o755)
    folder = tmp_path / "jobs"
    folder.mkdir()
    return Runner(server, folder, programs)


def _workflow(git, server: Path, ref: str, name: str) -> dict:
    """As the host takes it: from the commit of what was pushed."""
    return load(git(server, "show", f"{ref}:.github/workflows/gitml-{name}.yml"))


def _event(ref: str) -> dict:
    return {
        "github": {"ref": ref, "event": {"repository": {"default_branch": "main"}}},
        "vars": {},
        "inputs": {},
    }


def _start(ada: Clone, server: Path, git, gitml) -> tuple[dict, dict]:
    """Promote version 1; gives the workflow that this starts, and its event."""
    ref = "refs/tags/gitml-ci/churn/production/1"
    gitml(ada.folder, "models", "promote", "churn", "1", "Production")
    gitml(ada.folder, "push")
    workflow = _workflow(git, server, ref, "promotion")
    assert starts(workflow, ref)
    return workflow, _event(ref)


CHECKED = {"tag": TAG, "stage": "Production", "event": "assigned"}


def test_a_promotion_is_verified_checked_tested_and_deployed(
    with_workflows: Clone, server: Path, runner: Runner, git, gitml, tmp_path: Path
):
    workflow, event = _start(with_workflows, server, git, gitml)
    assert runner.job(workflow, "check", event) == CHECKED
    step = workflow["jobs"]["deploy"]["steps"][-1]
    assert "# EDIT" in step["run"]
    step["run"] = f'cp -r "$RUNNER_TEMP/model" "{tmp_path}/served-$STAGE-$MODEL-$VERSION"'
    assert runner.job(workflow, "deploy", {**event, "needs": {"check": {"outputs": CHECKED}}}) == {}
    assert (tmp_path / "served-Production-churn-1/model/weights.bin").read_bytes() == b"w"


@pytest.mark.heavy
def test_nothing_is_deployed_that_was_passed_by_or_is_not_signed_or_by_nobody(
    with_workflows: Clone, server: Path, runner: Runner, git, gitml
):
    workflow, event = _start(with_workflows, server, git, gitml)
    needs = {**event, "needs": {"check": {"outputs": CHECKED}}}
    with pytest.raises(StepFailedError, match="deploy: nothing is deployed yet"):
        runner.job(workflow, "deploy", needs)
    for outcome in ({"stage": "Archived"}, {"event": "removed"}):
        skipped = {**event, "needs": {"check": {"outputs": {**CHECKED, **outcome}}}}
        assert runner.job(workflow, "deploy", skipped) is None
    with pytest.raises(StepFailedError, match=r"^verify: "):
        runner.job(
            workflow,
            "check",
            {**event, "vars": {"GITML_ALLOWED_SIGNERS": "ada@example.org ssh-ed25519 AAAA"}},
        )
    _promote(with_workflows, 2)  # while somebody had to agree
    _push(with_workflows)
    with pytest.raises(StepFailedError, match="Production of 'churn' is v2"):
        runner.job(workflow, "deploy", needs)


@pytest.mark.heavy
def test_a_promotion_that_the_policy_does_not_let_in_stops_there(
    with_workflows: Clone, server: Path, runner: Runner, git, gitml
):
    ada = with_workflows
    _promote(ada, 1)
    (ada.folder / ".gitml.yaml").write_text(
        "models:\n  churn:\n    stages:\n      Production:\n        require:\n          - metrics.loss < 0.1\n"
    )
    git(ada.folder, "add", ".gitml.yaml")
    git(ada.folder, "commit", "--quiet", "--message", "stricter")
    git(ada.folder, "push", "--quiet")
    _push(ada)
    ref = "refs/tags/gitml-ci/churn/production/1"
    with pytest.raises(StepFailedError, match=r"^policy: "):
        runner.job(_workflow(git, server, ref, "promotion"), "check", _event(ref))


@pytest.mark.heavy
def test_a_pull_request_gets_one_comment_and_its_merge_makes_the_promotion(
    with_workflows: Clone, server: Path, runner: Runner, git, gitml
):
    need("jq")
    need("curl")
    ada = with_workflows
    _push(ada)
    base = git(ada.folder, "rev-parse", "main").strip()
    branch = gitml(ada.folder, "models", "request", "churn", "2", "Production").stdout.strip()
    git(ada.folder, "checkout", "--quiet", branch)
    ada.record("tuned @all", loss=0.25)
    _push(ada)
    git(ada.folder, "push", "--quiet", "origin", branch)
    head = git(ada.folder, "rev-parse", "HEAD").strip()
    repository = {"full_name": "ada/churn"}
    pull = {"number": 7, "base": {"sha": base}, "head": {"sha": head, "repo": repository}}
    context = {"github": {"event": {"pull_request": pull}, "repository": "ada/churn", "token": "t0ken"}}
    with api() as host:
        runner.variables = {"GITHUB_API_URL": host.url, "GITHUB_REPOSITORY": "ada/churn"}
        report = _workflow(git, server, head, "report")
        for _ in range(2):
            runner.job(report, "report", context)
        (comment,) = host.comments
        assert "tuned @\u2060all" in comment["body"]
        assert "against one, the newest of the base" in comment["body"]
        assert host.tokens == {"Bearer t0ken"}
        git(ada.folder, "checkout", "--quiet", "main")
        git(ada.folder, "merge", "--quiet", "--no-ff", "--message", "yes", branch)
        git(ada.folder, "push", "--quiet", "origin", "main")
        requests = _workflow(git, server, "main", "requests")
        for _ in range(2):
            runner.job(requests, "apply", {"github": {"token": "t0ken"}})
        assert host.started == [{"ref": "main", "inputs": {"ref": TAG}}]
    assert git(server, "tag", "--list", "gitml/stages/*") == f"{TAG}\n"
    promotion = _workflow(git, server, "main", "promotion")
    outputs = runner.job(promotion, "check", {**_event("refs/heads/main"), "inputs": {"ref": TAG}})
    assert outputs == {"tag": TAG, "stage": "Production", "event": "assigned"}


@pytest.mark.heavy
def test_the_jobs_of_gitlab(with_workflows: Clone, server: Path, runner: Runner, git, gitml, tmp_path: Path):
    need("curl")
    ada, ref = with_workflows, "gitml-ci/churn/production/1"
    assert load(git(server, "show", "main:.gitlab-ci.yml")) == {
        "include": [{"local": ".gitlab/gitml-ci.yml"}]
    }
    base = git(ada.folder, "rev-parse", "main").strip()
    branch = gitml(ada.folder, "models", "request", "churn", "2", "Production").stdout.strip()
    git(ada.folder, "merge", "--quiet", "--ff-only", branch)
    ada.record("tuned", loss=0.25)
    _push(ada)
    git(ada.folder, "push", "--quiet", "origin", "main")
    jobs = load(git(server, "show", "main:.gitlab/gitml-ci.yml"))
    head = git(ada.folder, "rev-parse", "main").strip()
    with api() as host:
        runner.variables = {
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_COMMIT_SHA": head, "CI_API_V4_URL": host.url, "CI_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "7", "GITML_API_TOKEN": "t0ken",
        }  # fmt: skip
        for _ in range(2):
            runner.gitlab(jobs, "gitml-report", head)
        (comment,) = host.comments
        assert "### tuned against one" in comment["body"]
        assert host.tokens == {"t0ken"}
    runner.variables = {
        "GITML_PUSH_TOKEN": "t0ken", "CI_SERVER_FQDN": "git.example.org", "CI_SERVER_HOST": "git.example.org",
        "CI_PROJECT_URL": str(server).removesuffix(".git"),
    }  # fmt: skip
    runner.gitlab(jobs, "gitml-requests", "main")
    assert git(server, "tag", "--list", "gitml-ci/*") == f"{ref}\n"
    runner.variables = {"CI_COMMIT_TAG": ref}
    runner.gitlab(jobs, "gitml-check", ref)
    with pytest.raises(StepFailedError, match="nothing is deployed yet"):
        runner.gitlab(jobs, "gitml-deploy", ref)
    script = jobs["gitml-deploy"]["script"]
    script[-1] = re.sub(
        r"(?s) *# EDIT.*exit 1", f'cp -r "$CI_BUILDS_DIR/model" "{tmp_path}/served"', script[-1]
    )
    runner.gitlab(jobs, "gitml-deploy", ref)
    assert (tmp_path / "served/model/weights.bin").read_bytes() == b"w"


@pytest.mark.heavy
def test_workflows_fit_the_schemas_of_their_hosts(with_workflows: Clone):
    if importlib.util.find_spec("check_jsonschema") is None:
        assert "CI" not in os.environ, "check-jsonschema is not installed"
        pytest.skip("check-jsonschema is not installed")
    top = with_workflows.folder
    for schema, files in (
        ("vendor.github-workflows", sorted((top / ".github/workflows").iterdir())),
        ("vendor.gitlab-ci", [top / ".gitlab-ci.yml", top / ".gitlab/gitml-ci.yml"]),
    ):
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    for path in (top / ".github/workflows").iterdir():
        workflow = load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        assert all(
            re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step
        )
        assert not any("${{" in step.get("run", "") for step in steps)
