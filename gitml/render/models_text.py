"""Models as text: the list of them, and one with its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitml.entities.registry import ARCHIVED, PRODUCTION, STAGING, ModelVersion, RegisteredModel
from gitml.entities.run import Number, Run
from gitml.render.better import arrow, best_index
from gitml.render.fields import SHORT_ID
from gitml.render.ink import Ink
from gitml.render.numbers import MISSING, format_age, format_number, local_text
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, clean_block, clip, plural, width
from gitml.tracking.direction import has_goal

_LABEL = 9
_LONGEST = 60
_SHOWN_METRICS = 4
_DOT = " · "
_STAGE_STYLES = {PRODUCTION: "green", STAGING: "yellow", ARCHIVED: "dim"}


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A model and what is shown of it.

    Attributes:
        model: The model.
        versions: The versions to show, the newest first.
        runs: Id to run, of the runs that made them.
        comments: How often somebody said something about it.
        now_ms: What "now" is.
    """

    model: RegisteredModel
    versions: Sequence[ModelVersion]
    runs: Mapping[str, Run]
    comments: int = 0
    now_ms: int = 0


def stage_style(stage: str | None) -> str:
    """The style of a stage."""
    return _STAGE_STYLES.get(stage or "", "cyan" if stage else "")


def person(who: str) -> str:
    """The name in `Name <email>`."""
    return clean(who.partition(" <")[0]) or clean(who)


def models_text(models: Sequence[RegisteredModel], now_ms: int, ink: Ink, cells: int | None) -> str:
    """Write the list of models, one a line."""
    columns = (
        Column("MODEL", narrowest=12),
        Column("LATEST", right=True),
        Column("STAGES", narrowest=20),
        Column("ALIASES", drop=2, narrowest=12),
        Column("CHANGED", right=True, drop=1),
        Column("ABOUT", drop=3, narrowest=16),
        Column(""),
    )
    rows = tuple(_model_row(model, now_ms) for model in models)
    return _drawn(columns, rows, ink, cells)


def _drawn(columns: Sequence[Column], rows: Sequence[tuple[Cell, ...]], ink: Ink, cells: int | None) -> str:
    """Draw a table without the columns that would be empty."""
    used = [i for i in range(len(columns)) if i == 0 or any(row[i].text for row in rows)]
    table = Table(tuple(columns[i] for i in used), tuple(tuple(row[i] for i in used) for row in rows))
    return ink.sign("".join(f"{line}\n" for line in draw(table, cells=cells, ink=ink).lines))


def _model_row(model: RegisteredModel, now_ms: int) -> tuple[Cell, ...]:
    held = [f"{clean(stage)} v{version}" for stage, version in model.holders.items() if stage != ARCHIVED]
    aliases = [f"{clean(alias)} v{version}" for alias, version in model.aliases.items()]
    about = clip(clean(model.description or ""), _LONGEST)
    return (
        Cell(clean(model.name), "dim" if model.deleted_ms else "bold"),
        Cell(MISSING if model.latest is None else f"v{model.latest}", "yellow"),
        Cell(_DOT.join(held), "green" if PRODUCTION in model.holders else ""),
        Cell(_DOT.join(aliases)),
        Cell(format_age(model.updated_ms, now_ms) if model.updated_ms else MISSING),
        Cell(about, "dim"),
        Cell("deleted" if model.deleted_ms else ""),
    )


def model_text(page: ModelPage, ink: Ink, cells: int | None) -> str:
    """Write the page of a model: what it is, and its versions."""
    model = page.model
    held = _DOT.join(
        f"{clean(stage)} v{version}" for stage, version in model.holders.items() if stage != ARCHIVED
    )
    plain = f"model {clean(model.name)}"
    gap = " " * max(2, min(cells or 76, 96) - width(plain) - width(held)) if held else ""
    lines = [f"model {ink.paint(clean(model.name), 'bold')}{gap}{ink.paint(ink.sign(held), 'green')}"]
    for label, text in _model_facts(page):
        shown = text if cells is None else clip(text, max(20, cells - _LABEL))
        lines.append(label_text(label, ink) + ink.sign(shown))
    if model.description and model.description.strip():
        lines += ["", *(f"  {line}" for line in clean_block(model.description.strip()).split("\n"))]
    if page.versions:
        return "\n".join(lines) + "\n\n" + versions_text(page, ink, cells)
    return "\n".join(lines) + "\n\nno versions yet\n"


def label_text(text: str, ink: Ink) -> str:
    """Write the name of a fact, as wide as every other."""
    return ink.paint(text, "dim") + " " * max(1, _LABEL - len(text))


def _model_facts(page: ModelPage) -> list[tuple[str, str]]:
    model = page.model
    facts = [("created", local_text(model.created_ms) if model.created_ms else MISSING)]
    if model.deleted_ms is not None:
        facts.append(
            ("deleted", f"{local_text(model.deleted_ms)} · gitml models restore '{clean(model.name)}'")
        )
    if model.former:
        facts.append(("formerly", clean(", ".join(model.former))))
    if model.aliases:
        facts.append(("aliases", _DOT.join(f"{clean(a)} v{version}" for a, version in model.aliases.items())))
    if model.tags:
        facts.append(("tags", tags_text(model.tags)))
    if page.comments:
        facts.append(("comments", f"{page.comments}: gitml models comment '{clean(model.name)}'"))
    return facts


def tags_text(tags: Mapping[str, str]) -> str:
    """Write tags in one line."""
    return _DOT.join(clip(f"{clean(key)}={clean(value)}", _LONGEST) for key, value in tags.items())


def shown_metrics(page: ModelPage) -> list[str]:
    """Choose the metrics worth a column: those that can be better, of the newest run first."""
    runs = [page.runs[version.run_id] for version in page.versions if version.run_id in page.runs]
    found = dict.fromkeys(key for run in runs for key in run.metrics if has_goal(key))
    return list(found)[:_SHOWN_METRICS]


def versions_text(page: ModelPage, ink: Ink, cells: int | None) -> str:
    """Write the table of versions."""
    metrics = shown_metrics(page)
    columns = (
        Column("VERSION"),
        Column("STAGE"),
        Column("ALIASES", drop=3, narrowest=8),
        Column("RUN", narrowest=12),
        *(Column(clean(key) + ink.sign(arrow(key)), right=True, drop=4) for key in metrics),
        Column("REGISTERED", right=True, drop=2),
        Column("BY", drop=5, narrowest=8),
        Column("ABOUT", drop=6, narrowest=16),
    )
    best = {
        key: best_index(key, [_value(page, version, key) for version in page.versions]) for key in metrics
    }
    rows = [_version_row(page, version, metrics, i, best) for i, version in enumerate(page.versions)]
    left = page.model.versions - sum(version.deleted_ms is None for version in page.versions)
    more = f"{plural(left, 'older version')}: -n 0 shows all\n" if left > 0 else ""
    return _drawn(columns, rows, ink, cells) + more


def _value(page: ModelPage, version: ModelVersion, key: str) -> Number | None:
    run = page.runs.get(version.run_id)
    return run.metrics[key].last if run and key in run.metrics else None


def _version_row(
    page: ModelPage, version: ModelVersion, metrics: Sequence[str], place: int,
    best: Mapping[str, int | None],
) -> tuple[Cell, ...]:  # fmt: skip
    run = page.runs.get(version.run_id)
    gone = version.deleted_ms is not None
    stage = "deleted" if gone else clean(version.stage or "")
    return (
        Cell(f"v{version.version}", "dim" if gone else "yellow"),
        Cell(stage, "red" if gone else stage_style(version.stage)),
        Cell(clean(", ".join(version.aliases))),
        Cell(f"{version.run_id[:SHORT_ID]} {clean(run.name) if run else ''}".rstrip()),
        *(
            Cell(format_number(_value(page, version, key)), "bold" if best[key] == place else "")
            for key in metrics
        ),
        Cell(format_age(version.created_ms, page.now_ms)),
        Cell(person(version.author)),
        Cell(clip(clean(version.description or ""), _LONGEST), "dim"),
    )
