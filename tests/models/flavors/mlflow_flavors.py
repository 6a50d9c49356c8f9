"""Run by a Python that has mlflow and not gitml: save as MLflow does, and load what gitml saved.

python mlflow_flavors.py CASE THEIRS OURS
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import mlflow.pyfunc  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from cases import BY_ID, plain  # noqa: E402


def main() -> None:
    case = BY_ID[sys.argv[1]]
    theirs, ours = map(Path, sys.argv[2:])
    module = importlib.import_module(f"mlflow.{case.flavor}")
    data = case.example()
    said = {}
    if case.theirs is not None:
        model = case.make()
        if case.flavor == "pytorch":
            model.eval()  # MLflow exports it as it is, dropout and all
        if case.flavor == "keras":
            theirs.mkdir()  # MLflow's forgets to, for an example
        module.save_model(model, str(theirs), pip_requirements=[], input_example=data, **case.theirs)
        said["predicted"] = plain(case.predict(model, data))
        said["theirs"] = plain(mlflow.pyfunc.load_model(str(theirs)).predict(data))
        signature = mlflow.models.get_model_info(str(theirs)).signature
        said["signature"] = signature and signature.to_dict()
    if case.ours_there:
        said["native"] = plain(case.predict(module.load_model(str(ours)), data))
        function = mlflow.pyfunc.load_model(str(ours))
        said["function"] = plain(function.predict(data))
        said["our signature"] = function.metadata.signature.to_dict()
    print("\nANSWER", json.dumps(said))


main()
