"""What users write: a class with `predict`, or a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitml.models.signatures.hints import TypeHints


@dataclass(frozen=True, slots=True)
class PythonModelContext:
    """What a model finds when it is loaded and predicts.

    Attributes:
        artifacts: The files that it was saved with: name to where it is now. They may only be read.
        model_config: Its configuration.
    """

    artifacts: Mapping[str, str] = field(default_factory=dict)
    model_config: Mapping[str, Any] | None = None


class PythonModel:
    """Derive from this, and write `predict`.

    It may take what comes before it: `predict(self, context, model_input, params=None)`,
    `predict(self, model_input, params=None)` or `predict(self, model_input)`.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load what is needed to predict; called once, when the model is loaded.

        Args:
            context: Where the model's files are.
        """

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predict; to be written by whoever makes a model."""
        raise NotImplementedError(f"{type(self).__name__} has no predict")

    def predict_stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Predict piece by piece; to be written where a model can."""
        raise NotImplementedError(f"{type(self).__name__} has no predict_stream")

    @property
    def predict_type_hints(self) -> TypeHints:
        """What `predict` says that it takes and gives."""
        return input_hints(self.predict)


class FunctionModel(PythonModel):
    """A model that is one function.

    Attributes:
        func: The function.
        signature: The model's signature; MLflow's class has it too.
    """

    def __init__(self, func: Callable[..., Any], signature: Any = None) -> None:
        self.func = func
        self.signature = signature

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call the function; it gets params if it takes any."""
        return call(self.func, None, model_input, params)

    @property
    def predict_type_hints(self) -> TypeHints:
        """What the function says that it takes and gives."""
        return input_hints(self.func)


def input_hints(function: Callable[..., Any]) -> TypeHints:
    """Read the type hints of a `predict`: of its input, and of what it gives."""
    from gitml.models.signatures.hints import hints_of

    return hints_of(function, 1 if _takes_context(function) else 0)


def call(
    function: Callable[..., Any], context: PythonModelContext | None, data: Any, params: Mapping[str, Any] | None
) -> Any:  # fmt: skip
    """Call a `predict` with what it takes: perhaps a context first, perhaps params last."""
    given = (context, data) if _takes_context(function) else (data,)
    if "params" in inspect.signature(function).parameters:
        return function(*given, params=dict(params) if params is not None else None)
    return function(*given)


def _takes_context(function: Callable[..., Any]) -> bool:
    return next(iter(inspect.signature(function).parameters), "") == "context"
