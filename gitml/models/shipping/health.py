"""Asks the server in this container whether it is well: `python -m gitml.models.shipping.health`."""

from __future__ import annotations

import http.client
import os
import sys

PORT_VARIABLES = ("GITML_SERVE_PORT", "SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "PORT")
DEFAULT_PORT = 8080
_PATIENCE_S = 4


def chosen_port() -> str:
    """The port that the server in this container listens on: as the platform says, or 8080."""
    return next((os.environ[name] for name in PORT_VARIABLES if os.environ.get(name)), str(DEFAULT_PORT))


def main() -> int:
    """Ask; 0 if it is well, 1 if not."""
    connection = http.client.HTTPConnection("127.0.0.1", int(chosen_port()), timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/ping")
        return 0 if connection.getresponse().status == http.client.OK else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
