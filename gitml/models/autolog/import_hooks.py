"""Being told when a module is imported, without importing it.

A finder stands before the others. For a module that somebody waits for it lets them find it, and has the
loader report when the module's code has run. Modules that are there already are reported at once.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Report = Callable[[ModuleType], None]

_waiting: dict[str, dict[object, Report]] = {}  # module → whose → what to do
_mutex = threading.RLock()
_searching = threading.local()


def when_imported(name: str, owner: object, report: Report) -> None:
    """Do something once a module is there; now if it is.

    Args:
        name: The module's full name.
        owner: Who waits; `forget` takes it.
        report: Called with the module, in the thread that imports it. It must not raise.
    """
    with _mutex:
        _waiting.setdefault(name, {})[owner] = report
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
    module = sys.modules.get(name)
    if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
        report(module)


def forget(owner: object) -> None:
    """Wait no longer; the finder leaves when nobody waits."""
    with _mutex:
        for name in [name for name, reports in _waiting.items() if owner in reports]:
            del _waiting[name][owner]
            if not _waiting[name]:
                del _waiting[name]
        if not _waiting and _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)


class _Finder(MetaPathFinder):
    """Finds what the others find, and has it reported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that somebody waits for; any other is left to the other finders."""
        del path, target
        busy = _searching.__dict__.setdefault("names", set())
        if fullname not in _waiting or fullname in busy:
            return None
        busy.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            busy.discard(fullname)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return None
        spec.loader = _ReportingLoader(spec.loader)
        return spec


class _ReportingLoader(Loader):
    """The module's own loader; when it has run the module, it is the module's loader again."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module as its loader does."""
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then tell who waits for it."""
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        # A module may replace itself while it runs, as lazy ones do.
        there = sys.modules.get(module.__name__, module)
        for report in list(_waiting.get(module.__name__, {}).values()):
            report(there)


_FINDER = _Finder()
