"""What the Open Inference Protocol says of a server and its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitml.entities.model import PYTHON_FUNCTION
from gitml.entities.signature import ColSpec, Schema, TensorSpec
from gitml.errors import GitmlError
from gitml.models.serving.inference_tensors import datatype_of, datatype_of_column
from gitml.models.serving.replies import Reply, RequestError, json_bytes, message_of

if TYPE_CHECKING:
    from gitml.models.serving.loading import Served


def server_metadata() -> Reply:
    """Say which server this is."""
    from gitml import __version__

    return Reply(json_bytes({"name": "gitml", "version": __version__, "extensions": ["binary_tensor_data"]}))


def model_metadata(served: Served) -> Reply:
    """Say what the model takes and gives."""
    metadata = served.model.metadata
    flavors = [name for name in metadata.flavors if name != PYTHON_FUNCTION]
    return Reply(
        json_bytes(
            {
                "name": served.name,
                "versions": [] if served.version is None else [str(served.version)],
                "platform": f"gitml_{flavors[0] if flavors else 'pyfunc'}",
                "inputs": tensors_of(metadata.get_input_schema(), "input-0"),
                "outputs": tensors_of(metadata.get_output_schema(), "output-0"),
            }
        )
    )


def tensors_of(schema: Schema | None, name: str) -> list[dict[str, Any]]:
    """Describe inputs or outputs as tensors; those without a name get one."""
    found = []
    for place, each in enumerate(schema.inputs if schema is not None else ()):
        called = each.name if each.name is not None else name.replace("0", str(place))
        if isinstance(each, TensorSpec):
            found.append({"name": called, "datatype": datatype_of(each.type), "shape": list(each.shape)})
        elif isinstance(each, ColSpec):
            found.append({"name": called, "datatype": datatype_of_column(each.type), "shape": [-1]})
    return found


def refused(err: GitmlError) -> Reply:
    """Say what is wrong as this protocol does."""
    status = err.status if isinstance(err, RequestError) else 400
    headers = err.headers if isinstance(err, RequestError) else ()
    return Reply(json_bytes({"error": message_of(err)}), status, headers=headers)
