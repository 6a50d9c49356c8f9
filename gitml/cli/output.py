"""One way to print anything: the formats every listing has, the pager, hints.

A command that lists takes `output: Output` and is decorated with `listing`; it
gets `--json`, `--jsonl`, `--csv`, `--md`, `--porcelain` and `-z` from there.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from gitml.cli import advice, pager
from gitml.cli.terminal import Screen, screen, session
from gitml.errors import UsageError
from gitml.render.text import clean_block, clean_data, clean_json

if TYPE_CHECKING:
    from gitml.render.listing import Listing

Function = TypeVar("Function", bound=Callable[..., None])
_PANEL = "Output"


class Format(Enum):
    """How records are written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MD = "md"
    PORCELAIN = "porcelain"
    TEMPLATE = "format"


class Output(NamedTuple):
    """What the reader asked for."""

    format: Format = Format.TEXT
    template: str | None = None
    nul: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is for people."""
        return self.format is Format.TEXT

    @property
    def end(self) -> str:
        """What ends a record."""
        return "\0" if self.nul else "\n"

    def write(self, records: Listing) -> None:
        """Write records in the format asked for, which is not text."""
        from gitml.render.listing import to_csv, to_json, to_json_lines, to_markdown, to_porcelain

        if self.format is Format.JSON:
            write_json(to_json(records))
        elif self.format is Format.JSONL:
            write_json(to_json_lines(records, end=self.end))
        elif self.format is Format.CSV:
            write_data(to_csv(records))
        elif self.format is Format.MD:
            write_data(to_markdown(records))
        else:
            write_data(to_porcelain(records, end=self.end))


def write_data(text: str) -> None:
    """Write what programs read: as it is, but on a terminal without what could take it over."""
    sys.stdout.write(clean_data(text) if sys.stdout.isatty() else text)


def write_json(text: str) -> None:
    """As `write_data`, for JSON: it stays the same document."""
    sys.stdout.write(clean_json(text) if sys.stdout.isatty() else text)


def page(text: str, *, less: str = pager.TEXT, config: Callable[[], Mapping[str, str]] = dict) -> None:
    """Write text for people, through a pager if it is longer than the screen."""
    pager.show(text, screen(), less=less, config=config)


def warn(text: str) -> None:
    """Say on standard error what the reader should know."""
    print("warning:", clean_block(text), file=sys.stderr)


def hint(text: str) -> None:
    """Say on standard error what to type next, if a person reads along."""
    if screen().interactive and sys.stderr.isatty() and advice.is_wanted():
        print("hint:", clean_block(text), file=sys.stderr)


def json_errors(value: bool) -> bool:
    """Let errors be JSON too; the callback of an option `--json`."""
    if value:
        session().json_errors = True
    return value


def _option(
    name: str, text: str, *, flag: bool = True, json: bool = False, metavar: str | None = None
) -> Any:
    kind: Any = bool if flag else str | None
    option = typer.Option(
        name, help=text, rich_help_panel=_PANEL, metavar=metavar,
        callback=json_errors if json else None, is_eager=json,
    )  # fmt: skip
    return Annotated[kind, option]


_FORMATS: dict[str, tuple[Format, Any]] = {
    "as_json": (Format.JSON, _option("--json", "One JSON document.", json=True)),
    "as_jsonl": (Format.JSONL, _option("--jsonl", "One line of JSON a record.", json=True)),
    "as_csv": (Format.CSV, _option("--csv", "CSV with a heading, all fields.")),
    "as_md": (Format.MD, _option("--md", "A Markdown table, for pull requests.")),
    "as_porcelain": (Format.PORCELAIN, _option("--porcelain", "Tab-separated, for scripts; never changes.")),
}
_TEMPLATE = _option("--format", "Fields like git's: '%h %s %(metrics.acc)'.", flag=False, metavar="FORMAT")
_OF_RECORDS = (Format.JSONL, Format.PORCELAIN, Format.TEMPLATE)
_NUL = _option("-z", "End records with NUL instead of a line end.")


def listing(*, template: bool = False) -> Callable[[Function], Function]:
    """Give a command the output options; it receives them as `output: Output`.

    Args:
        template: Whether it has `--format` too.
    """

    def decorate(function: Function) -> Function:
        def command(*arguments: Any, **options: Any) -> None:
            options["output"] = _read(options)
            function(*arguments, **options)

        # Not get_type_hints: on Python 3.10 it hides the option inside of Optional where None is the default.
        signature = inspect.signature(function, eval_str=True)
        parameters = [parameter for name, parameter in signature.parameters.items() if name != "output"]
        added: dict[str, tuple[Any, Any]] = {
            name: (annotation, False) for name, (_, annotation) in _FORMATS.items()
        } | {"nul": (_NUL, False)}
        if template:
            added["template"] = (_TEMPLATE, None)
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in added.items()
        ]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        return command  # type: ignore[return-value]

    return decorate


def _read(options: dict[str, Any]) -> Output:
    """Take the output options out of a command's options."""
    asked = [form for name, (form, _) in _FORMATS.items() if options.pop(name, False)]
    has_template = "template" in options
    template = options.pop("template", None)
    nul = options.pop("nul", False)
    if template is not None:
        asked.append(Format.TEMPLATE)
    if len(asked) > 1:
        both = " and ".join(f"--{form.value}" for form in asked)
        raise UsageError(f"{both} can't be combined", hint="give one of them")
    form = asked[0] if asked else Format.TEXT
    if nul and form not in _OF_RECORDS:
        forms = "--jsonl, --porcelain or --format" if has_template else "--jsonl or --porcelain"
        raise UsageError(f"-z goes with {forms}", hint="the other forms have no records to end")
    return Output(form, template, nul)


def text_screen(output: Output) -> Screen:
    """What to draw text for: Markdown and the like are drawn as for a pipe."""
    found = screen()
    return found if output.is_text else Screen(found.ink)
