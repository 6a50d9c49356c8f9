"""Autologging of PyTorch Lightning: epochs, steps and tests, and that a training never notices."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitml.models.autolog.training import AutologWarning
from tests.models.autolog import behaviour
from tests.models.autolog.recorded import differing, recorded, steps
from tests.models.autolog.trainings import lightning_parts
from tests.needs import needed

torch = needed("torch")
pl = needed("pytorch_lightning")
together = needed("lightning.pytorch")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), behaviour.QUIET]


def small(callback=None, package=pl, **settings):
    callbacks = [callback] if callback is not None else []
    trainer, model, loader = lightning_parts(package, callbacks=callbacks, **settings)
    trainer.fit(model, loader)
    return model


def weights(model):
    return [one.tolist() for one in model.state_dict().values()]


def test_a_module(mlflow, watch, runs):
    watch("pytorch", log_models=True)
    trainer, model, loader = lightning_parts(pl)
    before = list(trainer.callbacks)
    trainer.fit(model, loader, loader)
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["epochs"] == 3
    assert run.data.params["rate"] == 0.05  # of the module
    assert run.data.params["lr"] == 0.05  # of the optimizer
    assert run.data.params["optimizer_name"] == "SGD"
    assert steps(found)["val_loss"] == [0, 1, 2]
    assert steps(found)["train_loss_epoch"] == [0, 1, 2]
    assert found["files"] == ["model", "model_summary.txt"]
    assert trainer.callbacks == before
    assert not model._forward_hooks

    mlflow.autolog(disable=True)
    info = mlflow.models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert info.signature.inputs.inputs[0].shape == (-1, 2)
    assert info.signature.outputs.inputs[0].shape == (-1, 1)
    x = loader.dataset.tensors[0]
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert loaded.predict(x.numpy()) == pytest.approx(model(x).detach().numpy())
    native = mlflow.pytorch.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    assert weights(native) == weights(model)


def test_the_other_package_and_an_example_with_the_model(mlflow, watch, runs):
    watch("pytorch", log_models=True, log_input_examples=True)
    model = small(package=together, max_epochs=1)
    (run,) = runs()
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model", trust=True)
    example = loaded.input_example
    assert example.shape == (5, 2)
    assert loaded.predict(example) == pytest.approx(model(torch.from_numpy(example)).detach().numpy())


def test_metrics_by_step_and_at_every_so_many_epochs(mlflow, watch, runs):
    watch("pytorch", log_every_n_epoch=2, log_every_n_step=1)
    small(max_epochs=4)  # of two steps each
    (run,) = runs()
    found = steps(recorded(mlflow.MlflowClient(), run))
    assert found["train_loss_step"] == found["seen"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found["train_loss_epoch"] == [1, 3]


def test_early_stopping(watch, runs):
    watch("pytorch")
    small(
        pl.callbacks.EarlyStopping(
            "train_loss_epoch", patience=2, min_delta=100.0, check_on_train_epoch_end=True
        ),
        max_epochs=9,
    )
    (run,) = runs()
    assert run.data.params["monitor"] == "train_loss_epoch"
    assert run.data.params["patience"] == 2
    assert run.data.metrics["stopped_epoch"] == 2
    assert run.data.metrics["restored_epoch"] == 0
    assert run.data.metrics["wait_count"] == 2


def test_what_a_test_measures_goes_to_the_run_of_the_module(mlflow, watch, runs):
    watch("pytorch")
    trainer, model, loader = lightning_parts(pl)
    trainer.fit(model, loader)
    (measured,) = trainer.test(model, loader, verbose=False)
    (run,) = runs()
    assert run.data.metrics["test_loss"] == measured["test_loss"]
    assert run.info.status == "FINISHED"
    other, model, loader = lightning_parts(pl)
    other.test(model, loader, verbose=False)  # it has fitted nothing
    assert len(runs()) == 1


def test_a_module_that_goes_on(mlflow, watch, runs, tmp_path: Path):
    watch("pytorch")
    trainer, model, loader = lightning_parts(pl, max_epochs=2)
    trainer.fit(model, loader)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    trainer, model, loader = lightning_parts(pl, max_epochs=4)
    trainer.fit(model, loader, ckpt_path=tmp_path / "two.ckpt", weights_only=False)
    found = [steps(recorded(mlflow.MlflowClient(), run)) for run in runs()]
    assert [one["train_loss_epoch"] for one in found] == [[0, 1], [2, 3]]


def test_the_run_that_is_active(mlflow, watch):
    watch("pytorch")
    behaviour.uses_the_run_that_is_active(mlflow, small)


def test_off_by_one_call(mlflow, watch):
    del watch
    replaced = [(pl.Trainer, "fit"), (pl.Trainer, "test"), (together.Trainer, "fit")]
    behaviour.is_off_by_one_call(mlflow, "pytorch", small, replaced)


def test_a_training_that_raises(mlflow, watch):
    def train(error):
        class Raises(pl.Callback):
            def on_train_epoch_end(self, trainer, module):
                raise error

        small(Raises())

    watch("pytorch")
    behaviour.fails_as_ever(mlflow, train)


def test_no_failure_of_ours_reaches_a_training(mlflow, watch, in_repo: Path):
    expected = weights(small())
    watch("pytorch", log_models=True)
    assert weights(behaviour.survives_writes_that_fail(mlflow, small)) == expected

    class Removes(pl.Callback):
        def on_train_epoch_end(self, trainer, module):
            shutil.rmtree(in_repo / ".git", ignore_errors=True)

    with pytest.warns(AutologWarning, match="was not logged as a whole"):
        assert weights(small(Removes())) == expected
    assert mlflow.active_run() is None
    assert weights(behaviour.survives_without_a_repository(mlflow, in_repo, small, is_gone=True)) == expected


def test_as_mlflow_logs_it(beside_mlflow):
    ((ours, theirs),) = beside_mlflow("lightning-fit")
    assert set(ours["params"]) - set(theirs["params"]) == {"rate"}  # the module's own
    assert set(theirs["params"]) - set(ours["params"]) == {
        "stopped_epoch"
    }  # 0, before it begins; it is a metric
    assert {name: ours["params"][name] for name in theirs["params"] if name in ours["params"]} == {
        name: value for name, value in theirs["params"].items() if name in ours["params"]
    }
    assert set(ours["metrics"]) == set(theirs["metrics"])
    assert differing(ours["metrics"], theirs["metrics"]) == {}
    assert set(theirs["files"]) - set(ours["files"]) == {"checkpoints"}  # the trainer's own
    assert "model_summary.txt" in ours["files"]
