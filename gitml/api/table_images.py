"""Pictures in the cells of a table: files beside it, and in the cell where they are.

The layout is MLflow's, whose web page shows the small copies.
"""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.api.images import encode_image, is_picture, to_picture
from gitml.errors import InvalidValueError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FOLDER = "table_images"
_SMALL = (256, 256)


def take_out(table: pd.DataFrame, artifact_file: str) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """Replace the pictures in a table by what says where they are.

    Args:
        table: The table; it stays as it is.
        artifact_file: The table's path within the run.

    Returns:
        The table to keep, and the files of its pictures by their paths.

    Raises:
        InvalidValueError: A column has pictures and something else.
    """
    folder = f"{FOLDER}/{PurePosixPath(artifact_file).with_suffix('')}"
    files: dict[str, bytes] = {}
    for position, name in enumerate(table.columns):
        cells = list(table.iloc[:, position])
        if not any(map(is_picture, cells)):
            continue
        if not all(is_picture(cell) or _is_missing(cell) for cell in cells):
            raise InvalidValueError(
                "table", artifact_file, f"its column {str(name)!r} has pictures and something else",
                hint="give pictures a column of their own",
            )  # fmt: skip
        if not files:
            table = table.copy(deep=False)
        places = [_placed(cell, folder, files) if is_picture(cell) else None for cell in cells]
        table.isetitem(position, _objects(places))
    return table, files


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell)


def _objects(cells: list[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def _placed(cell: Any, folder: str, files: dict[str, bytes]) -> dict[str, str]:
    picture = to_picture(cell)
    name = f"{folder}/{uuid.uuid4()}"
    whole, small = f"{name}.png", f"{name}.webp"
    files[whole] = encode_image(picture, whole)
    try:
        thumbnail = picture.copy()
        thumbnail.thumbnail(_SMALL)
        files[small] = encode_image(thumbnail, small)
    except (
        InvalidValueError,
        OSError,
        ValueError,
    ):  # a Pillow without WebP, or a kind of picture it can't hold
        small = whole
    return {"type": "image", "filepath": whole, "compressed_filepath": small}
