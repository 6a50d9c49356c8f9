"""An imported run as a git tree, built directly: no live folder in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.entities.run import DatasetInput, MetricSummary, ParamValue, Run
from gitml.errors import DamagedError, InvalidNameError
from gitml.formats import history, names, run_tree, yaml
from gitml.formats.pointer import decode_pointer, encode_attributes, encode_pointer
from gitml.git.repo import GitRepo, TreeEntry
from gitml.interop import mapping
from gitml.interop.sources import Curve, Problem, SourceFile, SourceRun
from gitml.repo import Repo
from gitml.store.local import hash_stream
from gitml.tracking.redaction import redacted_text
from gitml.tracking.secrets import redact_command, redact_text, strip_url_credentials

IMPORTED = "imported"
SOURCE_FILE = f"{IMPORTED}/source.yaml"
MODELS_FILE = f"{IMPORTED}/models.json"
_LONG = f"{IMPORTED}/values"


@dataclass
class Built:
    """What became of a run of a source.

    Attributes:
        run: The run as it may be recorded.
        entries: Path in the tree to blob, but for the record files and `.gitattributes`.
        pointers: Which of them are pointers, and whether of the Git LFS kind.
        digest: Tells whether the source changed since it was imported.
        problems: What was changed or left out.
    """

    run: Run
    digest: str = ""
    entries: dict[str, TreeEntry] = field(default_factory=dict)
    pointers: dict[str, bool] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class RunBuilder:
    """Makes trees of runs. Without a place to write to it only finds what a run comes to."""

    def __init__(self, repo: Repo, packer: GitRepo | None, *, kind: str) -> None:
        """Say where things go.

        Args:
            repo: The repository.
            packer: Where blobs and trees are written; None to write nothing.
            kind: What the source is, such as "mlflow".
        """
        self._repo = repo
        self._packer = packer
        self._kind = kind
        self._lfs = repo.settings.artifacts_url is None

    def build(self, source: SourceRun, experiment: tuple[str, str]) -> Built:
        """Make everything of a run but its tree; `write` makes that.

        Args:
            source: The run.
            experiment: Id and name of its experiment here.
        """
        fitted = mapping.Names()
        run = replace(source.run, experiment_id=experiment[0], experiment=experiment[1])
        built = Built(run, problems=list(source.problems))
        digest = hashlib.sha256(_facts_text(source).encode("utf-8", "surrogatepass"))
        built.run = self._cleaned(run, fitted, built)
        metrics: dict[str, MetricSummary] = {}
        for curve in source.curves():
            digest.update(f"curve {curve.name}\n{hashlib.sha256(curve.lines).hexdigest()}\n".encode())
            self._add_curve(curve, fitted, metrics, built)
        incomplete = any(problem.damaged for problem in built.problems)
        built.run = replace(built.run, metrics=metrics, incomplete=built.run.incomplete or incomplete)
        if source.stamp is None or self._packer is not None:
            for file in source.files():
                if isinstance(file, Problem):
                    built.problems.append(file)
                    digest.update(b"without a file\n")
                    continue
                oid = self._add_file(file, fitted, built)
                if source.stamp is None:
                    digest.update(f"file {oid} {file.path}\n".encode("utf-8", "surrogatepass"))
        digest.update(f"stamp {source.stamp}\n".encode())
        built.digest = digest.hexdigest()
        self._add_kept(source, fitted, built)
        built.problems += [
            Problem(f"run {run.id[:8]}", f"{kind} {old!r:.80} is called {new!r:.80} here", lost=False)
            for kind, changed in fitted.changed.items()
            for new, old in changed.items()
        ]
        return built

    def write(self, built: Built) -> str:
        """Store the tree of a run; return its id."""
        assert self._packer is not None, "a dry run writes no tree"  # noqa: S101 - the caller made sure
        entries = dict(built.entries)
        for name, data in run_tree.encode_run(built.run).items():
            entries[name] = TreeEntry(self._packer.write_blob(data))
        if built.pointers:
            attributes = encode_attributes(built.pointers)
            entries[run_tree.ATTRIBUTES_FILE] = TreeEntry(self._packer.write_blob(attributes))
        return self._packer.write_tree(entries)

    # Facts

    def _cleaned(self, run: Run, fitted: mapping.Names, built: Built) -> Run:
        def param(key: str, value: ParamValue) -> ParamValue:
            value = mapping.clean_param(key, value)
            return self._shortened("param", key, value, built) if isinstance(value, str) else value

        def tag(key: str, value: str) -> str:
            return self._shortened("tag", key, mapping.clean_tag(key, value), built)

        name = run.name if not redact_text(run.name)[1] else redacted_text("run's name", run.name)
        return replace(
            run,
            name=fitted.fit("run", name.strip() or run.id[:8]),
            params=fitted.fit_all("param", run.params, param),
            tags=fitted.fit_all("tag", run.tags, tag),
            note=mapping.clean_note(run.note),
            command=redact_command(run.command)[0] if run.command else (),
            inputs=tuple(_clean_input(item, fitted) for item in run.inputs),
            code=replace(
                run.code, remote=strip_url_credentials(run.code.remote) if run.code.remote else None
            ),
            commit=None,
            live=False,
        )

    def _shortened(self, kind: str, key: str, value: str, built: Built) -> str:
        """Keep a value that is longer than gitml records as a file of its own."""
        if not mapping.is_too_long(value):
            return value
        data = value.encode()
        path = f"{_LONG}/{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.txt"
        self._place(path, data, built)
        reason = f"{kind} {key!r:.80} is longer than gitml records; it is in '{path}' of the record"
        built.problems.append(Problem(f"run {built.run.id[:8]}", reason, lost=False))
        return f"[{len(data):,} bytes, in {path}]"

    # Curves

    def _add_curve(
        self, curve: Curve, fitted: mapping.Names, metrics: dict[str, MetricSummary], built: Built
    ) -> None:
        name = fitted.fit("metric", curve.name, metrics)
        if curve.problem:
            built.problems.append(Problem(f"run {built.run.id[:8]}", curve.problem, damaged=True))
        summary = history.summarize(curve.lines, source=name)
        if summary is None:
            return
        metrics[name] = summary
        self._place_text(f"{run_tree.HISTORY}/{names.metric_path(name)}", curve.lines, built)

    def _place_text(self, path: str, data: bytes, built: Built) -> None:
        """Place a curve, or what a program printed; behind a pointer when it is long, or reads like one."""
        is_plain = len(data) <= self._repo.settings.history_limit and decode_pointer(data) is None
        if not is_plain and self._packer is not None:
            pointer = self._repo.objects.put_bytes(data, lfs=self._lfs)
            built.pointers[path] = pointer.lfs
            data = encode_pointer(pointer)
        self._place(path, data, built)

    def _place(self, path: str, data: bytes, built: Built) -> None:
        if self._packer is not None:
            built.entries[path] = TreeEntry(self._packer.write_blob(data))

    # Files

    def _add_file(self, file: SourceFile, fitted: mapping.Names, built: Built) -> str:
        """Keep an artifact; return the SHA-256 of its content."""
        path = f"{run_tree.ARTIFACTS}/{names.artifact_tree_path(_fit_path(file.path, fitted))}"
        if path in built.entries:
            built.problems.append(
                Problem(f"run {built.run.id[:8]}", f"there are two files {file.path!r:.200}")
            )
            return ""
        if file.size <= self._repo.settings.inline_limit:
            data = file.source.read_bytes()
            if len(data) <= self._repo.settings.inline_limit and decode_pointer(data) is None:
                self._place(path, data, built)
                return hashlib.sha256(data).hexdigest()
        pointer = self._pointer(file.source)
        if self._packer is not None:
            built.pointers[path] = pointer.lfs
            self._place(path, encode_pointer(pointer), built)
        return pointer.oid

    def _pointer(self, source: Path) -> Pointer:
        if self._packer is not None:
            return self._repo.objects.put_file(source, lfs=self._lfs)
        with source.open("rb", buffering=0) as stream:
            return Pointer(*hash_stream(stream), lfs=self._lfs)

    def _add_kept(self, source: SourceRun, fitted: mapping.Names, built: Built) -> None:
        if self._packer is None:
            return
        for path, data in source.kept.items():
            place = self._place_text if path == run_tree.OUTPUT_FILE else self._place
            place(path, data, built)
        facts = {"from": self._kind, "digest": built.digest, **source.facts}
        if fitted.changed:
            facts["renamed"] = fitted.changed
        self._place(SOURCE_FILE, yaml.dump_mapping(facts).encode(), built)
        if source.models:
            text = json.dumps(source.models, ensure_ascii=False, indent=1, sort_keys=True)
            self._place(MODELS_FILE, f"{text}\n".encode("utf-8", "replace"), built)


def read_digest(repo: Repo, commit: str) -> str | None:
    """Find what an imported run's source came to when it was imported; None of any other run."""
    data = repo.git.read_path(commit, SOURCE_FILE)
    return None if data is None else digest_in(data)


def digest_in(source_file: bytes) -> str | None:
    """Read the digest in `imported/source.yaml`."""
    try:
        return str(yaml.load_mapping(source_file, source=SOURCE_FILE).get("digest"))
    except DamagedError:
        return None


def _facts_text(source: SourceRun) -> str:
    """Everything that a source says of a run but its curves and files, as one text."""
    run = {
        part.name: getattr(source.run, part.name)
        for part in fields(source.run)
        if part.name not in ("metrics", "commit", "live", "experiment_id", *source.uncounted)
    }
    kept = {path: hashlib.sha256(data).hexdigest() for path, data in source.kept.items()}
    return json.dumps([run, kept, source.facts, source.models], default=_plain, sort_keys=True)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return {part.name: getattr(value, part.name) for part in fields(value)}  # type: ignore[arg-type]  # ours


def _clean_input(item: DatasetInput, fitted: mapping.Names) -> DatasetInput:
    return replace(
        item,
        name=fitted.fit("data set", item.name),
        source=strip_url_credentials(item.source) if "://" in item.source else item.source,
        tags=fitted.fit_all("data set tag", item.tags, mapping.clean_tag),
    )


def _fit_path(path: str, fitted: mapping.Names) -> str:
    """Give an artifact's path as gitml can use it; what is not allowed is percent-encoded."""
    try:
        return names.check_artifact_path(path)
    except InvalidNameError:
        parts = [fitted.fit("artifact", part) for part in path.split("/")]
        safe = [
            ("_" + part[1:] if names.is_git_folder(part) else part).replace("\\", "%5C") for part in parts
        ]
        new = names.check_artifact_path("/".join(safe))
        fitted.changed.pop("artifact", None)
        fitted.changed.setdefault("artifact path", {})[new] = path
        return new
