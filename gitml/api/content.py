"""Python objects as the bytes of a file: dictionaries, figures, images, tables.

What a file becomes is told by its name's ending, as in MLflow.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.errors import InvalidNameError, InvalidValueError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_YAML_ENDINGS = (".yaml", ".yml")
_TABLE_ENDINGS = (".json", ".parquet")


def encode_dictionary(value: object, artifact_file: str) -> bytes:
    """Write a dictionary or list as YAML if the name ends so, else as JSON.

    Raises:
        InvalidValueError: It holds what the format can't.
    """
    ending = PurePosixPath(artifact_file).suffix.lower()
    try:
        if ending in _YAML_ENDINGS:
            import yaml  # a parser is not needed to log numbers

            text: str = yaml.safe_dump(value, allow_unicode=True, default_flow_style=False, sort_keys=False)
        else:
            text = json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as err:
        raise _not_writable("dictionary", artifact_file, err) from err
    except Exception as err:  # PyYAML's errors have no base that can be named without loading it
        if type(err).__module__.partition(".")[0] == "yaml":
            raise _not_writable("dictionary", artifact_file, err) from err
        raise
    return text.encode()


def decode_dictionary(data: bytes, artifact_file: str) -> Any:
    """Read JSON, or YAML if the name ends so.

    Raises:
        InvalidValueError: The file is neither.
    """
    from gitml.formats import yaml

    try:
        if PurePosixPath(artifact_file).suffix.lower() in _YAML_ENDINGS:
            load = yaml.load_sequence if data.lstrip()[:1] in (b"-", b"[") else yaml.load_mapping
            return load(data, source=artifact_file)
        return json.loads(data)
    except ValueError as err:
        raise InvalidValueError("artifact", artifact_file, f"it is not JSON: {err}") from err


def encode_figure(figure: Any, artifact_file: str, save_kwargs: Mapping[str, Any] | None = None) -> bytes:
    """Draw a matplotlib or plotly figure.

    Args:
        figure: The figure.
        artifact_file: Its ending is the format: .png, .svg, .pdf …; of plotly
            also .html.
        save_kwargs: Passed to the library's own save function.

    Raises:
        InvalidValueError: It is no figure, or the library refuses the format.
    """
    ending = PurePosixPath(artifact_file).suffix.lower()
    options = dict(save_kwargs or {})
    try:
        if hasattr(figure, "savefig"):
            stream = io.BytesIO()
            options.setdefault("format", ending.lstrip(".") or "png")
            figure.savefig(stream, **options)
            return stream.getvalue()
        if hasattr(figure, "write_html"):
            if ending == ".html":
                options.setdefault("include_plotlyjs", "cdn")
                return str(figure.to_html(**options)).encode()
            return bytes(figure.to_image(format=ending.lstrip(".") or "png", **options))
    except (ValueError, TypeError) as err:
        raise _not_writable("figure", artifact_file, err) from err
    raise InvalidValueError(
        "figure",
        type(figure).__name__,
        "it is neither a matplotlib nor a plotly figure",
        hint="pass the Figure object itself",
    )


def encode_image(image: Any, artifact_file: str) -> bytes:
    """Write a NumPy array or a Pillow image as a picture.

    An array is height by width, or height by width by 1, 3 or 4 channels. Values
    are 0…255 as integers, or 0…1 as floats or booleans.

    Raises:
        InvalidValueError: The array is no picture, or the format is unknown.
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as err:
        raise MissingExtraError("writing images", "images") from err
    picture = image if isinstance(image, Image.Image) else Image.fromarray(_pixels(image))
    stream = io.BytesIO()
    ending = PurePosixPath(artifact_file).suffix.lower() or ".png"
    Image.init()
    kind = Image.EXTENSION.get(ending)
    if kind is None:
        raise InvalidValueError(
            "image", artifact_file, f"no picture format ends in '{ending}'", hint="use .png or .jpg"
        )
    try:
        picture.save(stream, format=kind)
    except (OSError, ValueError, KeyError) as err:
        raise _not_writable("image", artifact_file, err) from err
    return stream.getvalue()


def _pixels(image: Any) -> Any:
    import numpy as np

    array = np.asarray(image.to_pil() if hasattr(image, "to_pil") else image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InvalidValueError(
            "image", str(array.shape), "an image is height x width, or with 1, 3 or 4 channels"
        )
    if array.dtype == np.uint8:
        return array
    unit = array.dtype.kind in "bf"
    low, high = (0, 1) if unit else (0, 255)
    if array.dtype.kind not in "biuf" or (array.size and not (low <= array.min() and array.max() <= high)):
        raise InvalidValueError("image", str(array.dtype), f"its values must lie in {low}…{high}")
    return (array * 255 if unit else array).astype(np.uint8)


def make_table(data: object, artifact_file: str) -> pd.DataFrame:
    """Make a DataFrame of what `log_table` takes.

    Raises:
        InvalidNameError: The name ends neither in .json nor in .parquet.
        InvalidValueError: It is neither a DataFrame nor a dictionary.
    """
    import pandas as pd

    if not artifact_file.endswith(_TABLE_ENDINGS):
        raise InvalidNameError("table", artifact_file, "its name must end in '.json' or '.parquet'")
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        try:
            return pd.DataFrame(data)
        except ValueError:  # plain values: one row
            return pd.DataFrame([data])
    raise InvalidValueError("table", artifact_file, "it is neither a DataFrame nor a dictionary of columns")


def encode_table(table: pd.DataFrame, artifact_file: str) -> bytes:
    """Write a table as JSON (pandas' "split" layout, as MLflow) or as Parquet.

    Raises:
        InvalidValueError: A cell can't be written.
        MissingExtraError: Parquet needs pyarrow.
    """
    try:
        if artifact_file.endswith(".parquet"):
            stream = io.BytesIO()
            table.to_parquet(stream, index=False)
            return stream.getvalue()
        return table.to_json(orient="split", index=False, date_format="iso").encode()
    except ImportError as err:
        raise MissingExtraError("writing Parquet", "parquet") from err
    except (ValueError, TypeError, OverflowError) as err:
        raise _not_writable("table", artifact_file, err) from err


def decode_table(data: bytes, artifact_file: str) -> pd.DataFrame:
    """Read a table that `encode_table` or MLflow wrote.

    Raises:
        InvalidValueError: The file is no such table.
        MissingExtraError: Parquet needs pyarrow.
    """
    import pandas as pd

    try:
        if artifact_file.endswith(".parquet"):
            return pd.read_parquet(io.BytesIO(data))
        facts = json.loads(data)
        return pd.DataFrame(facts["data"], columns=facts["columns"])
    except ImportError as err:
        raise MissingExtraError("reading Parquet", "parquet") from err
    except (ValueError, KeyError, TypeError) as err:
        raise InvalidValueError("table", artifact_file, f"it is not a table: {err}") from err


def _not_writable(kind: str, artifact_file: str, err: Exception) -> InvalidValueError:
    return InvalidValueError(kind, artifact_file, f"it can't be written: {err}")
