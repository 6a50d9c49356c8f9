"""What loading a model imports: run in a fresh Python by `requirements`, never imported elsewhere.

Imports are noted as pairs: who imported whom. What the model's own code and what loads it import, it
needs; so do the distributions that these declare, as far as they were loaded. What some library took
along because it happened to be installed is nobody's requirement.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Whatever these import, they do for the model.
_LOADERS = frozenset(("cloudpickle", "pickle", "skops", "__main__"))
_OURS = ("gitml.models.flavors", "gitml.models.pyfunc")
_NEVER = frozenset(("gitml", "pip"))
Pairs = set[tuple[str, str]]


def main() -> None:
    """Load the model that standard input names; say on standard output what that took."""
    request = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # what the model prints is no answer
    sys.path[:] = [*request["path"], *(place for place in sys.path if place not in request["path"])]
    pairs: Pairs = set()
    problem = ""
    _note_imports(pairs)
    try:
        _load(Path(request["folder"]), request["flavor"], example=request["example"])
    except BaseException as err:  # noqa: BLE001 - whatever a model raises, even SystemExit, is an answer
        problem = f"{type(err).__name__}: {err}"[:1000]
    requirements, local = _told(pairs, Path(request["folder"]))
    json.dump({"requirements": requirements, "local": local, "problem": problem}, out)
    out.flush()
    os._exit(0)  # threads that the model started are not waited for


def _load(folder: Path, flavor: str, *, example: bool) -> None:
    from gitml.models.loading import load_native
    from gitml.models.pyfunc.loading import load_function

    if not example:
        load_native(flavor, str(folder), trust=True)
        return
    model = load_function(str(folder), trust=True, quiet=True)
    if model.input_example is not None:
        model.predict(model.input_example)


def _note_imports(pairs: Pairs) -> None:
    plain, by_name = builtins.__import__, importlib.import_module

    def noting(name: str, *rest: Any, **named: Any) -> Any:
        scope = rest[0] if rest else named.get("globals")
        if not (rest[3] if len(rest) > 3 else named.get("level", 0)):
            pairs.add(((scope or {}).get("__name__") or "", name.partition(".")[0]))
        return plain(name, *rest, **named)

    def noting_by_name(name: str, package: str | None = None) -> Any:
        if not name.startswith("."):
            importer = sys._getframe(1).f_globals.get("__name__") or ""  # noqa: SLF001
            pairs.add((importer, name.partition(".")[0]))
        return by_name(name, package)

    builtins.__import__ = noting
    importlib.import_module = noting_by_name


def _told(pairs: Pairs, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Find the distributions of what was imported, and the modules that are in none, with their places."""
    homes = importlib.metadata.packages_distributions()
    standard = sys.stdlib_module_names

    def is_model(importer: str) -> bool:
        top = importer.partition(".")[0]
        if importer.startswith(_OURS) or top in _LOADERS:
            return True
        return bool(top) and top != "gitml" and top not in homes and top not in standard

    direct = {
        imported
        for importer, imported in pairs
        if importer.partition(".")[0] != imported and is_model(importer)
    }
    direct -= standard
    direct = {name for name in direct if name in sys.modules and name not in _NEVER}
    places = {name: _place(sys.modules[name]) for name in sorted(direct) if name not in homes}
    local = {
        name: str(place)
        for name, place in places.items()
        if place is not None and not place.is_relative_to(folder.resolve())
    }
    loaded = {
        home for name in {name.partition(".")[0] for name in sys.modules} for home in homes.get(name, ())
    }
    needed = {home for name in direct for home in _homes(name, homes)}
    needed |= _declared(needed, {_normal(name): name for name in loaded})
    lines = {
        f"{name}=={importlib.metadata.version(name).partition('+')[0]}"
        for name in needed
        if name not in _NEVER
    }
    return sorted(lines, key=str.lower), local


def _homes(module: str, homes: Any) -> list[str]:
    """The distributions of a top module; of one that several share, those whose modules were loaded."""
    found = sorted(set(homes.get(module, ())))
    if len(found) < 2:
        return found
    files = {
        os.path.realpath(file)
        for name, one in list(sys.modules.items())
        if name.partition(".")[0] == module and (file := getattr(one, "__file__", None))
    }
    return [
        name
        for name in found
        if any(os.path.realpath(str(one.locate())) in files for one in importlib.metadata.files(name) or ())
    ]


def _declared(names: Iterable[str], loaded: dict[str, str]) -> set[str]:
    """What distributions require, and what that requires, as far as it was loaded."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        for line in importlib.metadata.requires(todo.pop()) or ():
            if "extra ==" in line:
                continue
            match = re.match(r"[A-Za-z0-9._-]+", line)
            name = loaded.get(_normal(match[0])) if match else None
            if name is not None and name not in found:
                found.add(name)
                todo.append(name)
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _place(module: Any) -> Path | None:
    """The file of a module, or the folder of a package; None of one that was made by a program."""
    folders = list(getattr(module, "__path__", None) or ())
    found = folders[0] if folders else getattr(module, "__file__", None)
    return Path(found).resolve() if found else None
