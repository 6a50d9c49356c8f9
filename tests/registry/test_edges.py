"""Names that look alike, reasons that nobody asked for, and secrets in unlikely places."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

import pytest

from gitml.formats.registry_names import collision_key, model_id
from gitml.registry import models, versions
from gitml.registry.models import ModelExistsError
from gitml.registry.names import find_version
from gitml.repo import Repo
from gitml.tracking.redaction import SecretRedactedWarning
from gitml.tracking.resolve import resolve_run
from tests.sync.conftest import Clone

Make = Callable[[str], Clone]
COMPOSED, TAKEN_APART = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
SMALL = {"model/weights.bin": b"w"}
KEY = "sk-ant-api03-" + "Ab1Cd2Ef3Gh4" * 8


def test_a_name_in_another_form_of_unicode_is_the_same_model(repo: Repo, churn: Callable):
    assert COMPOSED != TAKEN_APART
    churn(COMPOSED)
    assert churn(TAKEN_APART).version == 2
    assert [model.name for model in models.list_models(repo)] == [COMPOSED]
    assert find_version(repo, f"{TAKEN_APART}@latest").version == 2
    with pytest.raises(ModelExistsError):
        models.create_model(repo, TAKEN_APART)
    churn("other")
    with pytest.raises(ModelExistsError):
        models.rename_model(repo, "other", TAKEN_APART)
    models.rename_model(repo, COMPOSED, TAKEN_APART)  # its own name may be written anew
    models.delete_model(repo, TAKEN_APART)
    assert (churn(TAKEN_APART.upper()).version, len(models.list_models(repo, deleted=True))) == (1, 3)
    keys = [collision_key(model.id) for model in models.list_models(repo, deleted=True)]
    assert len(set(keys)) == 3
    assert collision_key(model_id(COMPOSED)) == collision_key(model_id(TAKEN_APART.upper()))


def test_whoever_loses_a_race_against_the_very_same_has_nothing_to_do(clone: Make, gitml):
    ada, bob = clone("ada"), clone("bob")
    ada.record("one", SMALL)
    with ada.open() as repo:
        for _ in range(2):
            versions.register(repo, resolve_run(repo, "one"), "churn", "model")
    ada.push()
    bob.pull()
    gitml(ada.folder, "models", "promote", "churn", "1", "Production")
    gitml(ada.folder, "models", "promote", "churn", "1", "Staging")
    gitml(ada.folder, "push")
    gitml(bob.folder, "models", "promote", "churn", "1", "Production")
    told = gitml(bob.folder, "push").stderr
    assert "that is the same, nothing is left to do" in told
    gitml(ada.folder, "models", "promote", "churn", "2", "Production")
    gitml(ada.folder, "push")
    gitml(bob.folder, "models", "alias", "churn", "champion", "1")
    gitml(bob.folder, "push")
    gitml(ada.folder, "models", "alias", "churn", "champion", "2")
    assert "1 tag of the registry could not be shared" in gitml(ada.folder, "push", code=4).stderr


def test_a_reason_to_override_that_was_not_needed_is_told(repo: Repo, churn: Callable, git_repo, gitml):
    churn()
    for again in (False, True):
        done = gitml(
            git_repo, "models", "promote", "churn", "1", "Staging", "--override", "in a hurry", "--json"
        )
        assert "nothing had to be overridden: the reason is not recorded (in a hurry)" in done.stderr, again
        assert "in a hurry" not in json.dumps(json.loads(done.stdout))
    for words in (["demote", "churn", "1"], ["archive", "churn", "1"]):
        assert "not recorded (so)" in gitml(git_repo, "models", *words, "--override", "so").stderr
    assert "overridden" not in gitml(git_repo, "models", "promote", "churn", "1", "Staging").stderr


def test_the_name_of_a_tag_is_no_place_for_a_secret(repo: Repo, churn: Callable, git_repo, git, gitml):
    churn()
    run = resolve_run(repo, "brisk-heron").id
    for words in (
        ["models", "annotate", "churn@v1", "--tag"],
        ["tag", run],
        ["models", "annotate", "churn", "--tag"],
    ):
        told = gitml(git_repo, *words, f"{KEY}=k").stderr
        assert "the name of a tag looks like a secret" in told
        assert KEY not in told
    with pytest.warns(SecretRedactedWarning, match="the name of a tag"):
        churn(tags={KEY: "k"})
    (key,) = versions.get_version(repo, "churn", 1).tags
    assert key.startswith("[redacted: ")
    history = git(git_repo, "log", "-p", "gitml/runs") + git(git_repo, "for-each-ref", "--format=%(contents)")
    assert KEY not in history
