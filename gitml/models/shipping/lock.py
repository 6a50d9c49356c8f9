"""The exact packages of an image, with hashes: what the model needs, and gitml to serve it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from gitml.errors import NotFoundError, UsageError
from gitml.execution.environments.errors import EnvironmentNotMadeError, ManagerNotFoundError
from gitml.execution.environments.index import handed_to_uv
from gitml.execution.environments.lock import Lock, read_lock
from gitml.execution.environments.own import NAME, own_gitml
from gitml.execution.environments.programs import find_uv
from gitml.execution.environments.requirements import read_requirements_file
from gitml.execution.environments.tools import Workshop
from gitml.models.directory import REQUIREMENTS_FILE
from gitml.models.shipping.prepare import LOCK, TOOLS_LOCK, WHEELS
from gitml.progress import ShowProgress
from gitml.store.local import hash_stream
from gitml.tracking.secrets import strip_url_credentials

# What uv calls a platform: the oldest C library that the default base images have had for long.
PLATFORMS = {"linux/amd64": "x86_64-manylinux_2_28", "linux/arm64": "aarch64-manylinux_2_28"}
_MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64", "arm64": "linux/arm64"}
_PLAIN = ("--no-header", "--no-annotate", "--generate-hashes", "--no-config")


@dataclass(frozen=True, slots=True)
class Packages:
    """Which packages an image gets.

    Attributes:
        python: The version of its Python: `3.11`.
        platform: `linux/amd64` or `linux/arm64`.
        wheels: A folder that has all of them as files, so that nothing is fetched.
        with_uv: Whether uv is to install them.
    """

    python: str
    platform: str
    wheels: Path | None = None
    with_uv: bool = False


def own_platform() -> str:
    """The platform of images for this machine.

    Raises:
        UsageError: No wheels are known for it.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise UsageError(f"images for '{machine}' can't be built", hint="give --platform linux/amd64")
    return _MACHINES[machine]


def write_lock(
    model: Path, target: Path, packages: Packages, *, environ: Mapping[str, str], progress: ShowProgress
) -> list[str]:
    """Write the lock, and files of packages that the build does not get from an index.

    Args:
        model: The model's folder.
        target: The folder `build` of the context.
        packages: Which packages.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Returns:
        Names of what is installed.

    Raises:
        NotFoundError: The model does not say what it needs, or there is no such folder of wheels.
        EnvironmentNotMadeError: It can't be solved, or a package has no hash.
    """
    if not (model / REQUIREMENTS_FILE).is_file():
        raise NotFoundError(
            f"the model does not say what it needs: it has no {REQUIREMENTS_FILE}", hint="log the model anew"
        )
    if packages.wheels is not None and not packages.wheels.is_dir():
        raise NotFoundError(
            f"there is no folder '{packages.wheels}'", hint="pip download -d FOLDER fills one"
        )
    uv = find_uv(environ)
    if uv is None:
        raise ManagerNotFoundError("uv", "pip install uv")
    wheels = target / WHEELS
    wheels.mkdir()
    with tempfile.TemporaryDirectory(prefix="gitml-lock-") as scratch, open(os.devnull, "rb") as nothing:
        shop = Workshop(model, Path(scratch), environ, progress, nothing.fileno())
        solver = _Solver(uv, shop, packages)
        ours = _own_wheel(uv, shop, packages, wheels)
        needed = f"{NAME}[serve] @ {ours.as_uri()}" if ours else f"{NAME}[serve]=={version(NAME)}"
        lock = solver.solve([needed], [model / REQUIREMENTS_FILE])
        (target / LOCK).write_text(_places(model) + _hashed(lock, ours, packages.wheels), encoding="utf-8")
        locks = [lock]
        if packages.with_uv:
            tools = solver.solve(["uv"], [])
            (target / TOOLS_LOCK).write_text(_hashed(tools, None, packages.wheels), encoding="utf-8")
            locks.append(tools)
    if packages.wheels is not None:
        _copy_wheels(packages.wheels, wheels, locks)
    if not any(wheels.iterdir()):
        wheels.rmdir()
    return [entry.name for entry in lock.entries]


class _Solver:
    def __init__(self, uv: Path, shop: Workshop, packages: Packages) -> None:
        self._uv, self._shop = uv, shop
        self._words = [
            f"--python-version={packages.python}",
            f"--python-platform={PLATFORMS[packages.platform]}",
        ]
        handed = handed_to_uv(shop.environ)
        self._environ = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", **handed.variables}
        self._words += handed.options
        if packages.wheels is not None:
            self._words += ["--no-index", f"--find-links={packages.wheels.absolute()}"]

    def solve(self, lines: Iterable[str], files: Iterable[Path]) -> Lock:
        given = self._shop.scratch / "image.in"
        given.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        words: list[str | Path] = [self._uv, "pip", "compile", "-q", *_PLAIN, *self._words, given, *files]
        return read_lock(self._shop.run(words, "solving the image's packages", environ=self._environ))


def _own_wheel(uv: Path, shop: Workshop, packages: Packages, target: Path) -> Path | None:
    """Make a wheel of the running gitml, where it was installed from this machine; None: an index has it."""
    own = own_gitml()
    if own is None or (packages.wheels and any(packages.wheels.glob(f"{NAME}-{own.version}-*.whl"))):
        return None
    if own.path.suffix == ".whl":
        return Path(shutil.copy(own.path, target))
    words: list[str | Path] = [uv, "build", "-q", "--wheel", f"--out-dir={target}", own.path]
    if packages.wheels is not None:
        words += ["--no-index", f"--find-links={packages.wheels.absolute()}"]
    shop.run(words, "making a wheel of gitml", environ=handed_to_uv(shop.environ).variables)
    (target / ".gitignore").unlink(missing_ok=True)
    return next(target.glob(f"{NAME}-*.whl"))


def _places(model: Path) -> str:
    """Say where the model's own requirements say that packages are."""
    found = read_requirements_file(model, REQUIREMENTS_FILE)
    return "".join(f"{strip_url_credentials(option)}\n" for option in found.indexes)


def _hashed(lock: Lock, ours: Path | None, wheels: Path | None) -> str:
    lines, loose = [], []
    for entry in sorted(lock.entries, key=lambda entry: entry.name):
        if ours is not None and entry.name == NAME:
            lines.append(f"./{WHEELS}/{ours.name} --hash=sha256:{_digest(ours)}")
        elif entry.is_hashed and entry.path is None:
            lines.append(entry.text)
        else:
            loose.append(entry.text)
    if loose:
        raise EnvironmentNotMadeError(
            f"nothing says which bytes these are, so an image can't be pinned to them: {'; '.join(loose)}",
            hint="make wheels of them and give the folder: --wheels DIR" if wheels is None else None,
        )
    return "".join(line.replace(" --hash=", " \\\n    --hash=") + "\n" for line in lines)


def _copy_wheels(source: Path, target: Path, locks: Iterable[Lock]) -> None:
    wanted = "".join(lock.text(hashed=True) for lock in locks)
    for file in sorted(source.iterdir()):
        if file.is_file() and f"sha256:{_digest(file)}" in wanted:
            shutil.copyfile(file, target / file.name)


def _digest(file: Path) -> str:
    with file.open("rb", buffering=0) as stream:
        return hash_stream(stream)[0]
