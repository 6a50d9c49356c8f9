"""Programs of other languages: they log by gitml's commands."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from gitml.entities.run import RunStatus
from tests import forked_gitml
from tests.launching.harness import Project

R_SCRIPT = """
arguments <- commandArgs(trailingOnly = TRUE)
degree <- as.integer(arguments[which(arguments == "--degree") + 1])
gitml <- function(...) stopifnot(system2("gitml", shQuote(c(...))) == 0)

for (step in seq_len(degree)) {
  fit <- lm(dist ~ poly(speed, step), data = cars)
  cat("residual", sigma(fit), "\\n")
  gitml("log-metric", "residual", format(sigma(fit), digits = 17), "--step", step)
}
gitml("log-metric", "r.squared", summary(fit)$r.squared)
gitml("log-param", "data", "cars")
gitml("set-tag", "language", R.version$language)
write.csv(data.frame(coefficient = coef(fit)), "fit.csv")
gitml("log-artifact", "fit.csv")
if (degree > 5) stop("too many degrees of freedom")
"""


@pytest.fixture
def r_project(tmp_path: Path, project: Project) -> Project:
    """A project with an R script, and a command `gitml` for it."""
    if shutil.which("Rscript") is None:
        if "CI" in os.environ:
            pytest.fail("there is no Rscript; CI is to install it (r-base-core)")
        pytest.skip("there is no Rscript")
    (project.folder / "fit.R").write_text(R_SCRIPT)
    project.git("add", "fit.R")
    project.git("commit", "-qm", "a model in R")
    command = tmp_path / "bin" / "gitml"
    command.parent.mkdir()
    words = f'"{sys.executable}" -I -S "{forked_gitml.__file__}" run "{project.quick.socket}"'
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    project.environment["PATH"] = f"{command.parent}{os.pathsep}{project.environment['PATH']}"
    return project


def test_a_script_in_r_is_recorded(r_project: Project) -> None:
    done = r_project.run("-a", "fit.*", "Rscript", "fit.R", "--degree", "3")
    assert done.returncode == 0, done.stderr
    assert len(r_project.commits) == 1
    run = r_project.record()
    assert (run.status, run.exit_code, run.entry_point) == (RunStatus.FINISHED, 0, "fit.R")
    assert run.params == {"degree": 3, "data": "cars"}
    assert run.tags["language"] == "R"
    residual = run.metrics["residual"]
    assert (residual.count, residual.step) == (3, 3)
    assert residual.last == pytest.approx(15.2, abs=0.1)
    assert 0 < run.metrics["r.squared"].last < 1
    assert r_project.read("artifacts/fit.csv").startswith(b'"","coefficient"\n')
    assert r_project.read("code/fit.R").decode() == R_SCRIPT
    assert r_project.read("logs/output.log").count(b"residual") == 3


def test_a_script_in_r_that_fails_keeps_what_it_logged(r_project: Project) -> None:
    done = r_project.run("Rscript", "fit.R", "--degree", "6")
    assert done.returncode == 1
    run = r_project.record()
    assert (run.status, run.exit_code) == (RunStatus.FAILED, 1)
    assert run.metrics["residual"].count == 6
    assert b"too many degrees of freedom" in r_project.read("logs/output.log")
