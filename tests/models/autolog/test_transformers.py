"""Autologging of transformers' Trainer: what it logs by step, and that a training never notices."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitml.api.fluent import RunIncompleteWarning
from tests.models.autolog import behaviour
from tests.models.autolog.recorded import differing, recorded, steps
from tests.models.autolog.trainings import tokenizer, trainer
from tests.needs import needed, needs

needs("accelerate", "torch")
transformers = needed("transformers")
torch = needed("torch")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]
TEXTS = ["good tea", "bad tea and bad cake"]


@pytest.fixture
def small(tmp_path: Path):
    """Train; gives the trainer."""

    def train(callback=None, resume=None, **settings):
        made = trainer(str(tmp_path / "out"), **settings)
        if callback is not None:
            made.add_callback(callback)
        made.train(resume_from_checkpoint=resume)
        return made

    return train


def weights(model):
    return [one.tolist() for one in model.state_dict().values()]


def test_a_model_with_its_tokenizer(mlflow, watch, runs, tmp_path: Path):
    watch("transformers", log_models=True)
    made = trainer(str(tmp_path / "secret place"), processing_class=tokenizer(), hub_token="hf_secret")
    handlers = list(made.callback_handler.callbacks)
    made.train()
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["num_train_epochs"] == 2
    assert run.data.params["per_device_train_batch_size"] == 4
    assert run.data.params["hidden_size"] == 8  # of the model
    assert not {"output_dir", "hub_token"} & set(run.data.params)
    assert "secret" not in str(found)
    assert steps(found)["loss"] == [1, 2, 3, 4]
    assert steps(found)["eval_loss"] == [2, 4]
    assert steps(found)["train_loss"] == [4]
    assert found["tags"] == {"estimator_class": "BertForSequenceClassification", "model_type": "bert"}
    assert found["files"] == ["model"]
    assert made.callback_handler.callbacks == handlers

    pipeline = mlflow.transformers.load_model(f"runs:/{run.info.run_id}/model")
    assert pipeline.task == "text-classification"
    assert weights(pipeline.model) == weights(made.model)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert list(loaded.predict(TEXTS)["label"]) == [one["label"] for one in pipeline(TEXTS)]


def test_a_model_without_a_tokenizer_and_without_the_trainers_settings(
    mlflow, watch, runs, small, tmp_path: Path
):
    watch("transformers", log_models=True)
    made = small()
    (run,) = runs()
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, "model")}
    assert names == {
        "model/config.json",
        "model/model.safetensors",
    }  # `training_args.bin` has tokens and places
    folder = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/model", dst_path=tmp_path / "got")
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    assert weights(loaded) == weights(made.model)


def test_nothing_is_pushed_to_a_hub(watch, small, monkeypatch):
    def push(*_, **__):
        raise AssertionError("it was to be pushed")

    watch("transformers", log_models=True)
    monkeypatch.setattr(transformers.Trainer, "init_hf_repo", lambda *_, **__: None)
    monkeypatch.setattr(transformers.Trainer, "push_to_hub", push)
    monkeypatch.setattr(transformers.Trainer, "_push_from_checkpoint", lambda *_: None)
    small(push_to_hub=True, hub_model_id="me/mine")


def test_a_module_that_is_no_model_of_transformers(mlflow, watch, runs, tmp_path: Path):
    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x, labels=None):
            out = self.layer(x)
            return {"loss": (out - labels).square().mean(), "out": out}

    watch("transformers", log_models=True)
    rows = [{"x": torch.ones(2), "labels": torch.ones(1)}] * 4
    args = transformers.TrainingArguments(
        str(tmp_path / "out"), max_steps=2, report_to="none", use_cpu=True, disable_tqdm=True, logging_steps=1
    )
    made = transformers.Trainer(Line(), args, train_dataset=rows)
    made.train()
    (run,) = runs()
    assert steps(recorded(mlflow.MlflowClient(), run))["loss"] == [1, 2]
    loaded = mlflow.pytorch.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert weights(loaded) == weights(made.model)


def test_early_stopping(watch, runs, small):
    watch("transformers")
    stop = transformers.EarlyStoppingCallback(early_stopping_patience=1, early_stopping_threshold=100.0)
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "save_strategy": "epoch"}
    made = small(stop, num_train_epochs=5, **best)
    (run,) = runs()
    assert made.state.global_step == 4  # two epochs
    assert run.data.metrics["epoch"] == 2
    assert run.data.params["metric_for_best_model"] == "eval_loss"


def test_a_model_that_goes_on(mlflow, watch, runs, small, tmp_path: Path):
    watch("transformers")
    small(num_train_epochs=1, save_strategy="epoch")
    small(num_train_epochs=2, save_strategy="epoch", resume=str(tmp_path / "out" / "checkpoint-2"))
    found = [steps(recorded(mlflow.MlflowClient(), run)) for run in runs()]
    assert [one["loss"] for one in found] == [[1, 2], [3, 4]]


def test_trainers_of_a_class_of_ones_own(watch, runs, tmp_path: Path):
    class Mine(transformers.Trainer):
        def train(self, *args, **kwargs):
            return super().train(*args, **kwargs)

    watch("transformers")
    plain = trainer(str(tmp_path / "out"))
    mine = Mine(plain.model, plain.args, train_dataset=plain.train_dataset, eval_dataset=plain.eval_dataset)
    mine.train()
    assert [run.info.status for run in runs()] == ["FINISHED"]


def test_the_run_that_is_active(mlflow, watch, small):
    watch("transformers")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch, small):
    del watch
    behaviour.is_off_by_one_call(mlflow, "transformers", small, [(transformers.Trainer, "train")])


def test_a_training_that_raises(mlflow, watch, small):
    def train(error):
        class Raises(transformers.TrainerCallback):
            def on_step_end(self, args, state, control, **_):
                raise error

        small(Raises())

    watch("transformers")
    behaviour.fails_as_ever(mlflow, train)


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, small, in_repo: Path):
    expected = weights(small().model)
    watch("transformers", log_models=True)
    assert weights(behaviour.survives_writes_that_fail(mlflow, small).model) == expected

    class Removes(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            shutil.rmtree(in_repo / ".git", ignore_errors=True)

    with pytest.warns(RunIncompleteWarning, match="could not be committed"):
        assert weights(small(Removes()).model) == expected
    assert mlflow.active_run() is None
    found = behaviour.survives_without_a_repository(mlflow, in_repo, small, is_gone=True)
    assert weights(found.model) == expected


def test_as_mlflow_logs_it(beside_mlflow):
    ((ours, theirs),) = beside_mlflow("transformers-train")
    assert set(ours["params"]) <= set(theirs["params"])
    # MLflow has what was not set, and places and tokens.
    lacking = {name: value for name, value in theirs["params"].items() if name not in ours["params"]}
    assert {name for name, value in lacking.items() if value != "None"} == {
        "hub_token",
        "output_dir",
        "report_to",
    }
    assert ours["params"].items() <= theirs["params"].items()
    assert set(ours["metrics"]) == set(theirs["metrics"])
    assert steps(ours) == steps(theirs)
    assert differing(ours["metrics"], theirs["metrics"]) == {}
    assert ours["files"] == theirs["files"] == []
