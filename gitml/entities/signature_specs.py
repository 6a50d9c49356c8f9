"""One column, one tensor: what a schema is a list of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from gitml.entities.data_type import SignatureError
from gitml.entities.signature_types import ValueType, as_type, type_from_dict

if TYPE_CHECKING:
    import numpy as np

_DTYPE = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|256)|str|bytes|object|"
    r"(datetime|timedelta)64(\[\d*[a-zA-Zμ]{1,2}\])?"
)
Name = Union[str, int, float, None]


@dataclass(frozen=True, slots=True, repr=False)
class ColSpec:
    """One column.

    Attributes:
        type: Of what its values are; the name of a `DataType` will do.
        name: Its name, None for one that is known by its place only.
        required: Whether an input must have it.
    """

    type: ValueType
    name: Name = None
    required: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _name(self.name))
        object.__setattr__(self, "type", as_type(self.type, called("column", self.name)))
        object.__setattr__(self, "required", bool(self.required))

    def __repr__(self) -> str:
        said = f"{self.type!r} ({'required' if self.required else 'optional'})"
        return said if self.name is None else f"{self.name!r}: {said}"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        named = {} if self.name is None else {"name": self.name}
        return {**self.type.to_dict(), **named, "required": self.required}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> ColSpec:
        """Read `to_dict` again; `optional` for `required` is what old versions of MLflow wrote.

        Raises:
            SignatureError: It isn't the JSON of a column.
        """
        required = fields.get("required")
        if required is None:
            required = not fields.get("optional", False)
        return cls(type_from_dict(fields), fields.get("name"), required)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class TensorSpec:
    """One tensor.

    Attributes:
        dtype: The name of numpy's dtype, without a length for `str` and `bytes`.
        shape: How long it is in each dimension, -1 for any length.
        name: Its name, None for the only one.
    """

    dtype: str
    shape: tuple[int, ...]
    name: str | None

    def __init__(
        self,
        type: np.dtype[Any] | str,  # noqa: A002 - MLflow's name
        shape: Iterable[int],
        name: str | None = None,
    ) -> None:
        object.__setattr__(self, "dtype", _dtype_name(type))
        object.__setattr__(self, "shape", _shape(shape))
        object.__setattr__(self, "name", _name(name))

    @property
    def type(self) -> np.dtype[Any]:
        """The dtype of numpy."""
        import numpy as np

        return np.dtype(self.dtype)

    @property
    def required(self) -> bool:
        """Whether an input must have it: yes."""
        return True

    def __repr__(self) -> str:
        said = f"Tensor({self.dtype!r}, {self.shape!r})"
        return said if self.name is None else f"{self.name!r}: {said}"

    def to_dict(self) -> dict[str, Any]:
        """Give what MLflow's JSON holds."""
        named = {} if self.name is None else {"name": self.name}
        return {**named, "type": "tensor", "tensor-spec": {"dtype": self.dtype, "shape": list(self.shape)}}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> TensorSpec:
        """Read `to_dict` again.

        Raises:
            SignatureError: It isn't the JSON of a tensor.
        """
        said = fields.get("tensor-spec")
        if fields.get("type") != "tensor" or not isinstance(said, Mapping):
            raise SignatureError("a tensor has the type 'tensor' and a 'tensor-spec'")
        for key in ("dtype", "shape"):
            if key not in said:
                raise SignatureError(f"a tensor-spec lacks '{key}'")
        return cls(said["dtype"], said["shape"], fields.get("name"))


def _name(given: Any) -> Any:
    """Take a name as JSON can hold it; numpy's numbers become Python's."""
    if type(given).__module__ == "numpy" and hasattr(given, "item"):
        given = given.item()
    if given is None or (isinstance(given, (str, int, float)) and not isinstance(given, bool)):
        return given
    raise SignatureError(f"the name of a column is text or a number, not {given!r:.80}")


def called(what: str, name: object) -> str:
    """Say which column it is: by name, if it has one."""
    return f"the {what} without a name" if name is None else f"{what} {name!r:.80}"


def _shape(given: Any) -> tuple[int, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SignatureError(f"a shape is a tuple of lengths, not {given!r:.80}")
    return tuple(_length(each) for each in given)


def _length(given: Any) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given >= -1:
        return given
    if type(given).__module__ == "numpy" and hasattr(given, "item"):
        return _length(given.item())
    raise SignatureError(f"a shape is made of lengths, and -1 for any, not {given!r:.80}")


def _dtype_name(given: Any) -> str:
    """Name a dtype of numpy, which is loaded only for one that isn't called by its usual name."""
    name = given if isinstance(given, str) else getattr(given, "name", None)
    if not isinstance(name, str) or (not isinstance(given, str) and not hasattr(given, "itemsize")):
        raise SignatureError(f"the type of a tensor is a dtype of numpy, not {given!r:.80}")
    if not _DTYPE.fullmatch(name):
        import numpy as np

        try:
            name = np.dtype(given).name
        except (TypeError, ValueError) as err:
            raise SignatureError(f"the type of a tensor is a dtype of numpy, not {given!r:.80}") from err
        if re.fullmatch(r"(str|bytes)\d+", name):
            raise SignatureError(
                f"the type of a tensor has no length: {name.rstrip('0123456789')!r}, not {name!r}"
            )
    return name
