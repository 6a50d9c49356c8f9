"""What `gitml fsck`, `gc`, `purge` and `du` have to say, in lines and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitml.entities.artifact import Purge
from gitml.maintenance.collecting import Collected
from gitml.maintenance.problems import Area, Checked, Problem, Severity
from gitml.maintenance.purging import Plan, Purged
from gitml.maintenance.usage import Amount, Share, Usage
from gitml.render.numbers import format_size, utc_text
from gitml.render.table import Cell, Column, Table, draw
from gitml.render.text import clean, plural

_SHOWN = 20
_NOUNS = {
    Area.RECORDS: "records",
    Area.GIT: "git",
    Area.OBJECTS: "objects",
    Area.INDEX: "index",
    Area.LIVE: "live runs",
    Area.LEFTOVERS: "leftovers",
}


def purge_text(purge: Purge) -> str:
    """Say that an artifact is gone for good."""
    reason = f": {purge.reason}" if purge.reason else ""
    return clean(f"purged on {utc_text(purge.time_ms)[:10]} by {purge.by}{reason}")


# fsck


def fsck_lines(done: Checked) -> list[str]:
    """Say what was found: by area, the worst first, and a summary."""
    lines = []
    for area in Area:
        found = [problem for problem in done.problems if problem.area is area]
        for severity in Severity:
            lines += _problem_lines(area, [one for one in found if one.severity is severity])
    lines += [f"note: {clean(note)}" for note in done.notes[:_SHOWN]]
    if len(done.notes) > _SHOWN:
        lines.append(f"note: … {len(done.notes) - _SHOWN:,} more (--json names all)")
    read = f", {format_size(done.bytes_read)} read" if done.bytes_read else ""
    looked = f"looked at {plural(done.commits, 'commit')} and {plural(done.objects, 'object')}{read}"
    return [*lines, f"{looked}: {_verdict(done)}"]


def _verdict(done: Checked) -> str:
    repaired = sum(problem.repaired for problem in done.problems)
    mended = f", {repaired:,} repaired" if repaired else ""
    left = [problem for problem in done.problems if not problem.repaired]
    if done.worst is Severity.DAMAGED:
        count = sum(problem.severity is Severity.DAMAGED for problem in left)
        return f"{plural(count, 'problem')}{mended}"
    if done.worst is Severity.MISSING:
        return f"sound{mended}; some objects are elsewhere"
    return f"all is well{mended}"


def _problem_lines(area: Area, found: Sequence[Problem]) -> list[str]:
    lines = []
    for problem in found[:_SHOWN]:
        where = f"; may be at {', '.join(problem.where)}" if problem.where else ""
        mark = "repaired" if problem.repaired else problem.severity.value
        hint = f" ({problem.hint})" if problem.hint and not problem.repaired else ""
        lines.append(clean(f"{_NOUNS[area]}: {mark}: {problem.what}{where}{hint}"))
    if len(found) > _SHOWN:
        lines.append(
            f"{_NOUNS[area]}: {found[0].severity.value}: … {len(found) - _SHOWN:,} more (--json names all)"
        )
    return lines


def fsck_document(done: Checked) -> dict[str, Any]:
    """Describe what was found."""
    return {
        "commits": done.commits,
        "objects": done.objects,
        "bytes_read": done.bytes_read,
        "worst": done.worst.value if done.worst else None,
        "problems": [
            {
                "area": problem.area.value,
                "severity": problem.severity.value,
                "what": problem.what,
                "hint": problem.hint or None,
                "oid": problem.oid,
                "repaired": problem.repaired,
                "where": list(problem.where),
            }
            for problem in done.problems
        ],
        "notes": list(done.notes),
    }


# gc


def gc_lines(done: Collected, *, dry_run: bool, remote: str | None) -> list[str]:
    """Say what went."""
    would = "would remove" if dry_run else "removed"
    lines = []
    if done.rescued:
        lines.append(
            f"{'would commit' if dry_run else 'committed'} {plural(len(done.rescued), 'run')} whose process died"
        )
    for what, group in (
        ("{} that nothing points at", done.unreferenced),
        ("{} that runs purged", done.purged),
        (f"{{}} that {remote} has too", done.offloaded),
    ):
        if group:
            size = format_size(sum(one.size for one in group))
            lines.append(f"{would} {what.format(plural(len(group), 'object'))} ({size})")
    for noun, many, found in (
        ("file of killed processes", "files of killed processes", done.leftovers),
        ("study of a finished sweep", "studies of finished sweeps", done.studies),
        ("cache", None, done.caches),
    ):
        if found:
            size = format_size(sum(one.size for one in found))
            lines.append(f"{would} {plural(len(found), noun, many=many)} ({size})")
    if done.stray_refs:
        lines.append(f"{would} {plural(len(done.stray_refs), 'ref')} of killed processes")
    if done.packed:
        lines.append(f"{'would pack' if dry_run else 'packed'} {plural(done.packed, 'loose object')}")
    if done.refs_packed:
        lines.append(f"{'would put' if dry_run else 'put'} refs into one file")
    if done.kept_young:
        lines.append(
            f"kept {plural(done.kept_young, 'object')} that nothing points at, too new to go (--older-than)"
        )
    if done.not_there:
        lines.append(f"kept {plural(done.not_there, 'object')} that {remote} lacks: gitml push {remote}")
    lines += [f"note: {clean(note)}" for note in done.notes]
    return lines or ["nothing to do"]


def gc_document(done: Collected, *, dry_run: bool) -> dict[str, Any]:
    """Describe what went."""

    def objects(group: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"oid": one.oid, "size": one.size} for one in group]

    def files(group: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"path": str(one.path), "size": one.size} for one in group]

    return {
        "dry_run": dry_run,
        "freed": done.freed,
        "rescued": list(done.rescued),
        "unreferenced": objects(done.unreferenced),
        "purged": objects(done.purged),
        "offloaded": objects(done.offloaded),
        "kept_young": done.kept_young,
        "not_there": done.not_there,
        "leftovers": files(done.leftovers),
        "studies": files(done.studies),
        "stray_refs": list(done.stray_refs),
        "caches": files(done.caches),
        "packed": done.packed,
        "refs_packed": done.refs_packed,
        "notes": list(done.notes),
    }


# purge


def plan_lines(plan: Plan) -> list[str]:
    """Say what a purge would drop."""
    lines = [
        f"{plural(len(plan.oids), 'object')}, {format_size(plan.size)}, of {plural(len(plan.runs), 'run')}:"
    ]
    for run_id, held in list(plan.runs.items())[:_SHOWN]:
        shared = " (not named, has the same content)" if run_id in plan.sharers else ""
        paths = [path.removeprefix("artifacts/") for all_ in held.values() for path in all_]
        more = f" … {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
        lines.append(clean(f"  {run_id[:8]}{shared}: {', '.join(paths[:_SHOWN])}{more}"))
    if len(plan.runs) > _SHOWN:
        lines.append(f"  … {len(plan.runs) - _SHOWN:,} more runs")
    if plan.inline:
        lines.append(
            f"{plural(len(plan.inline), 'small file')} in git itself can't be purged: {clean(', '.join(plan.inline[:_SHOWN]))}"
        )
    return lines


def purged_lines(done: Purged) -> list[str]:
    """Say where bytes were dropped, and where not."""
    lines = [f"purged {plural(len(done.plan.oids), 'object')} ({format_size(done.plan.size)})"]
    lines.append(f"  here: {plural(len(done.here), 'object')} removed")
    lines += [f"  {clean(name)}: {plural(count, 'object')} removed" for name, count in done.there.items()]
    for name, oids in done.left.items():
        lines.append(
            f"  {clean(name)}: still has {plural(len(oids), 'object')}, as a Git LFS server removes none; "
            f"ask whoever runs it to delete {', '.join(oid[:12] for oid in oids[:5])}"
        )
    lines += [f"  {clean(name)}: {clean(str(error))}" for name, error in done.troubles.items()]
    if done.recorded:
        lines.append("gitml push tells the others; their bytes go with their next gitml gc")
    return lines


def purged_document(done: Purged) -> dict[str, Any]:
    """Describe a purge."""
    return {
        **plan_document(done.plan),
        "recorded": list(done.recorded),
        "here": list(done.here),
        "there": done.there,
        "left": {name: list(oids) for name, oids in done.left.items()},
        "troubles": {name: str(error) for name, error in done.troubles.items()},
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """Describe what a purge would drop."""
    return {
        "objects": plan.oids,
        "size": plan.size,
        "runs": {
            run_id: {oid: list(paths) for oid, paths in held.items()} for run_id, held in plan.runs.items()
        },
        "sharers": list(plan.sharers),
        "used_by_files": sorted(plan.used_by_files),
        "inline": list(plan.inline),
    }


# du


def usage_lines(done: Usage, top: int, cells: int | None = None) -> list[str]:
    """Say where the bytes are."""
    git = done.git
    rows = [
        ("artifacts of runs", done.runs.here, f"{plural(done.runs.objects, 'object')}{_missing(done.runs)}"),
        ("other objects", done.other.size, f"{plural(done.other.objects, 'object')} of Git LFS, or garbage"),
        (
            "git",
            git.pack_size + git.loose_size,
            f"{plural(git.packs, 'pack')}, {plural(git.loose, 'loose object')}, code included",
        ),
        ("index", done.index, ""),
        ("caches", done.caches, ""),
        ("live runs", done.live, ""),
        ("put aside by fsck", done.damaged, ""),
        ("purged, still here", done.purged.here, "gitml gc removes them"),
    ]
    always = ("artifacts of runs", "git", "index")
    table = [
        (Cell(name), Cell(format_size(size)), Cell(note, "dim"))
        for name, size, note in rows
        if size or name in always
    ]
    if done.there is not None:
        note = f"{done.there.objects:,} of {plural(done.runs.objects, 'object')}"
        table.append(
            (Cell(clean(f"at {done.remote}")), Cell(format_size(done.there.size)), Cell(note, "dim"))
        )
    columns = (Column("WHERE"), Column("SIZE", right=True), Column(""))
    lines = draw(Table(columns, tuple(table)), cells=cells).lines
    for title, shares in (
        ("EXPERIMENT", done.experiments),
        ("RUN", done.by_run),
        ("ARTIFACT", done.artifacts),
    ):
        if shares:
            lines += ["", *_share_lines(title, shares, top, cells)]
    return lines


def _missing(amount: Amount) -> str:
    away = amount.size - amount.here
    return f"; {format_size(away)} not here" if away else ""


def _share_lines(title: str, shares: Sequence[Share], top: int, cells: int | None) -> list[str]:
    rows = tuple(
        (
            Cell(clean(share.name)),
            Cell(share.id[:8] if title != "EXPERIMENT" else ""),
            Cell(format_size(share.amount.size)),
            Cell(format_size(share.amount.here)),
            Cell(f"{share.runs:,}" if title != "RUN" else f"{share.amount.objects:,}"),
        )
        for share in shares[:top]
    )
    columns = (
        Column(title, narrowest=10),
        Column("ID" if title != "EXPERIMENT" else ""),
        Column("SIZE", right=True),
        Column("HERE", right=True),
        Column("RUNS" if title != "RUN" else "OBJECTS", right=True),
    )
    lines = draw(Table(columns, rows), cells=cells).lines
    return [*lines, f"… {len(shares) - top:,} more (--top)"] if len(shares) > top else lines


def usage_document(done: Usage) -> dict[str, Any]:
    """Describe where the bytes are."""

    def amount(one: Amount) -> dict[str, int]:
        return {"objects": one.objects, "size": one.size, "here": one.here}

    def shares(group: Sequence[Share]) -> list[dict[str, Any]]:
        return [{"name": one.name, "id": one.id, "runs": one.runs, **amount(one.amount)} for one in group]

    git = done.git
    return {
        "runs": amount(done.runs),
        "other": amount(done.other),
        "purged": amount(done.purged),
        "git": {
            "packs": git.packs, "packed": git.packed, "pack_size": git.pack_size,
            "loose": git.loose, "loose_size": git.loose_size,
        },
        "index": done.index,
        "caches": done.caches,
        "live": done.live,
        "damaged": done.damaged,
        "experiments": shares(done.experiments),
        "by_run": shares(done.by_run),
        "artifacts": shares(done.artifacts),
        "remote": done.remote,
        "there": None if done.there is None else {"objects": done.there.objects, "size": done.there.size},
    }  # fmt: skip
