"""The build context of a model's image: a folder with everything that the image is made of.

    Dockerfile
    model/                     the model's files, each looked at by its hash
    build/requirements.lock    exact packages with hashes
    build/prepare.py           makes the environment in the build stage
    build/wheels/              packages that come from no index

The same model, options and index give the same bytes, times included.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from gitml.entities.model import PYTHON_FUNCTION
from gitml.entities.run import Run
from gitml.errors import GitmlError, UsageError
from gitml.formats import yaml
from gitml.models.directory import PYTHON_ENV_FILE, FolderTakenError, list_files
from gitml.models.errors import UntrustedModelError
from gitml.models.loading import require_loadable
from gitml.models.locating import Located
from gitml.models.pyfunc.loading import function_flavor
from gitml.models.shipping import prepare
from gitml.models.shipping.lock import Packages, own_platform, write_lock
from gitml.models.shipping.recipe import Recipe, dockerfile
from gitml.progress import ShowProgress

DOCKERFILE = "Dockerfile"
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
MANAGERS = ("pip", "uv")
_VERSION = re.compile(r"(3\.[0-9]{1,2})(?:\.[0-9]+)?")
# What wheels need of the system that a slim image does not have.
_SYSTEM = {"lightgbm": "libgomp1"}


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How an image is made.

    Attributes:
        base: The image that it is built on; None: Python's own, slim, of the model's version.
        manager: What installs packages in it: `pip` or `uv`.
        wheels: A folder that has all packages as files; None: they come from an index.
        system_packages: Debian packages to add.
        platform: `linux/amd64` or `linux/arm64`; None: this machine's.
        trust: Whether code in the model may run; see `gitml.models.trust`.
        allow_tag: Whether a build context may name the base by its tag, where its digest can't be had.
    """

    base: str | None = None
    manager: str = "pip"
    wheels: Path | None = None
    system_packages: tuple[str, ...] = ()
    platform: str | None = None
    trust: bool | None = None
    allow_tag: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """A build context that was written.

    Attributes:
        folder: Where it is.
        epoch_s: The time that everything in it has, in seconds since 1970.
        base: The base image.
        platform: Which machines the image is for.
        offline: Whether building fetches no packages.
        notes: Sentences for the user.
    """

    folder: Path
    epoch_s: int
    base: str
    platform: str
    offline: bool
    notes: tuple[str, ...] = ()


def default_base(located: Located) -> str:
    """Name the image that a model's image is built on if nobody says."""
    return f"docker.io/library/python:{python_of(located)}-slim"


def write_context(
    located: Located, folder: Path, base: str, options: ImageOptions, *, environ: Mapping[str, str],
    progress: ShowProgress,
) -> Context:  # fmt: skip
    """Write a build context.

    Args:
        located: The model.
        folder: A new or empty folder.
        base: The base image, by digest where that is known.
        options: How the image is made.
        environ: The environment variables that gitml was started with; `SOURCE_DATE_EPOCH` is the
            time that everything has, else it is the model's.
        progress: Shows what takes long.

    Raises:
        FolderTakenError: The folder has something in it.
        NoFlavorError: The model can't predict.
        UntrustedModelError: Loading it would run code, and nothing vouches for it.
        EnvironmentNotMadeError: Its packages can't be pinned.
    """
    runs_code = needs_trust(located, options.trust)
    check_free(folder)
    folder = folder.absolute()  # tools work in the model's
    epoch = _epoch(located, environ)
    python = python_of(located)
    build = folder / "build"
    build.mkdir(parents=True)
    shutil.copyfile(prepare.__file__, build / "prepare.py")
    packages = Packages(python, options.platform or own_platform(), options.wheels, options.manager == "uv")
    names = write_lock(located.folder, build, packages, environ=environ, progress=progress)
    _copy_model(located.folder, folder / "model")
    system = {*options.system_packages}
    if options.base is None:
        system |= {_SYSTEM[name] for name in names if name in _SYSTEM}
    recipe = Recipe(
        base, python, _labels(located, base, epoch), offline=options.wheels is not None,
        with_uv=packages.with_uv, runs_code=runs_code, system_packages=sorted(system),
    )  # fmt: skip
    (folder / DOCKERFILE).write_text(dockerfile(recipe), encoding="utf-8")
    _settle(folder, epoch)
    notes: tuple[str, ...] = ()
    if system:
        notes = (f"{', '.join(sorted(system))}: of Debian's newest at the time of building, so not pinned",)
    return Context(folder, epoch, base, packages.platform, recipe.offline and not system, notes)


def check_free(folder: Path) -> None:
    """See that a context can be written into a folder.

    Raises:
        FolderTakenError: It has something in it, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderTakenError(folder)


def needs_trust(located: Located, trust: bool | None) -> bool:
    """See that code in the model may run, as loading it would.

    Returns:
        Whether there is any.

    Raises:
        NoFlavorError: It can't predict.
        UntrustedModelError: There is, and nothing vouches for it.
    """
    flavor, facts = function_flavor(located)
    try:
        require_loadable(located, flavor, facts, False, {})
    except UntrustedModelError:
        require_loadable(located, flavor, facts, trust, {})
        return True
    return False


def python_of(located: Located) -> str:
    """The version of Python that a model was made with: `3.11`.

    Raises:
        UsageError: It does not say.
    """
    said = str(located.model.flavors.get(PYTHON_FUNCTION, {}).get("python_version") or "")
    file = located.folder / PYTHON_ENV_FILE
    if file.is_file():
        said = str(yaml.load_mapping(file.read_bytes(), source=PYTHON_ENV_FILE).get("python") or said)
    found = _VERSION.fullmatch(said)
    if found is None:
        raise UsageError(
            f"the model does not say which Python it was made with: '{said}'", hint="log it anew"
        )
    return found[1]


def _epoch(located: Located, environ: Mapping[str, str]) -> int:
    given = environ.get(EPOCH_VARIABLE)
    if given:
        if not re.fullmatch(r"[0-9]{1,11}", given):
            raise UsageError(f"{EPOCH_VARIABLE} '{given}' is no number of seconds since 1970")
        return int(given)
    made = located.model.utc_time_created
    try:
        return int(datetime.fromisoformat(made or "").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        return 0


def _labels(located: Located, base: str, epoch: int) -> dict[str, str]:
    version, model = located.origin.version, located.model
    title = version.name if version else (model.artifact_path or "model").rpartition("/")[2] or "model"
    run_id = version.run_id if version else model.run_id
    run = _run_of(located, run_id)
    name, _, digest = base.partition("@")
    labels = {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.created": datetime.fromtimestamp(epoch, timezone.utc).isoformat(),
        "org.opencontainers.image.version": f"v{version.version}" if version else model.model_uuid,
        "org.opencontainers.image.revision": run.code.commit if run else None,
        "org.opencontainers.image.base.name": name,
        "org.opencontainers.image.base.digest": digest,
        "gitml.run": run_id,
        "gitml.model": version.name if version else None,
        "gitml.version": str(version.version) if version else None,
        "gitml.digest": located.origin.digest(),
    }
    return {key: value for key, value in labels.items() if value}


def _run_of(located: Located, run_id: str | None) -> Run | None:
    from gitml.registry import content
    from gitml.tracking.history import get_run

    repo, version = located.origin.repo, located.origin.version
    if repo is None:
        return None
    if version is not None:
        return content.recorded_run(repo, version)
    try:
        return get_run(repo, run_id) if run_id else None
    except GitmlError:  # of another repository
        return None


def _copy_model(source: Path, target: Path) -> None:
    for name, path in list_files(source):
        if "__pycache__" in name.split("/"):
            continue
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _settle(folder: Path, epoch: int) -> None:
    """Give everything the same times and rights, whatever they were here."""
    for here, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(here, name)
            path.chmod(0o644)
            os.utime(path, (epoch, epoch))
        for name in folders:
            path = Path(here, name)
            path.chmod(0o755)
            os.utime(path, (epoch, epoch))
    folder.chmod(0o755)
    os.utime(folder, (epoch, epoch))
