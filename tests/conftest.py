"""What every test stands on: a git that knows no one, and a home that is empty.

Nothing of the person who runs the tests reaches them: no system or user
configuration, no variables of git, gitml or MLflow, no home directory.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.quick import QuickGitml

# `-m "heavy or hypothesis" --hypothesis-profile=thorough` looks at many more examples.
for profile, examples in (("gitml", 30), ("thorough", 200)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,  # machines are shared: slow is not wrong
        derandomize="CI" in os.environ,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
settings.load_profile("gitml")

FOREIGN = ("GIT_", "GITML_", "MLFLOW_", "PYTEST_XDIST_TESTRUN", "XDG_")
OUTPUT = ("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LESS", "LINES", "NO_COLOR", "PAGER")

SCRIPT = """\
import sys

print("training with", *sys.argv[1:])
"""

Git = Callable[..., str]
Gitml = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session", autouse=True)
def _hermetic(_home: Path, tmp_path_factory: pytest.TempPathFactory):
    """Give the whole session an environment of its own."""
    # Ignored signals are inherited: under nohup or in the background, programs would never hear them.
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(FOREIGN) or name in OUTPUT:
                patch.delenv(name)
        patch.setenv("HOME", str(_home))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", str(_home / ".gitconfig"))
        patch.setenv("GIT_TERMINAL_PROMPT", "0")
        patch.setenv("LC_ALL", "C.UTF-8")
        patch.setenv("TERM", "dumb")
        # Finding the machine's fonts takes matplotlib seconds: once for all who test at the same time.
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp().parent / "matplotlib"))
        # Programs that tests start compile gitml once, not each of them anew.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        (_home / ".gitconfig").touch()
        yield


@pytest.fixture(scope="session")
def git(_hermetic: None) -> Git:
    """Run git in a folder and give what it printed: `git(path, "log", "-1")`."""

    def run(folder: Path | str, *arguments: str, **options) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, check=False, capture_output=True, text=True, **options
        )
        assert done.returncode == 0, f"git {arguments} failed: {done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory, git: Git) -> Path:
    folder = tmp_path_factory.mktemp("template") / "repo"
    git(folder.parent, "init", "--quiet", "--initial-branch=main", "repo")
    git(folder, "config", "user.name", "Ada Example")
    git(folder, "config", "user.email", "ada@example.org")
    (folder / "train.py").write_text(SCRIPT)
    git(folder, "add", "train.py")
    git(folder, "commit", "--quiet", "--message", "a script")
    return folder


@pytest.fixture
def git_repo(tmp_path: Path, _template: Path) -> Path:
    """A real repository with an identity and one commit (`train.py`) on `main`."""
    # Starting git three times costs more than most tests: copy one made before.
    return Path(shutil.copytree(_template, tmp_path / "repo", symlinks=True))


@pytest.fixture
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`git_repo`, with the process standing in it."""
    monkeypatch.chdir(git_repo)
    return git_repo


@pytest.fixture(scope="session")
def quick(_hermetic: None):
    """A process that has gitml loaded; see `tests/quick.py`."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(QuickGitml(Path(folder))) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def gitml(quick: QuickGitml) -> Gitml:
    """Run the gitml command in a folder: `gitml(path, "log", "--json").stdout`.

    Fails the test when the exit code is not `code` (None: any will do). It is a process of its own,
    but forked, not started; what starting does is for `gitml_from_scratch` to test.
    """
    return functools.partial(_gitml, quick.run)


@pytest.fixture(scope="session")
def gitml_from_scratch(_hermetic: None) -> Gitml:
    """Run `python -m gitml` in a folder, as `gitml` does, but with a Python that loads everything anew."""

    def start(arguments: Sequence[str], **options) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gitml", *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, **options)

    return functools.partial(_gitml, start)


def _gitml(run: Callable, folder: Path | str, *arguments: str, code: int | None = 0, **options):
    done = run(arguments, cwd=folder, **options)
    if code is not None:
        assert done.returncode == code, (
            f"gitml {arguments} gave {done.returncode}: {done.stdout}{done.stderr}"
        )
    return done


@pytest.fixture
def mlflow(in_repo: Path):
    """The package, as `import gitml as mlflow` gives it, recording into `git_repo`.

    Whoever calls the fluent functions in this process asks for this: which repository
    and experiment they record into is a setting of the process, and another test's if
    nobody sets it.
    """
    import gitml as package

    package.set_tracking_uri(in_repo)
    yield package
    while package.active_run() is not None:
        package.end_run()
    package.strict = False
    os.environ.pop("GITML_EXPERIMENT", None)
