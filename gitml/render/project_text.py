"""What a project says, and what is wrong with it: text for people, documents for programs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from gitml.entities.project import MAIN, EntryPoint, EnvironmentKind, EnvironmentSpec, Parameter, Project
from gitml.formats.mlproject import ProjectFile
from gitml.render.ink import PLAIN, Ink
from gitml.render.text import clean, pad, plural, width

_NAMES = {"error": "red", "warning": "yellow"}


def problems(file: ProjectFile) -> list[dict[str, Any]]:
    """List what is wrong and odd, by line, errors first in a line."""
    found = [
        {"severity": "error", "line": err.line or None, "problem": err.problem, "hint": err.hint}
        for err in file.errors
    ] + [
        {"severity": "warning", "line": remark.line or None, "problem": remark.problem, "hint": remark.hint}
        for remark in file.remarks
    ]
    return sorted(found, key=lambda problem: problem["line"] or 0)


def validation_document(file: ProjectFile) -> dict[str, Any]:
    """Describe what is wrong and odd."""
    return {"file": file.project.file, "valid": not file.errors, "problems": problems(file)}


def validation_lines(file: ProjectFile, ink: Ink = PLAIN) -> list[str]:
    """Tell problem by problem what is wrong and odd, then what it comes to."""
    name = clean(file.project.file or "the folder")
    lines = []
    for problem in problems(file):
        where = f"{name}, line {problem['line']}" if problem["line"] else name
        severity = problem["severity"]
        lines.append(f"{where}: {ink.paint(severity, _NAMES[severity])}: {clean(problem['problem'])}")
        if problem["hint"]:
            lines.append(f"  hint: {clean(problem['hint'])}")
    counts = [
        plural(count, word)
        for word, count in (("error", len(file.errors)), ("warning", len(file.remarks)))
        if count
    ]
    if file.errors:
        return [*lines, ink.paint(f"{name}: {', '.join(counts)}", "red")]
    points = plural(len(file.project.entry_points), "entry point")
    valid = (
        f"{name}: {ink.paint('valid', 'green')}, {points}"
        if file.project.file
        else f"{name}: nothing is wrong"
    )
    return [*lines, ", ".join((valid, *counts))]


def project_document(project: Project, folder: str, scripts: Sequence[str]) -> dict[str, Any]:
    """Describe a project.

    Args:
        project: The project.
        folder: How the reader names its folder.
        scripts: Files that can be run besides.
    """
    return {
        "name": project.name,
        "file": project.file,
        "environment": _environment_document(project.environment, named=project.names_environment),
        "entry_points": [
            {
                "name": entry.name,
                "command": entry.command,
                "parameters": [_parameter_document(parameter) for parameter in entry.parameters],
                "run": run_line(folder, entry),
            }
            for entry in project.entry_points.values()
        ],
        "scripts": list(scripts),
    }


def _environment_document(spec: EnvironmentSpec, *, named: bool) -> dict[str, Any]:
    docker = spec.docker
    return {
        "kind": spec.kind.value,
        "file": spec.file,
        "named": named,
        "image": docker.image if docker else None,
        "volumes": list(docker.volumes) if docker else [],
        "variables": [{"name": name, "value": value} for name, value in docker.environment] if docker else [],
    }


def _parameter_document(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.type.value,
        "required": parameter.default is None,
        "default": parameter.default,
        "choices": list(parameter.choices),
        "min": parameter.least,
        "max": parameter.most,
    }


def project_lines(project: Project, folder: str, scripts: Sequence[str], ink: Ink = PLAIN) -> list[str]:
    """Tell what a project is and how each of its entry points is run.

    Args:
        project: The project.
        folder: How the reader names its folder.
        scripts: Files that can be run besides.
        ink: How it is shown.
    """
    lines = [
        *([f"{ink.paint('name', 'bold')}         {clean(project.name)}"] if project.name else []),
        f"{ink.paint('file', 'bold')}         {clean(project.file) if project.file else 'none'}",
        f"{ink.paint('environment', 'bold')}  {_environment_text(project.environment)}",
    ]
    for entry in project.entry_points.values():
        lines += ["", ink.paint(clean(entry.name), "bold"), *_parameter_lines(entry.parameters, ink)]
        lines += [f"  {ink.paint('$', 'dim')} {clean(line)}" for line in entry.command.rstrip().split("\n")]
        lines.append(f"  {ink.paint(clean(run_line(folder, entry)), 'cyan')}")
    if scripts:
        lines += ["", ink.paint("scripts", "bold")]
        lines += [
            f"  {ink.paint(clean(f'gitml run {shlex.quote(folder)} -e {shlex.quote(name)}'), 'cyan')}"
            for name in scripts
        ]
    return lines


def _environment_text(spec: EnvironmentSpec) -> str:
    if spec.kind is EnvironmentKind.NONE:
        return "the active one: none is defined"
    if spec.docker is not None:
        return f"image {clean(spec.docker.image)}"
    return f"{clean(spec.file or '')} ({spec.kind.value})"


def _parameter_lines(parameters: Sequence[Parameter], ink: Ink) -> list[str]:
    rows = [
        (
            clean(parameter.name),
            parameter.type.value,
            "required" if parameter.default is None else clean(f"= {shlex.quote(parameter.default)}"),
            _limits(parameter, ink),
        )
        for parameter in parameters
    ]
    sizes = [max((width(row[column]) for row in rows), default=0) for column in range(3)]
    return [
        "  "
        + "  ".join((*(pad(text, size) for text, size in zip(row, sizes, strict=False)), row[3])).rstrip()
        for row in rows
    ]


def _limits(parameter: Parameter, ink: Ink) -> str:
    if parameter.choices:
        return clean(" | ".join(parameter.choices))
    least, most = parameter.least, parameter.most
    if least is not None and most is not None:
        return f"{least:g} {ink.sign('–')} {most:g}"
    if least is not None:
        return f"at least {least:g}"
    return f"at most {most:g}" if most is not None else ""


def run_line(folder: str, entry: EntryPoint) -> str:
    """Write the command that runs an entry point, with what must be given."""
    words = ["gitml", "run", shlex.quote(folder)]
    if entry.name != MAIN:
        words += ["-e", shlex.quote(entry.name)]
    words += [f"-P {parameter.name}=…" for parameter in entry.parameters if parameter.default is None]
    return " ".join(words)
