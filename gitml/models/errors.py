"""What can go wrong with models, wherever they are used."""

from __future__ import annotations

from collections.abc import Sequence

from gitml.errors import GitmlError, NotFoundError, RefusedError


class MissingPackageError(GitmlError):
    """A package that the model needs is not installed."""

    exit_code = 7
    error_code = "INVALID_STATE"

    def __init__(self, what: str, requirement: str, *, instead: str = "") -> None:
        super().__init__(
            f"{what} needs '{requirement}', which is not installed",
            hint=f"pip install '{requirement}'" + (f"; or {instead}" if instead else ""),
        )
        self.requirement = requirement


class NoFlavorError(NotFoundError):
    """The model can't be loaded in the way that was asked for."""

    def __init__(self, model: str, flavor: str, known: Sequence[str]) -> None:
        there = ", ".join(known) or "none"
        hint = next(
            (f"gitml.{name}.load_model loads it" for name in known if name != "python_function"), None
        )
        super().__init__(f"'{model}' has no flavor '{flavor}', it has {there}", hint=hint)
        self.flavor = flavor


class UntrustedModelError(RefusedError):
    """Loading the model would run code of somebody whom nothing here vouches for."""

    error_code = "PERMISSION_DENIED"

    def __init__(self, model: str, reasons: Sequence[str], doubt: str) -> None:
        super().__init__(
            f"loading '{model}' runs code of whoever made it: {'; '.join(reasons)}. {doubt}",
            hint="if you trust its maker: trust=True, --trust or GITML_TRUST_MODELS=1",
        )
        self.reasons = tuple(reasons)
