"""Building images: by Docker, Podman or Buildah, whichever is there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import UsageError
from gitml.execution.containers.engine import ENGINES, Engine, EngineError, EngineMissingError, find_engine
from gitml.execution.containers.image import Image, check_reference, get_image, name_by_digest
from gitml.execution.environments.programs import find_program
from gitml.models.shipping.context import Context
from gitml.models.shipping.recipe import INDEX_VARIABLES
from gitml.progress import ShowProgress, no_progress

BUILDAH = "buildah"
BUILDERS = (*ENGINES, BUILDAH)


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that was built.

    Attributes:
        name: Its first tag.
        id: The hash of its configuration, with `sha256:`.
        digest: Its name by digest in the registry that it was pushed to; None if it wasn't.
        base: What it was built on.
        builder: What built it, with its version.
    """

    name: str
    id: str
    digest: str | None
    base: str
    builder: str


def find_builder(environ: Mapping[str, str], name: str | None = None) -> tuple[Engine, tuple[str, ...]]:
    """Find a builder that answers: Docker, Podman or else Buildah.

    Args:
        environ: `GITML_CONTAINER_ENGINE` says which of the first two it must be.
        name: The one that it must be, whatever `environ` says.

    Returns:
        It, and sentences for the user about those that were passed over.

    Raises:
        UsageError: There is no such builder.
        EngineMissingError: None is installed.
        EngineError: None answers.
    """
    if name is not None and name not in BUILDERS:
        raise UsageError(f"there is no builder '{name}'", hint=f"--engine can be {', '.join(BUILDERS)}")
    if name != BUILDAH:
        try:
            return find_engine(environ, name)
        except (EngineMissingError, EngineError) as err:
            buildah = None if name else _buildah(environ)
            if buildah is None:
                raise
            noted = () if isinstance(err, EngineMissingError) else (f"{err.message}; {BUILDAH} is used",)
            return buildah, noted
    buildah = _buildah(environ)
    if buildah is None:
        raise EngineMissingError((BUILDAH,))
    return buildah, ()


def _buildah(environ: Mapping[str, str]) -> Engine | None:
    program = find_program(BUILDAH, environ)
    if program is None:
        return None
    engine = Engine(BUILDAH, str(program), "", os.geteuid() != 0, environ)
    said = engine.call("say its version", "--version").split()
    return Engine(BUILDAH, str(program), said[2] if len(said) > 2 else "", engine.rootless, environ)


def resolve_base(engine: Engine, name: str, progress: ShowProgress) -> tuple[str, tuple[str, ...]]:
    """Name a base image by its digest, getting it if it is not here.

    Returns:
        Its name, and a sentence for the user if it has no digest.

    Raises:
        InvalidNameError: No image can have that name.
        EngineError: It can't be had.
    """
    check_reference(name)
    if "@" in name:
        return name, ()
    found = (
        _buildah_digest(engine, name, progress) if engine.name == BUILDAH else _digest(engine, name, progress)
    )
    if found is not None:
        return found, ()
    return name, (f"'{name}' was made here and never pushed, so it has no digest to be pinned by",)


def _digest(engine: Engine, name: str, progress: ShowProgress) -> str | None:
    return name_by_digest(get_image(engine, name, progress))


def _buildah_digest(engine: Engine, name: str, progress: ShowProgress) -> str | None:
    with progress(f"pulling {name}", None, ""):
        engine.call(f"pull the image '{name}'", "pull", "--quiet", "--policy=missing", name)
    facts = json.loads(engine.call(f"look at the image '{name}'", "inspect", "--type=image", name))
    full, digest = str(facts.get("FromImage") or ""), str(facts.get("FromImageDigest") or "")
    if not digest or full.startswith("localhost/"):
        return None
    # The same image may be here by other names, of other registries.
    return name_by_digest(Image(name, str(facts.get("FromImageID") or ""), (f"{_untagged(full)}@{digest}",)))


def build(
    engine: Engine, context: Context, tags: Sequence[str], *, fresh: bool = False, progress: ShowProgress
) -> BuiltImage:
    """Build an image.

    The same context gives the same layers with Podman and Buildah, which give the context's time to all
    files. The image's own digest still differs: with Docker's format, which is the one that has health
    checks, they write the name of a container into it. Docker gives folders on the way to our files the
    time of building, so its layers are the same only in their files.

    Args:
        engine: Who builds.
        context: What it is built of.
        tags: What it is to be called.
        fresh: Whether nothing is taken from earlier builds.
        progress: Shows that it takes time.

    Raises:
        EngineError: It can't be built; says the builder's last words.
    """
    for tag in tags:
        check_reference(tag)
    words = [
        f"--file={context.folder / 'Dockerfile'}",
        *(f"--tag={tag}" for tag in tags),
        f"--build-arg=SOURCE_DATE_EPOCH={context.epoch_s}",
        f"--platform={context.platform}",
        *(["--no-cache"] if fresh else []),
        *(["--network=none"] if context.offline else _index_words(engine)),
    ]
    if engine.name == "docker":
        variables = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "SOURCE_DATE_EPOCH": str(context.epoch_s)}
    else:
        variables = {}
        # OCI's format has no health check; without layers all of ours would be one.
        words += [f"--timestamp={context.epoch_s}", "--format=docker", "--layers"]
    with tempfile.TemporaryDirectory(prefix="gitml-") as scratch, progress(f"building {tags[0]}", None, ""):
        told = Path(scratch, "id")
        engine.call(
            f"build '{tags[0]}'", "build", "--quiet", f"--iidfile={told}", *words, str(context.folder),
            variables=variables,
        )  # fmt: skip
        built = told.read_text(encoding="ascii").strip()
    identity = "sha256:" + built.removeprefix("sha256:")
    return BuiltImage(tags[0], identity, None, context.base, f"{engine.name} {engine.version}".strip())


def _index_words(engine: Engine) -> list[str]:
    """Let the build see where packages are; by name alone, since addresses may hold credentials."""
    return [
        f"--build-arg={name}"
        for name in INDEX_VARIABLES
        if engine.environ.get(name, "").startswith(("http://", "https://"))
    ]


def push(engine: Engine, tags: Sequence[str], progress: ShowProgress) -> str:
    """Push an image to the registries of its tags.

    Returns:
        Its name by digest in the first one.

    Raises:
        EngineError: A registry does not take it.
    """
    digests = []
    for tag in tags:
        with progress(f"pushing {tag}", None, ""):
            digests.append(_push(engine, tag))
    return digests[0]


def _push(engine: Engine, tag: str) -> str:
    what = f"push '{tag}'"
    if engine.name == "docker":
        engine.call(what, "push", "--quiet", tag)
        found = _digest(engine, tag, no_progress)
        if found is None:
            raise EngineError(engine.name, what, "it was pushed, and has no digest")
        return found
    with tempfile.TemporaryDirectory(prefix="gitml-") as scratch:
        told = Path(scratch, "digest")
        engine.call(what, "push", "--quiet", f"--digestfile={told}", tag)
        return f"{_untagged(tag)}@{told.read_text(encoding='ascii').strip()}"


def _untagged(name: str) -> str:
    folder, slash, last = name.partition("@")[0].rpartition("/")
    return folder + slash + last.partition(":")[0]
