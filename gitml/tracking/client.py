"""Where MLflow keeps its client, which is of a higher storey: loaded by name, only when asked for."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitml.api.client import Client as MlflowClient

__all__ = ["MlflowClient"]

if not TYPE_CHECKING:  # or every misspelt name would be known to type checkers

    def __getattr__(name):  # noqa: ANN001, ANN202 - Python's own protocol
        """Load the client."""
        if name != "MlflowClient":
            raise AttributeError(f"module 'gitml.tracking.client' has no attribute '{name}'")
        return import_module("gitml.api.client").Client
