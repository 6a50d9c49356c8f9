"""A model as an image, from its name to what was built."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gitml.errors import RemoteError, UsageError
from gitml.execution.containers.engine import EngineError, EngineMissingError
from gitml.execution.containers.image import check_reference
from gitml.models.locating import Located, locate
from gitml.models.shipping.builder import BuiltImage, build, find_builder, push, resolve_base
from gitml.models.shipping.context import (
    MANAGERS,
    Context,
    ImageOptions,
    check_free,
    default_base,
    write_context,
)
from gitml.models.shipping.lock import PLATFORMS
from gitml.progress import ShowProgress

IMAGE_TAG = "gitml.image"  # of a version: the image that was pushed, by digest


class BaseNotPinnedError(RemoteError):
    """The digest of a base image can't be had: its tag may mean another image when the image is built."""

    def __init__(self, base: str, why: str) -> None:
        super().__init__(
            f"the base image '{base}' can't be pinned by its digest: {why}",
            hint=f"name it by digest: --base {base}@sha256:…; or take the tag as it is: --allow-tag",
        )


def check_options(options: ImageOptions) -> None:
    """See that options have values that there are.

    Raises:
        UsageError: One has not.
    """
    if options.manager not in MANAGERS:
        raise UsageError(f"--env-manager '{options.manager}' can't be used in an image", hint="pip or uv")
    if options.platform is not None and options.platform not in PLATFORMS:
        raise UsageError(
            f"images for '{options.platform}' can't be built", hint=f"--platform {' or '.join(PLATFORMS)}"
        )


def make_context(
    uri: str, folder: Path, options: ImageOptions, *, builder: str | None = None, environ: Mapping[str, str],
    progress: ShowProgress,
) -> Context:  # fmt: skip
    """Write a model's build context, without building.

    The base is pinned by its digest, which an engine knows that is here and has the image or can pull it.

    Args:
        uri: The model; see `gitml.models.locating.locate`.
        folder: A new or empty folder.
        options: How the image is made.
        builder: The engine that is asked: `docker`, `podman` or `buildah`; None: whichever is there.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Raises:
        BaseNotPinnedError: The base's digest can't be had, and `options` allow no tag; nothing is written.
        GitmlError: As `write_context` does.
    """
    check_options(options)
    check_free(folder)  # before an image is pulled
    located = locate(uri)
    base = check_reference(options.base or default_base(located))
    notes: tuple[str, ...] = ()
    if "@" not in base:
        base, notes = _pinned(base, options, builder, environ, progress)
    context = write_context(located, folder, base, options, environ=environ, progress=progress)
    return replace(context, notes=notes + context.notes)


def _pinned(
    base: str, options: ImageOptions, builder: str | None, environ: Mapping[str, str], progress: ShowProgress
) -> tuple[str, tuple[str, ...]]:
    """Name a base by its digest, or by its tag where that is allowed; and sentences for the user."""
    try:
        engine, notes = find_builder(environ, builder)
        named, more = resolve_base(engine, base, progress)
    except (EngineMissingError, EngineError) as err:
        if not options.allow_tag:
            raise BaseNotPinnedError(base, err.message) from err
        return base, (f"the base image is not pinned: {err.message}",)
    if more and not options.allow_tag:
        raise BaseNotPinnedError(base, "; ".join(more))
    return named, (*notes, *more)


def build_image(
    uri: str, tags: Sequence[str], options: ImageOptions, *, builder: str | None = None, fresh: bool = False,
    send: bool = False, environ: Mapping[str, str], progress: ShowProgress,
) -> tuple[BuiltImage, tuple[str, ...]]:  # fmt: skip
    """Build a model's image.

    Args:
        uri: The model; see `gitml.models.locating.locate`.
        tags: What it is to be called.
        options: How it is made.
        builder: `docker`, `podman` or `buildah`; None: whichever is there.
        fresh: Whether nothing is taken from earlier builds.
        send: Whether it is pushed; a version then gets the tag `gitml.image`.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Returns:
        The image, and sentences for the user.

    Raises:
        GitmlError: As `write_context`, `build` and `push` do.
    """
    check_options(options)
    for tag in tags:
        check_reference(tag)
    located = locate(uri)
    engine, notes = find_builder(environ, builder)
    base, more = resolve_base(engine, options.base or default_base(located), progress)
    with tempfile.TemporaryDirectory(prefix="gitml-image-") as scratch:
        folder = Path(scratch, "context")
        context = write_context(located, folder, base, options, environ=environ, progress=progress)
        image = build(engine, context, tags, fresh=fresh, progress=progress)
    if send:
        image = replace(image, digest=push(engine, tags, progress))
        _remember(located, image)
    return image, (*notes, *more, *context.notes)


def _remember(located: Located, image: BuiltImage) -> None:
    """Say of the version which image it is in, so that a deployment finds it."""
    from gitml.registry.versions import tag_version

    repo, version = located.origin.repo, located.origin.version
    if repo is not None and version is not None and image.digest is not None:
        tag_version(repo, version.name, version.version, {IMAGE_TAG: image.digest})
