"""What a flavor is: how models of one framework become files, and files models again.

The mechanism around it is shared: the folder and its `MLmodel` file, signature and example, requirements,
code, logging and registering (`saving`), finding, checking and trusting (`loading`). A flavor imports its
framework inside its functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gitml.entities.signature import ModelSignature


@dataclass(frozen=True, slots=True)
class Written:
    """What a flavor wrote, in MLflow's words.

    Attributes:
        facts: For `flavors.<name>` of the `MLmodel` file: all that `read` and `wrap` need.
            Names of files are relative to the model's folder.
        python_function: For `flavors.python_function`, beside what every flavor has there;
            None if the model can't predict, and so has no such flavor.
        packages: Distributions that this model needs besides the flavor's own.
        signature: What the model itself says that goes in and comes out, by its type hints.
        modules: The modules that its files refer to, if they say so. What the model imports is then
            looked up only once for models that refer to the same; None: each time.
    """

    facts: Mapping[str, Any]
    python_function: Mapping[str, Any] | None = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    signature: ModelSignature | None = None
    modules: frozenset[str] | None = None


class Predictor(Protocol):
    """A loaded model as `python_function`: data in, predictions out."""

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict; the data were held against the signature before."""
        ...


class Flavor(Protocol):
    """Models of one framework."""

    @property
    def name(self) -> str:
        """Its key among the flavors in the `MLmodel` file."""
        ...

    @property
    def loader_module(self) -> str:
        """What MLflow calls it in `python_function`, such as `mlflow.sklearn`."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions that its models always need; the first is the framework."""
        ...

    def write(self, model: Any, folder: Path, options: Mapping[str, Any]) -> Written:
        """Write a model's files.

        Args:
            model: What was trained.
            folder: The folder of the model, which exists and may hold `code/` already.
            options: What only this flavor's `save_model` takes.

        Raises:
            UsageError: It is no model of this framework, or can't be written in the format asked for.
            MissingPackageError: A package that writes the format is not installed.
        """
        ...

    def code(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
        """Say which files run code of whoever made them when they are read, a sentence each.

        Nothing is imported or run for that. Empty if they are data only; then nobody is asked for trust.
        """
        ...

    def read(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Load the framework's own model; if it runs code, the user has agreed.

        Args:
            folder: The folder of the model; files in it may only be read.
            facts: What `write` said.
            options: What only this flavor's `load_model` takes.
        """
        ...

    def wrap(self, model: Any, facts: Mapping[str, Any], function: Mapping[str, Any]) -> Predictor:
        """Make it predict as `python_function`.

        Args:
            model: What `read` gave, or `write` got.
            facts: What `write` said of the flavor.
            function: What it said of `python_function`.
        """
        ...
