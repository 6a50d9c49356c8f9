"""A page about the served model, for people: plain HTML that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from gitml.entities.signature import ParamSchema, Schema, TensorSpec
from gitml.models.serving.openapi import describe, example_of
from gitml.models.signatures.enforce import type_name
from gitml.models.signatures.tensors import expected_tensor

if TYPE_CHECKING:
    from gitml.models.serving.loading import Served

_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:52rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}code,pre{font:14px/1.45 ui-monospace,"
    "monospace}pre{padding:1rem;overflow:auto;background:color-mix(in srgb,currentColor 8%,transparent)}"
)
_LONGEST_EXAMPLE = 4000


def page(served: Served) -> bytes:
    """Make the page."""
    metadata = served.model.metadata
    version = f" v{served.version}" if served.version is not None else ""
    title = escape(f"{served.name}{version}")
    parts = [
        f"<h1>{title}</h1>",
        "<h2>Input</h2>", _schema(metadata.get_input_schema()),
        _params(metadata.get_params_schema()),
        "<h2>Output</h2>", _schema(metadata.get_output_schema()),
        "<h2>Ask</h2>", f"<pre>{escape(_curl(served))}</pre>",
        "<h2>Endpoints</h2>", _endpoints(served),
        '<p><a href="/openapi.json">/openapi.json</a> describes all of it for programs.</p>',
    ]  # fmt: skip
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    ).encode()


def _schema(schema: Schema | None) -> str:
    if schema is None:
        return "<p>The model's signature does not say.</p>"
    rows = [
        (
            "" if each.name is None else str(each.name),
            expected_tensor(each) if isinstance(each, TensorSpec) else type_name(each.type),
            "" if each.required else "optional",
        )
        for each in schema.inputs
    ]
    return _table(("name", "type", ""), rows)


def _params(schema: ParamSchema | None) -> str:
    if schema is None:
        return ""
    rows = [(each.name, repr(each.dtype), f"default: {each.default!r:.80}") for each in schema.params]
    return "<h2>Params</h2>" + _table(("name", "type", ""), rows)


def _endpoints(served: Served) -> str:
    rows = [
        (method.upper(), path, operation["summary"])
        for path, methods in describe(served)["paths"].items()
        for method, operation in methods.items()
    ]
    return _table(("", "path", ""), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _curl(served: Served) -> str:
    text = json.dumps(example_of(served) or {"inputs": []})
    if len(text) > _LONGEST_EXAMPLE:
        text = "@example.json"
    quoted = "'" + text.replace("'", "'\\''") + "'"
    return f"curl -H 'Content-Type: application/json' -d {quoted} http://HOST:PORT/invocations"
