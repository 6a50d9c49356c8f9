"""Runs, experiments, histories, pointers and names: to bytes and back."""

from __future__ import annotations

import dataclasses
import math
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitml.entities.artifact import Pointer
from gitml.entities.run import MetricPoint, MetricSummary, Run, RunStatus
from gitml.errors import DamagedError, InvalidNameError
from gitml.formats import commit_message, history, names, pointer, run_tree
from tests.strategies import experiments, integers, metric_names, numbers, runs, times


def plain(value: object) -> object:
    """Make a value comparable: NaN equal to NaN, 1 apart from 1.0 and True."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value.hex())
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return (type(value).__name__, value)


@given(runs)
def test_a_run_is_read_back(run):
    files = run_tree.encode_run(run)
    back = run_tree.decode_run(files, commit="c" * 40)
    expected = dataclasses.replace(run, commit="c" * 40)
    assert plain(dataclasses.asdict(back)) == plain(dataclasses.asdict(expected))
    assert run_tree.encode_run(back) == files, "same content, same bytes"


@pytest.mark.parametrize("name", ["0A", "a b", "x: {last", "y", "-", "é"])
def test_a_metric_keeps_its_whole_name(name):
    summary = MetricSummary(1, 0, 0, 1, 0, 1, 0, 1)
    data = run_tree.encode_metrics({name: summary, "plain": summary})
    assert list(run_tree.decode_metrics(data, source="x")) == [name, "plain"]


@given(experiments)
def test_an_experiment_is_read_back(experiment):
    assert run_tree.decode_experiment(run_tree.encode_experiment(experiment)) == experiment


@given(runs)
def test_git_finds_the_trailers(run):
    message = commit_message.run_message(run)
    found = commit_message.trailers(message)
    assert found["Run-Id"] == run.id
    assert found["Status"] == run.status.value
    assert commit_message.is_ours(message, ["x"])


def test_gits_own_parser_agrees_about_trailers(tmp_path):
    run = Run("4c8ae10f", "brisk-heron", experiment="a: b/c", status=RunStatus.KILLED)
    message = commit_message.run_message(run)
    out = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=message,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert out == "Run-Id: 4c8ae10f\nExperiment: a: b/c\nStatus: killed\n"


def test_unknown_keys_of_a_newer_gitml_survive():
    run = Run("4c8ae10f", "x", extra={"shiny": [1, "two"]})
    back = run_tree.decode_run(run_tree.encode_run(run), commit="c" * 40)
    assert back.extra == {"shiny": [1, "two"]}


@given(st.binary(max_size=300))
def test_any_bytes_for_run_yaml_give_a_run_or_a_clear_error(data):
    try:
        run_tree.decode_run({"run.yaml": data}, commit="c" * 40)
    except DamagedError as err:
        assert "run.yaml" in str(err)


RUN = b"id: 4c8ae10f\nstatus: finished\nstart: 2026-11-01T10:00:00.000Z\n"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"run.yaml": RUN + b"code: 5\n"}, "'run.yaml' holds a value that does not belong there"),
        ({"run.yaml": RUN + b"end: soon\n"}, "'run.yaml' holds what makes no sense there: 'soon' is no time"),
        ({"run.yaml": RUN + b"end: 5\n"}, "5 is no time"),
        ({"run.yaml": b"id: x\n"}, "'run.yaml' lacks 'status'"),
        (
            {"metrics.yaml": b"loss: 5\n"},
            "metric 'loss' holds what makes no sense there: 5 instead of its last",
        ),
        ({"metrics.yaml": b"loss: {last: x, min: 1, max: 1}\n"}, "metric 'loss' holds what makes no sense"),
        ({"inputs.yaml": b"- 5\n"}, "a data set holds a value that does not belong there"),
    ],
)
def test_what_is_wrong_is_told_in_words(files, problem):
    with pytest.raises(DamagedError) as caught:
        run_tree.decode_run({"run.yaml": RUN, **files}, commit=None)
    assert problem in caught.value.message
    assert "object" not in caught.value.message


@given(st.lists(st.builds(MetricPoint, integers, times, numbers), max_size=30))
def test_points_are_read_back_exactly(points):
    data = b"".join(history.encode_point(*point) for point in points)
    assert plain(history.decode_points(data, source="x")) == plain(points)


@given(
    st.lists(st.builds(MetricPoint, st.integers(0, 9), st.integers(0, 9), numbers), min_size=1, max_size=20),
    st.integers(0, 20),
)
def test_a_summary_can_be_built_in_two_steps(points, cut):
    whole = b"".join(history.encode_point(*point) for point in points)
    head = b"".join(history.encode_point(*point) for point in points[:cut])
    summary = history.summarize(whole, source="x")
    stepwise = history.summarize(whole[len(head) :], source="x", start=history.summarize(head, source="x"))
    assert plain(dataclasses.astuple(summary)) == plain(dataclasses.astuple(stepwise))
    assert summary.count == len(points)
    real = [point.value for point in points if not math.isnan(point.value)]
    if real:
        assert (summary.min, summary.max) == (min(real), max(real))
    latest = max((point.step, point.timestamp_ms) for point in points)
    assert plain(summary.last) == plain([p.value for p in points if (p.step, p.timestamp_ms) == latest][-1])


def test_a_damaged_history_names_file_and_line():
    with pytest.raises(DamagedError, match=r"'loss', line 2 .*oops"):
        history.decode_points(b"0\t0\t1.0\noops\n", source="loss")


def test_only_whole_lines_count():
    assert history.whole_lines(b"0\t0\t1.0\n1\t0\t0.") == b"0\t0\t1.0\n"
    assert history.whole_lines(b"0\t0") == b""
    assert history.whole_lines(b"") == b""


@given(metric_names)
@example("git~1\u200c")
@example(".git\u200d/x")
def test_metric_files_have_the_name_and_fit_into_git(name):
    try:
        path = names.metric_path(name)
    except InvalidNameError:
        return  # too long once encoded
    assert names.metric_name(path) == name
    assert all(part not in ("", ".", "..") and not names.is_git_folder(part) for part in path.split("/"))


@given(st.lists(metric_names, min_size=2, max_size=6, unique=True))
def test_metric_files_never_get_in_each_others_way(metrics):
    paths = [names.metric_path(name) for name in metrics]
    assert len(set(paths)) == len(paths)
    assert not any(b.startswith(a + "/") for a in paths for b in paths)


def test_a_metric_named_like_a_file_is_no_folder_of_it():
    assert names.metric_path("a.tsv/b") == "a%2Etsv/b.tsv"
    assert names.metric_path(".git/x") == ".gi%74/x.tsv"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "C:/x",
        "a\\b",
        "",
        ".",
        "a/.git/config",
        ".GIT/x",
        "git~1",
        "a\nb",
        ".g\u200cit",
    ],
)
def test_bad_artifact_paths_are_refused(path):
    with pytest.raises(InvalidNameError):
        names.check_artifact_path(path)


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\x1b[31m", "x" * 251, "\u202ertl", " a", "\ud800", 7, None, b"a"]
)
def test_bad_names_are_refused_with_the_rule(name):
    with pytest.raises(InvalidNameError) as caught:
        names.check_name("metric", name)
    assert caught.value.rule
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["loss", "val/top-1 acc", "שלום", "🎉", "naïve", "a:b", "top@5", "x" * 250])
def test_every_script_and_emoji_are_names(name):
    assert names.check_name("metric", name) == name


oid = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.builds(Pointer, oid, st.integers(0, 2**63 - 1), st.booleans()))
def test_pointers_are_read_back(value):
    data = pointer.encode_pointer(value)
    assert pointer.decode_pointer(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"version https://evil.example/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1\n",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"A" * 64 + b"\nsize 1\n",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize -1\n",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1\n" + b"x" * 1024,
    ],
)
def test_other_texts_are_no_pointers(data):
    assert pointer.decode_pointer(data) is None


paths = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="/\\\ufeff"), min_size=1, max_size=8),
    min_size=1, max_size=3,
).map("/".join).filter(lambda path: not {".", ".."} & set(path.split("/")))  # fmt: skip


@given(st.dictionaries(paths, st.booleans(), max_size=5))
def test_attributes_are_read_back(marked):
    assert pointer.decode_attributes(pointer.encode_attributes(marked)) == marked


@given(st.lists(paths, min_size=1, max_size=4, unique=True))
def test_git_itself_reads_the_attributes_as_meant(tmp_path_factory, marked):
    folder = tmp_path_factory.mktemp("attributes")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".gitattributes").write_bytes(pointer.encode_attributes(dict.fromkeys(marked[1:], True)))
    out = subprocess.run(
        ["git", "check-attr", "-z", "--stdin", "filter"],
        cwd=folder, input="\0".join(marked).encode(), capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    values = out.split("\0")[2::3]
    assert values == ["unspecified", *["lfs"] * (len(marked) - 1)]


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_read_back(ms):
    assert run_tree.parse_time(run_tree.format_time(ms)) == ms
