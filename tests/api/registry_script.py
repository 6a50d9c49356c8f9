"""Calls of the model registry as people write them for MLflow; run under both, unchanged.

Prints what every call answered: values that both have, or the error's code.
"""

import json
import sys

if sys.argv[1] == "gitml":
    import gitml as mlflow
else:
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")

from_module = mlflow.entities.model_registry
client = mlflow.MlflowClient()
answers = []


def picture(value):
    """What of an answer must be the same."""
    if type(value).__name__ == "RegisteredModel":
        assert isinstance(value, from_module.RegisteredModel)
        assert isinstance(value.creation_timestamp, int)
        assert value.last_updated_timestamp >= value.creation_timestamp > 1_700_000_000_000
        return {
            "name": value.name,
            "description": value.description,
            "tags": value.tags,
            "aliases": value.aliases,
            "latest": [picture(version) for version in value.latest_versions],
        }
    if type(value).__name__ == "ModelVersion":
        assert isinstance(value, from_module.ModelVersion)
        assert value.last_updated_timestamp >= value.creation_timestamp > 1_700_000_000_000
        assert dict(value)["name"] == value.name
        # Where files lie differs; what a copy is made of does not.
        source = value.source if value.source.startswith("models:") else value.source.rpartition("/")[2]
        return {
            "name": value.name,
            "version": value.version,
            "stage": value.current_stage,
            "description": value.description,
            "run": value.run_id == run_id or value.run_id,
            "run_link": value.run_link,
            "status": value.status,
            "message": value.status_message,
            "tags": value.tags,
            "aliases": sorted(value.aliases),
            "source": source,
            "model_id": value.model_id,
        }
    if isinstance(value, list):
        page = {"token": value.token is not None} if hasattr(value, "token") else {}
        return {"items": [picture(item) for item in value], **page}
    return value


def ask(name, *arguments, **named):
    """Call the client, or the module where the name begins with a dot."""
    call = getattr(mlflow, name[1:]) if name.startswith(".") else getattr(client, name)
    try:
        answer = picture(result := call(*arguments, **named))
    except mlflow.MlflowException as err:
        answer, result = f"error {err.error_code}", None
    said = f"{name} {arguments!r} {named!r}"
    answers.append([said.replace(run.info.artifact_uri, f"runs:/{run_id}").replace(run_id, "RUN"), answer])
    return result


with mlflow.start_run(run_name="trained") as run:
    mlflow.log_metric("acc", 0.9)
    mlflow.log_text("flavors: {}\n", "model/MLmodel")
    mlflow.log_text("weights\n", "model/data/weights.txt")
run_id = run.info.run_id
uri = f"runs:/{run_id}/model"

# Models
ask("create_registered_model", "churn", tags={"team": "growth", "n": 1}, description="who leaves")
ask("create_registered_model", "churn")
ask("create_registered_model", "a/b")
ask("create_registered_model", "")
ask("create_registered_model", "Empty")
ask("get_registered_model", "churn")
ask("get_registered_model", "nothing")
ask("update_registered_model", "churn", description="who goes")
ask("update_registered_model", "nothing", description="x")
ask("set_registered_model_tag", "churn", "n", 2)
ask("set_registered_model_tag", "nothing", "n", 2)
ask("delete_registered_model_tag", "churn", "team")
ask("delete_registered_model_tag", "churn", "team")
ask("get_registered_model", "churn")

# Versions
ask(".register_model", uri, "churn", tags={"k": "v"})
ask(".register_model", uri, "fraud", await_registration_for=None)
ask(
    "create_model_version",
    "churn",
    f"{run.info.artifact_uri}/model",
    run_id,
    tags={"a": 1},
    description="2nd",
)
ask("create_model_version", "nothing", f"{run.info.artifact_uri}/model", run_id)
ask(
    "create_model_version",
    "churn",
    f"{run.info.artifact_uri}/model",
    run_id,
    run_link="https://example.org/1",
)
ask("get_model_version", "churn", 1)
ask("get_model_version", "churn", "2")
ask("get_model_version", "churn", 3)
ask("get_model_version", "churn", 9)
ask("get_model_version", "churn", "x")
ask("get_model_version", "nothing", 1)
ask("update_model_version", "churn", 1, description="first")
ask("set_model_version_tag", "churn", "1", "checked", True)
ask("set_model_version_tag", "churn", "9", "checked", True)
ask("set_model_version_tag", "churn", None, "checked", "x", stage="Staging")
ask(".set_model_version_tag", "churn", "2", "late", 1)
ask("delete_model_version_tag", "churn", "2", "a")
ask("delete_model_version_tag", "churn", "2", "a")
ask("get_model_version_stages", "churn", "1")
ask("get_registered_model", "churn")

# Stages
ask("transition_model_version_stage", "churn", 1, "production")
ask("transition_model_version_stage", "churn", 2, "Production")
ask("get_latest_versions", "churn")
ask("get_latest_versions", "churn", ["Production"])
ask("get_latest_versions", "churn", stages=["production", "None"])
ask("get_latest_versions", "churn", ["Nowhere"])
ask("get_latest_versions", "nothing")
ask("transition_model_version_stage", "churn", 3, "Production", archive_existing_versions=True)
ask("get_model_version", "churn", 1)
ask("transition_model_version_stage", "churn", 2, "Archived", archive_existing_versions=True)
ask("transition_model_version_stage", "churn", 2, "None")
ask("transition_model_version_stage", "churn", 2, "None")
ask("transition_model_version_stage", "churn", 2, "Canary")
ask("transition_model_version_stage", "churn", 9, "Staging")
ask("transition_model_version_stage", "churn", 2, "Staging")
ask("set_model_version_tag", "churn", None, "by stage", "x", stage="Staging")
ask("delete_model_version_tag", "churn", None, "by stage", stage="Staging")
ask("get_model_version", "churn", 2)

# Aliases
ask("set_registered_model_alias", "churn", "champion", 1)
ask("set_registered_model_alias", "churn", "champion", "2")
ask("set_registered_model_alias", "churn", "Best", "2")
ask("set_registered_model_alias", "churn", "latest", 2)
ask("set_registered_model_alias", "churn", "v3", 2)
ask("set_registered_model_alias", "churn", "champion", 9)
ask("get_model_version_by_alias", "churn", "champion")
ask("get_model_version_by_alias", "churn", "nobody")
ask("get_registered_model", "churn")
ask("delete_registered_model_alias", "churn", "Best")
ask("delete_registered_model_alias", "churn", "Best")
ask("delete_registered_model_alias", "nothing", "Best")

# Copies
ask("copy_model_version", "models:/churn/2", "copied")
ask("copy_model_version", "models:/churn@champion", "copied")
ask("copy_model_version", "models:/churn/9", "copied")
ask("copy_model_version", uri, "copied")
ask("copy_model_version", "churn", "copied")
ask(".register_model", "models:/churn/1", "promoted")
ask(".register_model", "models:/churn/9", "promoted")

# Searches
for text in (
    None,
    "",
    "name = 'churn'",
    "name != 'churn'",
    "name LIKE 'c%'",
    "name ILIKE 'C%'",
    "name LIKE 'C%'",
    "tags.n = '2'",
    "tags.`n` != '3'",
    "tags.n LIKE '2%' and name = 'churn'",
    "tags.none = 'x'",
    "name = churn",
    "name > 'a'",
    "owner = 'me'",
    "name = 'churn' AND",
):
    ask("search_registered_models", text)
ask("search_registered_models", order_by=["name DESC"])
ask("search_registered_models", order_by=["name"], max_results=2)
ask("search_registered_models", order_by=["creation_timestamp ASC", "name"])
ask("search_registered_models", order_by=["owner"])
ask("search_registered_models", max_results=0)
page = client.search_registered_models(order_by=["name ASC"], max_results=2)
ask("search_registered_models", order_by=["name ASC"], max_results=2, page_token=page.token)
answers[-1][0] = "next page"
ask(".search_registered_models", filter_string="name LIKE '%u%'", order_by=["name"])
for text in (
    None,
    "name = 'churn'",
    "name='churn' and tags.k = 'v'",
    "name LIKE 'ch%' and version_number > 1",
    "name = 'churn' and version_number <= 2",
    "name = 'churn' and version_number = 'x'",
    f"run_id = '{run_id}' and name != 'churn' and name != 'promoted'",
    f"run_id IN ('{run_id}') and name = 'fraud'",
    "run_id IN ('x','y')",
    "source_path = 'models:/churn/2'",
    "source_path LIKE 'models:/%'",
    "tags.checked = 'True'",
    "tags.checked ILIKE 'TRUE' and name = 'churn'",
    "stage = 'Production'",
    "version_number LIKE '1'",
):
    ask("search_model_versions", text, order_by=["name", "version_number ASC"])
ask("search_model_versions", "name = 'churn'")
ask("search_model_versions", "name = 'churn'", order_by=["version_number DESC"], max_results=2)
ask("search_model_versions", order_by=["stage"])
ask(".search_model_versions", filter_string="name = 'churn'", order_by=["version_number"], max_results=1)

# Renaming and deleting
ask("rename_registered_model", "fraud", "scams")
ask("rename_registered_model", "scams", "churn")
ask("rename_registered_model", "nothing", "other")
ask("get_model_version", "scams", 1)
ask("delete_model_version", "churn", 2)
ask("delete_model_version", "churn", 2)
ask("get_model_version", "churn", 2)
ask("get_model_version_by_alias", "churn", "champion")
ask("get_registered_model", "churn")
ask("transition_model_version_stage", "churn", 2, "Staging")
ask("search_model_versions", "name = 'churn'", order_by=["version_number"])
ask(".register_model", uri, "churn")
ask("delete_registered_model", "scams")
ask("delete_registered_model", "scams")
ask("get_registered_model", "scams")
ask("get_model_version", "scams", 1)
ask("search_registered_models", "name LIKE 'sc%'")
ask(".register_model", uri, "scams")

# Files
for place in ("models:/churn/1", "models:/churn@Nobody", "models:/churn/Production", "models:/churn/latest"):
    try:
        text = mlflow.artifacts.load_text(f"{place}/data/weights.txt")
    except mlflow.MlflowException as err:
        text = f"error {err.error_code}"
    answers.append([f"load_text {place}", text])

print("ANSWER " + json.dumps(answers))
