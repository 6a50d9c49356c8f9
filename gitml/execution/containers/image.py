"""Images: which one it is exactly, getting one, and building one with code in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import DamagedError, InvalidNameError
from gitml.execution.containers.engine import Engine, EngineError
from gitml.progress import ShowProgress

IMAGE_FILE = "container-image.txt"
CODE_FOLDER = "/mlflow/projects/code"  # where MLflow has it: projects' commands may count on that

_MAX_CHARACTERS = 512
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_DIGEST = re.compile(r"[a-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}")
_PLATFORM = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_.]+){1,2}")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has.

    Attributes:
        name: What it was asked for by.
        id: The hash of its configuration, with `sha256:`.
        digests: By what registries call it: `name@sha256:…`. Empty for one that
            was made here and never pushed.
        platform: System and processor: `linux/amd64`.
    """

    name: str
    id: str
    digests: tuple[str, ...] = ()
    platform: str = ""


def check_reference(name: str) -> str:
    """Check that a text can be an image's name, with tag or digest perhaps.

    Raises:
        InvalidNameError: It can't.
    """
    if not _REFERENCE.fullmatch(name) or len(name) > _MAX_CHARACTERS:
        raise InvalidNameError("image", name, "it is no name of an image", hint="python:3.12-slim")
    return name


def get_image(engine: Engine, name: str, progress: ShowProgress) -> Image:
    """Find an image here, or else pull it.

    Raises:
        InvalidNameError: No image can have that name.
        EngineError: It is not here, and can't be had.
    """
    found = find_image(engine, check_reference(name))
    if found is not None:
        return found
    with progress(f"pulling {name}", None, ""):
        engine.call(f"pull the image '{name}'", "pull", "--quiet", name)
    found = find_image(engine, name)
    if found is None:
        raise EngineError(engine.name, f"find the image '{name}'", "it was pulled, and is not here")
    return found


def find_image(engine: Engine, name: str) -> Image | None:
    """Find an image here; None if there is none of that name."""
    answer = engine.answers("image", "inspect", name)
    if answer is None:
        return None
    facts = json.loads(answer)[0]
    platform = "/".join(
        part for part in (facts.get("Os"), facts.get("Architecture"), facts.get("Variant")) if part
    )
    # Podman's own digest of an image that was built here; a registry has it by another, if it was pushed.
    here = str(facts.get("Digest"))
    digests = (
        # Podman makes some up for images that no registry has.
        str(digest)
        for digest in facts.get("RepoDigests") or ()
        if not str(digest).startswith("localhost/")
    )
    told = tuple(sorted(digests, key=lambda digest: (digest.endswith(here), digest)))
    return Image(name, "sha256:" + str(facts["Id"]).removeprefix("sha256:"), told, platform)


def name_by_digest(image: Image) -> str | None:
    """Name an image by its digest in the registry of its name; None: it is not known to be there."""
    wanted = _repository(image.name)
    for digest in image.digests:
        if _repository(digest) == wanted:
            return f"{wanted}@{digest.rpartition('@')[2]}"
    return None


def _repository(name: str) -> str:
    """Name the repository of an image in full: without tag and digest, with Docker's defaults."""
    path = name.partition("@")[0]
    folder, slash, last = path.rpartition("/")
    path = folder + slash + last.partition(":")[0]
    host, slash, rest = path.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return path if host != "docker.io" or "/" in rest else f"docker.io/library/{rest}"
    return f"docker.io/{path}" if slash else f"docker.io/library/{path}"


def encode_image(image: Image, engine: Engine) -> bytes:
    """Write what is recorded of a run's image: a `key: value` a line."""
    lines = [
        f"image: {image.name}",
        f"id: {image.id}",
        *(f"digest: {digest}" for digest in image.digests),
        f"platform: {image.platform}",
        f"engine: {engine.name} {engine.version}",
    ]
    return ("\n".join(lines) + "\n").encode()


def decode_image(data: bytes) -> Image:
    """Read what was recorded of a run's image.

    Raises:
        DamagedError: It was not written by `encode_image`.
    """
    pairs = [line.partition(": ")[::2] for line in data.decode("utf-8", "replace").splitlines()]
    facts = dict(pairs)
    digests = tuple(value for key, value in pairs if key == "digest")
    image = Image(facts.get("image", ""), facts.get("id", ""), digests, facts.get("platform", ""))
    if not (
        _REFERENCE.fullmatch(image.name)
        and _ID.fullmatch(image.id)
        and all(_DIGEST.fullmatch(digest) for digest in digests)
        and (not image.platform or _PLATFORM.fullmatch(image.platform))
    ):
        raise DamagedError(f"'{IMAGE_FILE}' of the run does not name an image")
    return image


def same_image(engine: Engine, recorded: Image, progress: ShowProgress) -> tuple[Image, tuple[str, ...]]:
    """Get the very image that a run ran in.

    Returns:
        It, by the name that it was asked for; and sentences for the user.

    Raises:
        EngineError: It is not here, and no registry is known to have it, or has it.
    """
    found = find_image(engine, recorded.id)
    if found is None:
        if not recorded.digests:
            raise EngineError(
                engine.name,
                f"get the image '{recorded.name}' of the run",
                f"it never was in a registry, and {recorded.id[:19]} is not on this machine",
            )
        found = get_image(engine, recorded.digests[0], progress)
    notes: tuple[str, ...] = ()
    if recorded.platform and found.platform and found.platform != recorded.platform:
        notes = (f"the run's image was for {recorded.platform}, this one is for {found.platform}",)
    return Image(recorded.name, found.id, recorded.digests or found.digests, found.platform), notes


def build_image(
    engine: Engine,
    base: Image,
    code: Path,
    files: Sequence[str] | None,
    *,
    owner: str,
    progress: ShowProgress,
) -> Image:
    """Build an image with code in it.

    Args:
        engine: Who builds.
        base: What it is built on.
        code: The code's root.
        files: Which of its files, below it; None: all but `.git`.
        owner: `uid:gid` that they belong to.
        progress: Shows that it takes time.

    Raises:
        EngineError: It can't be built.
    """
    with tempfile.TemporaryDirectory(prefix="gitml-") as scratch:
        # Copied, since the engine would take what git ignores, and `.git` itself.
        context = Path(scratch, "code")
        _copy_code(code, files, context)
        recipe = Path(scratch, "Dockerfile")
        recipe.write_text(
            f"FROM {check_reference(base.name)}\n"
            f"COPY --chown={owner} . {CODE_FOLDER}\n"
            f"WORKDIR {CODE_FOLDER}\n"
        )
        told = Path(scratch, "id")
        with progress("building the image", None, ""):
            engine.call(
                f"build an image on '{base.name}'",
                "build",
                "--quiet",
                f"--file={recipe}",
                f"--iidfile={told}",
                "--label=gitml.project=true",
                str(context),
            )
        built = told.read_text().strip()
    return Image(base.name, "sha256:" + built.removeprefix("sha256:"), (), base.platform)


def _copy_code(code: Path, files: Sequence[str] | None, target: Path) -> None:
    if files is None:
        shutil.copytree(code, target, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        return
    target.mkdir()
    for name in files:
        source, copy = code / name, target / name
        if not os.path.lexists(source):
            continue  # deleted, and git still has it
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and not source.is_symlink():  # a submodule
            shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        else:
            shutil.copy2(source, copy, follow_symlinks=False)
