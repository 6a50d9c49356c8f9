"""`evaluate`: a model, data and the answers in, metrics and plots out, kept with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gitml.api.data import from_pandas
from gitml.api.fluent import active_run, get_client, start_run
from gitml.api.inputs import input_record
from gitml.errors import UsageError
from gitml.models.autolog.training import muted
from gitml.models.evaluation import predicting
from gitml.models.evaluation.classifier import evaluate_classifier
from gitml.models.evaluation.data import Examples, read_examples
from gitml.models.evaluation.evaluation import Evaluation
from gitml.models.evaluation.extra import add_artifacts, add_metrics
from gitml.models.evaluation.metric import EvaluationMetric
from gitml.models.evaluation.regressor import evaluate_regressor
from gitml.models.evaluation.result import EvaluationResult
from gitml.models.evaluation.thresholds import MetricThreshold, validate_evaluation_results

_TYPES: Mapping[str, Callable[[Evaluation], None]] = {
    "classifier": evaluate_classifier,
    "regressor": evaluate_regressor,
}
_EVALUATORS = ("default", *_TYPES)


def evaluate(  # noqa: PLR0913 - MLflow's signature
    model: Any = None, data: Any = None, *, model_type: str | None = None, targets: Any = None,
    predictions: str | None = None, dataset_path: str | None = None, feature_names: Sequence[str] | None = None,
    evaluators: str | Sequence[str] | None = None, evaluator_config: Mapping[str, Any] | None = None,
    extra_metrics: Sequence[EvaluationMetric] | None = None,
    custom_artifacts: Sequence[Callable[..., Any]] | None = None, env_manager: str = "local",
    model_config: Mapping[str, Any] | None = None, inference_params: Mapping[str, Any] | None = None,
    model_id: str | None = None, validation_thresholds: Mapping[str, MetricThreshold] | None = None,
    baseline_model: Any = None, trust: bool | None = None,
) -> EvaluationResult:  # fmt: skip
    """Evaluate a model, and log what is found to the current run, or to one of its own.

    Args:
        model: A URI, a loaded model, an estimator, or a function that predicts; None if `data` has the
            predictions.
        data: The inputs: a table, an array or lists.
        model_type: `classifier` or `regressor`; None: only `extra_metrics` are computed.
        targets: The answers: a column of the table, or values.
        predictions: The column with predictions: of `data`, or of what the model gives.
        dataset_path: Where the data came from; it is recorded with the run.
        feature_names: The columns of the inputs, if not all; names for those of an array.
        evaluators: `default`, which is all there is.
        evaluator_config: How it is done: `label_list`, `pos_label`, `average`, `sample_weights`,
            `metric_prefix`, `max_classes_for_multiclass_roc_pr`, `calibration_n_bins`,
            `calibration_classifier_name`, `col_mapping`.
        extra_metrics: Metrics of your own; `make_metric` makes them.
        custom_artifacts: Functions that make files of predictions, metrics and a folder to write to.
        env_manager: `local`; models are evaluated in this process.
        model_config: What a model that is loaded is told.
        inference_params: What a prediction is told.
        model_id: Has no effect; models are artifacts here.
        validation_thresholds: What metrics must reach.
        baseline_model: A model to compare with; nothing of it is logged.
        trust: Whether code in the model may run; see `gitml.models.trust`.

    Raises:
        UsageError: The data or the options don't fit together.
        ModelValidationFailedError: A metric does not reach its threshold; what was found is logged.
    """
    del model_id
    config = _config(evaluators, evaluator_config)
    kind = _TYPES.get(model_type) if model_type is not None else None
    _check(model, data, model_type, predictions, env_manager, has_extra=bool(extra_metrics))
    predictor = predicting.load(model, model_config, trust)
    examples = read_examples(data, targets, predictions, feature_names, has_model=model is not None)
    if kind is not None and examples.targets is None:
        raise UsageError(f"a {model_type} is evaluated by answers", hint="give 'targets'")
    if kind is not None:
        examples.check_answers()
    baseline = None
    with muted():
        if baseline_model is not None:
            before = predicting.load(baseline_model, model_config, trust)
            compared = _start(before, examples, config, None, predictions, inference_params)
            baseline = _finish(compared, kind, extra_metrics, (), predictions)
        with _run() as run_id:
            _log_data(run_id, examples, dataset_path, config)
            made = _start(predictor, examples, config, run_id, predictions, inference_params)
            result = _finish(made, kind, extra_metrics, custom_artifacts, predictions)
            if validation_thresholds:
                validate_evaluation_results(validation_thresholds, result, baseline)
    return result


def _config(evaluators: Any, given: Mapping[str, Any] | None) -> dict[str, Any]:
    names = [evaluators] if isinstance(evaluators, str) else list(evaluators or ["default"])
    config = dict(given or {})
    for name in names:
        if name not in _EVALUATORS:
            raise UsageError(
                f"there is no evaluator '{name}'", hint="leave 'evaluators' out: there is 'default' only"
            )
        if isinstance(config.get(name), Mapping):
            config.update(config.pop(name))
    return config


def _check(
    model: Any,
    data: Any,
    model_type: str | None,
    predictions: str | None,
    env_manager: str,
    *,
    has_extra: bool,
) -> None:
    if data is None:
        raise UsageError("there is nothing to evaluate on", hint="give 'data'")
    if model is None and predictions is None:
        raise UsageError(
            "there is neither a model nor predictions",
            hint="give 'model', or the column of 'data' that has the predictions: predictions='…'",
        )
    if model_type is None and not has_extra:
        raise UsageError("there is nothing to compute", hint="give 'model_type' or 'extra_metrics'")
    if model_type is not None and model_type not in _TYPES:
        raise UsageError(f"there is no model type '{model_type}'", hint=f"there are {', '.join(_TYPES)}")
    if env_manager != "local":
        raise UsageError(
            f"models are evaluated in this process, not in one of '{env_manager}'",
            hint="gitml models env makes a model's environment; run the evaluation there",
        )


@contextmanager
def _run() -> Iterator[str]:
    there = active_run()
    if there is not None:
        yield there.run_id
        return
    with start_run() as run:
        yield run.run_id


def _log_data(run_id: str, examples: Examples, path: str | None, config: Mapping[str, Any]) -> None:
    table = examples.columns.copy(deep=False)
    if examples.targets is not None:
        table[examples.targets_name or "targets"] = examples.targets
    dataset = from_pandas(table, source=path, targets=examples.targets_name)
    record = input_record(dataset, context=config.get("metric_prefix") or None)
    get_client().writer(run_id).log_input(record)


def _start(
    model: Any, examples: Examples, config: Mapping[str, Any], run_id: str | None, predictions: str | None,
    params: Mapping[str, Any] | None,
) -> Evaluation:  # fmt: skip
    if model is None:
        predicted = predicting.Predicted(examples.predictions)
    else:
        predicted = predicting.predict(model, examples.inputs, predictions, params)
    if len(predicted.values) != len(examples):
        raise UsageError(
            f"the model gave {len(predicted.values)} predictions for {len(examples)} inputs",
            hint="it must give one for each",
        )
    return Evaluation(model, examples, predicted, config, run_id)


def _finish(
    evaluation: Evaluation, kind: Callable[[Evaluation], None] | None,
    extra: Sequence[EvaluationMetric] | None, makers: Sequence[Callable[..., Any]] | None, predictions: str | None,
) -> EvaluationResult:  # fmt: skip
    if kind is not None:
        examples = evaluation.examples
        own = predicting.score(evaluation.model, examples.inputs, examples.targets, evaluation.weights)
        evaluation.measure("the model's own score", lambda: {} if own is None else {"score": own})
        kind(evaluation)
    add_metrics(evaluation, extra or (), predictions)
    add_artifacts(evaluation, makers or ())
    return evaluation.result()
