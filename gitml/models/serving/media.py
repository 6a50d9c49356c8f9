"""What a request says that its body is."""

from __future__ import annotations

from enum import Enum

from gitml.models.serving.replies import RequestError


class Media(Enum):
    """What a body can be."""

    JSON = "application/json"
    CSV = "text/csv"
    PARQUET = "application/vnd.apache.parquet"


_MEDIA = {each.value: each for each in Media}
_PLAIN_JSON = b"application/json"


class UnsupportedMediaError(RequestError):
    """A body of a kind that this server does not read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=415, code="BAD_REQUEST", plain=True)


def media_of(content_type: bytes | None) -> Media:
    """Read the header `Content-Type` by MLflow's rules: UTF-8 only, and no parameter but `charset`.

    Raises:
        UnsupportedMediaError: It is something else.
    """
    if content_type == _PLAIN_JSON:
        return Media.JSON
    if content_type is None:
        raise UnsupportedMediaError(f"The request has no Content-Type. {_known()}")
    given = content_type.decode("latin-1")
    kind, *parameters = (part.strip() for part in given.split(";"))
    values = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        values[name] = value
    if values.pop("charset", "utf-8").lower().strip('"') != "utf-8":
        raise UnsupportedMediaError("The scoring server only supports UTF-8")
    if values:
        raise UnsupportedMediaError(
            f"Unrecognized content type parameters: {', '.join(sorted(values))!r:.200}"
        )
    media = _MEDIA.get(kind.lower())
    if media is None:
        raise UnsupportedMediaError(f"Got {given!r:.200}. {_known()}")
    return media


def _known() -> str:
    return f"This predictor only supports the content types {', '.join(_MEDIA)}"
