"""Pages that follow from the code: made when the documentation is built.

A hook of mkdocs. `reference/cli.md` comes from the commands themselves, the
changelog from CHANGELOG.md, the table of timings from benchmarks/results.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results.json"
TIMINGS_MARK = "<!-- timings -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    pages = {
        "reference/cli.md": cli_reference(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the timings in where a page asks for them."""
    del page, config, files
    return markdown.replace(TIMINGS_MARK, timings()) if TIMINGS_MARK in markdown else markdown


def cli_reference() -> str:
    """Describe every command and option, as Markdown."""
    from gitml.cli.app import build
    from gitml.cli.commands import SECTIONS

    root = build()
    context = click.Context(root, info_name="gitml")
    lines = [
        "# Commands",
        "",
        "Every command has `--help`. These options stand before the command: `gitml -C ../other log`.",
        "",
        *_options(root, context),
    ]
    for title, commands in SECTIONS.items():
        lines += [f"## {title}", ""]
        for entry in commands:
            command = root.get_command(context, entry.name)
            lines += _command(command, click.Context(command, parent=context, info_name=entry.name), 3)
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("#" * level + f" {context.command_path}", "")
    yield from ("```text", f"{context.command_path} {usage}".rstrip(), "```", "")
    yield from (*_prose(command.help or command.short_help or ""), "")
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _command(child, click.Context(child, parent=context, info_name=name), level + 1)


def _prose(text: str) -> Iterator[str]:
    """Help text as paragraphs; examples and what is set apart stay as typed."""
    for paragraph in text.replace("\b\n", "").split("\n\n"):
        lines = paragraph.split("\n")
        if lines[0].startswith("Example") or any(line.startswith("  ") for line in lines):
            first = lines[0].partition(": ")
            if first[0].startswith("Example") and first[2]:
                lines = [first[2], *lines[1:]]
            elif first[0].startswith("Example"):
                lines = lines[1:]
            yield from ("```text", *(line.strip() for line in lines if line.strip()), "```", "")
        else:
            yield from (_escape(" ".join(lines)), "")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [
        (_parameter_name(parameter, context), _parameter_help(parameter))
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
    ]
    rows = [(name, text) for name, text in rows if text]  # arguments that explain themselves are in the usage
    if rows:
        yield from ("| | |", "|---|---|")
        yield from (f"| `{name}` | {_escape(text)} |" for name, text in rows)
        yield ""


def _parameter_name(parameter: click.Parameter, context: click.Context) -> str:
    if isinstance(parameter, click.Option):
        names = ", ".join(sorted([*parameter.opts, *parameter.secondary_opts], key=lambda name: name[:2] == "--"))
        return names if parameter.is_flag else f"{names} {parameter.make_metavar(context)}".replace("|", "\\|")
    return parameter.make_metavar(context).replace("|", "\\|")


def _parameter_help(parameter: click.Parameter) -> str:
    text: str = getattr(parameter, "help", None) or ""
    default: Any = parameter.default
    shown = default is not None and default is not False and default not in ("", (), [])
    if isinstance(parameter, click.Option) and not parameter.is_flag and shown and not callable(default):
        text += f" Default: {getattr(default, 'value', default)}."
    return text


def _escape(text: str) -> str:
    """Keep Markdown from reading help text as markup, but for `code`."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        for char in "\\*_<>|[]{}":
            parts[i] = parts[i].replace(char, f"\\{char}")
    return "`".join(parts)


def timings() -> str:
    """The table of timings, from the last benchmark whose results were kept."""
    if not RESULTS.is_file():
        return "_No results are kept in this checkout: `python benchmarks/run.py` writes them._"
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    machine, versions = results["machine"], results["versions"]
    lines = [
        f"Taken on {results['taken'][:10]} on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['file_system']}, with Python {versions['python']}, git {versions['git']} "
        f"and MLflow {versions['mlflow']}.",
        "",
    ]
    again = sorted({row["taken"] for row in results["results"] if "taken" in row})
    if again:
        times = ", ".join(moment[:16].replace("T", " ") for moment in again)
        lines += [f"Lines with † were measured again afterwards, alone ({times} UTC).", ""]
    lines += ["| what | gitml | promised | met | MLflow | times |", "|---|--:|--:|---|--:|--:|"]
    lines += [f"| {' | '.join(map(_escape, _timing(row)))} |" for row in results["results"]]
    return "\n".join(lines)


def _timing(row: dict[str, Any]) -> tuple[str, ...]:
    unit = row["unit"]
    promised = "" if row["target"] is None else f"{row['target_is']} {_number(row['target'])} {unit}"
    return (
        row["what"] + (" †" if "taken" in row else ""),
        f"{_number(row['value'])} {unit}",
        promised,
        "" if row["met"] is None else ("yes" if row["met"] else "no"),
        "" if row["peer"] is None else f"{_number(row['peer'])} {unit}",
        "" if row["ratio"] is None else _number(row["ratio"]),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
