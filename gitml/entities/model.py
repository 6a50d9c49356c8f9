"""What a saved model says of itself, in the words of MLflow's `MLmodel` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitml.entities.signature import ModelSignature, ParamSchema, Schema

PYTHON_FUNCTION = "python_function"


@dataclass(frozen=True, slots=True)
class Model:
    """What is in a model's folder and how it is loaded.

    Attributes:
        flavors: By name, what each way to load it needs to know; names of files
            in there are relative to the folder.
        signature: What goes in and comes out.
        saved_input_example_info: Where the example of an input is, and of which kind.
        metadata: What its maker added.
        artifact_path: Where it was put below its run's artifacts.
        run_id: The run that made it.
        utc_time_created: When, as `2026-01-31 12:00:00.000000` in UTC.
        model_uuid: 32 hex digits that tell it from others.
        model_id: The id of a logged model of MLflow's.
        mlflow_version: The release of MLflow whose format it has.
        gitml_version: The release of gitml that wrote it.
        model_size_bytes: Bytes of its files, without those that are written last.
        is_signature_from_type_hint: Whether the signature was read from type hints.
        type_hint_from_example: Whether those were themselves made from the example.
        extra: All other keys.
    """

    flavors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    signature: ModelSignature | None = None
    saved_input_example_info: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    artifact_path: str | None = None
    run_id: str | None = None
    utc_time_created: str | None = None
    model_uuid: str | None = None
    model_id: str | None = None
    mlflow_version: str | None = None
    gitml_version: str | None = None
    model_size_bytes: int | None = None
    is_signature_from_type_hint: bool = False
    type_hint_from_example: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def get_input_schema(self) -> Schema | None:
        """What goes in; None if nobody said."""
        return None if self.signature is None else self.signature.inputs

    def get_output_schema(self) -> Schema | None:
        """What comes out; None if nobody said."""
        return None if self.signature is None else self.signature.outputs

    def get_params_schema(self) -> ParamSchema | None:
        """What a prediction can be told besides its input; None if nobody said."""
        return None if self.signature is None else self.signature.params


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that was logged, and where.

    Attributes:
        model_uri: What `load_model` takes: `runs:/<run id>/<path>`.
        artifact_path: Where it is below its run's artifacts.
        run_id: The run.
        model: What its `MLmodel` file says.
        name: What it was called.
        registered_model_version: The number that it was registered under, if it was.
    """

    model_uri: str
    artifact_path: str
    run_id: str | None
    model: Model
    name: str | None = None
    registered_model_version: int | None = None

    @property
    def flavors(self) -> Mapping[str, Mapping[str, Any]]:
        """The ways to load it."""
        return self.model.flavors

    @property
    def signature(self) -> ModelSignature | None:
        """What goes in and comes out."""
        return self.model.signature

    @property
    def signature_dict(self) -> dict[str, Any] | None:
        """The signature in MLflow's form: a JSON text each for inputs, outputs and params."""
        return None if self.model.signature is None else self.model.signature.to_dict()

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """What its maker added."""
        return self.model.metadata

    @property
    def model_uuid(self) -> str | None:
        """What tells it from others."""
        return self.model.model_uuid

    @property
    def model_id(self) -> str | None:
        """The id of a logged model of MLflow's."""
        return self.model.model_id

    @property
    def utc_time_created(self) -> str | None:
        """When it was made."""
        return self.model.utc_time_created

    @property
    def mlflow_version(self) -> str | None:
        """The release of MLflow whose format it has."""
        return self.model.mlflow_version

    @property
    def saved_input_example_info(self) -> Mapping[str, Any] | None:
        """Where the example of an input is, and of which kind."""
        return self.model.saved_input_example_info
