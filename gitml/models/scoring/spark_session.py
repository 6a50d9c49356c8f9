"""Sessions of Spark: the one that there is, or a new one; and models on their way to its executors."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitml.errors import UsageError
from gitml.models.scoring.errors import EngineError, NoEngineError
from gitml.models.scoring.shipping import archive_name, pack

_shipped: set[tuple[str, str]] = set()


@contextmanager
def spark_session(master: str | None, workers: int | None) -> Iterator[Any]:
    """Use the session of this process, or start one and stop it afterwards.

    Args:
        master: Where Spark runs; None: on this machine.
        workers: How many tasks run at once, on this machine; None: one a processor.

    Raises:
        NoEngineError: pyspark is not installed.
        EngineError: Spark does not start.
    """
    try:
        from pyspark.errors import PySparkException  # type: ignore[import-not-found,unused-ignore]
        from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]
    except ImportError as err:
        raise NoEngineError("spark") from err
    if (there := SparkSession.getActiveSession()) is not None:
        yield there
        return
    local = f"local[{workers or '*'}]"
    builder = SparkSession.builder.master(master or local).appName("gitml models score")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    is_here = (master or local).startswith("local")
    if is_here:
        builder = builder.config("spark.ui.enabled", "false")
    try:
        session = builder.getOrCreate()
    except PySparkException as err:
        hint = "Spark needs Java 17: install a JDK, or set JAVA_HOME" if "JAVA" in str(err) else None
        raise EngineError("Spark", str(err), hint) from err
    try:
        session.sparkContext.setLogLevel("ERROR")
        if is_here:
            session.sparkContext.pythonExec = sys.executable  # and not whatever 'python3' is
        yield session
    finally:
        session.stop()


def ship_model(session: Any, folder: Path, digest: str) -> None:
    """Let executors have a model's files, once a session; `shipped_model` finds them there.

    Raises:
        UsageError: The session is one of Spark Connect, which has no files for executors.
    """
    context = _context(session)
    key = (context.applicationId, digest)
    if key in _shipped:
        return
    below = Path(tempfile.mkdtemp(prefix="gitml-"))
    atexit.register(
        shutil.rmtree, below, ignore_errors=True
    )  # executors may ask for it as long as Spark runs
    archive = pack(folder, digest, below)
    context.addArchive(f"{archive.as_uri()}#{archive_name(digest)}")
    _shipped.add(key)


def _context(session: Any) -> Any:
    if type(session).__module__.startswith("pyspark.sql.connect"):
        raise UsageError(
            "a session of Spark Connect can't hand a model to its executors",
            hint="use a classic session: --master spark://…, yarn or local[*]",
        )
    return session.sparkContext


def shipped_model(digest: str) -> Path:
    """Find a model's files in an executor."""
    from pyspark import SparkFiles  # type: ignore[import-not-found,unused-ignore]

    return Path(SparkFiles.get(archive_name(digest)))


def why(err: BaseException) -> str:
    """Say in a line what Spark says on many."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("at ", "File ", "Traceback", "^", "~"))]
    errors = [line for line in told if "Error:" in line or "Exception:" in line]
    return (errors or told or [type(err).__name__])[-1]
