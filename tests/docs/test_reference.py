"""The reference says everything there is, and nothing that is not."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gitml import errors
from gitml.cli.app import build
from gitml.cli.commands import HIDDEN
from gitml.index.fields import ATTRIBUTES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MLFLOW_ONLY_IN_CHILDREN = "MLFLOW_RUN_ID"


def _generator():
    spec = importlib.util.spec_from_file_location("docs_reference", DOCS / "_build" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _commands(
    command: click.Command, context: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            yield from _commands(child, click.Context(child, parent=context, info_name=name))


@pytest.fixture(scope="module")
def commands():
    root = build()
    return list(_commands(root, click.Context(root, info_name="gitml")))


@pytest.fixture(scope="module")
def cli_page():
    return _generator().cli_reference()


def test_every_command_and_option_has_help(commands):
    silent = [context.command_path for command, context in commands if not command.help]
    for command, context in commands:
        silent += [
            f"{context.command_path} {'/'.join(option.opts)}"
            for option in command.params
            if isinstance(option, click.Option) and not option.help and not option.hidden
        ]
    assert not silent


def test_every_command_and_option_is_in_the_reference(commands, cli_page: str):
    hidden = {f"gitml {entry.name}" for entry in HIDDEN}
    missing = []
    for command, context in commands:
        if command.hidden or context.command_path in hidden:
            continue
        heading = re.search(rf"^#+ {re.escape(context.command_path)}$", cli_page, re.MULTILINE)
        if heading is None and context.parent is not None:
            missing.append(context.command_path)
            continue
        section = cli_page[heading.end() if heading else 0 :].split("\n#", 1)[0]
        missing += [
            f"{context.command_path} {name}"
            for option in command.params
            if isinstance(option, click.Option) and not option.hidden
            for name in option.opts
            if name not in section
        ]
    assert not missing


def test_commands_named_in_pages_exist(commands):
    known = {context.command_path for _, context in commands}
    groups = {context.command_path for command, context in commands if isinstance(command, click.Group)} - {
        "gitml"
    }
    unknown = set()
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for words in re.findall(
            r"(?:`|^\$ )(gitml [a-z][a-z-]*(?: [a-z-]+)?)", page.read_text(), re.MULTILINE
        ):
            command = " ".join(words.split()[:2])
            wanted = words if command in groups and len(words.split()) == 3 else command
            if wanted not in known:
                unknown.add(f"{page.name}: {wanted}")
    assert not unknown


def test_every_attribute_of_filters_is_explained():
    page = (DOCS / "reference" / "filters.md").read_text()
    assert [name for name in ATTRIBUTES if f"`{name}`" not in page] == []


def test_every_setting_and_variable_is_explained():
    page = (DOCS / "reference" / "configuration.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "gitml").rglob("*.py"))
    variables = set(re.findall(r"\"(GITML_[A-Z_]+|MLFLOW_[A-Z_]+)\"", source)) - {"GITML_", "MLFLOW_"}
    keys = set(re.findall(r"\"(gitml\.[a-z]+(?:\.[a-z]+)?)\"", (ROOT / "gitml" / "config.py").read_text()))
    explained = page.lower()
    assert sorted(name for name in variables if f"`{name}`" not in page) == []
    assert keys
    assert sorted(key for key in keys if f"`{key}`" not in explained) == []


def test_every_exit_code_is_explained():
    page = (DOCS / "reference" / "exit-codes.md").read_text()
    for name, value in vars(errors).items():
        if (
            isinstance(value, type)
            and issubclass(value, errors.GitmlError)
            and value.__module__ == "gitml.errors"
        ):
            assert re.search(rf"^\| {value.exit_code} \|", page, re.MULTILINE), name


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert sorted(page for page in pages if page not in navigation) == []


def test_options_that_markdown_would_read_as_markup_stay_as_typed(cli_page: str):
    assert "--order-by" in cli_page
    assert "<NAME>" not in cli_page.replace("`", "")
