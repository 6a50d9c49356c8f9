"""One version of a model as a page of text, and what happened to models as lines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gitml.entities.artifact import Artifact, Purge
from gitml.entities.registry import (
    REMOVED,
    ModelComment,
    ModelVersion,
    MoveTag,
    VersionTag,
)
from gitml.entities.run import Run
from gitml.registry.policy_checks import ANY_STAGE
from gitml.render.fields import SHORT_ID
from gitml.render.ink import Ink
from gitml.render.model_documents import file_document
from gitml.render.models_text import label_text, person, stage_style, tags_text
from gitml.render.numbers import MISSING, format_number, format_size, local_text
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, clean_block, clip, plural, width
from gitml.tracking.direction import has_goal

_SHOWN_FILES = 20
_SHOWN_METRICS = 6
_NAMED = 3  # versions that a line names
_DOT = " · "
_LABEL = 9


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A version and what is shown around it.

    Attributes:
        version: The version.
        run: The run that made it, if it is here.
        files: Its files; None if its record is not here.
        comments: What was said about it.
        story: What happened to it, oldest first.
        signed: The tag objects that carry a signature.
    """

    version: ModelVersion
    run: Run | None
    files: Sequence[Artifact] | None
    comments: Sequence[ModelComment]
    story: Sequence[VersionTag | MoveTag]
    signed: Collection[str]


def version_text(page: VersionPage, ink: Ink, cells: int | None) -> str:
    """Write the page of a version."""
    version = page.version
    state = _DOT.join(
        [*([clean(version.stage)] if version.stage else []), *(f"@{clean(a)}" for a in version.aliases)]
    )
    state = "deleted" if version.deleted_ms is not None else state
    plain = f"model {clean(version.name)} v{version.version}"
    gap = " " * max(2, min(cells or 76, 96) - width(plain) - width(state)) if state else ""
    title = f"model {ink.paint(clean(version.name), 'bold')} {ink.paint(f'v{version.version}', 'yellow')}"
    style = "red" if version.deleted_ms is not None else stage_style(version.stage)
    lines = [title + gap + ink.paint(ink.sign(state), style)]
    for label, text in _facts(page):
        shown = text if cells is None else clip(text, max(20, cells - _LABEL))
        lines.append(label_text(label, ink) + ink.sign(shown))
    if version.description and version.description.strip():
        lines += ["", *(f"  {line}" for line in clean_block(version.description.strip()).split("\n"))]
    lines += _files(page, ink, cells)
    lines += ["", ink.paint("history", "dim")]
    lines += [
        f"  {line}"
        for line in story_lines(page.story, page.signed, ink, None if cells is None else cells - 2)
    ]
    if page.comments:
        lines += ["", ink.paint("comments", "dim"), *comment_lines(page.comments, ink)]
    return "\n".join(lines) + "\n"


def _facts(page: VersionPage) -> list[tuple[str, str]]:
    version = page.version
    facts = [("by", f"{clean(version.author)} · {local_text(version.created_ms)}")]
    if version.deleted_ms is not None:
        remedy = f"gitml models restore '{clean(version.name)}@v{version.version}'"
        facts.append(("deleted", f"{local_text(version.deleted_ms)} · {remedy}"))
    facts.append(("run", _run(page)))
    if page.run is not None:
        shown = [key for key in page.run.metrics if has_goal(key)][:_SHOWN_METRICS]
        values = [f"{clean(key)} {format_number(page.run.metrics[key].last)}" for key in shown]
        facts += [("metrics", _DOT.join(values))] if values else []
    facts.append(("path", clean(version.path) or "all files of the run"))
    facts.append(("digest", version.digest))
    if version.source:
        facts.append(("copy of", clean(version.source)))
    if version.tags:
        facts.append(("tags", tags_text(version.tags)))
    return facts


def _run(page: VersionPage) -> str:
    version, run = page.version, page.run
    if run is None:
        return f"{version.run_id[:SHORT_ID]} (not here: gitml pull)"
    gone = " (deleted)" if run.deleted_ms is not None else ""
    return f"{run.id[:SHORT_ID]} {clean(f'{run.experiment}/{run.name}')}{gone} · record {version.record[:SHORT_ID]}"


def _files(page: VersionPage, ink: Ink, cells: int | None) -> list[str]:
    if page.files is None:
        return [
            "",
            label_text("files", ink) + "not here: gitml pull; in a shallow clone: git fetch --unshallow",
        ]
    rows = tuple(
        (
            Cell(f"  {format_size(file.size)}"),
            Cell(clean(file_document(file, page.version.path)["path"])),
            Cell(_purged(file.purged) if file.purged else "", "red"),
        )
        for file in page.files[:_SHOWN_FILES]
    )
    table = Table((Column("", right=True), Column("", narrowest=12), Column("")), rows, heading=False)
    lines = ["", ink.paint("files", "dim"), *draw(table, cells=cells, ink=ink).lines]
    left = len(page.files) - _SHOWN_FILES
    return [*lines, f"  {left:,} more: --json lists them"] if left > 0 else lines


def happened(event: VersionTag | MoveTag) -> str:
    """Say in a few words what an event did, but for what was there before."""
    if isinstance(event, VersionTag):
        return f"v{event.number} registered" + (f", a copy of {clean(event.source)}" if event.source else "")
    version, name = f"v{event.version}", clean(event.name)
    if event.kind == "alias":
        return f"@{name} removed" if event.event == REMOVED else f"@{name} is {version}"
    if event.event == REMOVED:
        return f"{version} out of {name}"
    if event.left:
        return f"{version} back in {name}"
    return f"{version} to {name}{_archived(event.archived)}"


def _archived(versions: Sequence[int]) -> str:
    if not versions:
        return ""
    if len(versions) > _NAMED:
        return f", {len(versions):,} archived"
    return f", {' and '.join(f'v{one}' for one in versions)} archived"


def before(event: VersionTag | MoveTag) -> str:
    """Say which version had the place before."""
    if not isinstance(event, MoveTag) or event.previous in (None, event.version):
        return ""
    return f"v{event.previous}"


def story_lines(
    story: Sequence[VersionTag | MoveTag], signed: Collection[str], ink: Ink, cells: int | None
) -> list[str]:
    """Write what happened, in the order given."""
    columns = (
        Column("WHEN"),
        Column("WHAT", narrowest=24),
        Column("BEFORE", drop=2),
        Column("WHO", narrowest=8),
        Column("SIGNED", drop=1),
        Column("COMMENT", narrowest=12, drop=3),
    )
    rows = [
        (
            Cell(local_text(event.time_ms)),
            Cell(happened(event), stage_style(event.name) if isinstance(event, MoveTag) else ""),
            Cell(before(event)),
            Cell(person(event.who)),
            Cell("signed" if event.oid in signed else "", "green"),
            Cell(_said(event)),
        )
        for event in story
    ]
    used = [i for i in range(len(columns)) if any(row[i].text for row in rows)]
    table = Table(tuple(columns[i] for i in used), tuple(tuple(row[i] for i in used) for row in rows))
    return [ink.sign(line) for line in draw(table, cells=cells, ink=ink).lines]


def _said(event: VersionTag | MoveTag) -> str:
    """Why something happened, and why the policy was passed over for it."""
    if isinstance(event, VersionTag):
        return clean(event.description or "")
    overridden = f"policy overridden: {event.override}" if event.override else ""
    return clean("; ".join(filter(None, (overridden, event.comment))))


def holders_text(
    model: str, time_ms: int, places: Sequence[MoveTag], signed: Collection[str], ink: Ink
) -> str:
    """Say what was where at a time, and who had put it there."""
    lines = []
    for place in places:
        version = ink.paint(f"v{place.version}", "yellow")
        was = "was in" if place.kind == "stage" else "was called"
        where = f"{was} {'@' if place.kind == 'alias' else ''}{clean(place.name)}"
        lines.append(f"{clean(model)} {version} {where} at {local_text(time_ms)}")
        mark = ", signed" if place.oid in signed else ""
        lines.append(f"  since {local_text(place.time_ms)}, by {clean(place.who)}{mark}")
        if place.comment or place.override:
            lines.append(f"  {_said(place)}")
        if place.previous is not None and place.previous != place.version:
            lines.append(f"  before: v{place.previous}")
    return "".join(f"{line}\n" for line in lines)


def comment_lines(comments: Sequence[ModelComment], ink: Ink) -> list[str]:
    """Write comments, in the order given."""
    lines: list[str] = []
    for comment in comments:
        about = f" on v{comment.version}" if comment.version is not None else ""
        head = f"  {clean(comment.author)}, {local_text(comment.time_ms)}{about}{_approval(comment)}:"
        said = [f"    {line}" for line in clean_block(comment.text).split("\n")] if comment.text else []
        lines += [ink.paint(head if said else head[:-1], "dim"), *said]
    return lines


def _approval(comment: ModelComment) -> str:
    if comment.approves is None:
        return ""
    place = "any stage" if comment.approves == ANY_STAGE else clean(comment.approves)
    return f", {'approval withdrawn' if comment.withdrawn else 'approved'} for {place}"


def files_summary(files: Sequence[Artifact]) -> str:
    """Say how many files there are, and their size."""
    if not files:
        return MISSING
    return f"{plural(len(files), 'file')}, {format_size(sum(file.size for file in files))}"


def _purged(purge: Purge) -> str:
    from gitml.render.care_text import purge_text  # it loads what cleans up

    return purge_text(purge)
