"""Files of the work tree that code laid out elsewhere can read: they are no part of any commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitml.errors import NotFoundError, UsageError


@dataclass(frozen=True, slots=True)
class Link:
    """A path of the work tree, and where it is in there."""

    path: Path
    inside: PurePosixPath


def place_in(work_tree: Path | None, text: str) -> Link:
    """Find where in the work tree a path is that was given on the command line.

    Raises:
        UsageError: It is not in the work tree.
        NotFoundError: Nothing is there.
    """
    path = Path(text).absolute()
    if not path.exists():
        raise NotFoundError(
            f"there is no file or folder '{text}'", hint="--link takes a path of the work tree"
        )
    # The folder is resolved and the name is not: a link in the work tree is linked where it stands.
    place = path.parent.resolve() / path.name
    root = None if work_tree is None else work_tree.resolve()
    if root is None or place == root or not place.is_relative_to(root) or path.name == "..":
        raise UsageError(
            f"--link '{text}' is not in the work tree of this repository",
            hint="put a link to it into the work tree, where the program looks for it",
        )
    return Link(place, PurePosixPath(place.relative_to(root)))


def link_into(root: Path, place: PurePosixPath, target: Path) -> None:
    """Make what is at `target` available at a place below `root`.

    Raises:
        UsageError: The code has something there itself, or a part of the path is a link or a file.
    """
    folder = root
    for part in place.parent.parts:
        folder = folder / part
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(
                f"'{place}' can't be linked: '{folder.relative_to(root)}' is no folder of the code"
            )
        folder.mkdir(exist_ok=True)
    try:
        (folder / place.name).symlink_to(target.absolute())
    except FileExistsError:
        raise UsageError(
            f"'{place}' can't be linked: the run's code has it itself", hint="leave out that --link"
        ) from None
