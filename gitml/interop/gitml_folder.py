"""What gitml knows of a run and MLflow has no word for: the folder `gitml/` beside an exported run.

MLflow ignores it. An import finds there the types of params, the names that MLflow
could not hold, the command line, the environment and the like, and takes them where they
still agree with what MLflow says, which may have been changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitml.entities.run import ParamValue, Run
from gitml.errors import DamagedError
from gitml.formats import run_tree, yaml
from gitml.interop import mlflow_facts as words
from gitml.interop.folders import read_bytes
from gitml.interop.mapping import param_text
from gitml.interop.mlflow_words import mlflow_tags

_CODE_TAGS = (words.COMMIT_TAG, words.BRANCH_TAG, words.REMOTE_TAG, words.DIRTY_TAG)
FOLDER = "gitml"
RENAMED_FILE = "renamed.yaml"
RECORD_FILES = (run_tree.RUN_FILE, run_tree.PARAMS_FILE, run_tree.TAGS_FILE, run_tree.INPUTS_FILE)
KEPT = (run_tree.OUTPUT_FILE.partition("/")[0] + "/", run_tree.ENVIRONMENT + "/")


@dataclass(frozen=True, slots=True)
class GitmlFolder:
    """What such a folder holds; nothing where there is none.

    Attributes:
        run: The run as it was exported.
        renamed: Of params, metrics and tags: the name in MLflow to that in gitml.
        kept: Files of the record that MLflow has no place for.
    """

    run: Run | None = None
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kept: Mapping[str, bytes] = field(default_factory=dict)

    def original(self, kind: str, name: str) -> str:
        """The name that something had in gitml."""
        return self.renamed.get(kind, {}).get(name, name)

    def restored(self, run: Run, told: Mapping[str, str]) -> Run:
        """Give a run back what was lost on the way through MLflow.

        Args:
            run: The run as MLflow has it.
            told: All its tags in MLflow; a fact whose tag was changed there is changed.
        """
        own = self.run
        params = {self.original("param", key): value for key, value in run.params.items()}
        tags = {self.original("tag", key): value for key, value in run.tags.items()}
        if own is None or own.id != run.id:
            return replace(run, params=params, tags=tags)
        made = mlflow_tags(own)
        same_times = (own.start_ms, own.end_ms) == (run.start_ms, run.end_ms)
        same_inputs = {(i.name, i.digest) for i in own.inputs} == {(i.name, i.digest) for i in run.inputs}

        def untouched(*keys: str) -> bool:
            return all(made.get(key) == told.get(key) for key in keys)

        return replace(
            run,
            params={key: _typed(own.params.get(key, value), value) for key, value in params.items()},
            tags={key: value for key, value in tags.items() if key in own.tags or made.get(key) != value},
            command=own.command,
            host=own.host,
            user=own.user if untouched(words.USER_TAG) else run.user,
            entry_point=own.entry_point if untouched(words.ENTRY_POINT_TAG) else run.entry_point,
            exit_code=own.exit_code,
            error=own.error if own.status is run.status else run.error,
            incomplete=own.incomplete,
            duration_s=own.duration_s if same_times else run.duration_s,
            inputs=own.inputs if same_inputs else run.inputs,
            code=replace(own.code, tree=None) if untouched(*_CODE_TAGS) else run.code,
            extra=own.extra,
        )


def _typed(own: ParamValue, value: ParamValue) -> ParamValue:
    return own if param_text(own) == param_text(value) else value


def read(found: Mapping[str, str]) -> GitmlFolder:
    """Read the folder beside a run.

    Args:
        found: Its files: path within it, and where they are.

    Raises:
        DamagedError: One of its files can't be read.
    """
    if not found:
        return GitmlFolder()
    records = {name: read_bytes(found[name]) for name in RECORD_FILES if name in found}
    run = run_tree.decode_run(records, commit="gitml") if run_tree.RUN_FILE in records else None
    renamed: dict[str, dict[str, str]] = {}
    if RENAMED_FILE in found:
        renamed = yaml.load_mapping(read_bytes(found[RENAMED_FILE]), source=RENAMED_FILE)
    if not all(isinstance(names, dict) for names in renamed.values()):
        raise DamagedError(f"'{FOLDER}/{RENAMED_FILE}' holds something else than names")
    kept = {name: read_bytes(path) for name, path in found.items() if name.startswith(KEPT)}
    return GitmlFolder(run, renamed, kept)
