"""What gitml brings by a table and other packages bring by entry points: backends, targets, flavors."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.errors import GitmlError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class BrokenPluginError(Exception):
    """The package that brings one can't be loaded; `str()` says from where and why."""


@dataclass(frozen=True, slots=True)
class Plugins:
    """All of one kind; nothing is imported to name them. Each is an object, or a class without arguments.

    Attributes:
        group: The group of entry points.
        built_in: gitml's own, as `module:attribute`: they work from a source tree, and no other package
            can take their names.
    """

    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """Name them all, in order."""
        return sorted({*self.built_in, *(point.name for point in self._points())})

    def load(self, name: str) -> Any:
        """Import one.

        Raises:
            KeyError: There is none of that name.
            BrokenPluginError: Its package can't be loaded.
            GitmlError: As the package raises it.
        """
        place = self.built_in.get(name)
        if place is not None:
            module, _, attribute = place.partition(":")
            return _made(getattr(importlib.import_module(module), attribute))
        for point in self._points():
            if point.name == name:
                return _loaded(point)
        raise KeyError(name)

    def hint(self, name: str) -> str:
        """Say what may have been meant by a name that none has."""
        known = self.names()
        near = difflib.get_close_matches(name, known, n=1)
        return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"

    def _points(self) -> list[EntryPoint]:
        from importlib.metadata import entry_points

        return list(entry_points(group=self.group))


def _loaded(point: EntryPoint) -> Any:
    try:
        return _made(point.load())
    except GitmlError:
        raise
    except Exception as err:
        raise BrokenPluginError(
            f"it can't be loaded from '{point.value}': {type(err).__name__}: {err}"
        ) from err


def _made(found: Any) -> Any:
    return found() if isinstance(found, type) else found
