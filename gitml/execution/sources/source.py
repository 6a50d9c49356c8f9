"""Code that is ready to be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitml.entities.run import CodeState


@dataclass(frozen=True, slots=True)
class Source:
    """Code that is ready to be run.

    Attributes:
        folder: The project's folder, where the command runs.
        root: The root of the code that it is in.
        directory: The folder relative to the root, with '/' between parts; '' at the top.
        code: What the code is; None for the work tree of the repository that the
            run is recorded in, whose state is captured as for any run.
        uri: The git URL that it came from, without credentials; None for a folder here.
        version: The version as it was asked for.
        notes: Sentences for the user about what could not be laid out.
        submodules: Whether it was asked for with its submodules.
        inherited: Whether it is the code of the run that started us, and is run in
            place again: whoever had to agree to it has done so.
    """

    folder: Path
    root: Path
    directory: str
    code: CodeState | None
    uri: str | None
    version: str | None
    notes: tuple[str, ...] = ()
    submodules: bool = False
    inherited: bool = False
