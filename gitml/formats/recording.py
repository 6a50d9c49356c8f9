"""What was asked to be recorded of a program: `environment/recording.yaml`.

A run that is done again asks for the same. What is usual has no key, and where
all is usual there is no file.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitml.errors import DamagedError
from gitml.formats import yaml

RECORDING_FILE = "recording.yaml"
_LISTS = ("artifacts", "metrics", "scalars", "params")


@dataclass(frozen=True, slots=True)
class Recording:
    """What is to be recorded beside what always is.

    Attributes:
        artifacts: Paths and patterns of files to keep, below the folder that
            the program runs in.
        metrics: Files that the program writes metrics to.
        scalars: Rules that find metrics in what it prints.
        params: Names of the params that were given by hand.
        auto_params: Whether params are taken from the command's own arguments.
    """

    artifacts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    auto_params: bool = True


def encode_recording(recording: Recording) -> bytes:
    """Write the file; empty if there is nothing to say."""
    lists = {key: list(getattr(recording, key)) for key in _LISTS if getattr(recording, key)}
    return yaml.dump_mapping({**lists, **({} if recording.auto_params else {"auto_params": False})}).encode()


def decode_recording(data: bytes, *, source: str = RECORDING_FILE) -> Recording:
    """Read the file.

    Raises:
        DamagedError: It can't be read.
    """
    found = yaml.load_mapping(data, source=source)
    lists = {key: found.get(key, []) for key in _LISTS}
    for key, items in lists.items():
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise DamagedError(f"'{source}': '{key}' is no list of texts")
    return Recording(
        **{key: tuple(items) for key, items in lists.items()},
        auto_params=found.get("auto_params") is not False,
    )
