"""The demo's repository: a training script that gets better by one commit.

Everything is written below one folder, through the same git layer as the rest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from gitml.config import load_settings
from gitml.errors import ConflictError, MissingExtraError, UsageError
from gitml.git.process import GitProcess
from gitml.git.repo import GitRepo

BRANCH = "refs/heads/main"
IGNORED = "__pycache__/\nmodel.npz\n"
FIRST_MESSAGE = "Tell malignant from benign tumours"
SECOND_MESSAGE = "Scale the features"

_SECOND_EDIT = {
    "import MLPClassifier\n": "import MLPClassifier\nfrom sklearn.preprocessing import StandardScaler\n",
    "    return train_x, test_x, train_y, test_y\n": """\
    scaler = StandardScaler().fit(train_x)
    return scaler.transform(train_x), scaler.transform(test_x), train_y, test_y
""",
}


class FolderNotEmptyError(UsageError):
    """The demo would have to write between files that are not its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"'{folder}' is not an empty folder, and the demo makes its own",
            hint="name a folder that does not exist yet: gitml demo /tmp/gitml-demo",
        )
        self.folder = folder


@dataclass(frozen=True, slots=True)
class DemoRun:
    """One run of the tour.

    Attributes:
        name: The run's name, so that later commands can be written down beforehand.
        arguments: What the training script gets.
    """

    name: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> tuple[str, ...]:
        """The words after `gitml`."""
        return ("run", "--name", self.name, "--", "python", "train.py", *self.arguments)


FIRST_RUNS = (
    DemoRun("raw-linear", ("--model", "linear")),
    DemoRun("raw-strict", ("--model", "linear", "--alpha", "0.1")),
    DemoRun("raw-mlp", ("--model", "mlp")),
)
SECOND_RUNS = (
    DemoRun("scaled-linear", ("--model", "linear")),
    DemoRun("scaled-mlp", ("--model", "mlp", "--hidden", "64")),
)
COMPARED = ("raw-linear", "scaled-linear")


def require_packages() -> None:
    """Check that the training script will find what it imports.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("the demo", "demo")


def create(folder: Path) -> GitRepo:
    """Make the repository with the first version of the script, committed.

    Args:
        folder: Where; it must not exist or be empty.

    Raises:
        FolderNotEmptyError: There is something else already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderNotEmptyError(folder)
    folder.mkdir(parents=True, exist_ok=True)
    GitProcess(folder).run(["init", "--quiet", "--initial-branch=main"])
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    (folder / "train.py").write_text(_script(), encoding="utf-8")
    git = GitRepo.discover(folder)
    _commit(git, [".gitignore", "train.py"], FIRST_MESSAGE)
    return git


def improve(git: GitRepo, folder: Path) -> None:
    """Change the script in the way that `SECOND_MESSAGE` says, and commit that."""
    (folder / "train.py").write_text(improved_script(), encoding="utf-8")
    _commit(git, ["train.py"], SECOND_MESSAGE)


def improved_script() -> str:
    """The second version of the training script."""
    text = _script()
    for before, after in _SECOND_EDIT.items():
        text = text.replace(before, after)
    return text


def _script() -> str:
    return (files("gitml.demo") / "files" / "train.py").read_text(encoding="utf-8")


def _commit(git: GitRepo, paths: list[str], message: str) -> None:
    git.process.run(["update-index", "--add", "--", *paths])
    tree = git.process.run(["write-tree"]).decode().strip()
    parent = git.tip(BRANCH)
    commit = git.write_commit(
        tree,
        [parent] if parent else [],
        f"{message}\n",
        author=load_settings(git).author,
        time_s=int(time.time()),
    )
    if not git.move_ref(BRANCH, parent, commit, f"commit: {message}"):
        raise ConflictError(BRANCH, 1)
