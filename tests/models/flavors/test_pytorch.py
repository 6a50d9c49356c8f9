"""Modules of PyTorch: what is data and what isn't, and how classes come back."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.needs import needed

torch = needed("torch")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]

GRAPH = "models/model.json"
NET = """\
import torch


class Net(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(2, width)
        self.out = torch.nn.Linear(width, 1)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))
"""


def change(path: Path, edit) -> None:
    """Write an archive anew, with each part as `edit(name, data)` has it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(parts)).partition("/")[0]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in edit({name.removeprefix(f"{root}/"): data for name, data in parts.items()}).items():
            archive.writestr(f"{root}/{name}", data)


def graph(edit):
    def change_graph(parts):
        told = json.loads(parts[GRAPH])
        edit(told)
        return {**parts, GRAPH: json.dumps(told).encode()}

    return change_graph


def first(told):
    return told["graph_module"]["graph"]["nodes"][0]


def put(key, value):
    return graph(lambda told: first(told).__setitem__(key, value))


def shapes(text):
    def edit(told):
        for value in told["graph_module"]["graph"]["tensor_values"].values():
            value["sizes"] = [{"as_expr": {"expr_str": text, "hint": None}}]

    return graph(edit)


def weights(**said):
    def edit(parts):
        name = "data/weights/model_weights_config.json"
        told = json.loads(parts[name])
        next(iter(told["config"].values())).update(said)
        return {**parts, name: json.dumps(told).encode()}

    return edit


def sampled(tmp_path: Path):
    class Other:
        def __reduce__(self):
            return print, ("run",)

    torch.save((Other(),), tmp_path / "samples")
    data = (tmp_path / "samples").read_bytes()
    return lambda parts: {**parts, "data/sample_inputs/model.pt": data}


@pytest.fixture
def saved(mlflow, in_repo: Path) -> Path:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    mlflow.pytorch.save_model(model, in_repo / "net", input_example=torch.ones(1, 2), pip_requirements=[])
    return in_repo / "net"


HOSTILE = {
    "any function below torch": put("target", "torch.os.system"),
    "a library": put("target", "torch.ops.load_library"),
    "a file": put("target", "torch.ops.aten.from_file.default"),
    "a class": put("target", "torch.ops.aten.add.__class__"),
    "a name that is code": put("name", "x=__import__('os').system('true')"),
    "a size that is code": shapes("__import__('os').system('true')"),
    "a size that is code in a text": shapes("Add('__import__(\"os\")', 1)"),
    "a guard that is code": graph(lambda told: told.update(guards_code=["print('run')"])),
    "a form of inputs of some class": graph(
        lambda told: told["graph_module"]["module_call_graph"][0]["signature"].update(
            in_spec='[1, {"type": "builtins.dict", "context": "{\\"__enum__\\": true}", "children_spec": []}]'
        )
    ),
    "a weight that is a pickle": weights(use_pickle=True),
    "a weight elsewhere": weights(path_name="../../x"),
    "a library of its own": lambda parts: {**parts, "data/aotinductor/model/x.so": b"\x7fELF"},
    "old weights": lambda parts: {**parts, "data/weights/model.pt": b"pickle"},
}


@pytest.mark.parametrize("what", [*HOSTILE, "samples", "no archive", "two of a name"])
def test_an_archive_that_is_more_than_data_needs_trust(
    mlflow, saved: Path, tmp_path: Path, what: str, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    path = saved / "data" / "model.pt2"
    assert mlflow.pytorch.load_model(saved, trust=False)(torch.ones(5, 2)).shape == (5, 3)
    change(path, lambda parts: parts)
    assert mlflow.pytorch.load_model(saved, trust=False)(torch.ones(5, 2)).shape == (5, 3)
    if what == "no archive":
        path.write_bytes(b"\x80\x04.")
    elif what == "two of a name":
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(archive.namelist()[0], b"other")
    else:
        change(path, sampled(tmp_path) if what == "samples" else HOSTILE[what])
    with pytest.raises(mlflow.models.UntrustedModelError):
        mlflow.pytorch.load_model(saved)
    with pytest.raises(mlflow.models.UntrustedModelError):
        mlflow.pyfunc.load_model(saved)


def test_a_program_tells_nothing_of_this_machine_and_takes_any_number_of_rows(mlflow, saved: Path):
    data = (saved / "data" / "model.pt2").read_bytes()
    assert str(Path(__file__).parent).encode() not in data
    assert b"site-packages" not in data
    model = mlflow.pyfunc.load_model(saved)
    for rows in (1, 2, 7):
        assert model.predict(torch.ones(rows, 2).numpy()).shape == (rows, 3)


def test_weights_come_back_into_a_class_of_the_models_own_code(mlflow, in_repo: Path, monkeypatch, gitml):
    (in_repo / "net_of_weights.py").write_text(NET)
    monkeypatch.syspath_prepend(in_repo)
    import net_of_weights

    model = net_of_weights.Net(5)
    save = mlflow.pytorch.save_model
    with pytest.raises(mlflow.GitmlError, match="can't be made with") as told:
        save(model, in_repo / "a", pip_requirements=[])
    assert "model_init" in told.value.hint
    with pytest.raises(mlflow.GitmlError, match="other weights"):
        save(model, in_repo / "a", model_init={"width": 6}, pip_requirements=[])
    save(
        model, in_repo / "a", model_init={"width": 5}, code_paths=[in_repo / "net_of_weights.py"],
        pip_requirements=[],
    )  # fmt: skip
    (in_repo / "net_of_weights.py").unlink()
    monkeypatch.delitem(__import__("sys").modules, "net_of_weights")
    again = mlflow.pytorch.load_model(in_repo / "a")
    x = torch.ones(3, 2)
    assert torch.equal(again(x), model(x))
    assert not again.training


def test_what_can_not_be_written_says_what_else_to_do(mlflow, in_repo: Path):
    class Local(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x  # a branch that depends on data

    save = mlflow.pytorch.save_model
    for options in ({}, {"input_example": torch.ones(1, 2)}):
        with pytest.raises(mlflow.GitmlError) as told:
            save(Local(), in_repo / "a", pip_requirements=[], **options)
        assert "serialization_format='pickle'" in told.value.hint
        assert not (in_repo / "a").exists()
    with pytest.raises(mlflow.GitmlError, match=r"builtins\.dict is no model of PyTorch"):
        save({}, in_repo / "a")
