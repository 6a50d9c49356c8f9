"""The forms in which a notebook can show a thing."""

from __future__ import annotations

from typing import Protocol


class Drawn(Protocol):
    """What draws itself in HTML and writes itself in Markdown."""

    def _repr_html_(self) -> str: ...

    def _repr_markdown_(self) -> str: ...


def mime_bundle(drawn: Drawn, plain: str) -> dict[str, str]:
    """Give all forms that a notebook may choose from, with text for where it shows nothing else."""
    return {
        "text/plain": plain,
        "text/html": drawn._repr_html_(),
        "text/markdown": drawn._repr_markdown_(),
    }
