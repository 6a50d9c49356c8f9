"""A model's folder: what is in it beside the files of its flavor, and how its files are found."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gitml.entities.model import Model
from gitml.errors import DamagedError, NotFoundError, UsageError
from gitml.formats import yaml
from gitml.formats.mlmodel import MLMODEL_FILE, UnsafePathError, decode_model, encode_model, member_path
from gitml.registry.versions import model_digest
from gitml.store.local import hash_stream

CODE = "code"
REQUIREMENTS_FILE = "requirements.txt"
CONSTRAINTS_FILE = "constraints.txt"
CONDA_FILE = "conda.yaml"
PYTHON_ENV_FILE = "python_env.yaml"
_MAX_FILES = 100_000
_LEFT_OUT = ("__pycache__", ".git", ".DS_Store")


class NoModelError(NotFoundError):
    """A folder holds no model."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{name}' is no model: it has no file {MLMODEL_FILE}",
            hint="name the folder that has it; gitml artifacts list RUN shows a run's files",
        )


class FolderTakenError(UsageError):
    """A model can't be saved where something is already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' exists and is not an empty folder", hint="give another path, or remove it"
        )
        self.path = path


def read_model(folder: Path, name: str | None = None) -> Model:
    """Read the `MLmodel` file of a folder.

    Args:
        folder: The folder.
        name: What to call the model in an error.

    Raises:
        NoModelError: There is none.
        NotAModelError: It can't be read.
    """
    path = folder / MLMODEL_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NoModelError(name or str(folder)) from None
    return decode_model(data, source=str(path) if name is None else f"{name}/{MLMODEL_FILE}")


def write_model(folder: Path, model: Model) -> None:
    """Write the `MLmodel` file of a folder."""
    (folder / MLMODEL_FILE).write_bytes(encode_model(model))


def member(folder: Path, key: str, name: object) -> Path:
    """Find a file or folder of a model that its `MLmodel` file names.

    Args:
        folder: The model's folder.
        key: What it is, for an error.
        name: Its path as the file gives it.

    Raises:
        UnsafePathError: It leads out of the folder, or over a link.
        DamagedError: It is not there.
    """
    relative = member_path(key, name)
    path = folder
    for part in relative.split("/"):
        path /= part
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise DamagedError(
                f"the model lacks its file '{relative}' ({key})", hint="get or save the model anew"
            ) from None
        if stat.S_ISLNK(mode):
            raise UnsafePathError(key, name, "there is a link on the way")
    return path


def list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Walk a model's files: path below the folder with '/', and where it is; links are refused.

    Raises:
        UnsafePathError: There is a link in it.
    """
    for here, folders, files in os.walk(folder):
        folders.sort()
        for name in (*folders, *sorted(files)):
            path = Path(here, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise UnsafePathError("a file", relative, "it is a link")
            if name in files:
                yield relative, path


def folder_size(folder: Path) -> int:
    """Count the bytes of a model's files."""
    return sum(path.stat().st_size for _, path in list_files(folder))


def folder_digest(folder: Path) -> str:
    """Hash a model's files as the registry does: what they are, and what they are called."""
    files = []
    for number, (name, path) in enumerate(list_files(folder)):
        if number >= _MAX_FILES:
            raise UsageError(f"'{folder}' has more than {_MAX_FILES:,} files", hint="is it a model's folder?")
        with path.open("rb", buffering=0) as stream:
            oid, size = hash_stream(stream)
        files.append((oid, size, name))
    return model_digest(files)


def text_digest(data: bytes) -> str:
    """The SHA-256 of bytes in memory, in hex."""
    return hashlib.sha256(data).hexdigest()


# Code


def copy_code(paths: Sequence[str | Path], folder: Path) -> str | None:
    """Copy the code that a model needs into its folder.

    Args:
        paths: Files and folders of modules.
        folder: The model's folder.

    Returns:
        The name of the folder of code in it; None if there is none.

    Raises:
        NotFoundError: There is no such file or folder.
        UsageError: They were not given as a list.
    """
    if isinstance(paths, str | Path):
        raise UsageError("'code_paths' is a list of files and folders", hint=f"code_paths=[{str(paths)!r}]")
    if not paths:
        return None
    target = folder / CODE
    target.mkdir()
    for given in paths:
        path = Path(given).absolute()
        if path.is_dir():
            ignored = shutil.ignore_patterns(*_LEFT_OUT)
            shutil.copytree(path, target / path.name, ignore=ignored, dirs_exist_ok=True)
        elif path.is_file():
            shutil.copy(path, target / path.name)
        else:
            raise NotFoundError(f"there is no file or folder '{given}' of code", hint="check code_paths")
    return CODE


def put_on_path(folder: Path, code: object) -> None:
    """Let modules be imported from a model's folder of code.

    Raises:
        UnsafePathError: It is no folder of the model.
    """
    if code is None:
        return
    place = str(member(folder, "code", code))
    if place not in sys.path:
        sys.path.insert(0, place)


# Its environment


def write_environment(
    folder: Path, requirements: Sequence[str], constraints: Sequence[str] = (), conda: bytes | None = None
) -> dict[str, str]:
    """Write what the model runs in, in MLflow's three forms.

    Args:
        folder: The model's folder.
        requirements: A requirement a line.
        constraints: A constraint a line.
        conda: The content of `conda.yaml`, if the caller gave it.

    Returns:
        The `env` of `python_function`.
    """
    lines = [*requirements]
    if constraints:
        lines.append(f"-c {CONSTRAINTS_FILE}")
        (folder / CONSTRAINTS_FILE).write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
    (folder / REQUIREMENTS_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    python = ".".join(map(str, sys.version_info[:3]))
    (folder / CONDA_FILE).write_bytes(conda or _conda(python, lines))
    (folder / PYTHON_ENV_FILE).write_text(
        f"python: {yaml.dump_string(python)}\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\n"
        f"dependencies:\n- -r {REQUIREMENTS_FILE}\n",
        encoding="utf-8",
    )
    return {"conda": CONDA_FILE, "virtualenv": PYTHON_ENV_FILE}


def _conda(python: str, lines: Sequence[str]) -> bytes:
    listed = "".join(f"  - {_quoted(line)}\n" for line in lines)
    pip = f"- pip:\n{listed}" if listed else ""
    return (
        f"channels:\n- conda-forge\ndependencies:\n- python={python}\n- pip\n{pip}name: mlflow-env\n"
    ).encode()


def _quoted(line: str) -> str:
    return line if line.startswith(("-r ", "-c ")) else yaml.dump_string(line)
