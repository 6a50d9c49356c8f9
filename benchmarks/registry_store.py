"""A registry with many versions and promotions, written with gitml's own encoders.

    python registry_store.py REPOSITORY MODELS VERSIONS PROMOTIONS

The tags are what registering and promoting them would have left; they are packed, as
`git gc` leaves them, and all versions are of one run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gitml.entities.registry import MoveTag, VersionTag
from gitml.formats.registry_names import move_ref, version_ref
from gitml.formats.registry_tag import encode_move, encode_version
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF

_WHO = "Ada <ada@example.org>"
_START_S = 1_760_000_000
_STAGES = ("Staging", "Production")


def fill(folder: Path, models: int, versions: int, promotions: int) -> None:
    """Make so many versions and promotions, spread over the models."""
    git = GitRepo.discover(folder)
    record = git.tip(RUNS_REF)
    assert record is not None
    refs: dict[str, str] = {}
    oids: dict[tuple[str, int], str] = {}
    for number in range(versions):
        model, version = f"model-{number % models}", number // models + 1
        tag = VersionTag(
            version_ref(model, version), "", record, model, version, "0" * 32, "model", f"sha256:{number:064x}",
            f"try {number}", {"team": "growth"}, None, _WHO, 0,
        )  # fmt: skip
        message = encode_version(tag, f"{model} v{version}: model of brisk-heron")
        oids[model, version] = refs[tag.ref] = _write(git, tag.ref, record, "commit", number, message)
    for number in range(promotions):
        model, order = f"model-{number % models}", number // models + 1
        version = (order - 1) % (versions // models) + 1
        stage = _STAGES[order % 2]
        ref = move_ref("stage", model, stage.lower(), (order + 1) // 2)
        move = MoveTag(
            ref, "", oids[model, version], model, version, "stage", stage, "assigned", (order + 1) // 2, order,
            max(version - 2, 1), (), (), "it is better", _WHO, 0,
        )  # fmt: skip
        message = encode_move(move, f"{model}: v{version} to {stage}")
        refs[ref] = _write(git, ref, oids[model, version], "tag", versions + number, message)
    lines = "".join(f"create {ref} {oid}\n" for ref, oid in refs.items())
    for command, said in (
        (["update-ref", "--stdin"], lines),
        (["pack-refs", "--all"], ""),
        (["repack", "-adq"], ""),
    ):
        subprocess.run(["git", "-C", folder, *command], input=said.encode(), check=True)
    git.close()


def _write(git: GitRepo, ref: str, target: str, kind: str, number: int, message: str) -> str:
    name = ref.removeprefix("refs/tags/")
    header = f"object {target}\ntype {kind}\ntag {name}\ntagger {_WHO} {_START_S + 60 * number} +0000\n\n"
    return git.write_tag((header + message).encode())


if __name__ == "__main__":
    fill(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    print(json.dumps({}))
