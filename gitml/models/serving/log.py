"""The server's log: one line for what an operator should know."""

from __future__ import annotations

import logging
import os
from typing import TextIO


def log_to(stream: TextIO) -> None:
    """Write what happens to a stream, with the time and the process."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(f"%(asctime)s {os.getpid()} %(levelname)s %(message)s"))
    for name, level in (("gitml.serving", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
