"""Signatures to the texts that an MLmodel file holds and back.

`inputs`, `outputs` and `params` are a JSON text each, as MLflow 3 writes it; what older
versions wrote is read too. Nothing is loaded to read one, neither numpy nor pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gitml.entities.signature import ModelSignature, ParamSchema, Schema, SignatureError

Part = TypeVar("Part")
MAX_TEXT = 16 * 1024 * 1024  # characters: a hundred thousand columns and more


def encode_signature(signature: ModelSignature) -> dict[str, str | None]:
    """Give the `signature` of an MLmodel file; None for what isn't said.

    Example:
        >>> from gitml.entities.signature import ColSpec
        >>> encode_signature(ModelSignature(Schema([ColSpec("long", "age")])))["inputs"]
        '[{"type": "long", "name": "age", "required": true}]'
    """
    return signature.to_dict()


def decode_signature(said: Mapping[str, Any] | None) -> ModelSignature | None:
    """Read the `signature` of an MLmodel file; None if it says nothing.

    Raises:
        SignatureError: A text is no JSON, or is no schema; says which, and what is wrong with it.
    """
    if said is None:
        return None
    if not isinstance(said, Mapping):
        raise SignatureError(f"a signature has 'inputs', 'outputs' and 'params', this is {said!r:.80}")
    inputs = _part(said, "inputs", Schema.from_json)
    outputs = _part(said, "outputs", Schema.from_json)
    params = _part(said, "params", ParamSchema.from_json)
    if inputs is None and outputs is None and params is None:
        return None
    return ModelSignature(inputs, outputs, params)


def _part(said: Mapping[str, Any], key: str, read: Callable[[str], Part]) -> Part | None:
    text = said.get(key)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise SignatureError(f"the {key} of a signature are a JSON text, not {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise SignatureError(f"the {key} of a signature have {len(text)} characters, more than {MAX_TEXT}")
    try:
        return read(text)
    except SignatureError as err:
        raise SignatureError(f"the {key} of a signature can't be read: {err}", hint=err.hint) from err
