"""What is refused before it is recorded, and leaves nothing behind."""

from __future__ import annotations

import pytest

from gitml.entities.run import RunStatus
from gitml.errors import InvalidNameError, InvalidValueError, UsageError
from gitml.index import Query
from gitml.tracking import edit, experiments, history
from gitml.tracking.commit import finish_run
from gitml.tracking.redaction import SecretRedactedWarning
from gitml.tracking.start import start_run


def finished(repo, **facts):
    live = start_run(repo, **facts)
    finish_run(repo, live, RunStatus.FINISHED)
    return history.get_run(repo, live.run_id)


def test_what_a_run_cannot_begin_with_leaves_no_run(repo):
    wrong = (
        {"tags": {"a\nb": 1}},
        {"params": {"x" * 251: 1}},
        {"tags": {"a": "x" * 2**21}},
        {"name": "a\nb"},
    )
    for facts in wrong:
        with pytest.raises((InvalidNameError, InvalidValueError)):
            start_run(repo, **facts)
    assert repo.journal.ids() == []


def test_tokens_as_names_are_redacted_or_refused(repo):
    token = "gh" + "p_abcdefghijklmnopqrstuvwxyz0123456789"
    run = finished(repo)
    with pytest.warns(SecretRedactedWarning):
        edit.rename_run(repo, run.id, token)
    assert history.get_run(repo, run.id).name == "[redacted: github token]"
    experiments.create_experiment(repo, "churn")
    for use in (
        lambda: experiments.create_experiment(repo, token),
        lambda: experiments.ensure_experiment(repo, token),
        lambda: experiments.rename_experiment(repo, "churn", token),
        lambda: start_run(repo, experiment=token),
    ):
        with pytest.raises(InvalidNameError, match="looks like a secret") as caught:
            use()
        assert token not in str(caught.value)


def test_a_regular_expression_that_takes_for_ever_is_an_error(repo):
    finished(repo, name="a" * 60 + "b")
    with pytest.raises(UsageError, match="takes too long"):
        repo.index.search(Query(filter="name ~ '(?:a|a)+$'"))
    assert len(repo.index.search(Query(filter="name ~ '^a+b$'"))) == 1
