"""What the checkout promises before anything is built; `.ci/run` builds it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gitml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
HOOKS = sorted((ROOT / "hooks").iterdir())


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_version_is_the_same_everywhere(project):
    assert gitml.__version__ == project["project"]["version"]


def test_pythons_are_those_promised(project):
    assert project["project"]["requires-python"] == ">=3.10"
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["project"]["classifiers"]))
    assert named == ["3.10", "3.11", "3.12", "3.13"]


def test_extras_that_errors_tell_of_are_declared(project):
    told = {"ray", "spark"}  # the name is the engine's
    for path in (ROOT / "gitml").rglob("*.py"):
        told |= set(re.findall(r'MissingExtraError\([^)]*"([a-z-]+)"\)', path.read_text()))
    assert {"parquet", "vertex"} < told
    assert told <= set(project["project"]["optional-dependencies"])


def test_the_wheel_takes_the_hooks_along(project):
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["hooks"] == "gitml/_hooks"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_hooks_are_short_shell_scripts_that_call_gitml(hook: Path):
    assert os.access(hook, os.X_OK)
    assert len(hook.read_text().splitlines()) <= 5
    assert f"exec gitml hook {hook.name}" in hook.read_text()
    subprocess.run(["sh", "-n", str(hook)], check=True)


@pytest.mark.parametrize(
    "line", ["", "HEAD 1 refs/heads/gitml/runs 0\n", "refs/heads/main 1 refs/heads/main 0\n"]
)
def test_a_hook_lets_git_go_on_where_gitml_is_not_installed(tmp_path: Path, line: str):
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "hooks" / "pre-push"), "origin", "somewhere"],
        env={"PATH": str(tmp_path), "left": "from outside"},
        input=line,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert ("gitml is not on PATH" in done.stderr) == ("gitml" in line)


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_readme_has_its_two_commands_in_one_line_each(name: str):
    found = re.search(rf"<!-- command: {name} -->\n```bash\n(.+)\n```\n", (ROOT / "README.md").read_text())
    assert found is not None
    assert found[1].startswith("python3 -m venv .venv && ")


def test_licence_and_changelog_are_there():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_the_module_runs_as_the_command_does(gitml, tmp_path: Path):
    assert gitml(tmp_path, "--version").stdout == "gitml 0.1.0\n"
    assert gitml(tmp_path, "nonsense", code=2).stderr.startswith("error: there is no command")
