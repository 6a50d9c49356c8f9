"""What may join the runs, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gitml.entities.artifact import Pointer
from gitml.entities.run import CodeState, Experiment
from gitml.formats import commit_message, run_tree
from gitml.formats.pointer import encode_attributes, encode_pointer
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF
from gitml.sync.findings import Limits, UnsoundRecordsError
from gitml.sync.inspect import inspect, inspect_or_refuse
from tests.sync.forge import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, Forge, a_run

OID = "ab" * 32
POINTER = encode_pointer(Pointer(OID, 12345))
MARK = encode_attributes({"artifacts/model.bin": True})


@pytest.fixture
def repo(git_repo: Path):
    found = GitRepo.discover(git_repo)
    yield found
    found.close()


@pytest.fixture
def forge(repo: GitRepo):
    return Forge(repo)


@pytest.fixture
def rules(repo: GitRepo):
    """Inspect commits; give path and rule of what was found."""

    def find(*commits: str, **options) -> list[tuple[str, str]]:
        found = inspect(repo, [(commit, ()) for commit in commits], **options)
        return [(finding.path, finding.rule) for finding in found]

    return find


@pytest.fixture
def each(repo: GitRepo):
    """Inspect labelled commits together; give label to path and rule of what was found first."""

    def find(commits: Mapping[object, str]) -> dict[object, tuple[str, str] | None]:
        first: dict[str, tuple[str, str]] = {}
        for finding in inspect(repo, [(commit, ()) for commit in commits.values()]):
            first.setdefault(finding.commit, (finding.path, finding.rule))
        return {label: first.get(commit) for label, commit in commits.items()}

    return find


# What gitml itself records is sound


def test_runs_as_gitml_records_them_are_sound(in_repo: Path, rules, mlflow):
    (in_repo / "new.py").write_text("print()\n")
    with mlflow.start_run(run_name="a run with everything") as run:
        mlflow.log_params({"lr": 0.1, "layers": [64, 32], "none": None, "näme/with 100 %": "тест"})
        for step in range(30):
            mlflow.log_metric("val/top-1: acc?", step / 30, step=step)
            mlflow.log_metric("nul", float("nan"), step=step)
        mlflow.set_tag("why", "because: \n of this")
        mlflow.log_text("x" * 200_000, "large/file [1]*.txt")
        mlflow.log_text("small", "small.txt")
        mlflow.log_text("*.bin filter=evil\n", "model/.gitattributes")
        mlflow.log_text("weights", "model/%2Eodd")
        mlflow.log_text(POINTER.decode(), "reads-like-a-pointer")
    mlflow.set_experiment("another")
    with mlflow.start_run() as other:
        mlflow.log_metric("loss", 1)
    client = mlflow.Client()
    client.set_tag(run.info.run_id, "later", "yes")
    client.delete_run(other.info.run_id)
    client.rename_experiment(client.get_experiment_by_name("another").experiment_id, "renamed")
    repo = GitRepo.discover(in_repo)
    commits = list(repo.rev_list(repo.tip(RUNS_REF)))
    assert len(commits) >= 5
    assert list(inspect(repo, commits)) == []


def test_synthetic_runs_are_sound(git_repo: Path):
    fill = Path(__file__).parents[2] / "benchmarks/synthetic.py"
    subprocess.run([sys.executable, fill, "gitml", git_repo, "60"], check=True, capture_output=True)
    repo = GitRepo.discover(git_repo)
    assert list(inspect(repo, repo.rev_list(repo.tip(RUNS_REF)))) == []


def test_in_a_repository_with_sha256(tmp_path: Path, git):
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "r")
    repo = GitRepo.discover(tmp_path / "r")
    forge = Forge(repo)
    first, second = forge.record(), forge.record(None, {"odd": (LINK, forge.raw("blob", b"/etc"))})
    joint = forge.commit(forge.tree([]), "join", [first, second])
    found = list(inspect(repo, [(first, ()), (second, ()), (joint, (first, second))]))
    assert [(finding.commit, finding.path, finding.rule) for finding in found] == [(second, "odd", "mode")]


# Commits


def test_joints_have_no_files(forge: Forge, rules):
    one, two = forge.record(), forge.record()
    assert rules(forge.commit(forge.tree([]), "join", [one, two])) == []
    assert rules(forge.commit(forge.nested({"a": b"x"}), "join", [one, two])) == [("", "join")]


def test_a_commit_without_a_record_is_foreign(forge: Forge, each):
    messages = ["a commit of somebody else\n", "x\n\nRun-Idea: 1\n", "x\n\nFuture-Id: 1\n", ""]
    found = each({message: forge.record(message=message) for message in messages})
    assert found == dict.fromkeys(messages, ("", "foreign"))


def test_a_commit_of_code_is_foreign(repo: GitRepo, rules):
    assert rules(repo.tip("refs/heads/main")) == [("", "foreign")]


def test_the_message_agrees_with_the_record(forge: Forge, each):
    run = a_run()
    message = commit_message.run_message(run)
    changes = [
        ("Run-Id: ", "Run-Id: f"),
        ("Status: finished", "Status: failed"),
        ("Experiment: Default", "Experiment: other"),
        ("Status: finished", "Status: finished\nCode-Commit: " + "1" * 40),
        ("Status: finished", "Status: failed\nStatus: finished"),
        ("Run-Id: ", "Experiment-Id: 0\nRun-Id: "),
        ("Run-Id: ", "Run-Id: 1\nRun-Id: "),
    ]
    found = each({change: forge.record(run, message=message.replace(*change)) for change in changes})
    assert found == dict.fromkeys(changes, ("", "message"))


def test_what_is_no_commit(forge: Forge, rules):
    blob = forge.raw("blob", b"x")
    broken = forge.raw("commit", b"tree 123\n\nnothing")
    tree = forge.tree([])
    late = forge.raw(
        "commit", f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> {10**17} +0000\n\nx".encode()
    )
    assert rules(blob, broken, late, "1" * 40) == [("", "message")] * 4


def test_the_parents_that_count_are_the_commits_own(forge: Forge, repo: GitRepo):
    foreign = forge.commit(forge.nested({"a": b"x"}), "not a joint")
    assert [finding.rule for finding in inspect(repo, [(foreign, ("1" * 40, "2" * 40))])] == ["foreign"]


# Records


def test_yaml_that_is_no_record(forge: Forge, each):
    files = [
        ("run.yaml", b"id: [\n"),
        ("run.yaml", b"id: a\nstatus: finished\n"),
        ("run.yaml", b"id: a\nstatus: great\nstart: 2026-01-01T00:00:00.000Z\n"),
        ("run.yaml", b"id: a\nstatus: finished\nstart: 2026-01-01T00:00:00.000Z\ncode: text\n"),
        ("run.yaml", b"a: &a [x]\nb: [*a, *a]\n"),
        ("run.yaml", b"id: !!python/object:os.system x\n"),
        ("run.yaml", b"[" * 100 + b"]" * 100),
        ("params.yaml", b"- a\n"),
        ("params.yaml", b"a: {b: 1}\n"),
        ("params.yaml", b"\xc3\x28: 1\n"),
        ("metrics.yaml", b"loss: {last: much}\n"),
        (
            "metrics.yaml",
            b"loss: {last: 1, step: .inf, time: 0, min: 1, min_step: 0, max: 1, max_step: 0, count: 1}\n",
        ),
        ("inputs.yaml", b"- {digest: 1}\n"),
        ("inputs.yaml", b"- text\n"),
    ]
    found = each({(file, content): forge.record(extra={file: content}) for file, content in files})
    assert found == {(file, content): (file, "record") for file, content in files}


def test_a_record_lacks_its_file(forge: Forge, rules):
    assert rules(forge.record(extra={"run.yaml": None})) == [("", "record")]


def test_names_follow_the_rules(forge: Forge, each):
    changes = [
        ("run.yaml", {"id": "../up"}),
        ("run.yaml", {"id": "-rf"}),
        ("run.yaml", {"id": "x" * 257}),
        ("run.yaml", {"parent_id": "a/b"}),
        ("run.yaml", {"experiment_id": "../x"}),
        ("run.yaml", {"name": "red \x1b[31m"}),
        ("run.yaml", {"experiment": "a\u202eb"}),
        ("params.yaml", {"params": {"": 1}}),
        ("params.yaml", {"params": {"x" * 251: 1}}),
        ("tags.yaml", {"tags": {"a\nb": "c"}}),
    ]
    found = each({number: forge.record(a_run(**change)) for number, (_, change) in enumerate(changes)})
    assert found == {number: (path, "name") for number, (path, _) in enumerate(changes)}


def test_code_is_named_by_object_ids(forge: Forge, each):
    states = [CodeState(commit="--upload-pack=x"), CodeState(commit="HEAD"), CodeState(tree="1")]
    found = each({state: forge.record(a_run(code=state)) for state in states})
    assert found == dict.fromkeys(states, ("run.yaml", "code"))


def test_records_of_experiments(forge: Forge, rules):
    experiment = Experiment(
        "3a1f0c9be24d7710", "churn", 1_760_000_000_000, 1_760_000_000_000, tags={"a": "b"}
    )

    def record(experiment: Experiment, message: Experiment | None = None) -> str:
        tree = forge.nested({"experiment.yaml": run_tree.encode_experiment(experiment)})
        return forge.commit(tree, commit_message.experiment_message(message or experiment, "created"))

    assert rules(record(experiment)) == []
    assert rules(record(replace(experiment, id="../x"))) == [("experiment.yaml", "name")]
    assert rules(record(replace(experiment, name="a\0b"), experiment)) == [("run.yaml", "name")]
    assert rules(record(experiment, replace(experiment, id="other"))) == [("", "message")]
    broken = forge.nested(
        {"experiment.yaml": b"id: 1\ntags: text\nname: x\ncreated: 2026-01-01T00:00:00.000Z\n"}
    )
    message = commit_message.experiment_message(experiment, "created")
    assert rules(forge.commit(broken, message)) == [("experiment.yaml", "record")]


def test_unknown_files_and_keys_are_fine(forge: Forge, rules):
    run = a_run(extra={"colour": "blue", "nested": {"a": 1}})
    assert rules(forge.record(run, {"future.yaml": b"x", "future/of/all.bin": b"y"})) == []


def test_what_a_person_edited_is_fine(forge: Forge, rules):
    params = b"# by hand\nlr: 0.1\nlayers:\n  - 1\n  - 2\ntext: 'it''s'\n"
    assert rules(forge.record(extra={"params.yaml": params})) == []


def test_files_that_are_too_long_to_read(forge: Forge, rules):
    commit = forge.record(extra={"note.md": b"x" * 2000, "artifacts/a": b"y" * 2000})
    assert rules(commit, limits=Limits(record_bytes=1000)) == [("note.md", "size")]
    assert sorted(rules(commit, limits=Limits(blob_bytes=1000))) == [
        ("artifacts/a", "size"),
        ("note.md", "size"),
    ]


# Trees


def test_outside_code_there_are_files_and_folders(forge: Forge, rules):
    target = forge.raw("blob", b"/etc/passwd")
    for path, mode, rule in [
        ("artifacts/a", LINK, "mode"), ("artifacts/a/b", EXECUTABLE, "mode"), ("environment/x", SUBMODULE, "mode"),
        ("run.yaml", LINK, "mode"), ("params.yaml", b"100664", "mode"), ("logs/x", b"0100644", "mode"),
        ("history", LINK, "tree"), ("artifacts", SUBMODULE, "tree"), ("code", LINK, "tree"),
    ]:  # fmt: skip
        assert (path, rule) in rules(forge.record(a_run(metrics={}), {path: (mode, target)})), path


def test_names_that_are_dangerous_somewhere(forge: Forge, each):
    dangerous = [
        b"..", b".", b".git", b".GIT", b"git~1", b".g\xe2\x80\x8cit", b".git ", b"a\nb", b"a\x1b[2J", b"a\\b",
        b"a/b", b"", b"/", b"C:\\x", b"\xff\xfe", "a\u202eb".encode(), b".gitmodules", b".GitAttributes",
        b"x" * 256,
    ]  # fmt: skip
    blob, commits = forge.raw("blob", b"x"), {}
    for name in dangerous:
        odd = forge.tree([(FILE, name, blob)])
        for area in ["artifacts", "environment", "artifacts/deep/er", "future"]:
            commits[name, area] = forge.record(extra={area: (FOLDER, odd)})
        run = a_run()
        files = [(FILE, path, forge.raw("blob", data)) for path, data in run_tree.encode_run(run).items()]
        top = forge.tree([(FILE, name, blob), *files])
        commits[name, ""] = forge.commit(top, commit_message.run_message(run))
    assert {case: what and what[1] for case, what in each(commits).items()} == dict.fromkeys(commits, "name")


def test_paths_that_are_not_how_names_are_written(forge: Forge, rules):
    point = b"0\t1\t1\n"
    for path in ["artifacts/a%2Eb/%2Egitattributes", "history/a%3Ab.tsv"]:
        assert rules(forge.record(extra={path: point})) == []
    for path in ["artifacts/%2Emodel", "history/a%2eb.tsv", "history/a.txt", "history/x/%2E%2E/y.tsv",
                 "history/a%0Ab.tsv", "history/..tsv"]:  # fmt: skip
        assert rules(forge.record(extra={path: point})) == [(path, "name")]


def test_tombstones_are_named_by_objects_and_say_when(forge: Forge, each, rules):
    good = b"time: 2026-01-02T03:04:05.000Z\nby: Ada <ada@example.org>\nreason: consent withdrawn\n"
    path = f"purged/{OID}.yaml"
    first = forge.record(a_run(), {path: good})
    assert rules(first, forge.record(a_run(), {path: good[: good.index(b"reason")]})) == []
    cases = {
        (f"purged/{OID.upper()}.yaml", "name"): good, (f"purged/{OID[1:]}.yaml", "name"): good,
        (f"purged/{OID}", "name"): good, ("purged/note.md", "name"): b"x", (f"purged/x/{OID}.yaml", "name"): good,
        (f"purged/{OID}.yaml/x", "name"): good, ("purged", "tree"): b"x",
    }  # fmt: skip
    cases |= {(path, "record"): b"by: Ada\n"}
    found = each({case: forge.record(a_run(), {case[0]: data}) for case, data in cases.items()})
    assert {case: what and what[1] for case, what in found.items()} == {case: case[1] for case in cases}
    for data in (b"", b"time: yesterday\n", b"time: [1]\n", b"- a list\n", b"\xff", b"version https://x\n"):
        assert rules(forge.record(a_run(), {path: data})) == [(path, "record")], data
    assert rules(forge.record(a_run(), {path: good * 2000}), limits=Limits(record_bytes=1000)) == [
        (path, "size")
    ]


def test_a_folder_where_a_file_belongs(forge: Forge, each):
    names = ["run.yaml", "params.yaml", ".gitattributes"]
    found = each({name: forge.record(a_run(params={}), {name: None, f"{name}/x": b""}) for name in names})
    assert found == {name: (name, "tree") for name in names}


def test_a_file_where_a_folder_belongs(forge: Forge, each):
    names = ["artifacts", "history", "code", "environment"]
    found = each({name: forge.record(a_run(metrics={}), {name: b""}) for name in names})
    assert found == {name: (name, "tree") for name in names}


def test_trees_that_are_none(forge: Forge, rules):
    run, blob = a_run(), forge.raw("blob", b"x")
    message = commit_message.run_message(run)
    files = [(FILE, path, forge.raw("blob", data)) for path, data in run_tree.encode_run(run).items()]
    assert rules(forge.commit(forge.tree([*files, files[0]]), message)) == [("", "tree")]
    assert rules(forge.commit(forge.raw("tree", b"100644 a"), message))[0] == ("", "tree")
    assert rules(forge.commit(blob, message))[0] == ("", "tree")
    assert rules(forge.commit("1" * 40, message))[0] == ("", "missing")
    assert ("artifacts", "tree") in rules(forge.record(run, {"artifacts": (FOLDER, blob)}))
    assert ("artifacts/x", "tree") in rules(forge.record(run, {"artifacts/x": (FILE, forge.tree([]))}))
    assert ("artifacts/x", "missing") in rules(forge.record(run, {"artifacts/x": (FILE, "1" * 40)}))


def test_folders_that_hold_each_other_many_times_over(forge: Forge, rules):
    tree = forge.nested({"a": b"x"})
    for _ in range(12):
        tree = forge.tree([(FOLDER, f"f{number}", tree) for number in range(10)])
    found = rules(forge.record(extra={"artifacts": (FOLDER, tree)}), limits=Limits(paths=500))
    assert [rule for _, rule in found] == ["size"]


def test_a_folder_that_many_runs_share_is_told_of_for_each(forge: Forge, rules):
    shared = forge.nested({"bad": (LINK, forge.raw("blob", b"x"))})
    commits = [forge.record(extra={"environment": (FOLDER, shared)}) for _ in range(3)]
    assert rules(*commits) == [("environment/bad", "mode")] * 3


# Pointers


def test_pointers_that_are_marked_are_sound(forge: Forge, repo: GitRepo):
    own = encode_pointer(Pointer(OID, 7, lfs=False))
    odd = "artifacts/a dir/[x]*?.bin"
    marks = encode_attributes({"artifacts/model.bin": True, odd: False, "history/loss.tsv": True})
    commit = forge.record(
        extra={"artifacts/model.bin": POINTER, odd: own, "history/loss.tsv": POINTER,
               ".gitattributes": b"# written by hand\n\n" + marks}
    )  # fmt: skip
    met = []
    assert list(inspect(repo, [(commit, ())], on_pointer=lambda *what: met.append(what))) == []
    assert sorted(met) == [
        (commit, odd, Pointer(OID, 7, lfs=False)),
        (commit, "artifacts/model.bin", Pointer(OID, 12345)),
        (commit, "history/loss.tsv", Pointer(OID, 12345)),
    ]  # fmt: skip


def test_attributes_mark_exactly_the_pointers(forge: Forge, each):
    cases = [
        (POINTER, None, "artifacts/model.bin"),
        (b"weights", MARK, "artifacts/model.bin"),
        (None, MARK, "artifacts/model.bin"),
        (POINTER.replace(b"sha256:ab", b"sha256:AB"), MARK, "artifacts/model.bin"),
        (POINTER.replace(b"12345", b"-1"), MARK, "artifacts/model.bin"),
        (POINTER.replace(b"git-lfs", b"git-lfx"), MARK, "artifacts/model.bin"),
        (POINTER, encode_attributes({"artifacts/model.bin": False}), "artifacts/model.bin"),
        (POINTER, b"* filter=lfs diff=lfs merge=lfs -text\n", ".gitattributes"),
        (POINTER, b"/artifacts/* filter=lfs diff=lfs merge=lfs -text\n", ".gitattributes"),
        (POINTER, MARK + b"/run.yaml filter=evil\n", ".gitattributes"),
        (POINTER, MARK.replace(b"-text", b"-text filter=evil"), ".gitattributes"),
    ]
    found = each(
        {
            (pointer, marks, path): forge.record(
                extra={"artifacts/model.bin": pointer, ".gitattributes": marks}
            )
            for pointer, marks, path in cases
        }
    )
    assert found == {case: (case[2], "pointer") for case in cases}


def test_an_object_of_no_sane_size(forge: Forge, rules):
    huge = encode_pointer(Pointer(OID, 10**18))
    assert rules(forge.record(extra={"artifacts/model.bin": huge, ".gitattributes": MARK})) == [
        ("artifacts/model.bin", "size")
    ]


# Code


def with_code(forge: Forge, tree: str, commit: str | None = None) -> str:
    return forge.record(a_run(code=CodeState(commit=commit, tree=tree)), {"code": (FOLDER, tree)})


def test_code_may_hold_what_git_permits(forge: Forge, rules):
    blob = forge.raw("blob", b"x")
    tree = forge.nested(
        {"link": (LINK, blob), "tool": (EXECUTABLE, blob), "sub": (SUBMODULE, "1" * 40), "old": (b"100664", blob),
         ".gitattributes": b"* text\n", "deep/.gitmodules": b"", "a\\b": b"", "tab\there": b""}
    )  # fmt: skip
    assert rules(with_code(forge, tree)) == []


def test_code_that_git_itself_would_refuse(forge: Forge, each):
    cases = [
        (FILE, b".git"), (FOLDER, b".GIT"), (FILE, b".."), (FOLDER, b"."), (FILE, b"a/b"), (FILE, b""),
        (LINK, b".gitmodules"), (b"100000", b"x"), (FILE, b"git~1"), (LINK, b".g\xe2\x80\x8cit"),
    ]  # fmt: skip
    trees = {
        (mode, name): forge.tree(
            [(mode, name, forge.tree([]) if mode == FOLDER else forge.raw("blob", b"x"))]
        )
        for mode, name in cases
    }
    found = each(
        {case: with_code(forge, forge.tree([(FOLDER, b"sub", tree)])) for case, tree in trees.items()}
    )
    assert {case: what and what[1] for case, what in found.items()} == dict.fromkeys(cases, "code")


def test_the_code_is_what_the_record_says(forge: Forge, rules):
    run = a_run(code=CodeState(tree=forge.nested({"a": b"1"})))
    assert rules(forge.record(run, {"code": (FOLDER, forge.nested({"a": b"2"}))})) == [("code", "code")]


def test_large_files_in_code(forge: Forge, rules):
    tree = forge.nested({"data/train.csv": b"x" * 5000})
    assert rules(with_code(forge, tree), limits=Limits(blob_bytes=4000)) == [("code/data/train.csv", "size")]


def test_code_that_is_on_a_branch_is_not_looked_at_again(forge: Forge, repo: GitRepo, rules):
    large = forge.raw("blob", b"x" * 5000)
    known = forge.nested({"data/train.csv": (FILE, large), "data/more.csv": b"1"})
    commit = forge.commit(known, "code")
    limits = Limits(blob_bytes=4000)
    changed = forge.nested({"data/train.csv": (FILE, large), "data/more.csv": b"2"})
    assert rules(with_code(forge, known, commit), with_code(forge, changed, commit), limits=limits) == [
        ("code/data/train.csv", "size")
    ]
    repo.move_ref("refs/heads/side", None, commit)
    assert rules(with_code(forge, known, commit), with_code(forge, changed, commit), limits=limits) == []
    worse = forge.nested(
        {"data/train.csv": (FILE, large), "data/new.csv": b"y" * 4001, "data/l": (LINK, large)}
    )
    # The link's target is the large file, so far only known as a file.
    assert ("code/data/new.csv", "size") in rules(with_code(forge, worse, commit), limits=limits)


def test_code_that_holds_itself_many_times_over_is_read_once(forge: Forge, rules):
    tree = forge.nested({"a": b"x"})
    for _ in range(30):
        tree = forge.tree([(FOLDER, f"f{number}", tree) for number in range(10)])
    assert rules(with_code(forge, tree)) == []


# Partial clones, refusal


def test_a_partial_clone_fetches_nothing_for_it(forge: Forge, repo: GitRepo, git, tmp_path: Path):
    commit = forge.record(extra={"artifacts/a": b"a" * 300})
    bad = forge.record(extra={"artifacts/l": (LINK, forge.raw("blob", b"x"))}, parents=[commit])
    repo.move_ref(RUNS_REF, None, bad)
    git(repo.work_tree, "config", "uploadpack.allowFilter", "true")
    url = f"file://{repo.work_tree}"
    git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", "--branch=gitml/runs", url, "partial")
    partial = GitRepo.discover(tmp_path / "partial")
    before = git(tmp_path / "partial", "count-objects", "-v")
    found = list(inspect(partial, partial.rev_list(bad)))
    assert [(finding.path, finding.rule) for finding in found] == [("artifacts/l", "mode")]
    assert git(tmp_path / "partial", "count-objects", "-v") == before


def test_refusing_says_what_and_from_where(forge: Forge, repo: GitRepo):
    commits = [(forge.record(extra={"artifacts/\x1b[31m": b""}), ()) for _ in range(5)]
    told: list[tuple[int, int]] = []
    with pytest.raises(UnsoundRecordsError) as caught:
        inspect_or_refuse(repo, commits, "origin", lambda done, total: told.append((done, total)))
    assert "'origin'" in str(caught.value)
    assert commits[0][0][:12] in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(caught.value.findings) == 5
    assert told == [(5, 5)]
    inspect_or_refuse(repo, [(forge.record(), ())], "origin")
    inspect_or_refuse(repo, [], "origin")
