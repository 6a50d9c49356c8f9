"""Completion of models, versions, stages and aliases from the names of tags alone.

Their names say all of it, so neither git nor the library is loaded. What a rename or
deletion says is in records, which nobody waits for at a key press: a former name is
offered, and works.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from gitml.cli import complete_names
from gitml.cli.complete_names import Offer
from gitml.entities.registry import STAGES
from gitml.errors import GitmlError
from gitml.formats.registry_names import ALIAS_TAGS, MODEL_TAGS, STAGE_TAGS, decode_part, name_of_id

_OFFERED = 60
_URI = "models:/"


def models(incomplete: str) -> list[Offer]:
    """Offer names of models."""
    return _fitting(incomplete, lambda: ((name, "model") for name in _names()))


def names(incomplete: str) -> list[Offer]:
    """Offer models, and after `@`, `#` or `models:/NAME/` what such a name can go on with."""
    if incomplete.startswith(_URI):
        name, slash, _ = incomplete[len(_URI) :].partition("/")
        return _fitting(
            incomplete, lambda: _uris(name) if slash else ((f"{_URI}{n}/", "model") for n in _names())
        )
    name, mark, _ = incomplete.rpartition("#")
    if mark and name:
        return _fitting(incomplete, lambda: ((f"{name}#{stage.lower()}", "stage") for stage in _stages(name)))
    name, mark, _ = incomplete.rpartition("@")
    if mark and name:
        return _fitting(incomplete, lambda: ((f"{name}@{word}", what) for word, what in _marks(name)))
    return models(incomplete)


def versions(context: click.Context, incomplete: str) -> list[Offer]:
    """Offer versions of the model that was named before, then its stages and aliases."""
    name = _named_before(context)
    return _fitting(
        incomplete, lambda: itertools.chain(_marks(name), ((stage, "stage") for stage in _held(name)))
    )


def stages(context: click.Context, incomplete: str) -> list[Offer]:
    """Offer stages, in the case that they are typed in."""
    known = _stages_of(_named_before(context))
    written = [stage.lower() for stage in known] if incomplete.islower() else known
    return _fitting(incomplete, lambda: ((stage, "stage") for stage in written))


def aliases(context: click.Context, incomplete: str) -> list[Offer]:
    """Offer aliases of the model that was named before."""
    name = _named_before(context)
    return _fitting(incomplete, lambda: ((alias, "alias") for alias in _parts(ALIAS_TAGS, name)))


def _named_before(context: click.Context) -> str:
    return str(context.params.get("model") or "")


def _fitting(incomplete: str, offers: Callable[[], Iterator[Offer]]) -> list[Offer]:
    # As everywhere in completion: an unreadable repository is no reason to write over the prompt.
    with contextlib.suppress(GitmlError, OSError, ValueError):
        fits = (offer for offer in offers() if offer[0].startswith(incomplete) and offer[0][:1] not in "-=")
        return list(itertools.islice(fits, _OFFERED))
    return []


def _names() -> Iterator[str]:
    return iter(
        sorted({name_of_id(model) for model in {rest.partition("/")[0] for rest in _tags(MODEL_TAGS)}})
    )


def _marks(name: str) -> Iterator[Offer]:
    numbers = sorted({int(rest[1:]) for rest in _below(MODEL_TAGS, name) if rest[1:].isdigit()}, reverse=True)
    yield from ((f"v{number}", "version") for number in numbers[:_OFFERED])
    yield "latest", "the newest version"
    yield from ((alias, "alias") for alias in _parts(ALIAS_TAGS, name))


def _uris(name: str) -> Iterator[Offer]:
    for word, what in _marks(name):
        yield f"{_URI}{name}/{word[1:] if what == 'version' else word}", what
    yield from ((f"{_URI}{name}/{stage}", "stage") for stage in _held(name))


def _stages(name: str) -> Iterator[str]:
    return iter(_stages_of(name))


def _held(name: str) -> Iterator[str]:
    known = {stage.lower(): stage for stage in STAGES}
    return (known.get(stage, stage) for stage in _parts(STAGE_TAGS, name))


def _stages_of(name: str) -> list[str]:
    known: dict[str, str] = {}
    for stage in (*STAGES, *_own_stages(), *(_held(name) if name else ())):
        known.setdefault(stage.lower(), stage)
    return list(known.values())


def _own_stages() -> tuple[str, ...]:
    """The stages that the project defines, as its file is now: an offer needs no commit."""
    folder = complete_names.plain_git_dir()
    file = folder.parent / ".gitml.yaml" if folder is not None else None
    if file is None or not file.is_file():
        return ()
    from gitml.formats.policy import decode_policy

    with contextlib.suppress(GitmlError, OSError):
        return decode_policy(file.read_bytes()).stages
    return ()


def _parts(prefix: str, name: str) -> list[str]:
    return sorted({decode_part(rest.partition("/")[0]) for rest in _below(prefix, name)})


def _below(prefix: str, name: str) -> Iterator[str]:
    """The ends of the refs of one model."""
    meant: dict[str, bool] = {}
    for rest in _tags(prefix):
        model, _, end = rest.partition("/")
        if model not in meant:
            meant[model] = name_of_id(model) == name
        if end and meant[model]:
            yield end


def _tags(prefix: str) -> Iterator[str]:
    """What comes after a prefix in the names of refs, packed and loose."""
    folder = _common_dir()
    if folder is None:
        return
    with contextlib.suppress(FileNotFoundError):
        packed = (folder / "packed-refs").read_bytes()
        for match in re.finditer(rb" " + re.escape(prefix.encode()) + rb"(\S+)$", packed, re.MULTILINE):
            yield match[1].decode("utf-8", "replace")
    root = folder / prefix
    for where, _, files in os.walk(root):
        inner = Path(where).relative_to(root).as_posix()
        yield from (
            file if inner == "." else f"{inner}/{file}" for file in files if not file.endswith(".lock")
        )


def _common_dir() -> Path | None:
    """The folder that has the refs; git itself is asked only where it is not in plain sight."""
    git_dir = complete_names.plain_git_dir()
    if git_dir is not None:
        return git_dir
    from gitml.repo import Repo

    with contextlib.closing(Repo.open()) as repo:
        return repo.git.common_dir
