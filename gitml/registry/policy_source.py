"""Which policy counts: a committed one, of the branch that others have reviewed.

On a server and in CI it is that of the default branch, as it was before the push: a push
can't bring along the rule that lets it in. For a person at a branch it is that of HEAD.
"""

from __future__ import annotations

import stat
from weakref import WeakKeyDictionary

from gitml.entities.policy import Policy
from gitml.errors import UsageError
from gitml.formats.policy import POLICY_FILE, decode_policy
from gitml.formats.policy_file import PolicyFileError
from gitml.formats.run_tree import MODEL_FILE, RUN_FILE
from gitml.repo import Repo

_HEAD, _BRANCH = "HEAD", "ref: refs/heads/"
_read: WeakKeyDictionary[Repo, dict[tuple[str, str], Policy]] = WeakKeyDictionary()


def load_policy(repo: Repo, revision: str | None = None) -> Policy:
    """Read the policy that counts; one that asks nothing if the project has none.

    Args:
        repo: The repository.
        revision: The commit to take it from; if not given, the branch that is checked out, or the
            default branch where none is, as in CI. In a bare repository that is its HEAD.

    Raises:
        PolicyFileError: It can't be read.
        UsageError: There is no such commit, or the one that is checked out has no code.
    """
    name, commit = _where(repo, revision)
    if commit is None:
        return Policy()
    entry = repo.git.entry_at(commit, POLICY_FILE)
    if entry is None:
        if revision is None and _is_record(repo, commit):
            raise UsageError(
                f"'{commit[:12]}' is a record of a run, not code: it has no policy of the project's",
                hint="say where that is: --policy origin/main; or git remote set-head origin --auto",
            )
        return Policy()
    source = f"{name}:{POLICY_FILE}"
    if not stat.S_ISREG(entry.mode):
        raise PolicyFileError(source, 0, "it is no plain file", "commit the file itself, not a link to it")
    kept = _read.setdefault(repo, {})
    if (entry.oid, source) not in kept:
        kept[entry.oid, source] = decode_policy(repo.git.read_blob(entry.oid), source)
    return kept[entry.oid, source]


def _where(repo: Repo, revision: str | None) -> tuple[str, str | None]:
    """The commit that has it, and what to call that."""
    if revision is not None:
        commit = repo.git.resolve_commit(revision)
        if commit is None:
            raise UsageError(f"'{revision:.200}' is no commit", hint="--policy origin/main")
        return revision, commit
    branch = _branch(repo)
    if branch is not None:
        return branch, repo.git.tip(f"refs/heads/{branch}")
    for remote in sorted(repo.settings.remotes, key=lambda name: (name != "origin", name)):
        name = f"{remote}/{_HEAD}"
        commit = repo.git.resolve_commit(f"refs/remotes/{name}")
        if commit is not None:
            return name, commit
    return _HEAD, repo.git.resolve_commit(_HEAD)


def _branch(repo: Repo) -> str | None:
    """The branch that is checked out; None if none is."""
    head = (repo.git.git_dir / _HEAD).read_text("utf-8", "replace").strip()
    if head == "ref: refs/heads/.invalid":  # refs are no files here, and git knows where they are
        head = (
            "ref: "
            + repo.git.process.run(["rev-parse", "--symbolic-full-name", _HEAD], check=False).decode().strip()
        )
    return head[len(_BRANCH) :] if head.startswith(_BRANCH) else None


def _is_record(repo: Repo, commit: str) -> bool:
    return any(repo.git.entry_at(commit, name) is not None for name in (RUN_FILE, MODEL_FILE))
