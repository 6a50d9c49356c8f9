"""gitml's facts in MLflow's words: what an export writes as tags.

The same words as `gitml.api.reserved`, which stands a storey higher and can't be asked.
"""

from __future__ import annotations

from gitml.entities.run import Run
from gitml.interop import mlflow_facts as words

SOURCE_TAG = "mlflow.source.name"
SOURCE_TYPE_TAG = "mlflow.source.type"
_SCRIPTS = (".py", ".ipynb", ".R", ".r", ".sh", ".jl")


def mlflow_tags(run: Run) -> dict[str, str]:
    """Give a run's tags together with those that MLflow would have set.

    A tag that somebody set under such a name wins.
    """
    code = run.code
    scripts = (word for word in run.command if word.endswith(_SCRIPTS))
    facts = {
        words.NAME_TAG: run.name,
        words.USER_TAG: run.user,
        SOURCE_TAG: next(scripts, run.command[0] if run.command else None),
        SOURCE_TYPE_TAG: "PROJECT" if run.entry_point else "LOCAL",
        words.ENTRY_POINT_TAG: run.entry_point,
        words.COMMIT_TAG: code.commit,
        words.BRANCH_TAG: code.branch,
        words.REMOTE_TAG: code.remote,
        words.DIRTY_TAG: str(code.dirty).lower() if code.commit else None,
        words.PARENT_TAG: run.parent_id,
        words.NOTE_TAG: run.note or None,
    }
    return {**{key: value for key, value in facts.items() if value is not None}, **run.tags}
