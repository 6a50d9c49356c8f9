"""Standard streams that whoever started us has closed (`>&-`)."""

from __future__ import annotations

import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def ensure_standard_streams() -> None:
    """Open what is closed of the descriptors 0 to 2, so that nothing else lands there; it leads nowhere.

    Python's own names for them are filled in too, so that what prints need not ask.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for as long as we live
