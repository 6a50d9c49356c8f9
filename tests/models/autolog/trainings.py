"""Small trainings of each framework; both gitml and mlflow log them, so nothing here imports either."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pandas as pd


def table() -> pd.DataFrame:
    """Forty rows of two features."""
    random = np.random.default_rng(7)
    return pd.DataFrame({"a": random.normal(size=40), "b": random.normal(size=40)})


def labels() -> np.ndarray:
    """Which of two classes a row is of."""
    x = table()
    return (x["a"] + 0.3 * x["b"] > 0).to_numpy().astype("int64")


def values() -> np.ndarray:
    """A number for each row, with some noise."""
    x = table()
    noise = np.random.default_rng(8).normal(scale=0.1, size=40)
    return (2 * x["a"] - x["b"] + 1 + noise).to_numpy()


# XGBoost

XGB = {
    "max_depth": 2,
    "eta": 0.5,
    "nthread": 1,
    "objective": "binary:logistic",
    "eval_metric": ["logloss", "auc"],
}


def xgboost_train() -> Any:
    import xgboost

    first, rest = slice(0, 30), slice(30, 40)
    train = xgboost.DMatrix(table()[first], labels()[first])
    test = xgboost.DMatrix(table()[rest], labels()[rest])
    return xgboost.train(
        XGB, train, 12, evals=[(train, "train"), (test, "test")], early_stopping_rounds=2, verbose_eval=False
    )


def xgboost_fit() -> Any:
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1, eval_metric="logloss")
    return model.fit(table(), labels(), eval_set=[(table()[:10], labels()[:10])], verbose=False)


# LightGBM

LGB = {
    "objective": "binary",
    "metric": ["binary_logloss", "auc"],
    "min_data_in_leaf": 2,
    "num_threads": 1,
    "verbose": -1,
}


def lightgbm_train() -> Any:
    import lightgbm

    train = lightgbm.Dataset(table()[:30], labels()[:30])
    test = lightgbm.Dataset(table()[30:], labels()[30:], reference=train)
    stop = lightgbm.early_stopping(2, verbose=False)
    return lightgbm.train(
        LGB, train, 12, valid_sets=[train, test], valid_names=["train", "test"], callbacks=[stop]
    )


def lightgbm_fit() -> Any:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=2, n_jobs=1, verbose=-1)
    return model.fit(table(), labels(), eval_set=[(table()[:10], labels()[:10])])


# statsmodels


def statsmodels_ols() -> Any:
    import statsmodels.api

    return statsmodels.api.OLS(values(), statsmodels.api.add_constant(table())).fit(cov_type="HC1")


def statsmodels_logit() -> Any:
    import statsmodels.api

    return statsmodels.api.GLM(labels(), table(), family=statsmodels.api.families.Binomial()).fit(maxiter=3)


# Keras


def network() -> Any:
    """A compiled network."""
    import keras

    keras.utils.clear_session()  # names are counted
    keras.utils.set_random_seed(7)
    layers = keras.layers
    model = keras.Sequential([layers.Input((2,)), layers.Dense(3, activation="relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def keras_fit() -> Any:
    model = network()
    x, y = table().to_numpy().astype("float32"), values().astype("float32")
    model.fit(x[:30], y[:30], batch_size=10, epochs=3, validation_data=(x[30:], y[30:]), verbose=0)
    return model


# PyTorch Lightning


def lightning_parts(lightning: Any, **settings: Any) -> tuple[Any, Any, Any]:
    """A trainer, a module and its data; of either package that Lightning comes in."""
    import torch

    class Line(lightning.LightningModule):
        def __init__(self, rate: float = 0.05) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

        def _loss(self, batch: Any) -> Any:
            x, y = batch
            return torch.nn.functional.mse_loss(self(x), y)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self._loss(batch)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            self.log("seen", float(self.global_step), on_step=True, on_epoch=False)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self._loss(batch))

        def test_step(self, batch: Any, batch_idx: int) -> None:
            self.log("test_loss", self._loss(batch))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)

    torch.manual_seed(7)
    x = torch.tensor(table().to_numpy(), dtype=torch.float32)
    y = torch.tensor(values(), dtype=torch.float32)[:, None]
    data = torch.utils.data.TensorDataset(x, y)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    folder = tempfile.mkdtemp()
    given = {
        "max_epochs": 3,
        "accelerator": "cpu",
        "logger": False,
        "default_root_dir": folder,
        **quiet,
        **settings,
    }
    loader = torch.utils.data.DataLoader(data, batch_size=20)
    return lightning.Trainer(**given), Line(), loader


def lightning_fit() -> Any:
    import pytorch_lightning

    stop = pytorch_lightning.callbacks.EarlyStopping("val_loss", patience=1, min_delta=1.0)
    trainer, model, loader = lightning_parts(pytorch_lightning, callbacks=[stop], max_epochs=5)
    trainer.fit(model, loader, loader)
    return model


# transformers


def tokenizer() -> Any:
    """A tokenizer of a language of ten words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "tea", "cake", "and"]
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )


def trainer(folder: str, processing_class: Any = None, **settings: Any) -> Any:
    """A trainer of a tiny network that sorts texts of a tiny language."""
    import torch
    import transformers

    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    words = torch.randint(1, 10, (8, 4), generator=torch.Generator().manual_seed(7))
    rows = [{"input_ids": row, "labels": int(row[0] > 5)} for row in words]
    given = {
        "per_device_train_batch_size": 4, "num_train_epochs": 2, "logging_steps": 1, "eval_strategy": "epoch",
        "save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True, **settings,
    }  # fmt: skip
    args = transformers.TrainingArguments(folder, **given)
    return transformers.Trainer(
        model, args, train_dataset=rows, eval_dataset=rows[:4], processing_class=processing_class
    )


def transformers_train() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        one = trainer(folder)
        one.train()
        return one.model


TRAININGS = {
    "xgboost-train": ("xgboost", xgboost_train),
    "xgboost-fit": ("xgboost", xgboost_fit),
    "lightgbm-train": ("lightgbm", lightgbm_train),
    "lightgbm-fit": ("lightgbm", lightgbm_fit),
    "statsmodels-ols": ("statsmodels", statsmodels_ols),
    "statsmodels-logit": ("statsmodels", statsmodels_logit),
    "keras-fit": ("keras", keras_fit),
    "lightning-fit": ("pytorch", lightning_fit),
    "transformers-train": ("transformers", transformers_train),
}
