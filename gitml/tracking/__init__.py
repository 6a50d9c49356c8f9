"""A run from birth to history.

With `import gitml as mlflow`, code also looks for the client and the tracking
URI in `mlflow.tracking`. They are of a higher storey, so they are loaded by
name, only when asked for; gitml itself never takes them from here.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitml.api.client import Client as MlflowClient
    from gitml.api.reading_calls import get_tracking_uri as get_tracking_uri
    from gitml.api.reading_calls import is_tracking_uri_set as is_tracking_uri_set
    from gitml.api.reading_calls import set_tracking_uri as set_tracking_uri

__all__ = ["MlflowClient", "get_tracking_uri", "is_tracking_uri_set", "set_tracking_uri"]

if not TYPE_CHECKING:  # or every misspelt name would be known to type checkers

    def __getattr__(name):  # noqa: ANN001, ANN202 - Python's own protocol
        """Load one of MLflow's names."""
        if name in ("client", "fluent"):  # modules, which MLflow loads with this one
            return import_module(f"gitml.tracking.{name}")
        if name == "MlflowClient":
            return import_module("gitml.api.client").Client
        if name in __all__:
            return getattr(import_module("gitml.api.reading_calls"), name)
        raise AttributeError(f"module 'gitml.tracking' has no attribute '{name}'")
