"""The running gitml, for environments whose definition names it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAME = "gitml"


@dataclass(frozen=True, slots=True)
class OwnGitml:
    """A gitml that was installed from a folder or file, which an index need not have.

    Attributes:
        path: Where it was installed from.
        version: Its version.
        editable: Whether it is used where it lies.
    """

    path: Path
    version: str
    editable: bool

    @property
    def requirement(self) -> str:
        """The line that installs it."""
        return f"-e {self.path}" if self.editable else f"{NAME} @ {self.path.as_uri()}"

    def lies_at(self, path: str) -> bool:
        """Whether a path is where it was installed from."""
        return os.path.realpath(path) == os.path.realpath(self.path)


def own_mark() -> str:
    """Return a text that changes with the running gitml, without a look at its metadata."""
    return f"{NAME} {Path(__file__).parents[2]}"


def own_gitml() -> OwnGitml | None:
    """Describe the running gitml if it was installed from this machine, as PEP 610 tells."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(NAME)
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    url = urlsplit(str(origin.get("url", "")))
    path = Path(unquote(url.path))
    if url.scheme != "file" or not path.exists():
        return None
    return OwnGitml(path, found.version, bool(origin.get("dir_info", {}).get("editable")))
