"""Autologging of PyTorch Lightning where several processes train one module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.autolog.recorded import recorded, steps
from tests.needs import needs

needs("torch", "pytorch_lightning")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[3]
TOGETHER = """
import sys
import warnings

warnings.simplefilter("ignore")
import gitml
from gitml.models.autolog.training import AutologWarning

warnings.simplefilter("always", AutologWarning)
gitml.pytorch.autolog(log_models=False)
import pytorch_lightning as pl
import torch


class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, _):
        loss = self.layer(batch).square().mean()
        self.log("loss", loss, on_epoch=True, on_step=False, sync_dist=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


if __name__ == "__main__":
    trainer = pl.Trainer(
        devices=2, strategy=sys.argv[1], max_epochs=2, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_checkpointing=False,
    )
    trainer.fit(Line(), torch.utils.data.DataLoader(torch.ones(8, 2), batch_size=2))
"""


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_processes_that_train_together_have_one_run(mlflow, runs, in_repo: Path, strategy: str):
    (in_repo / "together.py").write_text(TOGETHER)
    done = subprocess.run(
        [sys.executable, "together.py", strategy],
        cwd=in_repo, capture_output=True, text=True, check=False, timeout=250,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "AutologWarning" not in done.stderr
    (run,) = runs()
    found = recorded(mlflow.MlflowClient(), run)
    assert found["status"] == "FINISHED"
    assert run.data.params["epochs"] == 2
    assert run.data.params["optimizer_name"] == "SGD"
    assert steps(found)["loss"] == [0, 1]
