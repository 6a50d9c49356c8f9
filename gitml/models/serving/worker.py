"""A process among several that serve; it gets two descriptors.

The settings are the first line on standard input, requests come on the first descriptor. Once the model
is loaded, one line of JSON goes to the second, or what is wrong with it. When standard input closes,
whoever looked after it has gone, and it ends too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.models.serving.log import log_to
from gitml.models.serving.process import serve
from gitml.models.serving.settings import ServeSettings

if TYPE_CHECKING:
    from gitml.models.serving.loading import Served

FAILED = 3


def main(argv: list[str]) -> int:
    """Serve until told to end."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # nothing to retire from yet
    listening, telling = socket.socket(fileno=int(argv[0])), int(argv[1])
    settings = ServeSettings.from_json(sys.stdin.readline())
    log_to(sys.stderr)

    def tell(**said: object) -> None:
        os.write(telling, json.dumps(said).encode() + b"\n")

    def ready(served: Served) -> None:
        tell(name=served.name, version=served.version)

    try:
        return serve(settings, listening, ready, guardian=sys.stdin.fileno())
    except GitmlError as err:
        tell(error=err.message, hint=err.hint, exit_code=err.exit_code)
        return FAILED
