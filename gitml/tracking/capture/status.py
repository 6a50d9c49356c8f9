"""What git says of the work tree, from one `git status`."""

from __future__ import annotations

from typing import NamedTuple

from gitml.git.repo import GitRepo

# Every setting that changes what status finds or prints is overridden.
_COMMAND = (
    *("status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--ignored=no"),
    *("--no-renames", "--no-ahead-behind", "--ignore-submodules=none"),
)
_FIELDS_BEFORE_PATH = {b"1": 8, b"2": 9, b"u": 10}


class TrackedChange(NamedTuple):
    """A tracked path that differs from the commit or the staging area.

    `differs_on_disk` says whether the work tree differs from the staging area,
    `removed` whether the path is not on disk (or no longer a file there),
    `staged_oid` is the content staged (None where there is none, or several),
    `head_oid` and `head_mode` what the commit has (None where it has nothing).
    """

    path: bytes
    differs_on_disk: bool
    removed: bool = False
    unmerged: bool = False
    staged_oid: str | None = None
    head_oid: str | None = None
    head_mode: str | None = None
    is_submodule: bool = False
    submodule_moved: bool = False
    submodule_dirty: bool = False


class WorkTreeStatus(NamedTuple):
    """Commit, branch and changes. Untracked paths that end in '/' are repositories."""

    commit: str | None
    branch: str | None
    changes: tuple[TrackedChange, ...]
    untracked: tuple[bytes, ...]


def read_status(git: GitRepo) -> WorkTreeStatus:
    """Ask git once; writes nothing, not even the staging area's file times.

    Raises:
        GitCommandFailedError: git can't read its staging area, say.
    """
    return parse_status(git.process.run(_COMMAND, cwd=git.work_tree))


def parse_status(output: bytes) -> WorkTreeStatus:
    """Read the output of `git status --porcelain=v2 -z --branch`."""
    commit = branch = None
    changes: list[TrackedChange] = []
    untracked: list[bytes] = []
    entries = iter(output.split(b"\0"))
    for entry in entries:
        kind = entry[:1]
        if kind == b"#":
            name, _, value = entry[2:].decode("utf-8", "replace").partition(" ")
            if name == "branch.oid" and value != "(initial)":
                commit = value
            elif name == "branch.head" and value != "(detached)":
                branch = value
        elif kind == b"?":
            untracked.append(entry[2:])
        elif kind in _FIELDS_BEFORE_PATH:
            changes.append(_parse_change(kind, entry))
            if kind == b"2":
                next(entries)  # the path it was renamed from
    return WorkTreeStatus(commit, branch, tuple(changes), tuple(untracked))


def _parse_change(kind: bytes, entry: bytes) -> TrackedChange:
    fields = entry.split(b" ", _FIELDS_BEFORE_PATH[kind])
    unmerged, submodule = kind == b"u", fields[2]
    staged = None if unmerged or not fields[7].strip(b"0") else fields[7].decode()
    head = None if unmerged or not fields[6].strip(b"0") else fields[6].decode()
    return TrackedChange(
        path=fields[-1],
        differs_on_disk=unmerged or fields[1][1:2] != b".",
        removed=not unmerged and fields[1][1:2] == b"D",
        unmerged=unmerged,
        staged_oid=staged,
        head_oid=head,
        head_mode=fields[3].decode() if head else None,
        is_submodule=submodule.startswith(b"S"),
        submodule_moved=submodule[1:2] == b"C",
        submodule_dirty=submodule[2:3] == b"M" or submodule[3:4] == b"U",
    )
