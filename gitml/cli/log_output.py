"""What `gitml log` prints, once the runs are found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitml.cli import pager
from gitml.cli.field_names import recorded_names
from gitml.cli.output import Format, Output, page
from gitml.cli.terminal import Screen, screen
from gitml.render.fields import SHORT_ID, field_title
from gitml.render.runs_table import RunsView, Selection, describe_constant, leaders, runs_table
from gitml.render.runs_text import group_runs, groups_listing, groups_table, one_line, runs_listing, vertical
from gitml.render.table import Drawing, draw
from gitml.render.template import parse_template
from gitml.render.text import clean, clip, plural, width
from gitml.tracking.direction import has_goal

if TYPE_CHECKING:
    from gitml.cli.log_shape import Found, Shape
    from gitml.repo import Repo


def print_data(repo: Repo, found: Found, shape: Shape, selection: Selection, output: Output) -> None:
    """Print the runs for programs."""
    if output.format is Format.TEMPLATE:
        template = parse_template(output.template or "", lambda: recorded_names(repo))
        safe = screen().interactive
        for run in found.runs:
            sys.stdout.write(template.fill(run, safe=safe) + output.end)
    elif shape.group_by is not None:
        output.write(
            groups_listing(group_runs(found.runs, shape.group_by), shape.group_by, _metrics(selection))
        )
    else:
        output.write(runs_listing(found.runs, shape.columns, selection))


def print_text(repo: Repo, found: Found, shape: Shape, selection: Selection, view: RunsView) -> None:
    """Print the runs for people."""
    target = screen()
    ink = target.ink
    if shape.vertical:
        text = vertical(found.runs, shape.columns or ())
    elif shape.graph:
        from gitml.cli.log_graph import graph_text

        text = graph_text(repo, found, selection, ink, view.now_ms, target.cells)
    elif shape.group_by is not None:
        groups = group_runs(found.runs, shape.group_by)
        table = groups_table(groups, shape.group_by, _metrics(selection), ink, whole=view.whole)
        text = _drawn(draw(table, cells=target.cells, ink=ink), selection, view, target)
    elif shape.oneline:
        lines = (one_line(run, selection, ink, view.now_ms, target.cells) for run in found.runs)
        text = "".join(line + "\n" for line in lines)
    else:
        drawing = draw(runs_table(found.runs, selection, view, ink), cells=target.cells, ink=ink)
        text = _drawn(drawing, selection, view, target)
    if target.interactive and not shape.vertical:
        text += _footer(found, selection, target)
    else:
        say_cut(found)
    page(text, less=pager.TABLE, config=lambda: repo.settings.values)


def say_cut(found: Found) -> None:
    """Say on standard error that there are more runs, where no footer says it."""
    if found.is_cut:
        print(f"{len(found.runs):,} of {plural(found.matching, 'run')}: -n 0 lists all", file=sys.stderr)


def _metrics(selection: Selection) -> list[str]:
    names = [name[len("metrics.") :] for name in selection.columns if name.startswith("metrics.")]
    return [name for name in names if has_goal(name)] or names


def _drawn(drawing: Drawing, selection: Selection, view: RunsView, target: Screen) -> str:
    """Write a table, and say which columns it lacks and how to see them."""
    names = [*drawing.left_out, *(clean(field_title(name)) for name in selection.left_out)]
    if names and not target.interactive:
        print(
            f"{plural(len(names), 'column')} left out: -c NAME shows it, --all-columns all", file=sys.stderr
        )
    table = "\n".join(drawing.lines) + "\n"
    if not names or not target.interactive:
        return table
    asked = {clean(field_title(name)) for name in view.columns or ()}
    remedy = "  (-c NAME)" if asked.isdisjoint(names) else "  (--vertical)"
    room = max(20, (target.cells or 80) - len(remedy))
    shown = " ".join(names[: room // 2])  # none takes less than two cells
    text = clip(f"+{plural(len(names), 'column')}: {shown}", room)
    return table + target.ink.paint(target.ink.sign(text + remedy), "dim") + "\n"


def _footer(found: Found, selection: Selection, target: Screen) -> str:
    total = found.total if found.filtered else found.matching
    shown = f"{len(found.runs):,} of {plural(found.matching, 'run')}"
    parts = [shown if len(found.runs) < found.matching else plural(len(found.runs), "run")]
    if found.filtered:
        parts[0] += f" that match, {total:,} in all"
    if selection.constant:
        parts.append(f"constant: {describe_constant(selection.constant)}")
    parts += [f"best {clean(key)} {run.id[:SHORT_ID]}" for key, run in leaders(found.runs, selection)[:1]]
    line = " · ".join(parts)
    while len(parts) > 1 and target.cells is not None and width(line) > target.cells:
        parts.pop()
        line = " · ".join(parts)
    return target.ink.paint(target.ink.sign(line), "dim") + "\n"
