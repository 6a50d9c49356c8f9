"""A program that wraps another one, for tests: wrapper.py RESULT LOG OPTIONS COMMAND...

Writes how the command ended to RESULT (JSON) and what it printed to LOG.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from gitml.launching.process import run_process
from gitml.launching.signals import SignalRelay
from gitml.launching.spawn import CommandNotStartedError


def main() -> int:
    """Run the command; the exit code is its own."""
    result_file, log_file, options_text, *command = sys.argv[1:]
    options = json.loads(options_text)

    def log(data: bytes) -> None:
        if options.get("log_fails"):
            raise OSError(28, "No space left on device")
        time.sleep(options.get("log_delay_s", 0))
        with Path(log_file).open("ab") as out:
            out.write(data)

    with SignalRelay() as signals:
        try:
            result = run_process(
                command, environment=dict(os.environ), on_output=log, signals=signals, pty=options.get("pty")
            )
        except CommandNotStartedError as err:
            Path(result_file).write_text(json.dumps({"error": str(err), "hint": err.hint}))
            return err.exit_code
    Path(result_file).write_text(
        json.dumps(
            {"exit_code": result.exit_code, "signal": result.signal, "problems": result.problems,
             "ends_in_line": result.ends_in_line, "losses": result.losses}
        )
    )  # fmt: skip
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
