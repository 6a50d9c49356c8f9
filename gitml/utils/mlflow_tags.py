"""Where MLflow keeps the names of its reserved tags: those that gitml understands or shows."""

from __future__ import annotations

from gitml.api import inputs, reserved

MLFLOW_DATASET_CONTEXT = inputs.CONTEXT_TAG
MLFLOW_GIT_BRANCH = reserved.BRANCH_TAG
MLFLOW_GIT_COMMIT = reserved.COMMIT_TAG
MLFLOW_GIT_DIRTY = reserved.DIRTY_TAG
MLFLOW_GIT_REPO_URL = reserved.REMOTE_TAG
MLFLOW_PARENT_RUN_ID = reserved.PARENT_TAG
MLFLOW_PROJECT_ENTRY_POINT = reserved.ENTRY_POINT_TAG
MLFLOW_RUN_NAME = reserved.RUN_NAME_TAG
MLFLOW_RUN_NOTE = reserved.NOTE_TAG
MLFLOW_SOURCE_NAME = reserved.SOURCE_TAG
MLFLOW_SOURCE_TYPE = reserved.SOURCE_TYPE_TAG
MLFLOW_USER = reserved.USER_TAG
