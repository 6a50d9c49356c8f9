"""Named refs to and from a remote, by the user's own git.

Transport, credentials and proxies are git's and configured as for any fetch or
push. Only what is named here moves: no refspecs, tags or submodules that the
user's configuration adds, no hooks, no automatic gc.
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import IO, cast

from gitml.errors import DamagedError, GitmlError, RefusedError, RemoteError, UsageError
from gitml.git.process import GitProcess

Progress = Callable[[str, int, int], None]

_PROGRESS = re.compile(r"(?:remote: )?([A-Z][A-Za-z ]+): +[0-9]+% \(([0-9]+)/([0-9]+)\)")
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/[^\x00-\x20~^:?*\[\\\x7f]+")
# What git only warns of by default, and no run or tag of ours has: git refuses it on arrival.
SEVERITIES = (
    ("hasDot", "error"),
    ("hasDotdot", "error"),
    ("hasDotgit", "error"),
    ("emptyName", "error"),
    ("fullPathname", "error"),
    ("zeroPaddedFilemode", "ignore"),  # old but harmless in the source trees that runs pin
)
_CHECKS = (
    "-c", "fetch.fsckObjects=true",
    *(word for name, severity in SEVERITIES for word in ("-c", f"fetch.fsck.{name}={severity}")),
)  # fmt: skip
_AUTOMATIC = ("-c", "maintenance.auto=false", "-c", "fetch.writeCommitGraph=false")


class RemoteUnreachableError(RemoteError):
    """A git remote can't be reached, or does not let us in."""

    def __init__(self, remote: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"'{remote}' can't be reached: {reason}", hint=hint)
        self.remote = remote
        self.reason = reason


class RemoteRefusedError(RemoteError):
    """A git remote answered, and refused what was asked of it."""

    def __init__(self, remote: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"'{remote}' refused: {reason}", hint=hint)
        self.remote = remote
        self.reason = reason


class NotKeptError(RefusedError):
    """What a git remote sent can't be written here."""

    def __init__(self, remote: str, reason: str) -> None:
        super().__init__(
            f"what '{remote}' sends can't be kept here: {reason}",
            hint="make room on this disk, or this repository writable, and run the command again; nothing is lost",
        )
        self.remote = remote
        self.reason = reason


class NotAtomicError(RemoteRefusedError):
    """A git remote can't move several refs all or none; nothing was moved."""

    def __init__(self, remote: str) -> None:
        super().__init__(remote, "it can't move several refs at once", hint="push them one by one")


class UnsoundObjectsError(DamagedError):
    """A remote sent objects that git itself holds for malformed; none was kept."""

    def __init__(self, remote: str, reason: str) -> None:
        super().__init__(
            f"'{remote}' sent malformed objects: {reason}",
            hint="nothing of it was kept; ask who runs that remote to look at it with: git fsck --strict",
        )
        self.remote = remote
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A ref of the remote that shall move.

    Attributes:
        ref: Its full name.
        new: What it shall point at; None removes it.
        expected: What it must point at now, for a removal; a ref that shall point
            at something moves only forward, and a tag is only ever made.
    """

    ref: str
    new: str | None
    expected: str | None = None


class Verdict(Enum):
    """What the remote made of an update."""

    DONE = "done"
    UP_TO_DATE = "up to date"
    BEHIND = "behind"  # it has what we lack, or another writer was faster: fetch and try again
    EXISTS = "exists"  # another tag of that name is there
    REFUSED = "refused"  # a rule of the host: trying again is no use


@dataclass(frozen=True, slots=True)
class RefResult:
    """What became of one update; `reason` is the remote's, `made` that it had no such ref before."""

    ref: str
    verdict: Verdict
    reason: str = ""
    made: bool = False


@dataclass(frozen=True, slots=True)
class Advertised:
    """What a remote says it has.

    Attributes:
        refs: Full name to what it points at; `HEAD` is among them, and `<tag>^{}`
            is the commit that an annotated tag is of.
        head: The full name of the branch that its HEAD is; None if it says none.
    """

    refs: Mapping[str, str]
    head: str | None = None


class Remote:
    """One remote of a repository."""

    def __init__(self, process: GitProcess, name: str) -> None:
        """Name it.

        Args:
            process: git in the repository.
            name: The remote's name in git's configuration, or a URL or path.

        Raises:
            UsageError: It could be taken for an option.
        """
        if not name or name.startswith("-") or re.search(r"[\x00-\x1f\x7f]", name):
            raise UsageError(f"{name!r:.120} can't be a remote", hint="git remote --verbose lists them")
        self.name = name
        self._shown = _without_user(name)
        self._process = process

    @property
    def url(self) -> str:
        """Where it is, as git rewrites it (`insteadOf`)."""
        return self._run(["ls-remote", "--get-url", "--", self.name]).decode("utf-8", "replace").strip()

    def list_refs(self, *patterns: str) -> dict[str, str]:
        """Ask for the remote's refs that match, with what they point at."""
        out = self._run(["ls-remote", "--refs", "--", self.name, *patterns])
        pairs = (line.partition("\t")[::2] for line in out.decode("utf-8", "replace").splitlines())
        return {ref: oid for oid, ref in pairs if _REF.fullmatch(ref)}

    def advertised(self, *patterns: str) -> Advertised:
        """Ask for the remote's refs that match, HEAD and what tags are of among them; all without a pattern."""
        out = self._run(["ls-remote", "--symref", "--", self.name, *patterns])
        pairs = [line.partition("\t")[::2] for line in out.decode("utf-8", "replace").splitlines()]
        refs = {
            ref: oid
            for oid, ref in pairs
            if _OID.fullmatch(oid) and (ref == "HEAD" or _REF.fullmatch(ref.removesuffix("^{}")))
        }
        head = next((what[5:] for what, ref in pairs if ref == "HEAD" and what.startswith("ref: ")), None)
        return Advertised(refs, head if head and head.startswith("refs/heads/") else None)

    def fetch(
        self, refspecs: Mapping[str, str], *, progress: Progress | None = None, options: Sequence[str] = ()
    ) -> None:
        """Bring refs and what they need; a ref that moved is followed wherever it went.

        Args:
            refspecs: Ref (or pattern with one `*`) at the remote to ref here. Refs
                here below a pattern that the remote has no more are removed.
            progress: Told phase, done and total, as git counts them.
            options: More options of `git fetch`, such as `--depth=1`.

        Raises:
            RemoteUnreachableError: No answer, or no right to read.
            UnsoundObjectsError: What came is malformed.
        """
        self._run(
            [
                "fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=", "--prune",
                "--no-show-forced-updates", "--progress", *options, "--", self.name,
                *(f"+{source}:{target}" for source, target in refspecs.items()),
            ],
            configuration=(*_CHECKS, *_AUTOMATIC),
            progress=progress,
        )  # fmt: skip

    def clone(self, arguments: Sequence[str], progress: Progress | None = None) -> None:
        """Run `git clone` with these arguments.

        Raises:
            RemoteUnreachableError: It can't be read.
        """
        self._run(["clone", *arguments], configuration=_AUTOMATIC, progress=progress)

    def fetch_objects(self, oids: Sequence[str]) -> None:
        """Bring objects by their ids, as git itself does in a partial clone."""
        self._run(
            [
                "fetch", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--refmap=",
                "--filter=blob:none", "--stdin", "--", self.name,
            ],
            configuration=(*_CHECKS, *_AUTOMATIC, "-c", "fetch.negotiationAlgorithm=noop"),
            input_="".join(f"{oid}\n" for oid in oids).encode(),
        )  # fmt: skip

    def push(
        self,
        updates: Sequence[RefUpdate],
        *,
        atomic: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> list[RefResult]:
        """Move refs of the remote; each is decided by itself, none is forced.

        Args:
            updates: What shall move.
            atomic: All of them or none.
            dry_run: Ask what would happen, send nothing.
            progress: Told phase, done and total, as git counts them.

        Returns:
            A result for each update, in their order.

        Raises:
            RemoteUnreachableError: No answer, or no right to write at all.
            RemoteRefusedError: The remote broke off for a reason of its own.
            NotAtomicError: It can't do all or none.
        """
        if not updates:
            return []
        arguments = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed",
                     "--recurse-submodules=no", "--progress"]  # fmt: skip
        arguments += ["--dry-run"] if dry_run else []
        arguments += ["--atomic"] if atomic else []
        arguments += [f"--force-with-lease={u.ref}:{u.expected}" for u in updates if u.new is None]
        arguments += ["--", self.name, *(f"{update.new or ''}:{update.ref}" for update in updates)]
        configuration = (*_AUTOMATIC, "-c", f"remote.{self.name}.mirror=false")
        status, out, err = self._start(arguments, configuration, progress)
        told = _of_host(err)
        results = {
            result.ref: result
            if result.verdict is not Verdict.REFUSED
            else replace(result, reason=result.reason + told)
            for result in map(_read_result, _porcelain(out))
            if result is not None
        }
        if status != 0 and not any(update.ref in results for update in updates):
            raise (
                NotAtomicError(self._shown) if atomic and "--atomic" in err else _translated(self._shown, err)
            )
        silence = "the remote said nothing about it"
        return [
            results.get(update.ref) or RefResult(update.ref, Verdict.REFUSED, silence) for update in updates
        ]

    def _run(
        self,
        arguments: Sequence[str],
        *,
        configuration: Sequence[str] = (),
        progress: Progress | None = None,
        input_: bytes = b"",
    ) -> bytes:
        status, out, err = self._start(arguments, configuration, progress, input_)
        if status != 0:
            raise _translated(self._shown, err)
        return out

    def _start(
        self,
        arguments: Sequence[str],
        configuration: Sequence[str],
        progress: Progress | None,
        input_: bytes = b"",
    ) -> tuple[int, bytes, str]:
        process = self._process.start(arguments, configuration=configuration)
        stdin, stdout, stderr = (
            cast("IO[bytes]", stream) for stream in (process.stdin, process.stdout, process.stderr)
        )
        told: list[str] = []
        reader = threading.Thread(target=_listen, args=(stderr, told, progress), daemon=True)
        reader.start()
        try:
            with suppress(BrokenPipeError):  # it ended before it read all; its status tells why
                stdin.write(input_)
                stdin.close()
            out = stdout.read()
        except BaseException:  # Ctrl-C: git must not go on alone
            process.terminate()
            raise
        finally:
            process.wait()
            reader.join()
            stdout.close()
            stderr.close()
        return process.returncode, out, "\n".join(told)


def _listen(stream: IO[bytes], told: list[str], progress: Progress | None) -> None:
    for line in _lines(stream):
        match = _PROGRESS.match(line)
        if match is None:
            told.append(line)
        elif progress is not None:
            progress(match[1].lower(), int(match[2]), int(match[3]))


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Split what git says at line ends and at the returns of its progress."""
    rest = b""
    while chunk := stream.read1(65536):  # type: ignore[attr-defined]  # a BufferedReader
        *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _porcelain(out: bytes) -> list[list[str]]:
    lines = out.decode("utf-8", "replace").splitlines()
    return [parts for parts in (line.split("\t") for line in lines) if len(parts) == 3]


def _read_result(parts: list[str]) -> RefResult | None:
    flag, names, summary = parts
    ref = names.rpartition(":")[2]
    reason = summary.rpartition(" (")[2].removesuffix(")") if " (" in summary else ""
    if flag in (" ", "+", "*", "-"):
        return RefResult(ref, Verdict.DONE, made=flag == "*")
    if flag == "=":
        return RefResult(ref, Verdict.UP_TO_DATE)
    return RefResult(ref, _refusal(summary), reason or summary)


_RACES = (
    "fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref",
    "failed to lock", "incorrect old value", "needs force", "reference already exists", "is at ",
    "remote ref updated since checkout", "fetching", "atomic",
)  # fmt: skip


def _refusal(summary: str) -> Verdict:
    if "already exists" in summary and "reference" not in summary:
        return Verdict.EXISTS
    return Verdict.BEHIND if any(sign in summary for sign in _RACES) else Verdict.REFUSED


_ADVICE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("Could not resolve host", "Couldn't connect", "Failed to connect", "Connection refused",
         "Connection timed out", "Network is unreachable", "No route to host", "Could not resolve hostname"),
        "no connection", "check the network and the URL (git remote --verbose), then run the command again",
    ),
    (
        ("Authentication failed", "could not read Username", "could not read Password", "Permission denied (",
         "HTTP Basic: Access denied", "The requested URL returned error: 401", "Invalid username or"),
        "it does not accept your name and password or key",
        "check your rights there; `git credential reject` forgets a stored password",
    ),
    (
        ("The requested URL returned error: 403", "denied to", "Permission to "),
        "you have no right to do that there", "ask for write access, or push to a fork of your own",
    ),
    (
        ("does not appear to be a git repository", "not found", "does not exist", "No such remote",
         "Could not read from remote repository", "returned error: 404", "unsafe repository", "dubious ownership"),
        "there is no repository that you may read", "git remote --verbose shows where it is looked for",
    ),
    (
        ("early EOF", "unexpected disconnect", "the remote end hung up", "RPC failed", "Connection reset",
         "invalid index-pack output", "Broken pipe", "transfer closed with", "Empty reply from server",
         "Operation too slow", "SSL_ERROR_SYSCALL", "GnuTLS recv error"),
        "the connection broke off", "nothing is lost; run the command again",
    ),
)  # fmt: skip


_UNSOUND = re.compile(r"(?:error|fatal): (?:object [0-9a-f]+: \w+|fsck error)")
_UNWRITABLE = (
    "No space left",
    "unable to write",
    "Disk quota",
    "Read-only file system",
    "unable to create directory for",
    "insufficient permission",
)


def _translated(remote: str, err: str) -> GitmlError:
    lines = [line for line in err.splitlines() if line.strip()]
    if found := next((line for line in lines if _UNSOUND.search(line)), None):
        return UnsoundObjectsError(remote, _plain(found))
    if found := next((line for line in lines if any(sign in line for sign in _UNWRITABLE)), None):
        if not found.startswith("remote:"):
            return NotKeptError(remote, _plain(found))
        return RemoteRefusedError(remote, _plain(found), hint="nothing is lost; ask who runs it to make room")
    if found := next((line for line in lines if "repository corruption on the remote" in line), None):
        hint = "ask who runs that remote to look at it with: git fsck"
        return RemoteRefusedError(remote, _plain(found), hint=hint)
    for signs, reason, hint in _ADVICE:
        if any(sign in err for sign in signs):
            detail = next((line for line in lines if any(sign in line for sign in signs)), "")
            return RemoteUnreachableError(remote, f"{reason} ({_plain(detail)})", hint=hint)
    reason = next((line for line in reversed(lines) if "error:" in line or "fatal:" in line), "")
    return RemoteRefusedError(
        remote,
        _plain(reason or (lines[-1] if lines else "it gave no reason")),
        hint=f"nothing is lost; what git itself says of it: git ls-remote {shlex.quote(remote)}",
    )


def _of_host(err: str) -> str:
    """What a host said when it refused, such as the reasons that its hooks give."""
    lines = (line.strip() for line in err.splitlines())
    told = [_plain(line) for line in lines if line.startswith(("remote: ", "error: remote unpack failed: "))]
    return f" ({'; '.join(told)[:600]})" if told else ""


def _plain(line: str) -> str:
    """Leave out git's labels, and what a URL in it gives away of its user."""
    line = re.sub(r"^(?:remote: +)?(?:(?:fatal|error|ERROR): )?", "", line.strip())
    return _without_user(line)[:300]


def _without_user(text: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://", text)
