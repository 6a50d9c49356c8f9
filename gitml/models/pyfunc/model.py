"""A loaded model, whatever it was made with: data in, predictions out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.entities.model import PYTHON_FUNCTION, Model
from gitml.errors import UsageError
from gitml.models.contract import Predictor

if TYPE_CHECKING:
    from gitml.entities.signature import ModelSignature


class PyFuncModel:
    """A model as `python_function`.

    Attributes:
        metadata: What its `MLmodel` file says.
        native: The framework's own model.
        folder: Where its files are; they may only be read.
    """

    def __init__(self, metadata: Model, predictor: Predictor, native: Any, folder: Path) -> None:
        """Put together what a flavor loaded; `pyfunc.load_model` does that."""
        self.metadata = metadata
        self.native = native
        self.folder = folder
        self._predictor = predictor

    @property
    def signature(self) -> ModelSignature | None:
        """What goes in and comes out, if that is known."""
        return self.metadata.signature

    @property
    def model_config(self) -> Mapping[str, Any] | None:
        """The configuration that it was loaded with, if it has one."""
        config: Mapping[str, Any] | None = getattr(self._predictor, "model_config", None)
        return config

    @property
    def loader_module(self) -> str:
        """What MLflow calls the module that loads it."""
        return str(self.metadata.flavors[PYTHON_FUNCTION].get("loader_module"))

    @cached_property
    def input_example(self) -> Any:
        """The input that was kept with it; None if none was."""
        from gitml.models.examples import load_example

        return load_example(
            self.folder, self.metadata.saved_input_example_info, self.metadata.get_input_schema()
        )

    @cached_property
    def _enforce(self) -> Callable[[Any], Any]:
        """Give data the form that the model takes: by its type hints, or by its signature."""
        fit = getattr(self._predictor, "fit", None)
        if fit is not None and self.metadata.is_signature_from_type_hint:
            return fit  # type: ignore[no-any-return]
        schema = self.metadata.get_input_schema()
        if schema is None:
            return _as_it_is
        from gitml.models.signatures.enforce import compile_enforcer

        return compile_enforcer(schema)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict.

        Args:
            data: What goes in: a data frame, array, list, dictionary, sparse matrix … If the model
                has a signature it must fit that; what loses nothing is converted.
            params: What the prediction is told besides, as the signature has it.

        Raises:
            SchemaError: It does not fit; says which column, and what it should be.
        """
        return self.predict_fitted(self.fit(data), self.fit_params(params))

    def fit(self, data: Any) -> Any:
        """Give data the form that the model takes, as `predict` does first.

        Raises:
            SchemaError: They don't fit.
        """
        return self._enforce(data)

    def predict_fitted(self, data: Any, params: dict[str, Any] | None) -> Any:
        """Predict from what `fit` and `fit_params` gave; nothing is checked again."""
        return self._predictor.predict(data, params)

    def predict_stream(self, data: Any, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Predict piece by piece.

        Raises:
            UsageError: The model can't.
        """
        stream = getattr(self._predictor, "predict_stream", None)
        if stream is None or not self.metadata.flavors[PYTHON_FUNCTION].get("streamable"):
            raise UsageError("this model can't predict piece by piece", hint="use predict")
        yield from stream(self.fit(data), self.fit_params(params))

    def fit_params(self, params: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Give params as the signature has them, with its defaults.

        Raises:
            SchemaError: One is of the wrong type.
        """
        schema = self.metadata.get_params_schema()
        if schema is None and not params:
            return None
        if schema is None and self.metadata.signature is None:
            return dict(params or {})
        from gitml.models.signatures.enforce import enforce_params

        return enforce_params(params, schema)

    def unwrap_python_model(self) -> Any:
        """Give the `PythonModel` that it is made of, or the function.

        Raises:
            UsageError: It is made of something else.
        """
        unwrap = getattr(self._predictor, "unwrap", None)
        if unwrap is None:
            raise UsageError(
                f"this model is no PythonModel: {self.loader_module} loads it", hint="get_raw_model gives it"
            )
        return unwrap()

    def get_raw_model(self) -> Any:
        """Give the framework's own model."""
        return self.native

    def __repr__(self) -> str:
        facts = {
            "flavor": self.loader_module,
            "run_id": self.metadata.run_id,
            "artifact_path": self.metadata.artifact_path,
        }
        told = ", ".join(f"{name}={value}" for name, value in facts.items() if value)
        return f"<PyFuncModel {told}>"


def _as_it_is(data: Any) -> Any:
    return data
