"""What is wrong and odd in a project, all of it at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gitml.entities.project import MAIN
from gitml.execution.commands import between_quotes
from gitml.execution.definition import PROJECT_FILE, read_definition, scripts_in
from gitml.formats.mlproject import ProjectFile, Remark


def validate_project(folder: Path) -> ProjectFile:
    """Read a project with all errors and remarks that can be made without running it.

    Args:
        folder: Where `MLproject` is.

    Raises:
        NotFoundError: There is no such folder.
        UsageError: A file that belongs to the project leads out of it, or can't be read.
    """
    found = read_definition(folder)
    remarks = list(found.remarks)
    if found.project.file is None:
        remarks.append(Remark(0, f"there is no {PROJECT_FILE} file", _without_file(folder)))
    elif not found.errors and MAIN not in found.project.entry_points:
        remarks.append(
            Remark(
                0,
                f"there is no entry point '{MAIN}', which is run if none is named",
                "give it, or name one: -e NAME",
            )
        )
    if not found.errors:
        remarks += _quotes(found)
    return replace(found, remarks=tuple(sorted(remarks, key=lambda remark: remark.line)))


def _without_file(folder: Path) -> str:
    scripts = scripts_in(folder)
    return f"scripts can be run without one: -e {scripts[0]}" if scripts else "write one: entry_points: …"


def _quotes(found: ProjectFile) -> list[Remark]:
    return [
        Remark(
            found.command_lines.get(entry.name, 0),
            f"the command of '{entry.name:.100}' has '{{{name}}}' {where}: values with spaces or special "
            "characters will be refused there",
            f"values are quoted already: write {{{name}}} as a word of its own",
        )
        for entry in found.project.entry_points.values()
        for name, where in between_quotes(entry).items()
    ]
