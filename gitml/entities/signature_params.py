"""What a model can be told beside its input: parameters with a type and a default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, Union

from gitml.entities.data_type import DataType, SignatureError
from gitml.entities.signature_types import Object, as_type, check_unique, type_from_dict
from gitml.entities.signature_values import ValueMismatchError, fit_value

LIST = (-1,)
# What may be given where a type is declared, besides values of that type.
_ALSO: Mapping[DataType, tuple[DataType, ...]] = {
    DataType.long: (DataType.integer,),
    DataType.float: (DataType.integer, DataType.long),
    DataType.double: (DataType.integer, DataType.long, DataType.float),
}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ParamSpec:
    """One parameter.

    Attributes:
        name: Its name.
        dtype: Its type; the name of a `DataType` will do. `binary` can't be.
        default: What it is if it isn't given; None says nothing.
        shape: None for one value, `(-1,)` for a list of them.
    """

    name: str
    dtype: Union[DataType, Object]
    default: Any
    shape: tuple[int, ...] | None

    def __init__(
        self, name: str, dtype: DataType | Object | str, default: Any, shape: Iterable[int] | None = None
    ) -> None:
        object.__setattr__(self, "name", str(name))
        read = as_type(dtype, f"parameter '{name}'")
        if not isinstance(read, (DataType, Object)) or read is DataType.binary:
            raise SignatureError(f"parameter '{name}' can't be of type {read!r}")
        object.__setattr__(self, "dtype", read)
        object.__setattr__(self, "shape", None if shape is None else tuple(shape))
        if self.shape not in (None, LIST):
            raise SignatureError(f"parameter '{name}': a shape is None or (-1,), not {self.shape}")
        object.__setattr__(self, "default", self.fit(default))

    def __hash__(self) -> int:
        return hash((self.name, self.shape))  # the default may be a list

    def __repr__(self) -> str:
        shape = f" (shape: {self.shape})" if self.shape is not None else ""
        return f"{self.name!r}: {self.dtype!r} (default: {self.default}){shape}"

    def fit(self, value: Any) -> Any:
        """Make a value what the model is given: Python's own types, whole numbers floats where that is declared.

        Raises:
            SignatureError: It is of another type or shape; says the parameter and what was given.
        """
        what = f"parameter '{self.name}'"
        if self.shape is None:
            return _fit_one(value, self.dtype, what)
        values = value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value
        if not isinstance(values, list) or any(isinstance(each, list) for each in values):
            raise SignatureError(f"{what} is a list of {self.dtype!r}, not {_shown(value)}")
        return [_fit_one(each, self.dtype, what) for each in values]

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        default = self.default
        if self.dtype is DataType.datetime and default is not None:
            default = default.isoformat() if self.shape is None else [_iso(each) for each in default]
        return {
            "name": self.name,
            "default": default,
            "shape": self.shape if self.shape is None else list(self.shape),
            **self.dtype.to_dict(),
        }

    @classmethod
    def from_json_dict(cls, **fields: Any) -> ParamSpec:
        """Read `to_dict` again; `dtype` for `type` is what old versions of MLflow wrote.

        Raises:
            SignatureError: It isn't the JSON of a parameter.
        """
        lacking = [key for key in ("name", "default") if key not in fields]
        kind = fields.get("type") or fields.get("dtype")
        if lacking or kind is None:
            raise SignatureError(f"a parameter lacks '{(lacking or ['type'])[0]}'")
        read = type_from_dict({**fields, "type": kind})
        if not isinstance(read, (DataType, Object)):
            raise SignatureError(f"parameter {fields['name']!r:.80} can't be of type {read!r}")
        return cls(fields["name"], read, fields["default"], fields.get("shape"))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ParamSchema:
    """The parameters that a model takes.

    Attributes:
        params: The parameters, in order.
    """

    params: tuple[ParamSpec, ...]

    def __init__(self, params: Iterable[ParamSpec]) -> None:
        given = tuple(params)
        for each in given:
            if not isinstance(each, ParamSpec):
                raise SignatureError(f"a ParamSchema is a list of ParamSpec, not of {type(each).__name__}")
        check_unique((each.name for each in given), "parameter")
        object.__setattr__(self, "params", given)

    def __len__(self) -> int:
        return len(self.params)

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.params)

    def __repr__(self) -> str:
        return repr(list(self.params))

    def to_dict(self) -> list[dict[str, Any]]:
        """Give what MLflow's JSON holds."""
        return [each.to_dict() for each in self.params]

    def to_json(self) -> str:
        """Give MLflow's JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, json_str: str) -> ParamSchema:
        """Read MLflow's JSON.

        Raises:
            SignatureError: It is no list of parameters.
        """
        return cls([ParamSpec.from_json_dict(**each) for each in read_list(json_str, "parameters")])


def read_list(text: str, what: str) -> list[dict[str, Any]]:
    """Read a JSON list of objects.

    Raises:
        SignatureError: It is something else; says `what` it should have been.
    """
    try:
        read = json.loads(text)
    except (ValueError, TypeError, RecursionError) as err:
        raise SignatureError(f"the {what} of a signature are no JSON: {err}") from err
    if not isinstance(read, list) or not all(isinstance(each, dict) for each in read):
        raise SignatureError(f"the {what} of a signature are a list of objects, not {text!r:.80}")
    return read


def _fit_one(value: Any, dtype: DataType | Object, what: str) -> Any:
    if value is None:
        return None
    if isinstance(dtype, Object):
        try:
            fit_value(value, dtype)
        except ValueMismatchError as err:
            raise SignatureError(f"{what}: {err}") from err
        return value
    if dtype is DataType.datetime:
        moment = _moment(value)
        if moment is None:
            raise SignatureError(f"{what} is a datetime, not {_shown(value)}")
        return moment
    if not any(DataType.check_type(each, value) for each in (dtype, *_ALSO.get(dtype, ()))):
        raise SignatureError(f"{what} is of type {dtype!r}, not {_shown(value)}")
    return dtype.to_python()(value)


def _moment(value: Any) -> date | None:
    """Take a date, a point in time, or one as text; times with a zone become UTC's without one."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    return value if isinstance(value, date) else None


def _from_text(text: str) -> date | None:
    full = text + {4: "-01-01", 7: "-01"}.get(len(text), "")  # a year, a month: numpy and MLflow take them
    try:
        return (
            date.fromisoformat(full)
            if len(full) == 10
            else datetime.fromisoformat(full.replace("Z", "+00:00"))
        )
    except ValueError:
        return None


def _iso(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _shown(value: object) -> str:
    return f"{value!r:.80} ({type(value).__name__})"
