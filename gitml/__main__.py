"""The `gitml` command, also as `python -m gitml`.

Its overview is plain text and is printed before anything else is loaded: what
reads a command line takes five times as long as the rest.
"""

from __future__ import annotations

import os
import sys

_OVERVIEWS: tuple[list[str], ...] = ([], ["-h"], ["--help"])


def main() -> None:
    """Run gitml and leave the process."""
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed: `>&-`
        from gitml.launching.streams import ensure_standard_streams

        ensure_standard_streams()
    sys.exit(_run())


def _run() -> int:
    if sys.argv[1:] in _OVERVIEWS and "_GITML_COMPLETE" not in os.environ and _print_overview():
        return 0
    from gitml.cli.app import run

    return run()


def _print_overview() -> bool:
    """Print the overview; False if the reader has gone, which the command line knows how to tell."""
    from gitml.cli.overview import first_screen, overview

    try:
        sys.stdout.write(overview() if sys.argv[1:] else first_screen())
        sys.stdout.flush()
    except BrokenPipeError:
        return False
    return True


if __name__ == "__main__":
    main()
