"""Pictures: `gitml.Image`, and the bytes of a file that a picture becomes."""

from __future__ import annotations

import io
import os
import sys
import warnings
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.errors import InvalidValueError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as Picture

__all__ = ["Image"]


class Image:
    """A picture for `log_image` and for the cells of `log_table`."""

    def __init__(self, image: Any) -> None:
        """Take a picture.

        Args:
            image: A NumPy array, a Pillow image, the path of a file, or a list
                of rows. Floats outside 0…1 are rescaled.

        Raises:
            InvalidValueError: It is none of these, or no picture.
            MissingExtraError: Pillow is not installed.
        """
        if isinstance(image, str | os.PathLike):
            self._picture = _opened(image)
        else:
            self._picture = to_picture(image)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self._picture.size
        return width, height

    def to_pil(self) -> Picture:
        """Give it as a Pillow image."""
        return self._picture

    def to_array(self) -> np.ndarray[Any, Any]:
        """Give it as a NumPy array: height by width, perhaps by channels."""
        import numpy as np

        return np.array(self._picture)

    def to_list(self) -> list[Any]:
        """Give its pixels, row after row, as one list; of several channels a list each."""
        array = self.to_array()
        pixels: list[Any] = array.reshape(-1, *array.shape[2:]).tolist()
        return pixels

    def resize(self, size: tuple[int, int]) -> Image:
        """Make a picture of another width and height; returns itself."""
        self._picture = self._picture.resize(size)
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file outside of any run; the name's ending is the format."""
        self._picture.save(path)


def is_picture(value: object) -> bool:
    """Whether a cell of a table holds a picture: Pillow's, gitml's or MLflow's."""
    if isinstance(value, Image):
        return True
    pillow = sys.modules.get("PIL.Image")  # no object is of a module that was never loaded
    if pillow is not None and isinstance(value, pillow.Image):
        return True
    return type(value).__module__.partition(".")[0] == "mlflow" and hasattr(value, "to_pil")


def to_picture(image: Any) -> Picture:
    """Make a Pillow image of a NumPy array or of anything with `to_pil`.

    An array is height by width, or height by width by 1, 3 or 4 channels. Values
    are 0…255 as integers, or 0…1 as floats or booleans; other floats are
    rescaled, with a warning.

    Raises:
        InvalidValueError: The array is no picture.
        MissingExtraError: Pillow is not installed.
    """
    pillow = _pillow()
    picture: Picture
    if isinstance(image, pillow.Image):
        picture = image
    elif hasattr(image, "to_pil"):
        picture = image.to_pil()
    else:
        picture = pillow.fromarray(_pixels(image))
    return picture


def encode_image(image: Any, artifact_file: str) -> bytes:
    """Write a picture in the format that the name ends in; takes what `to_picture` takes.

    Raises:
        InvalidValueError: The array is no picture, or the format is unknown.
        MissingExtraError: Pillow is not installed.
    """
    pillow = _pillow()
    ending = PurePosixPath(artifact_file).suffix.lower() or ".png"
    pillow.init()
    kind = pillow.EXTENSION.get(ending)
    if kind is None:
        raise InvalidValueError(
            "image", artifact_file, f"no picture format ends in '{ending}'", hint="use .png or .jpg"
        )
    stream = io.BytesIO()
    picture = to_picture(image)
    try:
        picture.save(stream, format=kind)
    except (OSError, ValueError, KeyError) as err:
        raise InvalidValueError("image", artifact_file, f"it can't be written: {err}") from err
    return stream.getvalue()


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as err:
        raise MissingExtraError("writing images", "images") from err
    return PIL.Image


def _opened(path: str | os.PathLike[str]) -> Picture:
    try:
        picture: Picture = _pillow().open(path)
        picture.load()  # now, not when the file may be gone
    except OSError as err:
        raise InvalidValueError("image", str(path), f"it can't be read as a picture: {err}") from err
    return picture


def _pixels(image: Any) -> Any:
    import numpy as np

    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InvalidValueError(
            "image", str(array.shape), "an image is height x width, or with 1, 3 or 4 channels"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "bf":
        return (_unit(array) * 255).astype(np.uint8)
    if array.dtype.kind not in "iu" or (array.size and not (array.min() >= 0 and array.max() <= 255)):
        raise InvalidValueError("image", str(array.dtype), "its values must lie in 0…255")
    return array.astype(np.uint8)


def _unit(array: Any) -> Any:
    """Bring floats into 0…1: as they are if they lie there, else the least to 0 and the greatest to 1."""
    import numpy as np

    if array.dtype.kind == "b":
        return array
    finite = array[np.isfinite(array)]
    is_whole = finite.size == array.size
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low >= 0 and high <= 1:
        if not is_whole:
            _warn("the picture has values that are no finite numbers: NaN is drawn as 0")
        low, high = 0.0, 1.0
    else:
        _warn(f"the picture's values lie in {low:.6g}…{high:.6g} rather than in 0…1: they are rescaled")
    wide = array.astype(np.float64)
    scaled = (wide - low) / ((high - low) or 1.0) if (low, high) != (0.0, 1.0) else wide
    return scaled if is_whole else np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0)


def _warn(message: str) -> None:
    level, frame = 2, sys._getframe(1)  # noqa: SLF001 - warnings count frames, too
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "gitml":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
