"""Models that are Python code: classes, functions, files of code, and loader modules."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from gitml.errors import UsageError
from gitml.models.batches import format_of, predict_file
from gitml.models.tables.sinks import open_sink
from gitml.pyfunc import PythonModel
from tests.models.saved import QUICK, elsewhere

TABLE = pd.DataFrame({"word": ["a", "b"]})


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))


class Speaker(PythonModel):
    """Says what an artifact, its configuration and params tell it to."""

    def load_context(self, context):
        self.before = Path(context.artifacts["before"]).read_text()

    def predict(self, context, model_input, params=None):
        after = context.model_config["after"] * (params or {}).get("times", 1)
        return [f"{self.before}{word}{after}" for word in model_input["word"]]

    def predict_stream(self, context, model_input, params=None):
        yield from self.predict(context, model_input, params)


def test_a_class_with_artifacts_configuration_and_params(mlflow, tmp_path):
    (tmp_path / "before.txt").write_text("<")
    signature = mlflow.models.infer_signature(TABLE, ["x"], {"times": 1})
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="speaker", python_model=Speaker(), artifacts={"before": str(tmp_path / "before.txt")},
            model_config={"after": ">"}, signature=signature, **QUICK,
        )  # fmt: skip
    assert info.flavors["python_function"]["artifacts"] == {
        "before": {"path": "artifacts/before.txt", "uri": "before.txt"}
    }
    model = mlflow.pyfunc.load_model(info.model_uri)
    assert model.predict(TABLE) == ["<a>", "<b>"]
    assert model.predict(TABLE, {"times": 2}) == ["<a>>", "<b>>"]
    assert list(model.predict_stream(TABLE)) == ["<a>", "<b>"]
    assert isinstance(model.unwrap_python_model(), Speaker)
    other = mlflow.pyfunc.load_model(info.model_uri, model_config={"after": "!"})
    assert other.predict(TABLE) == ["<a!", "<b!"]
    # What is handed to the model's code is a copy: writing to it changes nothing of the run.
    stored = Path(model.folder, "artifacts/before.txt")
    stored.write_text("changed")
    assert mlflow.pyfunc.load_model(info.model_uri).predict(TABLE) == ["<a>", "<b>"]


def test_functions_and_their_hints(mlflow, tmp_path):
    def shout(model_input: list[str]) -> list[str]:
        return [word.upper() for word in model_input]

    made = mlflow.pyfunc.save_model(tmp_path / "m", python_model=shout, input_example=["a"], **QUICK)
    assert made.is_signature_from_type_hint
    model = mlflow.pyfunc.load_model(tmp_path / "m")
    assert model.predict(["x"]) == model.predict(pd.DataFrame({"any": ["x"]})) == ["X"]
    with pytest.raises(mlflow.MlflowException, match="str"):
        model.predict([1])
    assert model.input_example == ["a"]
    assert model.unwrap_python_model()(["y"]) == ["Y"]


def test_models_from_code_have_no_pickle(mlflow, tmp_path, monkeypatch):
    (tmp_path / "speaker.py").write_text(
        textwrap.dedent("""
            import gitml as mlflow

            config = mlflow.models.ModelConfig(development_config={"mark": "?"})

            class Speaker(mlflow.pyfunc.PythonModel):
                def predict(self, model_input):
                    return [word + config.get("mark") for word in model_input["word"]]

            mlflow.models.set_model(Speaker())
        """)
    )
    made = mlflow.pyfunc.save_model(
        tmp_path / "m", python_model=str(tmp_path / "speaker.py"), input_example=TABLE, **QUICK
    )
    assert made.flavors["python_function"]["model_code_path"] == "speaker.py"
    assert not list((tmp_path / "m").glob("*.pkl"))
    (tmp_path / "speaker.py").unlink()
    assert mlflow.pyfunc.load_model(tmp_path / "m").predict(TABLE) == ["a?", "b?"]
    assert mlflow.pyfunc.load_model(tmp_path / "m", model_config={"mark": "!"}).predict(TABLE) == ["a!", "b!"]
    elsewhere(monkeypatch, tmp_path / "other")
    with pytest.raises(mlflow.models.UntrustedModelError, match=r"'speaker.py' is Python code"):
        mlflow.pyfunc.load_model(tmp_path / "m")
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(UsageError, match="'empty.py' sets no model"):
        mlflow.pyfunc.save_model(tmp_path / "n", python_model=tmp_path / "empty.py")


def test_a_loader_module_reads_its_data(mlflow, tmp_path):
    (tmp_path / "own_loader.py").write_text(
        textwrap.dedent("""
            from pathlib import Path

            class Repeater:
                def __init__(self, path):
                    self.times = int(Path(path).read_text())

                def predict(self, data):
                    return [word * self.times for word in data["word"]]

            def _load_pyfunc(path):
                return Repeater(path)
        """)
    )
    (tmp_path / "times.txt").write_text("3")
    made = mlflow.pyfunc.save_model(
        tmp_path / "m", loader_module="own_loader", data_path=tmp_path / "times.txt",
        code_paths=[tmp_path / "own_loader.py"], **QUICK,
    )  # fmt: skip
    assert made.flavors["python_function"]["data"] == "data/times.txt"
    assert mlflow.pyfunc.load_model(tmp_path / "m").predict(TABLE) == ["aaa", "bbb"]


@pytest.mark.heavy
def test_what_is_imported_is_seen_and_what_no_package_brings_is_told(mlflow, tmp_path, monkeypatch):
    (tmp_path / "own_words.py").write_text(
        "import yaml\n\ndef known(word):\n    return yaml.safe_load(word)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from own_words import known

    class Knower(PythonModel):
        def predict(self, model_input):
            return [known(word) for word in model_input]

    Knower.__module__ = "__main__"
    with pytest.warns(UserWarning, match="the model needs own_words, which no package brings"):
        mlflow.pyfunc.save_model(tmp_path / "m", python_model=Knower())
    names = [line.partition("==")[0] for line in (tmp_path / "m/requirements.txt").read_text().splitlines()]
    assert [name.lower() for name in names] == ["cloudpickle", "pyyaml"]
    mlflow.pyfunc.save_model(tmp_path / "n", python_model=Knower(), infer_code_paths=True, **QUICK)
    assert (tmp_path / "n/code/own_words.py").is_file()


def test_what_is_no_model_is_refused(mlflow, tmp_path):
    for wrong, problem in (
        (Speaker, "is a class, not a model"),
        (5, "no PythonModel"),
        (None, "give 'python_model'"),
    ):
        with pytest.raises(UsageError, match=problem):
            mlflow.pyfunc.save_model(tmp_path / "m", python_model=wrong)
    with pytest.raises(UsageError, match="is not a file here"):
        mlflow.pyfunc.save_model(
            tmp_path / "m", python_model=Speaker(), artifacts={"x": "https://u:p@host/x"}
        )
    assert not (tmp_path / "m").exists()


WORDS = pd.DataFrame({"word": ["007", "-", "é" * 20, "x"] * 5})
LENGTHS = [3, 1, 20, 1] * 5


@pytest.fixture
def length(mlflow):
    def predict(model_input):
        return [len(word) for word in model_input["word"]]

    predict.__module__ = "__main__"
    signature = mlflow.models.infer_signature(TABLE)
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            "m", python_model=predict, signature=signature, registered_model_name="length", **QUICK
        )
    return mlflow.pyfunc.load_model("models:/length/1")


def test_tables_of_all_formats_are_predicted_in_batches(length, tmp_path):
    WORDS.to_csv(tmp_path / "in.csv", index=False)
    WORDS.to_parquet(tmp_path / "in.parquet")
    WORDS.to_json(tmp_path / "in.jsonl", orient="records", lines=True)
    WORDS.to_json(tmp_path / "in.json", orient="records")
    (tmp_path / "split.json").write_text(json.dumps({"dataframe_split": WORDS.to_dict(orient="split")}))
    readers = {
        "csv": pd.read_csv,
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.read_json(path, lines=True),
        "json": lambda path: pd.DataFrame({"prediction": json.loads(path.read_text())["predictions"]}),
    }
    for name in ("in.csv", "in.parquet", "in.jsonl", "in.json", "split.json"):
        for target, read in readers.items():
            path, seen = tmp_path / f"out.{target}", []
            with open_sink(path, target, sys.stdout) as sink:
                source = tmp_path / name
                assert (
                    predict_file(length, source, format_of(source), sink, rows=3, advance=seen.append) == 20
                )
            assert (read(path)["prediction"].tolist(), max(seen)) == (LENGTHS, 3), (name, target)


def test_predicting_on_the_command_line(length, gitml, in_repo, tmp_path, monkeypatch):
    WORDS.to_csv(tmp_path / "in.csv", index=False)
    printed = gitml(in_repo, "models", "predict", "length@v1", "-i", str(tmp_path / "in.csv")).stdout
    assert json.loads(printed) == {"predictions": LENGTHS}
    (tmp_path / "bad.csv").write_text("word\n1\n")
    target = tmp_path / "out.csv"
    files = ("-i", str(tmp_path / "bad.csv"), "-o", str(target))
    elsewhere(monkeypatch, tmp_path / "other")
    refused = gitml(in_repo, "models", "predict", "length@v1", *files, code=4)
    assert "is a cloudpickle" in refused.stderr
    (tmp_path / "bad.csv").write_text("other\n1\n")
    failed = gitml(in_repo, "models", "predict", "length@v1", *files, "--trust", code=2)
    assert "column 'word' (string)" in failed.stderr
    assert not target.exists()
    assert not list(tmp_path.glob(".gitml*"))
