"""What stands for MLflow's own classes in pickles that MLflow made, where mlflow is not installed."""

from __future__ import annotations

from typing import Any, NamedTuple


class Hints:
    """The type hints that MLflow keeps with a model; fields are set when it is unpickled."""

    input: Any = None
    output: Any = None


class FuncInfo(NamedTuple):
    """What MLflow keeps of a function with type hints."""

    input_type_hint: Any
    input_param_name: str


def validate_model_input(
    args: tuple[Any, ...], kwargs: dict[str, Any], index: int, hint: Any, name: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Hold the input of a call against its type hint, as MLflow's wrapper around a `predict` asks for.

    Raises:
        SchemaError: It does not fit.
    """
    from gitml.models.signatures.hint_values import fit_hint

    if name in kwargs:
        return args, {**kwargs, name: fit_hint(kwargs[name], hint)}
    return (*args[:index], fit_hint(args[index], hint), *args[index + 1 :]), kwargs
