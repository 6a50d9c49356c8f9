"""Errors as MLflow's code knows them, also when they come out of another process."""

from __future__ import annotations

import json
import pickle
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

import gitml
from gitml.exceptions import ExecutionException, MlflowException, RestException
from gitml.tracking.params_file import ParamChangedError
from gitml.tracking.resolve import AmbiguousNameError


def import_everything() -> None:
    for module in pkgutil.walk_packages(gitml.__path__, "gitml."):
        if ".files." in module.name or module.name.endswith("__main__"):
            continue
        try:
            import_module(module.name)
        except ImportError as err:  # a framework that is not installed
            if (err.name or "").partition(".")[0] == "gitml":
                raise


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


@pytest.mark.filterwarnings("ignore")  # what frameworks say when they are loaded
def test_every_error_can_be_pickled():
    import_everything()
    kinds = {kind for kind in subclasses(MlflowException) if kind.__module__.startswith("gitml")}
    assert len(kinds) > 50
    for kind in kinds:
        error = kind.__new__(kind)
        error.args = ("it went wrong",)
        error.__dict__.update(message="it went wrong", hint="try again", fact=("a", 1))
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error)), kind


def test_a_pickled_error_says_the_same():
    error = ParamChangedError("lr", 1, 2)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.hint, copy.key, copy.old, copy.new) == (str(error), error.hint, "lr", 1, 2)
    assert pickle.loads(pickle.dumps(AmbiguousNameError("ab", [], "say more"))).matches == ()


def test_a_pool_gets_the_error_of_its_child(mlflow, run_script):
    done = run_script(
        """
        import multiprocessing, gitml
        from concurrent.futures import ProcessPoolExecutor

        def train(rate):
            gitml.log_param("lr", rate)

        fork = multiprocessing.get_context("fork")
        with gitml.start_run():
            gitml.log_param("lr", 0)
            with fork.Pool(1) as pool:
                try:
                    pool.map_async(train, [1]).get(timeout=30)
                except gitml.MlflowException as err:
                    print(type(err).__name__, err.key)
            with ProcessPoolExecutor(1, mp_context=fork) as pool:
                print(type(pool.submit(train, 1).exception(timeout=30)).__name__)
        """
    )
    assert done.stdout == "ParamChangedError lr\nParamChangedError\n"


def test_codes():
    assert MlflowException("m").error_code == "INTERNAL_ERROR"
    assert MlflowException("m", 3002).error_code == "RESOURCE_DOES_NOT_EXIST"
    assert MlflowException("m", error_code="BAD_REQUEST").get_http_status_code() == 400
    assert MlflowException("m", error_code=98765).error_code == "INTERNAL_ERROR"
    wrong = MlflowException.invalid_parameter_value("m")
    assert (str(wrong), wrong.error_code, wrong.get_http_status_code()) == (
        "m",
        "INVALID_PARAMETER_VALUE",
        400,
    )
    assert json.loads(wrong.serialize_as_json()) == {"error_code": "INVALID_PARAMETER_VALUE", "message": "m"}


def test_what_a_server_answered():
    error = RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"})
    assert isinstance(error, MlflowException)
    assert not isinstance(error, ExecutionException)
    assert str(error) == "RESOURCE_DOES_NOT_EXIST: no run"
    assert (error.error_code, error.get_http_status_code()) == ("RESOURCE_DOES_NOT_EXIST", 404)
    assert pickle.loads(pickle.dumps(error)).json == error.json


def test_a_changed_param_is_a_wrong_value(mlflow):
    with mlflow.start_run(), pytest.raises(MlflowException) as caught:
        mlflow.log_param("a", 1)
        mlflow.log_param("a", 2)
    assert (caught.value.error_code, caught.value.exit_code) == ("INVALID_PARAMETER_VALUE", 2)
