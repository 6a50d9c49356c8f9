"""A small model of each flavor; both gitml and mlflow save and load them, so nothing here imports either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Case:
    """A model, and what is to be seen of it.

    Attributes:
        id: What the test is called.
        flavor: The public module that saves and loads it.
        make: Trains it.
        example: An input.
        predict: Predicts with the framework alone.
        options: For `save_model`, both gitml's and MLflow's.
        needs: Modules that must be there.
        files: Its data files, equal for equal models.
        runs_code: Whether it is loaded only with trust.
        theirs: For MLflow's `save_model` instead of `options`; None: it has no such format.
        ours_there: Whether MLflow can load what gitml saves.
    """

    id: str
    flavor: str
    make: Callable[[], Any]
    example: Callable[[], Any]
    predict: Callable[[Any, Any], Any]
    files: tuple[str, ...]
    needs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    runs_code: bool = False
    theirs: Mapping[str, Any] | None = field(default_factory=dict)
    ours_there: bool = True


def table() -> pd.DataFrame:
    random = np.random.default_rng(7)
    return pd.DataFrame({"a": random.normal(size=40), "b": random.normal(size=40)})


def labels() -> np.ndarray:
    x = table()
    return (x["a"] + x["b"] > 0).to_numpy().astype("int64")


def targets() -> np.ndarray:
    x = table()
    return (2 * x["a"] - x["b"] + 1).to_numpy()


def head() -> pd.DataFrame:
    return table().head(5)


def array() -> np.ndarray:
    return head().to_numpy().astype("float32")


def plain(value: Any) -> Any:
    """Predictions as JSON has them, whatever holds them."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, pd.DataFrame):
        return {str(name): plain(value[name]) for name in value.columns}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    found = np.asarray(value)
    return found.tolist() if found.dtype != object else [plain(one) for one in value]


def alike(one: Any, other: Any) -> bool:
    """Whether two of them say the same, but for the last digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype.kind in "fc" or second.dtype.kind in "fc":
        return first.shape == second.shape and np.allclose(first, second, rtol=1e-4, atol=1e-5)
    return first.tolist() == second.tolist()


def own(model: Any, data: Any) -> Any:
    return model.predict(data)


# scikit-learn


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(table(), labels())


# XGBoost, LightGBM, CatBoost


def _xgb_booster() -> Any:
    import xgboost

    return xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(table(), targets()), 5)


def _by_matrix(model: Any, data: Any) -> Any:
    import xgboost

    return model.predict(xgboost.DMatrix(data))


def _xgb_classifier() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(table(), labels())


def _lgb_booster() -> Any:
    import lightgbm

    settings = {"objective": "regression", "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(table(), targets()), 5)


def _lgb_classifier() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1, n_jobs=1).fit(
        table(), labels()
    )


def _cat_classifier() -> Any:
    import catboost

    model = catboost.CatBoostClassifier(
        iterations=5, depth=2, thread_count=1, verbose=False, allow_writing_files=False
    )
    return model.fit(table(), labels())


def _cat_regressor() -> Any:
    import catboost

    model = catboost.CatBoostRegressor(
        iterations=5, depth=2, thread_count=1, verbose=False, allow_writing_files=False
    )
    return model.fit(table(), targets())


# statsmodels


def _least_squares() -> Any:
    import statsmodels.api

    return statsmodels.api.OLS(targets(), table()).fit()


# ONNX


def _graph() -> Any:
    """y = x W + b, of two features and two outputs."""
    from onnx import TensorProto, checker, helper, numpy_helper

    weights = numpy_helper.from_array(np.array([[1.0, -1.0], [0.5, 2.0]], "float32"), "W")
    bias = numpy_helper.from_array(np.array([0.25, -0.25], "float32"), "b")
    node = helper.make_node("Gemm", ["x", "W", "b"], ["y"])
    graph = helper.make_graph(
        [node],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights, bias],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def _by_runtime(model: Any, data: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"y": session.run(None, {"x": data.astype("float32")})[0]}


# PyTorch


def _network() -> Any:
    import torch

    torch.manual_seed(7)
    layers = torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(), torch.nn.Linear(4, 1)
    return torch.nn.Sequential(*layers)  # in training: dropout would show


def _line() -> Any:
    import torch

    torch.manual_seed(7)
    return torch.nn.Linear(in_features=2, out_features=1)


def _script() -> Any:
    import torch

    return torch.jit.script(_line())


def _by_call(model: Any, data: Any) -> Any:
    import torch

    modes = {one: one.training for one in model.modules()}
    for one in modes:
        one.training = False
    with torch.no_grad():
        found = model(torch.from_numpy(data)).numpy()
    for one, mode in modes.items():
        one.training = mode
    return found


# Keras, TensorFlow


def _dense() -> Any:
    import keras

    keras.utils.set_random_seed(7)
    layers = keras.layers
    model = keras.Sequential([layers.Input((2,)), layers.Dense(3, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def _module() -> Any:
    import tensorflow as tf

    class Scale(tf.Module):
        def __init__(self) -> None:
            self.by = tf.Variable([2.0, 3.0])

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
        def __call__(self, x):
            return x * self.by

    return Scale()


def _by_keras(model: Any, data: Any) -> Any:
    return model.predict(data, verbose=0)


def _by_tensor(model: Any, data: Any) -> Any:
    import tensorflow as tf

    return model(tf.convert_to_tensor(data)).numpy()


# Texts: no model is fetched, they are made small


TEXTS = ["good tea", "bad tea and bad cake"]


def texts() -> list[str]:
    return list(TEXTS)


def text_table() -> pd.DataFrame:
    return pd.DataFrame({"text": TEXTS})


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "tea", "cake", "and"]
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=16,
    )  # fmt: skip


def _bert(kind: str) -> Any:
    import torch
    import transformers

    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    return getattr(transformers, kind)(config).eval()


def _classifier() -> Any:
    import transformers

    model = _bert("BertForSequenceClassification")
    return transformers.pipeline("text-classification", model=model, tokenizer=_tokenizer(), device="cpu")


def _writer() -> Any:
    import torch
    import transformers

    torch.manual_seed(7)
    config = transformers.GPT2Config(
        vocab_size=10,
        n_positions=32,
        n_embd=8,
        n_layer=1,
        n_head=2,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    model.generation_config.max_new_tokens = 4
    model.generation_config.do_sample = False
    return transformers.pipeline("text-generation", model=model, tokenizer=_tokenizer(), device="cpu")


def _labels_of(model: Any, data: Any) -> Any:
    return pd.DataFrame(model(data))


def _texts_of(model: Any, data: Any) -> Any:
    return [one[0]["generated_text"] for one in model(data)]


def _sentences() -> Any:
    import tempfile

    import sentence_transformers
    from sentence_transformers import models

    with tempfile.TemporaryDirectory() as folder:
        _bert("BertModel").save_pretrained(folder)
        _tokenizer().save_pretrained(folder)
        words = models.Transformer(folder)
        return sentence_transformers.SentenceTransformer(
            modules=[words, models.Pooling(words.get_word_embedding_dimension())], device="cpu"
        )


def _by_encoding(model: Any, data: Any) -> Any:
    return model.encode(data, show_progress_bar=False)


def _sorter() -> Any:
    import spacy
    from spacy.training import Example

    spacy.util.fix_random_seed(7)
    model = spacy.blank("en")
    part = model.add_pipe("textcat")
    part.add_label("good")
    part.add_label("bad")
    cats = {"cats": {"good": 1.0, "bad": 0.0}}
    model.initialize(lambda: [Example.from_dict(model.make_doc(text), cats) for text in TEXTS])
    return model


def _cats(model: Any, data: Any) -> Any:
    return pd.DataFrame({"predictions": [model(text).cats for text in data["text"]]})


# Spark


def _spark() -> Any:
    from pyspark.sql import SparkSession

    quiet = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "localhost",
        "spark.sql.shuffle.partitions": "1",
    }
    return SparkSession.builder.master("local[1]").config(map=quiet).getOrCreate()


def _assembled() -> Any:
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import VectorAssembler

    data = _spark().createDataFrame(table().assign(label=labels().astype("float64")))
    assembler = VectorAssembler(inputCols=["a", "b"], outputCol="features")
    return Pipeline(stages=[assembler, LogisticRegression(maxIter=5)]).fit(data)


def _by_spark(model: Any, data: Any) -> Any:
    return [row.prediction for row in model.transform(_spark().createDataFrame(data)).collect()]


BOOSTERS = (
    Case("xgboost-booster", "xgboost", _xgb_booster, head, _by_matrix, ("model.ubj",), ("xgboost",)),
    Case(
        "xgboost-json", "xgboost", _xgb_classifier, head, own, ("model.json",), ("xgboost", "sklearn"),
        {"model_format": "json"}, theirs={"model_format": "json"},
    ),
    Case("lightgbm-booster", "lightgbm", _lgb_booster, head, own, ("model.lgb",), ("lightgbm",)),
    Case("lightgbm-skops", "lightgbm", _lgb_classifier, head, own, (), ("lightgbm", "sklearn", "skops")),
    Case(
        "lightgbm-pickle", "lightgbm", _lgb_classifier, head, own, ("model.pkl",), ("lightgbm", "sklearn"),
        {"serialization_format": "cloudpickle"}, runs_code=True, theirs={"serialization_format": "cloudpickle"},
    ),
    Case("catboost-classifier", "catboost", _cat_classifier, head, own, ("model.cb",), ("catboost",)),
    Case(
        "catboost-json", "catboost", _cat_regressor, head, own, ("model.cb",), ("catboost",),
        {"format": "json"}, theirs={"format": "json"},
    ),
)  # fmt: skip
CASES = (
    Case("sklearn", "sklearn", _logistic, head, own, (), ("sklearn", "skops")),
    *BOOSTERS,
    Case(
        "statsmodels", "statsmodels", _least_squares, head, own, ("model.statsmodels",), ("statsmodels",),
        runs_code=True,
    ),
    Case("onnx", "onnx", _graph, array, _by_runtime, ("model.onnx",), ("onnx", "onnxruntime")),
    Case(
        "onnx-apart", "onnx", _graph, array, _by_runtime, ("model.onnx",), ("onnx", "onnxruntime"),
        {"save_as_external_data": True},
    ),
    Case(
        "pytorch-pt2", "pytorch", _network, array, _by_call, ("data/model.pt2",), ("torch",),
        theirs={"serialization_format": "pt2"},
    ),
    Case(
        "pytorch-pickle", "pytorch", _network, array, _by_call, ("data/model.pth",), ("torch", "cloudpickle"),
        {"serialization_format": "pickle"}, runs_code=True, theirs={"serialization_format": "pickle"},
    ),
    Case(
        "pytorch-script", "pytorch", _script, array, _by_call, (), ("torch",),
        runs_code=True, theirs={"serialization_format": "pickle"},
    ),
    Case(
        "pytorch-weights", "pytorch", _line, array, _by_call, ("data/model.safetensors",), ("torch", "safetensors"),
        {"serialization_format": "safetensors", "model_init": {"in_features": 2, "out_features": 1}},
        runs_code=True, theirs=None, ours_there=False,
    ),
    Case("keras", "keras", _dense, array, _by_keras, (), ("keras",)),
    Case("tensorflow-keras", "tensorflow", _dense, array, _by_keras, (), ("tensorflow",)),
    Case("tensorflow-module", "tensorflow", _module, array, _by_tensor, (), ("tensorflow",), runs_code=True),
    Case("transformers-labels", "transformers", _classifier, texts, _labels_of, ("model/model.safetensors",), ("transformers", "torch")),
    Case("transformers-texts", "transformers", _writer, texts, _texts_of, ("model/model.safetensors",), ("transformers", "torch")),
    Case(
        "sentences", "sentence_transformers", _sentences, texts, _by_encoding,
        ("model.sentence_transformer/model.safetensors",), ("sentence_transformers",),
    ),
    Case("spacy", "spacy", _sorter, text_table, _cats, ("model.spacy/textcat/model",), ("spacy",)),
    Case("spark", "spark", _assembled, head, _by_spark, (), ("pyspark",)),
)  # fmt: skip
BY_ID = {case.id: case for case in CASES}
