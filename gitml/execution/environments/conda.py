"""Environments made by conda, mamba or micromamba."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gitml.execution.environments.conda_file import read_conda_file
from gitml.execution.environments.installing import describe_packages
from gitml.execution.environments.recorded import EXPLICIT, EXPORT, PACKAGES, VERSION
from gitml.execution.environments.store import Made
from gitml.execution.environments.tools import Workshop
from gitml.tracking.secrets import strip_url_credentials

_AGREE = {"CONDA_ALWAYS_YES": "true", "MAMBA_ALWAYS_YES": "true", "PIP_NO_INPUT": "1"}
_TOKEN = re.compile(r"/t/[^/\s]+/")  # anaconda.org's way to put a token into a URL
# They say where a shell is, not what an environment is.
_OF_THE_SHELL = re.compile(r"PATH|PWD|OLDPWD|SHLVL|_|PS1|CONDA_SHLVL|CONDA_EXE|CONDA_ROOT|_CE_\w+|MAMBA_\w+")


def make_with_conda(conda: Path, file: str, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from conda's own file.

    Raises:
        EnvironmentNotMadeError: It can't be solved, fetched or installed.
    """
    create = ["create"] if conda.name == "micromamba" else ["env", "create"]
    shop.run(
        [conda, *create, "--quiet", f"--prefix={prefix}", f"--file={shop.folder / file}"],
        f"making the environment with {conda.name}",
        environ=_AGREE,
    )
    return _finish(conda, prefix, shop)


def remake_with_conda(conda: Path, files: Mapping[str, bytes], prefix: Path, shop: Workshop) -> Made:
    """Make an environment from the packages that conda listed, and those that pip had added.

    Raises:
        EnvironmentNotMadeError: A package can't be had any more.
    """
    explicit = shop.scratch / EXPLICIT
    explicit.write_bytes(files[EXPLICIT])
    shop.run(
        [conda, "create", "--quiet", f"--prefix={prefix}", f"--file={explicit}"],
        f"making the environment with {conda.name}",
        environ=_AGREE,
    )
    added = read_conda_file(files.get(EXPORT, b""), EXPORT).pip
    if added:
        rest = shop.scratch / PACKAGES
        rest.write_text("".join(f"{line}\n" for _, line in added), encoding="utf-8")
        pip: list[str | Path] = [prefix / "bin" / "python", "-I", "-m", "pip", "install", "-q", "--no-deps"]
        shop.run([*pip, f"--requirement={rest}"], "installing packages with pip", environ=_AGREE)
    return _finish(conda, prefix, shop)


def _finish(conda: Path, prefix: Path, shop: Workshop) -> Made:
    listing = (
        ["env", "export", "--explicit"] if conda.name == "micromamba" else ["list", "--explicit", "--md5"]
    )
    explicit = shop.run([conda, *listing, f"--prefix={prefix}"], "listing packages", environ=_AGREE)
    export = shop.run([conda, "env", "export", f"--prefix={prefix}"], "listing packages", environ=_AGREE)
    kept = [line for line in export.splitlines() if not line.startswith(("name:", "prefix:"))]
    files = {EXPLICIT: _public(explicit), EXPORT: _public("".join(f"{line}\n" for line in kept))}
    version = ""
    if (prefix / "bin" / "python").exists():  # an environment of R has none
        version, files[PACKAGES] = describe_packages(prefix, shop)
        files[VERSION] = f"{version}\n"
    return Made(prefix, "conda", version, files, variables=_activation(conda, prefix, shop))


def _public(text: str) -> str:
    return "".join(f"{_TOKEN.sub('/', strip_url_credentials(line))}\n" for line in text.splitlines())


def _activation(conda: Path, prefix: Path, shop: Workshop) -> dict[str, str]:
    """Ask once what activating sets, so that no start of a program has to wait for `conda run`."""
    answer = shop.run([conda, "run", f"--prefix={prefix}", "env", "-0"], "activating the environment")
    found = dict(entry.partition("=")[::2] for entry in answer.split("\0") if "=" in entry)
    changed = {name: value for name, value in found.items() if shop.environ.get(name) != value}
    kept = {name: value for name, value in changed.items() if not _OF_THE_SHELL.fullmatch(name)}
    return {**kept, "CONDA_PREFIX": str(prefix)}
