"""Pipelines of transformers as `python_function`: texts in; by the task, texts, labels or numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitml.errors import UsageError

# Task → the key of what it says in one text.
_TEXTS = {
    "fill-mask": "token_str",
    "question-answering": "answer",
    "summarization": "summary_text",
    "text-generation": "generated_text",
    "text2text-generation": "generated_text",
    "automatic-speech-recognition": "text",
}
_LABELS = ("audio-classification", "image-classification", "text-classification", "sentiment-analysis")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A pipeline, and the keywords that it is called with."""

    pipeline: Any
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_config(self) -> Mapping[str, Any]:
        """The keywords that it is called with."""
        return self.config

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call the pipeline; params stand over its own keywords.

        Returns:
            Labels and scores as a table; texts as a list; embeddings as arrays; of other tasks, what it gives.
        """
        inputs = _inputs(data)
        told = {**self.config, **(params or {})}
        found = self.pipeline(**inputs, **told) if isinstance(inputs, dict) else self.pipeline(inputs, **told)
        return _outputs(str(self.pipeline.task), found)


def _inputs(data: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        if len(data.columns) == 1:
            return data.iloc[:, 0].tolist()
        return data.to_dict("records") if len(data) != 1 else data.to_dict("records")[0]
    if isinstance(data, pd.Series | np.ndarray):
        return data.tolist()
    if isinstance(data, (str, bytes, list, dict)):
        return data
    raise UsageError(
        f"a model of transformers can't predict a {type(data).__name__}",
        hint="give a text, a list of texts, or a table",
    )


def _outputs(task: str, found: Any) -> Any:
    import pandas as pd

    if task in _LABELS:
        return pd.DataFrame([_first(one) for one in (found if isinstance(found, list) else [found])])
    key = "translation_text" if task.startswith("translation") else _TEXTS.get(task)
    if key is not None:
        return [_first(one)[key] for one in (found if isinstance(found, list) else [found])]
    return found


def _first(found: Any) -> Any:
    """The best of several answers."""
    return found[0] if isinstance(found, list) else found
