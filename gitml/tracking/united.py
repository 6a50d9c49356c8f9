"""The files of a run that was changed in two places at once, as one set.

Its facts are folded by the index; this does the same for curves and artifacts. A
file that only one side changed is that side's; of one that both changed the later
record's counts; the points of a curve are all kept, once. So nothing that anybody
logged is out of sight, and every clone sees the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gitml.entities.run import Run
from gitml.formats import commit_message, run_tree
from gitml.formats.names import metric_name
from gitml.formats.pointer import decode_attributes, decode_pointer, encode_attributes, encode_pointer
from gitml.git.repo import TreeEntry
from gitml.repo import Repo
from gitml.tracking.commit import append_record
from gitml.tracking.purges import HistoryPurgedError, OutputPurgedError, of_records

_HISTORY = run_tree.HISTORY + "/"
Files = Mapping[str, TreeEntry]


def sides(repo: Repo, run: Run) -> tuple[list[str], list[str]]:
    """The newest records of a run that was changed apart, oldest first, and their bases.

    Of any other run, and of an older record of one: nothing.
    """
    if run.live or run.commit is None:
        return [], []
    heads, bases = repo.index.heads(run.id)
    if len(heads) < 2 or run.commit not in heads:
        return [], []
    return sorted(heads, key=lambda commit: (repo.git.commit_info(commit).time_ms, commit)), bases


def files_of(repo: Repo, commit: str) -> dict[str, TreeEntry]:
    """List a record's files: flat, but code stays one tree; without those that hold facts."""
    entries: dict[str, TreeEntry] = {}
    for entry in repo.git.list_tree(commit, recursive=False):
        if entry.is_tree and entry.path != run_tree.CODE:
            for inner in repo.git.list_tree(commit, entry.path):
                entries[f"{entry.path}/{inner.path}"] = TreeEntry(inner.oid, inner.mode)
        elif entry.path not in (*run_tree.RECORD_FILES, run_tree.ATTRIBUTES_FILE):
            entries[entry.path] = TreeEntry(entry.oid, entry.mode)
    return entries


def pointers_of(repo: Repo, commit: str) -> dict[str, bool]:
    """Which of a record's files are pointers: path to whether it is a Git LFS one."""
    return decode_attributes(repo.git.read_path(commit, run_tree.ATTRIBUTES_FILE) or b"")


def unite_files(states: Sequence[Files], base: Files) -> dict[str, TreeEntry]:
    """Merge sets of files, the latest state last; curves are left to `unite_curve`."""
    united: dict[str, TreeEntry] = {}
    for path in dict.fromkeys(path for state in (base, *states) for path in state):
        held = [state[path] for state in states if path in state]
        changed = [entry for entry in held if entry != base.get(path)]
        if changed or len(held) == len(states) or path not in base:
            united[path] = (changed or held)[-1]
    return united


def unite_curve(states: Sequence[bytes], base: bytes) -> bytes:
    r"""Merge histories of one metric: the base's points, then what each state has beside them.

    Example:
        >>> unite_curve([b"0\\t1\\t5\\n1\\t2\\t6\\n", b"0\\t1\\t5\\n1\\t3\\t7\\n"], b"0\\t1\\t5\\n")
        b'0\\t1\\t5\\n1\\t2\\t6\\n1\\t3\\t7\\n'
    """
    lines = base.splitlines(keepends=True)
    there = Counter(lines)
    for state in states:
        seen: Counter[bytes] = Counter()
        for line in state.splitlines(keepends=True):
            seen[line] += 1
            if seen[line] > there[line]:
                there[line] += 1
                lines.append(line)
    return b"".join(lines)


def read_file(repo: Repo, run: Run, path: str) -> bytes | None:
    """Read a committed file of a run as git has it; None if the run has none."""
    heads, bases = sides(repo, run)
    if not heads:
        return repo.git.read_path(run.commit, path) if run.commit else None
    base = _base(repo, bases)
    states = [files_of(repo, head) for head in heads]
    entry = unite_files(states, base).get(path)
    return None if entry is None else repo.git.read_blob(entry.oid)


def read_output(repo: Repo, run: Run) -> bytes | None:
    """Read what a run's program printed, fetched if it is long and not here; None if nothing was kept.

    Raises:
        OutputPurgedError: It was an object, which was purged.
        ObjectMissingError: It is behind a pointer whose object is nowhere to be had.
    """
    data = read_file(repo, run, run_tree.OUTPUT_FILE)
    heads = sides(repo, run)[0] or [run.commit or ""]
    return None if data is None else _content(repo, data, run_tree.OUTPUT_FILE, heads, fetch=True)


def read_curve(repo: Repo, run: Run, path: str, *, fetch: bool = True) -> bytes | None:
    """Read a metric's history, united where it was written in two places; None if there is none.

    An object that it needs and is not here is fetched, unless `fetch` is off.
    """
    heads, bases = sides(repo, run)
    if not heads:
        data = repo.git.read_path(run.commit, path) if run.commit else None
        return None if data is None else _content(repo, data, path, [run.commit or ""], fetch=fetch)
    found = {head: repo.git.read_path(head, path) for head in heads}
    held = [_content(repo, data, path, heads, fetch=fetch) for data in found.values() if data is not None]
    if not held:
        return None
    return unite_curve(held, _shared_curve(repo, bases, path, heads, fetch=fetch))


def entries_of(repo: Repo, run: Run) -> dict[str, TreeEntry]:
    """The tree of a run's next record, but for the files that hold facts; united if need be."""
    heads, bases = sides(repo, run)
    if not heads:
        listed = repo.git.list_tree(run.commit, recursive=False) if run.commit else []
        return {e.path: TreeEntry(e.oid, e.mode) for e in listed if e.path not in run_tree.RECORD_FILES}
    states = [files_of(repo, head) for head in heads]
    entries = unite_files(states, _base(repo, bases))
    pointers: dict[str, bool] = {}
    for head in heads:
        pointers |= pointers_of(repo, head)
    for path in [path for path in entries if path.startswith(_HISTORY)]:
        if len({state[path].oid for state in states if path in state}) > 1:
            data = read_curve(repo, run, path) or b""
            entries[path] = TreeEntry(repo.git.write_blob(_stored(repo, data, path, pointers)))
    kept = {path: lfs for path, lfs in pointers.items() if _is_pointer(repo, entries.get(path))}
    if kept:
        entries[run_tree.ATTRIBUTES_FILE] = TreeEntry(repo.git.write_blob(encode_attributes(kept)))
    return entries


def settle(repo: Repo, run: Run) -> Run:
    """Give a run that was changed apart one newest record again, before it is resumed.

    Returns:
        The run, on top of that record; as it is if it was not changed apart.
    """
    if not sides(repo, run)[0]:
        return run
    entries = entries_of(repo, run)
    for name, data in run_tree.encode_run(run).items():
        entries[name] = TreeEntry(repo.git.write_blob(data))
    append_record(repo, repo.git.write_tree(entries), commit_message.run_message(run, "united"))
    repo.index.catch_up()
    return repo.index.get(run.id) or run


def _stored(repo: Repo, data: bytes, path: str, pointers: dict[str, bool]) -> bytes:
    """A curve as it stands in the tree: behind a pointer when it is long."""
    if len(data) <= repo.settings.history_limit:
        pointers.pop(path, None)
        return data
    pointer = repo.objects.put_bytes(data, lfs=repo.settings.artifacts_url is None)
    pointers[path] = pointer.lfs
    return encode_pointer(pointer)


def _is_pointer(repo: Repo, entry: TreeEntry | None) -> bool:
    return entry is not None and decode_pointer(repo.git.read_blob(entry.oid)) is not None


def _base(repo: Repo, bases: Sequence[str]) -> dict[str, TreeEntry]:
    """The files that all states come from; of several bases only what they agree on."""
    found = [files_of(repo, base) for base in bases]
    if not found:
        return {}
    return {
        path: entry
        for path, entry in found[0].items()
        if all(other.get(path) == entry for other in found[1:])
    }


def _shared_curve(repo: Repo, bases: Sequence[str], path: str, heads: Sequence[str], *, fetch: bool) -> bytes:
    data = repo.git.read_path(bases[0], path) if len(bases) == 1 else None
    return b"" if data is None else _content(repo, data, path, heads, fetch=fetch)


def _content(repo: Repo, data: bytes, path: str, heads: Sequence[str], *, fetch: bool) -> bytes:
    pointer = decode_pointer(data)
    if pointer is None:
        return data
    if not repo.objects.has(pointer.oid, pointer.size):
        purge = of_records(repo.git, heads).get(pointer.oid)
        if purge is not None:
            if path == run_tree.OUTPUT_FILE:
                raise OutputPurgedError(purge)
            raise HistoryPurgedError(metric_name(path.removeprefix(_HISTORY)), purge)
        if fetch:
            from gitml.sync.objects import ensure_here  # stores of remotes: few histories are so long

            ensure_here(repo, [pointer])
    with repo.objects.open(pointer) as stream:
        return stream.read()
