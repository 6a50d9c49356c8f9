"""The `MLmodel` file: what a saved model says of itself, in MLflow's words.

All keys are kept, those that gitml does not know too. What is written can be moved: the place that
a model was saved at, or an address in a store, is never in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from gitml.entities.model import Model
from gitml.errors import DamagedError, InvalidNameError
from gitml.formats import yaml
from gitml.formats.names import check_artifact_path
from gitml.formats.wrong import WrongValueError, what_is_wrong

MLMODEL_FILE = "MLmodel"
MLFLOW_VERSION = "3.18.0"  # whose format this is
MAX_BYTES = 16 << 20
_TEXTS = (
    "artifact_path",
    "run_id",
    "utc_time_created",
    "model_uuid",
    "model_id",
    "mlflow_version",
    "gitml_version",
)
_FLAGS = ("is_signature_from_type_hint", "type_hint_from_example")
_MAPPINGS = ("saved_input_example_info", "metadata")
_KNOWN = frozenset(("flavors", "signature", "model_size_bytes", *_TEXTS, *_FLAGS, *_MAPPINGS))
_ABSOLUTE = re.compile(r"/|\\|[A-Za-z][A-Za-z0-9+.-]*:")


class NotAModelError(DamagedError):
    """What should be a model's `MLmodel` file is none."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(
            f"'{source}' {problem}", hint="a model's folder has a file MLmodel, which save_model writes"
        )


class UnsafePathError(DamagedError):
    """A model names a file that is not below its own folder."""

    def __init__(self, key: str, name: object, problem: str) -> None:
        super().__init__(
            f"the model says that '{key}' is {name!r:.120}, which can't be a file of it: {problem}",
            hint="nothing was loaded; get the model anew from who made it",
        )
        self.key = key
        self.name = name


def encode_model(model: Model) -> bytes:
    """Write an `MLmodel` file.

    Raises:
        TypeError: The metadata, or a fact of a flavor, has no plain form in YAML.
    """
    facts: dict[str, Any] = {key: getattr(model, key) for key in _TEXTS}
    if facts["artifact_path"] is not None and _ABSOLUTE.match(facts["artifact_path"]):
        facts["artifact_path"] = None
    facts |= {
        "model_size_bytes": model.model_size_bytes,
        "flavors": {name: dict(told) for name, told in sorted(model.flavors.items())},
        **{key: getattr(model, key) for key in _MAPPINGS},
    }
    if model.signature is not None:
        from gitml.formats.model_schema import encode_signature

        facts["signature"] = encode_signature(model.signature)
        facts |= {key: getattr(model, key) for key in _FLAGS}
    facts = {key: value for key, value in facts.items() if value is not None} | dict(model.extra)
    return yaml.dump_mapping(facts, block_depth=2).encode()


def decode_model(data: bytes, *, source: str = MLMODEL_FILE) -> Model:
    """Read an `MLmodel` file.

    Raises:
        NotAModelError: It is none.
    """
    if len(data) > MAX_BYTES:
        raise NotAModelError(source, f"has {len(data):,} bytes, more than the {MAX_BYTES:,} allowed")
    facts = yaml.load_mapping(data, source=source)
    try:
        fields: dict[str, Any] = {key: _text(key, facts.get(key)) for key in _TEXTS}
        fields |= {key: _mapping(key, facts.get(key)) for key in _MAPPINGS}
        fields |= {key: facts.get(key) is True for key in _FLAGS}
        return Model(
            flavors=_flavors(facts["flavors"]),
            signature=_signature(facts.get("signature")),
            model_size_bytes=_integer(facts.get("model_size_bytes")),
            extra={key: value for key, value in facts.items() if key not in _KNOWN},
            **fields,
        )
    except (KeyError, TypeError, ValueError) as err:
        raise NotAModelError(source, what_is_wrong(err)) from err


def _flavors(value: object) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(told, dict) for told in value.values()):
        raise WrongValueError("'flavors' must say of each flavor what it needs")
    return value


def _signature(value: object) -> Any:
    if value is None:
        return None
    from gitml.entities.signature import SignatureError
    from gitml.formats.model_schema import decode_signature  # many models have none

    try:
        return decode_signature(_mapping("signature", value))
    except SignatureError as err:
        raise WrongValueError(str(err)) from err


def _text(key: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise WrongValueError(f"{key} {value!r:.40}, which is not text")
    return value


def _mapping(key: str, value: object) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise WrongValueError(f"{key} {value!r:.40}, which is no mapping")
    return value


def _integer(value: object) -> int | None:
    if value is not None and type(value) is not int:
        raise WrongValueError(f"model_size_bytes {value!r:.40}")
    return value


def member_path(key: str, name: object) -> str:
    """Check what a model says where one of its files is, before that becomes a path.

    Args:
        key: What the file is, for an error.
        name: The path that the `MLmodel` file gives.

    Raises:
        UnsafePathError: It is no path below the model's folder.

    Example:
        >>> member_path("pickled_model", "model.skops")
        'model.skops'
    """
    try:
        return check_artifact_path(cast("str", name))
    except InvalidNameError as err:
        raise UnsafePathError(key, name, err.rule) from err
