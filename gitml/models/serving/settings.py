"""How a model is served."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MIB = 1024**2
DEFAULT_PORT = 5000
COUNTS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where processes of one server keep their counts


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What the command line says.

    Attributes:
        uri: The model; see `gitml.models.locating.locate`.
        name: What the Open Inference Protocol calls it; None: as its URI does.
        host: The address to listen on.
        port: The port; 0: any free one.
        workers: Processes, each with the model.
        threads: Threads of a process for models that are not batched.
        timeout_s: Seconds for a request, from its first byte to its answer.
        max_bytes: Bytes of a request's body.
        batch_rows: Rows that are predicted together at most; 1: none are; None: as many as suits the model.
        batch_wait_s: Seconds to wait for others before a batch is predicted.
        follow_s: Seconds between two looks at where the model's stage or alias leads; None: it stays.
        drain_s: Seconds for requests that are under way when the server is told to end.
        trust: Whether code in the model may run; see `gitml.models.trust`.
        hosts: Names that requests may be addressed to; empty: any, or this machine's where only that is
            listened on.
    """

    uri: str
    name: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    workers: int = 1
    threads: int = 8
    timeout_s: float = 60
    max_bytes: int = 64 * MIB
    batch_rows: int | None = None
    batch_wait_s: float = 0
    follow_s: float | None = None
    drain_s: float = 30
    trust: bool | None = None
    hosts: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write it for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServeSettings:
        """Read `to_json` again."""
        fields = json.loads(text)
        return cls(**{**fields, "hosts": tuple(fields["hosts"])})
