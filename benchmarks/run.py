"""Measure gitml beside MLflow, in the same run, on the same machine.

    python benchmarks/run.py              everything, into benchmarks/results.json
    python benchmarks/run.py --quick      smaller and fewer, within minutes
    python benchmarks/run.py --only finding --only wrap
    python benchmarks/run.py --only finding --update    … in place of what benchmarks/results.json has of it

Nothing here is a test of speed: whatever the numbers are, the exit status is 0.
It is 1 if something did not work or gave a wrong answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cases import CASES, Case
from context import FULL, HERE, QUICK, Context
from machine import describe_machine, load, tool_versions
from measure import BrokenBenchmarkError, Result
from peer import PACKAGE, VERSION, install_peer
from table import table

SCHEMA = 1
RESULTS = HERE / "results.json"
_PACKAGES = ["gitml", "dulwich", "lark", "numpy", "pandas", "PyYAML", "rich", "typer"]


def main() -> int:
    options = _options()
    started = time.monotonic()
    peer = install_peer(_peer_folder()) if options.peer else None
    context = Context(QUICK if options.quick else FULL, peer, _cache())
    report = _header(context, options)
    try:
        results, broken = _measure(context, options.only or list(CASES))
    finally:
        context.close()
    report["load_at_end"] = load()
    report["seconds"] = round(time.monotonic() - started)
    report["results"] = [result.as_json() for result in results]
    print(table(results))
    print(_sentence(report))
    target = options.json or (
        RESULTS if not options.quick and (options.update or not options.only) and peer else None
    )
    if options.update and target and not broken:
        report = _updated(json.loads(RESULTS.read_text(encoding="utf-8")), report)
    if target and not broken:
        target.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"written to {target}")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK.runs:,} runs instead of {FULL.runs:,}, and so on"
    )
    parser.add_argument("--only", action="append", choices=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument(
        "--update",
        action="store_true",
        help="put the results into benchmarks/results.json, beside its others",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the results")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave MLflow out")
    return parser.parse_args()


def _peer_folder() -> Path:
    given = os.environ.get("GITML_BENCH_PEERS")
    return (Path(given).absolute() if given else HERE) / f".venv-{PACKAGE}"


def _cache() -> Path:
    """The folder that keeps stores with many runs, ours alone."""
    folder = Path(tempfile.gettempdir()) / f"gitml-benchmark-stores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"'{folder}' belongs to somebody else")
    return folder


def _header(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    installed = context.gitml("versions", context.home, packages=_PACKAGES).answer
    return {
        "schema": SCHEMA,
        "taken": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "mode": "quick" if options.quick else "full",
        "machine": describe_machine(context.folder),
        "versions": {**tool_versions(), **installed, **({PACKAGE: VERSION} if context.peer else {})},
        "load_at_start": load(),
    }


def _updated(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Put results in the place of older ones of their names; each says when it was taken.

    Raises:
        ValueError: The others are of another machine, or of other versions.
    """
    for part in ("machine", "versions", "mode"):
        if old[part] != new[part]:
            raise ValueError(f"results.json is of another {part}: {old[part]}, here it is {new[part]}")
    fresh = {result["name"]: {**result, "taken": new["taken"]} for result in new["results"]}
    return {**old, "results": [fresh.get(result["name"], result) for result in old["results"]]}


def _measure(context: Context, names: list[str]) -> tuple[list[Result], bool]:
    results: list[Result] = []
    broken = False
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            results += _alone(CASES[name], context)
        except (BrokenBenchmarkError, OSError, AssertionError, KeyError, subprocess.CalledProcessError):
            traceback.print_exc()
            broken = True
    return results, broken


def _alone(case: Case, context: Context) -> list[Result]:
    """Measure in a process of its own: what one case reads into memory is no part of the next one's peaks.

    Linux counts, in the peak of a program, the memory of the process that started it.
    """
    with ProcessPoolExecutor(1, get_context("fork")) as one:
        return one.submit(case, context).result()


def _sentence(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    peer = f", MLflow {versions[PACKAGE]} on SQLite" if PACKAGE in versions else ""
    return (
        f"{report['mode']} run of {report['seconds']} s on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['file_system']}; Python {versions['python']}, git {versions['git']}{peer}; "
        f"load {report['load_at_start'][0]} before, {report['load_at_end'][0]} after"
    )


if __name__ == "__main__":
    sys.exit(main())
