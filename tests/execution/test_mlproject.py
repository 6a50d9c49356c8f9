"""The MLproject file: what MLflow's users have is read, and what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitml.entities.project import (
    DockerSpec,
    EnvironmentKind,
    EnvironmentSpec,
    Parameter,
    ParameterType,
    Project,
)
from gitml.errors import UsageError
from gitml.execution.definition import (
    OutsideError,
    UnknownEntryPointError,
    environment_for,
    find_entry_point,
    load_project,
)
from gitml.formats.mlproject import ProjectFile, ProjectFileError, decode_project

MLFLOW_STYLE = """\
name: My Project

{environment}

entry_points:
  main:
    parameters:
      data_file: path
      regularization: {{type: float, default: 0.1}}
      rate:
        type: float
        default: 1e-3
      epochs: {{type: int, default: 10}}
      source: {{type: uri, default: "https://host/a.csv"}}
      shuffle: {{default: true}}
      note: {{type: string, default: ""}}
      seed: {{type: int, default: null}}
    command: >
      python train.py -r {{regularization}} --rate {{rate}} --epochs {{epochs}}
      {{data_file}} {{source}} {{shuffle}} {{note}} {{seed}}
  validate:
    parameters:
      data_file: path
    command: "python validate.py {{data_file}}"
  plain:
    command: "echo ${{{{HOME}}}}"
"""


def read(text: str) -> ProjectFile:
    return decode_project(text.encode(), "MLproject")


def fill(environment: str) -> Project:
    found = read(MLFLOW_STYLE.format(environment=environment))
    assert not found.errors
    assert not found.remarks
    return found.project


@pytest.mark.parametrize(
    ("environment", "kind", "file"),
    [
        ("python_env: files/config/python_env.yaml", EnvironmentKind.PYTHON, "files/config/python_env.yaml"),
        ("conda_env: ./my_env.yaml", EnvironmentKind.CONDA, "my_env.yaml"),
        ("kubernetes_env: {}", EnvironmentKind.NONE, None),
        ("python_env:", EnvironmentKind.NONE, None),
    ],
)
def test_a_file_as_mlflow_users_have_it(environment: str, kind: EnvironmentKind, file: str | None):
    project = fill(environment)
    assert (project.name, project.environment.kind, project.environment.file) == ("My Project", kind, file)
    assert list(project.entry_points) == ["main", "validate", "plain"]
    assert {
        parameter.name: (parameter.type.value, parameter.default)
        for parameter in project.entry_points["main"].parameters
    } == {
        "data_file": ("path", None),
        "regularization": ("float", "0.1"),
        "rate": ("float", "1e-3"),
        "epochs": ("int", "10"),
        "source": ("uri", "https://host/a.csv"),
        "shuffle": ("string", "True"),  # what MLflow hands to the program
        "note": ("string", ""),
        "seed": ("int", None),
    }


def test_containers():
    docker = """docker_env:
  image: registry.host/team/image:7.1@sha256:0a
  volumes: ["/local/path:/container/mount/path:ro"]
  environment: [["NEW_ENV_VAR", "new value"], VAR_TO_COPY_FROM_HOST_ENVIRONMENT]"""
    assert fill(docker).environment.docker == DockerSpec(
        "registry.host/team/image:7.1@sha256:0a",
        ("/local/path:/container/mount/path:ro",),
        (("NEW_ENV_VAR", "new value"), ("VAR_TO_COPY_FROM_HOST_ENVIRONMENT", None)),
    )


def test_more_than_mlflow_has():
    found = read(
        "entry_points: {main: {command: 'x {a} {b} {c}', parameters: {a: {type: int, min: 1, max: 9, default: 3},"
        " b: {choices: [on, off], default: on}, c: {type: bool, default: true}}}}"
    )
    assert found.errors == ()
    assert found.project.entry_points["main"].parameters == (
        Parameter("a", ParameterType.INT, "3", least=1, most=9),
        Parameter("b", ParameterType.CHOICE, "on", ("on", "off")),
        Parameter("c", ParameterType.BOOL, "true"),
    )


def entry(parameters: str = "{}", command: str = "x") -> str:
    return f"entry_points:\n  main:\n    parameters: {parameters}\n    command: {command}\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("entry_points: [a]", 1, "'entry_points' must have keys"),
        ("entry_points:\n  main:\n    parameters: {}\n", 2, "lacks 'command'"),
        ("python_env: a.yaml\nconda_env: b.yaml", 2, "'python_env' names one already"),
        ("name: x\nconda_env: ../b.yaml", 2, "must be a file in the project's folder"),
        ("conda_env: /etc/passwd", 1, "must be a file in the project's folder"),
        ("docker_env: {volumes: []}", 1, "lacks 'image'"),
        ("docker_env:\n  image: a\n  environment:\n  - [A, b, c]", 4, "no pair"),
        ("docker_env:\n  image: --privileged", 2, "begins with '-'"),
        ("databricks_spark_job: {python_file: a.py}", 1, "not supported"),
        ("name: &a x\nconda_env: *a", 1, "anchors and aliases are not allowed"),
        ("name: [a\n", 2, "did not find"),
        (entry("{a: strin}"), 3, "'strin' is no type"),
        (entry("{a: {type: int, default: 1.5}}"), 3, "the default of 'a' must be a whole number"),
        (entry("{a: {type: float, default: 3, max: 2}}"), 3, "must be at most 2"),
        (entry("{a: {type: int, min: 3, max: 2}}"), 3, "'max' of 'a' is below its 'min'"),
        (entry("{a: {type: path, min: 3}}"), 3, "'min' is for numbers"),
        (entry("{a: {type: choice}}"), 3, "go together"),
        (entry("{a: {choices: [x], default: y}}"), 3, "must be one of its choices"),
        (entry("{'a;id': int}"), 3, "can't be called 'a;id'"),
        (entry("{a: int, a: int}"), 3, "stands twice"),
        (entry("{lr: float}", "x {lt}"), 4, "'{lt}', but the entry point has no parameter"),
        (entry("{a: float}", "x {a.real}"), 4, "no expression"),
        (entry("{a: float}", "x {a[0]}"), 4, "no expression"),
        (entry("{a: float}", "x {a!r:>9}"), 4, "no expression"),
        (entry("{a: float}", "x ${a}"), 4, "neither a parameter nor a variable"),
        (entry("{a: float}", "x \\{a}"), 4, "a backslash"),
        (entry("{}", "x {}"), 4, "names no parameter"),
        (entry("{}", "awk '{ print }'"), 4, "no parameter of that name"),
        (entry("{}", "x }"), 4, "a lone '}'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, problem: str):
    (err,) = read(text).errors
    assert isinstance(err, ProjectFileError)
    assert (err.line, err.exit_code) == (line, 2)
    assert f"'MLproject', line {line}: " in err.message
    assert problem in err.message


def test_all_that_is_wrong_is_told_at_once_and_what_is_odd_besides():
    found = read(
        "nam: x\nentry_points:\n  a: {}\n  b: {command: 'x {q}'}\n  c: {command: y, parameters: {u: int}, e: 1}"
    )
    assert [err.line for err in found.errors] == [3, 4]
    assert [(remark.line, remark.problem) for remark in found.remarks] == [
        (1, "'nam' is no key"),
        (5, "'e' is no key of 'c'"),
        (5, "the command of 'c' does not use its parameter 'u'"),
    ]
    assert found.remarks[0].hint is not None
    assert "did you mean 'name'?" in found.remarks[0].hint


# Folders


def test_the_file_is_found_in_any_case_and_its_environment_must_be_there(tmp_path: Path):
    (tmp_path / "mlPROJECT").write_text("# ours\npython_env: env.yaml\n")
    with pytest.raises(ProjectFileError, match="'mlPROJECT', line 2: there is no file 'env.yaml'"):
        load_project(tmp_path)
    (tmp_path / "env.yaml").touch()
    assert load_project(tmp_path).file == "mlPROJECT"


def test_without_a_key_the_environment_is_found_by_name(tmp_path: Path):
    def found() -> tuple[str, str | None]:
        environment = load_project(tmp_path).environment
        return environment.kind.value, environment.file

    assert found() == ("none", None)
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    (tmp_path / "uv.lock").touch()
    assert found() == ("none", None)  # settings of tools only
    (tmp_path / "requirements.txt").touch()
    assert found() == ("requirements", "requirements.txt")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert found() == ("uv_lock", "uv.lock")
    (tmp_path / "uv.lock").unlink()
    assert found() == ("pyproject", "pyproject.toml")
    (tmp_path / "conda.yaml").touch()
    assert found() == ("conda_env", "conda.yaml")
    (tmp_path / "python_env.yaml").touch()
    assert found() == ("python_env", "python_env.yaml")
    (tmp_path / "python_env.yaml").unlink()
    (tmp_path / "conda.yaml").unlink()
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(UsageError, match="'pyproject.toml' can't be read"):
        load_project(tmp_path)


def test_the_block_of_a_script_goes_before_what_is_found_by_name(tmp_path: Path):
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "a.py").write_text(
        '#!/usr/bin/env python\n\n# /// script\n# dependencies = ["x"]\n#\n# ///\nimport x\n'
    )
    (tmp_path / "b.py").write_text("# /// script\n# never ends\nimport x\n# ///\n")
    project = load_project(tmp_path)

    def of(name: str) -> EnvironmentSpec:
        return environment_for(project, find_entry_point(project, tmp_path, name), tmp_path)

    assert of("a.py") == EnvironmentSpec(EnvironmentKind.SCRIPT, "a.py")
    assert of("b.py") == EnvironmentSpec(EnvironmentKind.REQUIREMENTS, "requirements.txt")
    (tmp_path / "MLproject").write_text("conda_env: c.yaml\n")
    (tmp_path / "c.yaml").touch()
    project = load_project(tmp_path)
    assert of("a.py") == EnvironmentSpec(EnvironmentKind.CONDA, "c.yaml")


def test_scripts_are_entry_points_and_near_names_are_offered(tmp_path: Path):
    (tmp_path / "mlproject").mkdir()  # a package can be called that
    (tmp_path / "MLproject").write_text(entry())
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "fit {x}.R").touch()
    (tmp_path / "train.py").touch()
    project = load_project(tmp_path)
    assert find_entry_point(project, tmp_path, "main").command == "x"
    assert find_entry_point(project, tmp_path, "./train.py").command == "python train.py"
    assert find_entry_point(project, tmp_path, "steps/fit {x}.R").command == "Rscript 'steps/fit {{x}}.R'"
    for name, offered in (
        ("mian", "-e main"),
        ("trian.py", "-e train.py"),
        ("x" * 5000 + ".py", "main, train.py"),
    ):
        with pytest.raises(UnknownEntryPointError) as caught:
            find_entry_point(project, tmp_path, name)
        assert offered in str(caught.value.hint)


def test_nothing_leads_out_of_the_folder(tmp_path: Path):
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "secret.py").touch()
    (folder / "link.py").symlink_to(tmp_path / "secret.py")
    (folder / "up").symlink_to(tmp_path)
    (folder / "there.py").touch()
    (folder / "fine.py").symlink_to("there.py")
    project = load_project(folder)
    for name in ("../secret.py", str(tmp_path / "secret.py"), "link.py", "up/secret.py"):
        with pytest.raises(OutsideError):
            find_entry_point(project, folder, name)
    assert find_entry_point(project, folder, "fine.py").name == "fine.py"
    (folder / "conda.yaml").symlink_to(tmp_path / "secret.py")
    with pytest.raises(OutsideError):
        load_project(folder)
