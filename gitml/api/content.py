"""Python objects as the bytes of a file: dictionaries, figures, tables; `images` has pictures.

What a file becomes is told by its name's ending, as in MLflow.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.errors import InvalidNameError, InvalidValueError, MissingExtraError
from gitml.formats.unreadable import why_unreadable

if TYPE_CHECKING:
    import pandas as pd

_YAML_ENDINGS = (".yaml", ".yml")
_TABLE_ENDINGS = (".json", ".parquet")


def encode_dictionary(value: object, artifact_file: str) -> bytes:
    """Write a dictionary or list as YAML if the name ends so, else as JSON.

    Scalars of NumPy and tensors become numbers, arrays lists, and what the
    format has no word for is written as the text that `str` makes of it.

    Raises:
        InvalidValueError: It contains itself, or a key is no plain value.
    """
    ending = PurePosixPath(artifact_file).suffix.lower()
    try:
        if ending in _YAML_ENDINGS:
            text = _yaml_text(value)
        else:
            text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain_value)
    except (TypeError, ValueError, RecursionError) as err:
        raise _not_writable("dictionary", artifact_file, err) from err
    except Exception as err:  # PyYAML's errors have no base that can be named without loading it
        if type(err).__module__.partition(".")[0] == "yaml":
            raise _not_writable("dictionary", artifact_file, err) from err
        raise
    return text.encode()


def _yaml_text(value: object) -> str:
    import yaml  # a parser is not needed to log numbers

    class Dumper(yaml.SafeDumper):
        """Writes what is no plain value as one."""

    Dumper.add_multi_representer(object, lambda dumper, unknown: dumper.represent_data(_plain_value(unknown)))
    text: str = yaml.dump(value, Dumper=Dumper, allow_unicode=True, default_flow_style=False, sort_keys=False)
    return text


def _plain_value(value: Any) -> Any:
    """Make a plain value of one that JSON or YAML has no word for; what is in it may need the same."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):  # of these YAML knows no subclasses
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, list | tuple):
        return list(value)
    # Moments of NumPy would become nanoseconds.
    is_moment = getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")
    if hasattr(value, "tolist") and not isinstance(value, type):
        with suppress(TypeError, ValueError, RuntimeError):  # a sparse tensor has no list
            plain = (value.astype(str) if is_moment else value).tolist()
            if type(plain) is not type(value):
                return plain
    return str(value)


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
    except (ValueError, RecursionError) as err:
        raise InvalidValueError("artifact", artifact_file, why_unreadable(err)) from err


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
        if not isinstance(facts, dict) or not facts.keys() >= {"columns", "data"}:
            raise InvalidValueError("table", artifact_file, "it is not a table: it has no columns and data")
        return pd.DataFrame(facts["data"], columns=facts["columns"])
    except ImportError as err:
        raise MissingExtraError("reading Parquet", "parquet") from err
    except (ValueError, TypeError, RecursionError) as err:
        raise InvalidValueError("table", artifact_file, f"it is not a table: {why_unreadable(err)}") from err


def _not_writable(kind: str, artifact_file: str, err: Exception) -> InvalidValueError:
    return InvalidValueError(kind, artifact_file, f"it can't be written: {err}")
