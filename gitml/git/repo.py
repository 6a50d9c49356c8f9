"""One git repository: objects and refs, mostly in process by dulwich.

Starting git costs 3 to 6 ms each time, dulwich writes a whole run in about 1 ms;
what must behave exactly like the user's git goes through `process`.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import ConflictError, DamagedError, NotARepositoryError, RefusedError
from gitml.git.loose import LooseObjects
from gitml.git.process import GitCommandFailedError, GitProcess
from gitml.git.refs import RefLockedError, is_symbolic, read_ref, set_ref

if TYPE_CHECKING:
    from dulwich.object_store import DiskObjectStore
    from dulwich.objects import ShaFile
    from dulwich.refs import DiskRefsContainer

FILE_MODE = 0o100644
TREE_MODE = 0o040000
_LOCK_PATIENCE_S = 10.0


class TreeEntry(NamedTuple):
    """What a tree holds under a name."""

    oid: str
    mode: int = FILE_MODE


class TreeEntryAt(NamedTuple):
    """An entry and its path in the tree that was listed."""

    path: str
    mode: int
    oid: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


class CommitInfo(NamedTuple):
    """A commit's header and message. `time_ms` is the committer's."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    time_ms: int
    message: str


class _WaitForLock:
    """Patience with the lock of a ref that another program holds.

    A lock is held for milliseconds. One that stayed the same for ten seconds
    was left by a process that was killed, and is removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._mark()
        self._since = time.monotonic()
        self._give_up = self._since + 6 * _LOCK_PATIENCE_S
        self.waits = 0

    def _mark(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def wait(self) -> bool:
        """Wait a moment; False if there is no point in waiting any longer."""
        self.waits += 1
        time.sleep(min(0.001 * self.waits, 0.05))
        now, mark = time.monotonic(), self._mark()
        if mark != self._seen:
            self._seen, self._since = mark, now
        elif mark is not None and now - self._since > _LOCK_PATIENCE_S:
            self._path.unlink(missing_ok=True)
        return now < self._give_up


class GitRepo:
    """Objects and refs of one repository."""

    def __init__(
        self,
        git_dir: Path,
        common_dir: Path,
        work_tree: Path | None,
        object_format: str = "sha1",
        *,
        quarantine: Path | None = None,
    ) -> None:
        """Name the folders; `discover` finds them."""
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.work_tree = work_tree
        self.object_format = object_format
        self._loose = LooseObjects(common_dir / "objects", object_format)
        self._quarantine = quarantine
        self.process = GitProcess(
            work_tree or git_dir,
            git_dir=git_dir,
            common_dir=common_dir,
            work_tree=work_tree,
            quarantine=quarantine,
        )

    @classmethod
    def discover(cls, start: Path | None = None, *, quarantine: Path | None = None) -> GitRepo:
        """Find the repository that a folder is in, as git does.

        Args:
            start: The folder; the current one if not given.
            quarantine: In a hook, where the objects of the push are (`GIT_QUARANTINE_PATH`).

        Raises:
            NotARepositoryError: It is in none.
            GitCommandFailedError: git refuses it (safe.directory, say).
        """
        folder = Path(start) if start is not None else Path.cwd()
        if not folder.is_dir():
            raise NotARepositoryError(folder)
        status, out, err = GitProcess(folder).run_status(
            [
                "rev-parse",
                "--path-format=absolute",
                "--git-dir",
                "--git-common-dir",
                "--show-object-format",
                "--show-toplevel",
            ]
        )
        lines = os.fsdecode(out).splitlines()
        if len(lines) < 3:  # a bare repository fails at the last question only
            if "not a git repository" in err or "no such file" in err.lower():
                raise NotARepositoryError(folder)
            raise GitCommandFailedError(["rev-parse"], status, err)
        work_tree = Path(lines[3]) if len(lines) > 3 else None
        return cls(Path(lines[0]), Path(lines[1]), work_tree, lines[2], quarantine=quarantine)

    # Objects

    @cached_property
    def _stores(self) -> tuple[DiskObjectStore, ...]:
        """Where objects are read: those of a push in its quarantine, all others beside it."""
        from dulwich.object_format import get_object_format
        from dulwich.object_store import DiskObjectStore

        quarantine = [self._quarantine] if self._quarantine else []
        form = get_object_format(self.object_format)
        return tuple(
            DiskObjectStore(folder, loose_compression_level=1, object_format=form)
            for folder in (*quarantine, self.common_dir / "objects")
        )

    def write_blob(self, data: bytes) -> str:
        """Store a file's content; return its object id."""
        return self._loose.write(b"blob", data)

    def write_tree(self, files: Mapping[str, TreeEntry]) -> str:
        """Store a tree with all its sub-trees; return its object id.

        Args:
            files: Path ('/' makes folders) to blob or ready-made tree.

        Raises:
            RefusedError: A path is both a file and a folder.
        """
        from dulwich.objects import ObjectID, Tree

        folders: dict[str, dict[str, TreeEntry]] = {}
        here: dict[str, TreeEntry] = {}
        for path, entry in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(name, {})[rest] = entry
            else:
                here[name] = entry
        for name, content in folders.items():
            if name in here:
                raise RefusedError(f"'{name}' is both a file and a folder")
            here[name] = TreeEntry(self.write_tree(content), TREE_MODE)
        tree = Tree()
        for name, entry in here.items():
            tree.add(name.encode("utf-8", "surrogateescape"), entry.mode, ObjectID(entry.oid.encode()))
        return self._add(tree)

    def write_commit(
        self, tree: str, parents: Sequence[str], message: str, *, author: str, time_s: int
    ) -> str:
        """Store a commit; return its id.

        Args:
            tree: The tree's object id.
            parents: The parents' ids.
            message: The whole message.
            author: `Name <email>`, also the committer.
            time_s: Seconds since 1970.
        """
        from dulwich.objects import Commit, ObjectID

        commit = Commit()
        commit.tree = ObjectID(tree.encode())
        commit.parents = [ObjectID(parent.encode()) for parent in parents]
        commit.author = commit.committer = author.encode("utf-8", "replace")
        commit.author_time = commit.commit_time = time_s
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = message.encode("utf-8", "replace")
        return self._add(commit)

    def write_tag(self, content: bytes) -> str:
        """Store an annotated tag as it shall be, signature included; return its object id."""
        return self._loose.write(b"tag", content)

    def _add(self, obj: ShaFile) -> str:
        return self._loose.write(obj.type_name, obj.as_raw_string())

    def _raw(self, oid: str) -> tuple[int, bytes]:
        if self._quarantine is None and (found := self._loose.read(oid)) is not None:
            return found  # as the tip of an active branch is; dulwich costs 25 ms to load
        from dulwich.objects import ObjectID

        for store in self._stores:
            with suppress(KeyError):
                return store.get_raw(ObjectID(oid.encode()))
        raise DamagedError(
            f"git has no object '{oid}'",
            hint="git fsck names what is missing; a shallow or partial clone lacks old objects",
        )

    def has_object(self, oid: str) -> bool:
        """Whether git has the object."""
        if self._quarantine is None and self._loose.has(oid):
            return True
        from dulwich.objects import ObjectID

        return any(ObjectID(oid.encode()) in store for store in self._stores)

    def read_blob(self, oid: str) -> bytes:
        """Read a file's content.

        Raises:
            DamagedError: git does not have it.
        """
        return self._raw(oid)[1]

    def blob_sizes(self, oids: Sequence[str]) -> dict[str, int]:
        """Tell how long files are, without reading them."""
        if not oids:
            return {}
        out = self.process.run(
            ["cat-file", "--batch-check=%(objectname) %(objectsize)"],
            input="".join(f"{oid}\n" for oid in oids).encode(),
        )
        pairs = (line.split(" ") for line in out.decode().splitlines())
        return {oid: int(size) for oid, size in pairs if size != "missing"}

    def read_path(self, treeish: str, path: str) -> bytes | None:
        """Read the file at a path of a commit's or tree's tree; None if there is none."""
        entry = self.entry_at(treeish, path)
        return None if entry is None or entry.is_tree else self.read_blob(entry.oid)

    def entry_at(self, treeish: str, path: str) -> TreeEntryAt | None:
        """Find what is at a path of a commit's or tree's tree; None if nothing is."""
        oid, mode = self._tree_of(treeish), TREE_MODE
        for part in path.split("/") if path else ():
            if not stat.S_ISDIR(mode):
                return None
            found = next((entry for entry in self._entries(oid) if entry.path == part), None)
            if found is None:
                return None
            oid, mode = found.oid, found.mode
        return TreeEntryAt(path, mode, oid)

    def list_tree(self, treeish: str, path: str = "", *, recursive: bool = True) -> list[TreeEntryAt]:
        """List what is below a path, in git's order; paths are relative to it.

        Folders are listed themselves only if `recursive` is off.
        """
        start = self.entry_at(treeish, path)
        return (
            [] if start is None or not start.is_tree else list(self._walk(start.oid, "", recursive=recursive))
        )

    def _walk(self, tree: str, prefix: str, *, recursive: bool) -> Iterator[TreeEntryAt]:
        for entry in self._entries(tree):
            if recursive and entry.is_tree:
                yield from self._walk(entry.oid, f"{prefix}{entry.path}/", recursive=True)
            else:
                yield TreeEntryAt(prefix + entry.path, entry.mode, entry.oid)

    def _entries(self, tree: str) -> list[TreeEntryAt]:
        from dulwich.objects import parse_tree

        size = 32 if self.object_format == "sha256" else 20
        return [
            TreeEntryAt(name.decode("utf-8", "surrogateescape"), mode, oid.decode())
            for name, mode, oid in parse_tree(self._raw(tree)[1], sha_len=size)
        ]

    def _tree_of(self, treeish: str) -> str:
        kind, data = self._raw(treeish)
        return data[len(b"tree ") : data.index(b"\n")].decode() if kind == 1 else treeish

    def commit_info(self, commit: str) -> CommitInfo:
        """Read a commit.

        Raises:
            DamagedError: git does not have it, or it is no commit.
        """
        kind, data = self._raw(commit)
        if kind != 1:
            raise DamagedError(f"'{commit}' is not a commit")
        header, _, message = data.partition(b"\n\n")
        fields = [line.partition(b" ")[::2] for line in header.split(b"\n") if not line.startswith(b" ")]
        first = dict(reversed(fields))
        return CommitInfo(
            id=commit,
            tree=first[b"tree"].decode(),
            parents=tuple(value.decode() for key, value in fields if key == b"parent"),
            author=first[b"author"].rsplit(b" ", 2)[0].decode("utf-8", "replace"),
            time_ms=int(first[b"committer"].rsplit(b" ", 2)[1]) * 1000,
            message=message.decode("utf-8", "replace"),
        )

    # Refs

    @cached_property
    def _refs(self) -> DiskRefsContainer:
        from dulwich.refs import DiskRefsContainer

        return DiskRefsContainer(self.common_dir)

    @cached_property
    def _refs_are_files(self) -> bool:
        return not (self.common_dir / "reftable").is_dir()

    def tip(self, ref: str) -> str | None:
        """Read what a ref of the repository (not of one worktree) points at."""
        if not self._refs_are_files:
            out = self.process.run(["rev-parse", "--verify", "--quiet", "--end-of-options", ref], check=False)
            return out.decode().strip() or None
        return read_ref(self.common_dir, ref)

    def move_ref(self, ref: str, old: str | None, new: str | None, message: str = "gitml") -> bool:
        """Move a ref by compare-and-swap.

        Args:
            ref: Full name, `refs/…`.
            old: What it must point at now; None if it may not exist.
            new: What it shall point at; None removes it.
            message: For the reflog.

        Returns:
            False if the ref was not at `old`: nothing was changed.

        Raises:
            ConflictError: Another program held the ref's lock too long.
            RefusedError: A branch with a name above or below is in the way.
        """
        if not self._refs_are_files:
            return self._move_by_git(ref, old, new, message)
        lock = _WaitForLock(self.common_dir / f"{ref}.lock")
        while True:
            try:
                if new is not None and not is_symbolic(self.common_dir, ref):
                    return set_ref(self.common_dir, ref, old, new)
                return self._replace_ref(ref, old, new)
            except RefLockedError:
                if not lock.wait():
                    raise ConflictError(ref, lock.waits) from None
            except (NotADirectoryError, IsADirectoryError) as err:
                raise RefusedError(
                    f"'{ref}' can't be made: a ref of your own is in its way",
                    hint="git branch --list 'gitml*' shows it; rename it with git branch -m",
                ) from err

    def move_refs(self, moves: Sequence[tuple[str, str | None, str | None]], message: str = "gitml") -> bool:
        """Move refs by compare-and-swap: all of them, or none.

        Args:
            moves: Full name, what it must point at now and what it shall, as for `move_ref`.
            message: For the reflog.

        Returns:
            False if one of them was not what it had to be, or locked: nothing was changed.
        """
        zero = "0" * (64 if self.object_format == "sha256" else 40)
        lines = [
            f"update {ref}\0{new}\0{old or zero}\0" if new is not None else f"delete {ref}\0{old or zero}\0"
            for ref, old, new in moves
        ]
        arguments = ["update-ref", "--no-deref", "-m", message, "--stdin", "-z"]
        status, _, err = self.process.run_status(
            arguments, input="".join(lines).encode("utf-8", "surrogateescape")
        )
        if status != 0 and "cannot lock ref" not in err:
            raise GitCommandFailedError(arguments, status, err)
        return status == 0

    def _replace_ref(self, ref: str, old: str | None, new: str | None) -> bool:
        from dulwich.file import FileLocked
        from dulwich.objects import ObjectID
        from dulwich.refs import Ref

        name = Ref(ref.encode())
        expected = None if old is None else ObjectID(old.encode())
        try:
            if new is None:
                return self._refs.remove_if_equals(name, expected)
            return self._refs.set_if_equals(name, expected, ObjectID(new.encode()))
        except FileLocked:
            raise RefLockedError from None

    def _move_by_git(self, ref: str, old: str | None, new: str | None, message: str) -> bool:
        zero = "0" * (64 if self.object_format == "sha256" else 40)
        arguments = ["update-ref", "--no-deref", "-m", message]
        arguments += ["-d", ref, old or zero] if new is None else [ref, new, old or zero]
        try:
            self.process.run(arguments)
        except GitCommandFailedError as err:
            if "cannot lock ref" in err.stderr and (
                "is at" in err.stderr or "already exists" in err.stderr or "unable to resolve" in err.stderr
            ):
                return False
            raise
        return True

    # History

    def cat_paths(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Read many objects by one git process; see `GitProcess.cat_paths`."""
        return self.process.cat_paths(names)

    def rev_list(
        self, tips: str | Sequence[str], exclude: Sequence[str] = ()
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Walk commits from one or more tips, parents before children, each with its parents."""
        tips = [tips] if isinstance(tips, str) else tips
        revisions = "".join(f"{line}\n" for line in [*tips, *(f"^{commit}" for commit in exclude)])
        out = self.process.run(
            ["rev-list", "--topo-order", "--reverse", "--parents", "--stdin"], input=revisions.encode()
        )
        for line in out.decode().splitlines():
            commit, *parents = line.split(" ")
            yield commit, tuple(parents)

    def shallow_boundary(self) -> str:
        """Where a shallow clone's history ends, as one text; empty of a whole one."""
        try:
            return (self.common_dir / "shallow").read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def resolve_commit(self, name: str) -> str | None:
        """Find the commit that a branch, tag or (short) id means to git; None if none, and of a range."""
        if not name or name.startswith("-") or "\0" in name or "\n" in name:
            return None
        out = self.process.run(
            ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], check=False
        )
        commits = out.decode().split()
        return commits[0] if len(commits) == 1 else None

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Whether a commit is reachable from another (or is it)."""
        status, _, err = self.process.run_status(["merge-base", "--is-ancestor", ancestor, commit])
        if status > 1:
            raise GitCommandFailedError(["merge-base"], status, err)
        return status == 0

    def independent(self, commits: Sequence[str]) -> list[str]:
        """Those of the commits that can't be reached from another one of them."""
        if len(commits) < 2:
            return list(commits)
        return self.process.run(["merge-base", "--independent", *commits]).decode().split()

    def close(self) -> None:
        """Let go of open pack files."""
        for store in self.__dict__.pop("_stores", ()):
            store.close()
