"""Where MLflow keeps its exception; gitml's own are in `gitml.errors`."""

from __future__ import annotations

from collections.abc import Mapping

from gitml.errors import ExecutionError as ExecutionException
from gitml.errors import GitmlError as MlflowException

__all__ = ["ExecutionException", "MlflowException", "RestException"]


class RestException(MlflowException):
    """What a server answered; for code that catches or raises it, gitml asks no server itself."""

    def __init__(self, json: Mapping[str, object]) -> None:
        """Read an answer.

        Args:
            json: The answer; its `error_code` and `message` count.
        """
        code = str(json.get("error_code", self.error_code))
        super().__init__(f"{code}: {json.get('message', json)}", code)
        self.json = dict(json)
