"""Replacing functions of other people's modules and classes, and putting them back."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Make = Callable[[Callable[..., Any]], Any]
_NOTHING = object()  # the class has no such attribute itself, it inherits it


@dataclass(slots=True)
class Patches:
    """What was replaced for one framework; `restore` leaves no trace of it."""

    _replaced: list[tuple[Any, str, Any, Any]] = field(default_factory=list)
    _mutex: threading.RLock = field(default_factory=threading.RLock)

    def replace(self, owner: Any, name: str, make: Make) -> None:
        """Replace a function of a module, or a method of a class.

        The new one looks like the original: name, documentation, signature. A method that the class
        inherits is replaced in this class only.

        Args:
            owner: The module or class.
            name: What the function is called there; nothing happens if there is none.
            make: Makes the new function from the original one.
        """
        with self._mutex:
            if any(it is owner and key == name for it, key, _, _ in self._replaced):
                return
            own = vars(owner).get(name, _NOTHING)
            found = inspect.getattr_static(owner, name, None)
            if hasattr(found, "__get__") and not callable(found):
                self._set(owner, name, own, _Method(found, make))
            elif callable(original := getattr(owner, name, None)):
                self._set(owner, name, own, functools.wraps(original)(make(original)))

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Put anything there, such as a descriptor, until `restore`."""
        with self._mutex:
            self._set(owner, name, vars(owner).get(name, _NOTHING), value)

    def _set(self, owner: Any, name: str, own: Any, value: Any) -> None:
        setattr(owner, name, value)
        self._replaced.append((owner, name, own, value))

    def replace_in_subclasses(self, base: Any, names: Iterable[str], make: Make, wanted: Wanted) -> None:
        """Replace methods that the subclasses of a class define, also of those that are yet to come.

        Args:
            base: The class.
            names: The methods.
            make: See `replace`.
            wanted: Whether to do it in a class.
        """
        names = tuple(names)

        def patch(kind: type) -> None:
            for name in names:
                if name in vars(kind) and wanted(kind):
                    self.replace(kind, name, make)

        own = vars(base).get("__init_subclass__")

        def extend(cls: Any, /, **given: Any) -> None:
            if own is None:
                super(base, cls).__init_subclass__(**given)
            else:
                own.__get__(None, cls)(**given)
            patch(cls)

        for kind in _with_subclasses(base):
            patch(kind)
        self.put(base, "__init_subclass__", classmethod(extend))

    def restore(self) -> None:
        """Put all originals back, but for what somebody else has replaced since."""
        with self._mutex:
            for owner, name, own, value in reversed(self._replaced):
                if vars(owner).get(name) is not value:
                    continue
                if own is _NOTHING:
                    with suppress(AttributeError):
                        delattr(owner, name)
                else:
                    setattr(owner, name, own)
            self._replaced.clear()


Wanted = Callable[[type], bool]


class _Method:
    """Stands for a method that only some objects have, as with `available_if` of scikit-learn."""

    def __init__(self, original: Any, make: Make) -> None:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return original.__get__(self, type(self))(*args, **kwargs)

        known = getattr(original, "fn", None)
        call = functools.wraps(known)(call) if known is not None else call
        self._original = original
        self._made = functools.wraps(call)(make(call))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        self._original.__get__(instance, owner)  # raises AttributeError where there is no such method
        return self._made if instance is None else types.MethodType(self._made, instance)


def _with_subclasses(base: type[Any]) -> list[type[Any]]:
    found: dict[type[Any], None] = {base: None}
    todo = [base]
    while todo:
        kinds: list[type[Any]] = todo.pop().__subclasses__()
        for kind in kinds:
            if kind not in found:
                found[kind] = None
                todo.append(kind)
    return list(found)
