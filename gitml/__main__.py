"""`python -m gitml`: the same as the `gitml` command."""

from __future__ import annotations

from gitml.cli.app import main

if __name__ == "__main__":
    main()
