"""What in a file of `torch.export` could run code when it is loaded or called.

Such an archive is a graph in JSON and raw tensors. But torch, reading it, unpickles what says that it is
a pickle, evaluates the expressions of its shapes, compiles its guards and names, and looks its operators
up by any path below `torch`. So a file counts as data only if all that it has is of the known, harmless
form. Whatever else it holds is named, and needs trust; nothing is loaded for that.
"""

from __future__ import annotations

import ast
import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MARKS = ("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id",
          ".format_version", ".storage_alignment", "version")  # fmt: skip
_GRAPH, _SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
_CONFIGS = {
    "data/weights/model_weights_config.json": "weight_",
    "data/constants/model_constants_config.json": "tensor_",
}
_TENSOR = re.compile(r"data/(weights/weight|constants/tensor)_\d+")
_MAX_JSON = 256 << 20

# Operators: kernels by name; arithmetic on sizes. Words among their arguments are modes, never names of files.
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\.(?!_?_?(save|load|from_file))"
    r"(?!__(?!i?(and|or|xor|lshift|rshift)__\.))\w+\.(?!__)\w+"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|associative_scan|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.(ceil|floor|sqrt|trunc)"
    r"|torch\.(sym_float|sym_int|sym_ite|sym_max|sym_min|sym_not|sym_sum|sym_sqrt)"
)  # fmt: skip
_WORD = re.compile(r"[\w.\-]*")
_MODE = re.compile(r"[\w,>. \-]{0,64}")
_SYMBOL = re.compile(r"[A-Za-z_]{1,8}\d+")
_FUNCTIONS = frozenset((
    "Abs", "Add", "And", "BooleanFalse", "BooleanTrue", "CeilToInt", "CleanDiv", "Eq", "Equality", "FloatPow",
    "FloatTrueDiv", "FloorDiv", "FloorToInt", "Float", "GreaterThan", "Ge", "Gt", "Integer", "IntTrueDiv",
    "IsNonOverlappingAndDenseIndicator", "Le", "LessThan", "Lt", "Max", "Min", "Mod", "ModularIndexing", "Mul",
    "Ne", "Not", "Or", "Piecewise", "Pow", "PowByNatural", "PythonMod", "Rational", "RoundDecimal",
    "RoundToInt", "StrictGreaterThan", "StrictLessThan", "Symbol", "ToFloat", "TruncToFloat", "TruncToInt",
    "Unequality", "Where", "ceiling", "false", "floor", "inf", "max", "min", "true",
))  # fmt: skip
_NODES = (ast.Expression, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.Name, ast.Call,
          ast.keyword, ast.Load, ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.Tuple,
          ast.Subscript, ast.Attribute)  # fmt: skip
_TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_FREE = ("metadata", "stack_trace")  # told to people, and kept as text
_PICKLED = re.compile(r"torch\._utils _rebuild_tensor_v2|collections OrderedDict|torch \w+Storage")
_OTHER_CLASSES = ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")


def unsafe_parts(path: Path) -> tuple[str, ...]:
    """Say what in an archive is not plainly data, a sentence each; empty if all of it is.

    Args:
        path: A file that `torch.export.save` wrote, or somebody who says so.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = list(_parts(archive))
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError, NotImplementedError) as err:
        return (f"'{path.name}' can't be looked through: {err!s:.200}",)
    return tuple(f"'{path.name}' {part}" for part in dict.fromkeys(found[:5]))


def _parts(archive: zipfile.ZipFile) -> Iterator[str]:
    names = archive.namelist()
    root = names[0].partition("/")[0] + "/" if names else "/"
    inside = [name.removeprefix(root) for name in names]
    if len(set(names)) != len(names) or not all(name.startswith(root) for name in names):
        yield "is not laid out as torch lays it out"
        return
    for name in inside:
        known = name in _MARKS or name in _CONFIGS or name in (_GRAPH, _SAMPLES) or _TENSOR.fullmatch(name)
        if not known and not name.startswith("extra/"):
            yield f"has a part '{name:.80}'"
    if _GRAPH not in inside:
        yield "has no graph"
        return
    for name, start in _CONFIGS.items():
        if name not in inside or not _is_raw(_json(archive, root + name), start):
            yield f"has tensors that are pickles, by '{name}'"
    if _SAMPLES in inside and not _only_tensors(archive.read(root + _SAMPLES)):
        yield "has a pickle of other things than tensors"
    yield from _graph(_json(archive, root + _GRAPH), "")


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _MAX_JSON:
        raise ValueError(f"'{name}' is too large")
    return json.loads(archive.read(name))


def _is_raw(config: Any, start: str) -> bool:
    return all(
        entry["use_pickle"] is False and re.fullmatch(start + r"\d+", entry["path_name"]) is not None
        for entry in config["config"].values()
    )


def _only_tensors(data: bytes) -> bool:
    """Whether a pickle of torch's names no class but those of tensors; it is read, not run."""
    if not data:
        return True
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        if len(pickles) != 1:
            return False
        for code, argument, _ in pickletools.genops(archive.read(pickles[0])):
            if code.name in _OTHER_CLASSES or (
                code.name == "GLOBAL" and not _PICKLED.fullmatch(str(argument))
            ):
                return False
    return True


def _graph(value: Any, key: str) -> Iterator[str]:
    """Walk the graph; by the key, a text is an operator, an expression, a form of data, or a mere word."""
    if key in _FREE:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if not _WORD.fullmatch(name):
                yield f"has a name '{name:.80}'"
            yield from _graph(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _graph(inner, key)
    elif isinstance(value, str) and not _is_harmless(value, key):
        yield f"has a {key or 'text'} '{value:.80}'"


def _is_harmless(text: str, key: str) -> bool:
    if key in ("target", "as_operator"):
        return _OPERATOR.fullmatch(text) is not None
    if key in ("expr_str", "guards_code"):
        return _is_arithmetic(text)
    if key in ("in_spec", "out_spec"):
        return not text or _is_tree(json.loads(text)[1])
    if key == "as_string":
        return _MODE.fullmatch(text) is not None
    if key == "torch_version":
        text = text.replace("+", ".")
    return _WORD.fullmatch(text) is not None


def _is_tree(spec: Any) -> bool:
    """Whether a form of inputs is made of plain containers, with words for keys."""
    if spec["type"] not in _TREES:
        return False
    context = spec["context"]
    keys = json.loads(context) if isinstance(context, str) else context
    if keys is not None and not (
        isinstance(keys, list) and all(isinstance(one, str) and re.fullmatch(r"\w+", one) for one in keys)
    ):
        return False
    return all(_is_tree(one) for one in spec["children_spec"])


def _is_arithmetic(text: str) -> bool:
    """Whether an expression does nothing but count with sizes."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, MemoryError):
        return False
    return all(isinstance(node, _NODES) and _is_known(node) for node in ast.walk(tree))


def _is_known(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS or node.id == "L" or _SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.Attribute):
        return node.attr in ("size", "shape")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Symbol":
        return len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
    if isinstance(node, ast.Call):
        return not any(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in node.args)
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str) or re.fullmatch(r"\w+", node.value) is not None
    return True
