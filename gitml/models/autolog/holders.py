"""What the data structures of XGBoost and LightGBM were made of: they forget it, or hide it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gitml.models.autolog.models import head
from gitml.models.autolog.training import Logger


@dataclass(slots=True)
class Holders:
    """Notes what data structures are made of, and keeps neither them nor the data alive."""

    _heads: weakref.WeakKeyDictionary[Any, Any] = field(default_factory=weakref.WeakKeyDictionary)
    _data: weakref.WeakKeyDictionary[Any, Any] = field(default_factory=weakref.WeakKeyDictionary)

    def noting(self, logger: Logger, original: Callable[..., None]) -> Callable[..., None]:
        """Make an `__init__` that notes the data it is given."""

        def init(holder: Any, *args: Any, **kwargs: Any) -> None:
            original(holder, *args, **kwargs)
            if logger.is_on():
                self._note(holder, args[0] if args else kwargs.get("data"))

        return init

    def _note(self, holder: Any, data: Any) -> None:
        try:
            first = head(data)
            if first is not None:
                self._heads[holder] = first
                self._data[holder] = weakref.ref(data)
        except Exception:  # noqa: BLE001 - the program must not fail by us; the training says what it lacks
            return

    def head(self, holder: Any) -> Any:
        """Get the first rows of what it was made of, as they were then; None if nobody knows."""
        return self._heads.get(holder)

    def data(self, holder: Any) -> Any:
        """Get what it was made of, if that is still there; else None."""
        found = self._data.get(holder)
        return None if found is None else found()
