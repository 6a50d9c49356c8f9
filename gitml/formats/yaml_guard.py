"""PyYAML, narrowed to plain data: no anchors, aliases or tags, bounded depth."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from gitml.formats.scalars import parse_scalar

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """Reads mappings, sequences and scalars, the latter by the core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own protocol

    def construct_plain(self, node: yaml.ScalarNode) -> Any:
        if not node.style:  # plain: None from the Python parser, "" from C
            return parse_scalar(node.value)
        return node.value


_PlainLoader.add_constructor("tag:yaml.org,2002:str", _PlainLoader.construct_plain)


def load(data: bytes, *, max_depth: int) -> Any:
    """Read one document of plain data.

    Raises:
        yaml.YAMLError: The text is not YAML, or uses what is not allowed.
    """
    _refuse_tricks(data, max_depth)
    return yaml.load(data, Loader=_PlainLoader)  # noqa: S506 - a safe loader, narrowed further


def compose(data: bytes, *, max_depth: int) -> yaml.Node | None:
    """Read one document as nodes, which know their lines; None if there is nothing in it.

    Raises:
        yaml.YAMLError: The text is not YAML, or uses what is not allowed.
    """
    _refuse_tricks(data, max_depth)
    return yaml.compose(data, Loader=_PlainLoader)


def _refuse_tricks(data: bytes, max_depth: int) -> None:
    depth = 0
    for event in yaml.parse(data, Loader=_Base):
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
            raise _refusal("anchors and aliases are not allowed", event)
        if isinstance(event, CollectionStartEvent | ScalarEvent) and event.tag is not None:
            raise _refusal("tags are not allowed", event)
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > max_depth:
                raise _refusal(f"more than {max_depth} levels", event)
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


def _refusal(problem: str, event: yaml.Event) -> yaml.YAMLError:
    mark: Any = event.start_mark  # the C parser has a class of its own for it
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
