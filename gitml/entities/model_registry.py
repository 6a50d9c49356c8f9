"""Where MLflow keeps what its model registry gives; gitml's own entities are in `gitml.entities.registry`.

They are of a higher storey, so they are loaded by name, only when asked for.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitml.api.registry_handles import ModelVersion, RegisteredModel

__all__ = ["ModelVersion", "RegisteredModel"]

if not TYPE_CHECKING:  # or every misspelt name would be known to type checkers

    def __getattr__(name):  # noqa: ANN001, ANN202 - Python's own protocol
        """Load one of MLflow's entities."""
        if name not in __all__:
            raise AttributeError(f"module 'gitml.entities.model_registry' has no attribute '{name}'")
        return getattr(import_module("gitml.api.registry_handles"), name)
