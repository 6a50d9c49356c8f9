"""In which formats the files of a model are, by their names and by what its MLmodel says.

Nothing is loaded, and no content is looked at: a file is what its name says, since that is
what a loader goes by. Where MLmodel says more of a pickle, it is that kind of pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitml.formats import yaml

MLMODEL = "MLmodel"
OTHER = "other"

# Format to how names of its files end. docs/how-to/promotion-policy.md has the table.
ENDINGS: Mapping[str, tuple[str, ...]] = {
    # Loading one of these runs what is in it.
    "pickle": (".pkl", ".pickle", ".p"),
    "cloudpickle": (".cloudpickle", ".cpkl"),
    "joblib": (".joblib",),
    "dill": (".dill",),
    "torch": (".pt", ".pth", ".ckpt", ".pt2", "pytorch_model.bin"),
    "python": (".py", ".pyc", ".so", ".ipynb"),
    "hdf5": (".h5", ".hdf5"),
    "keras": (".keras",),
    "tensorflow": (".pb",),
    "rds": (".rds", ".rdata"),
    "java": (".jar", ".class"),
    "archive": (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".whl", ".mar"),
    # These are data.
    "skops": (".skops",),
    "safetensors": (".safetensors",),
    "onnx": (".onnx",),
    "gguf": (".gguf",),
    "tflite": (".tflite",),
    "numpy": (".npy", ".npz"),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather"),
    "catboost": (".cbm",),
    "xgboost": (".ubj", ".xgb"),
    "lightgbm": (".lgb",),
    "pmml": (".pmml",),
    "coreml": (".mlmodel", ".mlpackage"),
    "flax": (".msgpack",),
    "sentencepiece": (".spm",),
}
FORMATS = (*ENDINGS, OTHER)
# What stands beside a model, and is text or pictures.
_BESIDE = (
    MLMODEL.lower(), ".yaml", ".yml", ".json", ".jsonl", ".txt", ".md", ".csv", ".tsv", ".toml", ".cfg", ".ini",
    ".html", ".png", ".jpg", ".jpeg", ".svg", ".pdf", ".jinja", ".gitattributes", "license", "readme",
)  # fmt: skip
# Tables, pictures and pages: text such as JSON may well be a model, these are none.
_NO_MODELS = (".csv", ".tsv", ".md", ".html", ".png", ".jpg", ".jpeg", ".svg", ".pdf", ".log")
_PICKLES = ("pickle", "cloudpickle", "joblib", "dill")
_MAX_FLAVORS = 100


def formats_of(paths: Iterable[str], mlmodel: bytes | None = None) -> dict[str, str]:
    """Tell the formats of a model's files: path to format. What is only beside a model is left out.

    Args:
        paths: The files, below the model.
        mlmodel: What its MLmodel holds, if it has one.

    Raises:
        DamagedError: The MLmodel can't be read.

    Example:
        >>> formats_of(["model.safetensors", "model.pkl", "conda.yaml"])
        {'model.safetensors': 'safetensors', 'model.pkl': 'pickle'}
    """
    said = dict(_declared(mlmodel)) if mlmodel is not None else {}
    found: dict[str, str] = {}
    for path in paths:
        by_name = _by_name(path)
        if by_name == "pickle" and said.get(path) in _PICKLES:
            by_name = said[path]
        if by_name is not None:
            found[path] = by_name
    return found


def is_no_model(paths: Iterable[str]) -> bool:
    """Whether files are, by their names, nothing but tables, pictures and pages."""
    return all(path.lower().endswith(_NO_MODELS) for path in paths)


def _by_name(path: str) -> str | None:
    name = path.rpartition("/")[2].lower()
    for known, endings in ENDINGS.items():
        if name.endswith(endings):
            return known
    return None if name.endswith(_BESIDE) else OTHER


def _declared(mlmodel: bytes) -> Iterator[tuple[str, str]]:
    """What an MLmodel says of the files that it names."""
    flavors = yaml.load_mapping(mlmodel, source=MLMODEL).get("flavors")
    if not isinstance(flavors, dict):
        return
    for flavor in list(flavors.values())[:_MAX_FLAVORS]:
        if isinstance(flavor, dict):
            yield from _of_flavor(flavor)


def _of_flavor(flavor: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    said = flavor.get("serialization_format")
    for key in ("pickled_model", "model_path", "python_model", "data"):
        path = flavor.get(key)
        if isinstance(path, str):
            form = "cloudpickle" if key == "python_model" and said is None else said
            if isinstance(form, str):
                yield path, form.lower()
